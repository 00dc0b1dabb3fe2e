"""Running one command of the command line in a test."""

from __future__ import annotations

from collections.abc import Callable

from typer import Typer
from typer.testing import CliRunner, Result


def runner(app: Typer, *always: object) -> Callable[..., Result]:
    """The command, called with its arguments behind those that are ``always`` given.

    What emotone raises on purpose comes through, for `emotone.cli.main` to put into words.
    """

    def run(*arguments: object, stdin: bytes | None = None) -> Result:
        result = CliRunner().invoke(app, [str(each) for each in (*always, *arguments)], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
