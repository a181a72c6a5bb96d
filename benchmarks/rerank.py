"""What each setting of the service's re-rank stage costs, and what it buys.

    python -m benchmarks.rerank --data Beauty.txt --items Beauty_items.tsv --out rerank.json

Fits a counted model on the leave-one-out training part, asks it about the validation people (the test part is
not read: a setting is a choice), and puts each list through `app.pipeline.rerank` as the service would.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.evaluation import beyond
from app.evaluation.protocol import Cases, Score, batches_of, pad_left
from app.evaluation.ranking import found_in, hide, top_lists
from app.evaluation.report import figure, markdown
from app.pipeline.rerank import diversified, pool_size, unit_rows
from app.training.evaluate import sample
from benchmarks.quality.errors import RefusedError
from benchmarks.quality.fitting import fit_one
from benchmarks.quality.learning import Files, Learning, learn
from benchmarks.quality.measuring import Ranked, figures
from models.base import Interactions

SETTINGS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
K = 10
PEOPLE = 4000
COLUMNS = (
    "diversity",
    "NDCG@10",
    "of it lost",
    "HR@10",
    "coverage",
    "unlike by attributes",
    "unlike by buyers",
    "calibration",
    "novelty, bits",
)
Row = dict[str, float]


def measure(learning: Learning, model: str) -> list[Row]:
    """Figures of each setting.

    Args:
        learning: Of the leave-one-out protocol.
        model: A counted model's name.
    """
    outcome = fit_one(model, learning, seed=1, budget_s=600.0, tell=lambda _: None)
    people = sample(learning.task.validation, most=PEOPLE, seed=1)
    lines = learning.task.interactions
    kinds = kinds_of(lines)
    items = beyond.catalogue(lines.user, lines.item, n_items=lines.n_items)
    found = np.zeros((len(SETTINGS), len(people), K), np.int32)
    for row, pool, scores in pools(outcome.choice, people):
        vectors = unit_rows(kinds[pool])
        for number, setting in enumerate(SETTINGS):
            size = min(pool_size(K, setting), len(pool))
            order = diversified(scores[:size], vectors[:size], K, setting) if setting else np.arange(size)
            best = pool[order[:K]]
            found[number, row, : len(best)] = best
    return [
        _figures(lists, people, items, kinds, setting) for setting, lists in zip(SETTINGS, found, strict=True)
    ]


def pools(score: Score, people: Cases) -> Iterator[tuple[int, NDArray[np.int32], NDArray[np.float64]]]:
    """Each person's candidates, best first, and their standard scores, as the service's blend gives them."""
    most = pool_size(K, max(SETTINGS))
    for rows in batches_of(people):
        scores = np.array(score(*pad_left(people.item_idx, people.weight, rows)), np.float32)
        hide(scores, people.seen, rows)
        lists = top_lists(scores, most, first_row=rows.start)
        for line, row in enumerate(rows):
            pool = lists[line][lists[line] > 0]
            known = scores[line][np.isfinite(scores[line])]
            spread = max(float(known.std()), 1e-9)
            yield row, pool, (scores[line, pool].astype(np.float64) - float(known.mean())) / spread


def kinds_of(lines: Interactions) -> NDArray[np.float32]:
    """float32 (n + 1, attributes + 1), which attributes each item has; those without any are one kind.

    Raises:
        RefusedError: No item has attributes.
    """
    attributes = lines.attributes
    if attributes is None or not len(attributes):
        raise RefusedError("no item has attributes: there is nothing to be diverse by.")
    rows = np.zeros((lines.n_items + 1, len(attributes) + 1), np.float32)
    owner = np.repeat(np.arange(len(attributes.indptr) - 1), np.diff(attributes.indptr))
    rows[owner, attributes.indices] = 1.0
    rows[rows.sum(axis=1) == 0, -1] = 1.0
    rows[0] = 0.0
    return rows


def _figures(
    lists: NDArray[np.int32],
    people: Cases,
    items: beyond.Catalogue,
    kinds: NDArray[np.float32],
    setting: float,
) -> Row:
    hits = found_in(lists, people.targets, np.arange(len(people)))
    found = figures(Ranked(lists, hits, people.targets.lengths), "leave-one-out")
    by_kind = beyond.Catalogue(items.popularity, unit_rows(kinds).astype(np.float32))
    shares = kinds / np.maximum(kinds.sum(axis=1, keepdims=True), 1.0)
    return {
        "diversity": setting,
        "ndcg@10": found["ndcg@10"],
        "hr@10": found["hr@10"],
        "coverage@10": beyond.coverage(lists, items),
        "unlike_by_attributes@10": beyond.diversity(lists, by_kind),
        "unlike_by_buyers@10": beyond.diversity(lists, items),
        "calibration@10": beyond.calibration(lists, people.item_idx, shares),
        "novelty@10": beyond.novelty(lists, items),
    }


def as_markdown(rows: Sequence[Row]) -> str:
    """The table of the docs."""
    first = rows[0]["ndcg@10"] or 1.0
    return markdown(
        COLUMNS,
        [
            [
                f"{row['diversity']:.1f}",
                figure(row["ndcg@10"], digits=4),
                f"{1.0 - row['ndcg@10'] / first:.0%}",
                figure(row["hr@10"], digits=4),
                figure(row["coverage@10"], digits=2),
                figure(row["unlike_by_attributes@10"], digits=2),
                figure(row["unlike_by_buyers@10"], digits=2),
                f"{row['calibration@10']:.2f}",
                f"{row['novelty@10']:.1f}",
            ]
            for row in rows
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the figures."""
    options = _parser().parse_args(arguments)
    try:
        learning = learn(Files("leave-one-out", options.data, None, options.items))
        rows = measure(learning, options.model)
    except RefusedError as error:
        print(f"benchmarks.rerank: {error}", file=sys.stderr)
        return 2
    print(as_markdown(rows))
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        body = {"model": options.model, "people": min(PEOPLE, len(learning.task.validation)), "rows": rows}
        options.out.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rerank", description="What the re-rank stage's diversity costs in NDCG."
    )
    parser.add_argument("--data", required=True, type=Path, help="lines of user item item …")
    parser.add_argument(
        "--items", required=True, type=Path, help="a TSV with the columns item and attributes"
    )
    parser.add_argument("--model", default="transitions", help="a counted model")
    parser.add_argument("--out", type=Path, help="write the figures here, as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
