"""Caps go through a long order in parts, and leave what going through it one by one leaves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pipeline import rules
from app.pipeline.rules import Caps, Rule, RuleKind
from tests.unit.pipeline.build import catalogue, item

CATEGORIES = ("mugs", "cups", "plates")


def slow(held: list[dict[str, tuple[object, ...]]], caps: list[Rule], most: int) -> list[int]:
    counts = [Counter[object]() for _ in caps]
    picked: list[int] = []
    for position, values in enumerate(held):
        own = [values[str(cap.field)] for cap in caps]
        spent = any(
            count[value] >= cap.most
            for cap, count, some in zip(caps, counts, own, strict=True)
            for value in some
        )
        if spent or len(picked) == most:
            continue
        for count, some in zip(counts, own, strict=True):
            count.update(some)
        picked.append(position)
    return picked


@given(
    drawn=st.lists(
        st.tuples(st.sets(st.sampled_from(CATEGORIES)), st.sampled_from([None, 1, 2])),
        min_size=1,
        max_size=30,
    ),
    most_of_each=st.integers(1, 5),
    most=st.integers(1, 30),
    at_once=st.integers(1, 6),
)
def test_long_order_is_kept_as_if_gone_through_one_by_one(
    *, drawn: list[tuple[set[str], int | None]], most_of_each: int, most: int, at_once: int
) -> None:
    rows = [
        item(
            f"i{n:02d}",
            categories=sorted(categories),
            price=None,
            attributes={} if size is None else {"size": size},
        )
        for n, (categories, size) in enumerate(drawn)
    ]
    held: list[dict[str, tuple[object, ...]]] = [
        {
            "categories": tuple(sorted(categories)),
            "attributes.size": () if size is None else (float(size),),
        }
        for categories, size in drawn
    ]
    by_kind = Rule("kind", RuleKind.CAP, field="categories", most=most_of_each)
    caps = [by_kind, replace(by_kind, name="size", field="attributes.size")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "AT_ONCE", at_once)
        kept = Caps(caps, catalogue(*rows), None).kept(np.arange(len(rows)), most)
    assert kept.tolist() == slow(held, caps, most)
