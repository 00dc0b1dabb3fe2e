"""The audit as a whole: what it says of a table, with and without a split, and how it adds up to one line."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from emotone import audio, audit, corpora, splits, synthetic
from emotone.audit import Audit, Finding, Pair, Sounds
from emotone.audit.fingerprint import FLAGS
from emotone.audit.sounds import Double, names_of
from emotone.errors import ConfigError
from emotone.features import Failure

EMOTIONS = ("neutral", "sad", "angry")
NEVER = {"ravdess": Path("nowhere")}


def table(n_speakers: int = 4, *, per_emotion: int = 4, corpus: str = "ravdess") -> pd.DataFrame:
    """Everybody says everything in every emotion."""
    rows = [
        {
            "corpus": corpus,
            "file": f"Actor_{speaker:02d}/{emotion}-{take}-{speaker:02d}.wav",
            "start": 0.0,
            "end": np.nan,
            "speaker": f"{corpus}/{speaker:02d}",
            "label": emotion,
            "emotion": emotion,
            "gender": "male" if speaker % 2 else "female",
            "text": f"sentence {take % 2}",
        }
        for speaker in range(1, n_speakers + 1)
        for emotion in EMOTIONS
        for take in range(per_emotion)
    ]
    return pd.DataFrame(rows)


def heard(of: pd.DataFrame, *pairs: tuple[int, int], **more) -> Sounds:
    """As if these rows had been heard to be the same."""
    flags = {flag: np.zeros(len(of), bool) for flag in FLAGS}
    groups = tuple(tuple(pair) for pair in pairs)
    alike = tuple((a, b, 0.97) for a, b in pairs)
    return dataclasses.replace(Sounds(names_of(of), np.full(len(of), 2.0, np.float32), flags, alike, groups), **more)


def of_kind(found: Audit, kind: str) -> Finding:
    (finding,) = [each for each in found.findings if each.kind == kind]
    return finding


# --- one line, one document -------------------------------------------------------------------------------------------


def test_a_sound_table_has_nothing_that_inflates():
    rows = table()
    found = audit.audit(rows, NEVER, sounds=heard(rows))
    assert found.findings == ()
    assert not found.inflates
    assert found.line == "Audit of 48 recordings: nothing found that would inflate a score"


def test_the_line_names_what_inflates_and_counts_the_rest():
    note = Finding("clipped", "note", "Some clip.")
    warning = Finding("gender", "warning", "One gender.")
    error = Finding("duplicates", "error", "Copies.", inflates=True, brief="2 copies in train and test")
    other = Finding("unreadable", "error", "Can't be read.")
    assert Audit.of(1, [note, note, warning], of_split=True).line == (
        "Audit of 1 recording: nothing found that inflates this score (1 warning, 2 notes)"
    )
    found = Audit.of(1440, [note, other, warning, error], of_split=True)
    assert found.line == "Audit of 1,440 recordings: this score is inflated by 2 copies in train and test"
    assert found.findings == (error, other, warning, note)
    assert Audit.of(2, [error], of_split=False).line.startswith("Audit of 2 recordings: a score would be inflated by")


def test_the_document_is_the_contract_and_is_saved(tmp_path):
    rows = table()
    found = audit.audit(rows, NEVER, split=splits.split(rows, "random"), sounds=heard(rows, (0, 1), (4, 40)))
    assert found.save(tmp_path / "run") == tmp_path / "run"
    document = json.loads((tmp_path / "run" / "audit.json").read_text("utf-8"))
    assert document == json.loads(json.dumps(found.as_dict()))
    assert set(document) == {"inflates", "line", "n_recordings", "findings"}
    assert document["inflates"] is True
    assert document["n_recordings"] == 48
    assert {"kind", "severity", "inflates", "message", "files", "pairs"} <= set(document["findings"][0])
    linked = [pair for finding in document["findings"] for pair in finding["pairs"]]
    assert {"a": rows["file"][0], "b": rows["file"][1], "similarity": 0.97} in linked
    assert all(finding["message"].endswith(".") for finding in document["findings"])


def test_what_belongs_to_another_table_is_refused():
    rows = table()
    with pytest.raises(ConfigError, match="no rows"):
        audit.audit(rows[:0], NEVER)
    with pytest.raises(ConfigError, match="beyond the 12 of this one"):
        audit.audit(rows[:12], NEVER, split=splits.split(rows, "random"), sounds=heard(rows[:12]))
    with pytest.raises(ConfigError, match="sounds are those of another table"):
        audit.audit(rows, NEVER, sounds=heard(rows[::-1]))


# --- copies -----------------------------------------------------------------------------------------------------------


def test_copies_across_the_folds_inflate_and_those_on_one_side_do_not():
    rows = table()
    split = splits.split(rows, "loso")  # a fold for each speaker, twelve rows each
    sounds = heard(rows, (0, 1), (2, 14), (3, 15))
    found = audit.audit(rows, NEVER, split=split, sounds=sounds)
    across, inside = [finding for finding in found.findings if finding.kind == "duplicates"]
    assert across.severity == "error"
    assert across.inflates
    assert across.message.startswith("4 of 48 (8.3 %) tested recordings are trained on too, under another name: ")
    assert across.brief == "4 copies in train and test"
    assert {(pair.a, pair.b) for pair in across.pairs} == {
        (rows["file"][2], rows["file"][14]),
        (rows["file"][3], rows["file"][15]),
    }
    assert inside.severity == "note"
    assert not inside.inflates
    assert inside.files == (rows["file"][0], rows["file"][1])
    assert found.line == "Audit of 48 recordings: this score is inflated by 4 copies in train and test"


def test_copies_of_rows_outside_every_fold_are_no_concern_of_its_score():
    rows = table().assign(split=["train"] * 24 + ["test"] * 12 + [None] * 12)
    split = splits.split(rows, "given")
    found = audit.audit(rows, NEVER, split=split, sounds=heard(rows, (25, 40), (40, 45)))
    assert not [finding for finding in found.findings if finding.kind == "duplicates"]


def test_copies_in_a_table_that_is_not_split_yet():
    rows = table()
    found = audit.audit(rows, NEVER, sounds=heard(rows, (0, 1)))
    finding = of_kind(found, "duplicates")
    assert (finding.severity, finding.inflates) == ("error", True)
    assert "neutral-0-01.wav = neutral-1-01.wav" in finding.message
    assert found.line.endswith("a score would be inflated by 1 copy, wherever train and test part them")


def test_a_known_fault_of_a_corpus_is_a_warning():
    names = ("03-01-03-01-02-01-07.wav", "03-01-03-01-02-02-07.wav")
    rows = table()
    rows.loc[[0, 1], "file"] = [f"Actor_07/{name}" for name in names]
    found = audit.audit(rows, NEVER, sounds=heard(rows, (0, 1)))
    finding = of_kind(found, "duplicates")
    assert (finding.severity, finding.inflates) == ("warning", False)
    assert "a known fault of the corpus" in finding.message


def test_doubled_files_would_inflate_other_programs_scores_but_not_this_one():
    rows = table()
    doubles = tuple(Double(row, f"again/{file}", 1.0) for row, file in enumerate(rows["file"]))
    sounds = heard(rows, doubles=(*doubles, Double(0, "other/one.wav", 0.1)))
    found = audit.audit(rows, NEVER, sounds=sounds)
    same, other = [finding for finding in found.findings if finding.kind == "doubled"]
    assert (same.severity, same.inflates) == ("error", True)
    assert same.message.startswith("48 of 48 (100 %) recordings are there again in other folders or formats")
    assert len(same.pairs) == len(same.files) == 48
    assert same.pairs[0] == Pair(rows["file"][0], f"again/{rows['file'][0]}", 1.0)
    assert other.message.startswith("1 name is there again with another sound")
    assert not other.inflates
    split = splits.split(rows, "loso")
    assert not audit.audit(rows, NEVER, split=split, sounds=sounds).inflates


def test_one_sound_with_two_labels_or_two_speakers():
    rows = table()
    found = audit.audit(rows, NEVER, sounds=heard(rows, (0, 5), (6, 18)))
    conflict, identity = of_kind(found, "conflicting"), of_kind(found, "identity")
    assert conflict.severity == "error"
    assert "neutral-0-01.wav (neutral) = sad-1-01.wav (sad)" in conflict.message
    assert conflict.files == (rows["file"][0], rows["file"][5])
    assert identity.severity == "warning"
    assert "ravdess/01 = ravdess/02" in identity.message
    assert identity.files == (rows["file"][6], rows["file"][18])


def test_the_three_conflicts_of_crema_d_are_known():
    rows = table(corpus="crema_d")
    rows.loc[[0, 5], "file"] = ["AudioWAV/1013_WSI_SAD_XX.wav", "AudioWAV/1013_WSI_DIS_XX.wav"]
    found = audit.audit(rows, {"crema_d": Path("x")}, sounds=heard(rows, (0, 5)))
    assert of_kind(found, "conflicting").severity == "warning"
    assert not found.inflates


def test_levels_and_unreadable_files():
    rows = table()
    flags = {flag: np.zeros(48, bool) for flag in FLAGS}
    flags["silent"][3] = True
    flags["clipped"][-12:] = rows["emotion"][-12:] == "angry"
    flags["clipped"][[8, 9, 10, 11, 20, 21, 22, 30]] = True
    failure = Failure(5, rows["file"][5], "x.wav is empty.")
    found = audit.audit(rows, NEVER, sounds=heard(rows, flags=flags, failures=(failure,), n_unheard=7))
    assert "Actor_01/neutral-3-01.wav" in of_kind(found, "silent").files
    assert "12 recordings are clipped (92 % of them angry)" in of_kind(found, "clipped").message
    unreadable = of_kind(found, "unreadable")
    assert unreadable.severity == "error"
    assert unreadable.message.endswith("The first: x.wav is empty.")
    assert "1 of 48 (2.1 %) recordings can't be read" in unreadable.message
    assert "7 more pairs" in of_kind(found, "duplicates").message
    assert not found.inflates


# --- through the whole thing, on generated sound ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("spoken") / "ravdess"
    return synthetic.write_ravdess(root, speakers=(1, 2, 3), emotions=("neutral", "angry"), repetitions=1)


def test_a_doubled_folder_is_caught(spoken, tmp_path):
    root = Path(shutil.copytree(spoken, tmp_path / "ravdess"))
    shutil.copytree(spoken, root / "audio_speech_actors_01-24")
    roots = {"ravdess": root}
    found = audit.audit(corpora.read(roots), roots, jobs=1)
    assert found.inflates
    assert of_kind(found, "doubled").message.startswith("18 of 18 (100 %) recordings are there again")


def test_a_turned_down_copy_under_another_speaker_crosses_speaker_folds(spoken, tmp_path):
    root = Path(shutil.copytree(spoken, tmp_path / "ravdess"))
    signal = audio.load(root / "Actor_01" / "03-01-05-01-01-01-01.wav")
    soundfile.write(root / "Actor_02" / "03-01-05-02-02-02-02.flac", signal[800:] / 2, audio.SAMPLE_RATE)
    roots = {"ravdess": root}
    rows = corpora.read(roots)
    found = audit.audit(rows, roots, split=splits.split(rows, "loso"), jobs=1)
    finding = of_kind(found, "duplicates")
    assert finding.inflates
    (pair,) = finding.pairs
    assert {Path(pair.a).stem, Path(pair.b).stem} == {"03-01-05-01-01-01-01", "03-01-05-02-02-02-02"}
    assert pair.similarity > 0.99
    assert of_kind(found, "identity").files == finding.files


def test_one_speaker_and_one_file_are_audited(spoken, tmp_path):
    (tmp_path / "Actor_01").mkdir()
    shutil.copy(spoken / "Actor_01" / "03-01-05-01-01-01-01.wav", tmp_path / "Actor_01")
    roots = {"ravdess": tmp_path}
    found = audit.audit(corpora.read(roots), roots, jobs=1)
    assert found.line.startswith("Audit of 1 recording: nothing found that would inflate a score")
    assert "All recordings are of one speaker, ravdess/01" in of_kind(found, "one_speaker").message
    assert "there is nothing to tell apart" in of_kind(found, "one_emotion").message


def test_an_unreadable_file_is_a_finding_and_the_rest_is_done(spoken, tmp_path):
    root = Path(shutil.copytree(spoken, tmp_path / "ravdess"))
    first, second, *_ = sorted((root / "Actor_01").iterdir())
    first.write_bytes(b"these are words")
    shutil.copy(second, second.with_name("03-01-05-02-02-02-01.wav"))
    roots = {"ravdess": root}
    found = audit.audit(corpora.read(roots), roots, jobs=1)
    assert first.name in of_kind(found, "unreadable").message
    assert second.name in of_kind(found, "duplicates").message
