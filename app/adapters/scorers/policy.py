"""When an index takes the place of exact scores."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IndexPolicy:
    """The settings about it.

    Attributes:
        above: Items that a catalogue has at most to be scored whole.
        least_recall: Of the true best 100, the share that the index has to find, from 0 to 1.
    """

    above: int = 100_000
    least_recall: float = 0.95
