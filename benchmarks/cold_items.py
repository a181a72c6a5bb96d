"""Items that nobody had yet: `python -m benchmarks.cold_items --data Beauty.txt --items Beauty_items.tsv`.

A share of the described items loses all its events. A person's line ends before the first of them; that item
is what is asked for, once among all items that the person had not had and once among the cold ones alone.
Networks choose their epochs by the last items of the other people's lines.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.evaluation.metrics import summary
from app.evaluation.protocol import Cases, Score
from app.evaluation.protocol import run as ask
from app.evaluation.ragged import grouped
from app.evaluation.report import figure, markdown
from app.training.build import plan
from app.training.evaluate import sample
from app.training.fit import compiled_score
from app.training.task import Member, Task, fit_member
from app.training.warm import Likeness
from benchmarks.marked import write
from benchmarks.quality.reading import item_attributes, user_rows
from benchmarks.warm_start import LINES_FIT
from models.base import Attributes, Interactions, Value

SEED = 7
STEP_DAYS = 1e-3
K = 10


@dataclass(frozen=True, slots=True)
class Cold:
    """A task without the cold items' events, and the people who then had one of them.

    Attributes:
        is_cold: bool (n + 1,).
    """

    task: Task
    asked: Cases
    is_cold: NDArray[np.bool_]


def held_out(data: Path, items: Path, *, share: float, users: int | None) -> Cold:
    """Read the files and take the events of a share of the described items away."""
    rows, (known, _) = user_rows(data), item_attributes(items)
    names = rows.items
    offsets = rows.offsets[: None if users is None else users + 1]
    described = np.array([bool(known.get(name)) for name in names])
    described &= np.bincount(rows.item[: offsets[-1]], minlength=len(names)) > 0
    is_cold = np.zeros(len(names) + 1, bool)
    drawn = np.random.default_rng(SEED).permutation(np.flatnonzero(described))
    is_cold[drawn[: round(share * len(drawn))] + 1] = True
    lines = [rows.item[start:stop] + 1 for start, stop in pairwise(offsets)]
    first = [int(np.argmax(is_cold[line])) if is_cold[line].any() else -1 for line in lines]
    asked = [(line[:at], line[at]) for line, at in zip(lines, first, strict=True) if at >= 1]
    others = [
        (line[:-1], line[-1]) for line, at in zip(lines, first, strict=True) if at < 0 and len(line) > 2
    ]
    whole = [line for line, at in zip(lines, first, strict=True) if at < 0 and len(line) <= 2]
    trains = [*(line for line, _ in asked), *(line for line, _ in others), *whole]
    attributes = _attributes([known.get(name, []) for name in names])
    validation = sample(_cases(others, len(names)), most=2000, seed=SEED)
    task = Task(_interactions(trains, len(names), attributes), validation, ("unseen",), K)
    return Cold(task, _cases(asked, len(names)), is_cold)


def _attributes(bags: list[list[str]]) -> Attributes:
    numbers: dict[str, int] = {}
    flat = [numbers.setdefault(name, len(numbers)) for bag in bags for name in bag]
    lengths = np.array([0, 0, *map(len, bags)], np.int64)
    return Attributes(list(numbers), np.array(flat, np.int32), np.cumsum(lengths))


def _interactions(lines: list[NDArray[np.int32]], n_items: int, attributes: Attributes) -> Interactions:
    lengths = np.array([len(line) for line in lines])
    place = np.concatenate([np.arange(length) for length in lengths])
    return Interactions(
        user=np.repeat(np.arange(len(lines)), lengths),
        item=np.concatenate(lines).astype(np.int32),
        time=place * STEP_DAYS,
        weight=np.ones(len(place), np.float32),
        half_life=np.ones(len(place), np.float32),
        n_users=len(lines),
        n_items=n_items,
        now=float(place.max() + 1) * STEP_DAYS,
        attributes=attributes,
    )


def _cases(people: list[tuple[NDArray[np.int32], np.int32]], n_items: int) -> Cases:
    owner = np.repeat(np.arange(len(people)), [len(line) for line, _ in people])
    item = np.concatenate([line for line, _ in people]).astype(np.int32)
    place = np.concatenate([np.arange(-len(line), 0) for line, _ in people])
    seen = np.unique(np.stack([owner, item], axis=1), axis=0)
    target = np.array([target for _, target in people], np.int32)
    return Cases(
        grouped(owner, item, len(people)),
        grouped(owner, (0.5 ** (-place * STEP_DAYS)).astype(np.float32), len(people)),
        grouped(seen[:, 0], seen[:, 1].astype(np.int32), len(people)),
        grouped(np.arange(len(people)), target, len(people)),
        n_items,
    )


def measured(score: Score, cold: Cold) -> dict[str, float]:
    """Hit rate and NDCG at 10 among all items and among the cold ones."""

    def of_cold(item_idx: NDArray[np.int32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.where(cold.is_cold, score(item_idx, weight), np.float32(-np.inf))

    found = {}
    for among, asked in (("all", score), ("cold", of_cold)):
        lists = ask(asked, cold.asked, places=K)["unseen"]
        figures = summary(lists.hits, lists.relevant, ks=(K,))
        found |= {f"hr@10 {among}": figures["hit_rate@10"], f"ndcg@10 {among}": figures["ndcg@10"]}
    return {name: round(float(value), 5) for name, value in found.items()}


def fitted(name: str, cold: Cold) -> Member:
    """A model of the registry; ``-ids`` fits without attributes and guesses cold vectors by them after."""
    model, _, way = name.partition("-")
    known = plan(model, {}).training
    overrides: dict[str, Value] = {
        key: value for key, value in LINES_FIT.items() if key in known and known.get("epochs")
    }
    if way.startswith("drop"):
        overrides["id_dropout"] = float(way.removeprefix("drop")) / 100
    task, chosen = cold.task, plan(model, overrides)
    if way != "ids":
        return fit_member(chosen, task, seed=SEED)
    without = replace(task, interactions=replace(task.interactions, attributes=None))
    member = fit_member(chosen, without, seed=SEED)
    network: Any = member.network
    _guess(network, cold)
    return replace(member, score=compiled_score(network))


def _guess(network: Any, cold: Cold) -> None:  # noqa: ANN401 (Keras has no types)
    """Give the cold items of a network the vectors that a warm start would."""
    vectors = network.items.vectors
    table = np.asarray(vectors)
    had = ~cold.is_cold
    rows = Likeness(had, cold.task.interactions.attributes).rows(table)
    vectors.assign(np.where(had[:, None], table, rows))


def as_markdown(found: Mapping[str, Any]) -> str:
    """The table of the docs."""
    names = [f"{metric} {among}" for among in ("all", "cold") for metric in ("hr@10", "ndcg@10")]
    return markdown(
        ("model", *(f"{name} items" for name in names), "fit, s"),
        [
            [f"`{model}`", *(figure(one[name], digits=4) for name in names), f"{one['cpu_s']:.0f}"]
            for model, one in found["models"].items()
        ]
        + [["by chance", "", "", figure(found["hr@10 cold by chance"], digits=4), "", ""]],
    )


def main() -> None:
    """Parse the arguments, fit, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="lines of user item item …")
    parser.add_argument("--items", type=Path, required=True, help="TSV with the columns item and attributes")
    parser.add_argument("--models", default="popularity,content,sasrec,sasrec-ids")
    parser.add_argument("--share", type=float, default=0.1, help="of the described items that nobody had")
    parser.add_argument("--users", type=int, default=None, help="only the first lines of the file")
    parser.add_argument("--out", type=Path, default=None, help="JSON")
    parser.add_argument("--docs", type=Path, default=None, help="write the table into this page")
    given = parser.parse_args()
    cold = held_out(given.data, given.items, share=given.share, users=given.users)
    chance = round(K / int(cold.is_cold.sum()), 5)
    facts: Mapping[str, object] = {
        "data": given.data.stem,
        "items": len(cold.is_cold) - 1,
        "cold": int(cold.is_cold.sum()),
        "people": len(cold.asked),
        "hr@10 cold by chance": chance,
    }
    print(json.dumps(facts), flush=True)
    models = {}
    for name in given.models.split(","):
        started = time.process_time()
        member = fitted(name, cold)
        models[name] = measured(member.score, cold) | {"cpu_s": round(time.process_time() - started, 1)}
        print(name, json.dumps(models[name]), flush=True)
    body = {**facts, "models": models}
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    if given.docs is not None:
        write(given.docs, "cold items", as_markdown(body))


if __name__ == "__main__":
    main()
