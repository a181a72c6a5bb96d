"""A child's signs of life: a line on standard output each second; its failure says the parent is gone."""

from __future__ import annotations

import os
import signal
import sys
import threading

EVERY_S = 1.0


def give_signs_of_life(*, every_s: float = EVERY_S) -> None:
    """Write a line each `every_s` seconds from a thread, until the process ends.

    Once nobody reads any more, the process and what it started end at once: a training whose supervisor is
    gone has lost its lease, and another may begin.
    """
    threading.Thread(target=_write_forever, args=(every_s,), name="signs-of-life", daemon=True).start()


def _write_forever(every_s: float) -> None:
    descriptor = sys.__stdout__.fileno() if sys.__stdout__ is not None else 1
    pause = threading.Event()
    while True:
        try:
            os.write(descriptor, b"\n")
        except OSError:
            _end()
        pause.wait(every_s)


def _end() -> None:
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)
