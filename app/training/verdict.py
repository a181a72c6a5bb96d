"""What a fit's curves say, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from app.training.fit import History

Code = Literal["fine", "overfitted", "diverging", "still_improving", "no_curves"]
RISE = 0.02


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
    if not all(math.isfinite(loss) for loss in losses) or losses[-1] > losses[0]:
        return CurveVerdict(
            "diverging",
            "The training loss rises or is not finite: the run diverges. Lower the learning rate.",
        )
    best = history.best_epoch
    if best == len(losses) == epochs and epochs > 1:
        return CurveVerdict(
            "still_improving", f"The last of {epochs} epochs was the best one: more epochs may still help."
        )
    return _over(history, best)


def _over(history: History, best: int) -> CurveVerdict:
    val_losses = [epoch.val_loss for epoch in history.epochs if epoch.val_loss is not None]
    if not val_losses:
        return CurveVerdict("fine", "The training loss fell; there was no validation slice to compare with.")
    kept = f"The weights of epoch {best} were kept."
    lowest = min(range(len(val_losses)), key=val_losses.__getitem__)
    end = val_losses[-1]
    falling = history.epochs[-1].loss < history.epochs[lowest].loss
    if falling and end > val_losses[lowest] * (1 + RISE):
        rise = f"rose from {val_losses[lowest]:.3f} to {end:.3f}"
        return CurveVerdict(
            "overfitted",
            f"After epoch {lowest + 1} the training loss kept falling while the validation loss {rise}: "
            f"the run overfits. {kept}",
        )
    return CurveVerdict("fine", f"Both losses settled. {kept}")
