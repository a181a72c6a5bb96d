"""The page about reliability shows the results that stand in the repository."""

from __future__ import annotations

import json

from benchmarks.faults.page import PAGE, RESULTS, with_table
from benchmarks.faults.rows import Seen


def test_page_shows_the_results() -> None:
    page = PAGE.read_text()
    assert page == with_table(page, json.loads(RESULTS.read_text()))


def test_row_that_saw_nothing_has_not_passed() -> None:
    seen = Seen()
    assert not seen.passed
    seen.note("1 kill")
    assert seen.passed
    seen.check("1 lost", False)
    assert not seen.passed
    assert seen.broken == ["1 lost"]
