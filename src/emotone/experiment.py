"""Experiments: corpora, features, a model and a protocol in, a `Result` or a `Recogniser` out.

This is the only place where all of them meet. Everything that learns from data (scaling, choice of settings,
calibration) happens inside the training side of a fold, in the model.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import platform
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from emotone.errors import ConfigError, CorpusError, EmotoneError, ExperimentError, unknown
from emotone.labels import harmonise, resolve
from emotone.result import Result

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from emotone.features import FrontEnd
    from emotone.recogniser import Recogniser
    from emotone.splits import Split

__all__ = ["Experiment", "Prepared", "read_experiments"]

Progress = Callable[[int, int], None]

ABSTAIN_SHARE = 0.10
"""A recogniser abstains where it is less sure than on this share of clips of held-out training speakers."""


@dataclass(frozen=True)
class Prepared:
    """An experiment's data: rows with an emotion of the label set, and their features."""

    table: pd.DataFrame
    labels: tuple[str, ...]
    X: NDArray[np.float32]
    """``(len(table), d)``"""
    notes: tuple[str, ...] = ()
    """What was merged, dropped or unreadable, one sentence each."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What to train on, with what, and how to score it. Equal experiments give equal results, to the last digit."""

    corpora: Mapping[str, str | Path]
    """Corpus name to its folder (for ``table``: its file). An empty string means: under ``EMOTONE_DATA`` or
    ``data``."""
    labels: str | tuple[str, ...] = "eight"
    """A label set of `emotone.labels`, ``all``, or emotions."""
    frontend: str = "functionals"
    frontend_options: Mapping[str, Any] = field(default_factory=dict)
    model: str = "logistic"
    model_options: Mapping[str, Any] = field(default_factory=dict)
    protocol: str = "speakers"
    protocol_options: Mapping[str, Any] = field(default_factory=dict)
    """Those of `emotone.splits.split`; for ``official`` also ``list``, the name of a published list of folds."""
    seed: int = 0
    name: str = ""
    licence: str = ""
    """Under which you give the recogniser away; its card adds what the corpora's licences ask."""

    def __post_init__(self) -> None:
        # Find misspelt names now, not after ten minutes of feature extraction.
        from emotone import corpora, features, models, splits

        if not self.corpora:
            raise ConfigError('An experiment needs a corpus, for example ravdess = "data/ravdess".')
        for corpus in self.corpora:
            corpora.get(corpus)
        resolve(self.labels)
        for what, name, known in (
            ("features", self.frontend, features.names()),
            ("model", self.model, models.names()),
            ("protocol", self.protocol, splits.names()),
        ):
            if name not in known:
                raise unknown(what, name, known)
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or self.seed < 0:
            raise ConfigError(f"The seed must be a whole number from 0 on, not {self.seed!r}.")
        options = [*list(inspect.signature(splits.get(self.protocol)).parameters)[1:], "seed"]
        options += ["list"] * (self.protocol == "official")
        for option in self.protocol_options:
            if option not in options:
                raise unknown(f"option of the protocol {self.protocol!r}", option, dict.fromkeys(options))
        self.make_frontend()
        self.make_model()

    # --- the three things one does with it ---------------------------------------------------------------------------

    def prepare(
        self, *, jobs: int | None = None, cache: Path | Literal[False] | None = None, progress: Progress | None = None
    ) -> Prepared:
        """Read the corpora and extract the features; recordings that can't be read become notes.

        ``jobs`` and ``cache`` are those of `emotone.features.extract`; ``progress`` is called with (recordings done,
        recordings in all).
        """
        from emotone import corpora, features

        roots = {name: corpus_root(name, root) for name, root in self.corpora.items()}
        chosen = harmonise(corpora.read(roots), self.labels)
        notes = [f"{count} rows: {merge}" for merge, count in chosen.merged.items()]
        if chosen.dropped:
            dropped = ", ".join(f"{count} {name}" for name, count in chosen.dropped.items())
            notes.append(f"left out, not in the label set: {dropped}")
        extracted = features.extract(
            chosen.table,
            self.make_frontend(),
            {name: corpora.audio_root(name, root) for name, root in roots.items()},
            jobs=jobs,
            cache=cache,
            progress=_counted(progress, len(chosen.table)),
        )
        failed = [failure.row for failure in extracted.failures]
        notes += [f"left out, {_placeless(failure.reason, roots)}" for failure in extracted.failures]
        kept = np.setdiff1d(np.arange(len(chosen.table)), failed)
        if not len(kept):
            raise ExperimentError(f"None of the {len(chosen.table)} recordings could be used; the first: {notes[-1]}")
        table = chosen.table.iloc[kept].reset_index(drop=True)
        labels = tuple(label for label in chosen.labels if (table["emotion"] == label).any())
        absent = [label for label in resolve(self.labels) or () if label not in labels]
        if absent:
            notes.append(f"no recording of {', '.join(absent)}: the scores are over {len(labels)} labels")
        return Prepared(table, labels, extracted.X[kept], tuple(notes))

    def run(self, prepared: Prepared | None = None, *, progress: Progress | None = None, **extraction: Any) -> Result:
        """Train and score under the protocol.

        ``prepared`` saves preparing again; otherwise ``extraction`` goes to `prepare`. ``progress`` is called with
        (folds done, folds in all). Raises `ConfigError`, `CorpusError`, `ExperimentError` or `MissingExtra`.
        """
        from emotone import splits

        data = prepared or self.prepare(**extraction)
        split = self.split(data.table)
        parts = []
        for i, (train, test) in enumerate(split.folds):
            model = fit_model(self.make_model(), data, train)
            parts.append(_predictions(data, test, model, fold=i))
            if progress:
                progress(i + 1, len(split.folds))
        return Result.of(parts, data.labels, self._protocol(data, split, splits.fingerprint(split, data.table)))

    def fit(self, prepared: Prepared | None = None, *, result: Result | None = None, **extraction: Any) -> Recogniser:
        """A `Recogniser` trained on all rows; the scores of ``result``, if given, go into its card.

        Raises `ConfigError` for the ``result`` of other data, features or another model: its scores would be theirs.
        """
        from emotone.models.onnx import to_onnx
        from emotone.recogniser import Recogniser

        data = prepared or self.prepare(**extraction)
        if result is not None:
            self._check_own(result, data)
        model = fit_model(self.make_model(), data, np.arange(len(data.table)))
        sureness = getattr(model, "held_out_proba_", np.ones((1, 1))).max(axis=1)
        return Recogniser.create(
            model_bytes=to_onnx(model, data.labels, data.X.shape[1]),
            frontend=self.make_frontend(),
            labels=data.labels,
            abstain_below=float(np.quantile(sureness, ABSTAIN_SHARE)) if len(sureness) > 1 else 0.0,
            about=self._about(data, result),
        )

    # --- its parts ---------------------------------------------------------------------------------------------------

    def make_frontend(self) -> FrontEnd:
        """The front-end with its options."""
        from emotone import features

        return features.get(self.frontend, **self.frontend_options)

    def make_model(self) -> Any:
        """The unfitted model with its options and the seed."""
        from emotone import models

        return models.get(self.model, **{"seed": self.seed, **self.model_options})

    def split(self, table: pd.DataFrame) -> Split:
        """The folds over ``table``."""
        from emotone import corpora, splits

        options = dict(self.protocol_options)
        if self.protocol == "official" and "folds" not in options:
            wanted = options.pop("list", "official")
            for corpus in map(corpora.get, self.corpora):
                if corpus.official and wanted not in corpus.official:
                    raise unknown(f"list of folds of {corpus.name}", wanted, corpus.official)
                if corpus.official:
                    options["folds"] = corpus.official[wanted].test_speakers
        options.setdefault("seed", self.seed)
        try:
            return splits.split(table, self.protocol, **options)
        except EmotoneError:
            raise
        except (TypeError, ValueError) as error:  # of a value such as n_folds = "five"
            given = ", ".join(f"{key} = {value!r}" for key, value in self.protocol_options.items())
            raise ConfigError(f"The protocol {self.protocol!r} can't be used with {given}: {error}.") from error

    def _protocol(self, data: Prepared, split: Split, fingerprint: str) -> dict[str, Any]:
        """What a reader needs to trust, repeat or contest the score; JSON-able, without local paths."""
        from emotone import features

        return {
            "name": self.name,
            "corpora": list(self.corpora),
            "label_set": self.labels if isinstance(self.labels, str) else list(self.labels),
            "frontend": features.describe(self.make_frontend()),
            "model": self._model_facts(),
            "protocol": {"name": self.protocol, **_jsonable(self.protocol_options)},
            "seed": self.seed,
            "description": split.description,
            "speakers": split.speakers,
            "shares": list(split.shares),
            "held_out": [{gender: list(who) for gender, who in fold.items()} for fold in split.held_out],
            "notes": [*data.notes, *split.notes],
            "split_sha256": fingerprint,
            "data_sha256": _digest(data),
            "versions": _versions(),
        }

    def _model_facts(self) -> dict[str, Any]:
        return {"name": self.model, **self.model_options}

    def _check_own(self, result: Result, data: Prepared) -> None:
        for what, here in (("model", self._model_facts()), ("data_sha256", _digest(data))):
            if result.protocol[what] != here:
                raise ConfigError(
                    f"The result given to fit was reached with {what} {result.protocol[what]}, not {here}; "
                    "give the result of this experiment's own run."
                )

    def _about(self, data: Prepared, result: Result | None) -> dict[str, Any]:
        from emotone import corpora

        records = [corpora.get(name) for name in self.corpora]
        counts = data.table.groupby("corpus")["emotion"].count()
        speakers = data.table.groupby("corpus")["speaker"].nunique()
        return {
            "name": self.name or "+".join(self.corpora),
            "model": {"name": self.model, **self.model_options},
            "seed": self.seed,
            "licence": self.licence or None,
            "corpora": [
                {
                    "name": record.name,
                    "title": record.title,
                    "licence": record.licence,
                    "commercial": record.commercial,
                    "citation": record.citation,
                    "languages": list(record.languages),
                    "homepage": record.homepage,
                    "n_utterances": int(counts.get(record.name, 0)),
                    "n_speakers": int(speakers.get(record.name, 0)),
                }
                for record in records
            ],
            "scores": [] if result is None else [part.summary() for part in (result, *result.by_corpus())],
            "versions": _versions(),
        }


def corpus_root(name: str, given: str | Path) -> Path:
    """The folder of a corpus: the one ``given``, or where that is empty ``name`` under ``EMOTONE_DATA`` or ``data``.

    Raises `CorpusError` where there is none.
    """
    if str(given):
        return Path(given).expanduser()
    for parent in filter(None, (os.environ.get("EMOTONE_DATA"), "data")):
        if (Path(parent) / name).exists():
            return Path(parent) / name
    raise CorpusError(
        f"Where is {name}? Say {name}=FOLDER, or put it under data/{name} here, "
        "or set EMOTONE_DATA to the folder above it."
    )


def _placeless(sentence: str, roots: Mapping[str, Path]) -> str:
    """A message about a recording with its path relative to the corpus: local paths say nothing to other readers."""
    from emotone import corpora

    for name, root in roots.items():
        sentence = sentence.replace(f"{corpora.audio_root(name, root)}{os.sep}", "")
    return sentence


def _digest(data: Prepared) -> str:
    return hashlib.sha256(np.ascontiguousarray(data.X).tobytes()).hexdigest()


def _counted(progress: Progress | None, total: int) -> Callable[[int], None] | None:
    """From ``progress(done, total)`` to what counts steps."""
    if progress is None:
        return None
    done = 0

    def step(n: int) -> None:
        nonlocal done
        done += n
        progress(done, total)

    return step


def fit_model(model: Any, data: Prepared, rows: NDArray[np.int64]) -> Any:
    """Fit ``model`` to the ``rows`` of ``data``, giving it the speakers if it takes them.

    On one BLAS thread: sums then come in one order on every machine, and on a busy one threads that wait for each other
    cost more than they bring.
    """
    from threadpoolctl import threadpool_limits

    speakers = data.table["speaker"].iloc[rows]
    takes_groups = "groups" in inspect.signature(model.fit).parameters and speakers.notna().all()
    more = {"groups": speakers.to_numpy(dtype=str)} if takes_groups else {}
    with threadpool_limits(limits=1):
        return model.fit(data.X[rows], data.table["emotion"].iloc[rows].to_numpy(dtype=str), **more)


def _predictions(data: Prepared, rows: NDArray[np.int64], model: Any, *, fold: int) -> pd.DataFrame:
    """The rows of one test fold with the model's probabilities."""
    proba = model.predict_proba(data.X[rows])
    order = [list(model.classes_).index(label) for label in data.labels]
    columns = [
        "corpus",
        "file",
        "start",
        "end",
        "speaker",
        *(["gender"] if "gender" in data.table else []),
        "emotion",
    ]
    part = data.table.iloc[rows][columns].rename(columns={"emotion": "truth"}).reset_index(drop=True)
    best = np.asarray(data.labels, dtype=object)[proba[:, order].argmax(axis=1)]
    scores = {f"proba_{label}": proba[:, column] for label, column in zip(data.labels, order, strict=True)}
    return part.assign(fold=fold, predicted=best, **scores)


def read_experiments(path: str | Path, **overrides: Any) -> tuple[Experiment, ...]:
    """The experiments of a TOML file: one, or one for each ``[[variant]]``, whose keys replace those above them.

    ``overrides`` (fields of `Experiment`) replace the file's. Raises `ConfigError` for a file that can't be read or
    a key that isn't known.
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}. Give the path of an experiment in TOML.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error
    variants = document.pop("variant", [{}])
    if not isinstance(variants, list) or not variants or not all(isinstance(variant, dict) for variant in variants):
        raise ConfigError(f"{path}: variants are written as [[variant]] sections.")
    names = [path.stem] if len(variants) == 1 else [f"{path.stem} {i}" for i in range(1, len(variants) + 1)]
    return tuple(
        _experiment({"name": name, **document, **variant}, path, dict(overrides))
        for name, variant in zip(names, variants, strict=True)
    )


_KINDS: dict[str, tuple[type, ...]] = {
    "corpora": (list, dict),
    "labels": (str, list),
    "frontend": (str, dict),
    "model": (str, dict),
    "protocol": (str, dict),
    "seed": (int,),
    "name": (str,),
    "licence": (str,),
}
"""The keys of an experiment file, and what TOML may give for them."""


def _experiment(keys: dict[str, Any], path: Path, overrides: dict[str, Any]) -> Experiment:
    from emotone import corpora

    given: dict[str, Any] = {}
    for key, value in keys.items():
        if key not in _KINDS:
            raise ConfigError(f"{path}: {unknown('key', key, [*_KINDS, 'variant'])}")
        if type(value) not in _KINDS[key]:
            kinds = " or ".join(_IN_TOML[kind] for kind in _KINDS[key])
            raise ConfigError(f"{path}: {key} is {kinds}, not {value!r}.")
        if key in ("frontend", "model", "protocol"):
            options = {"name": value} if isinstance(value, str) else dict(value)
            if "name" not in options:
                raise ConfigError(f"{path}: [{key}] needs a name.")
            given[key] = options.pop("name")
            given[f"{key}_options"] = options
        elif key == "corpora":
            given[key] = dict.fromkeys(value, "") if isinstance(value, list) else value
            if not all(isinstance(word, str) for word in [*given[key], *given[key].values()]):
                raise ConfigError(f"{path}: corpora are names, or names and folders in quotes, not {value!r}.")
        elif key == "labels":
            given[key] = value if isinstance(value, str) else tuple(value)
        else:
            given[key] = value
    if "corpora" in overrides:
        overrides["corpora"] = {**given.get("corpora", {}), **overrides["corpora"]}
    given |= overrides
    if "corpora" not in given:
        raise ConfigError(
            f'{path}: no corpus is named; add corpora = ["ravdess"] or another of {", ".join(corpora.names())}.'
        )
    return Experiment(**given)


_IN_TOML = {str: "a word in quotes", list: "a list", dict: "a table", int: "a whole number"}


def _jsonable(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: [list(fold) for fold in value] if key == "folds" else value for key, value in options.items()}


def _versions() -> dict[str, str]:
    """Of Python and of the packages that compute."""
    found = {"python": platform.python_version()}
    for package in ("emotone", "numpy", "scikit-learn", "soundfile", "soxr"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            if package == "emotone":
                from emotone import __version__

                found[package] = __version__
    return found
