"""A run's folder, read whole: its result, and what was found out about it beside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from emotone.errors import ConfigError, ExperimentError
from emotone.result import Result

KEY = ["corpus", "file", "start"]

_PROTOCOL = ("corpora", "label_set", "description")
_FACTS = ("name", "title", "licence", "commercial", "shareable", "citation", "homepage")
_COLUMNS = ("corpus", "file", "start", "speaker", "fold")


@dataclass(frozen=True)
class Run:
    """What a report is made from. The documents are None where the run has none."""

    folder: Path
    name: str
    result: Result
    audit: Mapping[str, Any] | None = None
    ladder: Mapping[str, Any] | None = None
    stress: Mapping[str, Any] | None = None
    recogniser: Mapping[str, Any] | None = None
    """The configuration of the recogniser that was trained with it."""
    corpora: tuple[Mapping[str, Any], ...] = field(default=())
    """``name, title, licence, commercial, shareable, citation, homepage`` of each corpus."""

    @property
    def protocol(self) -> Mapping[str, Any]:
        """What the result says of how it was come by."""
        return self.result.protocol

    @property
    def shared(self) -> bool:
        """Whether it was tested on voices it had trained on."""
        return bool(self.protocol.get("speakers") == "shared" or "speakers shared" in self.protocol["description"])

    @property
    def unseen(self) -> bool:
        """Whether it was tested on voices it hadn't heard, for sure."""
        return not self.shared and bool(
            self.protocol.get("speakers") == "unseen" or "speakers unseen" in self.protocol["description"]
        )

    @cached_property
    def repeated(self) -> bool:
        """Whether some recording was tested more than once."""
        return bool(self.result.table.duplicated(KEY).any())

    @cached_property
    def speakers_known(self) -> bool:
        """Whether every row has a speaker."""
        return bool(self.result.table["speaker"].notna().all())

    @property
    def regression(self) -> bool:
        """Whether it predicts numbers, not emotions."""
        return "truth" not in self.result.table


def read(folder: str | Path) -> Run:
    """The run in ``folder``. Raises `ExperimentError` for a folder that isn't one, or lacks what a report needs."""
    folder = Path(folder)
    if folder.is_file():
        raise ExperimentError(f"{folder} is a file, and a run is a folder. Give {folder.parent}.")
    _check_told(folder)
    result = Result.load(folder)
    _check(result, folder)
    recogniser = _document(folder / "recogniser" / "config.json")
    return Run(
        folder=folder,
        name=str(result.protocol.get("name") or "") or folder.resolve().name,
        result=result,
        audit=_document(folder / "audit.json", "inflates", "findings"),
        ladder=_document(folder / "ladder.json", "rungs"),
        stress=_document(folder / "stress.json", "clean", "conditions"),
        recogniser=recogniser,
        corpora=tuple(_corpus(name, recogniser) for name in result.protocol["corpora"]),
    )


def _check_told(folder: Path) -> None:
    """Before it is loaded: a ``result.json`` that is JSON, and still isn't a run's."""
    try:
        told = json.loads((folder / "result.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return  # `Result.load` says what is wrong
    if not isinstance(told, dict) or not isinstance(told.get("protocol"), dict):
        raise ExperimentError(
            f"{folder}/result.json has no protocol that can be read, so it isn't a run's. Train again with: "
            f"emotone train ... -o {folder}"
        )


def _check(result: Result, folder: Path) -> None:
    cure = f"Train again with: emotone train ... -o {folder}"
    lost = [key for key in _PROTOCOL if key not in result.protocol]
    if lost:
        raise ExperimentError(
            f"{folder}/result.json lacks {', '.join(lost)}: it was written by another version of emotone. {cure}"
        )
    if not len(result.table):
        raise ExperimentError(f"{folder} has no predictions: its predictions.parquet is empty. {cure}")
    lost = [column for column in _COLUMNS if column not in result.table]
    if "truth" in result.table:
        lost += [f"proba_{label}" for label in result.labels if f"proba_{label}" not in result.table]
    if lost:
        raise ExperimentError(f"{folder}/predictions.parquet lacks the columns {', '.join(lost)}. {cure}")


def _document(path: Path, *keys: str) -> Mapping[str, Any] | None:
    """What a JSON file holds; None where there is none. Raises `ExperimentError` for one that can't be used."""
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ExperimentError(f"{path} can't be read: {error}. Make it again, or take it away.") from error
    if not isinstance(document, dict) or not set(keys) <= set(document):
        raise ExperimentError(
            f"{path} isn't what its name says: it lacks {', '.join(keys)}. Make it again, or take it away."
        )
    return document


def _corpus(name: str, recogniser: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Facts of a corpus: emotone's own, or of one it doesn't know, those the recogniser was saved with."""
    from emotone import corpora

    try:
        record = corpora.get(name)
    except ConfigError:
        blank = {"name": name, "title": name, "commercial": None, "shareable": False}
        saved = [one for one in (recogniser or {}).get("corpora", []) if one.get("name") == name]
        known = saved[0] if saved else {}
        return {
            **dict.fromkeys(_FACTS, ""),
            **blank,
            **{key: known[key] for key in _FACTS if known.get(key) is not None},
        }
    return {key: getattr(record, key) for key in _FACTS}
