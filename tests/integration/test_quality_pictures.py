"""Pictures of the harness: no name covers another, and what was not measured is left out."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
from matplotlib.text import Text

from benchmarks.quality import pictures


def test_names_of_near_points_cover_neither_each_other_nor_a_point() -> None:
    rng = np.random.default_rng(3)
    cost = {f"model-{number}": float(100 + rng.random()) for number in range(12)} | {"far": 1.0}
    quality = {name: float(0.05 + 0.001 * rng.random()) for name in cost} | {"far": 0.0}
    figure, [axes] = pictures._figure("title", 1, pictures.PARETO_SIZE)
    axes.scatter(list(cost.values()), list(quality.values()))
    axes.set_xscale("log")
    figure.draw_without_rendering()
    pictures._label(axes, cost, quality)
    renderer = figure.canvas.get_renderer()
    boxes = {note.get_text(): Text.get_window_extent(note, renderer) for note in axes.texts}
    assert set(boxes) == set(cost)
    assert [pair for pair in combinations(boxes, 2) if boxes[pair[0]].overlaps(boxes[pair[1]])] == []
    points = [axes.transData.transform((cost[name], quality[name])) for name in cost]
    assert not any(box.contains(*point) for box in boxes.values() for point in points)


def test_a_cost_that_was_not_measured_has_no_panel(tmp_path: Path) -> None:
    one = {"test_mean": {"ndcg@10": 0.1}, "test_spread": {"ndcg@10": 0.0}, "fit_s_mean": 1.0}
    both = {
        "test_mean": {"ndcg@10": 0.2},
        "test_spread": {"ndcg@10": 0.01},
        "fit_s_mean": 2.0,
        "query_ms_mean": 1.0,
    }
    pictures.draw_pareto({"a": one, "auto": both}, tmp_path / "one.png", title="t", metric="ndcg@10")
    pictures.draw_pareto({"auto": both}, tmp_path / "two.png", title="t", metric="ndcg@10")
    assert (tmp_path / "one.png").read_bytes() != (tmp_path / "two.png").read_bytes()


def test_what_nothing_beats_is_joined_by_rising_cost() -> None:
    cost, quality = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 3.0}, {"a": 0.2, "b": 0.1, "c": 0.3, "d": 0.4}
    assert pictures.undominated(cost, quality) == ["a", "d"]
