"""`recserve tune` on a file of events, and `recserve train` takes what it wrote."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from app.training.build import plan
from tests.commands import Commands


@pytest.fixture
def recserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    monkeypatch.setenv("RECSERVE_DATABASE_URL", f"sqlite:///{tmp_path / 'shop.db'}")
    done = Commands(capsys)
    assert done("migrate").code == 0
    return done


def rounds(folder: Path) -> Path:
    """Forty people walk twelve items in order, an item a day: the last one says the next."""
    lines = [
        {
            "user_id": f"u{user}",
            "item_id": f"i{(user + day) % 12}",
            "event": "purchase",
            "timestamp": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day, minutes=user),
        }
        for day in range(20)
        for user in range(40)
    ]
    pl.DataFrame(lines).write_parquet(folder / "events.parquet")
    return folder / "events.parquet"


def test_tune_writes_a_config_that_training_takes(recserve: Commands, tmp_path: Path) -> None:
    out = tmp_path / "tuned.toml"
    arguments = ["tune", "--events", rounds(tmp_path), "--out", out, "--trials", "3"]
    ranges = ["--range", "recency=0.5..1", "--range", "window=1,3"]
    done = recserve(*arguments, "--model", "transitions", *ranges, "--json")
    assert done.code == 0, done.err
    answer = done.json
    assert answer["first"]["values"] == {"recency": 1.0, "window": 1}
    assert len(answer["trials"]) == 3
    assert answer["best"]["ndcg@10"] == max(one["ndcg@10"] for one in answer["trials"])
    body = tomllib.loads(out.read_text())
    chosen = plan(body["model"], {**body["architecture"], **body["training"]})
    assert {name: chosen.parameters[name] for name in ("recency", "window")} == answer["best"]["values"]
    again = recserve(*arguments, "--config", out, *ranges, "--json")
    assert again.json["first"]["values"] == answer["best"]["values"]


def test_tune_on_a_log_without_events_says_what_is_missing(recserve: Commands, tmp_path: Path) -> None:
    done = recserve("tune", "--model", "transitions", "--out", tmp_path / "tuned.toml")
    assert (done.code, done.out) == (1, "")
    assert "A training needs at least" in done.err


def test_tune_shows_the_best_trials_beside_the_values_as_given(recserve: Commands, tmp_path: Path) -> None:
    out = tmp_path / "tuned.toml"
    done = recserve(
        "tune", "--model", "popularity", "--events", rounds(tmp_path), "--out", out, "--trials", "2"
    )
    assert done.code == 0, done.err
    assert "as given" in done.out
    assert "trial 1: NDCG@10" in done.err
    assert f"recserve train --config {out}" in done.err
