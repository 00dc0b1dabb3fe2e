"""An experiment's data once its features are there; a model fitted to some rows of it, and what it says of others."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["KEPT", "Prepared", "adaptation_of", "conformal_of", "counted", "fit_model", "predictions"]

KEPT = ("gender", "age", "language", "text", "intensity", "agreement", "n_raters")
"""Columns of the table that stay beside the predictions where it has them, as do the raters' votes."""

SETS_LEVEL = 0.9
"""How often the sets of a recogniser's likely emotions hold the true one."""


@dataclass(frozen=True)
class Prepared:
    """An experiment's data: rows with an emotion of the label set (or with all targets), and their features."""

    table: pd.DataFrame
    labels: tuple[str, ...]
    """Empty where ``targets`` are predicted."""
    X: Any
    """Features, float32 ``(len(table), d)``, or as many signals: `emotone.features.waveform.Signals`."""
    notes: tuple[str, ...] = ()
    """What was merged, dropped or unreadable, one sentence each."""
    targets: tuple[str, ...] = ()
    """Columns of the table that are predicted as numbers, in place of emotions."""

    @property
    def y(self) -> NDArray[Any]:
        """What a model is to learn: emotion names ``(n,)``, or numbers ``(n, len(targets))``."""
        if self.targets:
            return self.table[list(self.targets)].to_numpy(dtype=np.float64)
        return self.table["emotion"].to_numpy(dtype=str)

    @property
    def scales(self) -> dict[str, tuple[float, float]]:
        """The lowest and the highest value of each target."""
        return {name: (float(self.table[name].min()), float(self.table[name].max())) for name in self.targets}

    @property
    def sha256(self) -> str:
        """Of the features or signals: 64 hex digits."""
        if not isinstance(self.X, np.ndarray):
            return str(self.X.sha256)
        return hashlib.sha256(np.ascontiguousarray(self.X).reshape(-1).data).hexdigest()


def fit_model(
    model: Any, data: Prepared, rows: NDArray[np.int64], *, steps: Callable[[int, int], None] | None = None
) -> Any:
    """Fit ``model`` to the ``rows`` of ``data``, giving it the speakers, corpora and votes if it takes them.

    ``steps`` is called with (steps done, steps in all) of each training by a model that learns step by step.

    On one BLAS thread: sums then come in one order on every machine, and on a busy one threads that wait for each other
    cost more than they bring. A model that learns from signals has all: it multiplies for hours.
    """
    from threadpoolctl import threadpool_limits

    limit = None if getattr(model, "wants", "features") == "signals" else 1
    with threadpool_limits(limits=limit):
        known = _known_of(model, data.table.iloc[rows])
        if steps is not None and "progress" in inspect.signature(model.fit).parameters:
            known["progress"] = steps
        whole = np.array_equal(rows, np.arange(len(data.table)))  # which may not fit into memory a second time
        return model.fit(data.X if whole else data.X[rows], data.y[rows], **known)


def _known_of(model: Any, table: pd.DataFrame) -> dict[str, Any]:
    """What ``model.fit`` takes beside signals or features and emotions, as far as the table has it."""
    taken = inspect.signature(model.fit).parameters
    known: dict[str, Any] = {}
    if "groups" in taken and table["speaker"].notna().all():
        known["groups"] = table["speaker"].to_numpy(dtype=str)
    if "corpora" in taken:
        known["corpora"] = table["corpus"].to_numpy(dtype=str)
    if "votes" in taken:
        shares = [str(name) for name in table if str(name).startswith("p_")]
        known["votes"] = {name.removeprefix("p_"): table[name].to_numpy(dtype=np.float64) for name in shares}
    return known


def predictions(data: Prepared, rows: NDArray[np.int64], model: Any) -> pd.DataFrame:
    """The test rows with their truth and what the model says."""
    table = data.table.iloc[rows].reset_index(drop=True)
    kept = [name for name in table if name in KEPT or str(name).startswith("p_")]
    part = table[["corpus", "file", "start", "end", "speaker", *kept]]
    if data.targets:
        predicted = np.asarray(model.predict(data.X[rows])).reshape(len(rows), -1)
        numbers = {f"truth_{target}": table[target] for target in data.targets}
        return part.assign(
            **numbers, **{f"predicted_{target}": predicted[:, i] for i, target in enumerate(data.targets)}
        )
    order = [list(model.classes_).index(label) for label in data.labels]
    proba = model.predict_proba(data.X[rows])[:, order]
    best = np.asarray(data.labels, dtype=object)[proba.argmax(axis=1)]
    scores = {f"proba_{label}": proba[:, i] for i, label in enumerate(data.labels)}
    return part.assign(truth=table["emotion"], predicted=best, **scores)


def adaptation_of(model: Any) -> dict[str, Any] | None:
    """``shrinkage`` and ``population`` of a fitted ``model`` that learned what to do with a voice it knows, or None."""
    from emotone.models.speakers import SHRINKAGE

    population = getattr(model, "population_", None)
    if population is None:
        return None
    return {"shrinkage": SHRINKAGE, "population": [float(f"{value:.7g}") for value in population]}


def conformal_of(model: Any, data: Prepared) -> dict[str, float] | None:
    """``level`` and ``threshold`` of sets that hold the true emotion of speakers nobody heard, from the rows of
    ``data`` that ``model``, fitted to all of them, held out while it was calibrated (`metrics.conformal_quantile`).

    None where no speakers were held out, or fewer than the nine from which on such sets leave any emotion out.
    """
    from emotone import metrics

    if not hasattr(model, "held_out_proba_") or getattr(model, "speakers_shared_", True):
        return None
    held = data.table.iloc[model.held_out_rows_]
    threshold = metrics.conformal_quantile(
        held["emotion"].to_numpy(dtype=object),
        model.held_out_proba_,
        [str(name) for name in model.classes_],
        level=SETS_LEVEL,
        groups=held["speaker"].to_numpy(dtype=object),
    )
    return {"level": SETS_LEVEL, "threshold": threshold} if threshold < 1 else None


def counted(progress: Callable[[int, int], None] | None, total: int) -> Callable[[int], None] | None:
    """From ``progress(done, total)`` to what counts steps, as `emotone.features.extract` wants it."""
    if progress is None:
        return None
    done = 0

    def step(n: int) -> None:
        nonlocal done
        done += n
        progress(done, total)

    return step
