"""Renewal in a forked child, where other threads' locks stay locked and their work never ends."""

from __future__ import annotations

import itertools
import os
import weakref
from typing import Protocol

__all__ = ["Renewable", "renew_in_child"]


class Renewable(Protocol):
    """Something with locks, threads or models that a forked child can't use."""

    def renew(self) -> None:
        """Replace them, in the child, before anything else runs there."""


_things: weakref.WeakValueDictionary[int, Renewable] = weakref.WeakValueDictionary()
_numbers = itertools.count()


def renew_in_child(thing: Renewable) -> None:
    """Call ``thing.renew()`` in every forked child, as long as ``thing`` lives.

    What registers first is renewed first: an engine before the pool that holds it.
    """
    _things[next(_numbers)] = thing


def _after_fork() -> None:
    for thing in list(_things.values()):
        thing.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
