"""Listening to corpora: what is a copy of what, on generated and on real recordings."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr

from emotone import audio, corpora, synthetic
from emotone.audit import listen
from emotone.audit.sounds import names_of
from emotone.errors import ConfigError

RATE = audio.SAMPLE_RATE
KNOWN = ("03-01-03-01-02-01-07", "03-01-03-01-02-02-07")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two takes of two sentences in two emotions by two speakers, named as in RAVDESS: 24 clips, no copy among them."""
    root = tmp_path_factory.mktemp("spoken") / "ravdess"
    return synthetic.write_ravdess(root, speakers=(1, 2), emotions=("neutral", "angry"), repetitions=2)


@pytest.fixture
def ravdess(spoken: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(spoken, tmp_path / "ravdess"))


def heard(roots: dict[str, Path], table: pd.DataFrame | None = None):
    return listen(corpora.read(roots) if table is None else table, roots, jobs=1, cache=False)


def opus(signal: np.ndarray, path: Path) -> None:
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE, layout="mono")
        stream.bit_rate = 32_000
        frame = av.AudioFrame.from_ndarray(
            np.rint(np.clip(signal, -1, 1) * 32767).astype(np.int16)[None], format="s16", layout="mono"
        )
        frame.sample_rate = RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)


def pairs(sounds) -> set[frozenset[str]]:
    return {frozenset((Path(sounds.names[a]).stem, Path(sounds.names[b]).stem)) for a, b, _ in sounds.pairs}


# --- generated --------------------------------------------------------------------------------------------------------


def test_takes_of_the_same_sentences_are_no_copies(ravdess):
    sounds = heard({"ravdess": ravdess})
    assert len(sounds.names) == 24
    assert sounds.pairs == ()
    assert sounds.groups == ()
    assert sounds.doubles == ()
    assert sounds.n_unheard == 0
    assert (sounds.seconds > 1.7).all()


def test_copies_under_other_names_form_one_group_with_their_original(ravdess):
    original = ravdess / "Actor_01" / "03-01-05-01-01-01-01.wav"
    signal = audio.load(original)
    folder = ravdess / "Actor_02"
    cut = signal[800:-800]
    soundfile.write(folder / "03-01-05-01-01-03-02.flac", soxr.resample(cut, RATE, 22_050), 22_050)
    opus(signal * 2, folder / "03-01-05-01-01-04-02.opus")
    shutil.copy(original, folder / "03-01-05-01-01-05-02.wav")
    sounds = heard({"ravdess": ravdess})
    assert len(sounds.groups) == 1
    stems = {Path(sounds.names[row]).stem for row in sounds.groups[0]}
    assert stems == {original.stem, *(f"03-01-05-01-01-0{take}-02" for take in (3, 4, 5))}
    assert len(sounds.pairs) == 3  # enough to link four
    similarities = {frozenset((Path(sounds.names[a]).stem, Path(sounds.names[b]).stem)): x for a, b, x in sounds.pairs}
    assert similarities[frozenset((original.stem, "03-01-05-01-01-05-02"))] == 1.0
    assert min(similarities.values()) > 0.85


def test_every_file_twice_is_told_though_the_reader_takes_one(ravdess):
    shutil.copytree(ravdess, ravdess / "audio_speech_actors_01-24")
    sounds = heard({"ravdess": ravdess})
    assert len(sounds.names) == 24
    assert sounds.pairs == ()
    assert len(sounds.doubles) == 24
    assert {double.similarity for double in sounds.doubles} == {1.0}
    assert all(double.file == f"audio_speech_actors_01-24/{sounds.names[double.row]}" for double in sounds.doubles)


def test_a_double_in_another_format_is_compared_by_its_sound(ravdess):
    folder = ravdess / "Actor_01"
    one, two = sorted(folder.glob("*.wav"))[:2]
    opus(audio.load(one), one.with_suffix(".opus"))
    soundfile.write(two.with_suffix(".flac"), synthetic.speech("sad", 9, rng=np.random.default_rng(5)), RATE)
    (folder / "copy").mkdir()
    (folder / "copy" / one.name).write_bytes(b"nothing that can be read")
    found = {double.file: double.similarity for double in heard({"ravdess": ravdess}).doubles}
    assert found[f"Actor_01/{one.stem}.opus"] > 0.9
    # WAV and FLAC are both lossless; the name that comes first is read.
    assert found[f"Actor_01/{two.stem}.flac"] < 0.5
    assert found[f"Actor_01/copy/{one.name}"] == 0.0


def test_silent_and_clipped_and_unreadable_files_are_flagged_and_never_copies(tmp_path, rng):
    root = tmp_path / "own"
    signals = {
        "silent-1": np.zeros(RATE, np.float32),
        "silent-2": np.zeros(RATE, np.float32),
        "hiss-1": 1e-5 * rng.normal(size=RATE),
        "click-1": synthetic.speech("sad", 1, rng=np.random.default_rng(0))[8000:10000],
        "click-2": synthetic.speech("sad", 1, rng=np.random.default_rng(0))[8000:10000],
        "loud": np.clip(9 * synthetic.speech("angry", 1, rng=np.random.default_rng(1)), -1, 1),
    }
    (root / "anna" / "sad").mkdir(parents=True)
    for name, signal in signals.items():
        soundfile.write(root / "anna" / "sad" / f"{name}.wav", signal, RATE)
    (root / "anna" / "sad" / "words.wav").write_text("these are words")
    (root / "anna" / "sad" / "empty.wav").touch()
    sounds = heard({"folder": root})
    row = {Path(name).stem: i for i, name in enumerate(sounds.names)}
    silent = {name for name in row if sounds.flags["silent"][row[name]]}
    assert silent == {"silent-1", "silent-2", "hiss-1"}
    assert {name for name in row if sounds.flags["too_short"][row[name]]} == {"click-1", "click-2"}
    assert sounds.flags["clipped"][row["loud"]]
    assert sounds.pairs == ()
    assert {Path(failure.file).stem for failure in sounds.failures} == {"words", "empty"}
    assert np.isnan(sounds.seconds[row["words"]])


def test_parts_of_one_long_file_are_heard_each_for_itself(tmp_path):
    clips = [synthetic.speech("sad", 1, rng=np.random.default_rng(seed), seconds=2.0) for seed in (0, 1, 0)]
    soundfile.write(tmp_path / "long.wav", np.concatenate(clips), RATE)
    with (tmp_path / "parts.csv").open("w", newline="") as file:
        rows = [("long.wav", 2 * i, 2 * i + 2, "sad", "anna") for i in range(3)]
        csv.writer(file).writerows([("file", "start", "end", "emotion", "speaker"), *rows])
    sounds = heard({"table": tmp_path / "parts.csv"})
    assert sounds.names == ("long.wav[0:2]", "long.wav[2:4]", "long.wav[4:6]")
    assert sounds.groups == ((0, 2),)


def test_names_carry_the_corpus_where_there_are_several():
    table = pd.DataFrame({"corpus": ["a", "b"], "file": ["x.wav", "x.wav"], "start": [0.0, 1.5], "end": [np.nan, 3.0]})
    assert names_of(table) == ("a/x.wav", "b/x.wav[1.5:3]")
    assert names_of(table[:1]) == ("x.wav",)


def test_one_recording_is_like_no_other(tmp_path):
    (tmp_path / "sad").mkdir()
    soundfile.write(tmp_path / "sad" / "1.wav", synthetic.speech("sad", 1, rng=np.random.default_rng(0)), RATE)
    sounds = heard({"folder": tmp_path})
    assert sounds.pairs == ()
    assert len(sounds.names) == 1


def test_a_corpus_without_a_folder_is_refused(ravdess):
    table = corpora.read({"ravdess": ravdess})
    with pytest.raises(ConfigError, match="utterances of 'ravdess'; folders are given for: emodb"):
        listen(table, {"emodb": ravdess}, jobs=1, cache=False)


def test_progress_counts_recordings_then_comparisons(ravdess):
    for take in (3, 4):
        shutil.copy(
            ravdess / "Actor_01" / "03-01-05-01-01-01-01.wav", ravdess / "Actor_01" / f"03-01-05-01-01-0{take}-01.wav"
        )
    steps = []
    roots = {"ravdess": ravdess}
    listen(corpora.read(roots), roots, jobs=1, cache=False, progress=lambda *step: steps.append(step))
    assert steps[25] == (26, 26)
    assert steps[-1] == (29, 29)  # three pairs among three copies


# --- real -------------------------------------------------------------------------------------------------------------


def linked(root: Path, files: list[Path], to: Path) -> Path:
    """A folder with links to some recordings of a corpus."""
    for file in files:
        target = to / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(file)
    return to


@pytest.mark.corpus
def test_the_known_pair_of_ravdess_and_no_other(data, tmp_path):
    files = [file for actor in (5, 7, 12) for file in sorted((data / "ravdess" / f"Actor_{actor:02d}").iterdir())]
    sounds = heard({"ravdess": linked(data / "ravdess", files, tmp_path / "ravdess")})
    assert len(sounds.names) == 180
    assert pairs(sounds) == {frozenset(KNOWN)}


@pytest.mark.corpus
def test_the_known_pairs_of_crema_d_and_one_that_is_less_known(data, tmp_path):
    wanted = ("1006_TIE_*", "1013_WSI_*", "1017_IW*", "1056_*_ANG_XX")
    files = sorted({file for pattern in wanted for file in (data / "crema_d" / "AudioWAV").glob(f"{pattern}.opus")})
    sounds = heard({"crema_d": linked(data / "crema_d", files, tmp_path / "crema_d")})
    assert len(sounds.names) > 30
    assert pairs(sounds) == {
        frozenset(("1006_TIE_HAP_XX", "1006_TIE_NEU_XX")),
        frozenset(("1013_WSI_SAD_XX", "1013_WSI_DIS_XX")),
        frozenset(("1017_IWW_ANG_XX", "1017_IWW_FEA_XX")),
        frozenset(("1017_IWL_ANG_XX", "1017_IWL_FEA_XX")),  # one take, cut twice
        frozenset(("1056_MTI_ANG_XX", "1056_TAI_ANG_XX")),  # one recording under two sentences
    }
