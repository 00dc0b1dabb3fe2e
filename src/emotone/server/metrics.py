"""What Prometheus sees: how much is asked, heard and refused, how long it takes, what waits. Never who asked, or what
was heard in a voice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from emotone.audio import SAMPLE_RATE

if TYPE_CHECKING:
    from emotone.server.service import Service

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "emotone_requests", "HTTP requests answered.", ["route", "status"], registry=self.registry
        )
        self.latency = Histogram(
            "emotone_request_seconds",
            "Until an HTTP request was answered.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.refused = Counter(
            "emotone_refused", "Refused since there was too much to do.", ["what"], registry=self.registry
        )
        self.sound = Counter(
            "emotone_sound_seconds", "Sound that was heard, in seconds.", ["way"], registry=self.registry
        )
        self.provisional = Histogram(
            "emotone_provisional_seconds",
            "From the arrival of sound at a stream until its provisional answer.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.stale = Counter(
            "emotone_provisional_stale",
            "Provisional answers that weren't renewed for want of time.",
            registry=self.registry,
        )
        self.glances = Counter(
            "emotone_provisional_glances",
            "Provisional answers from the last moments of an utterance, for want of time.",
            registry=self.registry,
        )

    def heard(self, way: str, n_samples: int) -> None:
        """Count sound of 16 kHz."""
        self.sound.labels(way).inc(n_samples / SAMPLE_RATE)

    def watch(self, service: Service) -> None:
        """Show what is going on in ``service`` whenever somebody looks."""
        shown = {
            "emotone_streams": ("Open streams.", lambda: service.n_streams),
            "emotone_requests_admitted": ("Recordings that are decoded, heard or wait.", lambda: service.n_requests),
            "emotone_scheduler_waiting": (
                "Pieces of work that wait for a thread.",
                lambda: service.scheduler.n_waiting,
            ),
            "emotone_scheduler_busy_seconds": ("CPU time of the threads.", lambda: service.scheduler.busy_seconds),
            "emotone_decoders": ("Decoding processes.", lambda: len(service.decoders.pids)),
            "emotone_decoders_replaced": (
                "Decoding processes that were replaced.",
                lambda: service.decoders.n_replaced,
            ),
            "emotone_spool_bytes": ("Bytes of uploads.", lambda: service.spool.n_bytes),
            "emotone_voices": ("Voices that are known.", lambda: len(service.voices)),
        }
        for name, (words, value) in shown.items():
            Gauge(name, words, registry=self.registry).set_function(value)

    def page(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self.registry)
