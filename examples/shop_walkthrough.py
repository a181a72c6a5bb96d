"""A shop's day over HTTP, step by step: each step says what it must change, and stops where it did not.

    python examples/shop_walkthrough.py --url http://127.0.0.1:8080 --key rk_adm_…

It brings its own items, scenario and people (all named `walk-…`), beside whatever the service has, and takes
items, scenario and rules away at the end. It needs no trained model.
"""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Iterator
from typing import Any

import httpx

MARK = {"field": "attributes.walk", "op": "eq", "value": True}
KINDS = {"mug": 8.0, "bag": 30.0, "lamp": 60.0}
ITEMS = [
    {
        "item_id": f"walk-{kind}-{number}",
        "title": f"{kind.capitalize()} no. {number}",
        "categories": [f"walk-{kind}s"],
        "brand": f"Walk {'ABC'[number % 3]}",
        "price": price + number,
        "currency": "EUR",
        "attributes": {"walk": True},
        "published_at": f"2026-01-{number + 1:02}T0{place}:00:00Z",
    }
    for place, (kind, price) in enumerate(KINDS.items())
    for number in range(8)
]
SCENARIO = {
    "sources": [{"source": "personal"}],
    # Without popular: its counts move while the walk goes on, and with them lists that it holds still.
    "fallback": ["content", "latest", "catalogue"],
    "filter": MARK,
    "exclude_seen": "purchased",
}


class StepFailedError(Exception):
    """A step did not change what it must."""


class Shop:
    """A running service, asked with one key."""

    def __init__(self, client: httpx.Client, key: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {key}"}

    def call(self, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401  # JSON
        """One call; its answer, or None where it has none."""
        options = {} if body is None else {"json": body}
        answer = self._client.request(method, f"/v1/{path}", headers=self._headers, **options)
        if answer.status_code >= 300:
            raise StepFailedError(f"{method} /v1/{path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def event(self, name: str, *item_ids: str, **person: str) -> None:
        """One event, committed when this returns."""
        items = [{"item_id": item_id, "quantity": 1} for item_id in item_ids]
        event = {"event_id": uuid.uuid4().hex, "event": name, "items": items, **person}
        if self.call("POST", "events", {"events": [event]})["accepted"] != 1:
            raise StepFailedError(f"the event {name} was not accepted")

    def list(self, **asked: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
        """A list of the walk's own scenario, with titles and reasons."""
        body = {"scenario": "walk", "n": 6, "fields": ["title"], "explain": True} | asked
        answer: dict[str, Any] = self.call("POST", "recommendations", body)
        return answer


def ids(answer: dict[str, Any]) -> list[str]:
    """The list's items."""
    return [item["item_id"] for item in answer["items"]]


def must(held: object, what: str) -> str:
    """What is printed of a step. Raises `StepFailedError` where it did not hold."""
    if not held:
        raise StepFailedError(what)
    return what


def day(shop: Shop) -> Iterator[tuple[str, str]]:
    """The steps in order: a name and what was seen."""
    run = uuid.uuid4().hex[:8]
    user, guest, other = f"walk-user-{run}", f"walk-guest-{run}", f"walk-other-{run}"
    yield from _opening(shop)
    yield from _a_guest(shop, guest)
    yield from _login(shop, user, guest)
    yield from _purchase_and_dislikes(shop, user)
    yield from _merchandising(shop, user)
    yield from _an_experiment(shop, run)
    yield from _pages(shop, other)
    yield from _news(shop, other)


def closed(shop: Shop) -> None:
    """Take away what the walk brought, as far as it is there."""
    taken = ("rules/walk-pin", "rules/walk-no-lamps", "experiments/walk-cheap", "scenarios/walk")
    for path in (f"admin/{one}" for one in taken):
        try:
            shop.call("DELETE", path)
        except StepFailedError:
            continue
    for item_id in (*(item["item_id"] for item in ITEMS), "walk-new"):
        try:
            shop.call("DELETE", f"items/{item_id}")
        except StepFailedError:
            continue


def _opening(shop: Shop) -> Iterator[tuple[str, str]]:
    shop.call("POST", "items:batch", {"items": ITEMS})
    shown = shop.call("POST", "admin/scenarios/walk/preview", {"definition": SCENARIO, "request": {"n": 6}})
    must(shown["now"] is None, "the scenario is not there yet")
    full = len(shown["then"]["items"]) == 6
    yield "preview", must(full, "a scenario of our own gives 6 items before it is live")
    made = shop.call("PUT", "admin/scenarios/walk", SCENARIO)
    yield "scenario", must(made["version"] >= 1, f"it is live as version {made['version']}")


def _a_guest(shop: Shop, guest: str) -> Iterator[tuple[str, str]]:
    first = shop.list(anonymous_id=guest)
    told = f"a full list for a stranger, {first['filled']} places filled"
    yield "a guest comes", must(len(ids(first)) == 6, told)
    shop.event("view_item", "walk-mug-3", anonymous_id=guest)
    second = shop.list(anonymous_id=guest)
    must(ids(second) != ids(first), "one view changes the next list")
    said = {item["reason"]["text"] for item in second["items"]}
    because = "Because you viewed Mug no. 3"
    yield "views a mug", must(because in said, f"the next list says: {because}")
    cheap = {"field": "price", "op": "lte", "value": {"context": "price", "times": 1.2}}
    page = shop.list(anonymous_id=guest, context={"item_id": "walk-mug-7"}, filter=cheap)
    kinds = {item_id.split("-")[1] for item_id in ids(page)}
    yield "on a product page", must(kinds == {"mug"}, "nothing dearer than 1.2 times the mug looked at")
    shop.event("add_to_cart", "walk-mug-3", anonymous_id=guest)
    basket = shop.list(anonymous_id=guest, context={"basket": ["walk-mug-3"]})
    beside = "walk-mug-3" not in ids(basket)
    yield "fills a basket", must(beside, "what is in the basket is not recommended beside it")


def _login(shop: Shop, user: str, guest: str) -> Iterator[tuple[str, str]]:
    before = ids(shop.list(user_id=user))
    merge = f"users/{user}/merge"
    must(shop.call("POST", merge, {"anonymous_id": guest})["changed"], "the guest is merged")
    after = ids(shop.list(user_id=user))
    yield "logs in", must(after != before, "the customer's list is made from what the guest did")
    shop.call("DELETE", f"{merge}/{guest}")
    parted = ids(shop.list(user_id=user))
    yield "it was somebody else", must(parted == before, "un-merged, the list is as it was")
    shop.call("POST", merge, {"anonymous_id": guest})
    yield "it was not", must(ids(shop.list(user_id=user)) == after, "merged again, it is back")


def _purchase_and_dislikes(shop: Shop, user: str) -> Iterator[tuple[str, str]]:
    bought = ids(shop.list(user_id=user))[0]
    shop.event("purchase", bought, user_id=user)
    yield "buys", must(bought not in ids(shop.list(user_id=user)), f"{bought} leaves the next list")
    hidden, disliked = ids(shop.list(user_id=user))[:2]
    shop.event("hide_item", hidden, user_id=user)
    yield "hides an item", must(hidden not in ids(shop.list(user_id=user)), f"{hidden} leaves the next list")
    shop.event("dislike", disliked, user_id=user)
    left = shop.list(user_id=user)
    must(len(ids(left)) == 6, "and the list is full")
    yield "dislikes one", must(disliked not in ids(left), f"{disliked} leaves a list that stays full")
    why = shop.call("GET", f"users/{user}/items/{hidden}/explanation?scenario=walk")
    yield "asks why not", must(why["stage"] == "disliked", why["text"])


def _merchandising(shop: Shop, user: str) -> Iterator[tuple[str, str]]:
    rule = {"kind": "pin", "item_ids": ["walk-lamp-5"], "position": 2, "scenarios": ["walk"]}
    tried = {"rule": rule, "requests": [{"scenario": "walk", "user_id": user, "n": 6}]}
    [dry] = shop.call("POST", "admin/rules/walk-pin/dry-run", tried)["lists"]
    must(dry["then"]["items"][1]["item_id"] == "walk-lamp-5", "the dry run pins it")
    before = ids(shop.list(user_id=user))
    yield "a rule is tried", must(before[1] != "walk-lamp-5", "the dry run shows it, the shop does not")
    shop.call("PUT", "admin/rules/walk-pin", rule)
    pinned = shop.list(user_id=user)["items"][1]
    yield "a rule goes live", must(pinned["source"] == "pinned", f"{pinned['item']['title']} stands second")
    lamps = {"field": "categories", "op": "any_of", "value": ["walk-lamps"]}
    no_lamps = {"kind": "exclude", "filter": lamps, "scenarios": ["walk"]}
    shop.call("PUT", "admin/rules/walk-no-lamps", no_lamps)
    left = [item_id for item_id in ids(shop.list(user_id=user, n=20)) if "lamp" in item_id]
    yield "another takes lamps out", must(not left, "no lamp, pinned or not")
    why = shop.call("GET", f"users/{user}/items/walk-lamp-5/explanation?scenario=walk")
    yield "asks why not", must("walk-no-lamps" in (why["rule"] or ""), why["text"])
    for name in ("walk-pin", "walk-no-lamps"):
        shop.call("DELETE", f"admin/rules/{name}")
    must(ids(shop.list(user_id=user)) == before, "without the rules the list is as it was")
    why = shop.call("GET", f"users/{user}/items/{before[0]}/explanation?scenario=walk")
    yield "asks why", must(why["eligible"] and why["steps"], why["text"])


def _an_experiment(shop: Shop, run: str) -> Iterator[tuple[str, str]]:
    people = [f"walk-tried-{run}-{number}" for number in range(24)]
    before = {person: ids(shop.list(user_id=person)) for person in people}
    cheap = {"filter": {"all": [MARK, {"field": "price", "op": "lte", "value": 20}]}}
    variants = [{"name": "control"}, {"name": "cheap", "overrides": cheap}]
    shop.call(
        "PUT", "admin/experiments/walk-cheap", {"scenarios": ["walk"], "variants": variants, "salt": run}
    )
    lists = {person: shop.list(user_id=person) for person in people}
    met = {person: answer["variant"] for person, answer in lists.items()}
    must(set(met.values()) == {"control", "cheap"}, "some meet each variant")
    for person, answer in lists.items():
        mugs_alone = all("mug" in item_id for item_id in ids(answer))
        must(
            mugs_alone == (met[person] == "cheap"), "who meets the variant, and nobody else, sees mugs alone"
        )
        must(met[person] == "cheap" or ids(answer) == before[person], "the control's lists stay as they were")
        must(shop.list(user_id=person)["variant"] == met[person], "whoever met it meets it again")
    share = f"{[*met.values()].count('cheap')} of {len(people)} see mugs alone, always the same people"
    yield "an experiment runs", share
    figures = shop.call("GET", "admin/experiments/walk-cheap/figures")
    must([one["variant"] for one in figures["variants"]] == ["control", "cheap"], "it has figures by variant")
    shop.call("POST", "admin/experiments/walk-cheap/stop")
    after = {person: ids(shop.list(user_id=person)) for person in people}
    yield "it is stopped", must(after == before, "every list is as it was before")


def _pages(shop: Shop, person: str) -> Iterator[tuple[str, str]]:
    shown: list[str] = []
    cursor = None
    for _ in range(4):
        answer = shop.list(session_id=person, n=8, cursor=cursor)
        shown, cursor = [*shown, *ids(answer)], answer["next_cursor"]
        shop.event("view_item", "walk-bag-1", session_id=person)
    must(cursor is None, "the pages come to an end")
    must(len(shown) == len(set(shown)), "no item comes twice")
    yield "turns the pages", must(len(shown) == len(ITEMS), f"{len(shown)} items on three pages, none twice")
    placements = [{"scenario": "walk", "n": 8}, {"scenario": "walk", "n": 8}]
    lists = shop.call("POST", "page", {"session_id": person, "placements": placements})["placements"]
    both = [item_id for answer in lists for item_id in ids(answer)]
    yield "a page of two lists", must(len(set(both)) == len(both) == 16, "16 items, none in both")


def _news(shop: Shop, person: str) -> Iterator[tuple[str, str]]:
    published = {"title": "Mug of the year", "published_at": "2026-02-01T00:00:00Z"}
    shop.call("PUT", "items/walk-new", ITEMS[0] | published | {"item_id": "walk-new"})
    answer = shop.list(session_id=person, scenario="latest", filter=MARK)
    yield "a new item", must(ids(answer)[0] == "walk-new", "it leads the latest list at once")
    shop.call("PATCH", "items/walk-new", {"in_stock": False})
    answer = shop.list(session_id=person, scenario="latest", filter=MARK)
    yield "it is sold out", must("walk-new" not in ids(answer), "and is gone from the next list")


def main() -> None:
    """Walk, and print each step."""
    parser = argparse.ArgumentParser(description="A shop's day over HTTP.")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="The running service.")
    parser.add_argument("--key", required=True, help="An rk_adm_… key.")
    given = parser.parse_args()
    with httpx.Client(base_url=given.url, timeout=30.0) as client:
        shop = Shop(client, given.key)
        try:
            for name, seen in day(shop):
                print(f"{name:24} {seen}")
        finally:
            closed(shop)
    print("Everything held.")


if __name__ == "__main__":
    main()
