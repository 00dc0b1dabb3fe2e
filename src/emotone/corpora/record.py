"""What a corpus is: one frozen record of facts, from which everything else (reading, checking, fetching)
follows.

A corpus whose file names tell speaker and label needs nothing but facts and one regular expression::

    CORPUS = Corpus(
        name="jl", title="JL-Corpus", languages=("en",), licence="CC0 1.0", commercial=True, citation="...",
        homepage="https://...", example="male1/male1_angry_10a_1.wav",
        pattern=r"(?P<speaker>(?:fe)?male[12])_(?P<label>[a-z]+)_\\d+[ab]_[12]",
        labels={"angry": "angry", "excited": "excited", ...}, counts={"angry": 240, ...}, n_speakers=4,
    )

and an entry point of the group ``emotone.corpora`` if it lives outside this package. Groups of the pattern
other than ``speaker`` and ``label`` become columns of the same name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotone.corpora.reading import Scan, build_table, scan_names
from emotone.labels import in_order

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Archive", "Corpus", "Folds"]


_OPEN_LICENCE = re.compile(r"CC0|CC[ -]BY|ODbL|ODC-By|PDDL|public domain|MIT\b|Apache|BSD|free \(CC0", re.IGNORECASE)
_NO_CHANGES = re.compile(r"\bND\b|NoDeriv", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Archive:
    """One file of an open download. A zip or tar archive is unpacked, anything else is put in place as it
    is."""

    url: str
    filename: str
    sha256: str | None = None
    """As the owner publishes it; where there is neither this nor ``md5``, the first download pins it."""
    md5: str | None = None
    size: int | None = None
    """Bytes."""


@dataclass(frozen=True, kw_only=True)
class Folds:
    """Published folds: who is tested in each, said in one of three ways, or only that there are such folds.

    ``test_speakers`` lists speakers, ``test_sessions`` the beginnings of speakers' ids, ``column`` a column of
    the table that calls rows train, dev and test. Folds of neither kind are rows that the project doesn't hold:
    what is known is that they exist, and whether they leak.
    """

    source: str
    """Who published them, and where."""
    test_speakers: tuple[tuple[str, ...], ...] = ()
    """Global speaker ids (``ravdess/07``) of each fold; whoever isn't tested trains."""
    test_sessions: tuple[tuple[str, ...], ...] = ()
    """How the ids of each fold's test speakers begin: ``(("iemocap/Ses01",), ("iemocap/Ses02",), ...)``."""
    column: str = ""
    """``split``: its values train, dev (or validation) train, and each value that starts with test is a fold."""
    n_folds: int | None = None
    """How many folds there are, where the rows aren't known."""
    disjoint: bool | None = True
    """Whether no speaker is trained and tested on; False: they leak; None: nobody has looked, or nobody can."""
    shared_speakers: tuple[int, int] | None = None
    """Of leaking folds: how many test speakers also train, and of how many: ``(91, 91)``."""
    instead: str = "speakers"
    """The protocol to use in place of folds that leak or aren't known by rows."""

    @property
    def known(self) -> bool:
        """Whether the folds can be made, rather than only be spoken of."""
        return bool(self.test_speakers or self.test_sessions or self.column)

    @property
    def size(self) -> int | None:
        """The number of folds; None where only the data tells."""
        return len(self.test_speakers or self.test_sessions) or self.n_folds

    @property
    def state(self) -> str:
        """In words: ``disjoint``, ``leaking: 91 of 91 test speakers also train``, or that nobody has checked."""
        if self.disjoint is None:
            return "not checked for shared speakers"
        if self.disjoint:
            return "disjoint"
        if self.shared_speakers is None:
            return "leaking: test speakers also train"
        return f"leaking: {self.shared_speakers[0]} of {self.shared_speakers[1]} test speakers also train"


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """A corpus of emotional speech: what it is, whose it is, how to get it, and how to read it."""

    name: str
    """The registry key, also the table's ``corpus`` and the front of its speaker ids."""
    title: str
    languages: tuple[str, ...] = ()
    """ISO 639-1. A corpus of one language has it in the table's ``language`` too."""
    licence: str
    commercial: bool | None
    """Whether the licence allows commercial use; None: unclear, ask the owners."""
    may_be_shared: bool | None = None
    """Whether single recordings may be passed on with attribution, as in a report with players; None: see
    `shareable`."""
    citation: str
    homepage: str
    archives: tuple[Archive, ...] = ()
    """The open download, if there is one."""
    obtain: str = ""
    """How to get the corpus otherwise: one sentence."""

    example: str = ""
    """A typical file name, for messages."""
    pattern: str = ""
    """Regular expression for the end of a file's path without its ending, case ignored. It describes the
    *form* of a name, so that a code nobody knows is noticed rather than passed over."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The corpus's own code to emotion, for example ``{"W": "angry"}``."""
    codes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Column to what its codes mean, for example ``{"intensity": {"01": "normal"}}``."""
    people: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Speaker code to what is known of the person: ``{"03": {"gender": "male", "age": 31}}``."""
    people_of: str = ""
    """The corpus whose speakers these are, when they aren't its own: its name then starts the speaker ids, so
    that grouped folds over both never part a person from themselves."""
    misspelt: Mapping[str, str] = field(default_factory=dict)
    """File stems the owners mistyped, to what was meant."""
    folder: str = ""
    """Regular expression for the name of the folder a file lies in, with some of the pattern's groups;
    `check` reports files whose folder and name disagree."""
    side_files: Mapping[str, str] = field(default_factory=dict)
    """Tables beside the audio, to the columns they bring."""
    extend: Callable[[pd.DataFrame, Path], pd.DataFrame] | None = None
    """Adds the columns of the side files that are there."""
    scan: Callable[[Corpus, Path], Scan] = scan_names
    """Finds the utterances under a root; the default goes by `pattern`."""
    segmented: bool = False
    """Whether one recording holds several utterances, told apart by ``start`` and ``end``."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """Utterances of each code in the whole corpus."""
    total: int | None = None
    """Utterances in the whole corpus, where it isn't known how many each code has."""
    n_speakers: int | None = None
    plan: Callable[[Path], Iterable[str]] | None = None
    """The names of all utterances, where the corpus's design or a side file tells; gives none if it can't
    tell."""
    sample_rate: int | None = None
    """As published, in Hz."""
    seconds: tuple[float, float] | None = None
    """Shortest and longest utterance."""
    official: Mapping[str, Folds] = field(default_factory=dict)
    """Published folds by name; ``official`` is the one the protocol of that name uses."""
    known_faults: Mapping[str, str] = field(default_factory=dict)
    """Utterance name to what is wrong with it in every copy."""
    notes: tuple[str, ...] = ()
    """What anyone who reports a score on this corpus should know."""

    def read(self, root: Path | str) -> pd.DataFrame:
        """The table of the utterances under ``root``, one row each, sorted by file; audio isn't opened.

        Raises `CorpusError` if the folder isn't this corpus, or has codes that ``labels`` lacks.
        """
        return build_table(self, Path(root))

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions of the corpus, canonical ones first; empty where only the data can tell."""
        return in_order(self.labels.values())

    @property
    def n_utterances(self) -> int | None:
        """How many utterances the whole corpus has; None where only the data can tell."""
        return sum(self.counts.values()) or self.total

    @property
    def shareable(self) -> bool:
        """Whether a report may hold single recordings: as ``may_be_shared`` says, otherwise only under a licence
        known to let anyone pass them on, converted, with attribution. ``-ND`` doesn't count as one."""
        if self.may_be_shared is not None:
            return self.may_be_shared
        return bool(_OPEN_LICENCE.match(self.licence)) and not _NO_CHANGES.search(self.licence)

    @cached_property
    def matcher(self) -> re.Pattern[str]:
        """``pattern``, compiled: anchored at the end of the path and at the start of one of its parts."""
        return re.compile(rf"(?:^|/)(?P<_name>{self.pattern})$", re.IGNORECASE)

    def credits(self) -> dict[str, Any]:
        """What the card of anything made from it has to say."""
        return {
            "name": self.name,
            "title": self.title,
            "languages": list(self.languages),
            "licence": self.licence,
            "commercial": self.commercial,
            "citation": self.citation,
            "homepage": self.homepage,
        }

    def facts(self) -> dict[str, Any]:
        """The record as plain data, for JSON."""
        return self.credits() | {
            "archives": [vars(archive) for archive in self.archives],
            "obtain": self.obtain,
            "n_utterances": self.n_utterances,
            "n_speakers": self.n_speakers,
            "emotions": list(self.emotions),
            "labels": dict(self.labels),
            "counts": dict(self.counts),
            "sample_rate": self.sample_rate,
            "seconds": list(self.seconds) if self.seconds else None,
            "official": {name: vars(folds) for name, folds in self.official.items()},
            "known_faults": dict(self.known_faults),
            "notes": list(self.notes),
            "example": self.example,
        }
