"""`Settings`: all that can be set about the server, and where it comes from.

An option on the command line counts most, then the environment (``EMOTONE_SERVE_PORT=9000``), then the TOML file, then
the defaults, which are closed: 127.0.0.1, no other origin, limits on everything. Names that don't exist are an error.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emotone.errors import ConfigError, unknown

__all__ = ["PREFIX", "Settings", "as_toml", "gathered"]

PREFIX = "EMOTONE_SERVE_"
_SHORTEST_TOKEN = 16  # characters. Shorter ones can be guessed


def _of(default: Any, why: str, *, least: float = 0) -> Any:
    return field(default=default, metadata={"why": why, "least": least})


def _list(why: str) -> Any:
    return field(default=(), metadata={"why": why})


@dataclass(frozen=True)
class Settings:
    """Raises `ConfigError` for values that can't be, for a token file that can't be read, and for an address that
    others can reach where nothing keeps them out."""

    # --- where, and who may come ---
    host: str = _of("127.0.0.1", "Address to listen on. Others than this machine reach only 0.0.0.0, :: or its own.")
    port: int = _of(8000, "0 lets the system choose.")
    token: str = field(
        default="", repr=False, metadata={"why": "A secret that requests must bring. Best in the environment."}
    )
    token_file: str = _of("", "File with one token on each line; # begins a comment.")
    allow_anyone: bool = _of(False, "Serve other machines without a token.")
    hosts: tuple[str, ...] = _list("Names this server is reached by. Addresses and localhost always are.")
    origins: tuple[str, ...] = _list(
        "Other origins whose pages may call it (https://app.example). Its own page always may."
    )
    proxies: tuple[str, ...] = _list("Addresses of reverse proxies that are believed who the client is.")

    # --- what is served, by whom ---
    models: tuple[str, ...] = field(
        default=("default",),
        metadata={"why": "Recognisers, by folder or bundled name; the first one where none is asked for."},
    )
    workers: int = _of(0, "Threads that recognise; 0: one for each core.")
    decoders: int = _of(0, "Processes that decode; 0: one for each core.")

    # --- sizes and durations: what one request may ask for ---
    max_upload_bytes: int = _of(200_000_000, "Bytes of a recording.", least=1000)
    max_predict_seconds: float = _of(60.0, "Sound that gets one answer, in seconds.", least=1)
    max_seconds: float = _of(4 * 3600.0, "Sound of a timeline, in seconds.", least=1)
    max_stream_seconds: float = _of(4 * 3600.0, "Sound of a stream, in seconds.", least=1)
    job_seconds: float = _of(60.0, "Longer recordings become jobs, in seconds.", least=1)

    # --- how much at once ---
    max_requests: int = _of(32, "Recordings that are decoded and heard or wait for it; more get 429.", least=1)
    max_connections: int = _of(512, "Open connections; more are told 429.", least=4)
    max_streams: int = _of(64, "Streams at once; more are told to try again later.", least=1)
    max_webm_streams: int = _of(4, "Of these, streams of WebM, which take a process each.")
    max_jobs: int = _of(16, "Jobs that run, wait or keep their result.", least=1)
    running_jobs: int = _of(1, "Jobs that run at once.", least=1)
    max_voices: int = _of(1000, "Voices that are known at once.", least=1)
    max_spool_bytes: int = _of(
        2_000_000_000, "Bytes of all uploads together, on the disk of `spool_folder`.", least=1000
    )
    client_requests: int = _of(64, "Requests of one client (address) at once.", least=1)
    client_streams: int = _of(64, "Streams of one client at once.", least=1)
    client_jobs: int = _of(8, "Jobs of one client.", least=1)
    client_rate: float = _of(200.0, "Requests of one client in a second, on average.", least=0.1)

    # --- times, in seconds ---
    header_seconds: float = _of(10.0, "Until a request's head must be there.", least=0.1)
    idle_seconds: float = _of(30.0, "Without a byte of an upload, or without sound on a stream.", least=0.1)
    upload_seconds: float = _of(600.0, "Until an upload must be there.", least=1)
    decode_seconds: float = _of(20.0, "Until a decoder must give the next 30 s of sound.", least=0.1)
    job_keep_seconds: float = _of(900.0, "Until a finished job is forgotten.", least=1)
    voice_keep_seconds: float = _of(3600.0, "Until a voice is forgotten.", least=1)
    drain_seconds: float = _of(20.0, "For what was begun, after SIGTERM.")

    # --- decoding ---
    decode_memory_bytes: int = _of(512_000_000, "Memory that a decoder may take for a recording.", least=50_000_000)
    spool_folder: str = _of("", "Where large uploads lie without a name while they are heard; the system's if empty.")

    tokens: tuple[str, ...] = field(init=False, repr=False, compare=False, metadata={"derived": True})

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            least = each.metadata.get("least")
            if least is not None and isinstance(each.default, int | float) and getattr(self, each.name) < least:
                raise ConfigError(f"{each.name} is {least:g} or more, not {getattr(self, each.name)}.")
        if not 0 <= self.port < 65536:
            raise ConfigError(f"A port is a number from 0 to 65535, not {self.port}.")
        if not self.models:
            raise ConfigError('At least one recogniser is served, for example models = ["default"].')
        object.__setattr__(self, "tokens", self._read_tokens())
        if not (self.is_local or self.tokens or self.allow_anyone):
            raise ConfigError(
                f"On {self.host}, other machines could use this server, and nothing asks who they are. Give a token "
                f"(--token-file FILE or {PREFIX}TOKEN), stay on 127.0.0.1, or say --allow-anyone."
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def _read_tokens(self) -> tuple[str, ...]:
        lines = [self.token] if self.token else []
        if self.token_file:
            try:
                lines += Path(self.token_file).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"The token file {self.token_file} can't be read ({error}).") from error
        tokens = tuple(dict.fromkeys(text for line in lines if (text := line.partition("#")[0].strip())))
        if self.token_file and not tokens:
            raise ConfigError(f"The token file {self.token_file} has no token in it. Write one on a line of its own.")
        for token in tokens:
            if len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
                raise ConfigError(
                    f"A token has {_SHORTEST_TOKEN} or more ASCII characters without spaces; one hasn't. Make one: "
                    'python -c "import secrets; print(secrets.token_urlsafe())"'
                )
        return tokens


_FIELDS = {each.name: each for each in dataclasses.fields(Settings) if not each.metadata.get("derived")}


def gathered(
    options: Mapping[str, Any] | None = None,
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[Settings, dict[str, str]]:
    """The settings, and where each one that isn't a default comes from.

    ``options`` that are None count as not given. ``environment`` is the process's if None. Raises `ConfigError` for
    unknown names, with the likeliest suggested, and values of another kind.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for source, given in (
        (str(file), _from_toml(file)),
        ("environment", _from_environment(os.environ if environment is None else environment)),
        ("command line", {name: value for name, value in (options or {}).items() if value is not None}),
    ):
        for name, value in given.items():
            if name not in _FIELDS:
                raise unknown("setting", name, _FIELDS)
            values[name], origins[name] = _typed(name, value, source), source
    return Settings(**values), origins


def as_toml(settings: Settings, origins: Mapping[str, str]) -> str:
    """The settings as a TOML file that gives them again, each with its meaning. Tokens aren't shown."""
    lines = [f"# The environment's {PREFIX}<NAME> and options count more than a file."]
    for name, each in _FIELDS.items():
        value = getattr(settings, name)
        came = f" (from {origins[name]})" if name in origins else ""
        lines += ["", f"# {each.metadata['why']}{came}"]
        if name == "token":
            lines.append(f"# token = {'<set>' if value else '<not set>'}")
        else:
            lines.append(f"{name} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _from_toml(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The settings {file} can't be read: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings {file} aren't TOML: {error}.") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)}


def _typed(name: str, value: Any, source: str) -> Any:
    """``value`` as the kind that the setting has; text is what environments have for everything."""
    default = _FIELDS[name].default
    if isinstance(default, tuple):
        parts = value.split(",") if isinstance(value, str) else value
        if isinstance(parts, list | tuple) and all(isinstance(part, str) for part in parts):
            return tuple(part.strip() for part in parts if part.strip())
        raise _mistyped(name, value, source, "a list of texts")
    if isinstance(default, bool):
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        found = words.get(value.strip().lower()) if isinstance(value, str) else value
        if isinstance(found, bool):
            return found
        raise _mistyped(name, value, source, "true or false")
    if isinstance(default, str):
        if isinstance(value, str):
            return value.strip()
        raise _mistyped(name, value, source, "a text")
    kind = "a whole number" if isinstance(default, int) else "a number"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _mistyped(name, value, source, kind)
    try:
        number = float(value)
    except ValueError:
        raise _mistyped(name, value, source, kind) from None
    if not abs(number) < 1e15 or (isinstance(default, int) and number != int(number)):
        raise _mistyped(name, value, source, kind)
    return int(number) if isinstance(default, int) else number


def _mistyped(name: str, value: Any, source: str, kind: str) -> ConfigError:
    return ConfigError(f"{name} is {kind}, not {value!r} (from {source}).")
