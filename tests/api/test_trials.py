"""What an experiment shows: figures by person, their differences, and whether the split can be trusted."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest

from app.domain.exposures import Exposure
from app.domain.types import Subject
from tests.api.world import World
from tests.clocks import NOON

PATH = "/v1/admin/experiments/varied"
BODY: dict[str, Any] = {
    "scenarios": ["latest"],
    "variants": [{"name": "control"}, {"name": "varied", "overrides": {"diversity": 0.5}}],
}


@pytest.fixture
def running_experiment(world: World) -> World:
    world.call("POST", "/v1/items:batch", json={"items": [{"item_id": "i1"}]})
    assert world.call("PUT", PATH, kind="adm", json=BODY).status_code == 200
    return world


def answered(world: World, variant: str, people: int, buyers: int) -> None:
    """Lists to so many people of a variant, of whom so many buy for 10 EUR."""
    base = Exposure(
        "", Subject(), "latest", variant, None, "model", ("i1",), world.clock.now(), experiment="varied"
    )
    names = [f"{variant}{number}" for number in range(people)]
    world.run(
        world.stores.exposures.append,
        [replace(base, recommendation_id=name, subject=Subject(user_id=name)) for name in names],
    )
    events = [
        {
            "event_id": name,
            "event": "purchase",
            "user_id": name,
            "items": [{"item_id": "i1"}],
            "value": 10,
            "currency": "EUR",
            "recommendation_id": name,
        }
        for name in names[:buyers]
    ]
    world.call("POST", "/v1/events", json={"events": events})
    world.clock.move(seconds=1)


def figures(world: World, **query: Any) -> Any:
    answer = world.call("GET", f"{PATH}/figures", kind="adm", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_variant_is_held_against_the_control(running_experiment: World) -> None:
    answered(running_experiment, "control", 200, 20)
    answered(running_experiment, "varied", 210, 42)
    found = figures(running_experiment)
    assert found["warning"] is None
    assert found["sample_ratio_p_value"] == pytest.approx(0.6214, abs=1e-4)
    control, varied = found["variants"]
    assert (control["bought"]["people"], control["bought"]["share"]["value"]) == (20, 0.1)
    assert control["bought"]["against_control"] is None
    against = varied["bought"]["against_control"]
    assert against["value"] == pytest.approx(0.1)
    assert against["low"] > 0
    assert against["p_value"] == pytest.approx(0.00476, abs=1e-4)
    [revenue] = varied["revenue"]
    assert (revenue["total"], revenue["per_person"]["value"]) == (420.0, 2.0)
    assert revenue["against_control"]["value"] == pytest.approx(1.0)
    assert varied["clicked"]["against_control"]["p_value"] == 1.0


def test_uneven_split_is_warned_of(running_experiment: World) -> None:
    answered(running_experiment, "control", 300, 0)
    answered(running_experiment, "varied", 200, 0)
    found = figures(running_experiment)
    assert found["sample_ratio_p_value"] < 0.001
    assert "not split as the weights say" in found["warning"]


def test_nobody_has_no_figures_and_no_warning(running_experiment: World) -> None:
    running_experiment.clock.move(seconds=1)
    found = figures(running_experiment)
    assert (found["sample_ratio_p_value"], found["warning"]) == (None, None)
    assert [one["bought"]["share"] for one in found["variants"]] == [None, None]


def test_experiment_of_an_earlier_draw_is_left_out(running_experiment: World) -> None:
    answered(running_experiment, "control", 5, 0)
    running_experiment.call("POST", f"{PATH}/stop", kind="adm")
    running_experiment.call("PUT", PATH, kind="adm", json=BODY | {"salt": "another"})
    running_experiment.clock.move(seconds=1)
    assert [one["people"] for one in figures(running_experiment)["variants"]] == [0, 0]
    whole = figures(running_experiment, since=NOON.isoformat())
    assert [one["people"] for one in whole["variants"]] == [5, 0]


def test_figures_come_as_a_table(running_experiment: World) -> None:
    answered(running_experiment, "control", 200, 20)
    answered(running_experiment, "varied", 210, 42)
    answer = running_experiment.call("GET", f"{PATH}/figures.csv", kind="adm")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    names = ["clicked", "carted", "bought", "revenue_per_person"]
    assert [(row["variant"], row["figure"]) for row in rows] == [
        (variant, name) for variant in ("control", "varied") for name in names
    ]
    assert rows[6]["p_value"] == str(
        figures(running_experiment)["variants"][1]["bought"]["against_control"]["p_value"]
    )
    assert rows[2]["p_value"] == ""
    online = running_experiment.call("GET", "/v1/admin/metrics/online.csv", kind="adm")
    rows = list(csv.DictReader(io.StringIO(online.text)))
    assert [(row["variant"], row["figure"], row["currency"]) for row in rows[:3]] == [
        ("control", "ctr", ""),
        ("control", "conversion", ""),
        ("control", "revenue_per_session", "EUR"),
    ]


def test_unknown_experiment_and_empty_window_are_refused(running_experiment: World) -> None:
    answer = running_experiment.call("GET", "/v1/admin/experiments/none/figures", kind="adm")
    assert answer.status_code == 404
    window = {"since": NOON.isoformat(), "until": NOON.isoformat()}
    answer = running_experiment.call("GET", f"{PATH}/figures", kind="adm", params=window)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "?since")
