"""The pages of the documentation as programs: their fenced blocks, and how they are run.

Comments directly above a block say what is special about it, and no reader sees them:

==========================================  ==========================================================================
``<!-- shows -->``                          the block is what the one before printed; ``…`` stands for anything
``<!-- file: mine.toml -->``                the block is put into a file of this name
``<!-- exit: 1 -->``                        the commands end with this code in place of 0
``<!-- needs: torch -->``                   run where these packages are installed, else left out with the rest below
``<!-- not run: it needs a microphone -->`` only looked at: the commands and options must exist, the code must parse
==========================================  ==========================================================================

Some pages have tests of their own that run them, in `ELSEWHERE`. Two commands do nothing when pages are run: ``pip``,
and ``emotone corpora fetch``, which needs the internet; the recordings that they would bring are there already.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib.util
import io
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import emotone

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SOURCE = Path(emotone.__file__).resolve().parents[1]

RUN = ("bash", "sh", "python")
LANGUAGES = (*RUN, "toml", "json", "text", "csv")
ELSEWHERE = {
    "architecture.md": "",
    "archives.md": "",
    "cli.md": "",
    "cluster.md": "",
    "corpora.md": "",
    "deployment.md": "test_deploy.py",
    "extend.md": "test_extend_docs.py",
    "models.md": "",
    "page.md": "",
    "server-security.md": "",
    "server.md": "test_server_docs.py",
}
"""Pages that aren't run here, with the test that runs them. Those without one are generated, or need a server, a
cluster or an archive: their commands are looked at, and run by the tests of what they are about."""

NOTES = ("shows", "file", "exit", "needs", "not run")

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>[\w+-]*).*$")
_NOTE = re.compile(r"^ *<!-- (?P<key>[a-z ]+?)(?:: (?P<value>.*?))? -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it is, what it holds, and what the comments above it say."""

    page: Path
    line: int
    language: str
    text: str
    notes: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line} ({self.language})"


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a Markdown file, in order."""
    found: list[Block] = []
    notes: dict[str, str] = {}
    fence, first, body = None, 0, list[str]()
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        if fence is not None:
            if line.strip() == fence["fence"]:
                text = textwrap.dedent("\n".join(body)) + "\n"
                found.append(Block(page, first, fence["language"], text, notes))
                fence, notes, body = None, {}, []
            else:
                body.append(line)
        elif opened := _FENCE.match(line):
            fence, first = opened, number
        elif (note := _NOTE.match(line)) and note["key"] in NOTES:
            notes = {**notes, note["key"]: note["value"] or ""}
        elif line.strip():
            notes = {}
    assert fence is None, f"{page.name}:{first}: a block that doesn't end"
    return found


# --- looked at: what must be true of every block and every command in the text ---


def commands(text: str) -> Iterator[list[str]]:
    """The words of each call of ``emotone`` in a shell script, without what the shell does with it."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        for part in re.split(r"\s*(?:\||&&|;|\$\()\s*", line):
            if re.match(r"(?:[A-Z_]+=\S+ +)*(?:\S*/bin/)?emotone( |$)", part.removeprefix("$ ")):
                words = shlex.split(re.sub(r"\s*(?:<|2?>).*$", "", part.rstrip(") &")), comments=True)
                yield words[next(i for i, word in enumerate(words) if word.endswith("emotone")) + 1 :]


def inline_commands(page: Path) -> list[str]:
    """What is written as `emotone ...` within the text."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [" ".join(code.split()) for code in re.findall(r"`(emotone [^`]+)`", text)]


def unknown_words(words: list[str]) -> list[str]:
    """Subcommands and options among the ``words`` after ``emotone`` that the command line doesn't have."""
    command = _root()
    options = _options(command)
    rest = list(words)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            return [] if rest[0] == "COMMAND" else [rest[0]]
        command = command.commands[rest.pop(0)]
        options = _options(command)
    return [word for word in rest if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in options]


@functools.cache
def _root() -> Any:
    import typer

    from emotone.cli import app

    return typer.main.get_command(app)


def _options(command: Any) -> set[str]:
    named = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return {*named, "-h", "--help"}


# --- run ---


class Runner:
    """Runs the blocks of one page in a folder, as a reader would who follows it from the top."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._names: dict[str, Any] = {"__name__": "__main__"}
        self._said = ""

    def run(self, block: Block) -> str:
        """Do what the block is for. Raises AssertionError where it isn't as its page says. Returns why the rest of the
        page can't be run, or nothing."""
        notes = block.notes
        missing = [name for name in notes.get("needs", "").split() if not importlib.util.find_spec(name)]
        if missing:
            return f"{block} needs {', '.join(missing)}"
        if "file" in notes:
            target = self._folder / notes["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, "utf-8")
        elif "shows" in notes:
            assert agrees(block.text, self._said), f"{block} isn't what is printed:\n{self._said}"
        elif block.language in RUN and "not run" not in notes:
            self._said = self._python(block) if block.language == "python" else self._shell(block)
        return ""

    def _shell(self, block: Block) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.text],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        expected = int(block.notes.get("exit", 0))
        assert done.returncode == expected, f"{block} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, f"{block}:\n{done.stderr}"
        return done.stdout

    def _python(self, block: Block) -> str:
        """In this process, since importing everything again for each block would take longer than all the rest. The
        value of a last line is printed, as notebooks do it."""
        tree = ast.parse(block.text, str(block))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.chdir(self._folder):
            exec(compile(tree, str(block), "exec"), self._names)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), str(block), "eval"), self._names)
                if value is not None:
                    print(repr(value))
        return said.getvalue()


def agrees(shown: str, said: str) -> bool:
    """Whether ``said`` is what is ``shown``; spaces count as one, bars don't count, ``…`` stands for anything."""
    shown, said = (re.sub("[▏▎▍▌▋▊▉█]+", " ", text) for text in (shown, said))
    pattern = r"\s*.*?\s*".join(r"\s+".join(map(re.escape, part.split())) for part in shown.split("…"))
    return re.fullmatch(rf"\s*{pattern}\s*", said, flags=re.DOTALL) is not None


def parses(block: Block) -> None:
    """Raises where a block isn't written in its language."""
    if block.language == "python":
        ast.parse(block.text)
    elif block.language == "toml":
        tomllib.loads(block.text)
    elif block.language == "json" and "shows" not in block.notes:
        json.loads(block.text)


def shell_environment(folder: Path, cache: Path) -> dict[str, str]:
    """The environment of commands: ``emotone`` of this checkout, ``python``, and a ``pip`` that does nothing."""
    folder.mkdir(parents=True)
    start = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); sys.argv[0] = 'emotone'"
    scripts = {
        "pip": "exit 0",
        "python": f'exec {shlex.quote(sys.executable)} "$@"',
        "emotone": (
            'if [ "${1-} ${2-}" = "corpora fetch" ]; then exit 0; fi\n'
            f'exec {shlex.quote(sys.executable)} -c "{start}; from emotone.cli import main; main()" "$@"'
        ),
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        (folder / name).chmod(0o755)
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("EMOTONE_")},
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(SOURCE),
        "EMOTONE_CACHE": str(cache),
        "COLUMNS": "100",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
