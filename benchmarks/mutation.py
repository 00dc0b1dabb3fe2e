"""Would the tests notice? Mutation testing of metrics, splits, labels and stream.

    python benchmarks/mutation.py [--part labels ...] [--sample 300] [--seed 0] [--jobs 2] [--json FILE]

A mutant is a copy of the package with one small fault: a comparison turned or shifted, `+` for `-`, `and` for `or`, a
condition negated, a number off by one, a value that isn't returned. The tests of its part are run on it, up to the
first that fails; one that passes them all survives, and is printed with its place. A sample is drawn from all mutants,
and the share that was killed is given with Wilson's 95 % interval. Texts, annotations and what only messages need
aren't mutated.

The bar is 85 %. A run of 300 takes about half an hour on two quiet cores.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
BAR = 0.85
PARTS = {
    "labels": (("labels.py",), ("test_labels.py", "test_cli_audit.py", "test_splits.py")),
    "metrics": (("metrics/*.py",), ("test_metrics*.py", "test_calibration.py", "test_comparison.py", "test_likely.py")),
    "splits": (("splits/*.py",), ("test_splits*.py", "test_published.py", "test_experiment_targets.py")),
    "stream": (("stream.py", "moments.py"), ("test_stream.py", "test_moments.py", "test_timeline.py")),
}
"""Files to mutate, and the tests that have to notice."""

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}


@dataclass(frozen=True)
class Mutant:
    """One fault: where, what, and the module's source with it."""

    part: str
    file: Path
    line: int
    what: str
    source: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(SOURCE)}:{self.line}  {self.what}"


# ---- making them ----


def mutants(part: str) -> Iterator[Mutant]:
    """All mutants of a part."""
    for pattern in PARTS[part][0]:
        for file in sorted((SOURCE / "emotone").glob(pattern)):
            yield from of_file(part, file)


def of_file(part: str, file: Path) -> Iterator[Mutant]:
    """All mutants of a file; each is the file's tree with one node changed."""
    tree = ast.parse(file.read_text("utf-8"))
    places = list(mutable(tree))
    for path in places:
        for change in changes(at(tree, path)):
            mutated = copy.deepcopy(tree)
            node = at(mutated, path)
            before = ast.unparse(node)
            change(node)
            after = ast.unparse(node)
            if after != before:
                yield Mutant(part, file, node.lineno, f"{shown(before)}  ->  {shown(after)}", ast.unparse(mutated))


def shown(code: str) -> str:
    """The first line of some code, not too much of it."""
    line = code.partition("\n")[0]
    return line if len(line) < 60 else f"{line[:57]}..."


def mutable(tree: ast.Module) -> Iterator[tuple[tuple[str, int | None], ...]]:
    """The paths (field and place in it, from the top) of nodes that may be changed."""

    def visit(node: ast.AST, path: tuple[tuple[str, int | None], ...]) -> Iterator[tuple[tuple[str, int | None], ...]]:
        if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom):
            return
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "").startswith("__") for target in node.targets):
            return
        if isinstance(node, ast.stmt | ast.expr) and any(True for _ in changes(node)):
            yield path
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "type_params", "decorator_list"):
                continue
            for place, child in enumerate(value) if isinstance(value, list) else ((None, value),):
                if isinstance(child, ast.AST):
                    yield from visit(child, (*path, (field, place)))

    return visit(tree, ())


def at(tree: ast.AST, path: tuple[tuple[str, int | None], ...]) -> ast.AST:
    """The node that a path leads to."""
    for field, place in path:
        tree = getattr(tree, field) if place is None else getattr(tree, field)[place]
    return tree


def changes(node: ast.AST) -> Iterator[Callable[[ast.AST], None]]:
    """What may be done to a node; each changes the node that it is given."""
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
            yield lambda found: setattr(found, "ops", [COMPARISONS[type(found.ops[0])]()])
        case ast.BinOp(op=operator) if type(operator) in OPERATORS and not is_text(node):
            yield lambda found: setattr(found, "op", OPERATORS[type(found.op)]())
        case ast.BoolOp():
            yield lambda found: setattr(found, "op", ast.Or() if isinstance(found.op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not()):
            yield not_negated
        case ast.Constant(value=bool()):
            yield lambda found: setattr(found, "value", not found.value)
        case ast.Constant(value=int() | float()):
            yield lambda found: setattr(found, "value", found.value + 1)
        case ast.IfExp() | ast.If() | ast.While():
            yield lambda found: setattr(found, "test", ast.UnaryOp(ast.Not(), found.test))
        case ast.Return(value=value) if value is not None and not is_none(value):
            yield lambda found: setattr(found, "value", ast.Constant(None))


def not_negated(node: ast.AST) -> None:
    """``not x`` to ``not not x``, in place."""
    assert isinstance(node, ast.UnaryOp)
    node.operand = ast.UnaryOp(ast.Not(), node.operand)


def is_text(node: ast.BinOp) -> bool:
    """Whether an operation joins texts, or types of an annotation."""
    parts = [part for part in ast.walk(node) if isinstance(part, ast.JoinedStr | ast.Constant)]
    return any(isinstance(part, ast.JoinedStr) or isinstance(part.value, str) for part in parts)


def is_none(node: ast.expr) -> bool:
    """Whether an expression is ``None`` written out."""
    return isinstance(node, ast.Constant) and node.value is None


# ---- killing them ----


def killed(mutant: Mutant, limit: float) -> bool:
    """Whether the tests of its part notice, or never end."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "src"
        shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"), copy_function=linked)
        target = source / mutant.file.relative_to(SOURCE)
        target.unlink()  # a link: writing would change the original
        target.write_text(mutant.source, "utf-8")
        return not passes(mutant.part, source, limit)


def linked(source: str, target: str) -> None:
    """A second name for a file, or a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def passes(part: str, source: Path, limit: float) -> bool:
    """Whether the tests of a part pass with the package in ``source``."""
    tests = [path for pattern in PARTS[part][1] for path in sorted((ROOT / "tests").glob(pattern))]
    options = [
        "-x",
        "-q",
        "--no-header",
        "-p",
        "no:cacheprovider",
        "-m",
        "not corpus",
        "-W",
        "ignore::pytest.PytestWarning",
    ]
    quiet = {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", *options, *map(str, tests)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | quiet, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    z = 1.959964
    middle, width = right + z * z / 2, z * math.sqrt(right * (n - right) / n + z * z / 4)
    return (middle - width) / (n + z * z), (middle + width) / (n + z * z)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--part", action="append", choices=PARTS, help="repeat for several; all if not given")
    asked.add_argument("--sample", type=int, default=300, help="mutants to try, drawn from all")
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--jobs", type=int, default=2)
    asked.add_argument("--limit", type=float, default=300.0, help="seconds after which the tests count as never ending")
    asked.add_argument("--json", type=Path)
    given = asked.parse_args()
    parts = given.part or list(PARTS)
    for part in parts:
        if not passes(part, SOURCE, given.limit):
            sys.exit(f"The tests of {part} fail without any fault; mend that first.")
    every = [mutant for part in parts for mutant in mutants(part)]
    chosen = random.Random(given.seed).sample(every, min(given.sample, len(every)))
    with ThreadPoolExecutor(given.jobs) as threads:
        verdicts = list(zip(chosen, threads.map(lambda mutant: killed(mutant, given.limit), chosen), strict=True))
    for mutant, dead in verdicts:
        if not dead:
            print(f"survived  {mutant}")
    document = {}
    for part in parts:
        dead = [verdict for mutant, verdict in verdicts if mutant.part == part]
        if dead:
            document[part] = {"killed": sum(dead), "tried": len(dead), "all": sum(one.part == part for one in every)}
            print(f"{part:<8} {sum(dead):>4} of {len(dead):>4} killed ({sum(dead) / len(dead):.0%})")
    right = sum(verdict for _, verdict in verdicts)
    low, high = wilson(right, len(verdicts))
    share = f"{right / len(verdicts):.1%} [{low:.1%}, {high:.1%}]"
    print(f"{right} of {len(verdicts)} killed: {share}, drawn from {len(every)}")
    if given.json:
        survivors = [str(mutant) for mutant, dead in verdicts if not dead]
        text = json.dumps({"parts": document, "seed": given.seed, "survivors": survivors}, indent=2, ensure_ascii=False)
        given.json.write_text(text + "\n", "utf-8")
    sys.exit(0 if right / len(verdicts) >= BAR else 1)


if __name__ == "__main__":
    main()
