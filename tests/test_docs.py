"""The documentation does what it says: every block is run, every command exists, every figure is that of its file."""

from __future__ import annotations

import json
import re
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pages
import pytest
import staged
import typer
from pages import DOCS, ELSEWHERE, ROOT, blocks

from emotone import benchmark, features, formats, models, recogniser, segment, splits
from emotone.cli import app
from emotone.labels import EMOTIONS, LABEL_SETS

for package in ("pandas", "sklearn", "matplotlib", "pyarrow"):
    pytest.importorskip(package, reason="the pages train: pip install 'emotone[train]'")

RESULTS = ROOT / "benchmarks" / "results"
PAGES = sorted(DOCS.rglob("*.md"))
OURS = [page for page in PAGES if page.name not in ELSEWHERE]
PROGRAMS = [page for page in OURS if any(block.language in pages.RUN for block in blocks(page))]
BESIDE = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# --- everything is run ---


@pytest.fixture(scope="session")
def staging(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder that each page gets a copy of, and the environment of its commands."""
    folder = tmp_path_factory.mktemp("docs")
    environment = pages.shell_environment(folder / "bin", folder / "cache")
    return staged.stage(folder / "stage", environment), environment


@pytest.mark.parametrize("page", PROGRAMS, ids=named)
def test_a_page_runs_from_top_to_bottom(
    page: Path, staging: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, environment = staging
    folder = staged.copy(stage, tmp_path / "work")
    monkeypatch.setenv("EMOTONE_CACHE", environment["EMOTONE_CACHE"])
    runner = pages.Runner(folder, environment)
    for block in blocks(page):
        start = time.perf_counter()
        if "needs" in block.notes and "torch" in block.notes["needs"]:
            staged.encoder(folder / "models" / "whisper-base")
        left_out = runner.run(block)
        print(f"{time.perf_counter() - start:5.1f} s  {block}")
        if left_out:
            pytest.skip(f"{left_out}; what is before it was run")


def test_pages_that_are_not_run_here_are_run_there() -> None:
    for page in PAGES:
        test = ELSEWHERE.get(page.name)
        if test and any(block.language in pages.RUN for block in blocks(page)):
            assert page.name in (ROOT / "tests" / test).read_text("utf-8"), f"no test runs {page.name}"


def test_there_is_something_to_run() -> None:
    assert len(PROGRAMS) > 12
    run = [block for page in PROGRAMS for block in blocks(page) if block.language in pages.RUN]
    assert len(run) > 80
    assert sum("not run" in block.notes for block in run) < len(run) / 5
    assert sum("shows" in block.notes for page in PROGRAMS for block in blocks(page)) > 10


# --- everything is looked at ---


@pytest.mark.parametrize("page", [*PAGES, *BESIDE], ids=named)
def test_commands_exist_and_code_parses(page: Path) -> None:
    for block in blocks(page):
        if page in OURS:
            assert block.language in pages.LANGUAGES, f"{block}: name its language, one of {', '.join(pages.LANGUAGES)}"
            assert block.notes.get("not run") != "", f"{block}: say why it isn't run"
        pages.parses(block)
        if block.language in ("bash", "sh", "console", ""):
            for words in pages.commands(block.text):
                assert not pages.unknown_words(words), f"{block}: {' '.join(words)}"
    for command in pages.inline_commands(page):
        for words in pages.commands(command):
            assert not pages.unknown_words(words), f"{page.name}: {command}"


@pytest.mark.parametrize("page", [*PAGES, *BESIDE], ids=named)
def test_extras_exist(page: Path) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    asked = {name for names in re.findall(r"emotone\[([\w,]+)\]", page.read_text("utf-8")) for name in names.split(",")}
    assert asked <= {*extras, *ANNOUNCED}


ANNOUNCED = {"docs", "serve", "batch", "ray"}


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["predict", "a.wav", "--json"], []),
        (["models", "export", "default", "-o", "mine"], []),
        (["predict", "--jsn"], ["--jsn"]),
        (["models", "exprt"], ["exprt"]),
        (["timeline", "--format=csv", "-x"], ["-x"]),
    ],
)
def test_a_wrong_command_would_be_found(words: list[str], wrong: list[str]) -> None:
    assert pages.unknown_words(words) == wrong


def test_commands_are_found_in_scripts() -> None:
    script = "cat a.wav | emotone predict - > all  # emotone nothing\nA=1 emotone train \\\n  -o runs"
    script += " && emotone models list\n"
    assert list(pages.commands(script)) == [["predict", "-"], ["train", "-o", "runs"], ["models", "list"]]


@pytest.mark.parametrize(
    ("shown", "said", "same"),
    [
        ("angry 81 %", " angry   81 %\n", True),
        ("angry …\ncalm 3", "angry 81 %\n  calm 3\n", True),
        ("0.6…, 2", "0.679469, 2", True),
        ("angry 81 %", "angry 82 %", False),
        ("angry", "angry 81 %", False),
    ],
)
def test_what_is_shown_is_compared(shown: str, said: str, same: bool) -> None:
    assert pages.agrees(shown, said) is same


# --- every figure is that of its file ---

FIGURE = re.compile(r"<!-- (?P<file>\w+\.json) (?P<place>/[^>]*?) -->(?P<told>[\d.,]+)(?P<percent> %)?")


def figures() -> Iterator[tuple[Path, re.Match[str]]]:
    for page in DOCS.rglob("*.md"):
        for found in FIGURE.finditer(page.read_text("utf-8")):
            yield page, found


def value_at(document: Any, place: str) -> float:
    for key in place.strip("/").split("/"):
        document = document[int(key)] if isinstance(document, list) else document[key]
    return float(document)


def test_figures_in_the_text_are_those_of_the_results() -> None:
    wrong = []
    for page, found in figures():
        value = value_at(json.loads((RESULTS / found["file"]).read_text("utf-8")), found["place"])
        value *= 100 if found["percent"] and value <= 1 else 1
        told = found["told"].rstrip(".,")
        digits = len(told.partition(".")[2])
        if f"{value:,.{digits}f}" != told:
            wrong.append(f"{page.name}: {found[0]} is {value}")
    assert not wrong, "\n".join(wrong)
    assert len(list(figures())) > 20


def test_lines_of_the_results_table_are_quoted_whole() -> None:
    rows = benchmark.committed()
    quoted = 0
    for page in DOCS.rglob("*.md"):
        text = page.read_text("utf-8")
        for name, line in re.findall(r"<!-- benchmark row: (\S+) -->\n```text\n(.*?)\n```", text, re.DOTALL):
            row = rows[name]
            condition = f"{'+'.join(row.corpora)} {row.labels} · {row.protocol}, speakers {row.speakers}"
            assert line == f"{row.score} · {condition}"
            quoted += 1
        assert text.count("<!-- benchmark row:") == len(re.findall(r"<!-- benchmark row: \S+ -->\n```text", text))
    assert quoted


# --- nothing is missing ---


def all_commands(command: Any = None, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    command = command or typer.main.get_command(app)
    if not hasattr(command, "commands"):
        yield words
    for name, sub in getattr(command, "commands", {}).items():
        yield from all_commands(sub, (*words, name))


GUIDES = "\n".join(page.read_text("utf-8") for page in PAGES if page.name != "cli.md")


@pytest.mark.parametrize("words", list(all_commands()), ids=" ".join)
def test_every_command_is_in_a_guide_and_in_the_reference(words: tuple[str, ...]) -> None:
    command = f"emotone {' '.join(words)}"
    assert re.search(rf"{command}\b", GUIDES), f"no guide uses {command}"
    assert f"## {command}\n" in (DOCS / "reference" / "cli.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("guides/timeline.md", formats.names()),
        ("guides/recognise.md", segment.FLAGS),
        ("concepts/leakage.md", splits.names()),
        ("concepts/labels.md", (*EMOTIONS, *LABEL_SETS)),
        ("models.md", (*models._BUILT_IN, *recogniser.names())),
        ("features.md", ("functionals", "librosa180", "egemaps", "compare")),
        ("guides/encoder.md", ("embeddings", "finetune", "network")),
        ("guides/evaluate.md", ("audit", "report", "ladder", "stress", "benchmark")),
    ],
)
def test_every_name_has_its_place(page: str, names: Any) -> None:
    text = (DOCS / page).read_text("utf-8")
    missing = [name for name in names if f"`{name}`" not in text and f"emotone {name}" not in text]
    assert not missing, f"{page} says nothing of {', '.join(missing)}"


def test_every_front_end_is_described_somewhere() -> None:
    missing = [name for name in features.names() if f"`{name}`" not in GUIDES]
    assert not missing


def test_every_extra_is_told_on_the_start_page() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    told = set(re.findall(r"`emotone\[(\w+)\]`", (DOCS / "start.md").read_text("utf-8")))
    assert set(extras) <= told
