"""How far a training is, told as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is.

    Attributes:
        stage: One of `SHARES`, or what follows a training: judge, publish.
        fraction: 0 to 1 over all stages.
        seconds_left: Estimated, over all stages.
        metric: NDCG@10 on the validation slice.
    """

    stage: str
    fraction: float
    epoch: int | None = None
    epochs: int | None = None
    loss: float | None = None
    val_loss: float | None = None
    metric: float | None = None
    seconds_left: float | None = None
    message: str | None = None


Report = Callable[[Progress], None]

SHARES = {
    "preprocess": (0.0, 0.04),
    "fit": (0.04, 0.5),
    "refit": (0.5, 0.7),
    "evaluate": (0.7, 0.75),
    "final": (0.75, 0.92),
    "export": (0.92, 0.96),
    "write": (0.96, 0.97),
}
FITS = frozenset({"fit", "refit", "final"})
"""Stages that go through epochs."""
# Less than this of the work says too little about the pace.
TELLING = 0.06


class Stages:
    """Turns "the second epoch of the refit" into a share of the whole and the seconds left.

    Args:
        report: Told each step; what it raises ends the training.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._started = time.monotonic()

    def tell(self, progress: Progress) -> None:
        """Report with `fraction` read as the share of the stage that is done."""
        first, last = SHARES[progress.stage]
        fraction = first + (last - first) * min(1.0, max(0.0, progress.fraction))
        elapsed = time.monotonic() - self._started
        left = elapsed * (1.0 - fraction) / fraction if fraction >= TELLING else None
        self._report(replace(progress, fraction=fraction, seconds_left=left))

    def at(self, stage: str, message: str | None = None) -> None:
        """Report the start of a stage."""
        self.tell(Progress(stage, 0.0, message=message))
