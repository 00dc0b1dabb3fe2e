"""The one state machine: any chunks give the same segments, which tile the time and say what the recogniser says."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from joined import Joined, border_errors, heard_in, joined, tiles
from tiny import LABELS, tiny, tiny_dimensions

from emotone import audio, synthetic
from emotone.errors import AudioError, ConfigError
from emotone.moments import MomentOptions
from emotone.recogniser import Recogniser
from emotone.segment import Segment
from emotone.stream import Stream, StreamOptions
from emotone.turns import Turn
from emotone.voice import FRAME, VoiceOptions, frames

RATE = 16_000


@pytest.fixture(scope="module")
def rec() -> Recogniser:
    return tiny().recogniser


@pytest.fixture(scope="module")
def talk() -> Joined:
    """Four synthetic utterances with pauses."""
    rng = np.random.default_rng(5)
    spoken = [("angry", 2, 2.0), ("sad", 1, 1.5), ("neutral", 4, 3.0), ("angry", 3, 1.2)]
    return joined([(synthetic.speech(e, who, rng=rng, seconds=s), e) for e, who, s in spoken], rng=rng)


@pytest.fixture(scope="module")
def monologue() -> Joined:
    """Half a minute without a pause, sad and quiet, then angry and loud."""
    rng = np.random.default_rng(6)
    spoken = [("sad", 1)] * 6 + [("angry", 1)] * 6
    clips = [(synthetic.speech(emotion, who, rng=rng, seconds=2.2, strength=1.5), emotion) for emotion, who in spoken]
    recording = joined(clips, rng=rng, pauses=(0.05, 0.1))
    recording.signal[: round(recording.spans[6].start * RATE)] *= np.float32(0.2)
    return recording


class Loudness:
    """Takes loud for angry and quiet for sad, relative to the speaker it knows: for tests of when, not of what."""

    labels = ("sad", "angry")

    def __init__(self, known: tuple[float, ...] = ()) -> None:
        self.known = known

    def hear(self, source: np.ndarray, /) -> tuple[Segment, np.ndarray]:
        rms = np.sqrt(np.mean(source.astype(float) ** 2))
        level = float(np.clip(16 * rms * (0.05 / np.mean(self.known) if self.known else 1), 0.02, 0.98))
        scores = {"sad": 1 - level, "angry": level}
        return self.judged(scores, start=0.0, end=len(source) / RATE, flags=()), np.array([rms], np.float32)

    def knowing(self, embeddings: np.ndarray, /) -> Loudness:
        return Loudness(tuple(map(float, np.ravel(embeddings))))

    def judged(self, scores: Mapping[str, float], *, start: float, end: float, flags: tuple[str, ...]) -> Segment:
        likeliest = max(scores, key=lambda name: scores[name])
        return Segment(start, end, likeliest, scores[likeliest], dict(scores), flags)


def all_of(stream: Stream, signal: np.ndarray, sizes: np.ndarray | list[int]) -> list[Segment]:
    """The segments of ``signal`` in chunks of these ``sizes``, over and over."""
    found, first, i = [], 0, 0
    while first < len(signal):
        n = int(sizes[i % len(sizes)])
        found += stream.feed(signal[first : first + n])
        first, i = first + n, i + 1
    return found + stream.flush()


def spoken(segments: list[Segment]) -> list[Segment]:
    return [segment for segment in segments if "no_speech" not in segment.flags]


# --- chunks ---


@pytest.mark.parametrize("sound", ["talk", "monologue"])
def test_random_chunks_give_equal_segments(request, sound, rng):
    signal = request.getfixturevalue(sound).signal
    expected = all_of(Stream(Loudness()), signal, [len(signal)])
    assert len(expected) > 1
    for longest in (50, 700, 3_000, 40_000, 200_000) * 4:
        sizes = rng.integers(0, longest, 500)
        stream = Stream(Loudness())
        found, first = [], 0
        for n in np.append(sizes[: len(signal)], len(signal)):
            found += stream.feed(signal[first : first + n])
            if rng.random() < 0.3:
                _ = stream.provisional  # looking changes nothing
            first += n
        assert found + stream.flush() == expected


def test_chunks_of_a_sample_of_a_frame_and_around_it(talk):
    signal = talk.signal[: 3 * RATE]
    expected = all_of(Stream(Loudness()), signal, [len(signal)])
    for sizes in ([1], [FRAME - 1], [FRAME], [FRAME + 1], [0, 1000, 0]):
        assert all_of(Stream(Loudness()), signal, sizes) == expected


def test_a_recogniser_answers_the_same_in_any_chunks(rec, talk, rng):
    expected = rec.timeline(talk.signal)
    assert len(spoken(expected)) == 4
    for _ in range(3):
        assert all_of(rec.stream(), talk.signal, rng.integers(1, 9_000, 50)) == expected


def test_chunks_are_copied_and_left_alone(talk):
    expected = all_of(Stream(Loudness()), talk.signal, [len(talk.signal)])
    stream, found, buffer = Stream(Loudness()), [], np.zeros(1_000, np.float32)
    for first in range(0, len(talk.signal), 1_000):
        chunk = talk.signal[first : first + 1_000]
        buffer[: len(chunk)] = chunk
        given = buffer[: len(chunk)].copy()
        found += stream.feed(buffer[: len(chunk)])
        np.testing.assert_array_equal(buffer[: len(chunk)], given)
        buffer[:] = np.float32(0.9)  # as a sound card's driver writes into it again
    assert found + stream.flush() == expected


# --- what is told ---


@pytest.mark.parametrize("n_cut", [0, 1, 511, 5_000])
def test_segments_tile_the_time(rec, talk, monologue, n_cut):
    for recording in (talk, monologue):
        signal = recording.signal[: len(recording.signal) - n_cut]
        assert tiles(all_of(Stream(Loudness()), signal, [5_000]), len(signal) / RATE)


def test_utterances_are_found_where_they_are(talk):
    segments = all_of(Stream(Loudness()), talk.signal, [1_600])
    assert len(spoken(segments)) == 4
    assert np.median(border_errors(talk, segments)) < 0.15


def test_between_utterances_nobody_speaks(talk):
    segments = all_of(Stream(Loudness()), talk.signal, [1_600])
    quiet = segments[::2]
    assert [segment.flags for segment in quiet] == [("no_speech",)] * 5
    assert all(segment.emotion is None and not segment.scores and segment.confidence == 0 for segment in quiet)


def test_a_short_utterance_gets_the_answer_it_would_get_alone(rec, talk):
    """To the last bit, and with the same flags and the same doubt."""
    for threshold in (0.0, 0.99):
        unsure = rec.abstaining_below(threshold)
        for segment in spoken(unsure.timeline(talk.signal)):
            alone = unsure.predict(talk.signal[round(segment.start * RATE) : round(segment.end * RATE)])
            assert (segment.emotion, segment.scores, segment.flags) == (alone.emotion, alone.scores, alone.flags)
            assert ("uncertain" in segment.flags) == (segment.confidence < threshold)


def test_a_long_utterance_is_cut_where_the_emotion_changes(monologue):
    change = monologue.spans[6].start
    segments = spoken(all_of(Stream(Loudness()), monologue.signal, [1_600]))
    assert [segment.emotion for segment in segments] == ["sad", "angry"]
    assert abs(segments[0].end - change) < 0.25
    assert segments[0].scores["sad"] > 0.6


def test_a_long_utterance_has_calibrated_mixtures_as_scores(rec, monologue):
    segments = spoken(rec.timeline(monologue.signal))
    assert sum(segment.duration for segment in segments) > 20
    for segment in segments:
        assert tuple(segment.scores) == LABELS
        assert sum(segment.scores.values()) == pytest.approx(1, abs=1e-5)
        assert segment.confidence == max(segment.scores.values())
        assert (segment.emotion is None) == ("uncertain" in segment.flags) == (segment.confidence < rec.abstain_below)


def test_how_long_is_long_can_be_set(rec, monologue):
    options = StreamOptions(longest=60.0)
    [whole] = spoken(rec.timeline(monologue.signal, options=options))
    alone = rec.predict(monologue.signal[round(whole.start * RATE) : round(whole.end * RATE)])
    assert whole.scores == alone.scores


def test_dimensions_are_told_too(talk, monologue):
    rec = tiny_dimensions().recogniser
    for recording in (talk, monologue):
        for segment in spoken(rec.timeline(recording.signal)):
            assert set(segment.dimensions) == {"arousal", "valence"}
            assert (segment.emotion, segment.confidence, segment.scores) == (None, 0.0, {})


def test_silence_and_noise_are_one_segment(rng):
    for signal in (np.zeros(60 * RATE, np.float32), (0.05 * rng.standard_normal(60 * RATE)).astype(np.float32)):
        [segment] = all_of(Stream(Loudness()), signal, [RATE])
        assert segment == Segment(0.0, 60.0, None, 0.0, {}, ("no_speech",))


def test_an_empty_stream_has_no_segments():
    stream = Stream(Loudness())
    assert stream.feed(np.zeros(0, np.float32)) == []
    assert stream.flush() == []


def test_the_end_of_the_sound_ends_the_utterance(talk):
    middle = talk.spans[0].end - 0.5
    signal = talk.signal[: round(middle * RATE)]
    segments = all_of(Stream(Loudness()), signal, [1_600])
    assert [segment.flags for segment in segments] == [("no_speech",), ()]
    assert segments[-1].end == len(signal) / RATE


# --- when it is told ---


def test_a_segment_comes_half_a_second_after_the_utterance(talk):
    stream, waits = Stream(Loudness()), []
    ends = [span.end for span in talk.spans]
    for first in range(0, len(talk.signal), 320):
        for _ in spoken(stream.feed(talk.signal[first : first + 320])):
            waits.append(stream.seconds - max(end for end in ends if end < stream.seconds))
    assert len(waits) == 4
    assert max(waits) < 0.65


def test_provisional_answers_come_every_half_second(talk):
    stream, seen = Stream(Loudness()), []
    for first in range(0, len(talk.signal), 320):
        stream.feed(talk.signal[first : first + 320])
        guess = stream.provisional
        assert guess is None or stream.speaking
        if guess is not None and (not seen or guess is not seen[-1]):
            seen.append(guess)
    final = spoken(all_of(Stream(Loudness()), talk.signal, [320]))
    longest = [guess for guess in seen if guess.start == final[2].start]
    assert [guess.start for guess in seen] == sorted(guess.start for guess in seen)
    assert np.diff([guess.end for guess in longest]) == pytest.approx(0.512)
    assert len(longest) >= 4
    assert {guess.start for guess in seen} == {segment.start for segment in final}
    assert stream.flush()
    assert (stream.provisional, stream.speaking) == (None, False)


def test_what_was_told_is_known_while_the_rest_goes_on(talk):
    stream, end = Stream(Loudness()), 0.0
    for first in range(0, len(talk.signal), 1_600):
        segments = stream.feed(talk.signal[first : first + 1_600])
        end = segments[-1].end if segments else end
        assert stream.told == end <= stream.seconds
    assert stream.seconds - stream.told > 0.4  # the silence at the end isn't over
    assert [segment.start for segment in stream.flush()] == [end]
    assert stream.told == stream.seconds == talk.seconds


def test_provisional_answers_hear_the_last_window(rec, monologue):
    stream = rec.stream()
    stream.feed(monologue.signal[: 20 * RATE])
    guess = stream.provisional
    assert guess is not None
    window = monologue.signal[round(guess.end * RATE) - frames(3.0) * FRAME : round(guess.end * RATE)]
    assert guess.scores == rec.predict(window).scores


def test_memory_does_not_grow(monologue):
    """Neither while somebody speaks without a pause, nor in silence."""
    stream = Stream(Loudness())
    kept = []
    for signal in (monologue.signal, np.zeros(60 * RATE, np.float32), monologue.signal):
        for first in range(0, len(signal), 8_000):
            stream.feed(signal[first : first + 8_000])
            kept.append(len(stream._tape._frames))
    assert max(kept) < frames(10.0)
    stream.feed(np.zeros(RATE, np.float32))
    assert len(stream._tape._frames) < frames(1.0)


def test_times_are_exact_after_hours():
    """Three hours in which the voice is a number in the samples, since only the counting is looked at."""
    stream = Stream(Loudness())
    stream._voice = lambda sound: (sound[::FRAME] > 0.05).astype(np.float32)
    block = np.zeros(30 * RATE + 7, np.float32)  # not a whole number of frames
    block[2 * RATE : 4 * RATE] = 0.1
    found, n_blocks = [], 360
    for _ in range(n_blocks):
        found += stream.feed(block)
    found += stream.flush()
    assert tiles(found, n_blocks * len(block) / RATE)
    starts = np.array([segment.start for segment in spoken(found)])
    true = np.arange(n_blocks) * len(block) / RATE + 2.0
    assert len(starts) == n_blocks
    assert np.abs(starts - true).max() < 2.1 * FRAME / RATE
    assert all(segment.start == round(segment.start * RATE) / RATE for segment in found)


# --- channels, turns ---


def test_segments_name_their_channel(talk):
    segments = all_of(Stream(Loudness(), channel=1), talk.signal, [1_600])
    assert {segment.channel for segment in segments} == {1}
    data = segments[1].as_dict()
    assert data["channel"] == 1
    assert Segment.from_dict(data) == segments[1]


def test_without_channels_nothing_is_said_of_them(talk):
    segments = all_of(Stream(Loudness()), talk.signal, [1_600])
    assert {segment.channel for segment in segments} == {None}
    assert "channel" not in segments[0].as_dict()


def test_the_source_is_told_to_players(talk):
    stream = Stream(Loudness(), source=Path("call.wav"))
    assert {segment.source for segment in all_of(stream, talk.signal, [1_600])} == {Path("call.wav")}


@pytest.mark.parametrize("sound", ["talk", "monologue"])
def test_turns_cut_utterances(request, sound, rng):
    recording = request.getfixturevalue(sound)
    change = (recording.spans[2].start + recording.spans[2].end) / 2
    turns = [Turn(0.0, change, "anna"), (change, recording.seconds, "ben")]
    plain = all_of(Stream(Loudness()), recording.signal, [1_600])
    segments = all_of(Stream(Loudness(), turns=turns), recording.signal, [1_600])
    assert tiles(segments, recording.seconds)
    assert min(abs(segment.end - change) for segment in plain) > 0.1
    assert min(abs(segment.end - change) for segment in spoken(segments)) <= FRAME / RATE / 2
    assert all_of(Stream(Loudness(), turns=turns), recording.signal, rng.integers(1, 9_000, 50)) == segments


def test_segments_name_their_speaker(talk):
    turns = [(span.start - 0.2, span.end + 0.2, f"speaker {span.clip}") for span in talk.spans[:3]]
    segments = all_of(Stream(Loudness(), turns=turns), talk.signal, [1_600])
    named = ["speaker 0", "speaker 1", "speaker 2", None]
    assert [segment.speaker for segment in spoken(segments)] == named
    assert {segment.speaker for segment in segments if "no_speech" in segment.flags} == {None}
    data = segments[1].as_dict()
    assert data["speaker"] == "speaker 0"
    assert Segment.from_dict(data) == segments[1]


def test_who_began_last_has_the_turn(talk):
    turns = [(0.0, talk.seconds, "anna"), (talk.spans[1].start, talk.spans[1].end, "ben")]
    segments = spoken(all_of(Stream(Loudness(), turns=turns), talk.signal, [1_600]))
    assert [segment.speaker for segment in segments] == ["anna", "ben", "anna", "anna"]


# --- coming to know a speaker ---

ADAPT = StreamOptions(adapt=True)


def test_each_speaker_is_judged_by_what_was_heard_of_them_before(talk):
    """Ben shouts and Anna doesn't; each one's first utterance is judged as everybody's."""
    signal = talk.signal.copy()
    turns = [(span.start - 0.2, span.end + 0.2, ("anna", "ben")[i % 2]) for i, span in enumerate(talk.spans)]
    for start, end, speaker in turns:
        signal[round(start * RATE) : round(end * RATE)] *= np.float32(1.4 if speaker == "ben" else 0.5)
    cold = spoken(all_of(Stream(Loudness(), turns=turns), signal, [1_600]))
    warm = spoken(all_of(Stream(Loudness(), ADAPT, turns=turns), signal, [1_600]))
    changed = [one.scores != other.scores for one, other in zip(warm, cold, strict=True)]
    assert changed == [False, False, True, True]
    for earlier, later in ((0, 2), (1, 3)):
        piece = [signal[round(cold[i].start * RATE) : round(cold[i].end * RATE)] for i in (earlier, later)]
        knowing = Loudness().knowing(Loudness().hear(piece[0])[1])
        assert warm[later].scores == knowing.hear(piece[1])[0].scores


def test_without_turns_all_is_one_speaker(talk):
    cold = spoken(all_of(Stream(Loudness()), talk.signal, [1_600]))
    warm = spoken(all_of(Stream(Loudness(), ADAPT), talk.signal, [1_600]))
    assert warm[0] == cold[0]
    assert all(one.scores != other.scores for one, other in zip(warm[1:], cold[1:], strict=True))


def test_of_a_long_utterance_each_moment_counts_once(monologue):
    stream = Stream(Loudness(), ADAPT)
    segments = spoken(all_of(stream, monologue.signal, [1_600]))
    n_windows = len(stream._listeners.of(None).known)
    assert n_windows == pytest.approx(sum(segment.duration for segment in segments) / 3, abs=1)


def test_adapting_does_not_depend_on_chunks(talk, monologue, rng):
    for recording in (talk, monologue):
        signal = np.concatenate([recording.signal, talk.signal])
        expected = all_of(Stream(Loudness(), ADAPT), signal, [len(signal)])
        assert all_of(Stream(Loudness(), ADAPT), signal, rng.integers(1, 9_000, 50)) == expected


def test_a_recogniser_that_cannot_adapt_says_so_at_once(rec):
    with pytest.raises(ConfigError, match="can't adapt to a speaker"):
        rec.stream(ADAPT)


# --- work that is shared ---


def test_threads_that_work_ahead_change_nothing(rec, talk):
    with ThreadPoolExecutor(3) as threads:
        assert all_of(Stream(rec, ahead=threads), talk.signal, [len(talk.signal)]) == rec.timeline(talk.signal)


def test_threads_that_work_ahead_may_finish_in_any_order(monologue):
    class Slow(Loudness):
        def hear(self, source: np.ndarray, /) -> tuple[Segment, np.ndarray]:
            time.sleep(float(np.random.default_rng(len(source)).uniform(0, 0.01)))
            return super().hear(source)

    signal = np.tile(monologue.signal, 3)
    with ThreadPoolExecutor(4) as threads:
        stream = Stream(Slow(), ahead=threads)
        assert all_of(stream, signal, [RATE * 20]) == all_of(Stream(Loudness()), signal, [1_600])


def test_who_comes_to_know_a_speaker_works_in_order(talk):
    signal = np.tile(talk.signal, 2)
    with ThreadPoolExecutor(3) as threads:
        assert all_of(Stream(Loudness(), ADAPT, ahead=threads), signal, [len(signal)]) == all_of(
            Stream(Loudness(), ADAPT), signal, [1_600]
        )


def test_what_goes_wrong_ahead_is_raised_where_it_is_fed(talk):
    class Broken(Loudness):
        def hear(self, source: np.ndarray, /) -> tuple[Segment, np.ndarray]:
            raise AudioError("broken")

    with ThreadPoolExecutor(2) as threads, pytest.raises(AudioError, match="broken"):
        Stream(Broken(), ahead=threads).feed(talk.signal)


# --- what can be wrong ---


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros(10), "float64 with the shape"),
        (np.zeros((10, 2), np.float32), r"shape \(10, 2\)"),
        (np.zeros(10, np.int16), "int16"),
        ([0.0, 0.1], "not a list"),
        (np.array([0.0, np.nan], np.float32), "After 1.00 s there are samples that are NaN"),
        (np.array([np.inf], np.float32), "infinite"),
    ],
)
def test_what_is_no_signal_is_refused_and_changes_nothing(talk, given, message):
    stream = Stream(Loudness())
    found = stream.feed(talk.signal[:RATE])
    with pytest.raises(AudioError, match=message):
        stream.feed(given)
    found += stream.feed(talk.signal[RATE:]) + stream.flush()
    assert found == all_of(Stream(Loudness()), talk.signal, [len(talk.signal)])


def test_after_the_end_there_is_no_more(talk):
    stream = Stream(Loudness())
    stream.feed(talk.signal)
    assert stream.flush()
    assert stream.flush() == []
    with pytest.raises(ConfigError, match="was flushed"):
        stream.feed(talk.signal)


@pytest.mark.parametrize("turn", [(2.0, 1.0, "anna"), (-1.0, 1.0, "anna"), (float("nan"), 1.0, "anna")])
def test_turns_that_cannot_be(turn):
    with pytest.raises(ConfigError, match="The turn of anna"):
        Stream(Loudness(), turns=[turn])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"longest": 2.0}, "from one window"),
        ({"longest": 100.0}, "to 60 s"),
        ({"provisional": 0.0}, "every 0.1 to 10 s"),
        ({"moments": MomentOptions(window=10.0)}, "from one window"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ConfigError, match=message):
        StreamOptions(**options)


# --- real voices ---


@pytest.mark.corpus
def test_real_utterances_are_found_and_judged_as_if_alone(data, rec, rng):
    files = sorted((data / "emodb" / "wav").glob("03*.opus"))
    clips = [(audio.load(files[i]), files[i].name[5]) for i in rng.choice(len(files), 8, replace=False)]
    recording = joined(clips, rng=rng)
    segments = rec.timeline(recording.signal)
    assert tiles(segments, recording.seconds)
    assert np.median(border_errors(recording, segments)) < 0.25
    for span in recording.spans:
        found = heard_in(segments, span)
        if found.duration < 8:
            alone = rec.predict(recording.signal[round(found.start * RATE) : round(found.end * RATE)])
            assert found.scores == alone.scores
    assert all_of(rec.stream(), recording.signal, rng.integers(1, 4_000, 100)) == segments


@pytest.mark.corpus
def test_the_threshold_decides_what_is_speech(data):
    signal = audio.load(data / "emodb" / "wav" / "03a01Fa.opus")
    deaf = StreamOptions(voice=VoiceOptions(threshold=0.9999999))
    assert spoken(all_of(Stream(Loudness()), signal, [1_600]))
    assert not spoken(all_of(Stream(Loudness(), deaf), signal, [1_600]))
