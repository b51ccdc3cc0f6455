from __future__ import annotations

import signal
import sys
import threading
import time

import pytest

from upperbodyseg import EngineStateError
from upperbodyseg.locks import Lock


class CutError(Exception):
    """Stands for what a signal handler raises."""


def cut(*_: object) -> None:
    raise CutError


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no interval timer")
@pytest.mark.usefixtures("nothing_else_to_cut")
def test_no_signal_leaves_it_held() -> None:
    lock, cuts = Lock(), 0
    before = signal.signal(signal.SIGALRM, cut)
    try:
        while cuts < 500:
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, 3e-5 + cuts % 37 * 1e-6)
                    while True:
                        with lock:
                            pass
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except CutError:
                cuts += 1
                assert not lock._is_owned()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_threads_take_it_one_after_the_other() -> None:
    lock, inside, most = Lock(), 0, []

    def work() -> None:
        nonlocal inside
        for _ in range(200):
            with lock:
                inside += 1
                most.append(inside)
                time.sleep(0)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 800
    assert max(most) == 1


def test_whoever_holds_it_is_told_and_it_is_given_back_once() -> None:
    lock = Lock()
    with lock, pytest.raises(EngineStateError, match="signal handler"), lock:
        pass
    assert not lock._is_owned()
