import asyncio
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from time import monotonic

import httpx
import pytest

from app.api.server import PortTakenError, listen
from tests.waiting import until


@contextmanager
def process(drain_s: float):
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.draining_app", str(drain_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        port = int(child.stdout.readline())
        yield child, f"http://127.0.0.1:{port}"
    finally:
        child.kill()
        child.communicate()


async def ready(client: httpx.AsyncClient) -> int | None:
    try:
        return (await client.get("/readyz")).status_code
    except httpx.TransportError:
        return None


async def is_held(client: httpx.AsyncClient) -> bool:
    return (await client.get("/held")).text == "1"


async def up(client: httpx.AsyncClient) -> bool:
    return await ready(client) == 200


async def test_sigterm_goes_on_serving_while_it_drains():
    with process(drain_s=1.0) as (child, address):
        async with httpx.AsyncClient(base_url=address) as client:
            await until(lambda: up(client))
            held = asyncio.create_task(client.get("/hold", timeout=20))
            before = monotonic()
            child.send_signal(signal.SIGTERM)

            async def says_no() -> bool:
                return await ready(client) == 503

            await until(says_no)
            answer = await client.get("/readyz")
            assert (answer.status_code, answer.headers["connection"]) == (503, "close")
            async with httpx.AsyncClient(base_url=address) as newcomer:
                assert (await newcomer.get("/release")).text == "released"
            assert (await held).text == "held to the end"
            assert await asyncio.to_thread(child.wait, 10) == 0
            assert monotonic() - before >= 1.0


async def test_sigterm_lets_an_answer_that_has_begun_end():
    with process(drain_s=0.0) as (child, address):
        async with httpx.AsyncClient(base_url=address) as client:
            await until(lambda: up(client))
            async with client.stream("GET", "/slow") as answer:
                child.send_signal(signal.SIGTERM)
                assert "".join([part async for part in answer.aiter_text()]) == "begun,ended"
            assert await asyncio.to_thread(child.wait, 10) == 0


async def test_second_signal_stops_at_once():
    with process(drain_s=600.0) as (child, address):
        async with httpx.AsyncClient(base_url=address) as client:
            await until(lambda: up(client))
            child.send_signal(signal.SIGTERM)

            async def says_no() -> bool:
                return await ready(client) == 503

            await until(says_no)
            held = asyncio.create_task(client.get("/hold", timeout=20))
            # On another connection: this one is busy.
            async with httpx.AsyncClient(base_url=address) as newcomer:
                await until(lambda: is_held(newcomer))
            before = monotonic()
            child.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(child.wait, 10) == 0
            assert monotonic() - before < 2.0
            assert (await held).status_code == 503
            said = child.stderr.read()
            assert "http.request.cut" in said
            assert "Traceback" not in said
            assert "CancelledError" not in said


async def test_sigint_stops_without_a_drain():
    with process(drain_s=600.0) as (child, address):
        async with httpx.AsyncClient(base_url=address) as client:
            await until(lambda: up(client))
            child.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(child.wait, 10) == 0


def test_taken_port_names_the_setting_that_changes_it():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"Port {port} on 127.0.0.1 is taken; RECSERVE_PORT"):
            listen("127.0.0.1", port)


def test_foreign_address_names_the_settings():
    with pytest.raises(PortTakenError, match="RECSERVE_HOST"):
        listen("192.0.2.1", 0)
