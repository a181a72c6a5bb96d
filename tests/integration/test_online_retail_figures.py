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
    arguments = ["--slice", "validation", "--models", "popularity", "--set", "half_life_days=7"]
    assert main([*arguments, "--out", str(out)]) == 0
    body = json.loads(out.read_text())
    assert body["protocol"]["slice"] == "validation"
    line = body["models"][-1]
    assert line["config"]["parameters"]["half_life_days"] == 7.0
    assert (line["unseen"]["ndcg@10"], line["all"]["ndcg@10"]) == pytest.approx((0.073, 0.110), abs=5e-4)
    assert "| popularity | .073 | .110 |" in capsys.readouterr().out
