"""Times that go on where a file's clock doesn't, alike for all of its tracks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

__all__ = ["FileClock", "FrameTimes", "Timeline"]

_BACK_S = Fraction(1, 5)
"""A packet that lies so far before the last one of its track was not shuffled: the clock began anew."""

_FORTH_S = 10
"""The same for a packet so far after it, where clocks may jump; FFmpeg's own default."""

_WAIT_S = 1
"""How much of a new clock's packets is looked at to learn where each track begins."""

_WAIT_PACKETS = 1000


@dataclass
class _Track:
    last: Fraction  # the file's time of the last packet, in seconds
    end: Fraction  # where the last packet written ends
    clock: int  # how many clocks the track has left behind
    step: Fraction = Fraction(0)  # between the last two packets


@dataclass
class _NewClock:
    """The packets since a clock began, while its place is not known."""

    since: Fraction
    started: dict[int, Fraction] = field(default_factory=dict)
    packets: list[tuple[Any, int]] = field(default_factory=list)


class FileClock:
    """Moves the times of a file's packets so that they begin at 0 and go on where the clock jumps.

    Joined recordings have such jumps. One offset holds for all tracks from a jump to the next, so that
    sound and picture stay in step: none overlaps what it had before the jump, and one follows on at once.

    Args:
        start: the file's time, in seconds, that becomes 0.
        may_jump: whether a jump forward is one of the clock, as in transport streams, and not a pause.
    """

    def __init__(self, start: Fraction, may_jump: bool) -> None:
        self.jumps = 0
        self._offsets = [-start]
        self._may_jump = may_jump
        self._tracks: dict[int, _Track] = {}
        self._new: _NewClock | None = None

    def run(self, packets: Iterable[Any]) -> Iterator[Any]:
        """The packets, PyAV's, with their times moved, in their order."""
        for packet in packets:
            if packet.size == 0:  # the end of a track
                yield from self._settle()
                yield packet
                continue
            time = _time(packet)
            clock = self._clock_of(packet.stream.index, time)
            new = self._new
            if new is None:
                yield self._move(packet, clock)
                continue
            new.packets.append((packet, clock))
            if self._is_known(new, time, clock):
                yield from self._settle()
        yield from self._settle()

    def _clock_of(self, index: int, time: Fraction | None) -> int:
        """By which clock a packet goes; begins a new one where it must."""
        newest = self.jumps
        track = self._tracks.get(index)
        if time is None:
            return newest if track is None else track.clock
        if track is None:
            self._tracks[index] = _Track(time, Fraction(0), newest)
            if self._new is not None:
                self._new.started[index] = time
            return newest
        # Forth only beyond all tracks: one of them alone may pause.
        reach = max(t.last for t in self._tracks.values() if t.clock == track.clock)
        jumped = time < track.last - _BACK_S or (self._may_jump and time > reach + _FORTH_S)
        if not jumped and time > track.last:
            track.step = time - track.last
        track.last = time
        if jumped:
            if track.clock == newest:
                self._begin(time)
            track.clock = self.jumps
            if self._new is not None:
                self._new.started[index] = time
        return track.clock

    def _begin(self, time: Fraction) -> None:
        if self._new is not None:  # another jump before the last one was placed
            self._place(self._new)
            self._new = _NewClock(time, packets=self._new.packets)
        else:
            self._new = _NewClock(time)
        self.jumps += 1

    def _is_known(self, new: _NewClock, time: Fraction | None, clock: int) -> bool:
        everywhere = all(track.clock == self.jumps for track in self._tracks.values())
        late = time is not None and clock == self.jumps and time > new.since + _WAIT_S
        return everywhere or late or len(new.packets) >= _WAIT_PACKETS

    def _place(self, new: _NewClock) -> None:
        ends = dict.fromkeys(new.started, Fraction(0))
        for index in ends:
            ends[index] = self._tracks[index].end
        for packet, clock in new.packets:  # of the old clock, not yet written
            index = packet.stream.index
            if clock < self.jumps and clock < len(self._offsets) and index in ends:
                ends[index] = max(ends[index], self._end(packet) + self._offsets[clock])
        self._offsets.append(max(ends[index] - first for index, first in new.started.items()))

    def _settle(self) -> Iterator[Any]:
        new, self._new = self._new, None
        if new is not None:
            self._place(new)
            for packet, clock in new.packets:
                yield self._move(packet, clock)

    def _move(self, packet: Any, clock: int) -> Any:
        offset = round(self._offsets[clock] / packet.time_base)
        if packet.dts is not None:
            packet.dts += offset
        if packet.pts is not None:
            packet.pts += offset
        track = self._tracks.get(packet.stream.index)
        if track is not None:
            track.end = max(track.end, self._end(packet))
        return packet

    def _end(self, packet: Any) -> Fraction:
        track, time = self._tracks[packet.stream.index], _time(packet)
        duration = Fraction(packet.duration * packet.time_base) if packet.duration else track.step
        return track.end if time is None else time + duration


def _time(packet: Any) -> Fraction | None:
    """When a packet is decoded, in seconds; None where it only says when it is shown, in another order."""
    time = packet.dts
    if time is None and packet.stream.type == "audio":
        time = packet.pts
    return None if time is None else Fraction(time * packet.time_base)


class FrameTimes:
    """When decoded frames are shown; by FFmpeg's rule the decoding times where the others are worse."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._faults = {"pts": 0, "dts": 0}

    def of(self, frame: Any) -> int | None:
        """A PyAV frame's time, in its own unit; None where it has none."""
        for name in self._faults:
            time = getattr(frame, name)
            if time is not None:
                self._faults[name] += time <= self._last.get(name, time - 1)
                self._last[name] = time
        if frame.pts is not None and (frame.dts is None or self._faults["pts"] <= self._faults["dts"]):
            return int(frame.pts)
        return None if frame.dts is None else int(frame.dts)


class Timeline:
    """Times of one track's frames, each later than the one before."""

    def __init__(self) -> None:
        self.moves = 0
        self._last: int | None = None

    def place(self, time: int | None, step: int) -> int:
        """The time to write for one that was read; None follows the last by ``step``."""
        last = self._last
        if time is None:
            placed = 0 if last is None else last + step
        elif last is not None and time <= last:
            self.moves += 1
            placed = last + 1
        else:
            placed = time
        self._last = placed
        return placed
