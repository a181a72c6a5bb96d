"""The published runs: the commands of the docs, a data set at a time.

    python -m benchmarks.publish beauty diginetica online_retail --seeds 3

writes `benchmarks/results/quality/DATA.json` and pictures beside it. What stands there already is kept, so a
run that was stopped goes on where it was; ``--fresh`` starts anew. Counted tables, which have no chance in
them, are measured once. `python -m benchmarks.pages` then writes the figures into the docs.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import online_retail
from benchmarks.figures import RESULTS
from benchmarks.quality import __main__ as quality
from models.registry import SPECS

TABLES = tuple(name for name, spec in SPECS.items() if spec.format == "item_item")
NETWORKS = tuple(name for name, spec in SPECS.items() if spec.format == "onnx")


@dataclass(frozen=True, slots=True)
class Published:
    """A data set and what is measured on it, beside the harness's baselines.

    Attributes:
        protocol: Of the harness; empty for Online Retail, which has a command of its own.
        files: Option and file below the folder of the data, in the command's order.
        tables: Measured once.
        networks: Measured with each seed.
    """

    protocol: str
    files: Sequence[tuple[str, str]]
    tables: Sequence[str]
    networks: Sequence[str]


PUBLISHED = {
    "beauty": Published(
        "leave-one-out",
        (
            ("--data", "amazon_beauty/Beauty.txt"),
            ("--items", "amazon_beauty/Beauty_items.tsv"),
            ("--timed", "amazon_beauty/Beauty_timed.txt"),
        ),
        # repeats ranks what a person had, which this protocol hides; its lines have no times for a trend.
        tuple(
            name for name in TABLES if name not in {"popularity", "repeats", "ease_trend", "itemknn", "ease"}
        ),
        (*NETWORKS, "auto"),
    ),
    "diginetica": Published(
        "sessions",
        (("--data", "diginetica/train_sessions.txt"), ("--test", "diginetica/test.tsv")),
        ("transitions", "sessions"),
        ("gru4rec", "auto"),
    ),
    "online_retail": Published(
        "",
        (),
        # No item has attributes; popularity is the command's own baseline.
        tuple(name for name in TABLES if name not in {"popularity", "content"}),
        (*NETWORKS, "auto"),
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the data sets asked for, one after the other.

    Returns:
        0; the code of the first command that did not do all; 1 where no data was there.
    """
    options = _parser().parse_args(arguments)
    codes, missing = list[int](), list[str]()
    for name in options.data_sets or PUBLISHED:
        absent = [file for _, file in PUBLISHED[name].files if not (options.data / file).exists()]
        if absent:
            print(f"{name}: {options.data / absent[0]} is not there; left out.", file=sys.stderr)
            missing.append(name)
            continue
        codes += _run(name, options)
    bad = [code for code in codes if code]
    return bad[0] if bad else int(bool(missing) and not codes)


def _run(name: str, options: argparse.Namespace) -> list[int]:
    published, out = PUBLISHED[name], _near(options.results / f"{name}.json")
    if options.fresh:
        out.unlink(missing_ok=True)
    codes = []
    for models, seeds in ((published.tables, 1), (published.networks, options.seeds)):
        chosen = [model for model in models if not options.models or model in options.models]
        if chosen:
            codes.append(_command(published, chosen, seeds, out, options))
            if codes[-1] in {quality.STOPPED, quality.MISUSED}:
                break
    return codes


def _command(
    published: Published, models: Sequence[str], seeds: int, out: Path, options: argparse.Namespace
) -> int:
    words = ["--models", ",".join(models), "--seeds", str(seeds), "--resume", "--out", str(out)]
    if options.threads:
        words += ["--threads", str(options.threads)]
    if not published.protocol:
        _show("benchmarks.online_retail", words)
        return online_retail.main(words)
    files = [word for option, file in published.files for word in (option, str(options.data / file))]
    words = ["--protocol", published.protocol, *files, *words]
    if options.budget_s:
        words += ["--budget-s", f"{options.budget_s:g}"]
    _show("benchmarks.quality", words)
    return quality.main(words)


def _near(path: Path) -> Path:
    """The path as a person at the project's root would type it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _show(module: str, words: Sequence[str]) -> None:
    print(f"python -m {module} {shlex.join(words)}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.publish", description="Measure the published set."
    )
    parser.add_argument(
        "data_sets", nargs="*", choices=[*PUBLISHED, []], metavar="DATA", help=", ".join(PUBLISHED)
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("../shared/data"),
        help="the folder of amazon_beauty/ and diginetica/",
    )
    parser.add_argument("--models", type=_names, default=(), help="only these, with commas; baselines stay")
    parser.add_argument("--seeds", type=quality.count, default=3, help="fits of each network")
    parser.add_argument(
        "--budget-s",
        type=quality.positive,
        help="seconds of a fit with its choices, in place of the protocol's",
    )
    parser.add_argument("--threads", type=quality.count, help="threads of a fit; as many as there are cores")
    parser.add_argument("--fresh", action="store_true", help="start anew; what stands there is removed")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of the result files")
    return parser


def _names(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, map(str.strip, text.split(","))))
    unknown = [name for name in names if name not in SPECS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no model {unknown[0]!r}; there are {', '.join(SPECS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
