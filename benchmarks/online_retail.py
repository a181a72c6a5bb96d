"""The documented table of models on Online Retail.

    python -m benchmarks.online_retail --out benchmarks/results/online_retail.json

Some minutes on two cores. With ``--docs docs/models/online_retail.md`` the table there is written anew, with
``--curves docs/models/curves`` a picture of each fit. What hyper-parameters are chosen on:

    python -m benchmarks.online_retail --slice validation --models ease --set regularisation=100
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from app.evaluation.report import figure, markdown
from app.training import benchmark, curves
from app.training.progress import Progress

DATA = Path(__file__).resolve().parents[1] / "data/online_retail/online_retail.parquet"
TITLES = {
    "popularity": "popularity",
    "popularity_decayed": "popularity, 14-day half-life",
    "first_order": "first-order transitions",
    "itemknn": "item-kNN",
    "transitions": "transitions (`transitions`)",
    "ease": "EASE (`ease`)",
    "repeats": "repeats (`repeats`)",
    "ease_trend": "EASE with trend (`ease_trend`)",
    "gru4rec": "GRU4Rec, recurrent (`gru4rec`)",
    "nextitnet": "NextItNet, convolutional (`nextitnet`)",
    "multvae": "Mult-VAE, autoencoder (`multvae`)",
    "auto": "the recipe (`auto`)",
}
COLUMNS = (
    "model",
    "NDCG@10 new to them",
    "NDCG@10 all",
    "standard errors of both",
    "top item right",
    "precision",
    "recall",
    "F1",
    "hit rate",
    "MRR",
    "MAP",
    "coverage",
    "novelty, bits",
    "diversity",
    "popularity bias",
    "new customers",
    "fit, s",
)
ALL = (
    "accuracy",
    "precision@10",
    "recall@10",
    "f1@10",
    "hit_rate@10",
    "mrr@10",
    "map@10",
    "coverage@10",
)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, write what was asked for."""
    options = _parser().parse_args(arguments)
    lines = benchmark.run(
        options.data,
        options.models.split(","),
        seed=options.seed,
        on=options.slice,
        overrides=dict(options.set),
        report=_report,
    )
    results = {
        "protocol": _protocol(options.slice),
        "seed": options.seed,
        "models": [line.to_json() for line in lines],
    }
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    table = as_markdown(results)
    print(table)
    if options.docs is not None:
        options.docs.write_text(with_table(options.docs.read_text(encoding="utf-8"), table), encoding="utf-8")
    if options.curves is not None:
        options.curves.mkdir(parents=True, exist_ok=True)
        for line in lines:
            if line.history.epochs:
                curves.draw(
                    line.history, options.curves / f"{line.name}.png", title=f"{line.name}, Online Retail"
                )
    return 0


def as_markdown(results: dict[str, Any]) -> str:
    """The table of a results file."""
    return markdown(COLUMNS, [_cells(model) for model in results["models"]])


def with_table(text: str, table: str) -> str:
    """The page with the table between its marks replaced."""
    return re.sub(
        r"(<!-- table -->\n).*?(<!-- end of table -->)",
        lambda marks: marks[1] + table + "\n" + marks[2],
        text,
        flags=re.DOTALL,
    )


def _cells(model: dict[str, Any]) -> list[str]:
    everything = model["all"]
    return [
        TITLES.get(model["name"], model["name"]),
        figure(model["unseen"]["ndcg@10"]),
        figure(everything["ndcg@10"]),
        f"{figure(model['unseen']['ndcg@10_error'])} / {figure(everything['ndcg@10_error'])}",
        *(figure(everything[name]) for name in ALL),
        f"{everything['novelty@10']:.1f}",
        figure(everything["diversity@10"], digits=2),
        f"{everything['popularity_bias@10']:+.2f}",
        figure(model["new_users"]["all"]["ndcg@10"]),
        f"{model['seconds']:.0f}",
    ]


def _protocol(on: str) -> dict[str, Any]:
    return {"cut": benchmark.CUT.isoformat(), "validation_days": benchmark.VALIDATION_DAYS, "slice": on}


def _override(text: str) -> tuple[str, Any]:
    """``name=value``, the value a number or a truth value as in JSON."""
    name, _, value = text.partition("=")
    return name, json.loads(value)


def _report(model: str, progress: Progress) -> None:
    if progress.loss is not None:
        metric = f"{progress.metric:.4f}" if progress.metric is not None else "-"
        print(f"{model} epoch {progress.epoch}: loss {progress.loss:.4f}, NDCG@10 {metric}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure every model on Online Retail.")
    parser.add_argument("--data", type=Path, default=DATA, help="online_retail.parquet")
    parser.add_argument("--models", default=",".join(benchmark.MODELS), help="registry names with commas")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--slice", choices=("test", "validation"), default="test", help="what to measure on")
    parser.add_argument(
        "--set", type=_override, action="append", default=[], metavar="NAME=VALUE", help="a hyper-parameter"
    )
    parser.add_argument("--out", type=Path, help="write all figures here, as JSON")
    parser.add_argument("--docs", type=Path, help="write the table into this page")
    parser.add_argument("--curves", type=Path, help="draw each fit into this folder")
    return parser


if __name__ == "__main__":
    sys.exit(main())
