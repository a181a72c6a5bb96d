"""The nasty table over every route: no 5xx, a problem with a pointer, nothing echoed, nothing stored."""

import json

import pytest

from tests.api.nasty import BODIES, CANARY, JSON, VALUES, encode
from tests.api.nasty_run import MAKES_STREAMS, cases_of, routes_of, send
from tests.api.samples import EVENT, SAMPLES

SHARE = 5


def test_every_route_has_a_sample(shared_world):
    assert set(routes_of(shared_world)) == set(SAMPLES)


@pytest.mark.parametrize("route", sorted(set(SAMPLES) - MAKES_STREAMS))
def test_route_withstands_the_nasty_table(shared_world, route):
    statuses = {send(shared_world, case).status for case in cases_of(route, share=SHARE)}
    assert statuses


@pytest.mark.parametrize("name", sorted(set(VALUES) - {"nested list of 201", "nested object of 201"}))
def test_one_nasty_event_of_a_hundred_leaves_ninety_nine(world, name):
    """In the context, where a value has the most freedom; each is accepted or rejected on its own."""
    events = [dict(EVENT, event_id=f"e{n}", context={}) for n in range(100)]
    events[50] = dict(events[50], context={"value": VALUES[name]})
    answer = world.call(
        "POST", "/v1/events", content=encode({"events": events}), headers={"Content-Type": JSON}
    )
    if name in {"NaN", "Infinity", "named twice"}:
        # not JSON, or JSON that says two things: the whole document cannot be read
        assert answer.status_code == 400
        return
    assert answer.status_code == 202
    assert answer.json()["accepted"] >= 99
    if answer.json()["rejected"]:
        result = answer.json()["results"][50]
        assert (result["status"], result["event_id"]) == ("rejected", "e50")
        assert result["errors"][0]["pointer"].startswith("/events/50/context")
        assert CANARY not in answer.text


@pytest.mark.parametrize("name", sorted(BODIES))
def test_unreadable_events_are_refused_whole(world, name):
    content, media_type = BODIES[name]
    answer = world.call("POST", "/v1/events", content=content, headers={"Content-Type": media_type})
    assert 400 <= answer.status_code < 500
    assert world.run(world.stores.events.count_since, 0) == (0, 0)


def test_depth_over_the_limit_stores_nothing(world):
    deep = json.loads("[" * 30 + "]" * 30)
    events = [dict(EVENT, event_id="e1"), dict(EVENT, event_id="e2", context={"deep": deep})]
    answer = world.call("POST", "/v1/events", json={"events": events})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/events/1/context/deep/0")
    assert world.run(world.stores.events.count_since, 0) == (0, 0)
