"""``emotone train``: score a recogniser on speakers it hasn't heard, then train it on all of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotone.cli.console import emit_json, parse_roots, progress_of, say

if TYPE_CHECKING:
    from emotone.experiment import Experiment, Prepared
    from emotone.result import Result

METRICS = ("uar", "war", "macro_f1", "ece")


def train(
    experiment: Annotated[Path | None, typer.Argument(help="An experiment in TOML.", show_default=False)] = None,
    corpus: Annotated[
        list[str] | None, typer.Option("--corpus", "-c", help="NAME=FOLDER; repeat for several corpora.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="Label set: eight, seven, six, four, seed, all, or names with commas.")
    ] = None,
    frontend: Annotated[str | None, typer.Option(help="Features: functionals, librosa180, egemaps, compare.")] = None,
    model: Annotated[str | None, typer.Option(help="Model: logistic, svm, mlp, tutorial_mlp.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Who is tested: speakers, loso, official, holdout, given, random.")
    ] = None,
    folds: Annotated[int | None, typer.Option(help="Number of folds, where the protocol has a choice.")] = None,
    seed: Annotated[int | None, typer.Option(help="Feeds everything that is drawn.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for the run: predictions, plots, recogniser."),
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes for feature extraction; default: all cores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")] = False,
) -> None:
    """Score a recogniser on unseen speakers, then train it on all of them.

    emotone train --corpus ravdess=data/ravdess -o runs/first

    emotone train experiments/tutorial.toml --corpus ravdess=data/ravdess -o runs/tutorial
    """
    found = _experiments(
        experiment,
        corpora=parse_roots(corpus or []),
        labels=labels,
        frontend=frontend,
        model=model,
        protocol=protocol,
        folds=folds,
        seed=seed,
    )
    prepared: dict[str, Prepared] = {}
    documents = []
    for one in found:
        data = _prepared(one, prepared, jobs)
        with progress_of("training") as update:
            result = one.run(data, progress=update)
        if not as_json:
            _print(one, result, several=len(found) > 1, known=data.notes)
        folder = None if output is None else output / _slug(one.name) if len(found) > 1 else output
        if folder is not None:
            result.save(folder)
            one.fit(data, result=result).save(folder / "recogniser")
            say(f"Saved {folder}. Use it with: emotone predict --model {folder / 'recogniser'} FILE")
        documents.append(
            {"name": one.name, "line": result.line(), "protocol": result.protocol, "scores": result.scores}
        )
    if as_json:
        emit_json(documents if len(documents) > 1 else documents[0])


def _experiments(path: Path | None, *, folds: int | None, **flags: Any) -> tuple[Experiment, ...]:
    """From the TOML file if there is one; flags replace its keys."""
    from emotone.errors import ConfigError
    from emotone.experiment import Experiment, read_experiments

    overrides = {key: value for key, value in flags.items() if value}
    if flags["seed"] is not None:
        overrides["seed"] = flags["seed"]
    if flags["labels"] and "," in flags["labels"]:
        overrides["labels"] = tuple(name.strip() for name in flags["labels"].split(","))
    for part in ("frontend", "model", "protocol"):
        if part in overrides:
            overrides[f"{part}_options"] = {}
    if folds is not None:
        overrides["protocol_options"] = {"n_folds": folds}
    if path is not None:
        return read_experiments(path, **overrides)
    if "corpora" not in overrides:
        raise ConfigError("Give an experiment in TOML or a corpus, for example --corpus ravdess=data/ravdess.")
    return (Experiment(**overrides),)


def _prepared(one: Experiment, known: dict[str, Prepared], jobs: int | None) -> Prepared:
    """Variants of one experiment often differ in the model alone; their features are extracted once."""
    key = repr((one.corpora, one.labels, one.frontend, one.frontend_options))
    if key not in known:
        known.clear()  # one matrix in memory at a time
        with progress_of("features") as update:
            known[key] = one.prepare(jobs=jobs, progress=update)
        for note in known[key].notes:
            say(f"note: {note}")
    return known[key]


def _print(one: Experiment, result: Result, *, several: bool, known: tuple[str, ...]) -> None:
    if several:
        typer.echo(f"\n{one.name}")
    repeated = result.table.duplicated(["corpus", "file", "start"]).any()
    for metric in METRICS:
        if repeated:
            typer.echo(result.line(metric, over_folds=True))
        else:
            typer.echo(result.line(metric))
    if not repeated:
        typer.echo(result.line("uar", over_folds=True))
    for part in result.by_corpus():
        typer.echo(part.line())
    for note in result.protocol["notes"]:
        if note not in known:  # said when the features were ready
            say(f"note: {note}")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "run"
