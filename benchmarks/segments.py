"""What popular-in-segment lists are worth to newcomers: `python -m benchmarks.segments`.

Online Retail, cut in time. A newcomer is who first bought on or after the cut; their country is all that is
known, and what they bought in their first basket is what the list should hold. Popular lists, of all people
and of the country's, are those of the cut. A country counts where enough people bought in it before the cut;
the floor is chosen with `--slice validation`, the four weeks before the test's cut, and looked at once with
`--slice test`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from app.datasets.online_retail import load
from app.domain.fading import DEFAULT_FADING
from app.domain.segments import COUNTRY, Segment
from app.domain.weights import DEFAULT_WEIGHTS
from app.evaluation.report import figure, markdown
from app.pipeline.popularity import daily_counts
from app.pipeline.segments import Segments, segments
from app.training.benchmark import CUT, VALIDATION_DAYS
from benchmarks.online_retail import DATA

K = 10
FLOORS = (10, 25, 50, 100)
DRAWS = 2000


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, write the figures where asked."""
    options = _parser().parse_args(arguments)
    cut = CUT if options.slice == "test" else CUT - timedelta(days=VALIDATION_DAYS)
    end = None if options.slice == "test" else CUT
    sales = load(options.data).lines.filter(pl.col("quantity") > 0)
    sales = sales if end is None else sales.filter(pl.col("sold_at") < end)
    body = measured(sales, cut)
    print(markdown(["list", "people", "NDCG@10", "HR@10", "difference, 95 %"], _rows(body)))
    if options.out is not None:
        options.out.write_text(json.dumps({"slice": options.slice, **body}, indent=2) + "\n")


def measured(sales: pl.DataFrame, cut: datetime) -> dict[str, Any]:
    """NDCG@10 and HR@10 of newcomers by the list that they get, at each floor."""
    before, after = sales.filter(pl.col("sold_at") < cut), sales.filter(pl.col("sold_at") >= cut)
    known = set(before["user_id"].unique())
    new = after.filter(~pl.col("user_id").is_in(list(known))).sort("sold_at", "user_id")
    firsts = new.filter(pl.col("basket") == pl.col("basket").min().over("user_id"))
    bought = {user: set(items) for user, items in firsts.group_by("user_id").agg("item_id").iter_rows()}
    country = dict(firsts.group_by("user_id").agg(pl.col("country").first()).iter_rows())
    counted = before.filter(pl.col("sold_at") > cut - timedelta(days=DEFAULT_FADING.span_days))
    people = dict(counted.group_by("country").agg(pl.col("user_id").n_unique()).iter_rows())
    plain, own = _lists(counted, cut)
    body: dict[str, Any] = {"cut": cut.isoformat(), "newcomers": len(bought), "floors": {}}
    for floor in FLOORS:
        asked = [user for user in sorted(bought) if people.get(country[user], 0) >= floor]
        body["floors"][str(floor)] = {
            part: _compared(users, bought, plain, own, country)
            for part, users in (
                ("all", asked),
                ("abroad", [user for user in asked if country[user] != "United Kingdom"]),
            )
            if users
        }
    return body


def _lists(counted: pl.DataFrame, cut: datetime) -> tuple[list[str], Segments]:
    lines = counted.with_columns(pl.col("sold_at").dt.strftime("%Y-%m-%d").alias("day"))
    people = pl.col("user_id").n_unique()
    daily = lines.group_by("item_id", "day").agg(people).sort("item_id", "day")
    counts = daily_counts(
        ((item, "purchase", day, count) for item, day, count in daily.iter_rows()), DEFAULT_WEIGHTS
    )
    scores = counts.popular(cut, DEFAULT_FADING.popular)
    plain = [counts.item_ids[place] for place in np.argsort(-scores, kind="stable")[:K].tolist()]
    by_country = lines.group_by("country", "item_id", "day").agg(people).sort("country", "item_id", "day")
    rows = (
        (Segment(COUNTRY, country), item, "purchase", day, count)
        for country, item, day, count in by_country.iter_rows()
    )
    return plain, segments(rows, DEFAULT_WEIGHTS, now=cut, fading=DEFAULT_FADING.popular)


def _compared(
    users: Sequence[str],
    bought: Mapping[str, set[str]],
    plain: Sequence[str],
    own: Segments,
    country: Mapping[str, str],
) -> dict[str, Any]:
    lists = {}
    for user in users:
        item_ids, _ = own.popular.get(Segment(COUNTRY, country[user]), ((), None))
        lists[user] = [*item_ids, *(item for item in plain if item not in item_ids)][:K]
    popular = np.array([_ndcg(plain, bought[user]) for user in users])
    segment = np.array([_ndcg(lists[user], bought[user]) for user in users])
    return {
        "people": len(users),
        "popular": {"ndcg@10": float(popular.mean()), "hr@10": float((popular > 0).mean())},
        "segment": {"ndcg@10": float(segment.mean()), "hr@10": float((segment > 0).mean())},
        "difference": _interval(segment - popular),
    }


def _ndcg(shown: Sequence[str], wanted: set[str]) -> float:
    gains = 1.0 / np.log2(np.arange(2, K + 2))
    hits = np.array([item in wanted for item in shown], dtype=np.float64)
    return float((hits * gains[: len(hits)]).sum() / gains[: min(K, len(wanted))].sum())


def _interval(differences: Any) -> list[float]:  # noqa: ANN401  # float64 (people,)
    """Of the mean, by resampling people."""
    drawn = np.random.default_rng(7).integers(0, len(differences), (DRAWS, len(differences)))
    low, high = np.quantile(differences[drawn].mean(axis=1), (0.025, 0.975))
    return [float(low), float(high)]


def _rows(body: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for floor, parts in body["floors"].items():
        for part, found in parts.items():
            low, high = found["difference"]
            for name in ("popular", "segment"):
                values = [figure(found[name][metric], digits=4) for metric in ("ndcg@10", "hr@10")]
                bounds = f"{low:+.4f} to {high:+.4f}" if name == "segment" else ""
                rows.append([f"{name}, {part}, floor {floor}", str(found["people"]), *values, bounds])
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.segments", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="online_retail.parquet")
    parser.add_argument("--slice", choices=("test", "validation"), default="test", help="what to measure on")
    parser.add_argument("--out", type=Path, help="write the figures here")
    return parser


if __name__ == "__main__":
    main()
