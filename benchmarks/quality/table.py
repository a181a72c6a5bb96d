"""The table at the end: baselines, models and published figures, best last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.evaluation.report import figure
from benchmarks.quality.published import DataSet

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "leave-one-out": ("hr@10", "ndcg@10"),
    "sessions": ("hr@20", "mrr@20"),
    "split": ("recall@20", "ndcg@20", "recall@50", "ndcg@50"),
}
TITLES = {"hr": "HR", "ndcg": "NDCG", "mrr": "MRR", "recall": "Recall"}
NONE = "-"
Row = tuple[str, ...]


def header(protocol: str) -> Row:
    """The names of the columns."""
    keys = [f"{TITLES[key.split('@')[0]]}@{key.split('@')[1]}" for key in COLUMNS[protocol]]
    return ("model", *keys, f"validation {keys[-1]}", "fit, s", "peak, MB", "query, ms", "coverage", "source")


def rows(body: Mapping[str, Any], known: DataSet | None) -> list[Row]:
    """Measured and published models, by the second figure of the protocol.

    Args:
        body: What `result.json` holds.
        known: The data set, if it is a known one.
    """
    keys = COLUMNS[body["protocol"]]
    found: list[tuple[float, Row]] = []
    for name, model in body["models"].items():
        if "error" in model:
            found.append((-1.0, (name, *(NONE for _ in keys), NONE, NONE, NONE, NONE, NONE, model["error"])))
        else:
            found.append((model["test_mean"][keys[1]], _measured(name, model, keys)))
    for name, figures, source in known.rows if known is not None else ():
        cells = [figure(figures[key], digits=4) if key in figures else NONE for key in keys]
        found.append((figures.get(keys[1], 0.0), (name, *cells, NONE, NONE, NONE, NONE, NONE, source)))
    return [row for _, row in sorted(found, key=lambda pair: pair[0])]


def _measured(name: str, model: Mapping[str, Any], keys: tuple[str, ...]) -> Row:
    several = len(model["seeds"]) > 1
    cells = []
    for key in keys:
        spread = f" ± {figure(model['test_spread'][key], digits=4)}" if several else ""
        cells.append(figure(model["test_mean"][key], digits=4) + spread)
    beyond = model["seeds"][0]["beyond"]
    [coverage] = [value for key, value in beyond.items() if key.startswith("coverage@")]
    return (
        name,
        *cells,
        figure(model["validation_mean"][keys[1]], digits=4),
        f"{model['fit_s_mean']:.1f}",
        f"{model['peak_memory_mb_mean']:.0f}",
        f"{model['query_ms_mean']:.2f}",
        figure(coverage, digits=2),
        "baseline" if model.get("baseline") else "measured",
    )


def text(columns: Row, body: list[Row]) -> str:
    """Columns as wide as they need to be; all but the first and the last to the right."""
    widths = [max(len(line[at]) for line in (columns, *body)) for at in range(len(columns))]
    lines = []
    for line in (columns, *body):
        cells = [
            cell.ljust(width) if at in (0, len(columns) - 1) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def remarks(body: Mapping[str, Any]) -> list[str]:
    """What a reader of the figures must know: who was asked about, and who could not be hit."""
    asked, said = body.get("asked"), list[str]()
    if asked is None:
        return said
    drawn = "" if asked["tested"] == asked["could_be_tested"] else f" drawn of {asked['could_be_tested']}"
    said.append(f"Test queries: {asked['tested']}{drawn}; targets: {asked['targets']}.")
    if asked["unknown_targets"]:
        said.append(f"Targets that nothing is known of, which are misses: {asked['unknown_targets']}.")
    if asked["repeated_targets"]:
        fate = "may be hit" if body["protocol"] == "sessions" else "are hidden, and so misses"
        said.append(f"Targets that stand in the history already, which {fate}: {asked['repeated_targets']}.")
    if body["facts"].get("trains_only"):
        said.append(f"Lines with fewer than 3 items, which train only: {body['facts']['trains_only']}.")
    if asked.get("newcomers"):
        said.append(f"Test users without a training line, reported apart as newcomers: {asked['newcomers']}.")
    return said
