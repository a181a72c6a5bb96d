"""Commands that run as children of a command, and never outlive it."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic, sleep
from types import FrameType

from app.cli.console import FailedError

PR_SET_PDEATHSIG = 1
STOP_WITHIN_S = 15.0
POLL_S = 0.1


def _end_with_parent() -> None:
    """Asks Linux to end the child when its parent dies, however it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class StoppedBySignal(SystemExit):  # not an error
    """SIGTERM or SIGHUP: unwind, so that children are stopped on the way out."""


@contextlib.contextmanager
def children_end_with_us() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into an unwinding of the stack, which stops the children."""

    def unwind(number: int, _frame: FrameType | None) -> None:
        raise StoppedBySignal(128 + number)

    signals = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, unwind) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Child:
    """A command that runs beside this one.

    Args:
        command: The program and its arguments.
        environment: Its whole environment.
        stdout: Where its answer goes; its own stdout by default.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, stdout: int | None = None
    ) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own commands
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            text=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  # this process has no threads when it starts children
        )

    @property
    def returncode(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.poll()

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return self._process.wait()

    def output(self) -> str:
        """What it wrote to a pipe, once it has ended."""
        return self._process.communicate()[0] or ""

    def wait_until(self, ready: Callable[[], bool], *, within_s: float) -> None:
        """Wait for something that it brings about.

        Raises:
            FailedError: It ended, or took longer.
        """
        limit = monotonic() + within_s
        while not ready():
            if self.returncode is not None:
                raise FailedError(f"The service ended with code {self.returncode} before it answered.")
            if monotonic() > limit:
                raise FailedError(f"The service did not answer within {within_s:.0f} seconds.")
            sleep(POLL_S)

    def stop(self) -> None:
        """End it politely, then firmly; returns when it is gone."""
        if self.returncode is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_WITHIN_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.kill()
            self._process.wait()


def run_to_end(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a command to its end and return what it answered on stdout; its stderr is ours.

    Raises:
        FailedError: It failed; what was wrong it has said itself.
    """
    child = Child(command, environment, stdout=subprocess.PIPE)
    try:
        output = child.output()
    finally:
        child.stop()
    if child.returncode != 0:
        raise FailedError(f"`{' '.join(command[3:4])}` ended with code {child.returncode}.")
    return output
