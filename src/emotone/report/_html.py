"""HTML by nested calls. Whatever isn't `Html` yet is escaped, so a file name can't become markup by oversight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeAlias

VOID = {"br", "circle", "hr", "img", "line", "meta", "path", "polyline", "rect", "source"}


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


Child: TypeAlias = "Html | str | int | Iterable[Child] | None"
Attribute: TypeAlias = "str | int | float | bool | None"


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """``<name attributes>children</name>``.

    ``class_`` is class, ``aria_label`` aria-label; True is an attribute without a value, False and None are none.
    """
    given = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Html(f"<{name}{given}>") if name in ("br", "hr", "img", "meta", "source") else Html(f"<{name}{given}/>")
    return Html(f"<{name}{given}>{join(children)}</{name}>")


def join(children: Child) -> Html:
    """The children one after the other, escaped unless they are `Html`."""
    if children is None:
        return Html("")
    if isinstance(children, Html):
        return children
    if isinstance(children, str | int):
        return Html(escape(str(children)))
    return Html("".join(map(join, children)))


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return f' {name}="{escape(text)}"'


def p(*children: Child, class_: str | None = None) -> Html:
    """A paragraph."""
    return tag("p", *children, class_=class_)


def details(summary: str, *children: Child) -> Html:
    """What is folded away until asked for."""
    return tag("details", tag("summary", summary), *children)


def definitions(facts: Mapping[str, Child]) -> Html:
    """Names with what they stand for; empty ones are left out."""
    return tag(
        "dl", *(tag("div", tag("dt", name), tag("dd", fact)) for name, fact in facts.items() if fact), class_="facts"
    )


@dataclass(frozen=True)
class Column:
    """A column of `table`: its heading, and whether it holds numbers or a drawing."""

    heading: Child
    kind: str = ""
    """``number``, ``ruler`` (a drawing that takes the width that is left), ``long`` (a text that may), or a text."""
    title: str = ""
    """What the heading means, where it is short."""


def table(columns: Sequence[Column], rows: Iterable[Sequence[Child]], *, caption: str, sortable: bool = False) -> Html:
    """A table whose first column names the rows. Screen readers say the caption; people see the section's title.

    The roles are those a table has anyway: some screen readers forget them where the style lays rows out anew, as it
    does on a phone.
    """
    head = tag("tr", *(_heading(column) for column in columns), role="row")
    body = [
        tag(
            "tr",
            *(_cell(column, cell, i == 0) for i, (column, cell) in enumerate(zip(columns, row, strict=True))),
            role="row",
        )
        for row in rows
    ]
    whole = tag(
        "table",
        tag("caption", caption, class_="unseen"),
        tag("thead", head, role="rowgroup"),
        tag("tbody", *body, role="rowgroup"),
        class_="stacks" if any(column.kind in ("ruler", "long") for column in columns) else None,
        role="table",
        data_sortable=sortable,
    )
    return tag("div", whole, class_="wide")


def _heading(column: Column) -> Html:
    heading: Child = tag("abbr", column.heading, title=column.title) if column.title else column.heading
    return tag("th", heading, scope="col", role="columnheader", class_=column.kind or None)


def _cell(column: Column, cell: Child, first: bool) -> Html:
    if first:
        return tag("th", cell, scope="row", role="rowheader", class_=column.kind or None)
    return tag("td", cell, role="cell", class_=column.kind or None)
