"""Which protocols there are to climb, and how each is cut beside its control."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone import splits
from emotone.errors import ExperimentError, require
from emotone.experiment import Prepared
from emotone.labels import in_order
from emotone.ladder._folds import draw, random_folds, with_copies
from emotone.ladder._rungs import Plan, Skipped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emotone.experiment import Experiment
    from emotone.splits import Split

    Floats = NDArray[np.float32]

N_FOLDS = 6
"""Of everything, where the experiment doesn't say how its speakers are held out."""
N_DRAWS = 5
"""Of the control of unseen sentences."""


def planned(
    experiment: Experiment, data: Prepared, other: Prepared | None, noisy: Floats, *, more: bool
) -> tuple[list[Plan], list[Skipped]]:
    """The rungs that can be measured, most flattering first, and the others with their reasons."""
    rng = np.random.default_rng(experiment.seed)
    own = _own_folds(experiment, data)
    try:
        unseen: Split | ExperimentError = own or _six_groups(experiment, data)
    except ExperimentError as error:
        unseen = error
    sizes = _even(len(data.table), N_FOLDS)
    if isinstance(unseen, splits.Split):
        sizes = [len(test) for _, test in unseen.folds]
    rungs: dict[str, Callable[[], Plan]] = {
        "duplicated": lambda: _duplicated(data, sizes, rng),
        "augmented": lambda: _augmented(data, noisy, sizes, rng),
        "random": lambda: _random(data, sizes, rng),
        "sentence_out": lambda: _sentence_out(experiment, data, rng),
        "z_scored": lambda: _z_scored(data, _or_raise(unseen)),
        "scaled_on_all": lambda: _scaled_on_all(experiment, data, _or_raise(unseen)),
        "speaker_out": lambda: _speaker_out(data, _or_raise(unseen)),
        "corpus_out": lambda: _corpus_out(data, other, _or_raise(unseen), rng),
    }
    plans, skipped = [], []
    for name, make in rungs.items():
        if name in ("z_scored", "scaled_on_all") and not more:
            continue
        try:
            plans.append(make())
        except ExperimentError as error:
            skipped.append(Skipped(name=name, reason=str(error)))
    return plans, skipped


def _or_raise(unseen: Split | ExperimentError) -> Split:
    if isinstance(unseen, ExperimentError):
        raise unseen
    return unseen


def _own_folds(experiment: Experiment, data: Prepared) -> Split | None:
    """The folds that the experiment asks for, if they test every row once, on unseen speakers."""
    asked = experiment.protocol in ("loso", "official") or experiment.protocol_options
    if not asked or experiment.protocol not in ("speakers", "loso", "official"):
        return None
    own = experiment.split(data.table)
    tested = np.concatenate([test for _, test in own.folds])
    whole = np.array_equal(np.sort(tested), np.arange(len(data.table)))
    return own if whole and own.speakers == "unseen" else None


def _six_groups(experiment: Experiment, data: Prepared) -> Split:
    n_folds = max(2, min(N_FOLDS, int(data.table["speaker"].nunique())))
    return splits.speakers(data.table, n_folds=n_folds, seed=experiment.seed)


def _even(n_rows: int, n_folds: int) -> list[int]:
    n_folds = min(n_folds, n_rows)
    return [n_rows // n_folds + (i < n_rows % n_folds) for i in range(n_folds)]


def _y(data: Prepared) -> NDArray[np.object_]:
    names: NDArray[np.object_] = data.table["emotion"].to_numpy(dtype=object)
    return names


# --- speakers shared -------------------------------------------------------------------------------------------------


def _duplicated(data: Prepared, sizes: Sequence[int], rng: np.random.Generator) -> Plan:
    return _copied(
        data,
        data.X,
        sizes,
        rng,
        name="duplicated",
        title="every file twice, random clips",
        explanation="Each recording is there twice, as when a download unpacks twice; most test clips were trained on.",
        worth="identical copies",
    )


def _augmented(data: Prepared, noisy: Floats, sizes: Sequence[int], rng: np.random.Generator) -> Plan:
    kept = np.isfinite(noisy).all(axis=1)
    if not kept.all():
        table = data.table.iloc[np.flatnonzero(kept)].reset_index(drop=True)
        data, noisy = dataclasses.replace(data, table=table, X=data.X[kept]), noisy[kept]
        sizes = _even(len(table), len(sizes))
    return _copied(
        data,
        noisy,
        sizes,
        rng,
        name="augmented",
        title="noisy copies added, then random clips",
        explanation="Augmented before splitting: a test clip's other copy, with or without noise, was trained on.",
        worth="noisy copies",
    )


def _copied(
    data: Prepared,
    copies: Floats,
    sizes: Sequence[int],
    rng: np.random.Generator,
    *,
    name: str,
    title: str,
    explanation: str,
    worth: str,
) -> Plan:
    """All rows and their ``copies`` at random; beside it the same rows, copies kept with their parents."""
    pandas = require("pandas", extra="train")
    n, y = len(data.table), _y(data)
    both = dataclasses.replace(
        data, table=pandas.concat([data.table, data.table], ignore_index=True), X=np.concatenate([data.X, copies])
    )
    apart = random_folds(np.append(y, y), [2 * size for size in sizes], rng)
    together = with_copies(random_folds(y, sizes, rng), n)
    size = f"{len(sizes)} folds"
    control = Plan(
        name=f"{name}_control",
        title="copies kept beside their originals",
        explanation="The same clips and copies at random, an original and its copy always on one side.",
        data=both,
        split=splits.of_folds(both.table, "random, copies together", size, together),
    )
    split = splits.of_folds(both.table, f"random, {name}", size, apart)
    return Plan(name=name, title=title, explanation=explanation, data=both, split=split, control=control, worth=worth)


def _random(data: Prepared, sizes: Sequence[int], rng: np.random.Generator) -> Plan:
    return Plan(
        name="random",
        title="random clips",
        explanation="The usual random split: every test speaker was trained on, with other clips.",
        data=data,
        split=splits.of_folds(data.table, "random", f"{len(sizes)} folds", random_folds(_y(data), sizes, rng)),
        control="speaker_out",
        worth="known speakers",
    )


def _sentence_out(experiment: Experiment, data: Prepared, rng: np.random.Generator) -> Plan:
    split = splits.sentences(data.table, seed=experiment.seed)
    sizes = [len(test) for _, test in split.folds]
    several = f"one of {len(sizes)} groups of sentences" if len(sizes) > 2 else "one sentence of two"
    # Everybody says every sentence in every emotion, in acted corpora at least, so the control is balanced in speakers'
    # emotions too. It is drawn several times: single halves of RAVDESS differ by two points.
    strata = data.table["speaker"].fillna("").astype(str) + " " + data.table["emotion"]
    halves = [fold for _ in range(N_DRAWS) for fold in random_folds(strata, sizes, rng)]
    control = Plan(
        name="sentence_out_control",
        title="random clips, as many to train on",
        explanation=f"Random parts of the same sizes, speakers' emotions balanced, mean of {N_DRAWS} draws: sentences "
        "and speakers are known.",
        data=data,
        split=splits.of_folds(data.table, "random", f"{N_DRAWS} times {len(sizes)} folds", tuple(halves)),
    )
    return Plan(
        name="sentence_out",
        title="unseen sentences",
        explanation=f"Tested on {several}, trained on the rest; the voices are known, the words aren't.",
        data=data,
        split=split,
        control=control,
        worth="known sentences",
        leaks=False,
    )


# --- speakers unseen -------------------------------------------------------------------------------------------------


def _speaker_out(data: Prepared, unseen: Split) -> Plan:
    return Plan(
        name="speaker_out",
        title="unseen speakers",
        explanation="Nobody tested was trained on, and everything is fitted inside the training speakers.",
        data=data,
        split=unseen,
        control="random",
    )


def _z_scored(data: Prepared, unseen: Split) -> Plan:
    """Each speaker's features less their mean, over their standard deviation: of the test clips too."""
    X, who = data.X.astype(np.float64), data.table["speaker"].to_numpy(dtype=str)
    for name in np.unique(who):
        own = X[who == name]
        spread = own.std(axis=0)
        X[who == name] = (own - own.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return Plan(
        name="z_scored",
        title="unseen speakers, each z-scored",
        explanation="Transductive: a test speaker's features are scaled by all of their test clips, emotions and all.",
        data=dataclasses.replace(data, X=X.astype(np.float32)),
        split=unseen,
        control="speaker_out",
        worth="the test speaker's own statistics",
        flag="test data used",
    )


def _scaled_on_all(experiment: Experiment, data: Prepared, unseen: Split) -> Plan:
    """The model's scaler fitted to all rows beforehand, and taken out of the model."""
    from sklearn.base import clone

    pipeline: Any = getattr(experiment.make_model(), "estimator", None)
    if not hasattr(pipeline, "steps") or len(pipeline) < 2:
        raise ExperimentError(f"The model {experiment.model!r} has no scaler that could be fitted to everything.")
    X = clone(pipeline[0]).fit(data.X).transform(data.X)

    def make() -> Any:
        model = experiment.make_model()
        return model.set_params(estimator=model.estimator[1:])

    return Plan(
        name="scaled_on_all",
        title="unseen speakers, scaler fitted on all",
        explanation="The features are scaled once, before splitting, by statistics of test clips too.",
        data=dataclasses.replace(data, X=np.asarray(X)),
        split=unseen,
        control="speaker_out",
        worth="a scaler that saw the test",
        flag="test data used",
        make=make,
    )


def _corpus_out(data: Prepared, other: Prepared | None, unseen: Split, rng: np.random.Generator) -> Plan:
    """Trained on other corpora, with as many rows as the folds of unseen speakers have, and tested on those folds."""
    pandas = require("pandas", extra="train")
    home = sorted(set(data.table["corpus"]))
    abroad = [] if other is None else sorted(set(other.table["corpus"]))
    _check_corpora(home, abroad)
    table, X = data.table, data.X
    if other is not None:
        table, X = pandas.concat([table, other.table], ignore_index=True), np.concatenate([X, other.X])
    corpus, y = table["corpus"].to_numpy(dtype=str), table["emotion"].to_numpy(dtype=str)
    kin = {name: home if abroad else [name] for name in home}
    foreign = {name: abroad or [each for each in home if each != name] for name in home}
    labels = _shared_labels(corpus, y, foreign)
    usable = np.isin(y, labels)
    everything = np.arange(len(table))
    far, near = [], []
    for train, test in unseen.folds:
        for name in sorted(set(corpus[test])):
            tested = test[usable[test] & (corpus[test] == name)]
            own = train[usable[train] & np.isin(corpus[train], kin[name])]
            theirs = everything[usable & np.isin(corpus, foreign[name])]
            n = min(len(own), len(theirs))
            far.append((draw(theirs, y, n, rng), tested))
            near.append((draw(own, y, n, rng), tested))
    both = Prepared(table, labels, X)
    n_tested = sum(len(test) for _, test in far)
    coverage = f"{len(labels)} of {len(data.labels)} emotions, {n_tested:,} of {len(data.table):,} clips"
    sources = " and ".join(abroad) if abroad else "the other corpora"
    control = Plan(
        name="corpus_out_control",
        title="unseen speakers of the same corpus, as many to train on",
        explanation=f"The same test clips, trained on as many of {' and '.join(home)}: speakers unseen, corpus known.",
        data=both,
        split=splits.of_folds(table, "speaker_out", coverage, tuple(near)),
    )
    return Plan(
        name="corpus_out",
        title=f"unseen corpus, trained on {sources}",
        explanation=f"Other speakers, words, rooms and microphones; the emotions that both sides have: {coverage}.",
        data=both,
        split=splits.of_folds(table, "corpus_out", f"trained on {sources}, {coverage}", tuple(far)),
        control=control,
        worth="a known corpus",
        leaks=False,
    )


def _check_corpora(home: list[str], abroad: list[str]) -> None:
    both = sorted(set(home) & set(abroad))
    if both:
        raise ExperimentError(f"{both[0]} is tested on, so it can't be the unseen corpus to train on; give another.")
    if not abroad and len(home) < 2:
        raise ExperimentError(
            "There is no second corpus to train on; give one with --against NAME=FOLDER, or an experiment of several."
        )


def _shared_labels(corpus: Any, y: Any, foreign: dict[str, list[str]]) -> tuple[str, ...]:
    """The emotions of every tested corpus that those it is tested against have too."""
    has = [set(y[corpus == name]) & set(y[np.isin(corpus, others)]) for name, others in foreign.items()]
    labels = in_order(str(name) for name in set.intersection(*has))
    if len(labels) < 2:
        shared = f"only {labels[0]}" if labels else "no emotion"
        raise ExperimentError(f"The corpora share {shared}, so there is nothing to tell apart; give another corpus.")
    return labels
