"""The service's own figures."""

from __future__ import annotations

import re

from benchmarks.faults.http import Client
from benchmarks.faults.place import Place


async def figure(place: Place, name: str) -> float:
    """One of them, over all its labels."""
    client = Client(place.service.port, None)
    text = (await client.get("/metrics")).body.decode()
    client.drop()
    found = re.findall(rf"^{name}(?:{{[^}}]*}})? ([\d.e+]+)$", text, re.MULTILINE)
    return sum(map(float, found))
