"""Sections to one file: nothing is loaded from anywhere, and the browser is told to allow nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources

from emotone import __version__
from emotone.report._html import Html, join, tag
from emotone.report._scores import Section

HEAT_STEPS = 20


def document(
    *,
    title: str,
    condition: str,
    banner: Html,
    headline: Html,
    sections: Sequence[Section],
    eyebrow: str = "emotone report",
) -> str:
    """The page: what is loudest first, then the sections, with a list of them beside or above."""
    links = [tag("li", tag("a", section.title, href=f"#{section.anchor}")) for section in sections]
    contents = tag("details", tag("summary", "On this page"), tag("nav", tag("ol", *links), aria_label="On this page"))
    top = tag(
        "header",
        tag("p", eyebrow, class_="eyebrow"),
        tag("h1", title),
        tag("p", condition, class_="condition"),
    )
    main = tag(
        "main",
        banner,
        top,
        tag("div", headline, class_="hero"),
        *(_section(section) for section in sections),
        tag("footer", f"Written by emotone {__version__}. This page loads nothing and sends nothing."),
        id="top",
    )
    skip = tag("a", "To the scores", href="#top", class_="skip")
    return shell(join([skip, tag("aside", contents), main]), title=title, style=_style(), script=asset("page.js"))


def shell(body: Html, *, title: str, style: str, script: str, media: str = "data:", class_: str | None = None) -> str:
    """A whole page around ``body``. The browser lets this style and this script through, sound from ``media``, and
    nothing else."""
    policy = (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; "
        f"media-src {media}; base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content=f"emotone {__version__}"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Html(style)),
    )
    whole = tag("html", head, tag("body", body, tag("script", Html(script)), class_=class_), lang="en")
    return f"<!doctype html>\n{whole}\n"


def _section(section: Section) -> Html:
    heading = f"{section.anchor}-title"
    return tag(
        "section", tag("h2", section.title, id=heading), join(section.body), id=section.anchor, aria_labelledby=heading
    )


def _digest(text: str) -> str:
    """A hash that lets the browser run this and nothing else."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def asset(name: str) -> str:
    """A file beside this one."""
    return resources.files("emotone.report").joinpath(name).read_text("utf-8").strip()


def _style() -> str:
    """The style sheet, with a class for each step of the confusion's shading: a style attribute isn't allowed."""
    steps = "".join(f".h{i}{{--share:{100 * i // HEAT_STEPS}%}}" for i in range(1, HEAT_STEPS + 1))
    return f"{asset('page.css')}\n{steps}"
