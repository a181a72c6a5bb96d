"""Exploration: places for items that hardly anybody has met, chosen by a draw that the request seeds."""

from __future__ import annotations

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from app.pipeline.columns import BoolArray, FloatArray, IntArray
from app.pipeline.question import Question

ENOUGH_PEOPLE = 100
"""An item that so many people have met, in a list or by an event, is explored no more."""
AT_ONCE = 8
"""Items explored at a time, the newest: a hundred lists with a place each show all but surely every one."""

HEAD = 2048
"""Where they are looked for first: going through a whole catalogue takes longer than all the rest."""


def pool(question: Question, mask: BoolArray) -> IntArray:
    """Positions of the items that are explored now, of those that may be shown."""
    newest = question.catalogue.newest
    found = _explored(question, mask, newest[:HEAD])
    if len(found) < AT_ONCE:
        found = _explored(question, mask, newest)
    return np.sort(found[:AT_ONCE])


def _explored(question: Question, mask: BoolArray, positions: IntArray) -> IntArray:
    catalogue = question.catalogue
    met_by = question.popularity.met_by(catalogue)[positions]
    found: IntArray = positions[mask[positions] & catalogue.in_range[positions] & (met_by < ENOUGH_PEOPLE)]
    return found


def draw(question: Question, mask: BoolArray) -> FloatArray:
    """float64 (items,): an even draw over the pool, -inf elsewhere; the same for the same person and moment.

    The best k of it are k of the pool, each with the same chance: k over its size.
    """
    scores: FloatArray = np.full(len(question.catalogue), -np.inf)
    found = pool(question, mask)
    scores[found] = _uniform(question.catalogue.marks[found], seed_of(question))
    return scores


def drawn(question: Question, mask: BoolArray) -> IntArray:
    """Positions of the pool as the draw orders them."""
    found = pool(question, mask)
    return found[np.argsort(-_uniform(question.catalogue.marks[found], seed_of(question)), kind="stable")]


def seed_of(question: Question) -> int:
    """Of the person, what they did last, and the cursor: another one for the next page and after an event."""
    subject, past = question.request.subject, question.past
    parts = (*subject.names(), *past.query.item_ids[-3:], str(len(past.query.item_ids)))
    text = "\x00".join((*parts, question.request.cursor or "", question.scenario.name))
    return crc32(text.encode("utf-8", "surrogatepass"))


def _uniform(marks: NDArray[np.uint32], seed: int) -> FloatArray:
    """float64 in [0, 1): the marks mixed with the seed (splitmix64), the same in every process."""
    mixed = (marks.astype(np.uint64) << np.uint64(32)) ^ np.uint64(seed)
    with np.errstate(over="ignore"):
        mixed = mixed + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) / float(1 << 53)
