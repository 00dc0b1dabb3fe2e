"""``emotone plugins``: what other packages add to emotone, and whether it can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotone.cli.console import complain, emit_json, say, stdout
from emotone.errors import EmotoneError

if TYPE_CHECKING:
    from emotone.plugins import Plugin

__all__ = ["plugins", "tell_of"]


def plugins(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """What other packages add: corpora, features and models, where they come from, and whether they can be used.

    Exit 1 if one of them can't.
    """
    from emotone import features, models
    from emotone.corpora import registry

    facts = [_facts(one, home) for home in (registry, features, models) for one in home.added()]
    if as_json:
        emit_json(facts)
    elif facts:
        from rich.table import Table

        table = Table("what", "name", "package", "state", box=None, pad_edge=False)
        for one in facts:
            table.add_row(one["kind"], one["name"], one["package"], one["trouble"] or "ready")
        stdout().print(table)
    else:
        say("No other package adds anything to emotone. How to write one: docs/extend.md")
    raise typer.Exit(1 if any(one["trouble"] for one in facts) else 0)


def tell_of(added: list[Plugin]) -> None:
    """Where the plug-ins of a list come from, and which of them are never used."""
    for plugin in added:
        if plugin.trouble:
            complain(f"The {plugin.kind} {plugin.name!r} of {plugin.package} isn't used. {plugin.trouble}")
        else:
            say(f"{plugin.name} comes from {plugin.package}")


def _facts(plugin: Plugin, home: Any) -> dict[str, Any]:
    """What is known of a plug-in; ``trouble`` is what keeps it from being used, or None."""
    trouble = plugin.trouble or _refusal(plugin, home)
    return {
        "kind": plugin.kind,
        "name": plugin.name,
        "package": plugin.package,
        "value": plugin.value,
        "trouble": trouble or None,
    }


def _refusal(plugin: Plugin, home: Any) -> str:
    """Why the registry ``home`` can't give it with its default options."""
    try:
        home.get(plugin.name)
    except EmotoneError as error:
        return str(error)
    return ""
