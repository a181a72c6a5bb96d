"""The documented comparison on Online Retail: every model on what was bought after a day.

The protocol is fixed: lines with a known customer and a quantity above 0, the description is the product,
everything before 2011-11-10 trains, the four weeks before it choose the number of epochs, and the test slice
is looked at once, at the end. Hyper-parameters are the registry's, which were chosen on those four weeks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.domain.weights import DEFAULT_WEIGHTS
from app.evaluation import beyond, protocol
from app.evaluation.protocol import Cases, Score
from app.evaluation.splits import TimeSplit
from app.training.build import Plan, plan, table
from app.training.evaluate import cases
from app.training.fit import History
from app.training.fitted import numbers_until
from app.training.making import making
from app.training.preprocess import Labelled, days_of, frame_of, prepare
from app.training.progress import Progress, Stages
from models.base import Interactions

CUT = datetime(2011, 11, 10, tzinfo=UTC)
VALIDATION_DAYS = 28
LAST_LINES = 10
Slice = Literal["test", "validation"]
MODELS = (
    "itemknn",
    "transitions",
    "repeats",
    "ease",
    "ease_trend",
    "gru4rec",
    "nextitnet",
    "multvae",
    "auto",
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One line of the table.

    Attributes:
        name: Registry name, or a baseline's.
        report: What `protocol.evaluate` gave on the test slice.
        seconds: Of all fits of the model, wall clock.
        config: Hyper-parameters.
        history: Curves of the fit that found the number of epochs.
        said: The curves' verdict.
    """

    name: str
    report: dict[str, Any]
    seconds: float
    config: dict[str, Any]
    history: History
    said: str

    def to_json(self) -> dict[str, Any]:
        """For the results file."""
        return {
            "name": self.name,
            "seconds": round(self.seconds, 1),
            "config": self.config,
            "epochs": self.history.best_epoch,
            "history": self.history.to_json(),
            "verdict": self.said,
            **self.report,
        }


@dataclass(frozen=True, slots=True)
class Shop:
    """The file, labelled, with the protocol's slices."""

    labelled: Labelled
    split: TimeSplit

    def earlier(self) -> Shop:
        """The shop as it was at the cut, measured on its last four weeks: what parameters are chosen on."""
        cut, since = self.split.test_from, self.split.validation_from
        split = TimeSplit(since - VALIDATION_DAYS, since, cut)
        return Shop(Labelled(self.labelled.before(cut), self.labelled.counts), split)

    @property
    def interactions(self) -> Interactions:
        """Everything before the cut."""
        return numbers_until(self.labelled, self.split.test_from).interactions

    def people(self, *, max_length: int) -> Cases:
        """Everybody who bought after the cut."""
        known = numbers_until(self.labelled, self.split.test_from)
        since = self.split.test_from
        return cases(
            self.labelled.before(since),
            self.labelled.between(since, float("inf")),
            known.item_ids,
            now=since,
            max_length=max_length,
        )


def load(path: Path) -> Shop:
    """Read the file as the protocol says.

    Args:
        path: `online_retail.parquet`.
    """
    raw = pl.read_parquet(path).with_row_index("seq")
    known = (
        pl.col("CustomerID").is_not_null() & pl.col("Description").is_not_null() & (pl.col("Quantity") > 0)
    )
    frame = raw.filter(known).select(
        seq="seq",
        user_key=pl.format("user:{}", pl.col("CustomerID").cast(pl.Int64)),
        item_id="Description",
        name=pl.lit("purchase"),
        happened_at=pl.col("InvoiceDate").dt.cast_time_unit("us").dt.replace_time_zone("UTC"),
        quantity="Quantity",
        value=pl.lit(None),
    )
    labelled = prepare(frame_of(frame), DEFAULT_WEIGHTS, now=CUT + timedelta(days=365))
    cut = days_of(CUT)
    return Shop(labelled, TimeSplit(cut - VALIDATION_DAYS, cut, float("inf")))


def baselines(shop: Shop) -> list[Measured]:
    """The figures of the protocol's page: popularity, decayed popularity, first-order transitions."""
    facts, people = shop.interactions, shop.people(max_length=200)
    plain, decayed = plan("popularity", {"half_life_days": 0.0}), plan("popularity", {})
    chain = plan("transitions", FIRST_ORDER)
    counts: list[tuple[str, Plan, Callable[[], Score]]] = [
        ("popularity", plain, lambda: table(plain, facts).score),
        ("popularity_decayed", decayed, lambda: table(decayed, facts).score),
        ("first_order", chain, lambda: first_order(facts)),
    ]
    found = []
    for name, chosen, count in counts:
        started = time.monotonic()
        score = count()
        seconds = time.monotonic() - started
        found.append(replace(_measured(name, score, facts, people, chosen), seconds=seconds))
    return found


FIRST_ORDER: Mapping[str, float | int] = {
    "window": 1,
    "recency": 1.0,
    "half_life_days": 1e9,
    "keep": 100_000,
    "prior": 1e-6,
}


def first_order(facts: Interactions) -> Score:
    """The plain Markov table: each line to the next in the file's order, asked with the last ten lines."""
    # A moment of its own for each line: no basket, so each pair counts in its order alone.
    ordered = replace(facts, time=np.arange(len(facts), dtype=np.float64), now=float(len(facts)))
    counted = table(plan("transitions", FIRST_ORDER), ordered)

    def score(item_idx: NDArray[np.int32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
        items = item_idx[:, -LAST_LINES:]
        return counted.score(items, (weight[:, -LAST_LINES:] > 0).astype(np.float32))

    return score


def measure(
    shop: Shop,
    model: str,
    *,
    seed: int,
    overrides: Mapping[str, Any] | None = None,
    report: Callable[[Progress], None],
) -> Measured:
    """Fit one model as the protocol says and measure it on the test slice.

    Args:
        shop: The data.
        model: A name of the registry.
        seed: Of every random choice.
        overrides: Hyper-parameters that differ from the registry's.
        report: Told how far it is.
    """
    chosen, stages = plan(model, overrides or {}), Stages(report)
    started = time.monotonic()
    made = making(chosen, shop.labelled, shop.split, stages, seed=seed, refits=1)
    fitted = made.until(shop.split.test_from, stage="refit")
    seconds = time.monotonic() - started
    facts, people = fitted.numbers.interactions, shop.people(max_length=chosen.max_length)
    done = _measured(model, fitted.score, facts, people, chosen)
    return replace(done, seconds=seconds, history=made.history, said=made.said()[1])


def _measured(name: str, score: Score, facts: Interactions, people: Cases, chosen: Plan) -> Measured:
    items = beyond.catalogue(facts.user, facts.item, n_items=facts.n_items)
    report = protocol.evaluate(score, people, items)
    return Measured(name, report, 0.0, chosen.config(), History(), "")


def run(
    path: Path,
    models: Sequence[str] = MODELS,
    *,
    seed: int = 7,
    on: Slice = "test",
    overrides: Mapping[str, Any] | None = None,
    report: Callable[[str, Progress], None],
) -> list[Measured]:
    """The whole table: the baselines, then each model.

    Args:
        path: `online_retail.parquet`.
        models: Names of the registry.
        seed: Of every random choice.
        on: The slice to measure on. On the validation slice the four weeks before it choose the epochs.
        overrides: Hyper-parameters of the models that differ from the registry's.
        report: Told the model and how far it is.
    """
    shop = load(path) if on == "test" else load(path).earlier()
    return [
        *baselines(shop),
        *(
            measure(shop, model, seed=seed, overrides=overrides, report=partial(report, model))
            for model in models
        ),
    ]
