"""Real child processes: they run, are heard, are killed with all they started, and end with their parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.adapters.child import ProcessLauncher
from tests.waiting import until

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def launcher(code: str) -> ProcessLauncher:
    return ProcessLauncher([sys.executable, "-c", code], environment=ENVIRONMENT)


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def gone(pid: int) -> Callable[[], bool]:
    return lambda: not runs(pid)


async def test_child_ends_with_its_code_and_last_words() -> None:
    child = await launcher("import sys; sys.stderr.write('first\\nlast'); sys.exit(3)").start("job")
    assert await child.wait() == 3
    assert child.last_words() == "first\nlast"
    await child.kill()


async def test_child_gets_the_job_id_and_low_priority_and_a_group_of_its_own() -> None:
    code = (
        "import os, sys, time\n"
        "while os.getpriority(os.PRIO_PROCESS, 0) != 19: time.sleep(0.01)\n"
        "sys.exit(0 if sys.argv[1] == 'job-7' and os.getpgrp() == os.getpid() else 1)"
    )
    child = await launcher(code).start("job-7")
    assert await child.wait() == 0
    await child.kill()


async def test_kill_ends_the_child_and_what_it_started() -> None:
    code = (
        "import subprocess, sys\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "print(inner.pid, flush=True, file=sys.stderr); inner.wait()"
    )
    child = await launcher(code).start("job")
    await until(lambda: child.last_words().endswith("\n"))
    inner = int(child.last_words())
    assert runs(inner)
    await child.kill()
    assert await child.wait() == -signal.SIGKILL
    await until(gone(inner))


async def test_silence_is_measured_from_the_last_line() -> None:
    code = "import time\nfor _ in range(3): print(flush=True); time.sleep(0.1)\ntime.sleep(60)"
    child = await launcher(code).start("job")
    await until(lambda: child.silent_s() > 0.5)
    await child.kill()


async def test_a_child_that_works_without_a_word_is_heard_and_a_stopped_one_is_not() -> None:
    """As while TensorFlow is imported: the thread that writes does not get the interpreter."""
    child = await launcher("print(flush=True)\nwhile True: pass").start("job")
    await until(child.has_spoken)
    for _ in range(3):
        before = child._heard_at
        await until(lambda: child.silent_s() >= 0.0 and child._heard_at > before)  # noqa: B023  # waited for here
    os.kill(child.pid, signal.SIGSTOP)
    await until(lambda: child.silent_s() > 1.0)
    await child.kill()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_child_ends_when_its_parent_is_killed(loop: str, tmp_path: Path) -> None:
    """The parent's loop is asyncio's or uvicorn's own; the child gives the real signs of life."""
    parent = tmp_path / "parent.py"
    parent.write_text(
        "import asyncio, os, sys\n"
        f"import {loop}\n"
        "from app.adapters.child import ProcessLauncher\n"
        "CHILD = 'import signal; from app.training.signs import give_signs_of_life;'\n"
        "CHILD += 'give_signs_of_life(every_s=0.05); signal.pause()'\n"
        "async def main():\n"
        "    launcher = ProcessLauncher([sys.executable, '-c', CHILD], environment=os.environ)\n"
        "    child = await launcher.start('j')\n"
        "    print(child.pid, flush=True)\n"
        "    await child.wait()\n"
        f"{loop}.run(main())\n"
    )
    with subprocess.Popen([sys.executable, str(parent)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child_pid = int(process.stdout.readline())
        assert runs(child_pid)
        process.kill()
    asyncio.run(until(gone(child_pid)))
