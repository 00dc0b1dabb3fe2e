"""``emotone ladder``: one model under every protocol, from the most flattering to the most honest."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotone.cli.console import emit_json, parse_roots, progress_of, say, stdout

if TYPE_CHECKING:
    from rich.table import Table

    from emotone.experiment import Experiment
    from emotone.ladder import Ladder, Rung

TEXTBOOK = {"C": 10, "gamma": 1, "votes": True, "scaler": "standard", "calibrated": False}
"""The model where none is named, and that of ``experiments/ladder.toml``: a support vector machine with no tuning."""


def ladder(
    experiment: Annotated[Path | None, typer.Argument(help="An experiment in TOML.", show_default=False)] = None,
    corpus: Annotated[
        list[str] | None, typer.Option("--corpus", "-c", help="NAME=FOLDER; repeat for several corpora.")
    ] = None,
    against: Annotated[
        list[str] | None, typer.Option(help="NAME=FOLDER: what to train on for the rung of an unseen corpus.")
    ] = None,
    labels: Annotated[str | None, typer.Option(help="Label set, or names with commas.")] = None,
    frontend: Annotated[
        str | None, typer.Option(help="Features; without an experiment: librosa180, the tutorial's.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model; without an experiment: a support vector machine with no tuning.")
    ] = None,
    more: Annotated[
        bool, typer.Option("--more", help="Two more: a scaler fitted on everything, z-scores per speaker.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Feeds everything that is drawn.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for ladder.json and ladder.png.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes for feature extraction; default: all cores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")] = False,
) -> None:
    """Show what a protocol does to a score: one model, from "every file twice" to "unseen corpus".

    emotone ladder --corpus ravdess=data/ravdess --against crema_d=data/crema_d -o runs/ladder
    """
    from emotone import ladder as ladders

    one = _experiment(
        experiment, corpora=parse_roots(corpus or []), labels=labels, frontend=frontend, model=model, seed=seed
    )
    elsewhere = _elsewhere(one, parse_roots(against or []))
    with progress_of("features") as update:
        data = one.prepare(jobs=jobs, progress=update)
    for note in data.notes:
        say(f"note: {note}")
    with progress_of("noisy features") as update:
        noisy = ladders.noisy_features(one, data, jobs=jobs, progress=update)
    other = None
    if elsewhere is not None:
        with progress_of("features of the other corpus") as update:
            other = elsewhere.prepare(jobs=jobs, progress=update)
    with progress_of("training") as update:
        climbed = ladders.climb(one, data, other=other, noisy=noisy, more=more, progress=update)
    if as_json:
        emit_json(climbed.as_dict())
    else:
        _print(climbed)
    if output is not None:
        say(f"Saved {climbed.save(output)}.")


def _experiment(path: Path | None, **flags: Any) -> Experiment:
    """From the TOML file, whose keys flags replace; or the tutorial's features and the textbook's model."""
    from emotone.errors import ConfigError
    from emotone.experiment import Experiment
    from emotone.experiment_file import read_experiments

    overrides = {key: value for key, value in flags.items() if value is not None and value != {}}
    if "," in overrides.get("labels", ""):
        overrides["labels"] = tuple(name.strip() for name in overrides["labels"].split(","))
    for part in ("frontend", "model"):
        if part in overrides:
            overrides[f"{part}_options"] = {}
    if path is not None:
        found = read_experiments(path, **overrides)
        if len(found) > 1:
            raise ConfigError(f"{path} has {len(found)} variants, but a ladder is of one model; name one experiment.")
        return found[0]
    if "corpora" not in overrides:
        raise ConfigError("Give an experiment in TOML or a corpus, for example --corpus ravdess=data/ravdess.")
    usual = {"frontend": "librosa180", "model": "svm", "model_options": TEXTBOOK}
    return Experiment(**(usual | overrides))


def _elsewhere(one: Experiment, roots: dict[str, Path]) -> Experiment | None:
    """The experiment that prepares the corpora to train on for the rung of an unseen corpus."""
    from emotone.errors import ConfigError

    both = sorted(set(roots) & set(one.corpora))
    if both:
        raise ConfigError(f"{both[0]} is the corpus tested, so it can't be unseen; give another with --against.")
    if not roots:
        return None
    return dataclasses.replace(one, corpora=roots, protocol="speakers", protocol_options={})


def _print(climbed: Ladder) -> None:
    stdout().print(_table(climbed), highlight=False)
    typer.echo(f"chance: {', '.join(f'{share:.3f}' for share in sorted({rung.chance for rung in climbed.rungs}))}")
    for rung in climbed.rungs:
        if rung.worth is not None:
            low, high = rung.worth.low, rung.worth.high
            ends = "" if low is None or high is None else f" [{round(100 * low):+d}, {round(100 * high):+d}]"
            typer.echo(f"{rung.worth.what}: {100 * rung.worth.value:+.1f} points{ends}")
    for one in climbed.skipped:
        say(f"not measured: {one.name}. {one.reason}")


def _table(climbed: Ladder) -> Table:
    from rich.table import Table

    table = Table(title=climbed.subject, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in ("protocol", "UAR", "95 %", "control", "train", "test", "flag"):
        table.add_column(heading, justify="right" if heading in {"control", "train", "test"} else "left")
    for rung in climbed.rungs:
        table.add_row(*_cells(rung))
    return table


def _cells(rung: Rung) -> list[str]:
    ends = "" if rung.low is None or rung.high is None else f"{rung.low:.2f} to {rung.high:.2f}"
    control = "" if rung.control is None else f"{rung.control.value:.3f}"
    return [rung.title, f"{rung.value:.3f}", ends, control, f"{rung.n_train:,}", f"{rung.n_test:,}", rung.flag]
