"""Downloads that resume and are verified before they count.

`download` writes to ``<target>.part`` beside the target. A broken connection goes on where it stopped,
provided the server says that the file is still the same one (``If-Range``); the hash is checked before the
part gets the target's name. Where the owner publishes no sha256, the first download pins one in ``pins.json``
in the cache folder, and a later download that differs is refused.

Standard library only: urllib brings certificates, redirects and proxies; the rest is what this module is
about.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import shutil
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from emotone.errors import ConfigError, DownloadError

__all__ = ["cache_folder", "download"]

ATTEMPTS = 5
"""Connections in a row that may fail without bringing a single further byte."""
FIRST_PAUSE = 1.0
"""Seconds before the second attempt; doubled each time, up to `LONGEST_PAUSE`."""
LONGEST_PAUSE = 60.0
TIMEOUT = 30.0
"""Seconds a connection may stay silent."""

_CHUNK = 1 << 18
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_OWN_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM}

Progress = Callable[[int, int | None], None]
"""Called with (bytes done, bytes in all or None)."""


def cache_folder() -> Path:
    """Where downloads and other things that can be had again are kept: ``EMOTONE_CACHE``, or the platform's
    cache folder. Not created here."""
    if os.environ.get("EMOTONE_CACHE"):
        return Path(os.environ["EMOTONE_CACHE"]).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "emotone" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "emotone"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "emotone"


# ---- downloading ----


@dataclass(frozen=True)
class _Wanted:
    """What the finished file has to be, as far as anyone has said."""

    sha256: str | None
    md5: str | None
    size: int | None


@dataclass(frozen=True)
class _Origin:
    """What the server said about the file of which we hold a part."""

    url: str
    validator: str | None
    """A strong ETag or a Last-Modified date: good for If-Range."""
    total: int | None


class _BrokenError(Exception):
    """An attempt failed in a way that another one may cure."""

    def __init__(self, reason: str, *, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    size: int | None = None,
    progress: Progress | None = None,
    pause: float = FIRST_PAUSE,
) -> Path:
    """Fetch ``url`` into the file ``target``, which is returned; its folder is made.

    ``sha256`` and ``md5`` (hexadecimal) and ``size`` (bytes) are what the owner publishes; without a sha256
    the first download pins one. A target that is there already is verified instead of fetched. ``pause`` is
    the wait before the second attempt, in seconds. Raises `DownloadError`; the part that has arrived is kept,
    and the next call goes on from it.
    """
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ConfigError(f"Only http and https addresses can be fetched, not {url!r}.")
    pinned = _pins().get(url) if sha256 is None else None
    wanted = _Wanted(sha256 or (pinned or {}).get("sha256"), md5, size)
    if target.exists():
        problem = _mismatch(target, wanted)
        if problem:
            raise DownloadError(f"{target} is there but isn't {url}: {problem}. Remove it to fetch it again.")
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    resumed = _fetch_part(url, part, progress, pause)
    problem = _mismatch(part, wanted)
    if problem and resumed:  # the two ends may stem from different files
        _forget(part)
        _fetch_part(url, part, progress, pause)
        problem = _mismatch(part, wanted)
    if problem:
        _forget(part)
        raise DownloadError(f"{url} isn't the file it should be: {problem}. {_cure(pinned, url)}")
    if sha256 is None and pinned is None:
        _pin(url, part)
    part.replace(target)
    _forget(part)
    return target


def _cure(pinned: dict[str, str] | None, url: str) -> str:
    if pinned is None:
        return "Nothing was kept; the owner may have replaced the file, or something on the way altered it."
    return (
        f"That is what it was when first fetched on {pinned['first_fetched']}. Nothing was kept; if the "
        f"owner has published a new version on purpose, remove the entry of this address from {_pins_file()}."
    )


def _mismatch(path: Path, wanted: _Wanted) -> str:
    """In which way ``path`` isn't the wanted file; empty if it is."""
    if wanted.size is not None and path.stat().st_size != wanted.size:
        return f"it has {path.stat().st_size:,} bytes instead of {wanted.size:,}"
    for name, expected in (("sha256", wanted.sha256), ("md5", wanted.md5)):
        if expected is not None:
            found = _hash(path, name)
            if found != expected.lower():
                return f"its {name} is {found} instead of {expected.lower()}"
    return ""


def _hash(path: Path, name: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()


def _fetch_part(url: str, part: Path, progress: Progress | None, pause: float) -> bool:
    """Bring ``part`` to its full length; whether it took more than one connection, now or earlier."""
    furthest = _length(part)
    resumed = furthest > 0
    failures = 0
    while True:
        try:
            _transfer(url, part, progress)
            return resumed
        except _BrokenError as trouble:
            resumed = True
            length = _length(part)
            failures = 1 if length > furthest else failures + 1
            furthest = max(furthest, length)
            if failures >= ATTEMPTS:
                raise DownloadError(
                    f"Fetching {url} broke off after {length:,} bytes, {ATTEMPTS} times in a row "
                    f"({trouble}). Run the same command again later; it goes on from there."
                ) from trouble
            time.sleep(min(trouble.wait or pause * 2 ** (failures - 1), LONGEST_PAUSE))


def _transfer(url: str, part: Path, progress: Progress | None) -> None:
    """One connection: add to ``part`` what it lacks. Raises `_BrokenError` where another attempt may help."""
    origin = _origin(part, url)
    have = _length(part) if origin is not None and origin.validator else 0
    if origin is not None and have and have == origin.total:
        return
    request = urllib.request.Request(url, headers={"User-Agent": "emotone", "Accept-Encoding": "identity"})
    if origin is not None and origin.validator and have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", origin.validator)
    try:
        with _opener().open(request, timeout=TIMEOUT) as response:
            _receive(response, url, part, have, progress)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            _forget(part)
        elif error.code not in _TRY_AGAIN:
            raise DownloadError(f"{url} can't be fetched: the server says {error.code} {error.reason}.") from error
        raise _BrokenError(f"the server says {error.code} {error.reason}", wait=_retry_after(error)) from error
    except urllib.error.URLError as error:
        _give_up_if_hopeless(error.reason, url, error)
        raise _BrokenError(f"{error.reason}") from error
    except http.client.HTTPException as error:
        raise _BrokenError(f"{type(error).__name__}: {error}") from error
    except DownloadError:
        raise
    except OSError as error:
        if error.errno in _OWN_DISK:
            raise DownloadError(f"{part} can't be written: {error.strerror}.") from error
        raise _BrokenError(f"{error}") from error


def _receive(response: http.client.HTTPResponse, url: str, part: Path, have: int, progress: Progress | None) -> None:
    continues = response.status == http.client.PARTIAL_CONTENT
    if continues and not (response.headers.get("Content-Range") or "").startswith(f"bytes {have}-"):
        _forget(part)
        raise _BrokenError("the server sent another part than asked for")
    done = have if continues else 0
    length = response.headers.get("Content-Length")
    total = done + int(length) if length is not None else None
    if total is not None and total - done > shutil.disk_usage(part.parent).free:
        raise DownloadError(f"{url} has {total:,} bytes, more than is free in {part.parent}.")
    _remember(part, _Origin(url, _validator(response), total))
    if progress is not None:
        progress(done, total)
    with part.open("ab" if continues else "wb") as file:
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
    if total is not None and done < total:
        raise _BrokenError(f"the connection was closed at {done:,} of {total:,} bytes")


def _validator(response: http.client.HTTPResponse) -> str | None:
    tag: str | None = response.headers.get("ETag")
    if tag is not None and not tag.startswith("W/"):  # a weak one doesn't promise equal bytes
        return tag
    date: str | None = response.headers.get("Last-Modified")
    return date


def _retry_after(error: urllib.error.HTTPError) -> float | None:
    asked = error.headers.get("Retry-After", "")
    return float(asked) if asked.isdigit() else None


def _give_up_if_hopeless(reason: object, url: str, error: Exception) -> None:
    host = urlsplit(url).hostname
    if isinstance(reason, socket.gaierror):
        raise DownloadError(
            f"{host} can't be found ({reason.strerror}): is there a network connection? The same command "
            "goes on where this one stopped."
        ) from error
    if isinstance(reason, ssl.SSLCertVerificationError):
        raise DownloadError(f"{host} has a certificate that can't be trusted ({reason.verify_message}).") from error


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from an encrypted connection to an open one."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise DownloadError(f"{req.full_url} leads to {newurl}, which isn't encrypted; not followed.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoDowngrade)


# ---- parts and pins ----


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _origin_file(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _origin(part: Path, url: str) -> _Origin | None:
    """Where ``part`` came from; None if that isn't known or was another address."""
    try:
        origin = _Origin(**json.loads(_origin_file(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return origin if origin.url == url else None


def _remember(part: Path, origin: _Origin) -> None:
    _origin_file(part).write_text(json.dumps(asdict(origin)), encoding="utf-8")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _origin_file(part).unlink(missing_ok=True)


def _pins_file() -> Path:
    return cache_folder() / "pins.json"


def _pins() -> dict[str, dict[str, str]]:
    """Address to sha256 and date of the first download."""
    try:
        pins: dict[str, dict[str, str]] = json.loads(_pins_file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DownloadError(f"{_pins_file()} isn't JSON ({error}); repair or remove it.") from error
    return pins


def _pin(url: str, path: Path) -> None:
    pins = _pins() | {url: {"sha256": _hash(path, "sha256"), "first_fetched": f"{datetime.now(UTC):%Y-%m-%d}"}}
    _pins_file().parent.mkdir(parents=True, exist_ok=True)
    fresh = _pins_file().with_suffix(f".{os.getpid()}.tmp")
    fresh.write_text(json.dumps(pins, indent=2, sort_keys=True), encoding="utf-8")
    fresh.replace(_pins_file())
