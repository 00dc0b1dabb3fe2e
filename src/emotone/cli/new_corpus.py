"""``emotone corpora new``: an adapter, its listing and its test from a folder of recordings."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotone.cli.console import complain, emit_json, say, stderr
from emotone.errors import ConfigError, CorpusError, EmotoneError

if TYPE_CHECKING:
    from emotone.corpora.new import Draft

__all__ = ["new"]

SHOWN = 6
"""Recordings in the preview."""


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the corpus, such as my_corpus.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where its recordings are, at any depth.")],
    pattern: Annotated[
        str | None, typer.Option(help="How they are named: '{speaker}-{emotion}-{n}.wav'; guessed if not given.")
    ] = None,
    emotion: Annotated[
        list[str] | None, typer.Option(metavar="CODE=NAME,...", help="What codes mean: W=angry,T=sad; may be repeated.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Its full name.")] = None,
    language: Annotated[list[str] | None, typer.Option(help="ISO 639-1, such as de; may be repeated.")] = None,
    licence: Annotated[str | None, typer.Option(help="Of the recordings, such as 'CC BY 4.0'.")] = None,
    citation: Annotated[str | None, typer.Option(help="The paper to cite.")] = None,
    homepage: Annotated[str | None, typer.Option(help="Where it is published.")] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="The folder to make; emotone-NAME if not given.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take what is guessed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout; nothing is asked.")] = False,
) -> None:
    """Make a corpus of a folder of recordings, by how they are named.

    emotone corpora new mine recordings/

    emotone corpora new mine recordings/ --pattern '{speaker}_{emotion}_{n}.wav' --emotion W=angry,T=sad

    It writes a package of four small files, with a test that passes, and asks before it does. Fields of a pattern:
    speaker, emotion, gender, text, intensity, split; any other name is passed over; {speaker:2} is two characters.
    """
    from emotone.corpora.new import write

    target = to if to is not None else Path(f"emotone-{name.replace('_', '-')}")
    if target.exists():
        raise ConfigError(f"{target} is there already; remove it, or name another folder with --to.")
    given = {"title": title, "licence": licence, "citation": citation, "homepage": homepage}
    facts: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    facts["languages"] = tuple(language or ())
    asking = sys.stdin.isatty() and not yes and not as_json
    _say_if_known(folder.expanduser())
    draft = _draft(name, folder.expanduser(), pattern, _meanings(emotion or []), facts, asking=asking)
    if not as_json:
        _preview(draft)
    if asking and not typer.confirm(f"Write {target}?", default=True, err=True):
        say("Nothing was written.")
        raise typer.Exit(1)
    made = write(draft, target)
    if as_json:
        emit_json({"folder": str(made), "pattern": draft.pattern, "notes": list(draft.notes), **draft.corpus.facts()})
        return
    _tell_how_to_use(draft, made)


def _say_if_known(folder: Path) -> None:
    """A word where the folder holds a corpus that emotone reads already."""
    from emotone.corpora.new import recordings
    from emotone.corpora.reading import likely_corpus

    known = likely_corpus(recordings(folder))
    if known:
        say(f"note: this looks like a corpus that emotone knows; you may use it as {known}={folder} at once.")


def _draft(
    name: str, folder: Path, pattern: str | None, emotions: dict[str, str], facts: dict[str, Any], *, asking: bool
) -> Draft:
    """The corpus as told, guessed and answered; what was guessed or answered badly is asked again."""
    from emotone.corpora.new import Draft

    if asking:
        return _asked(name, folder, pattern, emotions, facts)
    return Draft(name=name, root=folder, pattern=pattern or _guessed(folder), emotions=emotions, **facts)


def _guessed(folder: Path) -> str:
    from emotone.corpora.new import guess, recordings

    found = guess(recordings(folder))
    for note in found.notes:
        say(f"note: {note}")
    return found.pattern


# ---- asking ----


def _asked(name: str, folder: Path, pattern: str | None, emotions: dict[str, str], facts: dict[str, Any]) -> Draft:
    from emotone.corpora.new import Draft, Pattern, recordings

    files = recordings(folder)
    say(f"{len(files):,} recordings, such as {', '.join(files[:: max(1, len(files) // 3)][:3])}")
    while True:
        try:
            pattern = pattern or _ask_pattern(folder)
            named, _ = Pattern.parse(pattern).sort(files)
            known = emotions | _ask_meanings({fields["emotion"] for fields in named.values()}, emotions)
            asked = {"licence": "Licence of the recordings", "title": "Full name of the corpus"}
            defaults = {"licence": "yours", "title": name.replace("_", " ").capitalize()}
            for key, question in asked.items():
                if key not in facts:
                    facts[key] = typer.prompt(question, default=defaults[key], err=True)
            return Draft(name=name, root=folder, pattern=pattern, emotions=known, **facts)
        except (ConfigError, CorpusError) as error:
            if _is_about_the_name(error, name):
                raise
            complain(str(error))
            pattern = None


def _is_about_the_name(error: EmotoneError, name: str) -> bool:
    """Whether no other pattern could help."""
    said = str(error)
    return said.startswith(("A corpus can't be called", f"There is a corpus {name!r}"))


def _ask_pattern(folder: Path) -> str:
    try:
        likely: str | None = _guessed(folder)
    except CorpusError as error:
        say(str(error))
        likely = None
    return str(typer.prompt("How are they named? Enter takes the guess", default=likely, err=True))


def _ask_meanings(codes: set[str], told: dict[str, str]) -> dict[str, str]:
    """What the codes mean that no one has told yet and that aren't words for emotions."""
    from emotone.corpora.new import likely_emotion
    from emotone.corpora.words import is_known

    known = {code.lower() for code in told}
    return {
        code: typer.prompt(f"Which emotion is {code!r}?", default=likely_emotion(code), err=True)
        for code in sorted(codes)
        if code.lower() not in known and not is_known(code)
    }


def _meanings(given: list[str]) -> dict[str, str]:
    """``["W=angry,T=sad"]`` to ``{"W": "angry", "T": "sad"}``."""
    meanings = {}
    for pair in (pair.strip() for pairs in given for pair in pairs.split(",")):
        code, equals, meaning = pair.partition("=")
        if not equals or not code or not meaning:
            raise ConfigError(f"What a code means is given as CODE=NAME, for example W=angry, not {pair!r}.")
        meanings[code.strip()] = meaning.strip()
    return meanings


# ---- telling ----


def _preview(draft: Draft) -> None:
    """The first recordings and what their names tell, then every emotion and what is left out."""
    from rich.table import Table

    columns = [column for column in draft.scan.rows[0] if column not in ("corpus", "start", "end", "language")]
    table = Table(*columns, box=None, pad_edge=False)
    last = len(draft.scan.rows) - 1
    for row in (draft.scan.rows[place] for place in sorted({i * last // (SHOWN - 1) for i in range(SHOWN)})):
        table.add_row(*("" if row[column] is None else str(row[column]) for column in columns))
    console = stderr()
    console.print(f"Pattern {draft.pattern}", highlight=False, markup=False)
    console.print(table, highlight=False)
    corpus = draft.corpus
    told = ", ".join(f"{corpus.labels[code]} {n:,}" for code, n in corpus.counts.items())
    say(f"{corpus.n_utterances:,} recordings, {corpus.n_speakers or 'no known'} speakers: {told}")
    for note in draft.notes:
        say(f"note: {note}")


def _tell_how_to_use(draft: Draft, made: Path) -> None:
    root = draft.root.as_posix()
    setting = "set" if os.name == "nt" else "export"
    say(f"\n{made} is ready. Its test: python -m pytest {made}")
    say(f"Use it at once:   {setting} EMOTONE_PLUGINS={made}")
    say(f"or for good:      pip install -e {made}")
    say(f"then:             emotone train --corpus {draft.name}={root} -o runs/{draft.name}")
