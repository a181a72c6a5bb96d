"""Every figure in the models' pages is one of the committed result files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.figures import DATA, RESULTS, ROOT
from benchmarks.pages import MARKED, pages, written
from models.registry import names

EMPTY = "<!-- figures: data beauty -->\nold words\n<!-- end of figures -->\n"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_page_shows_the_figures_of_the_result_files(page: Path) -> None:
    text = page.read_text()
    assert written(text, folder=page.parent) == text, "python -m benchmarks.pages writes them anew"


def test_every_measured_model_and_data_set_has_a_place_for_its_figures() -> None:
    marked = {mark[1] for page in pages() for mark in MARKED.findall(page.read_text())}
    there = {data.name: body for data in DATA if (body := data.read()) is not None}
    found = {name for body in there.values() for name in body["models"]}
    assert [name for name in names() if name in found and f"model {name}" not in marked] == []
    assert {f"data {name}" for name in there} <= marked


def test_every_picture_beside_the_results_is_shown_or_named_like_one_that_is() -> None:
    known = {path.stem for path in RESULTS.glob("*.json")}
    assert [path.name for path in RESULTS.glob("*.png") if path.name.split(".")[0] not in known] == []


def test_a_data_set_without_results_says_how_to_get_them(tmp_path: Path) -> None:
    text = written(EMPTY, results=tmp_path, folder=ROOT)
    assert "make bench-quality DATA=beauty" in text
    assert "old words" not in text


def test_figures_are_means_with_their_spread_beside_published_ones(tmp_path: Path) -> None:
    def seed(number: int, ndcg: float) -> dict[str, object]:
        cold = {"people": 3, "ndcg@10": 0.011}
        beyond = {"coverage@10": 0.5, "cold_users": cold, "cold_items": {"people": 0, "ndcg@10": 0.0}}
        return {
            "seed": number,
            "test": {"hr@10": 0.1, "ndcg@10": ndcg},
            "commit": "abcdef012",
            "beyond": beyond,
        }

    model = {
        "seeds": [seed(1, 0.05), seed(2, 0.06)],
        "test_mean": {"hr@10": 0.1, "ndcg@10": 0.055},
        "test_spread": {"hr@10": 0.0, "ndcg@10": 0.0071},
        "fit_s_mean": 1234.56,
    }
    body = {"dataset": "Amazon Beauty, 5-core", "machine": "a core", "models": {"sasrec": model}}
    (tmp_path / "beauty.json").write_text(json.dumps(body))
    page = written(EMPTY, results=tmp_path, folder=ROOT)
    assert "| `sasrec` | .1000 ± .0000 | .0550 ± .0071 | 1,234.6 | - | - | 2 | measured here |" in page
    assert "| BSARec | .1008 | .0611 |" in page
    assert page.index("BSARec") < page.index("`sasrec`") < page.index("FuXi-alpha")
    assert "| `sasrec` | .500 | - | - | - | - | .011 | - |" in page
    assert "commit abcdef0." in page
    of_model = written(EMPTY.replace("data beauty", "model sasrec"), results=tmp_path, folder=ROOT)
    assert "eSASRec: .0928, .0523" in of_model
