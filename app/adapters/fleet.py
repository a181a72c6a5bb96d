"""Several processes of one kind: started, replaced when one dies, told to stop together."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from time import monotonic
from types import FrameType

import structlog

LOOK_EVERY_S = 0.5
SOON_S = 5.0
MOST_DEATHS = 5
_log = structlog.get_logger(__name__)


class FleetError(Exception):
    """The processes keep dying as soon as they are started."""


class Fleet:
    """Runs a function in `count` processes, each made anew by `spawn`: a fork would share threads and locks.

    Args:
        target: What each runs, given its number from 0; it can be pickled.
        count: How many.
        buried: Told the id of each that has ended.
    """

    def __init__(
        self, target: Callable[[int], None], *, count: int, buried: Callable[[int], None] = lambda _: None
    ) -> None:
        self._target, self._count, self._buried = target, count, buried
        self._context = multiprocessing.get_context("spawn")
        self._running: dict[int, BaseProcess] = {}
        self._born: dict[int, float] = {}
        self._stopping = False
        self._early_deaths = 0

    def run(self) -> None:
        """Until SIGTERM or SIGINT, which each process is sent too; every further one is passed on as well.

        Raises:
            FleetError: They keep dying as soon as they are started.
        """
        for asked in (signal.SIGTERM, signal.SIGINT):
            signal.signal(asked, self._pass_on)
        for number in range(self._count):
            self._start(number)
        while self._running:
            connection.wait([one.sentinel for one in self._running.values()], timeout=LOOK_EVERY_S)
            for number, process in tuple(self._running.items()):
                if process.exitcode is not None:
                    self._ended(number, process)
        if self._early_deaths >= MOST_DEATHS:
            raise FleetError("The processes end as soon as they are started; their log says why.")

    def _start(self, number: int) -> None:
        process = self._context.Process(target=_lead, args=(self._target, number), name=f"worker-{number}")
        process.start()
        self._running[number], self._born[number] = process, monotonic()

    def _ended(self, number: int, process: BaseProcess) -> None:
        del self._running[number]
        self._buried(process.pid or 0)
        if self._stopping:
            return
        _log.error("fleet.process.died", number=number, code=process.exitcode)
        self._early_deaths += monotonic() - self._born[number] < SOON_S
        if self._early_deaths >= MOST_DEATHS:
            self._pass_on(signal.SIGTERM, None)
        else:
            self._start(number)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        for process in self._running.values():
            if process.pid is not None and process.exitcode is None:
                os.kill(process.pid, number)


def _lead(target: Callable[[int], None], number: int) -> None:
    # Out of the terminal's group: Ctrl-C comes from the parent, once.
    os.setsid()
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    target(number)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
