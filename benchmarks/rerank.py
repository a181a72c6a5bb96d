r"""What each setting of the service's re-rank stage costs, and what it buys.

    python -m benchmarks.rerank --data Beauty.txt --items Beauty_items.tsv --part test \
        --out benchmarks/results/rerank.json --docs docs/recommendations.md

Fits counted models on the leave-one-out training part, adds their standard scores up as a blend does, asks
about the held-back items of ``--part``, and makes each list as the service would: `diversity` by marginal
relevance, `novelty` by what popularity costs, `cap` by how many places one brand or category may have,
`explore` by the share of places drawn from the items that fewest bought, `rotation` as the second list of a
person who took up nothing of the first. Settings are chosen on the part `validation`; `test` is for what is
published, after all choices.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.evaluation import beyond
from app.evaluation.protocol import Cases, Score, batches_of, pad_left
from app.evaluation.ranking import found_in, hide
from app.evaluation.report import figure, markdown
from app.pipeline.blend import blended, top
from app.pipeline.explore import AT_ONCE
from app.pipeline.rerank import diversified, pool_size, unit_rows
from app.pipeline.run import POOL_UNDER_CAPS
from app.training.evaluate import sample
from benchmarks.marked import write
from benchmarks.quality.asking import Asked, ask
from benchmarks.quality.errors import RefusedError
from benchmarks.quality.fitting import fit_one
from benchmarks.quality.learning import Files, Learning, learn
from benchmarks.quality.measuring import Ranked, figures
from models.base import Interactions

SETTINGS: Sequence[tuple[str, float]] = (
    ("none", 0.0),
    *(("diversity", share) for share in (0.1, 0.3, 0.5, 1.0)),
    *(("novelty", deviations) for deviations in (1.0, 3.0, 10.0)),
    *(("cap", most) for most in (5, 3)),
    *(("explore", share) for share in (0.1, 0.3)),
    *(("rotation", deviations) for deviations in (0.5, 2.0)),
)
K = 10
PEOPLE = 4000
COLUMNS = (
    "setting",
    "NDCG@10",
    "of it lost",
    "HR@10",
    "coverage",
    "unlike, cosine",
    "more unlike",
    "unlike, Jaccard",
    "more unlike",
    "unlike by buyers",
    "calibration",
    "novelty, bits",
)
Row = dict[str, Any]


def measure(learning: Learning, models: Sequence[str], asked: Asked | None = None) -> list[Row]:
    """Figures of each setting.

    Args:
        learning: Of the leave-one-out protocol.
        models: Counted models' names.
        asked: The test part; None for the validation items.
    """
    fits = [fit_one(model, learning, seed=1, budget_s=600.0, tell=lambda _: None) for model in models]
    cases = learning.task.validation if asked is None else asked.cases
    lines = learning.task.interactions if asked is None or learning.final is None else learning.final
    people = sample(cases, most=PEOPLE, seed=1)
    kinds = kinds_of(lines)
    items = beyond.catalogue(lines.user, lines.item, n_items=lines.n_items)
    found = np.zeros((len(SETTINGS), len(people), K), np.int32)
    lists = Lists(kinds, np.log1p(items.popularity))
    for row, z_scores in scored([fit.choice if asked is None else fit.final for fit in fits], people):
        for number, (setting, much) in enumerate(SETTINGS):
            best = lists.of(z_scores, setting, much)
            found[number, row, : len(best)] = best
    return [
        _figures(each, people, items, kinds) | {"setting": setting, "much": much}
        for (setting, much), each in zip(SETTINGS, found, strict=True)
    ]


def scored(scores_of: Sequence[Score], people: Cases) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Each person's standard scores, float64 (n + 1,), as the service's blend has them; -inf: left out."""
    for rows in batches_of(people):
        padded = pad_left(people.item_idx, people.weight, rows)
        said = [np.array(score(*padded), np.float32) for score in scores_of]
        for scores in said:
            hide(scores, people.seen, rows)
        for line, row in enumerate(rows):
            yield row, blended([(1.0, scores[line]) for scores in said])


class Lists:
    """What the service's stages make of scores.

    Args:
        kinds: What `kinds_of` gives.
        demand: float64 (n + 1,), logarithm of each item's people.
    """

    def __init__(self, kinds: NDArray[np.float32], demand: NDArray[np.float64]) -> None:
        self._kinds = kinds
        self._cost = demand / max(float(demand.max()), 1.0)
        self._rank = np.arange(len(demand))
        self._few = 1 + np.argsort(demand[1:], kind="stable")[:AT_ONCE]
        self._rng = np.random.default_rng(1)

    def of(self, z_scores: NDArray[np.float64], setting: str, much: float) -> NDArray[np.int64]:
        """K items under one setting.

        Args:
            z_scores: float64 (n + 1,).
            setting: One of `SETTINGS`.
            much: Of it.
        """
        if setting == "novelty":
            return self._top(z_scores - much * self._cost, K)
        if setting == "cap":
            return self._capped(self._top(z_scores, POOL_UNDER_CAPS * K), int(much))
        if setting == "explore":
            return self._explored(z_scores, round(much * K))
        if setting == "rotation":
            moved = z_scores.copy()
            moved[self._top(z_scores, K)] -= much
            return self._top(moved, K)
        pool = self._top(z_scores, pool_size(K, much))
        if not much:
            return pool
        vectors = unit_rows(self._kinds[pool])
        return pool[np.sort(diversified(vectors, much, n=K, most=K))]

    def _top(self, scores: NDArray[np.float64], most: int) -> NDArray[np.int64]:
        return top(scores, np.isfinite(scores), most, self._rank)

    def _explored(self, z_scores: NDArray[np.float64], places: int) -> NDArray[np.int64]:
        drawn = self._rng.choice(self._few, places, replace=False)
        rest = z_scores.copy()
        rest[drawn] = -np.inf
        own = self._top(rest, K - places).tolist()
        for number, item in enumerate(drawn.tolist(), start=1):
            own.insert(number * K // places - 1, item)
        return np.array(own, np.int64)

    def _capped(self, pool: NDArray[np.int64], most: int) -> NDArray[np.int64]:
        counts, kept = np.zeros(self._kinds.shape[1]), []
        for item in pool:
            after = counts + self._kinds[item]
            if after.max() <= most and len(kept) < K:
                counts = after
                kept.append(item)
        return np.array(kept, np.int64)


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
) -> Row:
    hits = found_in(lists, people.targets, np.arange(len(people)))
    found = figures(Ranked(lists, hits, people.targets.lengths), "leave-one-out")
    by_kind = beyond.Catalogue(items.popularity, unit_rows(kinds).astype(np.float32))
    shares = kinds / np.maximum(kinds.sum(axis=1, keepdims=True), 1.0)
    return {
        "ndcg@10": found["ndcg@10"],
        "hr@10": found["hr@10"],
        "coverage@10": beyond.coverage(lists, items),
        "unlike_by_attributes@10": beyond.diversity(lists, by_kind),
        "unlike_by_jaccard@10": _unshared(lists, kinds),
        "unlike_by_buyers@10": beyond.diversity(lists, items),
        "calibration@10": beyond.calibration(lists, people.item_idx, shares),
        "novelty@10": beyond.novelty(lists, items),
    }


def _unshared(lists: NDArray[np.int32], kinds: NDArray[np.float32]) -> float:
    """1 less the mean Jaccard index of the attributes of two items of a list."""
    one, other = np.triu_indices(lists.shape[1], k=1)
    total = 0.0
    for row in lists:
        own = kinds[row]
        shared = own @ own.T
        size = own.sum(axis=1)
        either = size[:, None] + size[None, :] - shared
        total += float((1.0 - shared[one, other] / np.maximum(either[one, other], 1.0)).mean())
    return total / max(len(lists), 1)


def as_markdown(rows: Sequence[Row]) -> str:
    """The table of the docs."""
    first = rows[0]
    return markdown(
        COLUMNS,
        [
            [
                "by score alone" if row["setting"] == "none" else f"{row['setting']} {row['much']:g}",
                figure(row["ndcg@10"], digits=4),
                f"{1.0 - row['ndcg@10'] / first['ndcg@10']:.1%}",
                figure(row["hr@10"], digits=4),
                figure(row["coverage@10"], digits=2),
                figure(row["unlike_by_attributes@10"]),
                f"{row['unlike_by_attributes@10'] / first['unlike_by_attributes@10'] - 1.0:+.1%}",
                figure(row["unlike_by_jaccard@10"]),
                f"{row['unlike_by_jaccard@10'] / first['unlike_by_jaccard@10'] - 1.0:+.1%}",
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
        files = Files("leave-one-out", options.data, None, options.items)
        learning = learn(files)
        asked = ask(files, learning.item_ids) if options.part == "test" else None
        rows = measure(learning, options.models, asked)
    except RefusedError as error:
        print(f"benchmarks.rerank: {error}", file=sys.stderr)
        return 2
    print(as_markdown(rows))
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        people = learning.task.validation if asked is None else asked.cases
        body = {
            "models": options.models,
            "part": options.part,
            "people": min(PEOPLE, len(people)),
            "rows": rows,
        }
        options.out.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    if options.docs is not None:
        write(options.docs, "rerank", as_markdown(rows))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rerank", description="What the re-rank stage's diversity costs in NDCG."
    )
    parser.add_argument("--data", required=True, type=Path, help="lines of user item item …")
    parser.add_argument(
        "--items", required=True, type=Path, help="a TSV with the columns item and attributes"
    )
    parser.add_argument(
        "--models",
        nargs="+",
        default=["transitions", "content"],
        help="models whose standard scores are added",
    )
    parser.add_argument(
        "--part", choices=["validation", "test"], default="validation", help="which held-back items"
    )
    parser.add_argument("--out", type=Path, help="write the figures here, as JSON")
    parser.add_argument("--docs", type=Path, help="write the table into this page, between its marks")
    return parser


if __name__ == "__main__":
    sys.exit(main())
