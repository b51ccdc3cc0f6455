"""What the service counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

__all__ = ["MEDIA_TYPE", "Metrics"]

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """A registry of one service.

    Args:
        pending: how many pictures wait or are worked on.
        streams: how many streams are open.
    """

    def __init__(self, pending: Callable[[], float], streams: Callable[[], float]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "upperbodyseg_requests", "Requests answered.", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "upperbodyseg_request_seconds",
            "From a request's header to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._stages = Counter(
            "upperbodyseg_stage_seconds", "Time of each stage.", ("stage",), registry=self._registry
        )
        self._pictures = Counter("upperbodyseg_pictures", "Pictures segmented.", registry=self._registry)
        self._persons = Counter("upperbodyseg_persons", "People in them.", registry=self._registry)
        for name, text, value in (
            ("upperbodyseg_pending", "Pictures that wait or are worked on.", pending),
            ("upperbodyseg_streams", "WebSocket streams that are open.", streams),
        ):
            Gauge(name, text, registry=self._registry).set_function(value)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def picture(self, persons: int, timings_ms: Mapping[str, float]) -> None:
        """Count a picture that was segmented."""
        self._pictures.inc()
        self._persons.inc(persons)
        for stage, milliseconds in timings_ms.items():
            if stage != "total":
                self._stages.labels(stage).inc(milliseconds / 1000)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
