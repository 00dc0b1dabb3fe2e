"""The API in words: what OpenAPI says about each route, and ``/docs``, a page made of it with commands to try."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from emotone import formats
from emotone.segment import FLAGS

__all__ = [
    "CANCEL",
    "DESCRIPTION",
    "EXPORT",
    "FORGET",
    "HEALTH",
    "JOB",
    "LIMITS",
    "METRICS",
    "MODELS",
    "PREDICT",
    "READY",
    "RESULT",
    "STYLE",
    "TIMELINE",
    "VOICES",
    "completed",
    "page",
]

DESCRIPTION = (
    "Emotion in speech, from recordings and live sound. Answers are segments: start, end, emotion, confidence, scores "
    "and flags. Nothing that is sent is kept. Live sound goes through the WebSocket /v1/stream."
)

_SEGMENT_EXAMPLE = {
    "start": 0.0,
    "end": 2.8,
    "emotion": "angry",
    "confidence": 0.81,
    "scores": {"neutral": 0.07, "angry": 0.81, "sad": 0.12},
    "likely": ["angry"],
    "dimensions": {},
    "flags": [],
}
_NUMBER, _TEXT = {"type": "number"}, {"type": "string"}
_SEGMENT = {
    "type": "object",
    "required": ["start", "end", "emotion", "confidence", "scores", "likely", "dimensions", "flags"],
    "properties": {
        "start": {**_NUMBER, "description": "Seconds."},
        "end": {**_NUMBER, "description": "Seconds."},
        "emotion": {"type": ["string", "null"], "description": "null where it can't tell; the flags say why."},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "scores": {"type": "object", "additionalProperties": _NUMBER, "description": "A probability for each emotion."},
        "likely": {"type": "array", "items": _TEXT, "description": "Emotions that can't be ruled out."},
        "dimensions": {"type": "object", "additionalProperties": _NUMBER},
        "flags": {"type": "array", "items": {"type": "string", "enum": list(FLAGS)}},
        "channel": {"type": "integer", "minimum": 0},
        "speaker": _TEXT,
    },
    "additionalProperties": False,
    "example": _SEGMENT_EXAMPLE,
}
_SEGMENTS = {"type": "array", "items": _SEGMENT}
_JOB = {
    "type": "object",
    "required": ["id", "state", "seconds", "duration", "error", "n_segments"],
    "properties": {
        "id": _TEXT,
        "state": {"type": "string", "enum": ["waiting", "running", "done", "failed", "cancelled"]},
        "seconds": {**_NUMBER, "description": "Heard so far."},
        "duration": {"type": ["number", "null"], "description": "What the header promises."},
        "error": {"type": ["string", "null"], "description": "Why it failed, or that the recording breaks off."},
        "n_segments": {"type": "integer"},
    },
}
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": _TEXT}}
_WHY = {
    400: "The request can't be understood.",
    401: "A token is needed.",
    403: "Another site's page asked, or the server isn't known by this name.",
    404: "There is no such thing here, or not any more.",
    405: "Another method is needed.",
    408: "The recording came too slowly.",
    409: "That can't be done with this model, or not yet.",
    413: "Too large, or too long.",
    422: "The recording can't be read, or nobody speaks in it who should.",
    429: "Too much at once. Retry-After says when to come back.",
    500: "A mistake of the server.",
    503: "It ends, or has no room. Retry-After says when to come back.",
}
_Responses = dict[int | str, Any]
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_RECORDING = {
    "requestBody": {
        "required": True,
        "description": "A recording or video in any common format: as the body, or as the field `file` of a form.",
        "content": {
            "application/octet-stream": _BINARY,
            "audio/*": _BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}
_EXPORTED = {
    "text/csv": {"schema": _TEXT},
    "text/plain": {"schema": _TEXT},
    "text/vtt": {"schema": _TEXT},
    "application/x-ndjson": {"schema": _TEXT},
    "application/vnd.apache.parquet": _BINARY,
}


def _answers(
    status: int, words: str, content: dict[str, Any] | None = None, *, why: tuple[int, ...] = ()
) -> _Responses:
    """The ``responses`` of a route."""
    found: _Responses = {status: {"description": words, **({"content": content} if content else {})}}
    for each in (400, 401, 403, 429, 500, 503, *why):
        found[each] = {"description": _WHY[each], "content": {"application/json": {"schema": _ERROR}}}
    return found


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _route(responses: _Responses, body: dict[str, Any] | None = None, *, tag: str, status: int = 200) -> dict[str, Any]:
    return {"responses": responses, "openapi_extra": body or {}, "tags": [tag], "status_code": status}


_UPLOAD_ERRORS = (404, 408, 409, 413, 422)
_TRY = "curl -sS {base}{path}"

MODELS = _route(_answers(200, "All models.", _json({"type": "object"})), tag="What there is")
LIMITS = _route(_answers(200, "Limits.", _json({"type": "object"})), tag="What there is")
PREDICT = _route(_answers(200, "A segment.", _json(_SEGMENT), why=_UPLOAD_ERRORS), _RECORDING, tag="Recordings")
TIMELINE = _route(
    _answers(200, "Segments, or a file of them.", _json(_SEGMENTS) | _EXPORTED, why=_UPLOAD_ERRORS)
    | {202: {"description": "It is long, and became a job.", "content": _json(_JOB)}},
    _RECORDING,
    tag="Recordings",
)
JOB = _route(_answers(200, "The job.", _json(_JOB), why=(404,)), tag="Jobs")
RESULT = _route(_answers(200, "Segments, or a file of them.", _json(_SEGMENTS) | _EXPORTED, why=(404, 409)), tag="Jobs")
CANCEL = _route(_answers(200, "The job as it was.", _json(_JOB), why=(404,)), tag="Jobs")
EXPORT = _route(
    _answers(200, "A file.", _json({"type": "object"}) | _EXPORTED, why=(408, 413)),
    {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {**_SEGMENTS, "example": [_SEGMENT_EXAMPLE]}}},
        }
    },
    tag="Recordings",
)
VOICES = _route(
    _answers(
        200,
        "The voice's name.",
        _json({"type": "object", "properties": {"voice": _TEXT, "utterances": {"type": "integer"}}}),
        why=_UPLOAD_ERRORS,
    ),
    _RECORDING,
    tag="Voices",
)
FORGET = _route(_answers(204, "Forgotten.", why=(404,)), tag="Voices", status=204)
HEALTH = _route({200: {"description": "It lives."}}, tag="Operation")
READY = _route({200: {"description": "Ready."}, 503: {"description": "Not yet, or not any more."}}, tag="Operation")
METRICS = _route(
    {
        200: {"description": "Prometheus's text format.", "content": {"text/plain": {"schema": _TEXT}}},
        401: {"description": _WHY[401]},
    },
    tag="Operation",
)


def completed(api: dict[str, Any], models: Sequence[str]) -> dict[str, Any]:
    """The OpenAPI document ``api`` as FastAPI makes it, with what it can't know: the names of the ``models`` and of
    formats, and that what can't be validated is a 400 with our words."""
    for methods in api["paths"].values():
        for about in methods.values():
            about["responses"] = {
                status: told for status, told in about["responses"].items() if "HTTPValidationError" not in str(told)
            }
            for each in about.get("parameters", []):
                each["schema"] = _named(each["name"], each["schema"], models)
    for name in ("HTTPValidationError", "ValidationError"):
        api.get("components", {}).get("schemas", {}).pop(name, None)
    return api


def _named(name: str, schema: dict[str, Any], models: Sequence[str]) -> dict[str, Any]:
    """A parameter's schema. One that may be left out isn't null: addresses have no such thing."""
    found = dict(schema)
    if found.pop("anyOf", None):
        found["type"] = "string"
    if name == "model":
        found["enum"] = list(models)
    elif name == "format":
        found["enum"] = list(formats.names())
    return found


# --- a page for people ---

_COMMANDS = {
    ("get", "/v1/models"): "curl -sS {base}/v1/models",
    ("get", "/v1/limits"): "curl -sS {base}/v1/limits",
    ("post", "/v1/predict"): "curl -sS --data-binary @speech.wav {base}/v1/predict",
    ("post", "/v1/timeline"): "curl -sS -F file=@speech.wav '{base}/v1/timeline?format=csv'",
    ("get", "/v1/jobs/{id}"): "curl -sS {base}/v1/jobs/ID",
    ("get", "/v1/jobs/{id}/result"): "curl -sS '{base}/v1/jobs/ID/result?format=vtt'",
    ("delete", "/v1/jobs/{id}"): "curl -sS -X DELETE {base}/v1/jobs/ID",
    ("post", "/v1/export"): "curl -sS --json @segments.json '{base}/v1/export?format=textgrid'",
    ("post", "/v1/voices"): "curl -sS -F file=@one.wav -F file=@two.wav {base}/v1/voices",
    ("delete", "/v1/voices/{id}"): "curl -sS -X DELETE {base}/v1/voices/ID",
    ("get", "/healthz"): "curl -sS {base}/healthz",
    ("get", "/readyz"): "curl -sS {base}/readyz",
    ("get", "/metrics"): "curl -sS {base}/metrics",
}
_STREAM = """\
The first message is text: {"type": "start", "encoding": "s16le", "rate": 16000}. The encoding is s16le, f32le or \
webm; channels, model, voice, adapt and token may stand beside it. The server answers {"type": "ready"}. Then send \
sound in binary messages, and at the end {"type": "stop"}. What comes back: {"type": "segment", "segment": ...} as \
soon as one is certain, \
{"type": "provisional", "seconds": ..., "speaking": ..., "segment": ...} twice a second of sound, and last \
{"type": "end", "seconds": ...}; or {"type": "error", "error": ..., "status": what HTTP \
would say}."""

STYLE = """\
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 52rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h2 { margin: 2.5rem 0 0; } h3 { margin: 1.5rem 0 0; font-size: 1rem; }
pre { overflow-x: auto; padding: .7rem .9rem; border: 1px solid; border-radius: .4rem; }
table { border-collapse: collapse; } td { padding: .1rem 1rem .1rem 0; vertical-align: top; }
"""


def page(api: dict[str, Any], base: str) -> str:
    """``/docs`` from the OpenAPI document ``api``. ``base`` stands in the commands."""
    sections: dict[str, list[str]] = {}
    for path, methods in api["paths"].items():
        for method, about in methods.items():
            sections.setdefault(about.get("tags", ["Other"])[0], []).append(_described(path, method, about, base))
    told = "".join(f"<h2>{escape(title)}</h2>{''.join(parts)}" for title, parts in sections.items())
    known = ", ".join(formats.names())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>emotone: API</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/docs.css"></head><body><main>'
        f"<h1>emotone {escape(api['info']['version'])}: API</h1><p>{escape(api['info']['description'])}</p>"
        "<p>Where the server asks for a token, add <code>-H 'Authorization: Bearer TOKEN'</code>. Every error is JSON: "
        f'<code>{{"error": "what is wrong, and the cure"}}</code>. Formats: {escape(known)}. '
        '<a href="/openapi.json">OpenAPI</a> · <a href="/">the page</a></p>'
        f"{told}<h2>Live sound</h2><h3><code>WS /v1/stream</code></h3><p>{escape(_STREAM)}</p>"
        "</main></body></html>"
    )


def _described(path: str, method: str, about: dict[str, Any], base: str) -> str:
    words = escape(about.get("description") or about.get("summary", ""))
    command = _COMMANDS.get((method, path), _TRY.format(base="{base}", path=path)).replace("{base}", base)
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{escape(_kind(each['schema']))}</td></tr>"
        for each in about.get("parameters", [])
        if each["in"] == "query"
    )
    return (
        f"<h3><code>{method.upper()} {escape(path)}</code></h3><p>{words}</p>"
        f"{f'<table>{rows}</table>' if rows else ''}<pre><code>{escape(command)}</code></pre>"
    )


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"])) + _default(schema)
    kinds = [each.get("type", "") for each in schema.get("anyOf", [schema])]
    return " or ".join(kind for kind in kinds if kind != "null") + _default(schema)


def _default(schema: dict[str, Any]) -> str:
    return f"; {json.dumps(schema['default'])} if not given" if schema.get("default") is not None else ""
