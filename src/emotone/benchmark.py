"""The results table: which experiments it has, what was committed for them, and what they give here and now.

`ROWS` is an experiment file like any other. `run` does the rows whose corpora are present, from the recordings, and
sets each score beside the committed one, so that a figure in the README can be checked by anyone who has the corpus.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotone import metrics
from emotone.errors import ConfigError, EmotoneError, MissingExtra, unknown
from emotone.experiment import corpus_root
from emotone.experiment_file import experiment_of, read_variants

if TYPE_CHECKING:
    from emotone.experiment import Experiment
    from emotone.result import Result

__all__ = ["COMMITTED", "ROWS", "TOLERANCE", "Row", "Skipped", "as_markdown", "committed", "rows", "run", "save"]

ROWS = Path(__file__).with_name("benchmark.toml")
COMMITTED = Path(__file__).with_name("benchmark.json")

TOLERANCE = 0.005
"""A score further than this from the committed one is reported as different: other versions of numpy and BLAS move the
last digits, not the second."""


@dataclass(frozen=True)
class Row:
    """A line of the results table. Scores are 0 to 1."""

    name: str
    """Of the experiment in `ROWS`; several corpora trained together give a row each, ``default/ravdess``."""
    corpora: tuple[str, ...]
    labels: str
    features: str
    model: str
    protocol: str
    """``official, 6 folds``, or ``speakers, 5 folds, trained with emodb too``"""
    speakers: str
    """``unseen``, ``shared`` or ``unknown``"""
    metric: str
    """A key of `emotone.metrics.NAMES`."""
    value: float
    low: float | None
    high: float | None
    """Ends of the 95 % interval over speakers."""
    fold_sd: float | None
    """Instead of the interval where rows are tested in several random splits: standard deviation over them."""
    chance: float
    n: int
    """Utterances tested."""
    n_speakers: int
    split_sha256: str

    @property
    def score(self) -> str:
        """``UAR 0.64 [0.59, 0.69]`` or ``WA 0.665 ± 0.065``."""
        if self.fold_sd is not None:
            return f"{metrics.NAMES[self.metric]} {self.value:.3f} ± {self.fold_sd:.3f}"
        return metrics.format_score(self.metric, self.value, self.low, self.high)

    def against(self, other: Row) -> str:
        """In words, how this row compares with the committed ``other``."""
        difference = self.value - other.value
        if self.split_sha256 != other.split_sha256:
            return f"other recordings or folds than committed ({other.value:.3f} there, {difference:+.3f})"
        if abs(difference) > TOLERANCE:
            return f"DIFFERENT: {difference:+.3f} from the committed {other.value:.3f}"
        return "as committed" if difference == 0 else f"as committed ({difference:+.4f})"

    def differs(self, other: Row) -> bool:
        """Whether the score isn't the committed one although utterances and folds are the same."""
        return self.split_sha256 == other.split_sha256 and abs(self.value - other.value) > TOLERANCE


@dataclass(frozen=True)
class Skipped:
    """A row that can't be run here, and why, in a sentence."""

    name: str
    reason: str


def rows(pattern: str = "*", *, roots: Mapping[str, Path] | None = None) -> tuple[Experiment | Skipped, ...]:
    """The experiments whose names fit ``pattern`` (shell wildcards), with their corpora in ``roots`` or where
    `emotone.experiment.corpus_root` looks; of one whose features need a package that isn't here, the reason.

    Raises `ConfigError` if no name fits, or for a corpus in ``roots`` that no row has.
    """
    found = {keys["name"]: keys for keys in read_variants(ROWS)}
    chosen = [keys for name, keys in found.items() if fnmatch.fnmatch(name, pattern)]
    if not chosen:
        raise unknown("row of the benchmark", pattern, found)
    known = dict.fromkeys(name for keys in found.values() for name in keys["corpora"])
    for name in roots or ():
        if name not in known:
            raise unknown("corpus of the benchmark", name, known)
    return tuple(_made(keys, roots or {}) for keys in chosen)


def _made(keys: Mapping[str, Any], roots: Mapping[str, Path]) -> Experiment | Skipped:
    try:
        return experiment_of(keys, ROWS, corpora={name: roots[name] for name in keys["corpora"] if name in roots})
    except MissingExtra as error:
        return Skipped(keys["name"], str(error))


def run(
    experiments: Iterable[Experiment | Skipped],
    *,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Iterator[tuple[Row, ...] | Skipped]:
    """The rows of each experiment as soon as they are ready, or why there are none.

    ``progress`` is called with (what is being done, steps done, steps in all).
    """
    for one in experiments:
        if isinstance(one, Skipped):
            yield one
            continue
        try:
            for name, root in one.corpora.items():
                corpus_root(name, root)  # before anything slow
            data = one.prepare(jobs=jobs, progress=_named(progress, f"{one.name}: features"))
            result = one.run(data, progress=_named(progress, f"{one.name}: folds"))
        except EmotoneError as error:  # a corpus that isn't here must not cost the other rows
            yield Skipped(one.name, str(error))
        else:
            yield _rows_of(one, result)


def _named(progress: Callable[[str, int, int], None] | None, what: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(what, done, total)


def _rows_of(one: Experiment, result: Result) -> tuple[Row, ...]:
    whole = _row(one, result, one.name)
    parts = (_row(one, part, f"{one.name}/{part.protocol['corpora'][0]}") for part in result.by_corpus())
    return (whole, *parts)


def _row(one: Experiment, result: Result, name: str) -> Row:
    # The tutorial counted correct clips, and its label set is only ever compared with it.
    metric = "war" if one.labels == "seed" else "uar"
    score = result.scores[metric]
    repeated = bool(result.table.duplicated(["corpus", "file", "start"]).any())
    facts = result.protocol
    return Row(
        name=name,
        corpora=tuple(facts["corpora"]),
        labels=one.labels if isinstance(one.labels, str) else "/".join(one.labels),
        features=_with_options(one.frontend, one.frontend_options),
        model=_with_options(one.model, one.model_options),
        protocol=facts["description"].replace(f", speakers {facts['speakers']}", "", 1),
        speakers=facts["speakers"],
        metric=metric,
        value=score["fold_mean"] if repeated else score["value"],
        low=None if repeated else score["low"],
        high=None if repeated else score["high"],
        fold_sd=score["fold_sd"] if repeated else None,
        chance=result.scores["chance"][metric],
        n=result.scores["n"],
        n_speakers=result.scores["n_speakers"],
        split_sha256=facts["split_sha256"],
    )


def _with_options(name: str, options: Mapping[str, Any]) -> str:
    return name if not options else f"{name} ({', '.join(f'{key}={value}' for key, value in options.items())})"


def committed(path: Path | None = None) -> dict[str, Row]:
    """The rows in the file ``path`` (`COMMITTED`), by name. Raises `ConfigError` for a file without any."""
    path = path or COMMITTED
    try:
        entries = json.loads(path.read_text("utf-8"))
        found = [Row(**{**entry, "corpora": tuple(entry["corpora"])}) for entry in entries]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{path} doesn't hold rows of the benchmark: {error}.") from error
    return {row.name: row for row in found}


def save(found: Iterable[Row], path: Path) -> None:
    """Put the rows into the JSON file ``path``, in the place of those of the same name; others stay."""
    known = committed(path) if path.exists() else {}
    known |= {row.name: row for row in found}
    order = [keys["name"] for keys in read_variants(ROWS)]
    entries = sorted(known.values(), key=lambda row: (order.index(row.name.partition("/")[0]), row.name))
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(json.dumps([vars(row) for row in entries], indent=1) + "\n", "utf-8")
    unfinished.replace(path)


def as_markdown(found: Iterable[Row]) -> str:
    """The rows as a Markdown table, as it stands in the README."""
    lines = [
        "| recordings, emotions | features, model | protocol | speakers | score | guessing |",
        "|---|---|---|---|---|---|",
    ]
    for row in found:
        what = f"{'+'.join(row.corpora)} {row.labels}, {row.n_speakers} speakers"
        speakers = "unseen" if row.speakers == "unseen" else f"**{row.speakers}**"
        cells = (what, f"{row.features}, {row.model}", row.protocol, speakers, row.score, f"{row.chance:.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
