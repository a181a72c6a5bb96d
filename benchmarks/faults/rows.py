"""What a row is, and what it saw."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

N = TypeVar("N", int, float)
Length = Literal["short", "usual", "long"]


@dataclass(frozen=True, slots=True)
class Scale:
    """How long a run is: `short` in CI, `long` over night."""

    length: Length

    def of(self, *, short: N, usual: N, long: N) -> N:
        """The figure of this length."""
        return {"short": short, "usual": usual, "long": long}[self.length]


@dataclass
class Seen:
    """What a row saw: figures, each of which holds or not.

    Attributes:
        figures: What was counted or measured, in words.
        broken: Those of them that should have been otherwise.
        series: What was measured again and again, for a plot.
    """

    figures: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    series: dict[str, list[float]] = field(default_factory=dict)

    def check(self, figure: str, holds: bool) -> None:  # reads as a sentence
        """Note a figure and whether it is as it should be."""
        self.figures.append(figure)
        if not holds:
            self.broken.append(figure)

    def note(self, figure: str) -> None:
        """A figure that says how much was done."""
        self.figures.append(figure)

    @property
    def passed(self) -> bool:
        """Whether everything held."""
        return bool(self.figures) and not self.broken


Run = Callable[[Scale], Awaitable[Seen]]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the matrix.

    Attributes:
        number: As in docs/reliability.md.
        fault: What is done.
        expected: What has to be seen.
        run: Does it.
    """

    number: int
    fault: str
    expected: str
    run: Run


ROWS: dict[int, Row] = {}


def row(number: int, fault: str, expected: str) -> Callable[[Run], Run]:
    """Enter a function into the matrix."""

    def enter(run: Run) -> Run:
        ROWS[number] = Row(number, fault, expected, run)
        return run

    return enter
