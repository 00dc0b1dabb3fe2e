"""Where an encoder lies, what is in its folder, and how it gets there when somebody asks for that.

An encoder is a folder in Hugging Face's layout: ``config.json``, ``preprocessor_config.json``, ``README.md`` and the
weights. Nothing is downloaded but by `download`: a corpus of unpublished recordings is worked on where there is no
network, and gigabytes shouldn't come as a surprise.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from emotone.errors import ConfigError, DownloadError, require, unknown

__all__ = [
    "FAMILIES",
    "Facts",
    "checked_sha256",
    "download",
    "facts_of",
    "find",
    "licence_of",
    "name_of",
    "remember",
    "revision_of",
    "sha256_of",
    "weight_files",
]

FAMILIES = ("whisper", "wav2vec2", "hubert", "wavlm", "data2vec-audio")
"""Values of ``model_type`` in the ``config.json`` of encoders that can be used."""

_CONFIG, _PREPROCESSOR, _README = "config.json", "preprocessor_config.json", "README.md"
_WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors", "pytorch_model.bin", "pytorch_model-*-of-*.bin")
"""The first that is there is used. Formats of other libraries, and copies in other precisions, lie beside them."""
_SIZES = ("num_hidden_layers", "hidden_size", "num_attention_heads")
_SIZES_OF_WHISPER = ("encoder_layers", "d_model", "encoder_attention_heads")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Facts:
    """What ``config.json`` says, as far as features depend on it."""

    folder: Path
    family: str
    n_blocks: int
    width: int
    """Numbers per frame."""
    n_heads: int
    n_mels: int
    """Mel bands that go in; 0 for encoders of the waveform."""
    standardised: bool
    """Whether the waveform goes in with mean 0 and variance 1."""


# --- finding ---


def find(encoder: str, *, revision: str = "", sha256: str = "") -> Path:
    """The folder of ``encoder``: a folder's path, or a name on the Hugging Face Hub, if it is on this machine.

    Looked for, in this order: where the weights with this ``sha256`` were last used from; the path itself; the folder
    of that name in ``EMOTONE_ENCODERS``; Hugging Face's cache, where ``revision`` chooses among several.

    Raises `ConfigError` where there is none.
    """
    for folder in (_remembered(sha256), Path(encoder).expanduser(), _in_own_folder(encoder)):
        if folder is not None and folder.is_dir():
            if revision and not sha256 and revision != revision_of(folder):
                raise ConfigError(f"{folder} is a folder and has no revisions; leave out revision {revision!r}.")
            return folder.resolve()
    if not _HUB_NAME.fullmatch(encoder):
        raise ConfigError(
            f"There is no encoder {encoder}. Give a folder with its {_CONFIG} and weights (if the name is right, set "
            "EMOTONE_ENCODERS to the folder above it), or a name on the Hugging Face Hub such as openai/whisper-base."
        )
    found = _snapshot(encoder, revision)
    if found is None:
        pinned = f", revision={revision!r}" if revision else ""
        raise ConfigError(
            f"The encoder {encoder}{f' at {revision}' if revision else ''} isn't on this machine, and emotone "
            "downloads nothing unasked. Fetch it once: emotone train --encoder NAME --download, or in Python "
            f"emotone.features.encoders.places.download({encoder!r}{pinned}). Without a network, copy its folder here "
            "and give the path."
        )
    return found


def revision_of(folder: Path) -> str:
    """The commit of a folder in Hugging Face's cache; empty for any other folder."""
    return folder.name if _is_snapshot(folder) else ""


def name_of(encoder: str) -> str:
    """What to call ``encoder`` in files that others read: of a path, which tells them nothing, the last part."""
    folder = Path(encoder).expanduser()
    if not folder.is_dir():
        return encoder
    folder = folder.resolve()
    if _is_snapshot(folder):
        return folder.parents[1].name.removeprefix("models--").replace("--", "/")
    return folder.name


def remember(sha256: str, folder: Path) -> None:
    """Note where the weights with this hash are, so that a recogniser made with them finds them again."""
    if _remembered(sha256) == folder:
        return
    try:
        note = _note(sha256)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(str(folder), encoding="utf-8")
    except OSError:  # without it, the recogniser asks for the folder
        return


def _remembered(sha256: str) -> Path | None:
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        return None
    try:
        return Path(_note(sha256).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def _note(sha256: str) -> Path:
    from emotone.fetch import cache_folder  # its network modules would slow the start of every worker

    return cache_folder() / "encoders" / sha256


def _in_own_folder(encoder: str) -> Path | None:
    own = os.environ.get("EMOTONE_ENCODERS")
    return Path(own).expanduser() / encoder if own else None


def _is_snapshot(folder: Path) -> bool:
    """Whether Hugging Face's cache holds it: ``models--openai--whisper-base/snapshots/<commit>``."""
    return folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--")


def _snapshot(name: str, revision: str) -> Path | None:
    """The complete folder of an encoder in Hugging Face's cache, or None."""
    hub = require("huggingface_hub", extra="deep")
    try:
        # Not its snapshot_download: that wants all files of the repository, in every format.
        config = hub.try_to_load_from_cache(name, _CONFIG, revision=revision or None)
    except ValueError:  # a name that can't be one
        return None
    folder = Path(config).parent if isinstance(config, str) else None
    return folder if folder and weight_files(folder) else None


def download(encoder: str, *, revision: str = "") -> Path:
    """Fetch ``encoder``, a name on the Hugging Face Hub, into Hugging Face's cache, and return its folder.

    ``revision`` is a commit, tag or branch; what a branch is today stays in use here until it is fetched again.
    Only one form of the weights is fetched. Raises `DownloadError` if that fails, `ConfigError` for another name.
    """
    if not _HUB_NAME.fullmatch(encoder):
        raise ConfigError(f"Encoders have names such as openai/whisper-base on the Hugging Face Hub, not {encoder!r}.")
    hub = require("huggingface_hub", extra="deep")
    small = [_CONFIG, _PREPROCESSOR, _README, "*.index.json"]
    try:
        for weights in (_WEIGHTS[:2], _WEIGHTS[2:]):
            folder = Path(hub.snapshot_download(encoder, revision=revision or None, allow_patterns=[*small, *weights]))
            if weight_files(folder):
                return folder
    except (OSError, ValueError) as error:  # those of the network are OSErrors
        reason = " ".join(str(error).partition("For more information")[0].split())[:300]
        raise DownloadError(
            f"The encoder {encoder} can't be fetched ({reason}). Check its name and the network, and try again."
        ) from error
    raise DownloadError(f"{encoder} has no weights for PyTorch ({', '.join(_WEIGHTS)}); choose another encoder.")


# --- what it is ---


def facts_of(folder: Path) -> Facts:
    """What the encoder in ``folder`` is. Raises `ConfigError` where that isn't an encoder of `FAMILIES`."""
    config = _json(folder / _CONFIG)
    family = config.get("model_type")
    if family not in FAMILIES:
        raise unknown(f"kind of encoder in {folder}:", family, FAMILIES)
    whisper = family == "whisper"
    keys = _SIZES_OF_WHISPER if whisper else _SIZES
    try:
        n_blocks, width, n_heads = (int(config[key]) for key in keys)
        n_mels = int(config.get("num_mel_bins", 80)) if whisper else 0
        divided = width % n_heads == 0
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        divided = False
    if not divided:
        raise ConfigError(
            f"{folder / _CONFIG} has to have whole numbers for {', '.join(keys)}, the second a multiple of the third; "
            "copy the encoder's folder again."
        )
    prepared = _json(folder / _PREPROCESSOR) if (folder / _PREPROCESSOR).is_file() else {}
    return Facts(
        folder=folder,
        family=family,
        n_blocks=n_blocks,
        width=width,
        n_heads=n_heads,
        n_mels=n_mels,
        standardised=not whisper and bool(prepared.get("do_normalize", True)),
    )


def weight_files(folder: Path) -> list[Path]:
    """The files of the weights, in order; none where there are none."""
    for pattern in _WEIGHTS:
        found = sorted(folder.glob(pattern))
        if found:
            return found
    return []


def licence_of(folder: Path) -> str:
    """The licence that the header of ``README.md`` states, such as ``mit``; empty where it states none."""
    try:
        text = (folder / _README).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    header = re.match(r"---\s*\n(.*?)\n---", text, flags=re.DOTALL)
    stated = re.search(r"^license:\s*[\"']?([\w.-]+)", header.group(1), flags=re.MULTILINE) if header else None
    return stated.group(1).lower() if stated else ""


def sha256_of(folder: Path) -> str:
    """Hash of all that decides the numbers: weights, configuration, and what is done to the signal before.

    Raises `ConfigError` where there are no weights, or they can't be read.
    """
    weights = weight_files(folder)
    if not weights:
        raise ConfigError(f"{folder} has no weights: none of {', '.join(_WEIGHTS)}. Copy the encoder's folder again.")
    parts = [folder / _CONFIG, *(path for path in [folder / _PREPROCESSOR] if path.is_file()), *weights]
    try:
        digests = [_sha256(path, path.stat().st_size, path.stat().st_mtime_ns) for path in parts]
    except OSError as error:
        raise ConfigError(f"{error.filename} can't be read: {error.strerror}. Check its permissions.") from error
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def checked_sha256(folder: Path, expected: str) -> str:
    """`sha256_of` the encoder in ``folder``. Raises `ConfigError` where it isn't the ``expected`` one, if one is."""
    found = sha256_of(folder)
    if expected and found != expected:
        raise ConfigError(
            f"The encoder in {folder} isn't the one asked for: its sha256 begins with {found[:12]}, not with "
            f"{expected[:12]}. Set EMOTONE_ENCODERS to a folder that has the right one, or give its path."
        )
    return found


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, changed: int) -> str:
    """Of one file's bytes, read again only when its size or time has changed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{path} can't be read ({error.strerror}). An encoder is a folder with {_CONFIG} and weights, "
            "as Hugging Face stores them."
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path} isn't JSON ({error}); copy the encoder's folder again.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} isn't a configuration; copy the encoder's folder again.")
    return content
