"""The walk that the demo shows: a list, an event, and the list again; as curl lines, and as a check."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.cli.console import FailedError, say
from app.domain.types import JsonObject

TIMEOUT_S = 30.0
N = 5


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the service."""

    path: str
    body: JsonObject
    key: str

    def curl(self, address: str) -> str:
        """The call as a line to paste."""
        parts = ["curl", "-sS", f"{address}{self.path}"]
        parts += ["-H", f"Authorization: Bearer {self.key}", "-H", "Content-Type: application/json"]
        parts += ["-d", json.dumps(self.body, ensure_ascii=False)]
        return shlex.join(parts)


class Service:
    """A running service, asked over HTTP.

    Args:
        address: Its base address.
        keys: By kind.
    """

    def __init__(self, address: str, keys: Mapping[str, str]) -> None:
        self.address = address
        self.keys = keys

    def is_ready(self) -> bool:
        """Whether it can serve."""
        try:
            with urllib.request.urlopen(f"{self.address}/readyz", timeout=TIMEOUT_S) as answered:  # noqa: S310  # our own
                return bool(answered.status == 200)
        except OSError:
            return False

    def ask(self, call: Call) -> JsonObject:
        """The call's answer, through the standard library."""
        request = urllib.request.Request(  # noqa: S310  # our own address
            f"{self.address}{call.path}",
            data=json.dumps(call.body).encode(),
            headers={"Authorization": f"Bearer {call.key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answered:  # noqa: S310  # our own address
                return _parsed(answered.read(), call)
        except urllib.error.HTTPError as error:
            return _parsed(error.read(), call)
        except OSError as error:
            raise FailedError(f"{call.path} was not answered: {error}") from error

    def run_curl(self, call: Call) -> JsonObject:
        """The call's answer, through the very line that is printed."""
        done = subprocess.run(  # noqa: S602  # the line that a person would paste, made of our own parts
            call.curl(self.address),
            shell=True,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        if done.returncode != 0:
            raise FailedError(f"curl {call.path} ended with code {done.returncode}: {done.stderr.strip()}")
        return _parsed(done.stdout.encode(), call)


def _parsed(body: bytes, call: Call) -> JsonObject:
    try:
        answered = json.loads(body)
    except ValueError as error:
        raise FailedError(f"{call.path} answered something that is not JSON.") from error
    if not isinstance(answered, dict):
        raise FailedError(f"{call.path} answered something that is not a JSON object.")
    return answered


@dataclass(slots=True)
class Walk:
    """A shopper's list, a purchase of its first item, and the list again.

    Attributes:
        shopper: A customer of the demo's shop.
    """

    service: Service
    shopper: str
    _bought: JsonObject = field(default_factory=dict)

    def prepare(self) -> None:
        """Look at the list once, so that the printed event names an item that stands on it."""
        self._bought = self._items(self.service.ask(self._list()))[0]

    def curl_lines(self) -> list[str]:
        """The three lines to paste, in order."""
        return [call.curl(self.service.address) for call in self._calls()]

    def check(self) -> None:
        """Run the very lines, and hold what they answer against what the demo promises.

        Raises:
            FailedError: Something did not hold; the message says what.
        """
        ask = self.service.run_curl if shutil.which("curl") else self.service.ask
        before, event, after = (ask(call) for call in self._calls())
        first, second = self._items(before), self._items(after)
        model = f"{before.get('served_by')}, {before.get('model_version')}"
        say(f"First list:  {_named(first)} (served by {model})")
        if event.get("accepted", 0) + event.get("duplicates", 0) != 1:
            raise FailedError(f"The event was not accepted: {event}")
        bought = self._bought["item_id"]
        say(f"Bought:      {bought}")
        say(f"Second list: {_named(second)} (served by {after.get('served_by')})")
        if before.get("served_by") not in {"model", "cache"} or before.get("degraded"):
            raise FailedError(f"The first list did not come from the model: {before.get('reason')}")
        if bought not in _ids(first):
            raise FailedError("The first list changed before the event was sent.")
        if _ids(first) == _ids(second):
            raise FailedError("The second list is the first one: the event changed nothing.")
        if bought in _ids(second):
            raise FailedError("The second list still holds the item that was just bought.")

    def _calls(self) -> tuple[Call, Call, Call]:
        return self._list(), self._purchase(), self._list()

    def _list(self) -> Call:
        body = {"user_id": self.shopper, "n": N, "fields": ["title", "price"], "explain": True}
        return Call("/v1/recommendations", body, self.service.keys["sec"])

    def _purchase(self) -> Call:
        item_id = self._bought["item_id"]
        event = {
            "event_id": f"demo-{self.shopper}-{item_id}",
            "event": "purchase",
            "user_id": self.shopper,
            "items": [{"item_id": item_id, "quantity": 1}],
        }
        return Call("/v1/events", {"events": [event]}, self.service.keys["sec"])

    @staticmethod
    def _items(answered: JsonObject) -> list[Any]:
        items = answered.get("items")
        if not isinstance(items, list) or not items:
            raise FailedError(f"The service gave no list: {answered.get('detail') or answered}")
        return items


def _ids(items: list[Any]) -> list[str]:
    return [item["item_id"] for item in items]


def _named(items: list[Any]) -> str:
    return ", ".join((item.get("item") or {}).get("title") or item["item_id"] for item in items)
