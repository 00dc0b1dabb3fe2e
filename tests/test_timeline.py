"""Files through the one state machine: blocks, channels, and what is kept of a recording that breaks off."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from joined import Joined, talk, tiles
from tiny import tiny

from emotone import audio, timeline
from emotone.errors import AudioError, ConfigError
from emotone.recogniser import Recogniser
from emotone.segment import Segment
from emotone.stream import Stream, StreamOptions
from emotone.timeline import BrokenOffWarning

RATE = 16_000


@pytest.fixture(scope="module")
def rec() -> Recogniser:
    return tiny().recogniser


@pytest.fixture(scope="module")
def recording() -> Joined:
    return talk()


@pytest.fixture(scope="module")
def call(recording) -> np.ndarray:
    """Two people who know nothing of each other, one in each channel."""
    other = talk(6).signal
    n = min(len(recording.signal), len(other))
    return np.stack([recording.signal[:n], other[:n]], axis=1)


@pytest.fixture
def file(tmp_path, recording) -> Path:
    path = tmp_path / "talk.wav"
    soundfile.write(path, recording.signal, RATE, subtype="FLOAT")
    return path


def streamed(rec: Recogniser, signal: np.ndarray) -> list[Segment]:
    stream = rec.stream()
    return stream.feed(signal) + stream.flush()


# --- the same as a stream ---


def test_a_path_its_string_its_signal_and_a_stream_agree(rec, file, recording):
    segments = rec.timeline(file)
    assert segments == rec.timeline(str(file)) == rec.timeline(recording.signal) == streamed(rec, recording.signal)
    assert tiles(segments, recording.seconds)
    assert {segment.source for segment in segments} == {file}
    assert {segment.source for segment in rec.timeline(recording.signal)} == {None}


@pytest.mark.parametrize("seconds", [0.01, 0.7, 100.0])
def test_blocks_of_any_size_give_the_same(rec, file, monkeypatch, seconds):
    expected = rec.timeline(file)
    monkeypatch.setattr(timeline, "BLOCK", seconds)
    assert rec.timeline(file) == expected


def test_any_number_of_workers_gives_the_same(rec, file):
    expected = rec.timeline(file)
    for workers in (1, 2, 5):
        assert timeline.timeline(rec, file, workers=workers) == expected
    with pytest.raises(ConfigError, match="At least one answer"):
        timeline.timeline(rec, file, workers=0)


def test_other_rates_and_formats_are_heard(rec, tmp_path, recording):
    path = tmp_path / "talk.flac"
    soundfile.write(path, audio.convert(recording.signal, RATE, to=44_100), 44_100)
    segments = rec.timeline(path)
    assert segments[-1].end == pytest.approx(recording.seconds, abs=0.001)
    borders = [segment.start for segment in rec.timeline(recording.signal)]
    assert [segment.start for segment in segments] == pytest.approx(borders, abs=0.07)


def test_the_sound_track_of_a_video_is_heard(rec, tmp_path, recording):
    path = tmp_path / "talk.mp4"
    write_video(path, recording.signal)
    segments = rec.timeline(path)
    assert tiles(segments, segments[-1].end)
    assert segments[-1].end == pytest.approx(recording.seconds, abs=0.2)
    assert len(segments) == len(rec.timeline(recording.signal))


def write_video(path: Path, signal: np.ndarray) -> None:
    import av

    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", rate=5)
        pictures.width = pictures.height = 32
        sound = container.add_stream("aac", rate=RATE)
        sound.layout = "mono"
        for _ in range(round(5 * len(signal) / RATE)):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        container.mux(pictures.encode())
        frame = av.AudioFrame.from_ndarray(signal[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = RATE
        container.mux([*sound.encode(frame), *sound.encode()])


def test_segments_come_while_it_is_read(rec, recording, monkeypatch):
    monkeypatch.setattr(timeline, "BLOCK", 1.0)
    heard = []
    found = []
    for segment in timeline.segments(rec, recording.signal, heard=heard.append):
        found.append((segment, sum(heard)))
    assert [segment for segment, _ in found] == rec.timeline(recording.signal)
    spoken = [(segment, seconds) for segment, seconds in found if segment.emotion is not None]
    assert all(seconds < segment.end + 1.5 for segment, seconds in spoken)
    assert sum(heard) == pytest.approx(recording.seconds)


def test_options_and_turns_reach_the_stream(rec, recording):
    whole = StreamOptions(longest=60.0, voice=type(StreamOptions().voice)(minimum_pause=30.0))
    assert len(rec.timeline(recording.signal, options=whole)) < len(rec.timeline(recording.signal))
    change = (recording.spans[0].start + recording.spans[0].end) / 2
    turns = [(0.0, change, "anna"), (change, recording.seconds, "ben")]
    cut = rec.timeline(recording.signal, turns=turns)
    assert min(abs(segment.start - change) for segment in cut) < 0.02


# --- channels ---


def test_each_channel_has_a_timeline_of_its_own(rec, tmp_path, call):
    path = tmp_path / "call.wav"
    soundfile.write(path, call, RATE, subtype="FLOAT")
    segments = rec.timeline(path, channels="each")
    for channel in (0, 1):
        alone = Stream(rec, channel=channel)
        expected = alone.feed(np.ascontiguousarray(call[:, channel])) + alone.flush()
        assert [segment for segment in segments if segment.channel == channel] == expected
    assert [segment.channel for segment in segments] == sorted(segment.channel for segment in segments)


def test_channels_are_mixed_as_a_prediction_mixes_them(rec, tmp_path, call):
    path = tmp_path / "call.wav"
    soundfile.write(path, call, RATE, subtype="FLOAT")
    assert rec.timeline(path) == streamed(rec, audio.load(path))


def test_one_channel_is_one_channel(rec, file):
    each, mix = rec.timeline(file, channels="each"), rec.timeline(file)
    assert {segment.channel for segment in each} == {0}
    assert [segment.scores for segment in each] == [segment.scores for segment in mix]
    assert {segment.channel for segment in rec.timeline(audio.load(file), channels="each")} == {0}


def test_one_channel_as_blocks(tmp_path, call):
    path = tmp_path / "call.wav"
    soundfile.write(path, call, RATE, subtype="FLOAT")
    for channel in (0, 1):
        np.testing.assert_array_equal(np.concatenate(list(audio.blocks(path, channel=channel))), call[:, channel])
    for channel in (2, -1):
        with pytest.raises(AudioError, match="2 channels, counted from 0"):
            next(audio.blocks(path, channel=channel))


# --- what can be wrong ---


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_what_is_there_of_a_file_cut_short_is_told(rec, tmp_path, recording, ending):
    path = tmp_path / f"talk.{ending}"
    soundfile.write(path, recording.signal, RATE)
    whole = path.read_bytes()
    expected = rec.timeline(path)
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.warns(BrokenOffWarning, match=f"breaks off after .* of the {recording.seconds:.2f} s"):
        segments = rec.timeline(path)
    assert segments[:-1] == expected[: len(segments) - 1]
    assert len(segments) > 2
    assert tiles(segments, segments[-1].end)
    given = []
    with pytest.raises(AudioError, match="breaks off"):
        given.extend(timeline.segments(rec, path))
    assert given == segments


def test_what_came_before_damage_is_told(rec, tmp_path, recording):
    """A NaN after more than the minute that is decoded at once."""
    signal = np.concatenate([recording.signal, np.zeros(100 * RATE, np.float32)])
    signal[90 * RATE] = np.nan
    path = tmp_path / "talk.wav"
    soundfile.write(path, signal, RATE, subtype="FLOAT")
    with pytest.warns(BrokenOffWarning, match=r"no numbers \(NaN, infinity\), the first at 90\.000 s"):
        segments = rec.timeline(path)
    expected = rec.timeline(recording.signal)
    assert segments[: len(expected) - 1] == expected[:-1]
    assert tiles(segments, segments[-1].end)


def test_a_whole_file_is_no_reason_to_warn(rec, file):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rec.timeline(file)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_header_written_before_the_sound_is_taken_as_it_is(rec, tmp_path, recording, size):
    """As ffmpeg writes a WAV into a pipe: it can't know how long it will be."""
    path = tmp_path / "pipe.wav"
    soundfile.write(path, recording.signal, RATE)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = content[4:8] = size.to_bytes(4, "little")
    path.write_bytes(content)
    assert audio.promised(path) is None
    assert rec.timeline(path)[-1].end == pytest.approx(recording.seconds, abs=0.001)


def test_what_a_header_promises(tmp_path, recording):
    path = tmp_path / "talk.wav"
    soundfile.write(path, recording.signal, RATE)
    path.write_bytes(path.read_bytes()[:10_000])
    assert audio.promised(path) == pytest.approx(recording.seconds)
    assert audio.inspect(path).duration < 1
    soundfile.write(tmp_path / "talk.mp3", recording.signal, RATE, format="MP3")
    assert audio.promised(tmp_path / "talk.mp3") is None
    assert audio.promised(tmp_path / "talk.mp3", guess=True) == pytest.approx(recording.seconds, rel=0.2)
    (tmp_path / "words.txt").write_text("no sound at all", encoding="utf-8")
    assert audio.promised(tmp_path / "words.txt") is None


@pytest.mark.parametrize("channels", ["mix", "each"])
def test_what_cannot_be_read_at_all_is_an_error(rec, tmp_path, channels):
    (tmp_path / "words.wav").write_text("no sound at all", encoding="utf-8")
    with pytest.raises(AudioError, match="There is no file"):
        rec.timeline(tmp_path / "missing.wav", channels=channels)
    with pytest.raises(AudioError, match="it is text"):
        rec.timeline(tmp_path / "words.wav", channels=channels)


def test_signals_that_are_none(rec):
    with pytest.raises(AudioError, match="float64 with the shape"):
        rec.timeline(np.zeros(16_000))
    with pytest.raises(AudioError, match="empty"):
        rec.timeline(np.zeros(0, np.float32))


def test_an_unknown_choice_of_channels(rec, file):
    with pytest.raises(ConfigError, match="Allowed: mix, each"):
        rec.timeline(file, channels="eech")


def test_silence_is_one_segment(rec, tmp_path):
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(300 * RATE, np.float32), RATE)
    assert rec.timeline(path) == [Segment(0.0, 300.0, None, 0.0, {}, ("no_speech",))]
