"""The honesty ladder: one model under every protocol that papers use, from the most flattering to the most honest.

A score says as much about its protocol as about its model. The ladder trains one model, with the same features and
settings, under protocols that leak more or less, and puts each beside a control that differs in the leak alone: it
trains on as many rows and is tested on the same ones. So what a sin is worth is measured, and nothing that training
size does is blamed on it: holding one of two sentences out halves the training set, and most of the drop is that.

>>> from emotone import Experiment
>>> from emotone.ladder import climb
>>> ladder = climb(Experiment(corpora={"ravdess": "data/ravdess"}))     # doctest: +SKIP
>>> ladder.save("runs/ladder")                                          # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotone.errors import ConfigError, ExperimentError
from emotone.labels import in_order
from emotone.ladder._rungs import Control, Rung, Skipped, Worth

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emotone.experiment import Experiment, Prepared

__all__ = ["Control", "Ladder", "Rung", "Skipped", "Worth", "climb", "noisy_features"]

Progress = Callable[[int, int], None]
SNR_DB = 20.0
"""How far under the voice the noise of the augmented copies lies."""


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """The rungs, most flattering first, and what couldn't be measured."""

    corpora: tuple[str, ...]
    label_set: str
    """As it was asked for: ``eight``, or names joined by ``/``."""
    labels: tuple[str, ...]
    frontend: str
    model: str
    chance: float
    """The UAR of guessing among ``labels``."""
    rungs: tuple[Rung, ...]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Rung:
        """The rung of that name. Raises `KeyError` for another."""
        return {rung.name: rung for rung in self.rungs}[name]

    @property
    def subject(self) -> str:
        """What was trained: ``ravdess eight · librosa180 · svm``."""
        return f"{'+'.join(self.corpora)} {self.label_set} · {self.frontend} · {self.model}"

    @property
    def line(self) -> str:
        """The ladder in one line; no flattering number goes without its flag."""
        told = [f"{rung.value:.2f}{_interval(rung)} {rung.title}{_flag(rung)}" for rung in self.rungs]
        return f"{self.subject} · UAR {', '.join(told)}"

    def as_dict(self) -> dict[str, Any]:
        """As plain data, ready for JSON; ``flagged`` says that a rung's number isn't one of unseen speakers."""
        return {
            "line": self.line,
            "corpora": list(self.corpora),
            "label_set": self.label_set,
            "labels": list(self.labels),
            "frontend": self.frontend,
            "model": self.model,
            "chance": self.chance,
            "rungs": [asdict(rung) | {"flagged": rung.flagged} for rung in self.rungs],
            "skipped": [asdict(one) for one in self.skipped],
            "notes": list(self.notes),
        }

    def save(self, folder: str | Path) -> Path:
        """Write ``ladder.json`` and ``ladder.png`` into ``folder``, which is returned."""
        from emotone import plots

        target = Path(folder)
        try:
            target.mkdir(parents=True, exist_ok=True)
            text = json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)
            (target / "ladder.json").write_text(text + "\n", "utf-8")
        except OSError as error:
            raise ExperimentError(f"The ladder can't be written to {target}: {error.strerror or error}.") from error
        plots.save(plots.ladder(self.as_dict()), target / "ladder.png", dpi=200)
        return target

    def __str__(self) -> str:
        return self.line


def climb(
    experiment: Experiment,
    prepared: Prepared | None = None,
    *,
    other: Prepared | None = None,
    noisy: NDArray[np.float32] | None = None,
    more: bool = False,
    progress: Progress | None = None,
    **extraction: Any,
) -> Ladder:
    """Train the model of ``experiment`` under each protocol and its control.

    Unseen speakers are tested in six groups, or as the experiment says if it says so (``loso``, ``official``,
    ``speakers`` with options); all other rungs have folds of the same sizes. ``prepared`` and ``noisy``
    (`noisy_features`) save preparing again; ``extraction`` goes to `Experiment.prepare`. ``other`` holds the corpora
    to train on for the rung of an unseen corpus; without it, an experiment of several corpora leaves out one at a
    time. ``more`` adds two rungs that use test data: a scaler fitted to everything, and z-scores per speaker.
    ``progress`` is called with (trainings done, trainings in all).

    What can't be measured (no second corpus, no sentences, one speaker) is in `Ladder.skipped`, with the reason.
    Raises `ConfigError` for an experiment that predicts numbers or learns from signals, and whatever
    `Experiment.prepare` raises.
    """
    if experiment.targets:
        raise ConfigError(
            f"The ladder compares scores of emotions, but this experiment predicts {' and '.join(experiment.targets)}; "
            "leave out its targets."
        )
    if getattr(experiment.make_model(), "wants", "features") == "signals":
        raise ConfigError(
            f"The ladder trains dozens of times, on features; the model {experiment.model!r} learns from signals. Take "
            "one that learns from features, such as svm."
        )
    from emotone.ladder._plans import planned
    from emotone.ladder._rungs import measured

    data = prepared or experiment.prepare(**extraction)
    noise = noisy if noisy is not None else noisy_features(experiment, data, **extraction)
    plans, skipped = planned(experiment, data, other, noise, more=more)
    labels = in_order(data.table["emotion"])
    return Ladder(
        corpora=tuple(experiment.corpora),
        label_set=experiment.labels if isinstance(experiment.labels, str) else "/".join(experiment.labels),
        labels=labels,
        frontend=experiment.frontend,
        model=experiment.model,
        chance=1 / len(labels),
        rungs=measured(plans, experiment.make_model, progress),
        skipped=tuple(skipped),
        notes=(*data.notes, *(note for plan in plans if plan.name == "speaker_out" for note in plan.split.notes)),
    )


def noisy_features(
    experiment: Experiment, prepared: Prepared, *, progress: Progress | None = None, **extraction: Any
) -> NDArray[np.float32]:
    """The features of the same rows with white noise on each recording, 20 dB under the voice; NaN where that failed.

    Nothing is written to disk but the cache of features. ``extraction`` (``jobs``, ``cache``) and ``progress`` are
    those of `Experiment.prepare`.
    """
    from emotone import corpora, features
    from emotone.experiment import corpus_root
    from emotone.ladder._noise import Noisy
    from emotone.prepared import counted

    roots = {name: corpora.audio_root(name, corpus_root(name, root)) for name, root in experiment.corpora.items()}
    frontend = Noisy(features.describe(experiment.make_frontend()), snr_db=SNR_DB, seed=experiment.seed)
    step = counted(progress, len(prepared.table))
    X: NDArray[np.float32] = features.extract(prepared.table, frontend, roots, progress=step, **extraction).X
    return X


def _interval(rung: Rung) -> str:
    return "" if rung.low is None or rung.high is None else f" [{rung.low:.2f}, {rung.high:.2f}]"


def _flag(rung: Rung) -> str:
    return f" ({rung.flag})" if rung.flag else ""
