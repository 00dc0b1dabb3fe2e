"""The package of a new corpus: the adapter, its listing, its test, and what makes them installable."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from emotone.corpora.new._draft import Draft
from emotone.corpora.record import Corpus
from emotone.errors import ConfigError

__all__ = ["write"]

MOST_LISTED = 4000
"""Of a larger corpus the listing is a sample: every second name, every third, ..."""

_PROJECT = """\
[build-system]
requires = ["hatchling>=1.26"]
build-backend = "hatchling.build"

[project]
name = "{package}"
version = "0.1.0"
description = {description}
requires-python = ">=3.11"
dependencies = ["emotone[train]"]

[project.entry-points."emotone.corpora"]
{name} = "{module}:CORPUS"

[tool.hatch.build.targets.wheel]
only-include = ["{module}.py"]

[tool.pytest.ini_options]
pythonpath = ["."]
"""

_TEST = '''\
"""Every name in the listing is read, and means what the record of the corpus says."""

from pathlib import Path

import pytest
from {module} import CORPUS

LINES = (Path(__file__).parent / "{name}.txt").read_text("utf-8").splitlines()
LISTED = [line for line in LINES if line and not line.startswith("#")]
COMPLETE = not LINES[0].startswith("# A sample")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The table of a folder with the listed names; a name is all that is read, so the files are empty."""
    root = tmp_path_factory.mktemp("{name}")
    for file in LISTED:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return CORPUS.read(root)


def test_every_listed_recording_is_read(table):
    assert LISTED
    assert sorted(table["file"]) == sorted(LISTED)


def test_labels_speakers_and_counts_are_those_of_the_record(table):
    assert set(table["label"]) <= set(CORPUS.labels)
    assert list(table["emotion"]) == [CORPUS.labels[label] for label in table["label"]]
    if COMPLETE:
        assert table["label"].value_counts().to_dict() == dict(CORPUS.counts)
        assert table["speaker"].nunique() == (CORPUS.n_speakers or 0)


def test_the_facts_are_there():
    assert CORPUS.name == "{name}"
    assert CORPUS.licence
    assert CORPUS.matcher.search(Path(CORPUS.example).with_suffix("").as_posix())
'''

_README = """\
# {title} for emotone

Written by `emotone corpora new`; change what it guessed wrong in `{module}.py`, then run `pytest`.

```
pip install -e .                 # once; or, without installing: export EMOTONE_PLUGINS=$PWD
emotone corpora check {name}=FOLDER
emotone train --corpus {name}=FOLDER -o runs/{name}
```

Licence of the recordings: {licence}.

To give it to everybody, copy `{module}.py` to `src/emotone/corpora/{name}.py` of emotone and `tests/{name}.txt` to its
`tests/listings/`, add the name to `src/emotone/corpora/registry.py`, and fill in homepage, citation and licence: the
contract test of emotone asks for them.
"""


def write(draft: Draft, to: Path | str) -> Path:
    """Write the package of ``draft`` into the new folder ``to``, which is returned; all of it or nothing.

    Raises `ConfigError` for a folder that is there, or that can't be written.
    """
    target = Path(to).expanduser()
    if target.exists():
        raise ConfigError(f"{target} is there already; remove it, or name another folder with --to.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as half:
            made = Path(half) / target.name
            for path, text in _package(draft).items():
                (made / path).parent.mkdir(parents=True, exist_ok=True)
                (made / path).write_text(text, "utf-8")
            made.replace(target)
    except OSError as error:
        raise ConfigError(f"{target} can't be written: {error.strerror or error}.") from error
    return target


def _package(draft: Draft) -> dict[str, str]:
    """Path to content."""
    names = {
        "name": draft.name,
        "module": f"emotone_{draft.name}",
        "package": f"emotone-{draft.name.replace('_', '-')}",
        "title": draft.corpus.title,
        "licence": draft.corpus.licence,
        "description": _quoted(f"{draft.corpus.title}, a corpus for emotone"),
    }
    return {
        "pyproject.toml": _PROJECT.format(**names),
        f"{names['module']}.py": _adapter(draft.corpus),
        f"tests/{draft.name}.txt": _listing(draft.corpus, draft.files),
        f"tests/test_{draft.name}.py": _TEST.format(**names),
        "README.md": _README.format(**names),
    }


def _listing(corpus: Corpus, files: list[str]) -> str:
    every = math.ceil(len(files) / MOST_LISTED)
    what = "File names" if every == 1 else f"A sample (one in {every}) of the file names"
    return "\n".join([f"# {what} of {corpus.title}, as found.", *files[::every], ""])


def _adapter(corpus: Corpus) -> str:
    facts = {
        "name": _quoted(corpus.name),
        "title": _quoted(corpus.title),
        "languages": repr(corpus.languages).replace("'", '"'),
        "licence": _quoted(corpus.licence),
        "commercial": f"{corpus.commercial},  # may it be used for money? None: not known",
        "citation": _quoted(corpus.citation),
        "homepage": _quoted(corpus.homepage),
        "obtain": _quoted(corpus.obtain),
        "example": _quoted(corpus.example),
        "pattern": _raw(corpus.pattern),
        "labels": _mapping(corpus.labels),
        "codes": "{"
        + "".join(f'\n        "{key}": {_inline(value)},' for key, value in corpus.codes.items())
        + "\n    }",
        "counts": _mapping(corpus.counts),
        "n_speakers": str(corpus.n_speakers),
    }
    lines = [
        f"    {key}={value}{'' if '  #' in value else ','}"
        for key, value in facts.items()
        if not (key in ("codes", "obtain") and not getattr(corpus, key))
    ]
    return "\n".join(
        [
            f'"""{_sentence(corpus)}"""',
            "",
            "from emotone.corpora import Corpus",
            "",
            "CORPUS = Corpus(",
            *lines,
            ")",
            "",
        ]
    )


def _sentence(corpus: Corpus) -> str:
    by = f" by {corpus.n_speakers} speakers" if corpus.n_speakers else ""
    title = corpus.title.replace("\\", " ").replace('"', "'")
    return f"{title}: {corpus.n_utterances:,} recordings{by}, {len(corpus.emotions)} emotions."


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _raw(pattern: str) -> str:
    return f'r"{pattern}"' if '"' not in pattern and not pattern.endswith("\\") else repr(pattern)


def _items(mapping: Mapping[str, object]) -> Iterable[str]:
    return (f"{_quoted(key)}: {_quoted(value) if isinstance(value, str) else value}" for key, value in mapping.items())


def _mapping(mapping: Mapping[str, object]) -> str:
    return "{" + "".join(f"\n        {item}," for item in _items(mapping)) + "\n    }"


def _inline(mapping: Mapping[str, object]) -> str:
    return "{" + ", ".join(_items(mapping)) + "}"
