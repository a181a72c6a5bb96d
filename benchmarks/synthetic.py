"""A made-up shop of any size, to see what memory and time a fit takes.

    python -m benchmarks.synthetic --users 1000000 --items 200000 --events 20000000 --seed 1 --out shop.txt

Writes a line ``user item item …`` for each user, as the leave-one-out protocol of `benchmarks.quality` reads
them, some thousand users at a time: memory does not grow with the file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ZIPF = 1.0
CLUSTERS_PER_ITEM = 1 / 400
STAY = 0.7
"""Share of the events that stay in the user's own cluster."""
SHORTEST = 3
AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Shop:
    """What is drawn from.

    Attributes:
        users: Lines.
        items: Catalogue.
        events: All lines' items together, about.
        seed: Of every draw.
    """

    users: int
    items: int
    events: int
    seed: int


def lines(shop: Shop) -> Iterator[str]:
    """A line for each user, in order.

    Popularity falls with the rank as 1 / rank (Zipf). Items lie in clusters, each user in one, and most of
    the user's items are drawn from it: so there is something to learn that popularity does not say. Lengths
    are geometric around the mean. No item stands twice in a row.
    """
    rng = np.random.default_rng(shop.seed)
    names = rng.permutation(shop.items) + 1
    clusters = max(1, round(shop.items * CLUSTERS_PER_ITEM))
    heads = _cumulated(shop.items)
    size = -(-shop.items // clusters)
    inside = _cumulated(size)
    mean = max(shop.events / shop.users - SHORTEST, 0.0)
    for start in range(0, shop.users, AT_ONCE):
        count = min(AT_ONCE, shop.users - start)
        lengths = SHORTEST + rng.geometric(1.0 / (mean + 1.0), count) - 1
        total = int(lengths.sum())
        cluster = np.repeat(rng.integers(clusters, size=count), lengths)
        # Ranks of one cluster lie `clusters` apart, so that each has popular and rare items.
        near = np.searchsorted(inside, rng.random(total)) * clusters + cluster
        far = np.searchsorted(heads, rng.random(total))
        rank = np.where(rng.random(total) < STAY, near, far)
        item = names[np.minimum(rank, shop.items - 1)]
        yield from _texts(item, lengths, first=start + 1)


def _cumulated(count: int) -> NDArray[np.float64]:
    weights = 1.0 / np.arange(1, count + 1) ** ZIPF
    summed = np.cumsum(weights)
    return np.asarray(summed / summed[-1], dtype=np.float64)


def _texts(item: NDArray[np.int64], lengths: NDArray[np.int64], *, first: int) -> Iterator[str]:
    words = item.astype(str).tolist()
    stops = np.cumsum(lengths).tolist()
    start = 0
    for user, stop in enumerate(stops, start=first):
        kept = [word for at, word in enumerate(words[start:stop]) if at == 0 or word != words[start + at - 1]]
        yield f"{user} {' '.join(kept)}"
        start = stop


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file."""
    options = _parser().parse_args(arguments)
    shop = Shop(options.users, options.items, options.events, options.seed)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    watched = sys.stderr.isatty()
    with options.out.open("w", encoding="utf-8") as file:
        for number, line in enumerate(lines(shop), start=1):
            file.write(line + "\n")
            if watched and number % AT_ONCE == 0:
                print(f"\r{number / shop.users:.0%}", end="", file=sys.stderr, flush=True)
    if watched:
        print("\r", end="", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.synthetic", description="Write a made-up shop for the quality harness."
    )
    parser.add_argument("--users", type=_count, default=1_000_000)
    parser.add_argument("--items", type=_count, default=200_000)
    parser.add_argument("--events", type=_count, default=20_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


if __name__ == "__main__":
    sys.exit(main())
