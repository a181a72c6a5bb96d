"""`result.json`: figures by model and seed, their mean and spread, and where they were measured."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from benchmarks.quality.errors import RefusedError

Body = dict[str, Any]
COSTS = ("fit_s", "peak_memory_mb", "query_ms")


def summarised(seeds: list[Body]) -> Body:
    """A model's seeds with their mean, standard deviation (0 of one seed) and mean time."""
    tested, judged = _shared(seeds, "test"), _shared(seeds, "validation")
    measured = [key for key in COSTS if all(key in seed for seed in seeds)]
    return {
        "seeds": seeds,
        "validation_mean": {key: fmean(values) for key, values in judged.items()},
        "test_mean": {key: fmean(values) for key, values in tested.items()},
        "test_spread": {key: stdev(values) if len(values) > 1 else 0.0 for key, values in tested.items()},
        **{f"{key}_mean": fmean(seed[key] for seed in seeds) for key in measured},
    }


def _shared(seeds: list[Body], part: str) -> dict[str, list[float]]:
    """Values of the figures that every seed has.

    A recipe with tables alone has no curve, and so no best epoch's figure; a seed that an earlier version of
    the command wrote may lack a figure that was added since.
    """
    return {
        key: [seed[part][key] for seed in seeds]
        for key in seeds[0][part]
        if all(key in seed[part] for seed in seeds)
    }


def with_seed(models: Body, name: str, found: Body) -> Body:
    """A model as it is with one more seed, in the order of the seeds; a failure of before is forgotten."""
    seeds = [*models.get(name, {}).get("seeds", []), found]
    return summarised(sorted(seeds, key=lambda seed: int(seed["seed"])))


def resumed(body: Body, path: Path) -> Body:
    """The body with the seeds that an earlier run of the same measurement wrote; failures are tried again.

    Args:
        body: A measurement that is about to start.
        path: Where it will be written; there may be no file yet.

    Raises:
        RefusedError: The file there is of another measurement.
    """
    if not path.exists():
        return body
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        same = all(before[key] == body[key] for key in ("dataset", "protocol", "facts"))
        models = {name: model for name, model in before["models"].items() if "seeds" in model}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise RefusedError(f"{path} is no result of this command, so it cannot be resumed.") from None
    if not same:
        raise RefusedError(f"{path} holds figures of other data, so it cannot be resumed.")
    kept = {key: before[key] for key in ("asked", "test_notes") if key in before}
    return {**body, **kept, "models": models}


def write(body: Mapping[str, Any], path: Path) -> None:
    """Write the file whole or not at all.

    Raises:
        RefusedError: It cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    text = json.dumps(finite(body), indent=1, ensure_ascii=False, allow_nan=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise RefusedError(f"{path} cannot be written: {error.strerror}.") from None


def finite(value: Any) -> Any:  # noqa: ANN401 (any JSON)
    """The same with None for what is no number: JSON has no word for it."""
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def machine() -> str:
    """Processor, cores that may be used, memory, system."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = ""
    if hasattr(os, "sysconf"):
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        memory = f", {size:.0f} GB"
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{_processor()}, {cores} core{'s' * (cores > 1)}{memory}, {system}"


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def commit() -> str:
    """The commit of the code, with a plus where files differ from it; ``unknown`` outside a repository."""
    root = Path(__file__).resolve().parents[2]
    try:
        head = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changed else "")


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()
