from __future__ import annotations

import math

import pytest

from app.training.fit import Epoch, History
from app.training.verdict import verdict


def history(losses: list[float], val_losses: list[float], *, best: int) -> History:
    epochs = [
        Epoch(number, loss, val_loss, 0.1, 1.0)
        for number, (loss, val_loss) in enumerate(zip(losses, val_losses, strict=True), start=1)
    ]
    return History(epochs, best_epoch=best)


@pytest.mark.parametrize(
    ("losses", "val_losses", "best", "code"),
    [
        ([5, 4, 3.5], [5, 4.5, 4.49], 2, "fine"),
        ([5, 4, 3, 2], [5, 4, 4.3, 4.8], 2, "overfitted"),
        ([5, 6, 8], [5, 6, 8], 1, "diverging"),
        ([5, math.nan], [5, 5], 1, "diverging"),
        ([5, 4, 3], [5, 4, 3], 3, "still_improving"),
    ],
)
def test_curves_are_put_in_words(losses: list[float], val_losses: list[float], best: int, code: str) -> None:
    said = verdict(history(losses, val_losses, best=best), epochs=3 if code == "still_improving" else 10)
    assert said.code == code
    assert said.text.endswith((".", "help."))


def test_an_overfitted_run_says_so() -> None:
    said = verdict(history([5, 4, 3, 2], [5, 4, 4.3, 4.8], best=2), epochs=10)
    assert "overfits" in said.text
    assert "epoch 2" in said.text


def test_a_counted_table_has_no_curves() -> None:
    assert verdict(History(), epochs=0).code == "no_curves"
