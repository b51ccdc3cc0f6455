"""How each kind of file is encoded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from upperbodyseg.video.format import Layout

__all__ = ["ALPHA_CONTAINERS", "CONTAINERS", "LARGE_PIXELS", "Encoding", "encoding_of"]

CONTAINERS = (".gif", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
"""The endings of the files that can be written; VP9 in .webm, GIF in .gif, H.264 in the others (ProRes 4444
in .mov with alpha)."""

ALPHA_CONTAINERS = (".gif", ".mov", ".webm")
"""Those of them that hold alpha; GIF's is on or off."""


@dataclass(frozen=True)
class Encoding:
    """An encoder and what it wants.

    Attributes:
        codec: FFmpeg's name of the encoder.
        options: of the encoder.
        pixel_format: FFmpeg's name of what it is given.
        alpha_pixel_format: the same with alpha; "" for none.
        is_even: whether it takes even sizes only.
        is_rgb: whether the pixels are RGB, which have no matrix and range.
        keeps_range: whether full range can be marked.
        has_sound: whether the container has sound tracks and chapters.
        time_unit_hz: of the container, where it has but one.
        min_step: in that unit; frames nearer to each other are left out.
    """

    codec: str
    options: dict[str, str] = field(default_factory=dict)
    pixel_format: str = "yuv420p"
    alpha_pixel_format: str = ""
    is_even: bool = False
    is_rgb: bool = False
    keeps_range: bool = True
    has_sound: bool = True
    time_unit_hz: int | None = None
    min_step: int = 1


# Half the time of the preset "fast", and no larger at this quality.
_H264 = Encoding("libx264", {"crf": "18", "preset": "veryfast"}, is_even=True)
# cpu-used 4 takes a fifth of the time of the default, 1, for a few per cent more bytes.
_VP9 = Encoding(
    "libvpx-vp9",
    {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"},
)
# Alpha is encoded as a second video. In realtime mode both take less than a fifth of the time, for a quarter
# more bytes.
_VP9_ALPHA = Encoding(
    "libvpx-vp9",
    {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "7", "row-mt": "1"},
    alpha_pixel_format="yuva420p",
)
_PRORES = Encoding(
    "prores_aw", {"profile": "4"}, "yuv444p10le", alpha_pixel_format="yuva444p10le", keeps_range=False
)
# Browsers show frames of a hundredth of a second for a tenth: two hundredths are the least.
_GIF = Encoding(
    "gif", {}, "pal8", alpha_pixel_format="pal8", is_rgb=True, has_sound=False, time_unit_hz=100, min_step=2
)

LARGE_PIXELS = 139_264 * 16 * 16
"""The largest frames of H.264's levels, ITU-T H.264, table A-1. Of larger ones few are held at once."""

# Encoders look ahead by dozens of frames, each in several copies, and every thread has some of its own.
_LEAN = {
    "libx264": {"preset": "ultrafast", "tune": "zerolatency", "threads": "1"},
    "libvpx-vp9": {"lag-in-frames": "0", "auto-alt-ref": "0", "row-mt": "0", "threads": "1"},
    "prores_aw": {"threads": "1"},
}


def encoding_of(suffix: str, layout: Layout, pixels: int) -> Encoding:
    """How to encode a file.

    Args:
        suffix: its ending, one of :data:`~upperbodyseg.video.encoding.CONTAINERS`.
        layout: of the pictures.
        pixels: of a frame. Where they are very many, memory matters more than size and time.
    """
    if suffix == ".mov" and layout == "bgra":
        encoding = _PRORES
    elif suffix == ".webm" and layout == "bgra":
        encoding = _VP9_ALPHA
    else:
        encoding = {".webm": _VP9, ".gif": _GIF}.get(suffix, _H264)
    if pixels > LARGE_PIXELS:
        return replace(encoding, options={**encoding.options, **_LEAN.get(encoding.codec, {})})
    return encoding
