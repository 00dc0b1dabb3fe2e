"""`emotone serve`: the recogniser over HTTP and WebSocket, with a page, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emotone.cli.console import complain, say
from emotone.cli.recordings import one_thread_for_algebra

__all__ = ["serve"]


def serve(
    host: Annotated[
        str | None, typer.Option("--host", metavar="ADDRESS", help="Address to listen on; 127.0.0.1 if not given.")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", help="8000 if not given; 0 lets the system choose.")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="FOLDER|NAME", help="Recogniser to serve. May stand several times."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", metavar="FILE", help="Tokens, one of which every request must bring, by line."),
    ] = None,
    allow_anyone: Annotated[
        bool, typer.Option("--allow-anyone", help="Serve other machines, too, without a token.")
    ] = False,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE.toml", help="Settings; --show-config prints them all.")
    ] = None,
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Print the settings as TOML, with where they are from, and leave.")
    ] = False,
) -> None:
    """Serve recordings and live sound over HTTP and WebSocket, and a page to try it: http://127.0.0.1:8000

    emotone serve

    emotone serve --host 0.0.0.0 --token-file tokens.txt --config serve.toml

    curl --data-binary @speech.wav http://127.0.0.1:8000/v1/predict

    Options count most, then the environment (EMOTONE_SERVE_PORT=9000), then the file. Nothing that is sent is kept.
    SIGTERM and Ctrl-C finish what was begun.
    """
    from emotone import server
    from emotone.server.refusal import Refusal
    from emotone.server.settings import as_toml, gathered

    options = {
        "host": host,
        "port": port,
        "models": tuple(model) if model else None,
        "token_file": None if token_file is None else str(token_file),
        "allow_anyone": allow_anyone or None,
    }
    settings, origins = gathered(options, file=config)
    if show_config:
        typer.echo(as_toml(settings, origins), nl=False)
        return
    one_thread_for_algebra()
    if not settings.is_local and not settings.tokens:
        say("Everybody who can reach this machine can use this server.")
    try:
        server.run(settings)
    except Refusal as refusal:  # of the machine, and not for how it was called
        complain(str(refusal))
        raise typer.Exit(1) from None
