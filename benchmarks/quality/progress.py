"""How far the runs are: a bar where someone watches, lines elsewhere; all on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.quality.worker import Job

STAGES = {
    "read": "reading",
    "count": "counting",
    "fit": "fitting",
    "refit": "fitting on all lines",
    "export": "exporting",
    "validate": "asking about validation",
    "test": "asking about test",
}


class Watch(Protocol):
    """Told of messages and ends."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def hear(self, job: Job, message: dict[str, Any]) -> None:
        """A job said how far it is."""

    def end(self, job: Job, said: str) -> None:
        """A job ended."""


def watch(jobs: int) -> Watch:
    """The watch that fits where stderr leads."""
    return Bar(jobs) if sys.stderr.isatty() else Lines(jobs)


class Lines:
    """A line for each stage, model of a recipe and epoch.

    Args:
        jobs: How many there will be.
        write: Takes a line.
    """

    def __init__(self, jobs: int, write: Callable[[str], None] | None = None) -> None:
        self._jobs, self._ended, self._last = jobs, 0, ""
        self._write = write or (lambda line: print(line, file=sys.stderr, flush=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def hear(self, job: Job, message: dict[str, Any]) -> None:
        """Say stages and epochs; steps are too many for lines, and what was just said is not said again."""
        said = described(message)
        if said is None or "step" in message:
            return
        line = f"[{self._ended + 1}/{self._jobs}] {job.model}, seed {job.seed}: {said}"
        if line != self._last:
            self._write(line)
        self._last = line

    def end(self, job: Job, said: str) -> None:
        """Say what came of it."""
        self._ended += 1
        self._write(f"[{self._ended}/{self._jobs}] {job.model}, seed {job.seed}: {said}")


class Bar:
    """One bar over all jobs, one for the job at hand.

    Args:
        jobs: How many there will be.
    """

    def __init__(self, jobs: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._all = self._progress.add_task("models", total=jobs, note="")
        self._one = self._progress.add_task("…", total=1.0, note="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def hear(self, job: Job, message: dict[str, Any]) -> None:
        """Move the bar and say what happens."""
        changes: dict[str, Any] = {"description": f"{job.model}, seed {job.seed}"}
        if (said := described(message)) is not None:
            changes["note"] = said
        if (share := share_of(message)) is not None:
            changes["completed"] = share
        self._progress.update(self._one, **changes)

    def end(self, job: Job, said: str) -> None:
        """Say what came of it, and go on to the next."""
        self._progress.console.print(f"{job.model}, seed {job.seed}: {said}", highlight=False)
        self._progress.update(self._all, advance=1)
        self._progress.reset(self._one, description="…", note="")


def described(message: dict[str, Any]) -> str | None:
    """A message in words; None where it says nothing new."""
    if "stage" in message:
        return STAGES.get(message["stage"], str(message["stage"]))
    if "epoch" in message:
        metric = message.get("metric")
        judged = f", validation {metric:.4f}" if metric is not None else ""
        return f"epoch {message['epoch']} of {message['of']}, loss {message['loss']:.4f}{judged}"
    said = message.get("note")
    return None if said is None else str(said)


def share_of(message: dict[str, Any]) -> float | None:
    """How much of the job's fit is done, 0 to 1, where the message tells it."""
    if "stage" in message:
        return 0.0
    if "epoch" in message:
        return float(message["epoch"]) / max(float(message["of"]), 1.0)
    share = message.get("fraction")
    return None if share is None else float(share)
