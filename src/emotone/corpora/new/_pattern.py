"""How file names are built, as people write it: ``{speaker}-{emotion}-{n}.wav``.

Text outside braces is literal; a field in braces holds one or more characters other than the one after it and ``/``,
or as many as it says: ``{speaker:2}{text:3}{emotion:1}{take:1}`` for EMO-DB's ``03a01Fa``. The last one takes the rest.
Slashes are folders. The ending may be left out. ``speaker``, ``emotion`` and the columns of a table keep what they
hold, under these names; a field of any other name is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

from emotone.corpora.reading import OPTIONAL_COLUMNS
from emotone.errors import ConfigError, CorpusError

__all__ = ["COLUMNS", "Pattern"]

COLUMNS = (
    "speaker",
    "emotion",
    *(name for name in OPTIONAL_COLUMNS if name in {"gender", "text", "intensity", "split"}),
)
"""The fields that become columns of the table."""

_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z_0-9]*)(?::(\d+))?\}")
_ENDING = re.compile(r"\.(?:\*|[A-Za-z0-9]{2,5})$")


@dataclass(frozen=True)
class Pattern:
    """A pattern in parts: literal text and fields (name, width or None), in turn."""

    text: str
    parts: tuple[str | tuple[str, int | None], ...]

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """``{speaker}-{emotion}.wav`` in its parts. Raises `ConfigError` for one that can't be read or told apart."""
        plain = _ENDING.sub("", text.strip().replace("\\", "/")).strip("/")
        parts: list[str | tuple[str, int | None]] = []
        end = 0
        for match in _FIELD.finditer(plain):
            parts += [plain[end : match.start()], (match[1], int(match[2]) if match[2] else None)]
            end = match.end()
        parts = [part for part in (*parts, plain[end:]) if part]
        _refuse_unclear(text, parts)
        return cls(plain, tuple(parts))

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields, in their order."""
        return tuple(part[0] for part in self.parts if isinstance(part, tuple))

    @property
    def expression(self) -> str:
        """The regular expression of an `emotone.Corpus`, whose group for the emotion is called ``label``."""
        return "".join(self._piece(place, every=False) for place in range(len(self.parts)))

    def split(self, file: str) -> dict[str, str] | None:
        """What each field holds in the path ``file``, or None if it isn't named so."""
        stem = str(PurePosixPath(file).with_suffix(""))
        every = "".join(self._piece(place, every=True) for place in range(len(self.parts)))
        match = re.search(rf"(?:^|/){every}$", stem, re.IGNORECASE)
        return None if match is None else {name: match[f"f{place}"] for place, name in enumerate(self.fields)}

    def sort(self, files: Iterable[str]) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
        """The files that are named so, with what their fields hold, and those that aren't. Raises `CorpusError` where
        none is."""
        named: dict[str, dict[str, str]] = {}
        others = []
        for file in files:
            fields = self.split(file)
            if fields is None:
                others.append(file)
            else:
                named[file] = fields
        if not named:
            example = others[0] if others else "nothing"
            raise CorpusError(f"No recording is named as in {self.text!r}; there is, for example, {example}.")
        return named, tuple(others)

    def _piece(self, place: int, *, every: bool) -> str:
        """The expression of one part; ``every`` field is a numbered group, or the columns alone are named ones."""
        part = self.parts[place]
        if isinstance(part, str):
            return re.escape(part).replace(r"\-", "-").replace(r"\ ", " ")
        name, width = part
        following = self.parts[place + 1] if place + 1 < len(self.parts) else ""
        stop = re.escape(following[0]) if isinstance(following, str) and following and following[0] != "/" else ""
        inside = f"[^/{stop}]" + (f"{{{width}}}" if width else "+")
        if every:
            number = sum(isinstance(one, tuple) for one in self.parts[:place])
            return f"(?P<f{number}>{inside})"
        return f"(?P<{'label' if name == 'emotion' else name}>{inside})" if name in COLUMNS else inside


def _refuse_unclear(text: str, parts: list[str | tuple[str, int | None]]) -> None:
    fields = [part for part in parts if isinstance(part, tuple)]
    names = [name for name, _ in fields]
    if "emotion" not in names:
        raise ConfigError(
            f"The pattern {text!r} has no field {{emotion}}; write one such as {{speaker}}-{{emotion}}-{{n}}.wav."
        )
    if any("{" in part or "}" in part for part in parts if isinstance(part, str)):
        raise ConfigError(
            f"The pattern {text!r} has a brace too many; a field is a name in braces, such as {{speaker}}."
        )
    repeated = {name for name in names if names.count(name) > 1 and name in COLUMNS}
    if repeated:
        raise ConfigError(f"The pattern {text!r} has {{{repeated.pop()}}} twice; call one of the two {{n}}.")
    for one, other in pairwise(parts):
        if isinstance(one, tuple) and isinstance(other, tuple) and one[1] is None:
            raise ConfigError(
                f"In the pattern {text!r} nothing parts {{{one[0]}}} from {{{other[0]}}}; say how many characters it "
                f"has, such as {{{one[0]}:2}}."
            )
