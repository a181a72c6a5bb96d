"""What was shown to whom, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.domain.types import Subject

CLICKS = ("select_item", "view_item")
"""A click, or the look at the item's page that it leads to: shops send one, the other or both."""
CARTS = ("add_to_cart",)
PURCHASES = ("purchase",)
REFUNDS = ("refund",)


@dataclass(frozen=True, slots=True)
class Exposure:
    """A list that was answered.

    Attributes:
        shown_at: UTC, when it was answered.
        experiment: None where the list was in none.
        propensities: One an item: with which probability it stood there, null where that is not known.
            Empty of lists that were written down before this was.
    """

    recommendation_id: str
    subject: Subject
    scenario: str
    variant: str
    model_version: str | None
    served_by: str
    item_ids: tuple[str, ...]
    shown_at: datetime
    experiment: str | None = None
    propensities: tuple[float | None, ...] = ()

    @property
    def session(self) -> str:
        """Whose money is added up: the session, else the person, else this list alone."""
        subject = self.subject
        named = (
            ("session", subject.session_id),
            ("user", subject.user_id),
            ("anonymous", subject.anonymous_id),
            ("list", self.recommendation_id),
        )
        return next(f"{kind}:{given}" for kind, given in named if given is not None)

    @property
    def person(self) -> str:
        """Who meets a variant: the user, else the session, else the browser, else whoever saw this list."""
        subject = self.subject
        named = (
            ("user", subject.user_id),
            ("session", subject.session_id),
            ("anonymous", subject.anonymous_id),
            ("list", self.recommendation_id),
        )
        return next(f"{kind}:{given}" for kind, given in named if given is not None)


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """Lists of one kind; an experiment or a model version that is empty stands for none."""

    scenario: str
    experiment: str
    variant: str
    model_version: str


@dataclass(frozen=True, slots=True)
class Takings:
    """What sessions spent in one currency after such lists, refunds taken off.

    Attributes:
        currency: None where the events gave none.
        squares: The sum of each session's amount, squared.
    """

    currency: str | None
    total: Decimal
    squares: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the lists of a cell.

    Attributes:
        impressions: Lists answered.
        clicks: Those of them with a click; `carts` and `purchases` likewise.
        sessions: Different sessions they were answered in.
        takings: By currency; empty where nothing was bought.
    """

    cell: Cell
    impressions: int
    clicks: int
    carts: int
    purchases: int
    sessions: int
    takings: tuple[Takings, ...] = ()


@dataclass(frozen=True, slots=True)
class Response:
    """What the people of one variant of an experiment did with its lists.

    Attributes:
        people: Different ones that met it (`Exposure.person`).
        lists: Answered to them.
        clicked: Those of the people who clicked in any; `carted` and `bought` likewise.
        takings: By currency, squared by person; empty where nothing was bought.
    """

    variant: str
    people: int
    lists: int
    clicked: int
    carted: int
    bought: int
    takings: tuple[Takings, ...] = ()
