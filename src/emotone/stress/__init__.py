"""Stress tests: what noise, rooms, telephones, codecs and clumsy cuts do to a recogniser, and whom it serves worse.

>>> from emotone import corpora, recogniser, stress
>>> found = stress.stress(                                             # doctest: +SKIP
...     recogniser.load(), corpora.load("nemo", "data/nemo"), {"nemo": "data/nemo"}, limit=200
... )
>>> print(found.line)                                                  # doctest: +SKIP

A score on a corpus the recogniser was trained on is one on voices it has heard, and flatters (`Stress.heard`). How far
it falls under a condition still means something there. A recogniser that a run leaves behind has learnt from all of the
run's speakers, so test it on another corpus: the models of the run's folds, which hadn't heard their test speakers,
aren't kept, and nothing is trained again here.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone.errors import ConfigError, ExperimentError
from emotone.labels import in_order
from emotone.stress.checks import Check, check_all, impossible
from emotone.stress.conditions import DEFAULT, FAMILIES, Condition, choose
from emotone.stress.groups import GroupScore, of_groups
from emotone.stress.listening import Answers, Clip, listen
from emotone.stress.scores import ConditionScore, Heard, Score, of_conditions, score

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from emotone.recogniser import Recogniser

__all__ = [
    "DEFAULT",
    "FAMILIES",
    "LIMIT",
    "Check",
    "Condition",
    "ConditionScore",
    "GroupScore",
    "Score",
    "Stress",
    "choose",
    "stress",
]

LIMIT = 200
"""Recordings heard under every condition, unless more or fewer are asked for."""
CLEAN_FACTOR = 10
"""For one recording heard under every condition, so many are heard clean, for the groups: that costs little more."""


@dataclass(frozen=True)
class Stress:
    """What a stress test found."""

    recogniser: str
    corpora: tuple[str, ...]
    heard: bool | None
    """Whether the recogniser was trained on these corpora or speakers; None where it doesn't say on what."""
    labels: tuple[str, ...]
    """The emotions of the recordings; the recogniser may have more to answer."""
    n: int
    """Recordings heard under every condition, to which ``clean`` refers too."""
    n_speakers: int | None
    clean: Score
    conditions: tuple[ConditionScore, ...]
    n_fairness: int
    """Recordings heard clean, which the groups and the tests of correctness and fairness are about."""
    fairness: Score
    groups: tuple[GroupScore, ...]
    tests: tuple[Check, ...]
    skipped: tuple[tuple[str, str], ...]
    """Tests that couldn't be run, with the reasons."""
    failures: tuple[tuple[str, str], ...]
    """Recordings that couldn't be used, with the reasons."""
    notes: tuple[str, ...]
    seed: int

    @cached_property
    def line(self) -> str:
        """``UAR 0.41 [0.35, 0.48] clean, 0.36 in the middle of 52 conditions, 0.18 with babble, 0 dB · ...``"""
        from emotone.metrics import format_score

        middle = statistics.median(condition.value for condition in self.conditions)
        worst = min(self.conditions, key=lambda condition: condition.value)
        number = f"{len(self.conditions)} condition{'s' * (len(self.conditions) > 1)}"
        return (
            f"{format_score('uar', *self.clean)} clean, {middle:.2f} in the middle of {number}, "
            f"{worst.value:.2f} with {worst.title} · {'+'.join(self.corpora)}, {self.n} recordings · {self.hearing}"
        )

    @property
    def hearing(self) -> str:
        """``speakers unheard``, or a warning."""
        return {
            False: "speakers unheard",
            True: "TRAINED ON THESE SPEAKERS: scores flatter, only their changes count",
            None: "whether trained on these speakers isn't known",
        }[self.heard]

    def as_dict(self) -> dict[str, Any]:
        """Plain data: what ``stress.json`` holds."""
        return {
            "line": self.line,
            "recogniser": self.recogniser,
            "corpora": list(self.corpora),
            "heard": self.heard,
            "labels": list(self.labels),
            "clean": {**self.clean._asdict(), "n": self.n, "n_speakers": self.n_speakers},
            "conditions": [asdict(condition) for condition in self.conditions],
            "fairness": {**self.fairness._asdict(), "n": self.n_fairness},
            "groups": [asdict(group) for group in self.groups],
            "tests": [asdict(test) for test in self.tests],
            "skipped": [{"name": name, "reason": reason} for name, reason in self.skipped],
            "failures": [{"file": file, "reason": reason} for file, reason in self.failures],
            "notes": list(self.notes),
            "seed": self.seed,
        }

    def plot(self) -> Axes:
        """Each condition's UAR beside the clean one."""
        from emotone import plots

        return plots.stress(
            [asdict(condition) for condition in self.conditions],
            clean=self.clean,
            title=f"{self.recogniser} on {'+'.join(self.corpora)}, {self.n} recordings\n{self.hearing}",
        )

    def save(self, folder: str | Path) -> Path:
        """Write ``stress.json`` and ``stress.png`` into ``folder``, which is returned. Each appears whole."""
        from emotone import plots

        folder = Path(folder)
        text = json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write(folder / "stress.json", text.encode())
            _write(folder / "stress.png", plots.png(self.plot()))
        except OSError as error:
            raise ExperimentError(f"The stress test can't be saved in {folder}: {error.strerror or error}.") from error
        return folder


def stress(
    recogniser: Recogniser,
    table: pd.DataFrame,
    roots: Mapping[str, Path | str],
    *,
    conditions: Iterable[str | Condition] = DEFAULT,
    jobs: int | None = None,
    limit: int | None = LIMIT,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Stress:
    """Play the recordings of ``table`` to ``recogniser`` under each condition, and compare with clean.

    ``roots`` are the folders, by corpus, that the column ``file`` is relative to; ``conditions`` names of `DEFAULT`,
    of `FAMILIES`, or own `Condition` s. ``limit`` recordings, balanced over emotions and speakers, are heard under all
    conditions (None: all recordings, which can take hours), and up to ten times as many clean, for the groups; ``jobs``
    processes share the work (None: one per processor). ``progress(done, total)`` counts answers. What is drawn depends
    on ``seed``. With several jobs, a script has to call this under ``if __name__ == "__main__":``.

    The likeliest emotion counts as the answer, also where the recogniser says that it is unsure; where it refuses to
    judge, that is a miss. Emotions that the recogniser doesn't know are left out, which `Stress.notes` says; answers
    that no recording here is are misses.

    Raises `ConfigError` for a table or options that can't be used, `ExperimentError` where no recording is left.
    """
    chosen = choose(conditions)
    if not recogniser.labels:
        raise ConfigError(f"{recogniser.name} knows dimensions, and stress tests are for recognisers of emotions.")
    if limit is not None and (isinstance(limit, bool) or limit < 1):
        raise ConfigError(f"The limit is a number of recordings from 1, or None for all of them, not {limit!r}.")
    usable, notes = _usable(table, recogniser.labels, roots)
    rng = np.random.default_rng(seed)
    order = _balanced(usable, len(usable) if limit is None else CLEAN_FACTOR * limit, rng)
    n_stressed = len(order) if limit is None else min(limit, len(order))
    rows = usable.iloc[order].reset_index(drop=True)
    clips = [_clip(row, roots, stressed=index < n_stressed) for index, row in enumerate(_records(rows))]
    outcomes = listen(recogniser, clips, chosen, jobs=jobs, seed=seed, progress=progress)
    return _summary(recogniser, rows, clips, outcomes, chosen, notes, seed)


def _summary(
    recogniser: Recogniser,
    rows: pd.DataFrame,
    clips: Sequence[Clip],
    outcomes: Sequence[Answers | str],
    conditions: Sequence[Condition],
    notes: list[str],
    seed: int,
) -> Stress:
    failures = [(str(rows["file"][i]), one) for i, one in enumerate(outcomes) if isinstance(one, str)]
    answers = [(i, one) for i, one in enumerate(outcomes) if not isinstance(one, str)]
    stressed = [(i, one) for i, one in answers if clips[i].stressed]
    if not stressed:
        raise ExperimentError(f"None of {len(clips)} recordings could be used; the first: {failures[0][1]}")
    all_clean = _heard(rows, recogniser.labels, [(i, _clean(one)) for i, one in answers])
    tested = _heard(rows, recogniser.labels, stressed)
    scores = of_conditions(tested, conditions)
    groups = of_groups(
        all_clean, np.array([one.seconds for _, one in answers]), np.array([one.hertz for _, one in answers])
    )
    speakers = tested.speakers
    return Stress(
        recogniser=recogniser.name,
        corpora=tuple(dict.fromkeys(map(str, rows["corpus"]))),
        heard=_was_heard(recogniser, rows),
        labels=in_order(rows["emotion"]),
        n=len(stressed),
        n_speakers=None if speakers is None else len(set(speakers)),
        clean=score(tested.truth, tested.answers(0), speakers, recogniser.labels),
        conditions=scores,
        n_fairness=len(answers),
        fairness=score(all_clean.truth, all_clean.answers(0), all_clean.speakers, recogniser.labels),
        groups=groups,
        tests=check_all(all_clean, scores, groups),
        skipped=tuple(impossible(all_clean, scores, groups).items()),
        failures=tuple(failures),
        notes=(*notes, *_remarks(recogniser, tested)),
        seed=seed,
    )


def _clean(answers: Answers) -> Answers:
    return answers._replace(proba=answers.proba[:1], abstained=answers.abstained[:1])


def _heard(rows: pd.DataFrame, labels: tuple[str, ...], answers: Sequence[tuple[int, Answers]]) -> Heard:
    return Heard(
        rows.iloc[[i for i, _ in answers]].reset_index(drop=True),
        labels,
        np.stack([one.proba for _, one in answers]).astype(np.float64),
        np.stack([one.abstained for _, one in answers]),
    )


# --- which recordings ---


def _usable(
    table: pd.DataFrame, labels: tuple[str, ...], roots: Mapping[str, Path | str]
) -> tuple[pd.DataFrame, list[str]]:
    """The rows whose emotion the recogniser knows, and what to say about the others."""
    missing = [name for name in ("corpus", "file", "start", "end", "speaker", "emotion") if name not in table]
    if missing:
        raise ConfigError(f"The table of utterances lacks the columns {', '.join(missing)}.")
    strangers = [str(name) for name in table["corpus"].unique() if name not in roots]
    if strangers:
        raise ConfigError(f"No folder is given for {strangers[0]!r}; there are: {', '.join(roots) or 'none'}.")
    known = table["emotion"].isin(list(labels))
    if not known.any():
        raise ExperimentError(
            f"The recogniser knows {', '.join(labels)}, and the recordings are "
            f"{', '.join(in_order(table['emotion'].dropna())) or 'without any emotion'}. Choose another corpus."
        )
    notes = []
    if not known.all():
        dropped = table.loc[~known, "emotion"].fillna("(no emotion)").value_counts().sort_index()
        listed = ", ".join(f"{name} ({count})" for name, count in dropped.items())
        notes.append(f"Left out, since the recogniser doesn't know them: {listed}.")
    return table[known].reset_index(drop=True), notes


def _balanced(table: pd.DataFrame, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of ``table``, up to ``n``, in an order of which every beginning is balanced.

    The next one is of the emotion taken least so far, and of that of the speaker taken least so far.
    """
    shuffled = rng.permutation(len(table))
    emotions = np.unique(table["emotion"].to_numpy(dtype=str), return_inverse=True)[1][shuffled]
    speakers = np.unique(table["speaker"].fillna("").to_numpy(dtype=str), return_inverse=True)[1][shuffled]
    left = {emotion: list(np.flatnonzero(emotions == emotion)) for emotion in range(emotions.max() + 1)}
    taken_emotions, taken_speakers = np.zeros(emotions.max() + 1), np.zeros(speakers.max() + 1)
    order = []
    for _ in range(min(n, len(table))):
        emotion = min((one for one in left if left[one]), key=lambda one: taken_emotions[one])
        candidates = left[emotion]
        place = int(taken_speakers[speakers[candidates]].argmin())
        row = candidates.pop(place)
        taken_emotions[emotion] += 1
        taken_speakers[speakers[row]] += 1
        order.append(shuffled[row])
    return np.array(order, np.int64)


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(zip(rows.columns, values, strict=True)) for values in rows.itertuples(index=False)]


def _clip(row: Mapping[str, Any], roots: Mapping[str, Path | str], *, stressed: bool) -> Clip:
    start, end = (None if value is None or math.isnan(value) else float(value) for value in (row["start"], row["end"]))
    return Clip(str(Path(roots[row["corpus"]]) / str(row["file"])), start or 0.0, end, stressed)


# --- what to know before believing it ---


def _was_heard(recogniser: Recogniser, rows: pd.DataFrame) -> bool | None:
    """Corpora are compared by name, and by the corpus that speakers' ids begin with: RAVDESS's actors sing, too."""
    trained = {str(corpus["name"]) for corpus in recogniser.config["corpora"]}
    if not trained:
        return None
    here = {str(speaker).partition("/")[0] for speaker in rows["speaker"].dropna()} | set(rows["corpus"])
    return bool(trained & here)


def _remarks(recogniser: Recogniser, heard: Heard) -> list[str]:
    found = []
    present = set(heard.truth)
    others = [label for label in recogniser.labels if label not in present]
    if others:
        found.append(f"The recogniser also answers {', '.join(others)}, which no recording here is: misses.")
    if len(present) == 1:
        found.append("All recordings are of one emotion, so UAR is the recall of that emotion alone.")
    if heard.speakers is None:
        found.append("Some speakers are unknown, so scores have no intervals.")
    elif len(set(heard.speakers)) == 1:
        found.append("All recordings are of one speaker, so scores have no intervals and say little about others.")
    return found


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
