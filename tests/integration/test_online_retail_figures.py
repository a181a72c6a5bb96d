"""The figures of the models' pages come out of the command that the pages name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.online_retail import main


def test_command_measures_other_parameters_on_the_slice_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    arguments = ["--slice", "validation", "--models", "transitions", "--set", "window=3"]
    assert main([*arguments, "--out", str(out)]) == 0
    body = json.loads(out.read_text())
    assert body["facts"]["slice"] == "validation"
    [seed] = body["models"]["transitions"]["seeds"]
    assert seed["config"]["parameters"]["window"] == 3
    found = (seed["test"]["unseen.ndcg@10"], seed["test"]["all.ndcg@10"])
    assert found == pytest.approx((0.083, 0.222), abs=5e-4)
    assert {"popularity", "popularity_decayed", "first_order"} < set(body["models"])
    assert "| `transitions` | .08" in capsys.readouterr().out
