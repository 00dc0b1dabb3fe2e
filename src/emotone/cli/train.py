"""``emotone train``: score a recogniser on speakers it hasn't heard, then train it on all of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotone.cli.console import complain, emit_json, parse_roots, progress_of, progress_of_both, say

if TYPE_CHECKING:
    from emotone.audit import Audit, Sounds
    from emotone.experiment import Experiment, Prepared
    from emotone.result import Result


def train(
    experiment: Annotated[Path | None, typer.Argument(help="An experiment in TOML.", show_default=False)] = None,
    corpus: Annotated[
        list[str] | None, typer.Option("--corpus", "-c", help="NAME=FOLDER; repeat for several corpora.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="Label set: eight, seven, six, four, seed, all, or names with commas.")
    ] = None,
    targets: Annotated[
        str | None, typer.Option(help="Columns of numbers to predict in place of emotions: arousal,valence.")
    ] = None,
    frontend: Annotated[
        str | None, typer.Option(help="Features: functionals, librosa180, egemaps, compare, embeddings.")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            "--features",
            metavar="PARQUET|FOLDER",
            help="Features taken before, by emotone features or emotone annotate --what features; needs no corpus.",
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="Speech encoder for the features embeddings or the model finetune: folder or Hub name."),
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch the encoder if it isn't here; without this, nothing is fetched.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(help="Model: logistic, svm, mlp, tutorial_mlp, network, finetune; for targets ridge, svr."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Who is tested: speakers, loso, official, holdout, given, corpora, across, sentences, file, random."
        ),
    ] = None,
    folds: Annotated[int | None, typer.Option(help="Number of folds, where the protocol has a choice.")] = None,
    train_on: Annotated[
        str | None, typer.Option(help="Corpora to train on, with commas; the others are tested (protocol across).")
    ] = None,
    test_on: Annotated[
        str | None, typer.Option(help="Corpora to test on, with commas; the others are trained on (protocol across).")
    ] = None,
    split: Annotated[
        Path | None, typer.Option(help="A run's split.json, or the run's folder: the same split again (protocol file).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Feeds everything that is drawn.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for the run: predictions, plots, recogniser."),
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes for feature extraction; default: all cores.")] = None,
    no_audit: Annotated[
        bool, typer.Option("--no-audit", help="Don't look for what inflates the score, such as copies of recordings.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")] = False,
) -> None:
    """Score a recogniser on unseen speakers, then train it on all of them.

    emotone train --corpus ravdess=data/ravdess -o runs/first

    emotone train experiments/tutorial.toml --corpus ravdess=data/ravdess -o runs/tutorial

    emotone train -c ravdess=data/ravdess -c crema_d=data/crema_d --test-on ravdess -o runs/across

    emotone train --features vectors/ --model mlp -o runs/large

    torchrun --nproc-per-node 4 --no-python emotone train experiments/finetune.toml -o runs/four-gpus
    """
    found = _experiments(
        experiment,
        corpora=parse_roots(corpus or []),
        labels=labels,
        targets=targets,
        features=features,
        frontend=frontend,
        **_encoder_options(encoder, frontend, model, download=download),
        model=model,
        protocol=protocol,
        protocol_options=_protocol_options(protocol, folds=folds, train_on=train_on, test_on=test_on, split=split),
        seed=seed,
    )
    prepared: dict[str, Prepared] = {}
    heard: dict[str, Sounds] = {}
    documents = []
    with _together(found) as writes:
        for one in found:
            data = _prepared(one, prepared, jobs)
            with progress_of_both("folds", "steps") as (folds_done, steps_done):
                result = one.run(data, progress=folds_done, steps=steps_done)
            if not as_json:
                _print(one, result, several=len(found) > 1, known=data.notes)
            folder = None if output is None else output / _slug(one.name) if len(found) > 1 else output
            if folder is not None and writes:
                result.save(folder)
            audit = _audited(one, data, heard, jobs) if writes and not no_audit else None
            if folder is not None:
                if audit is not None:
                    audit.save(folder)
                with progress_of_both("recogniser", "steps") as (_, steps_done):
                    recogniser = one.fit(data, result=result, steps=steps_done)
                if writes:
                    recogniser.save(folder / "recogniser")
                say(f"Saved {folder}. Use it with: emotone predict --model {folder / 'recogniser'} FILE")
            found_out = None if audit is None else audit.as_dict()
            documents.append({"name": one.name, **result.as_dict(), "audit": found_out})
        if as_json:
            emit_json(documents if len(documents) > 1 else documents[0])


@contextmanager
def _together(experiments: tuple[Experiment, ...]) -> Iterator[bool]:
    """The processes that ``torchrun`` started, as one training while the block runs; yields whether this is the one
    that writes and prints. Usually it is the only one."""
    from emotone.errors import ConfigError

    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield True
        return
    alone = [one.model for one in experiments if getattr(one.make_model(), "wants", "features") != "signals"]
    if alone:
        raise ConfigError(
            f"Several processes train networks together (network, finetune), and the model {alone[0]!r} learns in one: "
            "start it without torchrun."
        )
    from emotone.models.together import joined

    with ExitStack() as stack:
        together = stack.enter_context(joined())
        if not together.first:
            nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
            stack.enter_context(redirect_stdout(nowhere))
            stack.enter_context(redirect_stderr(nowhere))
        yield together.first


def _encoder_options(
    encoder: str | None, frontend: str | None, model: str | None, *, download: bool
) -> dict[str, dict[str, Any]]:
    """What ``--encoder`` means: features of the encoder, or the model finetune of it. It is fetched if asked for."""
    from emotone.errors import ConfigError

    if encoder is None:
        if download:
            raise ConfigError("--download fetches an encoder; name it with --encoder, such as openai/whisper-base.")
        return {}
    if model != "finetune" and frontend not in (None, "embeddings"):
        raise ConfigError(f"--encoder belongs to the features embeddings, not {frontend}; leave one of them out.")
    if download and not Path(encoder).expanduser().is_dir():
        from emotone.features.encoders import places

        say(f"Fetching {encoder} from Hugging Face ...")
        places.download(encoder)
    if model == "finetune":
        return {"model_options": {"encoder": encoder}}
    return {"frontend_options": {"name": "embeddings", "encoder": encoder}}


def _protocol_options(
    protocol: str | None, *, folds: int | None, train_on: str | None, test_on: str | None, split: Path | None
) -> dict[str, Any]:
    """The options of a protocol from the flags that have them; ``protocol`` is the one that these flags mean."""
    from emotone.errors import ConfigError

    sides = {"train": train_on, "test": test_on}
    crossed = {side: [name.strip() for name in named.split(",")] for side, named in sides.items() if named}
    for meant, flag, given in (("across", "--train-on and --test-on", crossed), ("file", "--split", split)):
        if given and protocol not in (None, meant):
            raise ConfigError(f"{flag} belong to the protocol {meant}, not {protocol}; leave one of them out.")
    if split and crossed:
        raise ConfigError("Give either --split or corpora to train and test on, not both.")
    if split:
        return {"name": "file", "path": str(split)}
    if crossed:
        return {"name": "across", **crossed}
    return {} if folds is None else {"n_folds": folds}


def _experiments(path: Path | None, *, protocol_options: dict[str, Any], **flags: Any) -> tuple[Experiment, ...]:
    """From the TOML file if there is one; flags replace its keys."""
    from emotone.errors import ConfigError
    from emotone.experiment import Experiment
    from emotone.experiment_file import read_experiments

    overrides = {key: value for key, value in flags.items() if value}
    if flags["seed"] is not None:
        overrides["seed"] = flags["seed"]
    if flags["labels"] and "," in flags["labels"]:
        overrides["labels"] = tuple(name.strip() for name in flags["labels"].split(","))
    if flags["targets"]:
        overrides["targets"] = tuple(name.strip() for name in flags["targets"].split(","))
    for part in ("frontend", "model", "protocol"):
        if part in overrides:
            overrides[f"{part}_options"] = flags.get(f"{part}_options", {})
    if "name" in overrides.get("frontend_options", {}):
        options = dict(overrides["frontend_options"])
        overrides |= {"frontend": options.pop("name"), "frontend_options": options}
    if protocol_options:
        options = dict(protocol_options)
        overrides |= {"protocol": options.pop("name")} if "name" in options else {}
        overrides["protocol_options"] = options
    if path is not None:
        return read_experiments(path, **overrides)
    if "corpora" not in overrides and "features" not in overrides:
        raise ConfigError("Give an experiment in TOML or a corpus, for example --corpus ravdess=data/ravdess.")
    return (Experiment(**overrides),)


def _prepared(one: Experiment, known: dict[str, Prepared], jobs: int | None) -> Prepared:
    """Variants of one experiment often differ in the model alone; their features are extracted once."""
    key = repr((one.corpora, one.features, one.labels, one.targets, one.frontend, one.frontend_options))
    if key not in known:
        known.clear()  # one matrix in memory at a time
        with progress_of("features") as update:
            known[key] = one.prepare(jobs=jobs, progress=update)
        for note in known[key].notes:
            say(f"note: {note}")
    return known[key]


def _audited(one: Experiment, data: Prepared, heard: dict[str, Sounds], jobs: int | None) -> Audit | None:
    """What inflates the score, if anything, said in a line or two; None where it can't be told.

    Variants on the same rows are listened to once.
    """
    from emotone import audit
    from emotone.errors import EmotoneError
    from emotone.experiment import corpus_root

    if one.features and not all(one.corpora.values()):
        say("No audit: it listens to recordings, and the features came without. Say where they are with --corpus.")
        return None
    key = repr((one.corpora, list(data.table["file"])))
    roots = {name: corpus_root(name, root) for name, root in one.corpora.items()}
    try:
        if key not in heard:
            heard.clear()
            with progress_of("audit") as update:
                heard[key] = audit.listen(data.table, roots, jobs=jobs, progress=update)
        found = audit.audit(data.table, roots, split=one.split(data.table), sounds=heard[key])
    except EmotoneError as error:  # the score stands all the same
        complain(f"The audit failed. {error}")
        return None
    say(f"{found.line}.")
    if found.findings:
        say(f"What was found: emotone audit {' '.join(f'{name}={root}' for name, root in roots.items())}")
    return found


def _print(one: Experiment, result: Result, *, several: bool, known: tuple[str, ...]) -> None:
    if several:
        typer.echo(f"\n{one.name}")
    for line in result.lines():
        typer.echo(line)
    for part in result.by_corpus():
        typer.echo(part.line())
    for note in result.protocol["notes"]:
        if note not in known:  # said when the features were ready
            say(f"note: {note}")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "run"
