"""The demo's own check fails where the service does not do what the demo promises."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.cli.console import FailedError
from app.cli.walk import Call, Service, Walk
from app.domain.types import JsonObject


def a_list(*item_ids: str, served_by: str = "model", degraded: bool = False) -> JsonObject:
    items = [{"item_id": item_id, "item": {"title": item_id.upper()}} for item_id in item_ids]
    return {"items": items, "served_by": served_by, "degraded": degraded, "model_version": "m-1"}


class Scripted(Service):
    """Answers what it was told to, in order."""

    def __init__(self, *answers: JsonObject) -> None:
        super().__init__("http://127.0.0.1:1", {"sec": "rk_sec_x"})
        self.answers: Sequence[JsonObject] = list(answers)
        self.asked: list[Call] = []

    def ask(self, call: Call) -> JsonObject:
        self.asked.append(call)
        return self.answers[len(self.asked) - 1]

    run_curl = ask


ACCEPTED: JsonObject = {"accepted": 1, "duplicates": 0, "rejected": 0}


def walked(*answers: JsonObject) -> Scripted:
    service = Scripted(*answers)
    walk = Walk(service, shopper="c1")
    walk.prepare()
    walk.check()
    return service


def test_walk_buys_the_first_item_and_looks_again() -> None:
    service = walked(a_list("a", "b"), a_list("a", "b"), ACCEPTED, a_list("b", "c"))
    assert [call.path for call in service.asked] == ["/v1/recommendations"] * 2 + [
        "/v1/events",
        "/v1/recommendations",
    ]
    assert service.asked[2].body["events"][0]["items"] == [{"item_id": "a", "quantity": 1}]


@pytest.mark.parametrize(
    ("first", "event", "second", "said"),
    [
        (a_list("a", "b"), ACCEPTED, a_list("a", "b"), "the event changed nothing"),
        (a_list("a", "b"), ACCEPTED, a_list("b", "a"), "still holds the item"),
        (a_list("a", "b"), {"accepted": 0, "rejected": 1}, a_list("b"), "not accepted"),
        (a_list("a", served_by="fallback", degraded=True), ACCEPTED, a_list("b"), "not come from the model"),
        (a_list("x"), ACCEPTED, a_list("b"), "changed before the event"),
        ({"detail": "no"}, ACCEPTED, a_list("b"), "gave no list: no"),
    ],
)
def test_walk_says_what_did_not_hold(
    first: JsonObject, event: JsonObject, second: JsonObject, said: str
) -> None:
    with pytest.raises(FailedError, match=said):
        walked(a_list("a", "b"), first, event, second)


def test_walk_without_a_service_says_so() -> None:
    walk = Walk(Service("http://127.0.0.1:9", {"sec": "k"}), shopper="c1")
    with pytest.raises(FailedError, match="was not answered"):
        walk.prepare()


def test_curl_line_fails_in_words_without_a_service() -> None:
    with pytest.raises(FailedError, match="curl /v1/x ended with code"):
        Service("http://127.0.0.1:9", {}).run_curl(Call("/v1/x", {}, "k"))
