"""What a fit's curves say, in words.

The rules, in the order in which they are asked:

1. A loss that is not finite, or a training loss that ends well above its lowest (by more than a tenth of what
   it had fallen) and has lost half of its fall or risen for three epochs: it diverges.
2. Fewer than three epochs: too short to say.
3. A validation loss that ends clearly above its lowest while the training loss went on falling: overfitted.
4. The last allowed epoch was the best one, and the validation loss was still falling: more may help.
5. Otherwise what each loss did in the last two epochs beside the lowest before them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from app.training.fit import History

Code = Literal["fine", "overfitted", "diverging", "still_improving", "too_short", "no_curves"]
CLEAR = 0.02
"""Share of a loss by which another must differ to be called lower or higher."""
NOISE = 0.1
"""Share of all that a loss moved which says nothing."""
FLAT = 0.005
"""Share of a loss which says nothing, however little it moved."""
MIN_EPOCHS = 3
RISING_EPOCHS = 3


@dataclass(frozen=True, slots=True)
class CurveVerdict:
    """A code for programs and a sentence for people."""

    code: Code
    text: str


def verdict(history: History, *, epochs: int) -> CurveVerdict:
    """Judge a fit by its curves.

    Args:
        history: Of the fit with a validation slice.
        epochs: Passes that were allowed.
    """
    losses = [epoch.loss for epoch in history.epochs]
    if not losses:
        return CurveVerdict("no_curves", "A counted table has no curves: nothing was fitted step by step.")
    val_losses = [epoch.val_loss for epoch in history.epochs if epoch.val_loss is not None]
    kept = f"The weights of epoch {history.best_epoch} were kept."
    diverging = _diverging(losses, val_losses)
    if diverging:
        return CurveVerdict("diverging", f"{diverging}: the run diverges. Lower the learning rate. {kept}")
    if len(losses) < MIN_EPOCHS:
        count = "One epoch is" if len(losses) == 1 else f"{len(losses)} epochs are"
        return CurveVerdict("too_short", f"{count} too short to say how the losses go on. {kept}")
    over = _overfitted(losses, val_losses)
    if over:
        return CurveVerdict("overfitted", f"{over}: the run overfits. {kept}")
    is_last = history.best_epoch == len(losses) == epochs
    if is_last and (not val_losses or val_losses[-1] < val_losses[-2]):
        text = f"The last of {epochs} epochs was the best one: more epochs may still help. {kept}"
        return CurveVerdict("still_improving", text)
    return CurveVerdict("fine", f"{_ending(losses, val_losses)}. {kept}")


def _diverging(losses: Sequence[float], val_losses: Sequence[float]) -> str | None:
    for name, curve in (("training", losses), ("validation", val_losses)):
        for number, loss in enumerate(curve, start=1):
            if not math.isfinite(loss):
                return f"The {name} loss was not finite in epoch {number}"
    lowest = min(losses)
    # A hair of climbing is noise, also where the loss never fell.
    noise = max(NOISE * (losses[0] - lowest), CLEAR * abs(lowest))
    tail = losses[-RISING_EPOCHS - 1 :]
    rising = len(tail) > RISING_EPOCHS and all(a < b for a, b in pairwise(tail))
    jumped = losses[-1] - lowest > (losses[0] - lowest) / 2
    if losses[-1] - lowest > noise and (jumped or rising):
        return f"The training loss rose from {lowest:.3f} in epoch {_lowest(losses)} to {losses[-1]:.3f}"
    return None


def _overfitted(losses: Sequence[float], val_losses: Sequence[float]) -> str | None:
    if not val_losses:
        return None
    lowest = _lowest(val_losses)
    least, end = val_losses[lowest - 1], val_losses[-1]
    if end - least <= CLEAR * abs(least) or losses[-1] >= losses[lowest - 1]:
        return None
    return (
        f"After epoch {lowest} the training loss kept falling while the validation loss rose "
        f"from {least:.3f} to {end:.3f}"
    )


def _ending(losses: Sequence[float], val_losses: Sequence[float]) -> str:
    said = f"At the end the training loss {_course(losses)}"
    if not val_losses:
        return f"{said}; there was no validation slice to compare with"
    return f"{said} and the validation loss {_course(val_losses)}"


def _course(curve: Sequence[float]) -> str:
    """What the last two epochs did, beside the lowest before them."""
    moved = curve[-1] - min(curve[:-2])
    if abs(moved) <= max(NOISE * (max(curve) - min(curve)), FLAT * abs(curve[-1])):
        return "was flat"
    return "was still falling" if moved < 0 else "was above its lowest"


def _lowest(curve: Sequence[float]) -> int:
    """The epoch, from 1, of the lowest loss."""
    return min(range(len(curve)), key=curve.__getitem__) + 1
