"""`emotone corpora new`: patterns, guesses, what is written, and what it can then be used for."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import emotone
from emotone import synthetic
from emotone.audio import encode_wav
from emotone.cli import app
from emotone.corpora import Corpus, registry
from emotone.corpora.new import Draft, Pattern, guess, likely_emotion, recordings, write
from emotone.errors import ConfigError, CorpusError

pytest.importorskip("pandas")
import numpy as np

SOURCE = Path(emotone.__file__).resolve().parents[1]


def plant(root: Path, files: Iterable[str]) -> Path:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file, "utf-8")  # no two alike
    return root


def run(*arguments: str | Path) -> object:
    return CliRunner().invoke(app, ["corpora", "new", *map(str, arguments)])


# ---- patterns ----


@pytest.mark.parametrize(
    ("pattern", "file", "fields"),
    [
        ("{speaker}-{emotion}-{n}.wav", "ann-angry-1.wav", {"speaker": "ann", "emotion": "angry", "n": "1"}),
        ("{speaker}-{emotion}-{n}", "deep/in/ann-angry-1.flac", {"speaker": "ann", "emotion": "angry", "n": "1"}),
        ("{speaker}/{emotion}_{n}.*", "ann/angry_1.wav", {"speaker": "ann", "emotion": "angry", "n": "1"}),
        ("{speaker}_{emotion}", "ann_pleasant_surprise.wav", {"speaker": "ann", "emotion": "pleasant_surprise"}),
        (
            "{speaker:2}{text:3}{emotion:1}{take:1}.wav",
            "wav/03a01Fa.wav",
            {"speaker": "03", "text": "a01", "emotion": "F", "take": "a"},
        ),
        ("Actor_{speaker}/a.b {emotion}", "Actor_01/a.b sad.wav", {"speaker": "01", "emotion": "sad"}),
    ],
)
def test_a_pattern_tells_what_a_name_holds(pattern: str, file: str, fields: dict[str, str]) -> None:
    parsed = Pattern.parse(pattern)
    assert parsed.split(file) == fields
    corpus = Corpus(
        name="x",
        title="X",
        licence="",
        commercial=None,
        citation="",
        homepage="",
        example=file,
        pattern=parsed.expression,
        labels={fields["emotion"]: "angry"},
    )
    match = corpus.matcher.search(str(Path(file).with_suffix("")))
    assert match is not None
    assert match["label"] == fields["emotion"]
    assert match["speaker"] == fields["speaker"]
    assert "take" not in match.groupdict()
    assert "n" not in match.groupdict()


@pytest.mark.parametrize("file", ["ann-angry.wav", "ann/angry/1.wav", "-angry-1.wav", "ann-1"])
def test_a_name_of_another_form_is_left_alone(file: str) -> None:
    assert Pattern.parse("{speaker}-{emotion}-{n}").split(file) is None


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{speaker}-{n}.wav", "has no field {emotion}"),
        ("{emotion}-{spea ker}.wav", "a brace too many"),
        ("{emotion}-{speaker}-{speaker}.wav", "has {speaker} twice"),
        ("{speaker}{emotion}.wav", r"nothing parts {speaker} from {emotion}; .*\{speaker:2\}"),
    ],
)
def test_a_pattern_that_cant_be_meant_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Pattern.parse(pattern)


def test_a_pattern_that_fits_nothing_shows_a_name() -> None:
    with pytest.raises(CorpusError, match=r"No recording is named as in .*; there is, for example, a\.wav"):
        Pattern.parse("{speaker}-{emotion}").sort(["a.wav"])


# ---- guesses ----


def names(pattern: str, **values: str) -> list[str]:
    files = [pattern]
    for field, among in values.items():
        files = [file.replace(f"{{{field}}}", value) for file in files for value in among.split()]
    return files


@pytest.mark.parametrize(
    ("files", "pattern"),
    [
        (names("{s}_{e}_{n}.wav", s="ann bob", e="angry sad", n="1 2 3"), "{speaker}_{emotion}_{n}"),
        (names("{s}/{e}/{n}.wav", s="ann bob", e="Angry Sad", n="1 2 3"), "{speaker}/{emotion}/{n}"),
        (names("{e}-{n}-spk{s}.wav", e="ang hap neu", n="1 2", s="1 2"), "{emotion}-{n}-{speaker}"),
        (
            names("a/b/{g}_{s}_{e}_{n}.mp3", g="m f", s="s1 s2", e="joy anger", n="1 2"),
            "{gender}_{speaker}_{emotion}_{n}",
        ),
        (
            names("{s}_{t}_{e}_{i}.wav", s="1001 1002 1003", t="IEO TIE", e="ANG HAP SAD NEU", i="LO HI"),
            "{speaker}_{n}_{emotion}_{intensity}",
        ),
        (names("{e}/{n}.wav", e="happy sad", n="1 2 3"), "{emotion}/{n}"),
        (
            names("{s}_{t}_{e}_{n}.wav", s="1001 1002 1003", t="IEO TIE WSI", e="ANG HAP SAD", n="HI")[1:],
            "{speaker}_{n}_{emotion}_HI",
        ),
    ],
)
def test_what_is_named_plainly_is_guessed(files: list[str], pattern: str) -> None:
    assert guess(files).pattern == pattern


def test_a_folder_that_repeats_the_name_is_left_away() -> None:
    files = [f"Actor_{s}/{s}-{e}-{n}.wav" for s in ("01", "02") for e in ("calm", "sad") for n in "12"]
    assert guess(files).pattern == "{speaker}-{emotion}-{n}"


def test_what_is_doubtful_is_said() -> None:
    [left, nobody] = guess([*names("{e}-{n}.wav", e="happy sad", n="1 2 3"), "readme_first_take.wav"]).notes
    assert left == "1 of 7 recordings are named in another way and left out."
    assert "no score on unseen speakers" in nobody
    coded = guess(names("{s}_{e}_{n}.wav", s="ann bob", e="A H N S", n="1 2"))
    assert coded.pattern == "{speaker}_{emotion}_{n}"
    assert coded.notes == ("What the codes of the emotion mean has to be said.",)


def test_names_that_tell_no_emotion_ask_for_a_pattern() -> None:
    with pytest.raises(
        CorpusError, match=r"No part of names such as 03-01-1.wav could be an emotion. Give the pattern"
    ):
        guess(names("{a}-{b}-{n}.wav", a="03 04", b="01 02", n="1 2"))


def test_what_codes_likely_mean() -> None:
    assert [likely_emotion(code) for code in ("ANG", "h", "Pleasant Surprise", "07")] == [
        "angry",
        "happy",
        "surprised",
        None,
    ]


# ---- drafts ----


@pytest.fixture
def coded(tmp_path: Path) -> Path:
    """Two speakers, two codes, one readme of sound."""
    files = names("{s}_{e}_{g}_{n}.wav", s="ann bob", e="W T", g="m w", n="1 2")
    return plant(tmp_path / "coded", [*files, "jingle.wav"])


def test_a_draft_counts_what_is_there(coded: Path) -> None:
    draft = Draft(
        name="mine", root=coded, pattern="{speaker}_{emotion}_{gender}_{n}", emotions={"w": "anger", "T": "sad"}
    )
    corpus = draft.corpus
    assert dict(corpus.labels) == {"T": "sad", "W": "angry"}
    assert dict(corpus.counts) == {"T": 8, "W": 8}
    assert corpus.n_speakers == 2
    assert "jingle.wav (1 in all)" in draft.notes[0]
    table = corpus.read(coded)
    assert set(table["gender"]) == {"male", "female"}
    assert set(table["speaker"]) == {"mine/ann", "mine/bob"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "My Corpus"}, "can't be called 'My Corpus'"),
        ({"name": "ravdess"}, "There is a corpus 'ravdess' already"),
        ({"emotions": {"W": "angry"}}, r"What do these codes mean: T\? Say it as --emotion T=angry"),
        ({"emotions": {"W": "angry", "T": "2"}}, "An emotion is a word in lower case, such as angry, not '2'"),
    ],
)
def test_a_draft_that_cant_be_is_refused(changed: dict[str, object], said: str, coded: Path) -> None:
    facts = {"name": "mine", "pattern": "{speaker}_{emotion}_{gender}_{n}", "emotions": {"W": "angry", "T": "sad"}}
    with pytest.raises(ConfigError, match=said):
        Draft(root=coded, **(facts | changed))  # type: ignore[arg-type]


def test_a_pattern_that_throws_recordings_together_is_refused(tmp_path: Path) -> None:
    root = plant(tmp_path, names("{s}/{e}-{n}.wav", s="ann bobby cem", e="angry sad", n="1 2"))
    with pytest.raises(CorpusError, match=r"8 recordings have the name of another, such as ann/angry-1\.wav"):
        Draft(name="mine", root=root, pattern="{emotion}-{n}")


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="holds no recordings"):
        recordings(tmp_path)


# ---- what is written ----


def test_the_written_test_passes_at_once_and_the_listing_is_complete(coded: Path, tmp_path: Path) -> None:
    draft = Draft(
        name="my_own",
        root=coded,
        pattern="{speaker}_{emotion}_{gender}_{n}",
        emotions={"W": "angry", "T": "sad"},
        title='Voices of "Home"',
        languages=("de",),
        licence="CC BY 4.0",
        homepage="https://example.org",
    )
    made = write(draft, tmp_path / "made")
    assert sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()) == [
        "README.md",
        "emotone_my_own.py",
        "pyproject.toml",
        "tests/my_own.txt",
        "tests/test_my_own.py",
    ]
    assert (made / "tests" / "my_own.txt").read_text("utf-8").splitlines()[1:] == sorted(draft.files)
    assert str(tmp_path) not in "".join(path.read_text("utf-8") for path in made.rglob("*") if path.is_file())
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=made,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_the_written_test_fails_when_the_adapter_is_wrong(coded: Path, tmp_path: Path) -> None:
    pattern = "{speaker}_{emotion}_{gender}_{n}"
    made = write(
        Draft(name="mine", root=coded, pattern=pattern, emotions={"W": "angry", "T": "sad"}), tmp_path / "made"
    )
    adapter = made / "emotone_mine.py"
    adapter.write_text(adapter.read_text("utf-8").replace('"W": 8', '"W": 9'), "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    done = subprocess.run(command, cwd=made, env=environment, capture_output=True, text=True, check=False)
    assert "1 failed, 2 passed" in done.stdout


def test_the_adapter_is_clean_python(coded: Path, tmp_path: Path) -> None:
    pytest.importorskip("ruff")
    pattern = "{speaker}_{emotion}_{gender}_{n}"
    made = write(
        Draft(name="mine", root=coded, pattern=pattern, emotions={"W": "angry", "T": "sad"}), tmp_path / "made"
    )
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E,F,W,I", "--line-length", "120"]
    done = subprocess.run([*command, str(made)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_nothing_that_is_there_is_written_over(coded: Path, tmp_path: Path) -> None:
    pattern = "{speaker}_{emotion}_{gender}_{n}"
    draft = Draft(name="mine", root=coded, pattern=pattern, emotions={"W": "angry", "T": "sad"})
    write(draft, tmp_path / "made")
    with pytest.raises(ConfigError, match="is there already"):
        write(draft, tmp_path / "made")


# ---- the command ----


def test_the_command_asks_nothing_where_nobody_can_answer(coded: Path, tmp_path: Path) -> None:
    target = tmp_path / "made"
    result = run("mine", coded, "--pattern", "{speaker}_{emotion}_{gender}_{n}.wav", "--to", target)
    assert "What do these codes mean: T, W?" in str(result.exception)
    assert not target.exists()
    result = run(
        *("mine", coded, "--pattern", "{speaker}_{emotion}_{gender}_{n}.wav"),
        *("--emotion", "W=angry,T=sad", "--language", "de", "--licence", "CC0 1.0", "--to", target),
    )
    assert result.exit_code == 0, result.stderr
    assert "16 recordings, 2 speakers: sad 8, angry 8" in result.stderr
    assert f"EMOTONE_PLUGINS={target}" in result.stderr
    assert result.stdout == ""


def test_the_command_in_json(tmp_path: Path) -> None:
    root = plant(tmp_path / "rec", names("{s}_{e}_{n}.wav", s="ann bob", e="angry sad", n="1 2"))
    result = run("mine", root, "--json", "--to", tmp_path / "made")
    facts = json.loads(result.stdout)
    assert facts["pattern"] == "{speaker}_{emotion}_{n}"
    assert facts["counts"] == {"angry": 4, "sad": 4}
    assert facts["folder"] == str(tmp_path / "made")


def test_a_corpus_that_is_known_already_is_named(tmp_path: Path) -> None:
    root = plant(tmp_path / "rec", names("Actor_01/03-01-{e}-01-01-{n}-01.wav", e="01 02 05", n="01 02"))
    pattern, codes = "03-01-{emotion}-01-01-{n}-{speaker}", "01=neutral,02=calm,05=angry"
    result = run("mine", root, "--pattern", pattern, "--emotion", codes, "--to", tmp_path / "made")
    assert f"use it as ravdess={root} at once" in result.stderr


@pytest.mark.parametrize("bad", ["W", "=angry", "W="])
def test_meanings_are_pairs(bad: str, coded: Path, tmp_path: Path) -> None:
    result = run("mine", coded, "--emotion", bad, "--to", tmp_path / "made")
    assert isinstance(result.exception, ConfigError)
    assert "given as CODE=NAME" in str(result.exception)


def test_the_command_asks_and_takes_the_answers(tmp_path: Path) -> None:
    """In a terminal of its own: the guess is refused, another pattern given, then a code explained."""
    root = plant(tmp_path / "rec", names("{s}_{e}_{n}.wav", s="ann bob", e="angry sad X", n="1 2"))
    hand, terminal = pty.openpty()
    command = [sys.executable, "-c", "from emotone.cli import main; main()", "corpora", "new", "mine", str(root)]
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "TERM": "dumb", "COLUMNS": "200"}
    with subprocess.Popen(command, stdin=terminal, stderr=subprocess.PIPE, cwd=tmp_path, env=environment) as process:
        os.write(hand, b"{speaker}_{n}\n{speaker}_{emotion}_{n}.wav\nhopeful\nCC0 1.0\nMy voices\ny\n")
        _, said = process.communicate(timeout=60)
        os.close(hand)
        os.close(terminal)
    words = said.decode()
    assert process.returncode == 0, words
    assert "Enter takes the guess [{speaker}_{emotion}_{n}]" in words
    assert "has no field {emotion}" in words
    assert "Which emotion is 'X'?" in words
    adapter = (tmp_path / "emotone-mine" / "emotone_mine.py").read_text("utf-8")
    assert '"X": "hopeful"' in adapter
    assert 'title="My voices"' in adapter
    assert 'licence="CC0 1.0"' in adapter


def test_what_was_written_trains_a_recogniser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way of a newcomer: recordings, a package, a score and a recogniser whose card knows the licence."""
    rng = np.random.default_rng(3)
    root = tmp_path / "rec"
    root.mkdir()
    for speaker in range(1, 5):
        for emotion in ("angry", "sad"):
            for n in range(4):
                signal = synthetic.speech(emotion, speaker, rng=rng, seconds=1.2, strength=1.5)
                (root / f"s{speaker}_{emotion}_{n}.wav").write_bytes(encode_wav(signal))
    assert run("mine", root, "--licence", "CC0 1.0", "--to", tmp_path / "emotone-mine").exit_code == 0
    monkeypatch.setenv("EMOTONE_PLUGINS", str(tmp_path / "emotone-mine"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert registry.names()[-1] == "mine"
    arguments = ["train", "--corpus", f"mine={root}", "--labels", "all", "--frontend", "librosa180", "--jobs", "1"]
    arguments += ["--protocol", "loso", "--no-audit", "--json", "-o", str(tmp_path / "run")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "4 folds, speakers unseen" in json.loads(result.stdout)["line"]
    card = emotone.load(tmp_path / "run" / "recogniser").card
    assert "CC0 1.0" in card
    sys.modules.pop("emotone_mine", None)
