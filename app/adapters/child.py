"""Children that run a job each: a process and a group of their own, which end with their parent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic

TAIL_BYTES = 8192
CHUNK_BYTES = 64 * 1024
NICE = 19


class ProcessLauncher:
    """Starts a command with the job's id as its last argument.

    The child is spawned, never forked: a process that has run TensorFlow hangs its forks. It writes a line to
    its standard output every second (`app.training.signs`), which is how it is known to be alive, and which
    fails once its parent is gone.

    Args:
        command: The program and its first arguments.
        environment: The child's whole environment.
    """

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str]) -> None:
        self._command = tuple(command)
        self._environment = dict(environment)

    async def start(self, job_id: str) -> ProcessChild:
        """Start it. Raises `OSError` where the system refuses."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            job_id,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
            start_new_session=True,
        )
        with contextlib.suppress(ProcessLookupError):
            # From here and not in a preexec function, which is not safe beside threads.
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        return ProcessChild(process)


class ProcessChild:
    """A running child.

    It is heard when it writes, and where the system tells (Linux), when it works: importing TensorFlow keeps
    the interpreter, and with it the thread that writes, for as long as a busy machine makes it last.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._heard_at = monotonic()
        self._has_spoken = False
        self._worked = _work_of(process.pid)
        self._tail = b""
        self._readers = [
            asyncio.create_task(self._read(stream), name=f"child.{name}")
            for name, stream in (("stdout", process.stdout), ("stderr", process.stderr))
            if stream is not None
        ]

    @property
    def pid(self) -> int:
        """The process's number, which is its group's too."""
        return self._process.pid

    async def wait(self) -> int:
        """Its exit code, or minus a signal's number; what it wrote has been read by then."""
        code = await self._process.wait()
        # Something it started may hold the pipe open; the end of the child is what counts.
        await asyncio.wait(self._readers, timeout=1.0)
        return code

    async def kill(self) -> None:
        """End the whole group, and wait until the child is gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    def has_spoken(self) -> bool:
        """Whether it ever wrote a line to its standard output."""
        return self._has_spoken

    def silent_s(self) -> float:
        """Seconds since it was last heard, or since it was started; counted from the look that noticed it."""
        worked = _work_of(self.pid)
        if worked is not None and worked != self._worked:
            self._worked, self._heard_at = worked, monotonic()
        return monotonic() - self._heard_at

    def last_words(self) -> str:
        """The end of its standard error."""
        return self._tail.decode(errors="replace")

    async def _read(self, stream: asyncio.StreamReader) -> None:
        keep = stream is self._process.stderr
        while chunk := await stream.read(CHUNK_BYTES):
            self._heard_at = monotonic()
            self._has_spoken = self._has_spoken or not keep
            if keep:
                self._tail = (self._tail + chunk)[-TAIL_BYTES:]


def _work_of(pid: int) -> tuple[str, str] | None:
    """Processor time that a process had so far, its own and the system's for it; None where nobody tells."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[11], fields[12]
