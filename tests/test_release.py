"""What is given away: the wheel and the source archive, what they hold, and whether they work where nothing else is; no
public name without a docstring, no link into the void."""

from __future__ import annotations

import ast
import email
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from email.message import Message
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import emotone
from emotone import recogniser

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "emotone"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
NOT_GIVEN_AWAY = re.compile(r"(^|/)(__pycache__|\.git|\.venv|runs|data|site|node_modules)(/|$)|\.py[co]$|\.npz$|~$")


# ---- built ----


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive, built from what would be committed, without the network."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling isn't here to build with: pip install hatchling")
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1767225600"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Iterator[zipfile.ZipFile]:
    [path] = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def about(wheel: zipfile.ZipFile) -> Message:
    [metadata] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return email.message_from_bytes(wheel.read(metadata))


def test_the_wheel_is_called_as_it_should_be(built: Path) -> None:
    names = sorted(path.name for path in built.iterdir())
    assert names == [f"emotone-{emotone.__version__}-py3-none-any.whl", f"emotone-{emotone.__version__}.tar.gz"]
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", emotone.__version__)


def test_the_wheel_holds_every_module_and_every_file_of_data(wheel: zipfile.ZipFile) -> None:
    ours = {
        path.relative_to(ROOT / "src").as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and not NOT_GIVEN_AWAY.search(path.relative_to(ROOT).as_posix())
    }
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == ours
    assert "emotone/py.typed" in held


def test_the_wheel_holds_the_networks_with_the_hashes_that_their_configurations_name(wheel: zipfile.ZipFile) -> None:
    for name in recogniser.names():
        folder = f"emotone/recognisers/{name}"
        config = json.loads(wheel.read(f"{folder}/config.json"))
        assert hashlib.sha256(wheel.read(f"{folder}/model.onnx")).hexdigest() == config["model_sha256"]
        assert wheel.read(f"{folder}/card.md").decode().startswith("---\n")
    for name, stated in stated_hashes().items():
        assert hashlib.sha256(wheel.read(name)).hexdigest() in stated, f"no module beside {name} states its sha256"


MOST_OF_A_GRAPH = 100_000
"""Bytes: an ONNX file of no more than this holds operators, and no weights that somebody trained."""


def stated_hashes() -> dict[str, set[str]]:
    """Other ONNX files of the package, and every sha256 that the modules and texts beside them state."""
    found = {}
    for model in PACKAGE.rglob("*.onnx"):
        if model.parent.parent.name != "recognisers" and model.stat().st_size > MOST_OF_A_GRAPH:
            beside = (
                path.read_text("utf-8") for path in model.parent.iterdir() if path.suffix in {".md", ".json", ".py"}
            )
            stated = {digest for text in beside for digest in re.findall(r"\b[0-9a-f]{64}\b", text)}
            found[model.relative_to(ROOT / "src").as_posix()] = stated
    return found


def test_the_metadata_tell_the_licences_of_code_and_weights(wheel: zipfile.ZipFile) -> None:
    """The licence expression covers all that is in the wheel, as the standard (PEP 639) has it, and the cards, which
    say what is whose, are among the licence files."""
    metadata = about(wheel)
    expression = set(re.findall(r"[\w.-]+", metadata["License-Expression"])) - {"AND", "OR", "WITH"}
    assert "MIT" in expression
    files = set(metadata.get_all("License-File"))
    assert "LICENSE" in files
    for name in recogniser.names():
        config = json.loads(wheel.read(f"emotone/recognisers/{name}/config.json"))
        assert config["licence"].replace(" ", "-") in expression
        assert any(file.endswith(f"recognisers/{name}/card.md") for file in files)


def test_the_metadata_are_complete(wheel: zipfile.ZipFile) -> None:
    metadata = about(wheel)
    assert metadata["Name"] == "emotone"
    assert metadata["Version"] == emotone.__version__
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    assert set(metadata.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    assert not any(value.startswith("License ::") for value in metadata.get_all("Classifier"))
    assert "emotone predict" in str(metadata.get_payload())
    [entries] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "emotone = emotone.cli:main" in wheel.read(entries).decode()


def test_the_archives_hold_nothing_that_isnt_ours_to_give(built: Path, wheel: zipfile.ZipFile) -> None:
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = [member.name.partition("/")[2] for member in archive.getmembers()]
    for name in ("README.md", "CHANGELOG.md", "LICENSE", "CITATION.cff", "pyproject.toml", "src/emotone/__init__.py"):
        assert name in held
    assert "tests/test_release.py" in held
    for name in (*held, *wheel.namelist()):
        assert not NOT_GIVEN_AWAY.search(name), name
    sounds = [name for name in (*held, *wheel.namelist()) if re.search(r"\.(wav|flac|opus|mp3|m4a)$", name)]
    assert {Path(name).name for name in sounds} <= {"angry.wav"}  # synthesised
    assert sum(file.file_size for file in wheel.infolist()) < 40e6


def test_the_citation_and_the_changelog_know_this_version() -> None:
    assert f"version: {emotone.__version__}" in (ROOT / "CITATION.cff").read_text("utf-8").replace('"', "")
    assert re.search(rf"^## \[?{re.escape(emotone.__version__)}\b", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)


# ---- installed where nothing else is ----


@pytest.fixture(scope="module")
def bare(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel and what the base installation needs, and no extra at all.

    The packages are links to those that are here, so that nothing is downloaded.
    """
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    [there] = [*folder.glob("lib/python*/site-packages"), *folder.glob("Lib/site-packages")]
    for name, package in needed(PROJECT["dependencies"]).items():
        if package is None:
            pytest.skip(f"{name}, which the base installation needs, isn't here")
        for top in {file.parts[0] for file in package.files or () if file.parts[0] not in ("..", "__pycache__")}:
            (there / top).symlink_to(package.locate_file(top))
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(there)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def needed(requirements: Iterable[str]) -> dict[str, Distribution | None]:
    """The packages that these requirements bring here, with all that they need in turn; None for one that is absent."""
    found: dict[str, Distribution | None] = {}
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        asked = waiting.pop()
        name = canonicalize_name(asked.name)
        if name not in found and (asked.marker is None or asked.marker.evaluate({"extra": ""})):
            try:
                found[name] = distribution(asked.name)
            except PackageNotFoundError:
                found[name] = None
            else:
                waiting += [Requirement(line) for line in found[name].requires or ()]
    return found


def alone(python: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "EMOTONE", "COV"))}
    environment["EMOTONE_CACHE"] = str(cwd / "cache")
    return subprocess.run(
        [str(python), *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_the_wheel_alone_recognises(bare: Path, tmp_path: Path) -> None:
    found = alone(bare, "-c", "import emotone; print(emotone.__file__)", cwd=tmp_path)
    assert Path(found.stdout.strip()).is_relative_to(bare.parents[1])
    sample = PACKAGE / "samples" / "angry.wav"
    command = ("-c", "from emotone.cli import main; main()")
    done = alone(bare, *command, "predict", "--json", str(sample), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert set(answer["scores"]) == set(emotone.load().labels)
    timed = alone(bare, *command, "timeline", "--format", "json", str(sample), cwd=tmp_path)
    assert timed.returncode == 0, timed.stderr
    assert "Usage" in alone(bare, *command, "--help", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("train", "--corpus", "folder=."), "train"),
        (("features", "functionals", "a.wav", "-o", "x.csv"), "train"),
        (("listen",), "live"),
    ],
)
def test_without_an_extra_its_commands_name_it(
    bare: Path, tmp_path: Path, arguments: tuple[str, ...], extra: str
) -> None:
    shutil.copy(PACKAGE / "samples" / "angry.wav", tmp_path / "a.wav")
    (tmp_path / "angry").mkdir()
    shutil.copy(PACKAGE / "samples" / "angry.wav", tmp_path / "angry" / "a.wav")
    done = alone(bare, "-c", "from emotone.cli import main; main()", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"pip install 'emotone[{extra}" in done.stderr
    assert "Traceback" not in done.stderr


# ---- docstrings ----

FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if not re.search(r"/_(?!_init__)", path.relative_to(ROOT).as_posix())
)
"""Modules without an underscore in their path: what is in the others is public inside their package alone."""


def undocumented(file: Path) -> Iterator[str]:
    """The public functions, classes and methods of a file that have no docstring, and the file if it has none.

    A name that begins with an underscore isn't public; nor is what is inside a function, nor an overload; nor a method
    that says with `override` or by its class's parents what it is for.
    """
    tree = ast.parse(file.read_text("utf-8"))
    if not ast.get_docstring(tree):
        yield "the module itself"
    listed = public_names(tree)

    def visit(node: ast.AST, place: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{place}{child.name}"
                if child.name.startswith("_") or (not place and listed and child.name not in listed):
                    continue
                if any(ast.unparse(decorator).endswith("overload") for decorator in child.decorator_list):
                    continue
                if not ast.get_docstring(child):
                    yield name
                if isinstance(child, ast.ClassDef):
                    yield from visit(child, f"{name}.")

    yield from visit(tree, "")


def public_names(tree: ast.Module) -> set[str]:
    """What ``__all__`` lists; empty without one."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "__all__" for target in node.targets):
            return {ast.literal_eval(item) for item in getattr(node.value, "elts", [])}
    return set()


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_everything_public_has_a_docstring(file: Path) -> None:
    if "corpora" in file.parts and "\nCORPUS = " in file.read_text("utf-8"):
        assert ast.get_docstring(ast.parse(file.read_text("utf-8")))
        return  # a corpus's file offers its record; its little functions are named by what the record says
    assert not list(undocumented(file))


def test_a_missing_docstring_would_be_found(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text('__all__ = ["A", "f"]\ndef f(): ...\ndef g(): ...\nclass A:\n    """A."""\n    def m(self): ...\n')
    assert list(undocumented(file)) == ["the module itself", "f", "A.m"]


# ---- links ----

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
LINK = re.compile(r"(?<!\\)\[[^\]\n]*\]\((?P<link>[^)\s]+)(?: \"[^\"]*\")?\)|(?:src|href)=\"(?P<address>[^\"]+)\"")
ELSEWHERE = ("http://", "https://", "mailto:", "data:")
MADE = (
    (ROOT / "scripts" / "mkdocs_pages.py").read_text("utf-8") if (ROOT / "scripts" / "mkdocs_pages.py").exists() else ""
)
"""The script that makes pages of the site; a page whose name stands in it is there once the site is built."""


def links(page: Path) -> Iterator[str]:
    """The links of a page or notebook to files and headings, outside of code."""
    text = page.read_text("utf-8")
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    text = re.sub(r"^ *(`{3,}).*?^ *\1 *$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    for found in LINK.finditer(text):
        link = found["link"] or found["address"]
        if not link.startswith(ELSEWHERE):
            yield link


def anchors(page: Path) -> set[str]:
    """The headings of a page, as addresses: GitHub's and MkDocs' agree on plain ones."""
    text = page.read_text("utf-8")
    headings = re.findall(r"^#+ (.+?)(?: \{#([\w-]+)\})?$", text, re.MULTILINE)
    plain = {
        re.sub(r"[^\w\- ]", "", re.sub(r"<[^>]+>", "", title)).strip().lower().replace(" ", "-")
        for title, _ in headings
    }
    return plain | {given for _, given in headings if given} | set(re.findall(r"(?:id|name)=\"([^\"]+)\"", text))


@pytest.mark.parametrize(
    "page", [*PAGES, *sorted((ROOT / "notebooks").glob("*.ipynb"))], ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_no_link_leads_nowhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if "docs" in page.parts and not target.exists() and target.name in MADE:
            continue
        assert target.exists(), f"{page.name} links to {link}"
        if anchor and target.suffix == ".md" and "::" not in target.read_text("utf-8"):
            assert anchor in anchors(target), f"{page.name} links to {link}, and there is no such heading"


def test_a_dead_link_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text(
        '# The A\n[b](b.md) ![c](c.png "C") <a href="d.md">d</a> [e](#the-a) `[f](f.md)`\n```\n[g](g.md)\n```\n'
    )
    assert list(links(page)) == ["b.md", "c.png", "d.md", "#the-a"]
    assert anchors(page) == {"the-a"}
