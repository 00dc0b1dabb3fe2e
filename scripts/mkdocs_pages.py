"""A hook of mkdocs: pages that are files at the root of the repository, and links to what the site hasn't got."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
BORROWED = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md", "security.md": "SECURITY.md"}


def on_files(files: Files, config: Any) -> Files:
    """Add the borrowed pages."""
    for name, source in BORROWED.items():
        files.append(File.generated(config, name, content=relinked((ROOT / source).read_text("utf-8"))))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Of links out of the site to other files of the repository, keep the words."""
    return _LINK.sub(lambda found: _inside(found, ROOT / "docs" / Path(page.file.src_uri).parent), markdown)


def relinked(text: str) -> str:
    """Links into ``docs/`` without it, and links among borrowed files under their new names."""
    for name, source in BORROWED.items():
        text = text.replace(f"]({source})", f"]({name})")
    return text.replace("](docs/", "](")


_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!\w+:|#)([^)#]+)(#[^)]*)?\)")


def _inside(link: re.Match[str], folder: Path) -> str:
    """The ``link`` as it is, or its words, where it leads to something that is there but outside ``docs``. One that
    leads nowhere stays, and is a warning."""
    target = (folder / link[2]).resolve()
    outside = not target.is_relative_to(ROOT / "docs")
    here = target.exists() or (ROOT / link[2]).exists()
    return link[1] if link[2] not in BORROWED and (outside or not target.exists()) and here else link[0]
