"""The page on recommendations names every scenario, source, operator, reason and code."""

from __future__ import annotations

import pytest

from app.domain.recommendations import ExcludeSeen, ServedBy
from app.pipeline import explain, scenarios, silence
from app.pipeline.columns import ITEM_FIELDS
from app.pipeline.filters import OPS
from app.services.making import BUSY, DEADLINE
from app.services.reading import DATABASE_UNAVAILABLE
from tests.docs.test_docs import text

CODES = {
    code for code, _ in (*explain.BECAUSE.values(), *explain.PLAIN.values(), explain.VIEWED, explain.FOR_YOU)
}
NAMES = {
    *scenarios.SCENARIOS,
    *(source for one in scenarios.SCENARIOS.values() for source in one.fallback),
    *OPS,
    *ITEM_FIELDS,
    *CODES,
    *ServedBy,
    *ExcludeSeen,
    "similar_to",
    "bought_together",
    DATABASE_UNAVAILABLE,
    BUSY,
    DEADLINE,
    "model-failed",
    *(value for name, value in vars(silence).items() if name.isupper() and not name.startswith("_")),
}


@pytest.mark.parametrize("name", sorted(map(str, NAMES)))
def test_page_names(name: str) -> None:
    assert f"`{name}`" in text("docs/recommendations.md")
