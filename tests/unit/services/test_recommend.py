from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.adapters.memory_stores import memory_stores
from app.domain.errors import InvalidInputError
from app.domain.ports import EventStore
from app.domain.recommendations import Context, ExcludeSeen, Recommendation, RecommendationRequest, ServedBy
from app.domain.types import Item, ItemEvents, Subject
from tests.clocks import FixedClock
from tests.events import event
from tests.unit.services.shop import IDS, Shop, open_shop, table_scorer

U1 = Subject(user_id="u1")


class CountingEvents:
    """An event store that counts how often a whole past was summed up."""

    def __init__(self, events: EventStore) -> None:
        self._events = events
        self.summed = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._events, name)

    async def met(self, subject: Subject, *, lines: int) -> list[ItemEvents]:
        self.summed += 1
        return await self._events.met(subject, lines=lines)


def ask(**fields: Any) -> RecommendationRequest:
    return RecommendationRequest(**{"subject": U1, "n": 3} | fields)


def ids(answer: Recommendation) -> list[str]:
    return [item.item_id for item in answer.items]


async def viewed(shop: Shop, *item_ids: str, **fields: Any) -> None:
    for number, item_id in enumerate(item_ids):
        await shop.happened(event(f"{item_id}-{number}-{fields}", item_id, minutes=-60 + number, **fields))


async def test_recommend_answers_from_the_model_when_it_knows_the_past(tmp_path: Path) -> None:
    async with open_shop(tmp_path, scorer=table_scorer()) as shop:
        await viewed(shop, "a")
        answer = await shop.recommend.recommend(ask(n=2))
        assert ids(answer) == ["b", "c"]
        assert (answer.served_by, answer.model_version, answer.filled) == (ServedBy.MODEL, "table-1", 0)
        assert (answer.degraded, answer.reason, answer.variant) == (False, None, "control")
        assert [item.source for item in answer.items] == ["transitions", "transitions"]


async def test_recommend_answers_from_the_cache_under_a_new_id(tmp_path: Path) -> None:
    async with open_shop(tmp_path, scorer=table_scorer()) as shop:
        await viewed(shop, "a")
        request = ask(explain=True, fields=("title", "price"))
        first, second = await shop.recommend.recommend(request), await shop.recommend.recommend(request)
        assert second.served_by is ServedBy.CACHE
        assert second.recommendation_id != first.recommendation_id
        assert replace(second, served_by=first.served_by, recommendation_id=first.recommendation_id) == first


async def test_recommend_counts_lists_and_looks_into_the_cache(tmp_path: Path) -> None:
    async with open_shop(tmp_path, scorer=table_scorer()) as shop:
        await viewed(shop, "a")
        await shop.recommend.recommend(ask())
        await shop.recommend.recommend(ask())
        await shop.recommend.page([ask(), ask(scenario="trending", subject=Subject(), category="mugs")])
        count = shop.metrics.registry.get_sample_value
        lists = {
            (scenario, served_by): count(
                "recserve_lists_total", {"scenario": scenario, "served_by": served_by}
            )
            for scenario, served_by in [("home", "model"), ("home", "cache"), ("trending", "fallback")]
        }
        assert lists == {("home", "model"): 1.0, ("home", "cache"): 2.0, ("trending", "fallback"): 1.0}
        reads = {it: count("recserve_list_cache_reads_total", {"outcome": it}) for it in ("hit", "miss")}
        assert reads == {"hit": 2.0, "miss": 2.0}


@pytest.mark.parametrize("subject", [Subject(), U1, Subject(session_id="s"), Subject(anonymous_id="a")])
async def test_recommend_gives_a_cold_person_the_fallback(tmp_path: Path, subject: Subject) -> None:
    async with open_shop(tmp_path, scorer=table_scorer()) as shop:
        answer = await shop.recommend.recommend(ask(subject=subject))
        assert len(answer.items) == answer.filled == 3
        assert (answer.served_by, answer.reason) == (ServedBy.FALLBACK, "cold-start")
        assert not answer.degraded


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"filter": {"field": "categories", "op": "any_of", "value": ["mugs"]}}, "no-items"),
        ({"category": "mugs"}, "no-items"),
        ({"scenario": "latest", "category": "mugs"}, "no-items"),
        ({"scenario": "popular", "category": "mugs"}, "no-items"),
        ({"exclude_item_ids": ("b", "c")}, "no-candidates"),
        ({"subject": Subject(user_id="new")}, "unknown-to-model"),
        ({"subject": Subject(user_id="nobody")}, "cold-start"),
        ({"scenario": "product", "context": Context(item_id="?"), "subject": Subject()}, "unknown-item"),
        ({"scenario": "product", "context": Context(item_id="f"), "subject": Subject()}, "unknown-to-model"),
        ({"scenario": "product", "context": Context(item_id="e"), "subject": Subject()}, "no-candidates"),
        ({"scenario": "basket", "context": Context(basket=("f",))}, "unknown-to-model"),
        ({"scenario": "basket", "subject": Subject()}, "cold-start"),
        ({"scenario": "trending", "filter": {"field": "item_id", "op": "eq", "value": "e"}}, "no-counts"),
        ({"scenario": "latest", "window_days": 7}, "nothing-new"),
    ],
)
async def test_recommend_says_why_no_place_came_from_the_own_source(
    tmp_path: Path, fields: dict[str, Any], reason: str
) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    stocked = [Item(item_id=one, published_at=long_ago) for one in (*IDS, "f")]
    async with open_shop(tmp_path, scorer=table_scorer(), stocked=stocked) as shop:
        await viewed(shop, "a")
        await viewed(shop, "f", user_id="new")
        answer = await shop.recommend.recommend(ask(**fields))
        assert (answer.served_by, answer.reason, answer.degraded) == (ServedBy.FALLBACK, reason, False)


async def test_recommend_says_that_no_model_is_live(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        await viewed(shop, "a")
        answer = await shop.recommend.recommend(ask())
        assert (answer.served_by, answer.reason, answer.model_version) == (
            ServedBy.FALLBACK,
            "no-model",
            None,
        )


@pytest.mark.parametrize("scenario", ["home", "product", "basket", "trending", "popular", "latest"])
async def test_recommend_from_an_empty_database_is_an_empty_list(tmp_path: Path, scenario: str) -> None:
    async with open_shop(tmp_path, scorer=table_scorer(), stocked=()) as shop:
        answer = await shop.recommend.recommend(ask(scenario=scenario, context=Context(item_id="nobody")))
        assert (answer.items, answer.filled, answer.reason) == ((), 0, "no-items")


@pytest.mark.parametrize(
    ("request_", "pointer", "detail"),
    [
        (ask(scenario="mystery"), "/scenario", "The scenario is unknown."),
        (ask(scenario="rank"), "/scenario", "The scenario rank has a call of its own."),
        (ask(scenario="product"), "/context/item_id", "The scenario needs an item."),
        (ask(filter={"all": [{}]}), "/filter/all/0/field", "The filter cannot be read."),
    ],
)
async def test_recommend_refuses_what_cannot_be_asked(
    tmp_path: Path, request_: RecommendationRequest, pointer: str, detail: str
) -> None:
    async with open_shop(tmp_path) as shop:
        with pytest.raises(InvalidInputError) as refusal:
            await shop.recommend.recommend(request_)
        assert [error.pointer for error in refusal.value.errors] == [pointer]
        assert str(refusal.value) == detail


async def test_recommend_changes_with_the_next_event(tmp_path: Path) -> None:
    async with open_shop(tmp_path, scorer=table_scorer()) as shop:
        await viewed(shop, "a")
        assert ids(await shop.recommend.recommend(ask(n=2))) == ["b", "c"]
        await viewed(shop, "b")
        assert ids(await shop.recommend.recommend(ask(n=2))) == ["c", "d"]


@pytest.mark.parametrize(
    ("name", "exclude_seen"),
    [("hide_item", ExcludeSeen.NONE), ("purchase", ExcludeSeen.PURCHASED), ("view_item", ExcludeSeen.ALL)],
)
async def test_recommend_remembers_what_was_met_however_much_came_later(
    tmp_path: Path, name: str, exclude_seen: ExcludeSeen
) -> None:
    async with open_shop(tmp_path, scorer=table_scorer()) as shop:
        await shop.happened(event("first", "b", name=name, minutes=-60 * 24 * 30))
        await shop.happened(event("again", "b", minutes=-70))
        await shop.happened(*(event(f"later-{number}", "a", minutes=-60) for number in range(210)))
        assert "b" not in ids(await shop.recommend.recommend(ask(exclude_seen=exclude_seen, n=9)))


async def test_recommend_asks_the_model_with_what_lies_below_impressions(tmp_path: Path) -> None:
    async with open_shop(tmp_path, scorer=table_scorer()) as shop:
        await shop.happened(event("bought", "a", name="purchase", minutes=-90))
        lists = (event(f"list-{number}", "e", name="view_item_list", minutes=-60) for number in range(250))
        await shop.happened(*lists)
        answer = await shop.recommend.recommend(ask(n=2))
        assert (ids(answer), answer.served_by) == (["b", "c"], ServedBy.MODEL)


async def test_recommend_sums_up_the_past_only_of_people_with_a_long_one(tmp_path: Path) -> None:
    stores = memory_stores(clock=FixedClock())
    events = CountingEvents(stores.events)
    async with open_shop(tmp_path, scorer=table_scorer(), stores=stores, events=events) as shop:
        await shop.happened(*(event(f"e{number}", "a") for number in range(199)))
        await shop.recommend.recommend(ask())
        assert events.summed == 0
        await shop.happened(event("last", "a"))
        await shop.recommend.recommend(ask())
        assert (await shop.recommend.recommend(ask())).served_by is ServedBy.CACHE
        assert events.summed == 1


@pytest.mark.parametrize("change", [{"hidden": True}, {"in_stock": False}, None])
async def test_recommend_leaves_out_what_was_just_hidden_sold_or_deleted(
    tmp_path: Path, change: dict[str, object] | None
) -> None:
    async with open_shop(tmp_path, scorer=table_scorer()) as shop:
        await viewed(shop, "a")
        assert "b" in ids(await shop.recommend.recommend(ask()))
        if change is None:
            await shop.catalogue.delete("b")
        else:
            await shop.catalogue.patch("b", change)
        assert "b" not in ids(await shop.recommend.recommend(ask()))


async def test_recommend_sees_a_write_of_another_process_on_every_miss(tmp_path: Path) -> None:
    async with open_shop(tmp_path, scorer=table_scorer()) as shop:
        await viewed(shop, "a")
        await shop.stores.items.patch("b", {"hidden": True})
        assert ids(await shop.recommend.recommend(ask(n=1))) == ["c"]


async def test_recommend_reads_a_session_that_the_caller_keeps(tmp_path: Path) -> None:
    async with open_shop(tmp_path, scorer=table_scorer()) as shop:
        answer = await shop.recommend.recommend(
            ask(subject=Subject(), context=Context(history=("a",)), explain=True)
        )
        assert ids(answer)[:2] == ["b", "c"]
        assert answer.items[0].reason is not None
        assert (answer.items[0].reason.code, answer.items[0].reason.item_id) == ("because_you_viewed", "a")
        assert "a" not in ids(answer)


async def test_recommend_follows_the_live_model(tmp_path: Path) -> None:
    async with open_shop(tmp_path, scorer=table_scorer()) as shop:
        await viewed(shop, "a")
        await shop.recommend.recommend(ask())
        shop.models.current = table_scorer(version="table-2", source="autoencoder")
        answer = await shop.recommend.recommend(ask())
        assert (answer.model_version, answer.served_by) == ("table-2", ServedBy.MODEL)
        assert answer.items[0].source == "autoencoder"


async def test_recommend_gives_items_with_the_fields_asked_for(tmp_path: Path) -> None:
    stocked = [Item(item_id="x", title="X", description="secret")]
    async with open_shop(tmp_path, stocked=stocked) as shop:
        answer = await shop.recommend.recommend(ask(fields=("title", "categories")))
        assert [item.item for item in answer.items] == [{"title": "X", "categories": []}]


async def test_recommend_with_an_empty_basket_is_the_personal_list(tmp_path: Path) -> None:
    async with open_shop(tmp_path, scorer=table_scorer()) as shop:
        await viewed(shop, "a")
        answer = await shop.recommend.recommend(ask(scenario="basket", n=2))
        assert (ids(answer), answer.scenario) == (["b", "c"], "basket")


async def test_recommend_counts_one_computation_when_many_ask_at_once(tmp_path: Path) -> None:
    scorer = table_scorer()
    async with open_shop(tmp_path, scorer=scorer) as shop:
        await viewed(shop, "a")
        answers = await asyncio.gather(*(shop.recommend.recommend(ask()) for _ in range(50)))
        assert len(scorer.asked) == 1
        assert len({answer.recommendation_id for answer in answers}) == 50


async def test_recommend_is_the_same_for_the_same_events_in_every_process(tmp_path: Path) -> None:
    lists = []
    for order in (("a", "b", "c", "d", "e"), ("e", "d", "c", "b", "a")):
        async with open_shop(tmp_path, scorer=table_scorer(), stocked=order) as shop:
            await viewed(shop, "a", "b")
            shop.clock.move(seconds=len(lists) * 86_400)
            lists.append((await shop.recommend.recommend(ask(n=5))).items)
    assert lists[0] == lists[1]


async def test_page_shows_no_item_twice(tmp_path: Path) -> None:
    async with open_shop(tmp_path, scorer=table_scorer()) as shop:
        await viewed(shop, "a")
        home = ask(n=2)
        answers = await shop.recommend.page([home, replace(home, scenario="latest"), home])
        shown = [item_id for answer in answers for item_id in ids(answer)]
        assert ids(answers[0]) == ["b", "c"]
        assert len(shown) == len(set(shown)) == 5
        assert len({answer.recommendation_id for answer in answers}) == 3


async def test_page_refuses_a_placement_with_its_pointer(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        with pytest.raises(InvalidInputError) as refusal:
            await shop.recommend.page([ask(), ask(scenario="mystery")])
        assert refusal.value.errors[0].pointer == "/placements/1/scenario"


async def test_rank_orders_the_callers_items_for_the_person(tmp_path: Path) -> None:
    async with open_shop(tmp_path, scorer=table_scorer()) as shop:
        await viewed(shop, "a")
        given = ("e", "c", "b", "c", "nobody", "a")
        answer = await shop.recommend.rank(ask(scenario="rank", only_item_ids=given))
        assert ids(answer) == ["b", "c", "a", "e"]
        assert answer.scenario == "rank"


async def test_explain_says_rank_and_nearest_history_item(tmp_path: Path) -> None:
    async with open_shop(tmp_path, scorer=table_scorer()) as shop:
        await viewed(shop, "a", name="purchase")
        why = await shop.recommend.explain("u1", "c")
        assert (why.eligible, why.rank, why.source, why.stage) == (True, 2, "transitions", None)
        assert [(one.item_id, one.event) for one in why.nearest] == [("a", "purchase")]


@pytest.mark.parametrize(
    ("item_id", "stage"),
    [("a", "seen"), ("e", "disliked"), ("hidden", "catalogue"), ("nobody", "catalogue")],
)
async def test_explain_says_what_dropped_an_item(tmp_path: Path, item_id: str, stage: str) -> None:
    stocked = ["a", "b", "e", Item(item_id="hidden", hidden=True)]
    async with open_shop(tmp_path, scorer=table_scorer(), stocked=stocked) as shop:
        await viewed(shop, "a")
        await shop.happened(event("no", "e", name="dislike"))
        why = await shop.recommend.explain("u1", item_id)
        assert (why.eligible, why.rank, why.stage, why.nearest) == (False, None, stage, ())
        assert why.rule


async def test_explain_of_somebody_unknown_is_an_answer(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        why = await shop.recommend.explain("nobody", "a")
        assert (why.eligible, why.nearest, why.source) == (True, (), "latest")


async def test_recommend_follows_new_counts_where_they_are_all_it_has(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        assert ids(await shop.recommend.recommend(ask(n=1))) == ["a"]
        await shop.happened(event("e", "d", user_id="u2"))
        await shop.popularity.refresh()
        for request in (ask(n=1), ask(n=1, scenario="popular"), ask(n=1, subject=Subject())):
            assert ids(await shop.recommend.recommend(request)) == ["d"]


async def test_search_moves_the_callers_order_towards_the_person(tmp_path: Path) -> None:
    async with open_shop(tmp_path, scorer=table_scorer()) as shop:
        given = ("e", "d", "c", "b")
        plain = await shop.recommend.rank(ask(scenario="search", only_item_ids=given))
        assert ids(plain) == ["e", "d", "c", "b"], "nobody known: the order as it was"
        await viewed(shop, "a")
        moved = await shop.recommend.rank(ask(scenario="search", only_item_ids=given))
        assert ids(moved).index("b") < ids(plain).index("b")


@pytest.mark.parametrize("scenario", ["home", "mystery"])
async def test_rank_refuses_a_scenario_that_orders_no_given_list(tmp_path: Path, scenario: str) -> None:
    async with open_shop(tmp_path) as shop:
        with pytest.raises(InvalidInputError) as refusal:
            await shop.recommend.rank(ask(scenario=scenario, only_item_ids=("a",)))
        assert refusal.value.errors[0].pointer == "/scenario"


async def test_first_event_of_a_new_user_changes_the_list_without_a_model(tmp_path: Path) -> None:
    stocked = [
        Item(item_id=f"{kind[0]}{n}", categories=(kind,), published_at=datetime(2026, 1, 1 + n, tzinfo=UTC))
        for n in range(7)
        for kind in ("mugs", "bags")
    ]
    async with open_shop(tmp_path, stocked=stocked) as shop:
        first = await shop.recommend.recommend(ask(n=5))
        for number, item in enumerate(stocked):
            subject = Subject(user_id=f"new{number}")
            await viewed(shop, item.item_id, user_id=f"new{number}")
            second = await shop.recommend.recommend(ask(subject=subject, n=5, explain=True))
            assert ids(second) != ids(first)
            assert {one[0] for one in ids(second)} == {item.item_id[0]}, "more of the kind that was viewed"
            assert second.items[0].reason is not None
            assert second.items[0].reason.text == f"Because you viewed {item.item_id}"


async def test_bought_together_counts_baskets(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        await shop.happened(
            *(event(f"ab{n}", "a", "b", name="purchase", user_id=f"u{n}") for n in range(4)),
            *(event(f"cd{n}", "c", "d", name="purchase", user_id=f"v{n}") for n in range(4)),
            *(event(f"ae{n}", "a", "e", name="purchase", user_id=f"w{n}") for n in range(2)),
        )
        await shop.popularity.refresh()
        await shop.popularity.refresh_baskets()
        request = ask(
            scenario="bought_together", subject=Subject(), context=Context(item_id="a"), n=2, explain=True
        )
        answer = await shop.recommend.recommend(request)
        first = answer.items[0]
        assert (first.item_id, first.source, answer.filled) == ("b", "bought_together", 1)
        assert first.reason is not None
        assert (first.reason.code, first.reason.item_id) == ("bought_together", "a")
        alone = await shop.recommend.recommend(replace(request, context=Context(item_id="e")))
        assert alone.reason == "nothing-together", "two baskets are no support"
        basket = ask(scenario="basket", subject=Subject(), context=Context(basket=("c",)), n=1)
        assert ids(await shop.recommend.recommend(basket)) == ["d"], "no model is live"


async def test_buy_again_follows_the_shoppers_own_intervals(tmp_path: Path) -> None:
    day = 24 * 60
    async with open_shop(tmp_path) as shop:
        await shop.happened(
            *(event(f"a{n}", "a", name="purchase", minutes=-day * n) for n in (10, 20, 30)),
            *(event(f"b{n}", "b", name="purchase", minutes=-day * n) for n in (10, 110)),
            event("c", "c", name="purchase", minutes=-day * 15),
        )
        answer = await shop.recommend.recommend(ask(scenario="buy_again"))
        assert ids(answer) == ["a", "c", "b"], "due today; of no interval of its own; due in three months"
        assert answer.filled == 0
        nobody = await shop.recommend.recommend(ask(scenario="buy_again", subject=Subject(user_id="new")))
        assert nobody.reason == "nothing-due"
