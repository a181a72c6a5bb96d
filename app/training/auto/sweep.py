"""Query-time choices: how fast a history fades, and how much demand adds. Nothing is fitted again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile

from app.training.task import Member, Task
from models.item_item import ItemItem

RECENCIES = (1.0, 0.95, 0.85, 0.7, 0.5, 0.3, 0.1, 0.0)
"""What a step back in a history leaves of a weight; 0 asks about the newest item alone."""
PRIORS = (0.1, 10.0)


def swept(member: Member, task: Task, *, has_time: Callable[[], bool] = lambda: True) -> Member:
    """The member with the fading and the prior that do best on the task's people, while there is time.

    A table that knows no item beside another (popularity) has nothing to choose.
    """
    if member.table is None or not member.table.reads_history:
        return member
    best, metric = member.table, task.measure(member.table.score)[1]
    for recency in takewhile(lambda _: has_time(), RECENCIES):
        best, metric = _better(replace(best, recency=recency), best, metric, task)
    for share in takewhile(lambda _: has_time(), PRIORS):
        best, metric = _better(replace(best, prior=best.prior * share), best, metric, task)
    return replace(member, table=best, score=best.score, metric=metric)


def settled_as(table: ItemItem, like: ItemItem) -> ItemItem:
    """A table fitted anew with the query-time choices of an earlier one."""
    return replace(table, recency=like.recency, prior=like.prior)


def _better(tried: ItemItem, best: ItemItem, metric: float, task: Task) -> tuple[ItemItem, float]:
    if (tried.recency, tried.prior) == (best.recency, best.prior):
        return best, metric
    found = task.measure(tried.score)[1]
    return (tried, found) if found > metric else (best, metric)
