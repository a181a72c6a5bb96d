"""What is said of events once the store has judged them, whichever layer read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from app.domain.errors import FieldError
from app.domain.ports import Appended
from app.telemetry import Metrics

_UNKNOWN_ITEM = "is not in the catalogue"

Result = dict[str, Any]


def result_of(event_id: str | None, status: str, errors: Iterable[FieldError] = ()) -> Result:
    """An `EventResult`, as it is sent."""
    result: Result = {} if event_id is None else {"event_id": event_id}
    result["status"] = status
    told = [{"pointer": error.pointer, "reason": error.reason} for error in errors]
    if told:
        result["errors"] = told
    return result


def results_of(event_ids: Mapping[int, str | None], appended: Appended) -> dict[int, Result]:
    """What became of each event that was given to the store, by its place in the body.

    Args:
        event_ids: By the events' places in the body, in the order they were given.
        appended: The store's verdict.
    """
    faults: dict[int, list[FieldError]] = {}
    if appended.unknown:
        places = list(event_ids)
        for number, line in appended.unknown:
            fault = FieldError(f"/events/{places[number]}/items/{line}/item_id", _UNKNOWN_ITEM)
            faults.setdefault(places[number], []).append(fault)
    pairs = zip(event_ids.items(), appended.statuses, strict=True)
    return {place: result_of(event_id, status, faults.get(place, ())) for (place, event_id), status in pairs}


def answer_of(results: Sequence[Result], metrics: Metrics) -> bytes:
    """An `EventsAnswer`, as it is sent; what became of each event is counted.

    Through pydantic and FastAPI it would cost as much as reading the question.
    """
    counts = Counter(result["status"] for result in results)
    for status, count in counts.items():
        metrics.events.labels(status).inc(count)
    answer = {
        "accepted": counts["accepted"],
        "duplicates": counts["duplicate"],
        "rejected": counts["rejected"],
        "results": results,
    }
    return msgspec.json.encode(answer)
