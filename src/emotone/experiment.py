"""Experiments: corpora, features, a model and a protocol in, a `Result` or a `Recogniser` out.

This is the only place where all of them meet. Everything that learns from data (scaling, choice of settings,
calibration) happens inside the training side of a fold, in the model.
"""

from __future__ import annotations

import dataclasses
import inspect
import os
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from emotone.errors import ConfigError, CorpusError, EmotoneError, ExperimentError, unknown
from emotone.labels import harmonise, in_order, resolve
from emotone.prepared import Prepared, adaptation_of, conformal_of, counted, fit_model, predictions
from emotone.result import RegressionResult, Result
from emotone.targets import check_names, choose, strata

if TYPE_CHECKING:
    import pandas as pd

    from emotone.features import FrontEnd
    from emotone.recogniser import Recogniser
    from emotone.splits import Split

__all__ = ["Experiment", "Prepared", "fit_model"]

Progress = Callable[[int, int], None]

_PACKAGES = dict.fromkeys(("embeddings", "finetune"), ("torch", "transformers")) | {"network": ("torch",)}
"""What front-ends and models compute with besides those that all do."""

ABSTAIN_SHARE = 0.10
"""A recogniser abstains where it is less sure than on this share of clips of held-out training speakers."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What to train on, with what, and how to score it. Equal experiments give equal results, to the last digit."""

    corpora: Mapping[str, str | Path] = field(default_factory=dict)
    """Corpus name to its folder (for ``table``: its file). An empty string means: under ``EMOTONE_DATA`` or
    ``data``. With ``features`` it may be left empty."""
    labels: str | tuple[str, ...] = "eight"
    """A label set of `emotone.labels`, ``all``, or emotions."""
    targets: tuple[str, ...] = ()
    """Columns of numbers to predict in place of emotions, such as ``("arousal", "valence")``: see `emotone.targets`."""
    frontend: str = ""
    """A name of `emotone.features`; empty means ``waveform`` for models that want signals and ``functionals`` for the
    others."""
    frontend_options: Mapping[str, Any] = field(default_factory=dict)
    features: str | Path = ""
    """A Parquet file of ``emotone features``, or the folder of ``emotone annotate --what features``: rows and features
    are read from it (`emotone.extracted`), and neither recordings nor corpora are needed."""
    model: str = ""
    """A name of `emotone.models`; empty means ``logistic`` for emotions and ``ridge`` for targets."""
    model_options: Mapping[str, Any] = field(default_factory=dict)
    protocol: str = "speakers"
    protocol_options: Mapping[str, Any] = field(default_factory=dict)
    """Those of the function of that name in `emotone.splits`; for ``official`` also ``list``, the name of a published
    list of folds."""
    seed: int = 0
    name: str = ""
    licence: str = ""
    """Under which you give the recogniser away; its card adds what the corpora's licences ask."""

    def __post_init__(self) -> None:
        # Find misspelt names now, not after ten minutes of feature extraction.
        from emotone import corpora, features, models, splits

        if self.features:  # the front-end and the corpora are those of what was extracted
            from emotone.extracted import adopted

            for name, value in adopted(self.features, self.frontend, self.frontend_options, self.corpora).items():
                object.__setattr__(self, name, value)
        object.__setattr__(self, "targets", check_names(self.targets))
        object.__setattr__(self, "model", self.model or ("ridge" if self.targets else "logistic"))
        if not self.corpora:
            raise ConfigError('An experiment needs a corpus, for example ravdess = "data/ravdess".')
        for corpus in self.corpora:
            corpora.get(corpus)
        resolve(self.labels)
        if self.targets and self.labels != "eight":
            raise ConfigError(
                f"An experiment predicts emotions or numbers: leave out the targets {', '.join(self.targets)} or the "
                f"labels {self.labels!r}."
            )
        for what, name, known in (
            ("features", self.frontend or "functionals", features.names()),
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
        model = self.make_model()
        self._check_kind(model)
        wants = getattr(model, "wants", "features")
        object.__setattr__(self, "frontend", self.frontend or ("waveform" if wants == "signals" else "functionals"))
        if features.gives_signals(self.make_frontend()) != (wants == "signals"):
            gives = "features, not signals; use waveform" if wants == "signals" else "signals, and it wants features"
            raise ConfigError(f"The model {self.model!r} can't learn from {self.frontend!r}, which gives {gives}.")

    def _check_kind(self, model: Any) -> None:
        from emotone.models import REGRESSORS

        for_emotions = hasattr(model, "predict_proba")
        if for_emotions and self.targets:
            raise ConfigError(
                f"The model {self.model!r} tells emotions apart and can't predict {' and '.join(self.targets)}; use "
                f"{' or '.join(REGRESSORS)}."
            )
        if not for_emotions and not self.targets:
            raise ConfigError(
                f"The model {self.model!r} predicts numbers; name its targets, such as arousal and valence, or use "
                "another model."
            )

    # --- the three things one does with it ---------------------------------------------------------------------------

    def prepare(
        self, *, jobs: int | None = None, cache: Path | Literal[False] | None = None, progress: Progress | None = None
    ) -> Prepared:
        """Read the corpora and extract the features; recordings that can't be read become notes.

        ``jobs`` and ``cache`` are those of `emotone.features.extract`; ``progress`` is called with (recordings done,
        recordings in all).
        """
        if self.features:
            table, X, notes = self._stored(progress)
        else:
            table, X, notes = self._extracted(jobs=jobs, cache=cache, progress=progress)
        if self.targets:
            return Prepared(table, (), X, tuple(notes), self.targets)
        labels = in_order(table["emotion"])
        absent = [label for label in resolve(self.labels) or () if label not in labels]
        if absent:
            notes.append(f"no recording of {', '.join(absent)}: the scores are over {len(labels)} labels")
        return Prepared(table, labels, X, tuple(notes))

    def _extracted(
        self, *, jobs: int | None, cache: Path | Literal[False] | None, progress: Progress | None
    ) -> tuple[pd.DataFrame, Any, list[str]]:
        """The rows to learn from, their features, and what was merged, dropped or unreadable."""
        from emotone import corpora, features

        roots = {name: corpus_root(name, root) for name, root in self.corpora.items()}
        chosen, notes = self._chosen(corpora.read(roots))
        extracted = features.extract(
            chosen,
            self.make_frontend(),
            {name: corpora.audio_root(name, root) for name, root in roots.items()},
            jobs=jobs,
            cache=cache,
            progress=counted(progress, len(chosen)),
        )
        failed = [failure.row for failure in extracted.failures]
        notes += [f"left out, {_placeless(failure.reason, roots)}" for failure in extracted.failures]
        kept = np.setdiff1d(np.arange(len(chosen)), failed)
        if not len(kept):
            raise ExperimentError(f"None of the {len(chosen)} recordings could be used; the first: {notes[-1]}")
        return chosen.iloc[kept].reset_index(drop=True), extracted.X[kept], notes

    def _stored(self, progress: Progress | None) -> tuple[pd.DataFrame, Any, list[str]]:
        """The same, of features that were extracted before."""
        from emotone.extracted import ExtractedFeatures, only

        stored = ExtractedFeatures(self.features).read(progress=progress)
        chosen, notes = self._chosen(stored.table.assign(_row=np.arange(len(stored.table))))
        rows = chosen.pop("_row").to_numpy()
        return chosen, only(stored.X, rows), [*stored.notes, *notes]

    def run(
        self,
        prepared: Prepared | None = None,
        *,
        progress: Progress | None = None,
        steps: Progress | None = None,
        **extraction: Any,
    ) -> Result:
        """Train and score under the protocol.

        ``prepared`` saves preparing again; otherwise ``extraction`` goes to `prepare`. ``progress`` is called with
        (folds done, folds in all), ``steps`` with (steps done, steps in all) of each training of a network. Raises
        `ConfigError`, `CorpusError`, `ExperimentError` or `MissingExtra`.
        """
        from emotone import splits

        data = prepared or self.prepare(**extraction)
        split = self.split(data.table)
        data = dataclasses.replace(data, labels=split.labels or data.labels)
        parts, trainings, by_rows = [], [], 0
        for i, (train, test) in enumerate(split.folds):
            model = fit_model(self.make_model(), data, train, steps=steps)
            trainings.append(getattr(model, "history_", []))
            by_rows += getattr(model, "speakers_shared_", False)
            parts.append(predictions(data, test, model).assign(fold=i))
            if progress:
                progress(i + 1, len(split.folds))
        kind = RegressionResult if self.targets else Result
        split = dataclasses.replace(split, notes=split.notes + _inner_notes(by_rows, len(split.folds)))
        saved = splits.document(split, data.table)
        protocol = self._protocol(data, split, saved["sha256"])
        return kind.of(parts, data.labels, protocol, split=saved, training=trainings if any(trainings) else None)

    def fit(
        self,
        prepared: Prepared | None = None,
        *,
        result: Result | None = None,
        steps: Progress | None = None,
        **extraction: Any,
    ) -> Recogniser:
        """A `Recogniser` trained on all rows; the scores of ``result``, if given, go into its card. ``steps`` is that
        of `run`.

        Raises `ConfigError` for the ``result`` of other data, features or another model: its scores would be theirs.
        """
        from emotone.models.onnx import regression_to_onnx
        from emotone.recogniser import Recogniser

        data = prepared or self.prepare(**extraction)
        if result is not None:
            self._check_own(result, data)
        model = fit_model(self.make_model(), data, np.arange(len(data.table)), steps=steps)
        if self.targets:
            return Recogniser.create(
                model_bytes=regression_to_onnx(model, data.X.shape[1]),
                frontend=self.make_frontend(),
                dimensions=data.scales,
                about=self._about(data, result, model),
            )
        sureness = getattr(model, "held_out_proba_", np.ones((1, 1))).max(axis=1)
        return Recogniser.create(
            model_bytes=_graph_of(model, data),
            frontend=self.make_frontend(),
            labels=data.labels,
            abstain_below=float(np.quantile(sureness, ABSTAIN_SHARE)) if len(sureness) > 1 else 0.0,
            conformal=conformal_of(model, data),
            adaptation=adaptation_of(model),
            about=self._about(data, result, model),
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

    def _chosen(self, table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
        """The rows that can be learnt from, and what was merged or left out."""
        if self.targets:
            complete = choose(table, self.targets)
            return complete.table, list(complete.notes)
        chosen = harmonise(table, self.labels)
        notes = [f"{count} rows: {merge}" for merge, count in chosen.merged.items()]
        if chosen.dropped:
            dropped = ", ".join(f"{count} {name}" for name, count in chosen.dropped.items())
            notes.append(f"left out, not in the label set: {dropped}")
        return chosen.table, notes

    def split(self, table: pd.DataFrame) -> Split:
        """The folds over ``table``."""
        from emotone import corpora, splits

        options = dict(self.protocol_options)
        if self.protocol == "official" and "folds" not in options:
            records = [corpora.get(name) for name in self.corpora]
            wanted = options.pop("list", "official")
            options |= corpora.published_folds(records, wanted, table["speaker"].dropna())
        if self.targets and self.protocol in ("corpora", "across"):
            options["shared"] = False
        options.setdefault("seed", self.seed)
        try:
            if self.targets:
                return _split_by_targets(table, self.targets, self.protocol, options)
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
            "label_set": [] if self.targets else self.labels if isinstance(self.labels, str) else list(self.labels),
            "targets": list(self.targets),
            "scales": {target: list(ends) for target, ends in data.scales.items()},
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
            "data_sha256": data.sha256,
            "versions": self._versions(),
        }

    def _versions(self) -> dict[str, str]:
        """Of Python and of the packages that compute."""
        more = dict.fromkeys((*_PACKAGES.get(self.frontend, ()), *_PACKAGES.get(self.model, ())))
        return _versions(("emotone", "numpy", "scikit-learn", "soundfile", "soxr", *more))

    def _model_facts(self) -> dict[str, Any]:
        return {"name": self.model, **_placeless_options(self.model_options)}

    def _check_own(self, result: Result, data: Prepared) -> None:
        own = {"model": self._model_facts(), "targets": list(self.targets), "data_sha256": data.sha256}
        for what, here in own.items():
            if result.protocol[what] != here:
                raise ConfigError(
                    f"The result given to fit was reached with {what} {result.protocol[what]}, not {here}; "
                    "give the result of this experiment's own run."
                )

    def _about(self, data: Prepared, result: Result | None, model: Any) -> dict[str, Any]:
        from emotone import corpora

        model_origin = model.origin() if hasattr(model, "origin") else {}
        records = [corpora.get(name) for name in self.corpora]
        counts = data.table.groupby("corpus").size()
        speakers = data.table.groupby("corpus")["speaker"].nunique()
        return {
            "name": self.name or "+".join(self.corpora),
            "model": self._model_facts() | model_origin,
            "seed": self.seed,
            "licence": self.licence or None,
            "corpora": [
                record.credits()
                | {
                    "n_utterances": int(counts.get(record.name, 0)),
                    "n_speakers": int(speakers.get(record.name, 0)),
                }
                for record in records
            ],
            "scores": [] if result is None else [part.summary() for part in (result, *result.by_corpus())],
            "versions": self._versions(),
        }


def _graph_of(model: Any, data: Prepared) -> bytes:
    """The fitted ``model`` as ONNX: by its own hand where it can, else by the writer for its kind."""
    if hasattr(model, "to_onnx"):
        return bytes(model.to_onnx(data.labels))
    from emotone.models.onnx import to_onnx

    return to_onnx(model, data.labels, int(data.X.shape[1]))


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


def _inner_notes(by_rows: int, n_folds: int) -> tuple[str, ...]:
    """What to say where the folds inside the training side couldn't keep speakers apart."""
    if not by_rows:
        return ()
    return (
        f"In {by_rows} of {n_folds} folds no two training speakers could be kept apart, so settings and calibration "
        "were chosen on rows of the same speakers: the probabilities are too sure of themselves.",
    )


def _split_by_targets(table: pd.DataFrame, names: tuple[str, ...], protocol: str, options: dict[str, Any]) -> Split:
    """Protocols balance emotions and see that each can be learnt. Targets are balanced alike, as far as they can be."""
    from emotone import splits

    refused = ExperimentError("There are no rows to split.")
    for classes in strata(table, names):
        try:
            return splits.split(table.assign(emotion=classes), protocol, **options)
        except ExperimentError as error:
            refused = error
    raise refused


def _jsonable(options: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: [list(fold) for fold in value] if key == "folds" else value for key, value in options.items()}
    return plain | ({"path": Path(str(options["path"])).name} if "path" in options else {})


def _placeless_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """A model's options without local paths: of the network to begin with and of the encoder the name, of checkpoints
    nothing."""
    from emotone.features.encoders.places import name_of

    kept = {key: value for key, value in options.items() if key != "checkpoints"}
    kept |= {"init": Path(str(options["init"])).name} if options.get("init") else {}
    return kept | ({"encoder": name_of(str(options["encoder"]))} if options.get("encoder") else {})


def _versions(packages: Iterable[str]) -> dict[str, str]:
    """Of Python, and of the ``packages`` that are installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            if package == "emotone":
                from emotone import __version__

                found[package] = __version__
    return found
