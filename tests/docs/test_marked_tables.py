"""Tables of benchmarks in the docs are those of the committed result files."""

from __future__ import annotations

import json

import pytest

from benchmarks import cold_items, rerank, warm_start
from benchmarks.marked import with_table
from tests.docs.test_docs import text

RESULTS = "benchmarks/results"


def test_rerank_table_is_the_result_file() -> None:
    table = rerank.as_markdown(json.loads(text(f"{RESULTS}/rerank.json"))["rows"])
    page = text("docs/recommendations.md")
    assert with_table(page, "rerank", table) == page


def test_warm_start_table_is_the_result_file() -> None:
    table = warm_start.as_markdown(json.loads(text(f"{RESULTS}/warm_start.json")))
    page = text("docs/models/warm_start.md")
    assert with_table(page, "warm start", table) == page


def test_cold_items_table_is_the_result_file() -> None:
    table = cold_items.as_markdown(json.loads(text(f"{RESULTS}/cold_items.json")))
    page = text("docs/models/side_information.md")
    assert with_table(page, "cold items", table) == page


def test_a_page_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="no table 'rerank'"):
        with_table("# A page", "rerank", "| a |")
