"""A corpus in the making: a folder, a pattern, what its codes mean, checked against the recordings that are there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from emotone.corpora import registry, words
from emotone.corpora.new._pattern import Pattern
from emotone.corpora.reading import Scan, audio_files, existing_folder, scan_names, several
from emotone.corpora.record import Corpus
from emotone.errors import ConfigError, CorpusError

__all__ = ["Draft", "recordings"]


def recordings(root: Path | str) -> list[str]:
    """The recordings under ``root``, as POSIX paths relative to it. Raises `CorpusError` where there are none."""
    folder = existing_folder(Path(root).expanduser(), "mine")
    files = audio_files(folder)
    if not files:
        raise CorpusError(f"{folder} holds no recordings; give the folder that does.")
    return files


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A new corpus: its name, the folder of its recordings, how they are named, and the facts for its card.

    Raises `ConfigError` for a name that is taken or can't be one, a pattern that can't be read, or a code whose
    meaning isn't known; `CorpusError` where no recording is named so, or several that differ have one name.
    """

    name: str
    root: Path
    pattern: str
    """``{speaker}-{emotion}-{n}.wav``; see `emotone.corpora.new.Pattern`."""
    emotions: Mapping[str, str] = field(default_factory=dict)
    """What codes mean, ``{"W": "angry"}``; words for emotions needn't be told."""
    title: str = ""
    languages: tuple[str, ...] = ()
    """ISO 639-1."""
    licence: str = "yours"
    commercial: bool | None = None
    """Whether the licence allows commercial use; None: it isn't known."""
    citation: str = ""
    homepage: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise ConfigError(
                f"A corpus can't be called {self.name!r}; take lower-case letters, digits and _, as in my_corpus."
            )
        if self.name in registry.names():
            raise ConfigError(
                f"There is a corpus {self.name!r} already (emotone corpora show {self.name}); take another name."
            )
        missing = [code for code in self.codes if self._meaning(code) is None]
        if missing:
            example = ",".join(f"{code}=angry" for code in missing[:1])
            raise ConfigError(
                f"What do these codes mean: {several(missing, shown=12)}? Say it as --emotion {example}, one for each; "
                "a feeling without a name of emotone's keeps its own, such as X=hopeful."
            )
        odd = {name for name in self.labels.values() if not re.fullmatch(r"[a-z][a-z_]*", name)}
        if odd:
            raise ConfigError(f"An emotion is a word in lower case, such as angry, not {sorted(odd)[0]!r}.")
        self._refuse_lost(self.scan)

    @cached_property
    def parsed(self) -> Pattern:
        """The pattern in its parts."""
        return Pattern.parse(self.pattern)

    @cached_property
    def named(self) -> dict[str, dict[str, str]]:
        """The recordings that are named so, and what each field of their names holds."""
        return self.parsed.sort(recordings(self.root))[0]

    @property
    def codes(self) -> tuple[str, ...]:
        """What the field of the emotion holds, each in its most common spelling, in alphabetical order."""
        spellings: dict[str, Counter[str]] = {}
        for fields in self.named.values():
            spellings.setdefault(fields["emotion"].lower(), Counter())[fields["emotion"]] += 1
        return tuple(sorted(spelled.most_common(1)[0][0] for spelled in spellings.values()))

    @property
    def labels(self) -> dict[str, str]:
        """Code to emotion."""
        return {code: meaning for code in self.codes if (meaning := self._meaning(code)) is not None}

    @cached_property
    def scan(self) -> Scan:
        """What a look through the folder finds."""
        return scan_names(self._record({}, None), self.root)

    @cached_property
    def corpus(self) -> Corpus:
        """The record of the corpus, counts included."""
        counts = Counter(row["label"] for row in self.scan.rows)
        speakers = {row["speaker"] for row in self.scan.rows} - {None}
        return self._record({code: counts[code] for code in self.labels}, len(speakers) or None)

    @property
    def files(self) -> list[str]:
        """The recordings that are read, one for each utterance."""
        return [row["file"] for row in self.scan.rows]

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out or missing, a sentence each."""
        notes = []
        if self.scan.strangers:
            n = len(self.scan.strangers)
            notes.append(f"Left out, for they are named in another way: {several(self.scan.strangers)} ({n:,} in all).")
        if self.scan.doubles:
            notes.append(
                f"There twice and read once: {several(self.scan.doubles)} ({len(self.scan.doubles):,} in all)."
            )
        if "speaker" not in self.parsed.fields:
            notes.append("The names tell no speaker, so no score on unseen speakers is possible.")
        return tuple(notes)

    def _record(self, counts: Mapping[str, int], n_speakers: int | None) -> Corpus:
        genders = {fields["gender"] for fields in self.named.values() if "gender" in fields}
        return Corpus(
            name=self.name,
            title=self.title or self.name.replace("_", " ").capitalize(),
            languages=self.languages,
            licence=self.licence,
            commercial=self.commercial,
            citation=self.citation,
            homepage=self.homepage,
            obtain="" if self.homepage else f"Ask whoever recorded it, and give the folder as {self.name}=FOLDER.",
            example=next(iter(self.named)),
            pattern=self.parsed.expression,
            labels=self.labels,
            codes={"gender": {code: words.gender_named(code) for code in sorted(genders)}} if genders else {},
            counts=counts,
            n_speakers=n_speakers,
        )

    def _meaning(self, code: str) -> str | None:
        """The emotion that ``code`` stands for: as told, in any case of its letters, or as a word that is known."""
        told = {key.lower(): value for key, value in self.emotions.items()}
        if code.lower() in told:
            return words.emotion_named(told[code.lower()])
        return words.emotion_named(code) if words.is_known(code) else None

    def _refuse_lost(self, scan: Scan) -> None:
        """Files of one name in different folders are different utterances, unless nearly all else is named well."""
        n_lost = sum(map(len, scan.doubles.values()))
        if n_lost > len(scan.rows) // 2 and not _are_copies(self.root, scan.doubles):
            first, others = next(iter(scan.doubles.items()))
            raise CorpusError(
                f"By the pattern {self.pattern!r} {n_lost:,} recordings have the name of another, such as {first} and "
                f"{others[0]}; put what tells them apart, such as their folder, into the pattern."
            )


def _are_copies(root: Path, doubles: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether recordings of one name are of one size, or of different formats."""
    for kept, others in doubles.items():
        for other in others:
            same_kind = Path(kept).suffix.lower() == Path(other).suffix.lower()
            if same_kind and (root / kept).stat().st_size != (root / other).stat().st_size:
                return False
    return True
