"""The figures in the pages, written from the result files: `python -m benchmarks.pages`.

A page has a place for them between two comments, ``figures: …`` and ``end of figures``; what stands there is
never written by hand, and a test holds it against the files of `benchmarks/results/quality`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from app.evaluation.report import figure, markdown
from benchmarks.figures import (
    ARCHITECTURES,
    DATA,
    NONE,
    RESULTS,
    ROOT,
    Body,
    Data,
    averaged,
    cost_of,
    data_set,
    measured,
    published,
    titled,
    with_spread,
)
from benchmarks.quality.published import DATA_SETS

MODELS = ROOT / "docs/models"
MARKED = re.compile(r"(<!-- figures: ([^>]+?) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def written(page: str, *, results: Path = RESULTS, folder: Path = ROOT) -> str:
    """A page with all its places filled.

    Args:
        page: Its text.
        results: Where the result files are.
        folder: Of the page; links to pictures lead from there.
    """

    def fill(marks: re.Match[str]) -> str:
        kind, _, name = marks[2].partition(" ")
        lines = _MAKERS[kind](name, results, folder)
        return f"{marks[1]}{chr(10).join(lines)}\n{marks[3]}"

    return MARKED.sub(fill, page)


def pages(root: Path = ROOT) -> list[Path]:
    """Those with a place for figures."""
    return [
        path
        for path in sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")])
        if MARKED.search(path.read_text())
    ]


def _data_set(name: str, results: Path, folder: Path) -> Iterator[str]:
    """A data set's page: every model beside what is published, what lies beyond accuracy, what it costs."""
    data = data_set(name)
    body = data.read(results)
    if body is None:
        yield f"Nothing is published here yet: `make bench-quality DATA={name}` measures it."
        return
    yield _accuracy(data, body)
    yield ""
    yield "Beyond accuracy, over the same lists:"
    yield ""
    yield _beyond_table(data, body)
    yield ""
    yield from _said(body)
    yield from _days(data, body)
    for picture in sorted(results.glob(f"{name}.pareto.png")):
        yield ""
        yield f"![quality against cost]({_link(picture, folder)})"


def _accuracy(data: Data, body: Body) -> str:
    rows = [
        (
            data.rank(model["test_mean"]),
            [
                titled(name),
                *(with_spread(model, key) for key in data.headline),
                cost_of(model, "fit_s_mean", 1),
                cost_of(model, "peak_memory_mb_mean", 0),
                cost_of(model, "query_ms_mean", 2),
                str(len(model["seeds"])),
                "baseline" if model.get("baseline") else "measured here",
            ],
        )
        for name, model in measured(body)
    ]
    for title, figures, source in published(body):
        cells = [figure(figures[key], digits=4) if key in figures else NONE for key in data.headline]
        rows.append((data.rank(figures), [title, *cells, *[NONE] * 4, source]))
    columns = ["model", *data.headline.values(), "fit, s", "peak, MB", "query, ms", "seeds", "source"]
    return markdown(columns, [cells for _, cells in sorted(rows, key=lambda row: -row[0])])


def _beyond_table(data: Data, body: Body) -> str:
    rows = sorted(measured(body), key=lambda pair: -data.rank(pair[1]["test_mean"]))
    return markdown(
        ["model", *data.beyond],
        [[titled(name), *(averaged(model, path) for path in data.beyond.values())] for name, model in rows],
    )


def _days(data: Data, body: Body) -> Iterator[str]:
    """Targets on the day of the item before them, and later ones, where that was told apart."""
    apart = [(name, model) for name, model in measured(body) if "same_day" in model["seeds"][0]]
    if not apart:
        return
    people = [apart[0][1]["seeds"][0][part]["people"] for part in ("same_day", "later_day")]
    yield ""
    yield f"Targets on the day of the item before them ({people[0]:,}), and later ones ({people[1]:,}):"
    yield ""
    paths = [f"{part}.{key}" for part in ("same_day", "later_day") for key in data.headline]
    titles = [f"{title}, {when}" for when in ("same day", "later") for title in data.headline.values()]
    rows = sorted(apart, key=lambda pair: -data.rank(pair[1]["test_mean"]))
    yield markdown(
        ["model", *titles],
        [[titled(name), *(averaged(model, path, digits=4) for path in paths)] for name, model in rows],
    )


def _said(body: Body) -> Iterator[str]:
    """Who was asked about, where and when it was measured, what failed."""
    asked = body.get("asked")
    if asked:
        drawn = (
            "" if asked["tested"] == asked["could_be_tested"] else f" of {asked['could_be_tested']:,}, drawn"
        )
        unknown = f"{asked['unknown_targets']:,} targets are unknown to all models"
        yield f"- {asked['tested']:,} test queries{drawn}; {unknown}."
    commits = {seed.get("commit", "unknown")[:7] for _, model in measured(body) for seed in model["seeds"]}
    yield f"- Measured on {body['machine']}; commit {', '.join(sorted(commits))}."
    for name, model in body["models"].items():
        if "error" in model:
            yield f"- {titled(name)} failed: {model['error']}."
    explained = body["models"].get("auto", {}).get("seeds", [{}])[0]
    why = explained.get("explanation") or explained.get("verdict")
    if why:
        yield f"- `auto`, seed {explained['seed']}: {why if isinstance(why, str) else ' '.join(why)}"


def _model(name: str, results: Path, folder: Path) -> Iterator[str]:
    """A model's page: its figures on every data set beside its paper's, and its curves."""
    rows, pictures = [], list[str]()
    for data in DATA:
        body = data.read(results) or {"models": {}}
        if (model := dict(measured(body)).get(name)) is not None:
            rows.append(_model_row(name, data, model))
            pictures += _curves(name, data, model, results, folder)
    if not rows:
        yield "No published run measures it yet."
        return
    yield markdown(["data", "figures", "published", "fit, s", "query, ms", *list(DATA[0].beyond)], rows)
    yield from pictures


def _model_row(name: str, data: Data, model: Body) -> list[str]:
    papers = [
        f"{title}: {', '.join(figure(value, digits=4) for value in figures.values())}"
        for one in DATA_SETS
        if one.name == data.known_as
        for title, figures, _ in one.rows
        if title in ARCHITECTURES.get(name, ())
    ]
    found = ", ".join(f"{title} {with_spread(model, key)}" for key, title in data.headline.items())
    return [
        f"[{data.title}]({data.page})",
        found,
        "; ".join(papers) or NONE,
        cost_of(model, "fit_s_mean", 1),
        cost_of(model, "query_ms_mean", 2),
        *(averaged(model, path) for path in data.beyond.values()),
    ]


def _curves(name: str, data: Data, model: Body, results: Path, folder: Path) -> list[str]:
    seed = model["seeds"][0]
    found = list[str]()
    for member in seed.get("members", []):
        picture = results / f"{data.name}.{name}.{member['model']}.png"
        found += _curve(member["model"], data, member.get("history"), picture, folder)
    return found + _curve(name, data, seed.get("history"), results / f"{data.name}.{name}.png", folder)


def _curve(name: str, data: Data, history: Body | None, picture: Path, folder: Path) -> list[str]:
    if not picture.exists() or not history or not history["loss"]:
        return []
    ends = [
        f"{kind} {history[key][-1]:.3f}"
        for kind, key in (("training", "loss"), ("validation", "val_loss"))
        if history[key][-1] is not None
    ]
    kept = f"epoch {history['best_epoch']} of {len(history['loss'])} was kept"
    said = f"`{name}` on {data.title}, first seed: {kept}; the losses end at {' and '.join(ends)}."
    return ["", said, "", f"![{name} on {data.title}]({_link(picture, folder)})"]


def _summary(_: str, results: Path, folder: Path) -> Iterator[str]:
    """For a reader in a hurry: `auto`, the best single model and the best published one of each data set."""
    rows = []
    for data in DATA:
        body = data.read(results)
        if body is None:
            continue
        rows.append(_summary_row(data, body, folder))
    if rows:
        yield markdown(
            ["data", "figures", "`auto`", "best single model", "popularity", "best published"], rows
        )
    else:
        yield "Nothing is published yet: `make bench-quality` measures it."


def _summary_row(data: Data, body: Body, folder: Path) -> list[str]:
    models = dict(measured(body))
    single = max(
        (name for name in models if name != "auto"), key=lambda name: data.rank(models[name]["test_mean"])
    )

    def both(name: str) -> str:
        return " / ".join(with_spread(models[name], key) for key in data.headline) if name in models else NONE

    papers = sorted(published(body), key=lambda row: -data.rank(row[1]))[:1]
    paper = [
        f"{title}: {' / '.join(figure(value, digits=4) for value in found.values())}"
        for title, found, _ in papers
    ]
    link = f"[{data.title}]({_link(MODELS / data.page, folder)})"
    return [
        link,
        " / ".join(data.headline.values()),
        both("auto"),
        f"{both(single)} ({titled(single)})",
        both("popularity"),
        *(paper or [NONE]),
    ]


def online_retail_table(body: Body) -> str:
    """Both tables of an Online Retail result, for a terminal."""
    data = data_set("online_retail")
    return f"{_accuracy(data, body)}\n\n{_beyond_table(data, body)}"


_MAKERS: Mapping[str, Callable[[str, Path, Path], Iterator[str]]] = {
    "data": _data_set,
    "model": _model,
    "summary": _summary,
}


def _link(target: Path, folder: Path) -> str:
    return Path(os.path.relpath(target, folder)).as_posix()


def main() -> int:
    """Write every page anew."""
    for path in pages():
        before = path.read_text(encoding="utf-8")
        after = written(before, folder=path.parent)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"{path.relative_to(ROOT)} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
