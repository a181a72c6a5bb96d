"""What the performance page says was measured is what the result file holds."""

from __future__ import annotations

import json

from benchmarks.serving.page import PAGE, RESULT, written


def test_page_quotes_the_result_file() -> None:
    body = json.loads(RESULT.read_text())
    page = PAGE.read_text()
    assert written(page, body) == page
    assert all(claim["name"] in page for claim in body["claims"])


def test_verdicts_follow_from_the_figures() -> None:
    for claim in json.loads(RESULT.read_text())["claims"]:
        value, target = claim["value"], claim["target"]
        assert claim["holds"] is (value <= target if claim["at_most"] else value >= target), claim["name"]
