"""Two runs compared, recording by recording.

Both runs answered the same recordings, so their difference is far surer than two intervals side by side make it
look: what is hard about a speaker is hard for both. `compare` pairs the rows by corpus, file and start, and gives
the difference with an interval over speakers, a signed-rank test over speakers, and where it comes from: which
emotions, which speakers, which recordings only one of them gets right.

Where the runs aren't alike it says in what, and compares what can be compared: the recordings both were tested on,
and the emotions both could answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone import metrics
from emotone.errors import ExperimentError
from emotone.labels import in_order

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from emotone.result import Result

__all__ = ["Change", "Comparison", "Differing", "compare", "compare_all", "holm", "in_words"]

KEY = ["corpus", "file", "start"]

METRICS = ("uar", "war", "macro_f1", "ece", "nll", "brier")
LOWER_IS_BETTER = ("ece", "nll", "brier")


@dataclass(frozen=True)
class Change:
    """A score of both runs and what the second adds to it: ``difference`` is ``b - a``, with its 95 % interval over
    speakers and two-sided p; None where there are too few speakers to tell."""

    a: float
    b: float
    difference: float
    low: float | None = None
    high: float | None = None
    p: float | None = None

    @property
    def told(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Differing:
    """Something the two runs don't have in common, in words."""

    what: str
    a: str
    b: str


@dataclass(frozen=True)
class Comparison:
    """Run ``b`` against run ``a``, on the recordings and emotions they share."""

    names: tuple[str, str]
    conditions: tuple[str, str]
    labels: tuple[str, ...]
    table: pd.DataFrame = field(repr=False)
    """One row per recording: ``corpus, file, start, end, speaker, truth, predicted_a, predicted_b``."""
    scores: Mapping[str, Change]
    """Each of `METRICS`."""
    per_class: Mapping[str, Change]
    """Recall of each emotion."""
    per_speaker: Mapping[str, Change]
    """UAR of each speaker, without intervals; empty where speakers aren't known."""
    heard: tuple[bool, bool]
    """Whether each run was tested on voices it had trained on."""
    wilcoxon: Mapping[str, Any] | None
    """Signed-rank test over the speakers' UAR: ``statistic, p, n``; None where it can't be made."""
    differs: tuple[Differing, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader must know before believing the difference, one sentence each."""
    p_holm: float | None = None
    """The p of UAR after Holm's correction, where several runs were compared with the first."""

    @property
    def n(self) -> int:
        """Recordings compared."""
        return len(self.table)

    @property
    def n_speakers(self) -> int | None:
        """Speakers among them; None where they aren't known."""
        return len(self.per_speaker) or None

    @cached_property
    def agreement(self) -> dict[str, int]:
        """How many recordings ``both``, ``only_a``, ``only_b`` and ``neither`` got right."""
        right_a, right_b = self._right()
        return {
            "both": int((right_a & right_b).sum()),
            "only_a": int((right_a & ~right_b).sum()),
            "only_b": int((~right_a & right_b).sum()),
            "neither": int((~right_a & ~right_b).sum()),
        }

    def only(self, which: str) -> pd.DataFrame:
        """The rows that only run ``"a"`` or only run ``"b"`` got right."""
        right_a, right_b = self._right()
        return self.table[right_a & ~right_b if which == "a" else right_b & ~right_a].reset_index(drop=True)

    def line(self, metric: str = "uar") -> str:
        """``B is better by 2.1 points UAR [0.4, 3.8], p = 0.02 over 24 speakers; Wilcoxon p = 0.03``."""
        change = self.scores[metric]
        size, unit = 100 * abs(change.difference), f"points {metrics.NAMES[metric]}"
        if f"{size:.1f}" == "0.0" and not change.told:
            verdict = f"{self.names[1]} and {self.names[0]} are alike: 0.0 {unit} apart"
        else:
            gain = (change.difference > 0) != (metric in LOWER_IS_BETTER)
            ahead, behind = self.names[::-1] if gain else self.names
            verdict = f"{ahead} is better than {behind} by {size:.1f} {unit}"
            if change.low is not None and not change.told:
                verdict = f"No difference can be told: {ahead} is ahead of {behind} by {size:.1f} {unit}"
        certainty = self._certainty(change, tests=metric == "uar")
        if self.heard[0] == self.heard[1]:
            return f"{verdict}{certainty}"
        leaky = self.names[self.heard.index(True)]
        verdict = verdict.replace("is better than", "scores higher than")
        return f"{verdict}{certainty}; but {leaky} was tested on voices it had trained on, so they can't be compared"

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data, for JSON; recordings that only one got right are listed with both answers."""
        return {
            "line": self.line(),
            "names": list(self.names),
            "conditions": list(self.conditions),
            "labels": list(self.labels),
            "n": self.n,
            "n_speakers": self.n_speakers,
            "scores": {name: asdict(change) for name, change in self.scores.items()},
            "wilcoxon": None if self.wilcoxon is None else dict(self.wilcoxon),
            "p_holm": self.p_holm,
            "per_class": {name: asdict(change) for name, change in self.per_class.items()},
            "per_speaker": {name: asdict(change) for name, change in self.per_speaker.items()},
            "agreement": self.agreement,
            "only_a": _listed(self.only("a")),
            "only_b": _listed(self.only("b")),
            "differs": [asdict(one) for one in self.differs],
            "notes": list(self.notes),
        }

    def _right(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        truth = self.table["truth"]
        return (self.table["predicted_a"] == truth).to_numpy(), (self.table["predicted_b"] == truth).to_numpy()

    def _certainty(self, change: Change, *, tests: bool) -> str:
        """The end of a sentence that says by how much the one ahead is ahead."""
        if change.low is None or change.high is None or change.p is None:
            return "; there are too few speakers to tell whether that would hold for others"
        towards = -100 if change.difference < 0 else 100
        low, high = sorted((towards * change.low, towards * change.high))
        among = f"{self.n_speakers} speakers" if self.n_speakers else f"{self.n} recordings"
        text = f" [{low:.1f}, {high:.1f}], {in_words(change.p)} over {among}"
        if tests and self.wilcoxon is not None:
            text += f"; Wilcoxon {in_words(self.wilcoxon['p'])}"
        if tests and self.p_holm is not None:
            text += f"; {in_words(self.p_holm)} after Holm's correction"
        return text


def in_words(p: float) -> str:
    """``p = 0.02``, ``p < 0.001``."""
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.01 else f"p = {p:.2f}"


def compare(a: Result, b: Result, *, names: tuple[str, str] = ("A", "B")) -> Comparison:
    """Run ``b`` against run ``a``; ``names`` is what sentences call them.

    Rows are paired by corpus, file and start (where no file name agrees, without the files' endings: the same
    recordings may be FLAC here and WAV there). A recording tested several times counts once, with its mean
    probabilities. With different label sets, both are judged on the recordings whose emotion both could answer,
    each by the likeliest of the shared emotions.

    Raises `ExperimentError` where nothing can be compared: no recording in common, fewer than two shared emotions,
    other true emotions for the same recordings, or a run that predicts numbers rather than emotions.
    """
    for name, result in zip(names, (a, b), strict=True):
        _check(result, name)
    labels = in_order(set(a.labels) & set(b.labels))
    if len(labels) < 2:
        raise ExperimentError(
            f"{names[0]} and {names[1]} can't be compared: of the emotions {', '.join(a.labels)} and "
            f"{', '.join(b.labels)} they share {labels[0] if labels else 'none'}, and a comparison needs two."
        )
    pairs, notes = _paired(a, b, names)
    notes = [*_warnings(a, b, names, labels), *notes]
    kept = pairs["truth"].isin(list(labels)).to_numpy()
    if not kept.any():
        raise ExperimentError(
            f"{names[0]} and {names[1]} can't be compared: none of the {len(pairs)} recordings in common has an "
            f"emotion that both could answer ({', '.join(labels)})."
        )
    if not kept.all():
        notes.append(f"{(~kept).sum()} recordings in common have another emotion than {', '.join(labels)}: left out.")
    pairs = pairs[kept].reset_index(drop=True)
    proba = (_shared(pairs, labels, "a"), _shared(pairs, labels, "b"))
    truth = pairs["truth"].to_numpy(dtype=object)
    speakers = pairs["speaker"].to_numpy(dtype=object) if pairs["speaker"].notna().all() else None
    if speakers is None:
        notes.append("Speakers aren't known: the interval takes every recording for independent and is too narrow.")
    groups = np.arange(len(pairs)) if speakers is None else speakers
    names_of = np.asarray(labels, dtype=object)
    columns = [*KEY, "end", "speaker", "truth"]
    table = pairs[columns].assign(
        predicted_a=names_of[proba[0].argmax(axis=1)], predicted_b=names_of[proba[1].argmax(axis=1)]
    )
    return Comparison(
        names=names,
        conditions=(a.condition, b.condition),
        labels=labels,
        table=table,
        scores={name: _change(name, truth, *proba, groups, labels) for name in METRICS},
        per_class={
            label: _change("war", truth[own], proba[0][own], proba[1][own], groups[own], labels)
            for label in labels
            if (own := truth == label).any()
        },
        per_speaker={} if speakers is None else _per_speaker(truth, *proba, speakers, labels),
        heard=_heard(a, b),
        wilcoxon=None if speakers is None else _signed_rank(truth, *proba, speakers, labels),
        differs=_differing(a, b),
        notes=tuple(notes),
    )


def compare_all(results: Sequence[Result], *, names: Sequence[str]) -> tuple[Comparison, ...]:
    """Each of the others against the first, with Holm's correction where there are several. Raises as `compare`."""
    first, *others = results
    found = [compare(first, other, names=(names[0], name)) for other, name in zip(others, names[1:], strict=True)]
    if len(found) < 2:
        return tuple(found)
    given = [one.scores["uar"].p for one in found]
    known = [p for p in given if p is not None]
    corrected = iter(holm(known))
    return tuple(
        one if p is None else replace(one, p_holm=next(corrected)) for one, p in zip(found, given, strict=True)
    )


def holm(p: Sequence[float]) -> list[float]:
    """Holm's (1979) step-down correction: the chance of any false alarm among all tests stays below the level."""
    order = np.argsort(np.asarray(p, dtype=np.float64), kind="stable")
    corrected = np.zeros(len(p))
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        corrected[i] = highest
    return [float(value) for value in corrected]


# --- pairing ---


def _check(result: Result, name: str) -> None:
    missing = [column for column in (*KEY, "truth", "speaker") if column not in result.table]
    if "truth" in missing:
        raise ExperimentError(
            f"{name} predicts numbers, not emotions: runs are compared by the emotions they name. "
            "Its own report has its correlations."
        )
    if missing:
        raise ExperimentError(f"{name} has no column {', '.join(missing)}, so its rows can't be paired; run it again.")
    if not len(result.table):
        raise ExperimentError(f"{name} has no predictions; run it again.")


def _paired(a: Result, b: Result, names: tuple[str, str]) -> tuple[pd.DataFrame, list[str]]:
    """The recordings of both, one row each: `KEY`, end, speaker, truth, ``a_<label>`` and ``b_<label>``."""
    notes = []
    one, two = _per_utterance(a, "a"), _per_utterance(b, "b")
    for name, result, table in zip(names, (a, b), (one, two), strict=True):
        if len(table) < len(result.table):
            notes.append(f"{name} tested its recordings several times: each counts once, with mean probabilities.")
    pairs = one.merge(two, on=KEY, suffixes=("", "_b"), validate="one_to_one")
    if pairs.empty:
        stems = [side.assign(stem=side["file"].str.replace(r"\.[^./]*$", "", regex=True)) for side in (one, two)]
        if not any(side.duplicated(["corpus", "stem", "start"]).any() for side in stems):
            pairs = stems[0].merge(stems[1], on=["corpus", "stem", "start"], suffixes=("", "_b"))
            notes.append("The files have other endings in the two runs: they were paired by their names without them.")
    if pairs.empty:
        raise ExperimentError(
            f"{names[0]} and {names[1]} can't be compared: they have no recording in common ({names[0]} was tested on "
            f"{_corpora(a)}, {names[1]} on {_corpora(b)}). Test both on the same corpus."
        )
    clash = pairs[pairs["truth"] != pairs["truth_b"]]
    if len(clash):
        row = clash.iloc[0]
        raise ExperimentError(
            f"{names[0]} and {names[1]} can't be compared: {len(clash)} of {len(pairs)} recordings in common have "
            f"different true emotions, such as {row['corpus']} {row['file']} ({row['truth']} and {row['truth_b']}). "
            "Run both with the same labels."
        )
    if len(pairs) < max(len(one), len(two)):
        notes.append(
            f"{len(pairs)} recordings were tested in both runs, of {len(one)} in {names[0]} and {len(two)} in "
            f"{names[1]}: only they are compared."
        )
    return pairs, notes


def _per_utterance(result: Result, side: str) -> pd.DataFrame:
    scores = {f"proba_{label}": f"{side}_{label}" for label in result.labels}
    table = result.table
    facts = table[[*KEY, "end", "speaker", "truth"]] if "end" in table else table.assign(end=np.nan)
    facts = facts[[*KEY, "end", "speaker", "truth"]].drop_duplicates(KEY)
    means = table.groupby(KEY, sort=False)[list(scores)].mean().rename(columns=scores).reset_index()
    return facts.merge(means, on=KEY, validate="one_to_one")


def _shared(pairs: pd.DataFrame, labels: tuple[str, ...], side: str) -> NDArray[np.float64]:
    """Probabilities of the shared labels, ``(n, len(labels))``, summing to one."""
    proba = pairs[[f"{side}_{label}" for label in labels]].to_numpy(dtype=np.float64)
    sums = proba.sum(axis=1, keepdims=True)
    return np.where(sums > 0, proba / np.where(sums > 0, sums, 1), 1 / len(labels))


# --- scores ---


def _change(
    metric: str, truth: Any, proba_a: Any, proba_b: Any, groups: NDArray[Any], labels: tuple[str, ...]
) -> Change:
    score = getattr(metrics, metric)
    a, b = (float(score(truth, proba, labels)) for proba in (proba_a, proba_b))
    if len(set(groups)) < 2:
        return Change(a, b, b - a)
    found = metrics.difference(metric, truth, proba_b, proba_a, groups, labels)
    return Change(a, b, b - a, found.low, found.high, found.p)


def _per_speaker(truth: Any, proba_a: Any, proba_b: Any, speakers: Any, labels: tuple[str, ...]) -> dict[str, Change]:
    each = [metrics.by_group("uar", truth, proba, speakers, labels) for proba in (proba_a, proba_b)]
    return {str(who): Change(a, each[1][who], each[1][who] - a) for who, a in each[0].items()}


def _signed_rank(
    truth: Any, proba_a: Any, proba_b: Any, speakers: Any, labels: tuple[str, ...]
) -> dict[str, Any] | None:
    if len(set(speakers)) < 2:
        return None
    found = metrics.signed_rank("uar", truth, proba_b, proba_a, speakers, labels)
    return {"statistic": found.statistic, "p": found.p, "n": found.n}


# --- what differs ---


def _warnings(a: Result, b: Result, names: tuple[str, str], labels: tuple[str, ...]) -> list[str]:
    found = []
    heard = _heard(a, b)
    if heard[0] != heard[1]:
        leaky, clean = names if heard[0] else names[::-1]
        found.append(
            f"{leaky} was tested on voices it had trained on and {clean} wasn't: the difference is at least partly "
            "that, and says nothing about which is better."
        )
    elif all(heard):
        found.append("Both runs were tested on voices they had trained on: neither score holds for new speakers.")
    if set(a.labels) != set(b.labels):
        found.append(
            f"{names[0]} chose among {len(a.labels)} emotions and {names[1]} among {len(b.labels)}: both are judged on "
            f"the {len(labels)} they share ({', '.join(labels)}), each by the likeliest of those."
        )
    if set(a.protocol.get("corpora", ())) != set(b.protocol.get("corpora", ())):
        found.append(f"{names[0]} was trained and tested on {_corpora(a)}, {names[1]} on {_corpora(b)}.")
    elif a.protocol.get("split_sha256") != b.protocol.get("split_sha256"):
        found.append(
            "The folds differ: the same recordings are compared, but each model learnt from other ones, which alone "
            "moves a score by some points."
        )
    return found


def _heard(a: Result, b: Result) -> tuple[bool, bool]:
    return a.protocol.get("speakers") == "shared", b.protocol.get("speakers") == "shared"


def _corpora(result: Result) -> str:
    return " and ".join(result.protocol.get("corpora", ())) or "an unnamed corpus"


def _differing(a: Result, b: Result) -> tuple[Differing, ...]:
    facts = [_facts(result.protocol) for result in (a, b)]
    return tuple(
        Differing(what, facts[0][what], facts[1][what]) for what in facts[0] if facts[0][what] != facts[1][what]
    )


def _facts(protocol: Mapping[str, Any]) -> dict[str, str]:
    label_set = protocol.get("label_set", "")
    return {
        "corpora": ", ".join(protocol.get("corpora", ())),
        "emotions": label_set if isinstance(label_set, str) else ", ".join(label_set),
        "features": _described(protocol.get("frontend")),
        "model": _described(protocol.get("model")),
        "protocol": str(protocol.get("description", "")),
        "folds": str(protocol.get("split_sha256", ""))[:12],
        "features' values": str(protocol.get("data_sha256", ""))[:12],
        "seed": str(protocol.get("seed", "")),
        "versions": ", ".join(f"{name} {version}" for name, version in (protocol.get("versions") or {}).items()),
    }


def _described(part: Mapping[str, Any] | None) -> str:
    options = ", ".join(f"{key} {value}" for key, value in (part or {}).items() if key != "name")
    name = str((part or {}).get("name", "not recorded"))
    return f"{name} ({options})" if options else name


def _listed(table: pd.DataFrame) -> list[dict[str, Any]]:
    columns = ["corpus", "file", "start", "speaker", "truth", "predicted_a", "predicted_b"]
    rows = table[columns].astype(object)
    return [
        {str(key): value for key, value in row.items()} for row in rows.where(rows.notna(), None).to_dict("records")
    ]
