"""Who may import whom, read from the syntax trees; and what a light start may load, seen from outside.

The picture is the one of ``docs/architecture.md``. Files are discovered, so a new one has to be given its place here
and there. Imports inside functions are arrows like any other, and so are those for type checkers only: who names a
type knows about it. Only what they cost differs, so only the rule about other packages tells them apart.
"""

from __future__ import annotations

import ast
import graphlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import emotone

ROOT = Path(emotone.__file__).parent
DOCUMENT = Path(__file__).parents[1] / "docs" / "architecture.md"

LEVELS = {
    0: {"errors"},
    1: {"audio", "decoding", "labels", "targets", "fetch", "synthetic", "plugins"},
    2: {"corpora", "features", "models", "splits", "metrics", "augment", "voice", "circumplex", "live"},
    3: {"segment", "moments", "turns", "stream", "timeline", "summary", "formats"},
    4: {
        *("recogniser", "saved", "card", "experiment", "experiment_file", "prepared", "extracted", "result", "plots"),
        *("audit", "ladder", "stress", "comparison", "benchmark"),
    },
    5: {"batch", "server", "client", "report"},
    6: {"cli"},
}
LEVEL = {unit: level for level, units in LEVELS.items() for unit in units}

SIDEWAYS = {"models": {"splits", "augment", "features"}}
"""All that a unit of level 2 may import of its own level: the rest meets in `emotone.experiment`. Networks learn from
signals, so they know how these are kept, how they are distorted, and which encoders there are."""

NARROW = {"metrics": {"errors", "labels"}, "splits": {"errors", "labels"}}
"""All of emotone that these may know."""

HOMES = {
    "onnxruntime": {"recogniser.py", "voice.py"},
    "sklearn": {
        f"models/{name}.py" for name in ("calibration", "classic", "network", "onnx", "rankgauss", "regression")
    },
    "soundfile": {"decoding.py"},
    "soxr": {"audio.py"},
    "torch": {
        *(f"features/encoders/{name}.py" for name in ("_network", "_waveform", "_whisper")),
        *(f"models/{name}.py" for name in ("distillation", "enrolment", "finetune", "heads", "network")),
        *(f"models/{name}.py" for name in ("networks", "objective", "perturbation", "together", "training")),
    },
    **{
        package: {"server/*"}
        for package in ("fastapi", "starlette", "uvicorn", "websockets", "prometheus_client", "python_multipart")
    },
    "typer": {"cli/*"},
}
"""The files that may import a package as soon as they are imported themselves; everybody may import numpy so."""

HEAVY = {
    *("numpy", "pandas", "pyarrow", "scipy", "sklearn", "librosa", "numba", "matplotlib", "torch", "transformers"),
    *("onnx", "onnxruntime", "av", "soundfile", "soxr", "opensmile"),
}
WORDS = {"typer", "click", "rich"}


@dataclass(frozen=True)
class Import:
    """``from module import name`` or ``import module``, and when it happens."""

    file: Path
    line: int
    module: str
    name: str = ""
    late: bool = False
    """Inside a function."""
    for_types: bool = False

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} {self.module} {self.name}".rstrip()

    @property
    def package(self) -> str:
        return self.module.partition(".")[0]


def imports_of(file: Path) -> list[Import]:
    found: list[Import] = []

    def visit(node: ast.AST, late: bool, for_types: bool) -> None:
        when = {"late": late, "for_types": for_types}
        if isinstance(node, ast.Import):
            found.extend(Import(file, node.lineno, alias.name, **when) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}:{node.lineno}: imports are written in full here, without leading dots"
            found.extend(Import(file, node.lineno, str(node.module), alias.name, **when) for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):  # a registry's "emotone.x.y:Name"
            path = node.value.partition(":")[0]
            if re.fullmatch(r"emotone(\.[a-z_0-9]+)+", path) and unit_of(path):
                found.append(Import(file, node.lineno, path, late=True))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                visit(child, late, True)
            for child in node.orelse:
                visit(child, late, for_types)
            return
        late = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, late, for_types)

    visit(ast.parse(file.read_text(encoding="utf-8")), False, False)
    return found


def unit_of(module: str, name: str = "") -> str:
    """The part of the picture that ``module`` (or ``from module import name``) is in; empty for the package itself."""
    parts = module.split(".")
    if parts == ["emotone"]:
        parts.append(emotone._HOMES.get(name, name))
    return parts[1] if parts[0] == "emotone" and parts[1] in UNITS else ""


def place(file: Path) -> str:
    """The unit of a file; empty for the package's own ``__init__.py``."""
    return file.relative_to(ROOT).parts[0].removesuffix(".py").replace("__init__", "")


FILES = sorted(ROOT.rglob("*.py"))
UNITS = {place(file) for file in FILES} - {""}
IMPORTS = [entry for file in FILES for entry in imports_of(file)]
ARROWS = [
    (place(entry.file), unit_of(entry.module, entry.name), entry)
    for entry in IMPORTS
    if entry.package == "emotone" and place(entry.file)
]


def broken(rule: str, found: list[Import]) -> str:
    return f"{rule}:\n" + "\n".join(f"  {entry}" for entry in found)


def test_there_is_something_to_look_at():
    assert len(FILES) > 30
    assert len(IMPORTS) > 100
    assert {("audio", "errors"), ("models", "splits"), ("features", "audio")} <= {arrow[:2] for arrow in ARROWS}


def test_every_file_has_its_level():
    lost = UNITS - set(LEVEL)
    assert not lost, f"give these a level, here and in docs/architecture.md: {', '.join(sorted(lost))}"


def test_the_document_draws_the_same_picture():
    lines = dict(re.findall(r"^(\d)  (.+)$", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE))
    drawn = {unit: level for level, line in lines.items() for unit in re.findall(r"[a-z_]+(?=/|\b)", line)}
    missing = [unit for unit in sorted(UNITS) if drawn.get(unit) != str(LEVEL[unit])]
    assert not missing, f"docs/architecture.md doesn't show at their level: {', '.join(missing)}"


def test_arrows_point_down():
    up = [entry for unit, other, entry in ARROWS if other and LEVEL[other] > LEVEL[unit]]
    assert not up, broken("imports of a higher level", up)


def test_units_of_level_2_leave_each_other_alone():
    wrong = [
        entry
        for unit, other, entry in ARROWS
        if other and other != unit and LEVEL[other] == LEVEL[unit] == 2 and other not in SIDEWAYS.get(unit, set())
    ]
    assert not wrong, broken("imports across level 2", wrong)


def test_metrics_and_splits_know_only_arrays_tables_and_labels():
    wrong = [entry for unit, other, entry in ARROWS if unit in NARROW and other not in {"", unit, *NARROW[unit]}]
    assert not wrong, broken("imports of other parts of emotone", wrong)
    allowed = sys.stdlib_module_names | {"emotone", "numpy"}
    others = [
        entry
        for entry in IMPORTS
        if place(entry.file) in NARROW
        and entry.package not in allowed
        and not (entry.package == "pandas" and (entry.late or entry.for_types))
        and not (entry.package == "sklearn" and entry.late)
    ]
    assert not others, broken("imports of other packages", others)


def test_no_circle_of_units_import_each_other():
    later = {unit: set[str]() for unit in UNITS}
    for unit, other, entry in ARROWS:
        if other and other != unit and not entry.for_types:
            later[unit].add(other)
    graphlib.TopologicalSorter(later).prepare()  # raises CycleError, with the circle


def test_other_packages_are_imported_late_but_where_a_file_is_about_them():
    early = [
        entry
        for entry in IMPORTS
        if not (entry.late or entry.for_types or entry.package in sys.stdlib_module_names | {"emotone", "numpy"})
        and not any(entry.file.relative_to(ROOT).match(home) for home in HOMES.get(entry.package, ()))
    ]
    assert not early, broken("imports at module level outside the file that is about the package", early)


def test_the_package_itself_imports_nothing_of_its_own():
    early = [entry for entry in imports_of(ROOT / "__init__.py") if not (entry.late or entry.for_types)]
    assert {entry.package for entry in early} <= sys.stdlib_module_names


# --- seen from outside ---


def started(code: str) -> tuple[set[str], float]:
    """Top-level modules that ``code`` loads in a fresh interpreter, and the seconds it took."""
    script = (
        "import json, sys, time\n"
        "before, start = set(sys.modules), time.perf_counter()\n"
        f"{code}\n"
        "seconds = time.perf_counter() - start\n"
        "loaded = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(json.dumps([sorted(loaded), seconds]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT.parent)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded, seconds = json.loads(done.stdout.splitlines()[-1])
    return set(loaded), seconds


def test_importing_emotone_loads_nothing_heavy():
    loaded, seconds = started("import emotone")
    print(f"\nimport emotone: {1000 * seconds:.0f} ms")
    assert "emotone" in loaded
    assert not loaded & (HEAVY | WORDS)


@pytest.mark.parametrize("module", ["errors", "labels", "models", "features", "fetch"])
def test_names_can_be_listed_without_anything_heavy(module):
    loaded, seconds = started(f"import emotone.{module}")
    print(f"\nimport emotone.{module}: {1000 * seconds:.0f} ms")
    assert not loaded & (HEAVY | WORDS)


def test_a_prediction_needs_nothing_of_the_training():
    loaded, seconds = started("import emotone; emotone.load")
    print(f"\nemotone.load: {1000 * seconds:.0f} ms")
    training = {"pandas", "pyarrow", "scipy", "sklearn", "librosa", "numba", "matplotlib", "torch", "onnx"}
    assert "onnxruntime" in loaded
    assert not loaded & (training | WORDS)


def test_every_help_page_is_light():
    loaded, seconds = started(
        "import contextlib, io, typer\n"
        "from emotone.cli import app, main\n"
        "def pages(command, words):\n"
        "    yield words\n"
        "    for name, sub in getattr(command, 'commands', {}).items():\n"
        "        yield from pages(sub, [*words, name])\n"
        "count = 0\n"
        "for words in pages(typer.main.get_command(app), []):\n"
        "    sys.argv = ['emotone', *words, '--help']\n"
        "    with contextlib.redirect_stdout(io.StringIO()) as page:\n"
        "        try: main()\n"
        "        except SystemExit as end: assert not end.code, words\n"
        "    assert 'Usage' in page.getvalue(), words\n"
        "    count += 1\n"
        "assert count > 6, count"
    )
    print(f"\nall pages of emotone --help: {1000 * seconds:.0f} ms")
    assert "typer" in loaded
    assert not loaded & HEAVY
