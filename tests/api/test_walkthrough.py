"""The example of a shop's day, against the service; twice, as it takes away what it brought."""

from __future__ import annotations

import pytest

from examples.shop_walkthrough import ITEMS, Shop, StepFailedError, closed, day, must
from tests.api.world import World


def test_every_step_of_the_day_changes_what_it_must(world: World) -> None:
    shop = Shop(world.client, world.keys["adm"])
    for _ in range(2):
        steps = list(day(shop))
        closed(shop)
        assert len(steps) == 24
        assert world.call("GET", f"/v1/items/{ITEMS[0]['item_id']}").status_code == 404
        assert world.call("GET", "/v1/admin/scenarios/walk", kind="adm").status_code == 404


def test_step_that_changes_nothing_stops_the_walk() -> None:
    with pytest.raises(StepFailedError, match="the list changed"):
        must([], "the list changed")
