"""``emotone models``: which recognisers there are, what is known of one, and one as a folder to use anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotone.cli.console import complain, emit_json, say, stdout

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["app"]

app = typer.Typer(
    help="Recognisers: which there are, what they were trained on, and what their licences allow.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]

USE = {True: "allowed", False: "not allowed", None: "not clear"}


@app.command("list")
def list_models(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FOLDER]...", help="Recognisers, runs, or folders of them, beside the bundled ones."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The recognisers that came with emotone, and those in the folders given. Exit 1 if one of them can't be read."""
    from emotone import recogniser
    from emotone.errors import EmotoneError

    found, failed = [], False
    for name, folder in [
        *((name, recogniser.BUNDLED / name) for name in recogniser.names()),
        *((str(folder), folder) for given in folders or () for folder in _recognisers(given)),
    ]:
        try:
            found.append(_facts(name, folder))
        except EmotoneError as error:
            complain(str(error))
            failed = True
    if as_json:
        emit_json(found)
    else:
        stdout().print(_overview(found))
        say("More about one: emotone models show NAME")
    raise typer.Exit(1 if failed else 0)


@app.command()
def show(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|FOLDER]", help="The bundled default if not given.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """All that is known of one recogniser: emotions, features, scores, corpora, licence."""
    from emotone import recogniser

    folder = _folder(name)
    facts = _facts(name or recogniser.DEFAULT, folder)
    if as_json:
        emit_json(facts)
        return
    console = stdout()
    console.print(f"[bold]{_escaped(facts['title'])}[/bold]", highlight=False)
    console.print(_portrait(facts))


@app.command()
def export(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FOLDER", help="A bundled recogniser, or the folder of one or of a run.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where to write it.")],
    as_json: AsJson = False,
) -> None:
    """Write a recogniser to a folder of its own, and tell how to use it without emotone.

    emotone models export default -o mine

    The folder has model.onnx, config.json and card.md. A recogniser that is there is replaced; anything else is left
    alone.
    """
    from emotone import recogniser, saved

    source = _folder(name)
    parts = saved.read(source)
    ends = recogniser.interface(parts, where=str(source))
    target = saved.write(output.expanduser(), parts)
    facts = _facts(name, target)
    example = _example(output.expanduser(), facts, given=ends["inputs"][0], asked=ends["outputs"][0]["name"])
    if as_json:
        emit_json({**facts, "folder": str(target), "parts": list(saved.PARTS), **ends, "example": example})
        return
    typer.echo(f"Wrote {target} ({', '.join(saved.PARTS)}; {_size(facts['bytes'])}).")
    for kind, nodes in ends.items():
        for node in nodes:
            shape = ", ".join(map(str, node["shape"]))
            typer.echo(f"{kind.removesuffix('s').replace('_', ' ')}  {node['name']}  {node['dtype']} ({shape})")
    typer.echo(facts["licence_in_words"])
    typer.echo(f"\nWith emotone:  emotone predict --model {output} speech.wav\nWithout:\n\n{example}")


def _example(folder: Path, facts: dict[str, Any], *, given: dict[str, Any], asked: str) -> str:
    """Six lines of Python that run the graph, from the input ``given`` to the output ``asked``."""
    from emotone.recogniser import SAMPLES
    from emotone.saved import CONFIG, MODEL

    width, frontend = given["shape"][-1], facts["frontend"]["name"]
    if width == SAMPLES:
        package, rows = "soundfile", "signal[None]"
        read = 'signal, rate = soundfile.read("speech.wav", dtype="float32")  # (samples,): mono, rate 16000'
    else:
        package, rows = "numpy", "rows"
        read = f'rows = numpy.load("features.npy")  # float32 (n, {width}), from the front-end {frontend}'
    model, config = (json.dumps(str(folder / part), ensure_ascii=False) for part in (MODEL, CONFIG))
    read_config = f'json.load(open({config}, encoding="utf-8"))'
    names = f'{read_config}["labels"]' if facts["labels"] else f'[each["name"] for each in {read_config}["dimensions"]]'
    return "\n".join(
        [
            f"import json, onnxruntime, {package}",
            f"session = onnxruntime.InferenceSession({model})",
            f"names = {names}",
            read,
            f'[answers] = session.run(["{asked}"], {{"{given["name"]}": {rows}}})',
            "print(dict(zip(names, answers[0])))",
        ]
    )


def _folder(name: str | None) -> Path:
    """Of a bundled recogniser, or a folder given; a run's is the one inside."""
    from emotone import recogniser
    from emotone.errors import RecogniserError, unknown

    if name is None or name in recogniser.names():
        return recogniser.BUNDLED / (name or recogniser.DEFAULT)
    folder = Path(name).expanduser()
    if not folder.exists():
        if folder.name == name:
            raise unknown("recogniser", name, recogniser.names())
        raise RecogniserError(f"There is no folder {folder}. See: emotone models list")
    inside = _recognisers(folder)
    if len(inside) > 1:
        raise RecogniserError(f"{folder} holds {len(inside)} recognisers; give one of them, such as {inside[0]}.")
    return inside[0]


def _recognisers(folder: Path) -> list[Path]:
    """``folder`` itself, or the recogniser of the run that it is, or all in the folders inside it."""
    from emotone.errors import RecogniserError
    from emotone.saved import CONFIG, MODEL

    folder = folder.expanduser()
    if (folder / CONFIG).is_file():
        return [folder]
    inside = [path.parent for depth in ("*", "*/*") for path in folder.glob(f"{depth}/{MODEL}")]
    if not inside:
        raise RecogniserError(
            f"{folder} holds no recogniser: a folder with {MODEL} and {CONFIG} in it. Make one with: emotone train"
        )
    return sorted(inside)


def _facts(name: str, folder: Path) -> dict[str, Any]:
    """What the configuration says, with the size on disk; JSON-able. The model isn't loaded, only checked."""
    from emotone import saved
    from emotone.card import licence_in_words

    config = saved.read(folder).config
    return {
        "name": name,
        "title": config["name"],
        "labels": config["labels"],
        "dimensions": config.get("dimensions", []),
        "frontend": config["frontend"],
        "model": config["model"],
        "abstain_below": config["abstain_below"],
        "conformal": config.get("conformal"),
        "bytes": sum((folder / part).stat().st_size for part in saved.PARTS),
        "licence": config["licence"],
        "commercial": config["commercial"],
        "licence_in_words": licence_in_words(config).replace("**", ""),
        "frontend_licence": config["frontend_licence"],
        "corpora": config["corpora"],
        "scores": config["scores"],
        "seed": config["seed"],
        "versions": config["versions"],
        "emotone": config["emotone"],
        "model_sha256": config["model_sha256"],
    }


# --- for people ---


def _overview(found: Iterable[dict[str, Any]]) -> Table:
    """Two lines for each, for a score without its condition would be half a truth and both don't fit in one."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", overflow="fold")
    table.add_column(overflow="fold")
    for facts in found:
        parts = [_answers(facts), facts["frontend"]["name"], _size(facts["bytes"])]
        parts.append(f"commercial use {USE[facts['commercial']]}")
        lines = [score["line"] for score in facts["scores"]]
        table.add_row(_escaped(facts["name"]), _escaped(" · ".join(parts)))
        table.add_row("", _escaped(lines[0] if lines else "no score recorded"))
    return table


def _answers(facts: dict[str, Any]) -> str:
    if facts["dimensions"]:
        return ", ".join(each["name"] for each in facts["dimensions"])
    return f"{len(facts['labels'])} emotions"


def _sets(conformal: dict[str, float] | None) -> str:
    return f"lists that hold the true emotion for {100 * conformal['level']:g} % of utterances" if conformal else ""


def _portrait(facts: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    corpora = [
        f"{corpus.get('title') or corpus['name']}: {corpus.get('n_utterances') or '?'} recordings of "
        f"{corpus.get('n_speakers') or '?'} speakers, {corpus['licence'] or 'licence not stated'}, commercial use "
        f"{USE[corpus['commercial']]}"
        for corpus in facts["corpora"]
    ]
    model = facts["model"]
    options = ", ".join(f"{key} {value}" for key, value in model.items() if key not in ("name", "licence_note"))
    rows = {
        "answers": ", ".join(facts["labels"]) or _answers(facts),
        "can't tell": f"below {100 * facts['abstain_below']:.0f} % confidence" if facts["abstain_below"] else "",
        "likely": _sets(facts["conformal"]),
        "features": f"{facts['frontend']['name']}, version {facts['frontend'].get('version', '?')}",
        "model": f"{model.get('name', 'not named')}{f' ({options})' if options else ''}",
        "size": _size(facts["bytes"]),
        "scores": "\n".join(score["line"] for score in facts["scores"]) or "none recorded",
        "trained on": "\n".join(corpora) or "not recorded",
        "licence": facts["licence_in_words"],
        "commercial": USE[facts["commercial"]],
        "made by": f"emotone {facts['emotone']}, seed {facts['seed']}",
        "model SHA-256": facts["model_sha256"],
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, _escaped(value))
    return table


def _escaped(text: str) -> str:
    """Names may have brackets, which rich would take for its markup."""
    from rich.markup import escape

    return escape(text)


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"
