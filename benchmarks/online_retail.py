"""The documented table of models on Online Retail: its time split, any number of seeds.

    python -m benchmarks.online_retail --seeds 3 --out benchmarks/results/quality/online_retail.json

Each model and seed is fitted in a process of its own, and the file is whole after each. What hyper-parameters
are chosen on:

    python -m benchmarks.online_retail --slice validation --models ease --set regularisation=100
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.training import benchmark
from app.training.progress import Progress
from benchmarks.pages import online_retail_table
from benchmarks.quality import pictures, result
from benchmarks.quality.__main__ import count
from benchmarks.quality.errors import RefusedError
from benchmarks.quality.running import Message, Tell, run_all, use_threads
from benchmarks.quality.worker import peak_memory_mb
from models.registry import SPECS, names

DATA = Path(__file__).resolve().parents[1] / "data/online_retail/online_retail.parquet"
FIRST_SEED = 1
OK, FAILED, MISUSED, STOPPED = 0, 1, 2, 130


@dataclass(frozen=True, slots=True)
class Job:
    """What a child does.

    Attributes:
        data: `online_retail.parquet`.
        on: The slice that is measured.
        model: A registry name.
        seed: Of every random choice.
        overrides: Hyper-parameters that differ from the registry's.
    """

    data: Path
    on: benchmark.Slice
    model: str
    seed: int
    overrides: tuple[tuple[str, Any], ...] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write what was asked for, print the table.

    Returns:
        0; 1 where a model failed, the others' figures are written; 2 where the options are wrong.
    """
    options = _parser().parse_args(arguments)
    try:
        return _measure(options)
    except RefusedError as error:
        print(f"benchmarks.online_retail: {error}", file=sys.stderr)
        return MISUSED
    except KeyboardInterrupt:
        print("benchmarks.online_retail: stopped; what was measured so far is written.", file=sys.stderr)
        return STOPPED


def _measure(options: argparse.Namespace) -> int:
    wanted = list(dict.fromkeys(filter(None, map(str.strip, options.models.split(",")))))
    unknown = [name for name in wanted if name not in SPECS]
    if unknown:
        raise RefusedError(f"There is no model {unknown[0]!r}; there are {', '.join(names())}.")
    if not options.data.is_file():
        raise RefusedError(f"{options.data} does not exist.")
    body = _body(options)
    if options.resume and options.out is not None:
        body = result.resumed(body, options.out)
    if options.threads:
        use_threads(options.threads)
    run = _Run(body, options.out)
    run.baselines(_shop(options.data, options.slice))
    jobs = [
        Job(options.data, options.slice, name, FIRST_SEED + number, tuple(options.set))
        for name in wanted
        for number in range(options.seeds)
    ]
    run_all(fit, [job for job in jobs if not run.has(job.model, job.seed)], _report, run.take)
    run.draw()
    print(online_retail_table(body))
    return FAILED if any("error" in model for model in body["models"].values()) else OK


def fit(job: Job, tell: Tell) -> Message:
    """Fit a model as the protocol says and measure it; figures as in `result.json`."""

    def report(progress: Progress) -> None:
        tell(
            {
                "stage": progress.stage,
                "epoch": progress.epoch,
                "loss": progress.loss,
                "metric": progress.metric,
            }
        )

    shop = _shop(job.data, job.on)
    line = benchmark.measure(shop, job.model, seed=job.seed, overrides=dict(job.overrides), report=report)
    return {**_seed(line, job.seed), "peak_memory_mb": round(peak_memory_mb(), 1)}


class _Run:
    """Takes results as they come, and keeps the file, where there is to be one, whole after each."""

    def __init__(self, body: dict[str, Any], path: Path | None) -> None:
        self._body, self._path = body, path

    def has(self, model: str, seed: int) -> bool:
        """Whether an earlier run left these figures."""
        seeds = self._body["models"].get(model, {}).get("seeds", [])
        return any(found["seed"] == seed for found in seeds)

    def baselines(self, shop: benchmark.Shop) -> None:
        """The lines that have no fit to speak of."""
        for line in benchmark.baselines(shop):
            if not self.has(line.name, FIRST_SEED):
                self._add(line.name, _seed(line, FIRST_SEED))
                self._body["models"][line.name]["baseline"] = True

    def take(self, job: Job, found: Message) -> None:
        """Add a seed of a model, or why there is none."""
        if "error" in found:
            models = self._body["models"]
            models[job.model] = {**models.get(job.model, {}), "error": found["error"]}
            print(f"{job.model}, seed {job.seed}: failed: {found['error']}", file=sys.stderr)
            self._write()
            return
        self._add(job.model, found)
        both = " / ".join(f"{found['test'][f'{reading}.ndcg@10']:.4f}" for reading in ("unseen", "all"))
        print(f"{job.model}, seed {job.seed}: NDCG@10 {both}, {found['fit_s']:.0f} s", file=sys.stderr)
        if job.seed == FIRST_SEED and self._path is not None and found["history"]["loss"]:
            pictures.draw_curves(
                found["history"],
                self._path.with_name(f"{self._path.stem}.{job.model}.png"),
                title=f"{SPECS[job.model].title}, Online Retail",
                metric="NDCG@10",
            )

    def draw(self) -> None:
        """The picture of quality against cost."""
        if self._path is not None:
            measured = {name: model for name, model in self._body["models"].items() if "seeds" in model}
            picture = self._path.with_name(f"{self._path.stem}.pareto.png")
            pictures.draw_pareto(measured, picture, title="Online Retail, time split", metric="all.ndcg@10")

    def _add(self, name: str, found: Message) -> None:
        found |= {key: self._body[key] for key in ("commit", "machine")}
        self._body["models"][name] = result.with_seed(self._body["models"], name, found)
        self._write()

    def _write(self) -> None:
        if self._path is not None:
            result.write(self._body, self._path)


def _shop(path: Path, on: benchmark.Slice) -> benchmark.Shop:
    shop = benchmark.load(path)
    return shop if on == "test" else shop.earlier()


def _seed(line: benchmark.Measured, seed: int) -> Message:
    history = line.history.to_json()
    metrics = [value for value in history["ndcg@10"] if value is not None]
    return {
        "seed": seed,
        "validation": {"ndcg@10": max(metrics)} if metrics else {},
        "test": dict(_flat(line.report)),
        "fit_s": round(line.seconds, 2),
        "config": line.config,
        "epochs": line.history.best_epoch,
        "history": history,
        "verdict": line.said,
    }


def _flat(report: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, float]]:
    """Figures by the path to them, with dots between."""
    for key, value in report.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{within}{key}.")
        else:
            yield f"{within}{key}", float(value)


def _body(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "dataset": "Online Retail",
        "protocol": "time split",
        "machine": result.machine(),
        "commit": result.commit(),
        "facts": {
            "cut": benchmark.CUT.isoformat(),
            "validation_days": benchmark.VALIDATION_DAYS,
            "slice": options.slice,
            "set": [list(pair) for pair in options.set],
        },
        "models": {},
    }


def _override(text: str) -> tuple[str, Any]:
    """``name=value``, the value a number or a truth value as in JSON."""
    name, _, value = text.partition("=")
    return name, json.loads(value)


def _report(job: Job, message: Message) -> None:
    if message["loss"] is not None:
        metric = f"{message['metric']:.4f}" if message["metric"] is not None else "-"
        said = f"epoch {message['epoch']}: loss {message['loss']:.4f}, NDCG@10 {metric}"
        print(f"{job.model}, seed {job.seed}, {message['stage']} {said}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.online_retail", description="Measure every model on Online Retail."
    )
    parser.add_argument("--data", type=Path, default=DATA, help="online_retail.parquet")
    parser.add_argument("--models", default=",".join(benchmark.MODELS), help="registry names with commas")
    parser.add_argument("--seeds", type=count, default=1, help="how often each model is fitted")
    parser.add_argument("--slice", choices=("test", "validation"), default="test", help="what to measure on")
    parser.add_argument(
        "--set", type=_override, action="append", default=[], metavar="NAME=VALUE", help="a hyper-parameter"
    )
    parser.add_argument("--threads", type=count, help="threads of a fit; as many as there are cores")
    parser.add_argument("--resume", action="store_true", help="keep the seeds that --out holds already")
    parser.add_argument("--out", type=Path, help="write all figures here, and curves beside them")
    return parser


if __name__ == "__main__":
    sys.exit(main())
