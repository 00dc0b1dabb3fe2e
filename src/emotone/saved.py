"""A saved recogniser: a folder with ``model.onnx``, ``config.json`` and ``card.md``.

Nothing in it can run code. ``config.json`` is plain data and holds the model's sha256 as well as its own: two
labels that changed places would otherwise go unnoticed and turn every answer into a wrong one. ``card.md`` is
for people, who may add to it.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from emotone.errors import ConfigError, RecogniserError, unknown
from emotone.labels import in_order

__all__ = ["ABOUT", "FORMAT", "KIND", "PARTS", "Parts", "configuration", "read", "resealed", "write"]

MODEL, CONFIG, CARD = "model.onnx", "config.json", "card.md"
PARTS = (CONFIG, MODEL, CARD)

KIND = "emotone recogniser"
FORMAT = 1
"""Version of the folder's form, raised when an older emotone could no longer read it rightly."""

ABOUT = ("name", "model", "corpora", "scores", "licence", "seed", "versions")
"""What training code may tell about a recogniser; see `configuration`."""

CURE = "Copy the recogniser again from where it was made, or save it again."

_KEYS: dict[str, type | tuple[type, ...]] = {
    "kind": str,
    "format": int,
    "emotone": str,
    "name": str,
    "labels": list,
    "frontend": dict,
    "frontend_licence": str,
    "model": dict,
    "model_sha256": str,
    "abstain_below": (int, float),
    "licence": (str, type(None)),
    "commercial": (bool, type(None)),
    "corpora": list,
    "scores": list,
    "seed": (int, type(None)),
    "versions": dict,
}
_OPTIONAL: dict[str, type | tuple[type, ...]] = {
    "dimensions": list,
    "conformal": dict,
    "adaptation": dict,
    "speaker": dict,
}
"""Keys that some recognisers have; a reader does without."""
_SEAL = "config_sha256"


class Parts(NamedTuple):
    """What the folder holds."""

    config: dict[str, Any]
    model: bytes
    card: str


# --- the folder ---


def read(folder: Path) -> Parts:
    """The parts in ``folder``, checked. Raises `RecogniserError` for one that is missing, altered or unknown."""
    found = {part: _content(folder, part) for part in PARTS}
    try:
        config = json.loads(found[CONFIG])
        card = found[CARD].decode("utf-8")
    except (ValueError, RecursionError) as error:
        raise RecogniserError(f"{folder} has a broken {CONFIG} or {CARD} ({error}). {CURE}") from error
    _check(config, folder / CONFIG)
    digest = hashlib.sha256(found[MODEL]).hexdigest()
    if digest != config["model_sha256"]:
        raise RecogniserError(
            f"{folder / MODEL} isn't the model that was saved: its sha256 begins with {digest[:12]}, not "
            f"with {config['model_sha256'][:12]}. {CURE}"
        )
    return Parts(config, found[MODEL], card)


def write(folder: Path, parts: Parts) -> Path:
    """Write the parts to ``folder``, whole or not at all, in the place of a recogniser that is there.

    Returns the absolute path. Raises `RecogniserError` if the folder has anything else in it, or can't be
    written.
    """
    target = folder.resolve()
    _refuse_to_overwrite(target)
    text = json.dumps(parts.config, indent=2, ensure_ascii=False) + "\n"
    contents = {MODEL: parts.model, CONFIG: text.encode(), CARD: parts.card.encode()}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as aside:
            new = Path(aside, "new")
            new.mkdir()
            for part, content in contents.items():
                (new / part).write_bytes(content)
            _swap(new, target, Path(aside, "old"))
    except OSError as error:
        raise RecogniserError(
            f"The recogniser can't be saved as {target}: {error.strerror or error}. Choose another folder."
        ) from error
    return target


def _content(folder: Path, part: str) -> bytes:
    try:
        return (folder / part).read_bytes()
    except FileNotFoundError:
        inside = folder / "recogniser"  # as a run has it
        cure = f"Give {inside}." if (inside / part).is_file() else CURE
        raise RecogniserError(
            f"{folder} has no {part}; a recogniser is a folder with {', '.join(PARTS)}. {cure}"
        ) from None
    except OSError as error:
        raise RecogniserError(
            f"{folder / part} can't be read: {error.strerror or error}. Check its permissions."
        ) from error


def _refuse_to_overwrite(target: Path) -> None:
    """Only nothing, an empty folder, or the parts of a recogniser may be replaced."""
    if not target.exists():
        return
    found = sorted(entry.name for entry in target.iterdir()) if target.is_dir() else [target.name]
    others = [name for name in found if name not in PARTS]
    if others or (found and not _is_recogniser(target)):
        raise RecogniserError(
            f"{target} exists and isn't just a recogniser (it has {(others or found)[0]}), so it is left "
            "alone. Choose a new folder."
        )


def _is_recogniser(folder: Path) -> bool:
    try:
        config = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and config.get("kind") == KIND


def _swap(new: Path, target: Path, old: Path) -> None:
    """Put ``new`` in the place of ``target``, which moves to ``old``; if that fails, all is as before."""
    if not target.exists():
        new.rename(target)
        return
    target.rename(old)
    try:
        new.rename(target)
    except BaseException:
        old.rename(target)
        raise


# --- the configuration ---


def configuration(
    *,
    labels: Sequence[str],
    dimensions: Mapping[str, tuple[float, float]] | None = None,
    frontend: Mapping[str, Any],
    frontend_licence: str,
    model: bytes,
    abstain_below: float,
    conformal: Mapping[str, float] | None = None,
    adaptation: Mapping[str, Any] | None = None,
    about: Mapping[str, Any],
    version: str,
) -> dict[str, Any]:
    """The configuration of a new recogniser.

    ``dimensions`` are names with the range of their training rows, in place of ``labels``; the key is left out where
    there are none. ``conformal`` has the ``level`` that sets of labels keep on unseen speakers (0.9: they hold the true
    one for 90 %) and the ``threshold`` of `emotone.metrics.conformal_quantile` for it; the key is left out without.
    ``adaptation``, of models that learned what to do with a voice they know, has the mean embedding of everybody,
    ``population``, a list of ``d`` numbers, and how many utterances of somebody it is worth, ``shrinkage``.
    ``frontend`` is its description, ``frontend_licence`` what its licence forbids, ``version`` emotone's. ``about`` has
    some of these:

    - ``name``; ``licence`` of the recogniser; ``seed``; ``versions``, package to version
    - ``model``: a dict with its ``name`` and options; a ``licence_note`` says what the licence of weights in it forbids
    - ``corpora`` it was trained on: a dict for each, with at least ``name``, ``licence`` and ``commercial``
      (True, False, or None for not clear), and as far as they are known ``title``, ``n_utterances``,
      ``n_speakers``, ``languages``, ``homepage`` and ``citation``
    - ``scores``: dicts as `emotone.Result.summary` gives, with at least the printed ``line``

    Raises `ConfigError` for another key, or a value that isn't plain finite data of the kind described.
    """
    for key in about:
        if key not in ABOUT:
            raise unknown("fact about a recogniser", key, ABOUT)
    config = {
        "kind": KIND,
        "format": FORMAT,
        "emotone": version,
        "name": about.get("name", "unnamed"),
        "labels": list(labels),
        "frontend": dict(frontend),
        "frontend_licence": frontend_licence,
        "model": about.get("model", {}),
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "abstain_below": abstain_below,
        "licence": about.get("licence"),
        "commercial": None,
        "corpora": about.get("corpora", []),
        "scores": about.get("scores", []),
        "seed": about.get("seed"),
        "versions": about.get("versions", {}),
    }
    if dimensions:
        config["dimensions"] = [{"name": name, "low": low, "high": high} for name, (low, high) in dimensions.items()]
    if conformal is not None:
        config["conformal"] = dict(conformal)
    if adaptation is not None:
        config["adaptation"] = dict(adaptation)
    return resealed(config)


def resealed(config: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy of ``config`` with the ``changes``, what follows from them, and a new checksum.

    A key that some recognisers do without is taken away by None. Raises `ConfigError` for a value that can't be.
    """
    changed = {**config, **changes}
    kept = {key: value for key, value in changed.items() if not (key in _OPTIONAL and value is None)}
    try:
        # Through JSON and back, so that a recogniser is the same before and after it was saved.
        copy: dict[str, Any] = json.loads(json.dumps(kept, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"Facts about a recogniser must be plain, finite JSON data: {error}.") from error
    trouble = _trouble(copy)
    if trouble:
        raise ConfigError(f"A recogniser can't be made so: {trouble}.")
    copy["commercial"] = _commercial(copy)
    copy[_SEAL] = _checksum(copy)
    return copy


def _commercial(config: Mapping[str, Any]) -> bool | None:
    """Whether the licences of all that went in allow commercial use; None where that isn't clear."""
    allowed = [corpus["commercial"] for corpus in config["corpora"]]
    if False in allowed or config["frontend_licence"] or config["model"].get("licence_note"):
        return False
    return None if None in allowed or not allowed else True


def _checksum(config: Mapping[str, Any]) -> str:
    """sha256 of all but the checksum itself, however the file was laid out."""
    rest = {key: value for key, value in config.items() if key != _SEAL}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _check(config: Any, path: Path) -> None:
    """Raise `RecogniserError` unless this emotone could have written ``config``, read from ``path``."""
    if not isinstance(config, dict) or config.get("kind") != KIND:
        raise RecogniserError(f"{path} isn't the configuration of a recogniser. Give another folder.")
    if config.get("format") != FORMAT:
        raise RecogniserError(
            f"{path} has format {config.get('format')!r}, and this emotone knows format {FORMAT}. "
            "Upgrade with: pip install --upgrade emotone"
        )
    if config.get(_SEAL) != _checksum(config):
        raise RecogniserError(
            f"{path} was changed after it was saved: its checksum doesn't fit. {CURE} "
            "(To change the threshold: abstaining_below() in Python, then save().)"
        )
    trouble = _trouble(config)
    if trouble:
        raise RecogniserError(f"{path} can't be used: {trouble}. {CURE}")


def _trouble(config: Mapping[str, Any]) -> str:
    """What is wrong with a configuration, in words; nothing if nothing is."""
    for key, kind in _KEYS.items():
        if key not in config:
            return f"it has no {key!r}"
        if not isinstance(config[key], kind):
            return f"its {key!r} is {config[key]!r}"
    for key, kind in _OPTIONAL.items():
        if key in config and not isinstance(config[key], kind):
            return f"its {key!r} is {config[key]!r}"
    trouble = _trouble_with_outputs(config["labels"], config.get("dimensions", []))
    if trouble:
        return trouble
    if trouble := _trouble_with_adaptation(config.get("adaptation"), config.get("speaker")):
        return trouble
    if not 0 <= config["abstain_below"] <= 1:
        return f"it abstains below a probability from 0 to 1, not {config['abstain_below']!r}"
    if "conformal" in config and (trouble := _trouble_with_sets(config["conformal"], config["labels"])):
        return trouble
    if not config["name"].isprintable() or not 0 < len(config["name"]) <= 100:
        return f"a name is 1 to 100 printable characters, unlike {config['name']!r}"
    for corpus in config["corpora"]:
        if not isinstance(corpus, dict) or not {"name", "licence", "commercial"} <= set(corpus):
            return f"a corpus has a name, a licence and commercial (true, false or null), unlike {corpus!r}"
    for score in config["scores"]:
        if not isinstance(score, dict) or not isinstance(score.get("line"), str):
            return f"a score is a dict with the printed line, not {score!r}"
    return ""


def _trouble_with_sets(conformal: dict[str, Any], labels: list[Any]) -> str:
    if not labels:
        return "it has no labels, and so no conformal sets of them"
    numbers = conformal.values()
    plain = all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers)
    if set(conformal) != {"level", "threshold"} or not plain:
        return f"conformal has the numbers level and threshold, unlike {conformal!r}"
    if not 0 < conformal["level"] < 1 or not 0 <= conformal["threshold"] <= 1:
        return f"a conformal level lies between 0 and 1, and its threshold goes from 0 to 1, unlike {conformal!r}"
    return ""


def _trouble_with_adaptation(adaptation: dict[str, Any] | None, speaker: dict[str, Any] | None) -> str:
    if adaptation is None:
        return "" if speaker is None else "it knows a speaker, and has nothing to compare the voice with"
    if set(adaptation) != {"shrinkage", "population"}:
        return f"its adaptation has a shrinkage and a population, not {', '.join(adaptation) or 'nothing'}"
    if not _is_number(adaptation["shrinkage"]) or adaptation["shrinkage"] <= 0:
        return f"the shrinkage of its adaptation is a number above 0, not {adaptation['shrinkage']!r}"
    if not _are_numbers(adaptation["population"]):
        return "the population of its adaptation is a list of finite numbers"
    if speaker is None:
        return ""
    if set(speaker) != {"count", "mean"}:
        return f"the speaker it knows has a count and a mean, not {', '.join(speaker) or 'nothing'}"
    if not _is_number(speaker["count"]) or not isinstance(speaker["count"], int) or speaker["count"] < 1:
        return f"the count of the speaker it knows is one utterance or more, not {speaker['count']!r}"
    if not _are_numbers(speaker["mean"]) or len(speaker["mean"]) != len(adaptation["population"]):
        return f"the mean of the speaker it knows is {len(adaptation['population'])} finite numbers, as of everybody"
    return ""


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(map(_is_number, values))


def _is_number(value: Any) -> bool:
    # Finite ones that float32 can hold: so are those of the model.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e38


def _trouble_with_outputs(labels: list[Any], dimensions: list[Any]) -> str:
    if dimensions and labels:
        return "it has labels and dimensions, and a model answers in one or the other"
    if dimensions:
        names = [str(each.get("name") or "") if isinstance(each, dict) else "" for each in dimensions]
        if not all(names):
            return f"a dimension has a name, low and high, unlike {dimensions!r}"
        if len(set(names)) != len(names):
            return f"dimensions stand once each, not {', '.join(names)}"
        ends = [end for dimension in dimensions for end in (dimension.get("low"), dimension.get("high"))]
        if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends):
            return f"the low and high of a dimension are numbers, unlike in {dimensions!r}"
        return ""
    if len(labels) < 2 or not all(isinstance(label, str) and label for label in labels):
        return f"labels are two or more names, not {labels!r}"
    if tuple(labels) != in_order(labels):
        return f"labels stand once each in the order {', '.join(in_order(labels))}, not {', '.join(labels)}"
    return ""
