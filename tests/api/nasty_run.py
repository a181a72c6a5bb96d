"""The nasty table, generated over every route of the OpenAPI, and what must hold of each answer."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from app.api.wording import UNSAID
from tests.api.nasty import (
    ALWAYS,
    BODIES,
    CANARY,
    JSON,
    PATH_PARTS,
    QUERY_VALUES,
    VALUES,
    encode,
    leaves,
    replaced,
)
from tests.api.samples import EVENT, ITEM, SAMPLES, Sample
from tests.api.world import World

MAKES_STREAMS = frozenset({"GET /v1/admin/jobs/{job_id}/events"})
_COMPARED = ("/v1/items", "/v1/users", "/v1/events", "/v1/admin/jobs")
# Random by design, so that no two runs agree on them.
_RANDOM = re.compile(
    r'"(request_id|instance|job_id|key_id|key|receipt_id|user_digest|next_cursor)": ?"[^"]*"'
)

WORDS_OF_LIBRARIES = re.compile(
    r"valid (dictionary|string|list|integer|number|boolean)|instance of|Pattern|pattern|after validation"
    r"|Input should|Value error|unable to parse|Body\b|Traceback"
    rf'|"reason": ?"{UNSAID}"'
)
"""What only a pydantic, Python or FastAPI would say, or nobody in particular."""


@dataclass(frozen=True, slots=True)
class Case:
    """One request."""

    name: str
    method: str
    url: str
    content: bytes | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What it was answered, without what differs from run to run."""

    name: str
    status: int
    body: str


def routes_of(world: World) -> list[str]:
    """``METHOD /path`` of every route, as the OpenAPI says."""
    document = world.client.app.openapi()  # type: ignore[attr-defined]
    return [f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item]


def cases_of(route: str, *, share: int = 1, always: Collection[str] = ALWAYS) -> Iterator[Case]:
    """The nasty requests to a route.

    Args:
        route: ``METHOD /path``.
        share: Each field meets one in so many of the values; which, goes round from field to field.
        always: Values that each field meets in any case.
    """
    yield from _address_cases(route)
    if SAMPLES[route].body is not None:
        yield from _body_cases(route, share, always)


def _address_cases(route: str) -> Iterator[Case]:
    method, path = route.split(" ")
    sample = SAMPLES[route]
    for part in sample.parts:
        for name, value in PATH_PARTS.items():
            url = path.format(**sample.parts | {part: value})
            yield _case(f"{route} path {part}: {name}", method, url, sample)
    good = path.format(**sample.parts)
    for parameter in (*sample.query, "unknown"):
        for name, value in QUERY_VALUES.items():
            yield _case(f"{route} query {parameter}: {name}", method, f"{good}?{parameter}={value}", sample)


def _body_cases(route: str, share: int, always: Collection[str]) -> Iterator[Case]:
    method, path = route.split(" ")
    sample = SAMPLES[route]
    good = path.format(**sample.parts)
    for name, (content, media_type) in BODIES.items():
        yield Case(f"{route} body: {name}", method, good, content, media_type)
    for number, at in enumerate(leaves(sample.body)):
        where = "/".join(map(str, at))
        for place, (name, value) in enumerate(VALUES.items()):
            if (number + place) % share == 0 or name in always:
                body = encode(replaced(sample.body, at, value))
                yield Case(f"{route} {where}: {name}", method, good, body, JSON)


def send(world: World, case: Case) -> Outcome:
    """Send one; fail where the answer breaks the contract."""
    before = world.run(_stored, world) if case.method != "GET" else None
    headers = {} if case.media_type is None else {"Content-Type": case.media_type}
    answer = world.call(case.method, case.url, kind="adm", headers=headers, content=case.content)
    assert answer.status_code < 500, f"{case.name}: {answer.status_code} {answer.text[:300]}"
    assert not WORDS_OF_LIBRARIES.search(answer.text), f"{case.name}: {answer.text[:300]}"
    if answer.status_code >= 400:
        _check_problem(case, answer)
        after = world.run(_stored, world) if before is not None else None
        assert after == before, f"{case.name}: refused, and stored all the same"
    return Outcome(case.name, answer.status_code, _comparable(case, answer))


def seed(world: World) -> None:
    """A little data for the requests to meet."""
    for number in range(1, 6):
        item = dict(ITEM, title=f"Mug {number}", price=number)
        assert world.call("PUT", f"/v1/items/i{number}", json=item).status_code == 200
    for user_id in ("u1", "u2"):
        assert world.call("PUT", f"/v1/users/{user_id}", json={"country": "France"}).status_code == 200
        event = dict(EVENT, event_id=f"seed-{user_id}", user_id=user_id)
        assert world.call("POST", "/v1/events", json={"events": [event]}).json()["accepted"] == 1


def _case(name: str, method: str, url: str, sample: Sample) -> Case:
    if sample.body is None:
        return Case(name, method, url)
    return Case(name, method, url, json.dumps(sample.body).encode(), JSON)


def _comparable(case: Case, answer: Any) -> str:
    """The body, where two runs must agree on it: lists may be degraded by a busy machine."""
    if not case.name.split(" ")[1].startswith(_COMPARED) or '"recommendation_id"' in answer.text:
        return ""
    return _RANDOM.sub(r'"\1":"…"', answer.text)


def _check_problem(case: Case, answer: Any) -> None:
    assert answer.headers["content-type"] == "application/problem+json", case.name
    problem = answer.json()
    assert problem["status"] == answer.status_code, case.name
    assert problem.keys() >= {"type", "title", "detail", "instance", "request_id"}, case.name
    assert CANARY not in answer.text, f"{case.name}: echoes its input"
    assert all(CANARY not in value for value in answer.headers.values()), case.name
    if answer.status_code == 422 and "/v1/admin/models/rollback" not in case.url:
        assert problem.get("errors") or "nested" in problem["detail"], f"{case.name}: points at nothing"


async def _stored(world: World) -> tuple[object, ...]:
    stores = world.stores
    return await stores.items.revision(), await stores.events.count_since(0), len(await stores.keys.all())
