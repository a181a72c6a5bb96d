from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_promotion_killed_at_any_point_leaves_the_old_or_the_new_version(
    tmp_path: Path, sqlite_url: str
) -> None:
    command = [sys.executable, "-m", "tests.integration.killed_promotions", str(tmp_path), sqlite_url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    seen = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(seen) > 20
    assert seen[-1]["status"] == 0
    before = "v0"
    for fork in seen:
        assert fork["refused"] == {}, fork
        assert fork["serving"] == fork["live"], fork
        assert fork["live"] in {before, f"v{fork['point']}"}, fork
        before = fork["live"]
    assert before == f"v{seen[-1]['point']}"
