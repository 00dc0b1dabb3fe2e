"""Timelines of long recordings: they run one behind the other, tell how far they are, can be cancelled, and are
forgotten after a while with everything about them."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from emotone.errors import EmotoneError
from emotone.server.hearing import Timeline, Wish, heard
from emotone.server.refusal import Refusal, busy
from emotone.server.service import Service
from emotone.server.uploads import Upload

__all__ = ["Job", "Jobs"]


@dataclass
class Job:
    """One timeline that is being made."""

    id: str
    client: str
    wish: Wish
    duration: float | None
    state: str = "waiting"
    seconds: float = 0.0
    """How much was heard."""
    error: str | None = None
    """Why it failed; of a job that is done, that the recording breaks off."""
    timeline: Timeline | None = None
    until: float = float("inf")
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """What is told about it."""
        return {
            "id": self.id,
            "state": self.state,
            "seconds": round(self.seconds, 2),
            "duration": self.duration,
            "error": self.error,
            "n_segments": len(self.timeline.segments) if self.timeline else 0,
        }


class Jobs:
    """All jobs, by names that can't be guessed."""

    def __init__(self, service: Service) -> None:
        self._service, self._settings = service, service.settings
        self._all: dict[str, Job] = {}
        self._places = asyncio.Semaphore(self._settings.running_jobs)

    def begin(self, upload: Upload, wish: Wish, *, client: str, duration: float | None) -> Job:
        """Have the upload heard, which is the job's from now on. Raises `Refusal` with 429 where there are too many."""
        self._forget()
        if len(self._all) >= self._settings.max_jobs:
            raise busy("There are too many jobs; each is kept for a while after it is done.", 30)
        if sum(job.client == client for job in self._all.values()) >= self._settings.client_jobs:
            raise busy("You have too many jobs here. Delete those that you don't need any more.", 30)
        job = Job(secrets.token_urlsafe(12), client, wish, duration)
        self._all[job.id] = job
        job.task = asyncio.get_running_loop().create_task(self._run(job, upload))
        return job

    def get(self, name: str) -> Job:
        """Raises `Refusal` with 404 where there is none."""
        self._forget()
        if name not in self._all:
            raise Refusal(404, "There is no such job, or not any more.")
        return self._all[name]

    def result(self, name: str) -> tuple[Job, Timeline]:
        """A job that is done, and its timeline. Raises `Refusal`: 404 where there is none, 409 before it is done."""
        job = self.get(name)
        if job.timeline is None:
            raise Refusal(409, f"This job has no result: it is {job.state}." + (f" {job.error}" if job.error else ""))
        return job, job.timeline

    async def remove(self, name: str) -> Job:
        """Cancel a job if it isn't done, and forget it. Raises `Refusal` with 404 where there is none."""
        job = self.get(name)
        del self._all[name]
        if job.task is not None and not job.task.done():
            job.task.cancel()
            await asyncio.wait([job.task], timeout=5)
            job.state = "cancelled"
        return job

    async def stop(self) -> None:
        """Cancel all that run."""
        for name in list(self._all):
            await self.remove(name)

    @property
    def n_running(self) -> int:
        """How many aren't done yet."""
        return sum(job.state in ("waiting", "running") for job in self._all.values())

    async def _run(self, job: Job, upload: Upload) -> None:
        try:
            async with self._places:
                job.state = "running"
                job.timeline = await heard(self._service, upload, job.wish, tell=lambda more: _advance(job, more))
                job.state, job.error = "done", job.timeline.note
        except EmotoneError as error:
            job.state, job.error = "failed", str(error)
        except asyncio.CancelledError:
            job.state = "cancelled"
            raise
        except BaseException:
            job.state, job.error = "failed", "The server made a mistake with this recording. Its log tells more."
            raise
        finally:
            upload.close()
            job.until = time.monotonic() + self._settings.job_keep_seconds
            job.task = None

    def _forget(self) -> None:
        now = time.monotonic()
        self._all = {name: job for name, job in self._all.items() if job.until > now}


def _advance(job: Job, more: float) -> None:
    job.seconds += more
