"""The command line: each command parses, calls the library, and prints.

Global habits, the same in every command: ``--json`` prints JSON on stdout and nothing else; words for people and
progress bars go to stderr; exit 0 all done, 1 some inputs failed (each named, the rest done), 2 wrong usage; Ctrl-C
leaves finished work whole.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from emotone.cli import corpora, features, predict, train
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
app.command("train")(train.train)
app.command("features")(features.features)
app.add_typer(corpora.app, name="corpora")


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
    except KeyboardInterrupt:
        complain("Interrupted; what was finished is kept.")
        sys.exit(130)
    except BrokenPipeError:  # `emotone predict *.wav | head`
        sys.stderr.close()
        sys.exit(0)
