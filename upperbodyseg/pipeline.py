"""One frame from its pixels to its mask. The order of the stages stands here and nowhere else::

    still:   open_frame -> detect -> candidates -> regions -> segment -> judge -> compose
    stream:  open_frame -> follow the regions of the frame before -> segment -> smooth -> compose
             and every few frames: detect -> candidates -> regions -> who is who

With ``people="main"`` the others go between segmenting and composing. Each person's own mask is made when
it is asked for (:mod:`upperbodyseg.people.crowd`).

Each stage is a module of :mod:`upperbodyseg.preprocess` or :mod:`upperbodyseg.postprocess`, or one of the two
models (:mod:`upperbodyseg.detector`, :mod:`upperbodyseg.segmenter`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg import checks
from upperbodyseg.buffers import Buffers
from upperbodyseg.clock import Clock
from upperbodyseg.detector import PersonDetector
from upperbodyseg.geometry import Region
from upperbodyseg.image_buffer import ImageBuffer
from upperbodyseg.models.spec import WEIGHTS
from upperbodyseg.options import SegmenterOptions
from upperbodyseg.people.crowd import Crowd
from upperbodyseg.people.found import Found
from upperbodyseg.people.main_person import Alone, MainPerson
from upperbodyseg.people.separator import PersonSeparator
from upperbodyseg.postprocess.confidence import softness
from upperbodyseg.postprocess.detections import distinct_persons, without_duplicates
from upperbodyseg.postprocess.mask import Part, compose_mask
from upperbodyseg.postprocess.refine import Guide
from upperbodyseg.preprocess.pixel_format import Frame, open_frame
from upperbodyseg.preprocess.regions import group_persons, grown
from upperbodyseg.preprocess.side import Side
from upperbodyseg.segmenter import PersonSegmenter, SegmentedRegion
from upperbodyseg.stream import Stream
from upperbodyseg.types import DetectedPerson, FrameInput, SegmentationOutput

__all__ = ["Pipeline"]


class Pipeline:
    """Both models and everything that is carried from frame to frame. Not for several threads at a time.

    Args:
        options: settings.

    Raises:
        ModelNotFoundError: a weight file or the runtime is missing.
        ModelFormatError: a weight file is damaged.
    """

    def __init__(self, options: SegmenterOptions) -> None:
        folder = WEIGHTS / options.model if options.models_dir is None else Path(options.models_dir)
        self._options, self._folder = options, folder
        self._detector = PersonDetector.load(folder, options.runtime, int(options.num_threads))
        self._segmenter = PersonSegmenter.load(folder, options.runtime, int(options.num_threads))
        self._acceptance = self._detector.acceptance
        if options.score_threshold is not None:
            self._acceptance = self._acceptance.at(float(options.score_threshold))
        self._stream = Stream(self._acceptance)
        self._buffers = Buffers()
        self._main: MainPerson | None = None
        if options.people == "main":
            self._load_main_person()

    def forget_stream(self) -> None:
        """The next stream frame starts a new stream."""
        self._forget_people()
        self._buffers.trim()

    def _load_main_person(self) -> MainPerson:
        """Made for who asks: the separator takes memory and time to load."""
        if self._main is None:
            self._main = MainPerson(PersonSeparator.load(self._folder, self._options.runtime))
        return self._main

    def _forget_people(self) -> None:
        self._stream.forget()
        if self._main is not None:
            self._main.forget()

    def run(self, given: FrameInput, blur_sigma: float, out: NDArray[np.uint8] | None) -> SegmentationOutput:
        """One frame, a still or the next of the stream.

        Args, returns and raises as for :meth:`upperbodyseg.UpperBodySegmenter.process`.
        """
        clock = Clock()
        frame = open_frame(given.frame, given.image_type, self._options.max_pixels)
        main = self._load_main_person() if (given.people or self._options.people) == "main" else None
        mask = _mask_memory(frame, out)
        try:
            if given.is_still:
                parts, found = self.segment_still(frame, clock, main)
            else:
                parts, found = self.segment_next(frame, clock, main)
            compose_mask(parts, blur_sigma, mask, self._buffers)
        finally:
            if given.is_still:  # the next frame of a stream needs as much again
                self._buffers.trim()
        buffer = _as_buffer(mask, out is None)
        crowd = Crowd(buffer, found, self._folder, self._options.runtime)
        confidence = self._confidence_in(found)
        clock.lap("postprocess")
        return SegmentationOutput(
            success=True,
            timestamp=given.timestamp,
            segmentation_mask=buffer,
            persons=crowd.persons,
            timings_ms=clock.timings_ms(),
            regions=tuple(part.region.corners for part in parts),
            confidence=confidence,
            _crowd=crowd,
        )

    def segment_still(
        self, frame: Frame, clock: Clock, main: MainPerson | None = None
    ) -> tuple[list[Part], Found]:
        """A frame by itself: the parts of its mask, and the people in it; with ``main`` who stays."""
        acceptance = self._acceptance
        overlapping = self._detector.detect_overlapping(frame, acceptance.lowest, self._buffers, clock)
        candidates = acceptance.candidates(without_duplicates(overlapping))
        views: list[SegmentedRegion] = []
        confirmed: list[DetectedPerson] = []
        scores: list[float] = []
        for region, members in group_persons(candidates, frame.size, acceptance.margin):
            seen = self._segment(frame, region, clock)
            judgement = acceptance.judge(members, region, seen.mask)
            if not acceptance.keeps(judgement):
                continue
            roomier = grown(region, seen.mask, frame.size)
            if roomier != region:
                seen = self._segment(frame, roomier, clock)
            if self._options.test_time_augmentation:
                # Only now: a mean of two masks is less certain, and acceptance was measured on single ones.
                seen = self._segmenter.augmented(seen, clock)
            views.append(seen)
            confirmed += judgement.persons
            scores.append(judgement.score)
        if not acceptance.is_certain(scores):
            return [], Found((), (), overlapping)
        persons = tuple(replace(p, id=i) for i, p in enumerate(distinct_persons(confirmed)))
        found = Found(persons, tuple(views), overlapping)
        if main is not None:
            found = _shown(main.alone(found, frame.size), found)
            clock.lap("segmentation")
        return [self._part(frame, seen, i, self._refines_stills) for i, seen in enumerate(found.views)], found

    def segment_next(
        self, frame: Frame, clock: Clock, main: MainPerson | None = None
    ) -> tuple[list[Part], Found]:
        """The next frame of the stream: the parts of its mask, and the people in it; with ``main`` who stays.

        After a failure the stream starts anew.
        """
        try:
            return self._segment_next(frame, clock, main)
        except BaseException:
            self._forget_people()
            raise

    def _segment_next(self, frame: Frame, clock: Clock, main: MainPerson | None) -> tuple[list[Part], Found]:
        stream = self._stream
        look = stream.begin(frame)
        least = self._acceptance.lowest
        while True:
            if look == "whole":
                overlapping = self._detector.detect_overlapping(frame, least, self._buffers, clock)
                stream.check(without_duplicates(overlapping), overlapping)
            elif look is not None:
                entering = self._detector.detect_at_side(frame, look, least, self._buffers, clock)
                stream.check_side(look, entering)
            tracks = list(stream.tracks)
            regions = [self._segment(frame, t.region, clock, quick=True, side=t.side) for t in tracks]
            shown, is_lost = stream.follow([seen.mask for seen in regions])
            if not is_lost:
                break
            look = "whole"
        tracks = [track for track, show in zip(tracks, shown, strict=True) if show]
        views = tuple(seen for seen, show in zip(regions, shown, strict=True) if show)
        persons = distinct_persons(person for track in stream.tracks for person in track.persons)
        named = stream.identities.name(persons, views, stream.frames, anew=stream.checked)
        found = Found(named, views, stream.overlapping)
        masks: list[NDArray[np.uint8] | None] = [seen.mask for seen in views]
        if main is not None and persons:
            alone = main.alone(found, frame.size, stream.frames, checked=stream.checked)
            masks, found = alone.masks, _shown(alone, found)
            clock.lap("segmentation")
        parts: list[Part] = []
        for track, seen, mask in zip(tracks, views, masks, strict=True):
            if mask is None:
                track.smoother.forget()
                continue
            if self._options.temporal_smoothing:
                mask = track.smoother.smooth(seen.bgr, mask, seen.region)  # noqa: PLW2901
            part = seen._replace(mask=mask)
            parts.append(self._part(frame, part, len(parts), self._refines_streams, track.smoother.grain))
        clock.lap("postprocess")
        return parts, found

    def _confidence_in(self, found: Found) -> float:
        """How good the frame's mask is likely to be, 0-1."""
        model = self._detector.confidence
        if not found.persons:
            best = found.overlapping[0].score if found.overlapping else 0.0
            return 1 - best if model is None else model.of_nobody(best)
        best = found.persons[0].score
        if model is None:
            return min(best, 1.0)
        return model.of_people(best, softness((seen.region, seen.mask) for seen in found.views))

    def _segment(
        self, frame: Frame, region: Region, clock: Clock, quick: bool = False, side: Side | None = None
    ) -> SegmentedRegion:
        return self._segmenter.segment(frame, region, quick, self._buffers, clock, side)

    @property
    def _refines_stills(self) -> bool:
        return self._options.refine is None or bool(self._options.refine)

    @property
    def _refines_streams(self) -> bool:
        # Beside the fast model's time that of refining would be long.
        return self._options.model != "fast" if self._options.refine is None else bool(self._options.refine)

    def _part(
        self, frame: Frame, seen: SegmentedRegion, number: int, refines: bool, grain: float = 0.0
    ) -> Part:
        """What a region adds to the frame's mask; ``number`` keeps the parts' scratch memory apart."""
        if not refines:
            return Part(seen.region, seen.mask)
        grey: NDArray[np.uint8] = cv2.cvtColor(seen.bgr, cv2.COLOR_BGR2GRAY)
        luma = frame.read_luma(seen.region, self._buffers, f"luma {number}")
        return Part(seen.region, seen.mask, Guide(grey, *luma, grain=grain))


def _shown(alone: Alone, found: Found) -> Found:
    """What is left to show beside the main person; boxes of those who went are evidence of nobody."""
    views = (
        seen._replace(mask=mask)
        for seen, mask in zip(found.views, alone.masks, strict=True)
        if mask is not None
    )
    return Found(alone.persons, tuple(views), ())


def _mask_memory(frame: Frame, out: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Zeros for the frame's mask: new, or in the caller's array."""
    if out is None:
        return np.zeros(frame.size, np.uint8)
    mask = checks.result_array(out, frame.size, {"frame": frame.planes}, packed=True)
    mask.fill(0)
    return mask


def _as_buffer(mask: NDArray[np.uint8], owned: bool) -> ImageBuffer:
    if not owned:
        return ImageBuffer.view(mask)
    height, width = mask.shape
    return ImageBuffer(width=width, height=height, channels=1, data=mask, owns_data=True)
