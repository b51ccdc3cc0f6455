"""The time that a frame spends in each stage."""

from __future__ import annotations

from time import perf_counter

__all__ = ["Clock"]


class Clock:
    """Adds up the stages of one frame. It starts when it is made."""

    def __init__(self) -> None:
        self._start = self._last = perf_counter()
        self._stages = dict.fromkeys(("preprocess", "detection", "segmentation", "postprocess"), 0.0)

    def lap(self, stage: str) -> None:
        """Count the time since the last lap for ``stage``."""
        now = perf_counter()
        self._stages[stage] += now - self._last
        self._last = now

    def timings_ms(self) -> dict[str, float]:
        """Milliseconds a stage, and their ``total``."""
        stages = {name: seconds * 1000 for name, seconds in self._stages.items()}
        stages["total"] = (self._last - self._start) * 1000
        return stages
