"""What a warm start costs and keeps, against a fit from nothing: `python -m benchmarks.warm_start`.

Online Retail: the live version knows what was sold up to 28 days before the validation slice; then those days
come, with their new items. A file of lines (``user item item …``, as Beauty): the live version knows the
first share of the lines; then the others come. Both fits end where validation says. Seconds are the process's
own, so that a busy machine counts for neither.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from app.evaluation.report import figure, markdown
from app.training import benchmark
from app.training.build import Plan, plan
from app.training.evaluate import MAX_VALIDATED, cases, sample
from app.training.fit import History, fit
from app.training.fitted import numbers_until
from app.training.task import Task
from app.training.warm import shortened, start_of
from benchmarks.marked import write
from benchmarks.quality.learning import Files, learn
from models.base import Value

if TYPE_CHECKING:
    from models.neural import Recommender

SHOP = Path("data/online_retail/online_retail.parquet")
NEW_DAYS = 28
SEED = 7
COLUMNS = (
    "model",
    "data",
    "new items",
    "from nothing",
    "epochs",
    "s",
    "warm",
    "epochs",
    "s",
    "of the NDCG",
    "of the time",
)
LINES_FIT: Mapping[str, Value] = {
    "epochs": 40,
    "patience": 5,
    "batch_size": 128,
    "learning_rate": 0.001,
    "negatives": 1024,
    "look_ahead": 1,
    "max_length": 50,
}
"""Of networks that read lines of items; the registry's own values are a shop's."""


@dataclass(frozen=True, slots=True)
class Grown:
    """A task before and after the catalogue grew."""

    name: str
    before: Task
    before_ids: Sequence[str]
    after: Task
    after_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Fit:
    """A fit and what it took."""

    recommender: Recommender
    history: History
    ndcg: float
    seconds: float

    def to_json(self) -> dict[str, float | int]:
        """For the results file."""
        return {
            "ndcg@10": round(self.ndcg, 5),
            "cpu_s": round(self.seconds, 1),
            "epochs": len(self.history.epochs),
            "best_epoch": self.history.best_epoch,
        }


def shop(chosen: Plan) -> Grown:
    """Online Retail four weeks before the validation slice, and at it."""
    whole = benchmark.load(SHOP)

    def task(since: float, until: float) -> tuple[Task, Sequence[str]]:
        numbers = numbers_until(whole.labelled, since)
        people = cases(
            whole.labelled.before(since),
            whole.labelled.between(since, until),
            numbers.item_ids,
            now=since,
            max_length=chosen.max_length,
        )
        return Task(numbers.interactions, sample(people, most=MAX_VALIDATED, seed=SEED)), numbers.item_ids

    cut = whole.split.validation_from
    return Grown("online_retail", *task(cut - NEW_DAYS, cut), *task(cut, whole.split.test_from))


def lines(path: Path, *, users: int | None, share: float) -> Grown:
    """The first share of a file's lines, and all of them.

    Args:
        path: Lines of ``user item item …``.
        users: How many lines of it there are at all; None for the whole file.
        share: Known to the live version.
    """
    every = path.read_text(encoding="utf-8").splitlines()[:users]
    with TemporaryDirectory() as folder:
        tasks = []
        for number, some in enumerate((every[: int(share * len(every))], every)):
            file = Path(folder) / f"{number}.txt"
            file.write_text("\n".join(some) + "\n", encoding="utf-8")
            tasks.append(learn(Files("leave-one-out", file)))
    before, after = tasks
    return Grown(path.stem, before.task, before.item_ids, after.task, after.item_ids)


def fitted(chosen: Plan, task: Task, begin: Callable[[Recommender], None] | None = None) -> Fit:
    """A fit until validation says stop."""
    started = time.process_time()
    recommender, history = fit(
        chosen,
        task.interactions,
        seed=SEED,
        epochs=int(chosen.training["epochs"]),
        validate=task.measure,
        on_epoch=lambda _epoch, _most: None,
        begin=begin,
    )
    seconds = time.process_time() - started
    best = max(epoch.metric or 0.0 for epoch in history.epochs)
    return Fit(recommender, history, best, seconds)


def compared(chosen: Plan, grown: Grown) -> dict[str, object]:
    """The fit from nothing and the warm one, side by side."""
    live = fitted(chosen, grown.before)
    start = start_of(chosen, live.recommender, grown.before_ids)
    full = fitted(chosen, grown.after)
    short = shortened(chosen, live.history.best_epoch)
    attributes = grown.after.interactions.attributes
    warm = fitted(short, grown.after, lambda fresh: start.into(fresh, grown.after_ids, attributes))
    return {
        "data": grown.name,
        "model": chosen.spec.name,
        "items": [len(grown.before_ids), len(grown.after_ids)],
        "lines": [len(grown.before.interactions), len(grown.after.interactions)],
        "live": live.to_json(),
        "full": full.to_json(),
        "warm": warm.to_json(),
        "ndcg_share": round(warm.ndcg / full.ndcg, 4),
        "time_share": round(warm.seconds / full.seconds, 4),
    }


def _plan(model: str, *, of_lines: bool) -> Plan:
    known = plan(model, {}).training
    return plan(model, {name: value for name, value in LINES_FIT.items() if of_lines and name in known})


def as_markdown(found: Sequence[Mapping[str, Any]]) -> str:
    """The table of the docs."""
    return markdown(
        COLUMNS,
        [
            [
                f"`{one['model']}`",
                one["data"],
                str(one["items"][1] - one["items"][0]),
                *(_cells(one["full"])),
                *(_cells(one["warm"])),
                f"{one['ndcg_share']:.3f}",
                f"{one['time_share']:.2f}",
            ]
            for one in found
        ],
    )


def _cells(fit: Mapping[str, Any]) -> list[str]:
    return [figure(fit["ndcg@10"], digits=4), str(fit["epochs"]), f"{fit['cpu_s']:.0f}"]


def main() -> None:
    """Parse the arguments, fit, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="gru4rec,multvae,sasrec")
    parser.add_argument("--data", type=Path, default=None, help="lines of items; unset: Online Retail")
    parser.add_argument("--users", type=int, default=None, help="only the first lines of the file")
    parser.add_argument("--share", type=float, default=0.85, help="of the lines that the live version knows")
    parser.add_argument("--out", type=Path, default=None, help="JSON; lines that stand there are kept")
    parser.add_argument("--docs", type=Path, default=None, help="write the table of --out into this page")
    given = parser.parse_args()
    grown = None if given.data is None else lines(given.data, users=given.users, share=given.share)
    for model in given.models.split(","):
        chosen = _plan(model, of_lines=grown is not None)
        found = compared(chosen, grown or shop(chosen))
        print(json.dumps(found), flush=True)
        if given.out is not None:
            _keep(given.out, found)
            if given.docs is not None:
                table = as_markdown(json.loads(given.out.read_text(encoding="utf-8")))
                write(given.docs, "warm start", table)


def _keep(path: Path, found: dict[str, object]) -> None:
    stands = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    others = [one for one in stands if (one["data"], one["model"]) != (found["data"], found["model"])]
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = sorted([*others, found], key=lambda one: (one["data"], one["model"]))
    path.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
