"""Measure models on any file of a known form, beside baselines and published figures.

    python -m benchmarks.quality --protocol leave-one-out --data Beauty.txt --out beauty.json

`docs/models/quality.md` says what the forms and protocols are and what the result holds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality import pictures, result, table, worker
from benchmarks.quality.errors import RefusedError
from benchmarks.quality.fitting import baseline_names, model_names, plan_of
from benchmarks.quality.learning import SHAPES, Files, Learning, learn
from benchmarks.quality.progress import Watch, watch
from benchmarks.quality.published import known_as
from benchmarks.quality.reading import check_readable
from benchmarks.quality.running import run_all, use_threads
from benchmarks.quality.worker import Job
from models.registry import SPECS

FIRST_SEED = 1
DEFAULT_MODELS = "transitions,sasrec,auto"
BUDGETS_S = {"leave-one-out": 780.0, "sessions": 1500.0, "split": 1500.0}
OK, FAILED, MISUSED, STOPPED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write, print the table.

    Returns:
        0; 1 where a model failed, the others' figures are written; 2 where the files or options are wrong.
    """
    options = _parser().parse_args(arguments)
    if options.budget_s is None:
        options.budget_s = BUDGETS_S[options.protocol]
    try:
        return _measure(options)
    except RefusedError as error:
        print(f"benchmarks.quality: {error}", file=sys.stderr)
        return MISUSED
    except KeyboardInterrupt:
        print("benchmarks.quality: stopped; what was measured so far is written.", file=sys.stderr)
        return STOPPED


def _measure(options: argparse.Namespace) -> int:
    files, wanted = _checked(options)
    learning = learn(files)
    for sentence in (line for notes in learning.notes for line in notes.sentences()):
        print(sentence, file=sys.stderr)
    body = _body(files, learning, options)
    if options.resume:
        body = result.resumed(body, options.out)
    beside = [] if options.alone else [name for name in baseline_names(learning) if name not in wanted]
    jobs = _without(_jobs(files, beside, wanted, options), body["models"])
    result.write(body, options.out)
    del learning  # Each child reads the files itself; a large one is not held twice.
    if options.threads:
        use_threads(options.threads)
    with watch(len(jobs)) as shown:
        run = _Run(body, options.out, shown, frozenset(beside))
        run_all(worker.run, jobs, shown.hear, run.take)
    return _finish(body, options.out)


def _jobs(files: Files, beside: list[str], wanted: list[str], options: argparse.Namespace) -> list[Job]:
    jobs = [Job(files, name, FIRST_SEED, options.budget_s) for name in beside]
    return jobs + [
        Job(files, name, FIRST_SEED + number, options.budget_s)
        for name in wanted
        for number in range(options.seeds)
    ]


def _without(jobs: list[Job], models: dict[str, Any]) -> list[Job]:
    """The jobs whose figures are not there yet."""
    there = {(name, seed["seed"]) for name, model in models.items() for seed in model["seeds"]}
    return [job for job in jobs if (job.model, job.seed) not in there]


def _checked(options: argparse.Namespace) -> tuple[Files, list[str]]:
    """The files, which are there, and the models, which exist.

    Raises:
        RefusedError: They do not.
    """
    files = Files(options.protocol, options.data, options.test, options.items, options.timed)
    alone = files.protocol == "leave-one-out"
    if files.test is None and not alone:
        raise RefusedError(f"--protocol {files.protocol} needs --test.")
    if files.test is not None and alone:
        raise RefusedError("--protocol leave-one-out takes no --test: it asks about each line's last item.")
    if files.timed is not None and not alone:
        raise RefusedError(f"--protocol {files.protocol} takes no --timed.")
    for path in filter(None, (files.data, files.test, files.items, files.timed)):
        check_readable(path)
    if options.out.is_dir():
        raise RefusedError(f"{options.out} is a folder, not a file.")
    return files, _models(options.models, files.protocol)


def _models(names: str, protocol: str) -> list[str]:
    """The names between the commas, each once.

    Raises:
        RefusedError: One is unknown, or there is none.
    """
    wanted = list(dict.fromkeys(filter(None, map(str.strip, names.split(",")))))
    if not wanted:
        raise RefusedError(f"--models names none; there are {', '.join(model_names())}.")
    for name in wanted:
        if name != "auto":
            plan_of(name, protocol)
    return wanted


def _body(files: Files, learning: Learning, options: argparse.Namespace) -> dict[str, Any]:
    known = known_as(files.protocol, learning.facts)
    return {
        "dataset": files.data.stem if known is None else known.name,
        "protocol": files.protocol,
        "machine": result.machine(),
        "commit": result.commit(),
        "budget_s": options.budget_s,
        "facts": dict(learning.facts),
        "notes": [notes.to_json() | {"file": notes.path.name} for notes in learning.notes],
        "models": {},
    }


class _Run:
    """Takes results as they come, and keeps the file whole after each."""

    def __init__(self, body: dict[str, Any], path: Path, shown: Watch, beside: frozenset[str]) -> None:
        self._body, self._path, self._shown, self._beside = body, path, shown, beside
        self._said: set[str] = set()

    def take(self, job: Job, found: dict[str, Any]) -> None:
        """Add a seed of a model, or why there is none."""
        models = self._body["models"]
        if "error" in found:
            models[job.model] = {**models.get(job.model, {}), "error": found["error"]}
            self._shown.end(job, f"failed: {found['error']}")
        else:
            self._body["asked"] = found.pop("asked")
            self._say(found.pop("said"))
            self._body["test_notes"] = found.pop("notes")
            found |= {key: self._body[key] for key in ("commit", "machine")}
            models[job.model] = result.with_seed(models, job.model, found)
            if job.model in self._beside:
                models[job.model]["baseline"] = True
            self._draw(job, found)
            self._shown.end(job, _outcome(found, self._body["protocol"]))
        result.write(self._body, self._path)

    def _say(self, sentences: list[str]) -> None:
        for sentence in sentences:
            if sentence not in self._said:
                self._said.add(sentence)
                print(sentence, file=sys.stderr)

    def _draw(self, job: Job, found: dict[str, Any]) -> None:
        """The curves of a model's first seed; a blend's networks each have their own."""
        if job.seed != FIRST_SEED:
            return
        own = [(job.model, found["history"])] if found.get("history") else []
        parts = [(part["model"], part["history"]) for part in found.get("members", []) if part.get("history")]
        k = SHAPES[self._body["protocol"]].k
        for name, history in [*own, *parts]:
            title = SPECS[name].title if name in SPECS else name
            stem = job.model if name == job.model else f"{job.model}.{name}"
            pictures.draw_curves(
                history,
                self._path.with_name(f"{self._path.stem}.{stem}.png"),
                title=f"{title}, {self._body['dataset']}",
                metric=f"NDCG@{k}",
            )


def _outcome(found: dict[str, Any], protocol: str) -> str:
    key = table.COLUMNS[protocol][1]
    return (
        f"{key} {found['validation'][key]:.4f} on validation, {found['test'][key]:.4f} on test; "
        f"{found['fit_s']:.1f} s, {found['peak_memory_mb']:.0f} MB, {found['query_ms']:.2f} ms a query"
    )


def _finish(body: dict[str, Any], path: Path) -> int:
    protocol = body["protocol"]
    measured = {name: model for name, model in body["models"].items() if "seeds" in model}
    if measured:
        key = table.COLUMNS[protocol][1]
        picture = path.with_name(f"{path.stem}.pareto.png")
        pictures.draw_pareto(measured, picture, title=f"{body['dataset']}, {protocol}", metric=key)
    print(table.text(table.header(protocol), table.rows(body, known_as(protocol, body["facts"]))))
    for sentence in table.remarks(body):
        print(sentence)
    return FAILED if any("error" in model for model in body["models"].values()) else OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality",
        description="Measure models on a file of user histories, sessions or a given split.",
    )
    parser.add_argument("--protocol", required=True, choices=tuple(SHAPES))
    parser.add_argument("--data", required=True, type=Path, help="the lines to learn from")
    parser.add_argument("--test", type=Path, help="sessions: prefix<TAB>target; split: user item item …")
    parser.add_argument("--items", type=Path, help="a TSV with the columns item and attributes (| between)")
    parser.add_argument(
        "--timed", type=Path, help="leave-one-out: user item …<TAB>seconds since the one before …"
    )
    parser.add_argument(
        "--models", default=DEFAULT_MODELS, help=f"with commas, of {', '.join(model_names())}"
    )
    parser.add_argument("--budget-s", type=positive, help="seconds that one fit with its choices may take")
    parser.add_argument("--seeds", type=count, default=1, help="how often each model is fitted")
    parser.add_argument("--threads", type=count, help="threads of a fit; as many as there are cores")
    parser.add_argument("--resume", action="store_true", help="keep the seeds that --out holds already")
    parser.add_argument("--alone", action="store_true", help="leave out the baselines that stand beside")
    parser.add_argument("--out", required=True, type=Path, help="result.json; pictures are written beside it")
    return parser


def positive(text: str) -> float:
    """A number above 0, as argparse takes it."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"a number above 0 is wanted, not {text!r}")
    return value


def count(text: str) -> int:
    """A whole number from 1 on, as argparse takes it."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 on is wanted, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
