"""An extension of griffe, which reads docstrings for the site: ours are written for readers of code, in plain text.

``::`` before an indented drawing goes, and tables with rules of ``===`` become Markdown's. `name` stays as it is, since
Markdown sets it like code.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_TABLE = re.compile(r"^(=+ +=[= ]*)\n(.*\n)\1\n((?:.*\n)*?)\1$", flags=re.MULTILINE)


class Readable(griffe.Extension):
    """Docstrings as Markdown."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        """Of everything that has one."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """``::`` becomes ``:`` or goes, and what looks like a table becomes one."""
    text = re.sub(r"^::\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=\w)::$", ":", text, flags=re.MULTILINE)
    return _TABLE.sub(_table, text)


def _table(found: re.Match[str]) -> str:
    rule, head, rows = found.groups()
    starts = [column.start() for column in re.finditer("=+", rule)]
    cells = [
        [line[start:end].strip().replace("|", "\\|") for start, end in zip(starts, [*starts[1:], None], strict=True)]
        for line in [head.rstrip("\n"), *rows.splitlines()]
    ]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([lines[0], f"|{'---|' * len(starts)}", *lines[1:]])
