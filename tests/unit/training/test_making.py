"""What a blend tells of its choices."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.training.auto import Auto
from app.training.build import plan
from app.training.fit import History
from app.training.making import curves_of
from app.training.task import Member
from models.blend import Mix

NETWORK: Any = object()


def member(name: str, *, best_epoch: int, network: Any = NETWORK) -> Member:
    nothing = np.zeros((1, 3), np.float32)
    history = History(best_epoch=best_epoch)
    return Member(plan(name, {}), lambda *_: nothing, 1.0, 0.1, history=history, network=network)


def blend(*members: Member, new: list[list[float]], had: list[list[float]]) -> Auto:
    mix = Mix(np.array(new, np.float32), np.array(had, np.float32), np.zeros(len(new), np.float32))
    return Auto(members, members, mix, 0.1, 0.05, 100, 10, (), 1.0)


def test_a_blends_curves_are_those_of_the_network_that_counts_most() -> None:
    made = blend(
        member("ease", best_epoch=0, network=None),
        member("multvae", best_epoch=3),
        member("sasrec", best_epoch=5),
        member("gru4rec", best_epoch=7),
        new=[[2.0, 0.1, 0.3, 0.2], [2.0, 0.2, 0.5, 0.1]],
        had=[[2.0, 0.4, 0.1, 0.0], [2.0, 0.3, 0.5, 0.0]],
    )
    assert curves_of(made).best_epoch == 5


def test_a_blend_without_a_network_has_no_curves() -> None:
    tables = member("ease", best_epoch=2, network=None), member("itemknn", best_epoch=4, network=None)
    assert curves_of(blend(*tables, new=[[1.0, 0.5]], had=[[0.5, 1.0]])).best_epoch == 0
