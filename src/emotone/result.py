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
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["RegressionResult", "Result"]

SEPARATOR = " · "


@dataclass(frozen=True, repr=False)
class Result:
    """The predictions of an experiment, one row per tested utterance and fold, and its protocol."""

    table: pd.DataFrame
    """``corpus, file, start, end, speaker, truth, predicted, fold`` and ``proba_<label>`` for each label, with what
    the corpus tells of its utterances: gender, age, language, text, intensity, agreement, raters' votes."""
    labels: tuple[str, ...]
    protocol: dict[str, Any]
    """Corpora, front-end, model, folds, what they share, seed, versions, hashes; see `Experiment`."""
    split: dict[str, Any] | None = None
    """Which utterances each fold trained and tested on (`emotone.splits.document`); None where that wasn't kept."""
    training: list[list[list[dict[str, float]]]] | None = None
    """How networks learnt: for each fold its trainings, for each training a record an epoch with the ``epoch``, the
    ``loss`` and, of speakers held out, the ``uar`` and ``nll``. None for models that learn in one go."""

    @classmethod
    def of(
        cls,
        parts: Sequence[pd.DataFrame],
        labels: tuple[str, ...],
        protocol: dict[str, Any],
        split: dict[str, Any] | None = None,
        training: list[list[list[dict[str, float]]]] | None = None,
    ) -> Result:
        """From the predictions of each fold."""
        pandas = require("pandas", extra="train")
        return cls(pandas.concat(parts, ignore_index=True), labels, protocol, split, training)

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

    @cached_property
    def soft_scores(self) -> dict[str, Any] | None:
        """`emotone.metrics.soft_scores` against the raters' votes, over the rows that have them; None without votes.

        Where the table also says how many voted (``n_raters``) and the shares fit, ``human_ceiling`` has the same
        scores of one rater against the others, and ``human_panel`` those of the others against one:
        `emotone.metrics.human_ceiling`.
        """
        votes = [f"p_{label}" for label in self.labels]
        if not votes or not set(votes) <= set(self.table.columns):
            return None
        chosen = self.table[votes].fillna(0.0).sum(axis=1) > 0  # some raters may all have chosen other labels
        rows = self.table[chosen]
        if rows.empty:
            return None
        speakers = rows["speaker"]
        groups = speakers.to_numpy(dtype=object) if speakers.notna().all() else None
        shares = rows[votes].to_numpy(dtype=np.float64)
        proba = self.proba[chosen.to_numpy()]
        found = metrics.soft_scores(shares, proba, self.labels, groups, renormalise=True)
        counts = shares * _numbers(rows, "n_raters")[:, np.newaxis]
        whole = (np.abs(counts - np.rint(counts)) < 0.01).all()  # never of NaN
        if whole and counts.sum(axis=1).max() > 1.5:
            ceiling = metrics.human_ceiling(np.rint(counts), self.labels, groups)
            found |= {"human_ceiling": ceiling["rater"], "human_panel": ceiling["panel"]}
        return found

    def soft_line(self) -> str:
        """``agreement with a rater 0.47 [0.45, 0.49], of raters with each other 0.53 · crema_d six · ...``; empty
        without votes."""
        if not self.soft_scores:
            return ""
        text = _with_interval("agreement with a rater", self.soft_scores["agreement"])
        if "human_ceiling" in self.soft_scores:
            text += f", of raters with each other {self.soft_scores['human_ceiling']['agreement']['value']:.2f}"
        return f"{text}{SEPARATOR}{self.condition}"

    @property
    def targets(self) -> tuple[str, ...]:
        """What was predicted as numbers; empty where it was emotions."""
        return tuple(self.protocol.get("targets", ()))

    @property
    def condition(self) -> str:
        """What stands beside every score: ``ravdess eight · official, 6 folds, speakers unseen``."""
        asked = self.targets or self.protocol["label_set"]
        named = asked if isinstance(asked, str) else "/".join(asked)
        return f"{'+'.join(self.protocol['corpora'])} {named}{SEPARATOR}{self._description}"

    @property
    def _description(self) -> str:
        """The protocol's, which can't be had without a word about the speakers, whoever wrote it."""
        description, state = self.protocol["description"], self.protocol.get("speakers", "")
        return description if f"speakers {state}" in description else f"{description}, speakers {state or 'unknown'}"

    def line(self, metric: str = "uar", *, over_folds: bool = False) -> str:
        """``UAR 0.59 [0.55, 0.63] · ravdess eight · official, 6 folds, speakers unseen``.

        ``over_folds`` gives mean ± standard deviation of the folds in place of the interval.
        """
        if metric not in metrics.NAMES:
            raise unknown("metric", metric, metrics.NAMES)
        score = self.scores[metric]
        text = _over_folds(metrics.NAMES[metric], score) if over_folds else _with_interval(metric, score)
        return f"{text}{SEPARATOR}{self.condition}"

    def lines(self) -> tuple[str, ...]:
        """What `emotone train` prints: a line for each score, the last against raters' votes where there are any.

        Where utterances were tested more than once, their mean over folds; the interval would count them repeatedly.
        """
        repeated = self._repeated
        lines = [self.line(metric, over_folds=repeated) for metric in ("uar", "war", "macro_f1", "ece")]
        if not repeated:
            lines += [self.line("uar", over_folds=True), self.soft_line()]
        return tuple(filter(None, lines))

    @property
    def _repeated(self) -> bool:
        return bool(self.table.duplicated(["corpus", "file", "start"]).any())

    def __str__(self) -> str:
        return self.line()

    def __repr__(self) -> str:
        return f"<Result {self.line()}>"

    def by_corpus(self) -> tuple[Result, ...]:
        """The part of each tested corpus, where there are several, or where it trained with others; empty for one."""
        corpora = self.protocol["corpora"]
        tested = set(self.table["corpus"])
        name = self.protocol.get("protocol", {}).get("name")
        if len(corpora) < 2 or (name == "across" and len(tested) < 2):
            return ()
        return tuple(self._part(name, corpora) for name in corpora if name in tested)

    def _part(self, corpus: str, corpora: Sequence[str]) -> Result:
        table = self.table[self.table["corpus"] == corpus].reset_index(drop=True)
        others = " and ".join(other for other in corpora if other != corpus)
        how = {"corpora": f", trained on {others}", "across": f", {corpus} alone"}
        said = how.get(self.protocol.get("protocol", {}).get("name"), f", trained with {others} too")
        told = {"corpora": [corpus], "description": f"{self._description}{said}"}
        return type(self)(table, self.labels, self.protocol | told)

    def summary(self) -> dict[str, Any]:
        """The scores and the protocol in brief, for a recogniser's card: JSON-able."""
        names = ("uar", "war", "macro_f1", "ece")
        return {
            "line": self.line(),
            "condition": self.condition,
            "split_sha256": self.protocol["split_sha256"],
            **{name: self.scores[name] for name in names},
        }

    def as_dict(self) -> dict[str, Any]:
        """All but the predictions, ready for JSON; ``soft`` where there are raters' votes."""
        soft = {"soft": self.soft_scores} if self.soft_scores else {}
        return {
            "labels": list(self.labels),
            "line": self.line(),
            "protocol": self.protocol,
            "scores": self.scores,
        } | soft

    def save(self, folder: str | Path) -> Path:
        """Write ``predictions.parquet``, ``result.json``, the `plots`, and of networks ``training.json`` into
        ``folder``, which is returned."""
        from emotone import plots, splits

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.table.to_parquet(folder / "predictions.parquet", index=False)
        (folder / "result.json").write_text(
            json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8"
        )
        if self.split is not None:
            splits.write(self.split, folder / "split.json")
        for name in ("training.json", "training.png"):  # an earlier run's may be there
            (folder / name).unlink(missing_ok=True)
        if self.training is not None:
            (folder / "training.json").write_text(json.dumps({"folds": self.training}, allow_nan=False) + "\n", "utf-8")
        for name, drawn in self.plots().items():
            plots.save(drawn, folder / f"{name}.png")
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Result:
        """A saved result, a `RegressionResult` if it is of targets. Raises `ExperimentError` for another folder."""
        from emotone import splits

        pandas = require("pandas", extra="train")
        folder = Path(folder)
        try:
            document = json.loads((folder / "result.json").read_text("utf-8"))
            table = pandas.read_parquet(folder / "predictions.parquet")
            kind = RegressionResult if document["protocol"].get("targets") else Result
            split = splits.read(folder) if (folder / "split.json").is_file() else None
            training = _trainings(folder / "training.json")
            return kind(table, tuple(document["labels"]), document["protocol"], split, training)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ExperimentError(
                f"{folder} is not a run's folder: {error}. Make one with: emotone train ... -o {folder}"
            ) from error

    def plots(self) -> dict[str, Axes | Figure]:
        """``confusion``, ``reliability``, where speakers are known ``speakers``, and of networks ``training``; each
        with its condition."""
        from emotone import plots

        truth = self.table["truth"].to_numpy(dtype=object)
        drawn: dict[str, Axes | Figure] = {
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
            drawn["speakers"] = ax = plots.per_speaker(
                recalls, genders=self._genders(), overall=(uar["value"], uar["low"], uar["high"]), metric="UAR"
            )
            # Above the figure: on top of the axes is the legend.
            ax.figure.suptitle(_wrapped(self.condition, 70), fontsize=11)
        if self.training:
            drawn["training"] = plots.training(self.training, title=_wrapped(self.condition, 44))
        return drawn

    def _genders(self) -> dict[str, str]:
        if "gender" not in self.table:
            return {}
        known = self.table.dropna(subset=["gender"]).drop_duplicates("speaker")
        return dict(zip(known["speaker"], known["gender"], strict=True))

    def _repr_html_(self) -> str:
        """For Jupyter: the headline, the scores, and a picture."""
        import base64

        from emotone import plots

        rows = "".join(f"<tr><td>{html.escape(name)}</td><td>{_range(score)}</td></tr>" for name, score in self._rows())
        name, drawn = next(iter(self.plots().items()))
        shown = {"confusion": "confusion matrix"}.get(name, name)
        picture = base64.b64encode(plots.png(drawn, dpi=100)).decode()
        return (
            f"<p><strong>{html.escape(self.line())}</strong></p>"
            f"<table><tr><th>score</th><th>value [95 % interval over speakers]</th></tr>{rows}</table>"
            f'<img alt="{html.escape(shown)}" src="data:image/png;base64,{picture}">'
        )

    def _rows(self) -> list[tuple[str, dict[str, Any]]]:
        return [(metrics.NAMES[name], self.scores[name]) for name in ("uar", "war", "macro_f1", "ece")]


@dataclass(frozen=True, repr=False)
class RegressionResult(Result):
    """A `Result` whose predictions are numbers: arousal, valence, dominance or other targets.

    Its table has ``truth_<target>`` and ``predicted_<target>`` in place of emotions and probabilities, and `labels` is
    empty. The score beside which all others stand is the concordance (CCC), for each target and as their mean.
    """

    @property
    def proba(self) -> NDArray[np.float64]:
        """``(n, 0)``: numbers have no probabilities."""
        return np.empty((len(self.table), 0))

    def column(self, kind: str) -> NDArray[np.float64]:
        """The ``truth`` or what was ``predicted``, ``(n, len(targets))``."""
        return self.table[[f"{kind}_{target}" for target in self.targets]].to_numpy(dtype=np.float64)

    @cached_property
    def scores(self) -> dict[str, Any]:
        """All scores with intervals over speakers: `emotone.metrics.evaluate_regression`."""
        speakers = self.table["speaker"]
        return metrics.evaluate_regression(
            self.column("truth"),
            self.column("predicted"),
            self.targets,
            speakers.to_numpy(dtype=object) if speakers.notna().all() else None,
            folds=self.table["fold"].to_numpy(),
        )

    def line(self, metric: str = "ccc", *, over_folds: bool = False, target: str | None = None) -> str:
        """``CCC 0.55 [0.48, 0.61] arousal · table arousal · speakers, 5 folds, speakers unseen``.

        Without a ``target`` it is of the only one, or of their mean. ``over_folds`` as in `Result.line`.
        """
        if metric not in metrics.REGRESSION_NAMES:
            raise unknown("metric", metric, metrics.REGRESSION_NAMES)
        if target is not None and target not in self.targets:
            raise unknown("target", target, self.targets)
        mean = target is None and len(self.targets) > 1
        score = self.scores[metric] if mean else self.scores["per_target"][target or self.targets[0]][metric]
        name = metrics.REGRESSION_NAMES[metric]
        text = _over_folds(name, score) if over_folds else _with_interval(name, score)
        of = f"mean of {' and '.join(self.targets)}" if mean else target or self.targets[0]
        return f"{text} {of}{SEPARATOR}{self.condition}"

    def lines(self) -> tuple[str, ...]:
        """What `emotone train` prints: CCC and RMSE of each target, and the mean CCC of several."""
        repeated = self._repeated
        lines = [
            self.line(metric, over_folds=repeated, target=target)
            for metric in ("ccc", "rmse")
            for target in (*self.targets, *[None] * (metric == "ccc" and len(self.targets) > 1))
        ]
        return tuple(lines if repeated else [*lines, self.line(over_folds=True)])

    def summary(self) -> dict[str, Any]:
        """The scores and the protocol in brief, for a recogniser's card: JSON-able."""
        return {
            "line": self.line(),
            "condition": self.condition,
            "split_sha256": self.protocol["split_sha256"],
            "ccc": self.scores["ccc"],
            "per_target": self.scores["per_target"],
        }

    def plots(self) -> dict[str, Axes | Figure]:
        """For each target its name with predictions over truth and, where speakers are known, ``<target>_speakers``
        with the CCC of each; all with their condition."""
        from emotone import plots

        drawn: dict[str, Axes | Figure] = {}
        for i, target in enumerate(self.targets):
            truth, predicted = self.column("truth")[:, i], self.column("predicted")[:, i]
            drawn[target] = plots.agreement(truth, predicted, what=target, title=_wrapped(self.line(target=target), 60))
            ccc = self.scores["per_target"][target]["ccc"]
            of_speakers = self._ccc_of_speakers(truth, predicted)
            if of_speakers:
                ax = plots.per_speaker(
                    of_speakers,
                    genders=self._genders(),
                    overall=(ccc["value"], ccc["low"], ccc["high"]),
                    metric=f"CCC in {target}",
                )
                ax.figure.suptitle(_wrapped(self.condition, 70), fontsize=11)
                drawn[f"{target}_speakers"] = ax
        return drawn

    def _ccc_of_speakers(self, truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> dict[str, float]:
        """Of speakers with an utterance alone nothing can be said, so they aren't there."""
        speakers = self.table["speaker"]
        if not speakers.notna().all():
            return {}
        found = metrics.by_group("ccc", truth, predicted, speakers.to_numpy(dtype=object))
        return {str(name): value for name, value in found.items() if np.isfinite(value)}

    def _rows(self) -> list[tuple[str, dict[str, Any]]]:
        return [
            (f"{metrics.REGRESSION_NAMES[metric]} {target}", self.scores["per_target"][target][metric])
            for target in self.targets
            for metric in ("ccc", "pearson", "rmse", "mae")
        ]


def _trainings(path: Path) -> list[list[list[dict[str, float]]]] | None:
    """What `Result.training` was; None without the file."""
    if not path.is_file():
        return None
    folds: list[list[list[dict[str, float]]]] = json.loads(path.read_text("utf-8"))["folds"]
    if not all({"epoch", "loss"} <= set(record) for fold in folds for each in fold for record in each):
        raise ValueError(f"{path.name} has epochs without a loss")
    return folds


def _numbers(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """A column of numbers; NaN where the table doesn't have it."""
    if column not in table:
        return np.full(len(table), np.nan)
    return table[column].to_numpy(dtype=np.float64, na_value=np.nan)


def _with_interval(name: str, score: dict[str, Any]) -> str:
    if score["value"] is None:
        return f"{name} undefined"
    return metrics.format_score(name, score["value"], score["low"], score["high"])


def _over_folds(name: str, score: dict[str, Any]) -> str:
    if score["fold_mean"] is None:
        return f"{name} undefined over folds"
    spread = "" if score["fold_sd"] is None else f" ± {score['fold_sd']:.3f}"
    return f"{name} {score['fold_mean']:.3f}{spread} over folds"


def _wrapped(text: str, width: int) -> str:
    """``text`` in lines of at most ``width`` characters, so that a small picture doesn't cut off "speakers shared"."""
    parts = [text] if len(text) <= width else text.split(SEPARATOR)
    return "\n".join(line for part in parts for line in textwrap.wrap(part, width))


def _range(score: dict[str, Any]) -> str:
    if score["value"] is None:
        return "undefined"
    ends = "" if score["low"] is None else f" [{score['low']:.3f}, {score['high']:.3f}]"
    return f"{score['value']:.3f}{ends}"
