"""What an experiment found: every prediction, and how it was come by."""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone import metrics
from emotone.errors import ExperimentError, require, unknown

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["Result"]

SEPARATOR = " · "


@dataclass(frozen=True, repr=False)
class Result:
    """The predictions of an experiment, one row per tested utterance and fold, and its protocol."""

    table: pd.DataFrame
    """``corpus, file, start, end, speaker, truth, fold, predicted`` and ``proba_<label>`` for each label."""
    labels: tuple[str, ...]
    protocol: dict[str, Any]
    """Corpora, front-end, model, folds, what they share, seed, versions, hashes; see `Experiment`."""

    @classmethod
    def of(cls, parts: Sequence[pd.DataFrame], labels: tuple[str, ...], protocol: dict[str, Any]) -> Result:
        """From the predictions of each fold."""
        pandas = require("pandas", extra="train")
        return cls(pandas.concat(parts, ignore_index=True), labels, protocol)

    @property
    def proba(self) -> NDArray[np.float64]:
        """``(n, len(labels))``"""
        return self.table[[f"proba_{label}" for label in self.labels]].to_numpy(dtype=np.float64)

    @cached_property
    def scores(self) -> dict[str, Any]:
        """All scores with intervals over speakers: `emotone.metrics.evaluate`."""
        speakers = self.table["speaker"]
        return metrics.evaluate(
            self.table["truth"].to_numpy(dtype=object),
            self.proba,
            self.labels,
            speakers.to_numpy(dtype=object) if speakers.notna().all() else None,
            folds=self.table["fold"].to_numpy(),
        )

    @property
    def condition(self) -> str:
        """What stands beside every score: ``ravdess eight · official, 6 folds, speakers unseen``."""
        label_set = self.protocol["label_set"]
        named = label_set if isinstance(label_set, str) else "/".join(label_set)
        return f"{'+'.join(self.protocol['corpora'])} {named}{SEPARATOR}{self.protocol['description']}"

    def line(self, metric: str = "uar", *, over_folds: bool = False) -> str:
        """``UAR 0.59 [0.55, 0.63] · ravdess eight · official, 6 folds, speakers unseen``.

        ``over_folds`` gives mean ± standard deviation of the folds in place of the interval.
        """
        if metric not in metrics.NAMES:
            raise unknown("metric", metric, metrics.NAMES)
        score = self.scores[metric]
        if over_folds:
            spread = "" if score["fold_sd"] is None else f" ± {score['fold_sd']:.3f}"
            text = f"{metrics.NAMES[metric]} {score['fold_mean']:.3f}{spread} over folds"
        else:
            text = metrics.format_score(metric, score["value"], score["low"], score["high"])
        return f"{text}{SEPARATOR}{self.condition}"

    def __str__(self) -> str:
        return self.line()

    def __repr__(self) -> str:
        return f"<Result {self.line()}>"

    def by_corpus(self) -> tuple[Result, ...]:
        """The part of each corpus, where several were trained and tested together; empty for one."""
        corpora = self.protocol["corpora"]
        if len(corpora) < 2:
            return ()
        return tuple(self._part(name, [other for other in corpora if other != name]) for name in corpora)

    def _part(self, corpus: str, others: list[str]) -> Result:
        table = self.table[self.table["corpus"] == corpus].reset_index(drop=True)
        description = f"{self.protocol['description']}, trained with {' and '.join(others)} too"
        return Result(table, self.labels, self.protocol | {"corpora": [corpus], "description": description})

    def summary(self) -> dict[str, Any]:
        """The scores and the protocol in brief, for a recogniser's card: JSON-able."""
        names = ("uar", "war", "macro_f1", "ece")
        return {
            "line": self.line(),
            "condition": self.condition,
            "split_sha256": self.protocol["split_sha256"],
            **{name: self.scores[name] for name in names},
        }

    def save(self, folder: str | Path) -> Path:
        """Write ``predictions.parquet``, ``result.json`` and three plots into ``folder``, which is returned."""
        from emotone import plots

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.table.to_parquet(folder / "predictions.parquet", index=False)
        document = {
            "labels": self.labels,
            "line": self.line(),
            "protocol": self.protocol,
            "scores": self.scores,
        }
        (folder / "result.json").write_text(
            json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8"
        )
        for name, drawn in self.plots().items():
            plots.save(drawn, folder / f"{name}.png")
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Result:
        """A saved result. Raises `ExperimentError` for a folder that isn't one."""
        pandas = require("pandas", extra="train")
        folder = Path(folder)
        try:
            document = json.loads((folder / "result.json").read_text("utf-8"))
            table = pandas.read_parquet(folder / "predictions.parquet")
            return cls(table, tuple(document["labels"]), document["protocol"])
        except (OSError, ValueError, KeyError) as error:
            raise ExperimentError(
                f"{folder} is not a run's folder: {error}. Make one with: emotone train ... -o {folder}"
            ) from error

    def plots(self) -> dict[str, Axes]:
        """``confusion``, ``reliability`` and, where speakers are known, ``speakers``; each with its condition."""
        from emotone import plots

        truth = self.table["truth"].to_numpy(dtype=object)
        drawn = {
            "confusion": plots.confusion(
                self.scores["confusion"], self.labels, title=_wrapped(self.line(), 10 * len(self.labels))
            ),
            "reliability": plots.reliability(
                metrics.reliability(truth, self.proba, self.labels), title=_wrapped(self.condition, 44)
            ),
        }
        speakers = self.table["speaker"]
        if speakers.notna().all():
            recalls = metrics.by_group("uar", truth, self.proba, speakers.to_numpy(dtype=object), self.labels)
            uar = self.scores["uar"]
            drawn["speakers"] = plots.per_speaker(
                recalls, genders=self._genders(), overall=(uar["value"], uar["low"], uar["high"]), metric="UAR"
            )
            # Above the figure: on top of the axes is the legend.
            drawn["speakers"].figure.suptitle(_wrapped(self.condition, 70), fontsize=11)
        return drawn

    def _genders(self) -> dict[str, str]:
        if "gender" not in self.table:
            return {}
        known = self.table.dropna(subset=["gender"]).drop_duplicates("speaker")
        return dict(zip(known["speaker"], known["gender"], strict=True))

    def _repr_html_(self) -> str:
        """For Jupyter: the headline, the scores, and the confusion matrix."""
        import base64

        from emotone import plots

        rows = "".join(
            f"<tr><td>{metrics.NAMES[name]}</td><td>{_range(self.scores[name])}</td></tr>"
            for name in ("uar", "war", "macro_f1", "ece")
        )
        picture = base64.b64encode(plots.png(self.plots()["confusion"], dpi=100)).decode()
        return (
            f"<p><strong>{html.escape(self.line())}</strong></p>"
            f"<table><tr><th>score</th><th>value [95 % interval over speakers]</th></tr>{rows}</table>"
            f'<img alt="confusion matrix" src="data:image/png;base64,{picture}">'
        )


def _wrapped(text: str, width: int) -> str:
    """``text`` in lines of at most ``width`` characters, so that a small picture doesn't cut off "speakers shared"."""
    parts = [text] if len(text) <= width else text.split(SEPARATOR)
    return "\n".join(line for part in parts for line in textwrap.wrap(part, width))


def _range(score: dict[str, Any]) -> str:
    ends = "" if score["low"] is None else f" [{score['low']:.3f}, {score['high']:.3f}]"
    return f"{score['value']:.3f}{ends}"
