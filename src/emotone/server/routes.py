"""What can be asked over HTTP. Each route reads what is asked, has it done, and answers; the work is done elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response

from emotone.errors import AudioError, ConfigError, unknown
from emotone.recogniser import Recogniser
from emotone.segment import Segment
from emotone.server import answers, documents
from emotone.server.answers import as_json
from emotone.server.hearing import Timeline, Wish, heard, inspected
from emotone.server.jobs import Jobs
from emotone.server.refusal import Refusal
from emotone.server.service import Service
from emotone.server.uploads import Upload, body, received
from emotone.stream import StreamOptions

__all__ = ["misread", "refused", "router"]

router = APIRouter()

_MOST_EXPORTED_BYTES = 64_000_000  # of JSON
_LONGEST_QUOTED = 100  # characters of a value that can't be
_AT_ONCE, _IN_TIME = 1.0, 4.0  # seconds by which pieces of timelines should be heard: somebody waits, or asks later


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _jobs(request: Request) -> Jobs:
    jobs: Jobs = request.app.state.jobs
    return jobs


def _check_query(request: Request, *allowed: str) -> None:
    """Raise `ConfigError` for a parameter that doesn't exist: what is misspelt would else be left out in silence."""
    for name in request.query_params:
        if name not in allowed:
            raise unknown("parameter", name, allowed)


# --- what there is ---


@router.get("/v1/models", **documents.MODELS)
async def models(request: Request) -> Response:
    """The recognisers that are served, what they know, and what to know about them."""
    _check_query(request)
    return as_json(_service(request).models.as_dict())


@router.get("/v1/limits", **documents.LIMITS)
async def limits(request: Request) -> Response:
    """What one request may ask for, and whether it has to bring a token."""
    _check_query(request)
    settings = _service(request).settings
    names = ("max_upload_bytes", "max_predict_seconds", "max_seconds", "max_stream_seconds", "job_seconds")
    return as_json({name: getattr(settings, name) for name in names} | {"needs_token": bool(settings.tokens)})


# --- recordings ---


@router.post("/v1/predict", **documents.PREDICT)
async def predict(request: Request, model: str | None = None, voice: str | None = None) -> Response:
    """One answer about a recording that is taken as one utterance."""
    _check_query(request, "model", "voice")
    service = _service(request)
    recogniser = service.recogniser(model, voice)
    service.check_room()  # before anything is read, too
    async with received(request, service.spool, service.settings) as uploads:
        with service.admitted():
            segment = await service.predict(recogniser, _only(uploads))
    return as_json(segment.as_dict())


@router.post("/v1/timeline", **documents.TIMELINE)
async def timeline(
    request: Request,
    model: str | None = None,
    voice: str | None = None,
    format: str = "json",  # noqa: A002 - the parameter's name
    channels: Literal["mix", "each"] = "mix",
    adapt: bool = False,
    job: Literal["auto", "always", "never"] = "auto",
) -> Response:
    """What is heard from moment to moment. Long recordings become a job, to be asked for later."""
    _check_query(request, "model", "voice", "format", "channels", "adapt", "job")
    service, settings = _service(request), _service(request).settings
    recogniser = service.recogniser(model, voice)
    answers.known_format(format)
    options = StreamOptions(adapt=adapt)
    if adapt and not recogniser.can_adapt:
        raise Refusal(409, "This recogniser can't adapt to a voice. Ask for another model, or without adapt.")
    async with received(request, service.spool, settings) as uploads:
        upload = _only(uploads)
        if job != "always":
            wish = Wish(recogniser, options, channels == "each", settings.job_seconds, _AT_ONCE)
            found = await _at_once(service, upload, wish, must=job == "never")
            if found is not None:
                return await _timeline_answer(found, format, recogniser)
        wish = Wish(recogniser, options, channels == "each", settings.max_seconds, _IN_TIME)
        with service.admitted():
            facts = await inspected(service, upload)
        if (facts.promised or 0) > settings.max_seconds:
            raise Refusal(
                413, f"The recording lasts more than {settings.max_seconds:g} s, which is the longest that is taken."
            )
        begun = _jobs(request).begin(upload, wish, client=request.state.client, duration=facts.promised)
        uploads.clear()  # they are the job's now
    return as_json(begun.as_dict(), 202, {"Location": f"/v1/jobs/{begun.id}"})


async def _at_once(service: Service, upload: Upload, wish: Wish, *, must: bool) -> Timeline | None:
    """The timeline of a recording that is short enough to wait for; None of a longer one, or 413 if it ``must``."""
    try:
        with service.admitted():
            return await heard(service, upload, wish)
    except Refusal as refusal:
        if refusal.status != 413:
            raise
        if must:
            raise Refusal(413, f"{refusal} Ask with job=auto, and it becomes a job.") from None
        return None


async def _timeline_answer(found: Timeline, format: str, recogniser: Recogniser) -> Response:  # noqa: A002
    if format == answers.LIST:
        answer = as_json([segment.as_dict() for segment in found.segments])
    else:
        answer = await asyncio.to_thread(
            answers.exported, found.segments, format, name="timeline", recogniser=recogniser
        )
    if found.note is not None:
        answer.headers["Emotone-Note"] = answers.in_header(found.note)
    return answer


def _only(uploads: list[Upload]) -> Upload:
    if len(uploads) != 1:
        raise Refusal(400, f"One recording is heard at a time, and the form holds {len(uploads)}.")
    return uploads[0]


# --- jobs ---


@router.get("/v1/jobs/{id}", **documents.JOB)
async def job(request: Request, id: str) -> Response:  # noqa: A002
    """How far a job is."""
    _check_query(request)
    return as_json(_jobs(request).get(id).as_dict())


@router.get("/v1/jobs/{id}/result", **documents.RESULT)
async def result(request: Request, id: str, format: str = "json") -> Response:  # noqa: A002
    """The timeline of a job that is done."""
    _check_query(request, "format")
    answers.known_format(format)
    done, found = _jobs(request).result(id)
    return await _timeline_answer(found, format, done.wish.recogniser)


@router.delete("/v1/jobs/{id}", **documents.CANCEL)
async def cancel(request: Request, id: str) -> Response:  # noqa: A002
    """Cancel a job if it isn't done, and forget it."""
    _check_query(request)
    return as_json((await _jobs(request).remove(id)).as_dict())


# --- exports ---


@router.post("/v1/export", **documents.EXPORT)
async def export(request: Request, format: str = "csv", name: str = "timeline") -> Response:  # noqa: A002
    """Segments, as other answers have them, in a format for other programs."""
    _check_query(request, "format", "name")
    answers.known_format(format)
    service = _service(request)
    content = b"".join([piece async for piece in body(request, service.settings, _MOST_EXPORTED_BYTES)])
    return await asyncio.to_thread(_exported, content, format, name[:100] or "timeline")


def _exported(content: bytes, format: str, name: str) -> Response:  # noqa: A002
    try:
        given: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise Refusal(400, "The body isn't JSON. Send a list of segments, as a timeline's answer is.") from None
    if not isinstance(given, list) or not all(isinstance(each, dict) and "file" not in each for each in given):
        raise Refusal(400, "The body isn't a list of segments, as a timeline's answer is.")
    segments = [Segment.from_dict(each) for each in given]
    if not segments:
        raise Refusal(400, "The list is empty: there are no segments to export.")
    return answers.exported(segments, format, name=name)


# --- voices ---


@router.post("/v1/voices", **documents.VOICES)
async def calibrate(request: Request, model: str | None = None) -> Response:
    """Come to know a voice from one or more recordings of it. It is kept in memory, for an hour."""
    _check_query(request, "model")
    service = _service(request)
    recogniser = service.models.get(model)
    if not recogniser.can_adapt:
        raise Refusal(409, "This recogniser can't adapt to a voice. Ask for another model.")
    async with received(request, service.spool, service.settings) as uploads:
        with service.admitted():
            embeddings = [
                found for upload in uploads if (found := await service.embedding(recogniser, upload)) is not None
            ]
    if not embeddings:
        raise Refusal(
            422, "Nobody speaks in what was sent, or too shortly to know a voice by. Send some seconds of speech."
        )
    knowing = recogniser.knowing(embeddings)
    name = service.voices.add(knowing, model or service.models.default)
    return as_json({"voice": name, "utterances": len(embeddings)})


@router.delete("/v1/voices/{id}", **documents.FORGET)
async def forget(request: Request, id: str) -> Response:  # noqa: A002
    """Forget a voice now."""
    _check_query(request)
    _service(request).voices.remove(id)
    return Response(status_code=204)


def refused(error: Exception) -> Refusal:
    """What an error of the library means to whoever asked."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, AudioError):
        return Refusal(422, str(error))
    if isinstance(error, ConfigError):
        return Refusal(400, str(error))
    return Refusal(400, str(error))


def misread(error: Mapping[str, Any]) -> Refusal:
    """What pydantic's ``error`` about a parameter means to whoever asked."""
    name, given = error["loc"][-1], repr(error.get("input"))
    given = given if len(given) <= _LONGEST_QUOTED else given[:_LONGEST_QUOTED] + "..."
    if error["type"] == "bool_parsing":
        allowed = "true or false"
    else:
        allowed = str(error.get("ctx", {}).get("expected", "")).replace("'", "") or "something else"
    return Refusal(400, f"{name} is {allowed}, not {given}.")
