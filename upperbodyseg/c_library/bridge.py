"""What the shared library calls: numbers and addresses in, a message out.

Every function here but :func:`connect` returns why it failed, or ``""``. None raises: nothing could catch it.

A handle is a number that never comes back, so that a program's mistakes are found without touching memory.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import ctypes
import dataclasses
import functools
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from upperbodyseg.c_library.errors import BuildError
from upperbodyseg.c_structs import CFrameInput, CImageBuffer, CSegmentationOutput, frame_input_from_c
from upperbodyseg.engine import UpperBodySegmenter
from upperbodyseg.errors import EngineStateError, InputError, UpperBodySegError
from upperbodyseg.image_buffer import ImageBuffer
from upperbodyseg.locks import Lock
from upperbodyseg.options import SegmenterOptions
from upperbodyseg.types import FrameInput

__all__ = ["INTERFACE", "connect", "create", "destroy", "initialize", "is_initialized", "process"]

INTERFACE = 1
"""Number of the agreement between this module and the C code; a library built for another is refused."""

_FIRST_HANDLE, _HANDLE_STEP = 4096, 16
"""Handles look like addresses, and none is a small number."""


class _Session:
    """An engine, and the mask that its program may still read."""

    __slots__ = ("engine", "frame", "mask")

    def __init__(self, engine: UpperBodySegmenter) -> None:
        self.engine = engine
        self.mask: ImageBuffer | None = None
        self.frame: tuple[bytes, FrameInput] | None = None


_sessions: dict[int, _Session] = {}
_handles = itertools.count(_FIRST_HANDLE, _HANDLE_STEP)
_FrameBytes = ctypes.c_char * ctypes.sizeof(CFrameInput)
_MASK_POINTER = CSegmentationOutput.mask.offset + CImageBuffer.data.offset
_Function = TypeVar("_Function", bound=Callable[..., None])


def connect(interface: int, ended_address: int) -> None:
    """Agree with the C code, once.

    Args:
        interface: the C code's :data:`INTERFACE`.
        ended_address: of an ``int`` that becomes 1 when Python ends.

    Raises:
        BuildError: the library was built for another version.
    """
    if interface != INTERFACE:
        raise BuildError(
            f"the C library speaks interface {interface}, the installed upperbodyseg {INTERFACE}: "
            "build it anew with upperbodyseg c-library build"
        )
    atexit.register(_set_ended, ended_address)


def _set_ended(address: int) -> None:
    ctypes.c_int.from_address(address).value = 1


def _guarded(function: _Function) -> Callable[..., str]:
    @functools.wraps(function)
    def call(*arguments: Any) -> str:
        try:
            function(*arguments)
        except KeyboardInterrupt:
            _thread.interrupt_main()  # the host's Python is still to see it
            return "interrupted"
        except UpperBodySegError as exc:
            return _text(str(exc) or type(exc).__name__)
        except BaseException as exc:
            return _text(f"{type(exc).__name__}: {exc}")
        return ""

    return call


def _text(message: str) -> str:
    """The message as text that UTF-8 can hold: a path may have bytes that are none."""
    return message.encode("utf-8", "backslashreplace").decode()


def _session(handle: int) -> _Session:
    try:
        return _sessions[handle]
    except KeyError:
        raise EngineStateError(
            f"{handle:#x} is no handle that create gave, or it was destroyed: create a new one"
        ) from None


@_guarded
def create(options: bytes, handle_address: int) -> None:
    """Make an engine; its handle is written as ``uint64`` at ``handle_address``."""
    session = _Session(UpperBodySegmenter(parse_options(options)))
    handle = next(_handles)
    _sessions[handle] = session
    ctypes.c_uint64.from_address(handle_address).value = handle


@_guarded
def destroy(handle: int) -> None:
    """Close an engine, after the frame in progress."""
    session = _session(handle)
    if _sessions.pop(handle, None) is not None:  # of two threads, the first
        session.engine.close()


@_guarded
def initialize(handle: int) -> None:
    """Load an engine's models."""
    session = _session(handle)
    with _runtimes_greeting_withheld():
        session.engine.initialize()


@_guarded
def is_initialized(handle: int) -> None:
    """Fail unless the engine can process."""
    if not _session(handle).engine.is_initialized:
        raise EngineStateError("the engine has not been initialized")


def _frame(session: _Session, address: int) -> FrameInput:
    """The frame at an address.

    A program that fills the same memory again gets the same object. Its timestamp is then an earlier one: C
    hands timestamps through by itself.
    """
    described = bytes(_FrameBytes.from_address(address))[CFrameInput.data.offset :]
    known = session.frame
    if known is None or known[0] != described:
        known = described, frame_input_from_c(CFrameInput.from_address(address))
        session.frame = known
    return known[1]


@_guarded
def process(handle: int, frame_address: int, blur_sigma: float, output_address: int) -> None:
    """Segment a frame. On failure the output stays as it is.

    Args:
        handle: from :func:`create`.
        frame_address: of a ``CFrameInput``.
        blur_sigma: in frame pixels, 0 for no blur.
        output_address: of a ``CSegmentationOutput``, whose mask lives until the handle's next call.
    """
    session = _session(handle)
    session.mask = None
    mask = session.engine.process(_frame(session, frame_address), blur_sigma).segmentation_mask
    session.mask = mask
    if handle not in _sessions:
        raise EngineStateError("the handle was destroyed during the frame")
    assert mask.data is not None
    memory = ctypes.c_uint8.from_buffer(mask.data)
    output = CSegmentationOutput.from_address(output_address)
    output.mask = CImageBuffer(mask.width, mask.height, mask.step, mask.channels, None, mask.data_size, 0)
    # Past the field's type, because a cast to it takes longer than all else here.
    ctypes.c_void_p.from_address(output_address + _MASK_POINTER).value = ctypes.addressof(memory)
    output.success = True


def parse_options(text: bytes) -> SegmenterOptions:
    """Options from ``name=value`` pairs, separated by ``;`` or line breaks.

    Args:
        text: UTF-8. Values are numbers, ``true``, ``false``, ``none`` or text, as the option takes.

    Raises:
        InputError: not of that form, no such option, one given twice, or a value that it can't take.
    """
    types = {field.name: str(field.type) for field in dataclasses.fields(SegmenterOptions)}
    values: dict[str, Any] = {}
    for pair in os.fsdecode(text).replace("\n", ";").split(";"):
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not pair.strip():
            continue
        if not equals or name not in types:
            raise InputError(f"options are name=value pairs of {', '.join(types)}; got {pair.strip()!r}")
        if name in values:
            raise InputError(f"the option {name} is given twice")
        values[name] = _value(types[name], value)
    return SegmenterOptions(**values)


_WORDS = {"true": True, "false": False, "none": None}


def _value(kinds: str, text: str) -> object:
    """The value that a text stands for; SegmenterOptions refuses what doesn't fit."""
    kind = {part.strip() for part in kinds.split("|")}
    word = text.lower()
    if word in _WORDS and ("None" in kind if word == "none" else "bool" in kind):
        return _WORDS[word]
    for name, convert in (("int", int), ("float", float)):
        if name in kind:
            with contextlib.suppress(ValueError):
                return convert(text)
    return text


_greeting_lock = Lock()
_greeted = False


@contextlib.contextmanager
def _runtimes_greeting_withheld() -> Iterator[None]:
    """TensorFlow Lite greets on the process's standard error with its first model; a library is silent.

    What others print there meanwhile is kept, and written when the model is loaded.
    """
    global _greeted  # noqa: PLW0603
    if _greeted:
        yield
        return
    with _greeting_lock, contextlib.ExitStack() as stack:
        try:
            kept = stack.enter_context(tempfile.TemporaryFile())
            screen = os.dup(2)
        except OSError:  # no standard error, or no folder that takes a file
            yield
            return
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(screen, 2)
            os.close(screen)
            kept.seek(0)
            for line in kept:
                if not line.startswith(b"INFO: "):
                    _write(line)
        _greeted = True


def _write(line: bytes) -> None:
    with contextlib.suppress(OSError):
        os.write(2, line)
