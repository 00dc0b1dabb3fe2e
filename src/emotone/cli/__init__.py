"""The command line: each command parses, calls the library, and prints.

Global habits, the same in every command: ``--json`` prints JSON on stdout and nothing else; words for people and
progress bars go to stderr; exit 0 all done, 1 some inputs failed (each named, the rest done), 2 wrong usage; Ctrl-C
leaves finished work whole.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from emotone.cli import (
    annotate,
    audit,
    benchmark,
    corpora,
    features,
    ladder,
    listen,
    models,
    plugins,
    predict,
    report,
    serve,
    stress,
    timeline,
    train,
)
from emotone.cli.console import complain
from emotone.errors import EmotoneError

app = typer.Typer(
    name="emotone",
    help="Speech emotion recognition that people can use in a minute and believe.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help starts in half the time
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("predict")(predict.predict)
app.command("timeline")(timeline.timeline)
app.command("listen")(listen.listen)
app.command("annotate")(annotate.annotate)
app.command("serve")(serve.serve)
app.command("train")(train.train)
app.command("report")(report.report)
app.command("audit")(audit.audit)
app.command("ladder")(ladder.ladder)
app.command("stress")(stress.stress)
app.command("benchmark")(benchmark.benchmark)
app.command("features")(features.features)
app.add_typer(corpora.app, name="corpora")
app.add_typer(models.app, name="models")
app.command("plugins")(plugins.plugins)

INTERRUPTED = 130
"""The exit code of whatever Ctrl-C ended, as shells count it."""


def _version(asked: bool) -> None:
    if asked:
        from emotone import __version__

        typer.echo(f"emotone {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Recognise emotion in speech, build recognisers, and score them so that the score can be believed."""


def main() -> None:
    """Run the command line; whatever emotone raises on purpose becomes one sentence on stderr and exit 2."""
    try:
        app()
    except EmotoneError as error:
        complain(str(error))
        sys.exit(2)
    except BrokenPipeError:  # `emotone predict *.wav | head`
        sys.stderr.close()
        sys.exit(0)
    except SystemExit as end:  # typer turns Ctrl-C into this, without a word
        if end.code == INTERRUPTED:
            complain("Interrupted; what was finished is kept.")
        raise
