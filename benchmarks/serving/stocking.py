"""A made-up shop on disk, as the measured service finds it: database, a live model, a key.

    python -m benchmarks.serving.stocking --folder var/bench-shop --items 12000

Fitted by no one: what a list costs does not depend on whether it is good. Prints the server key.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np

from app import bootstrap
from app.cli.schema import migrate_database
from app.domain import manifest
from app.domain.manifest import Provenance
from app.domain.types import Event, EventItem, Item, KeyKind, ModelVersion, VersionState
from app.settings import Settings
from app.training.build import network, plan
from app.training.export import export, export_encoder
from benchmarks.serving.shop import MODEL, VERSION, Shop, item_id
from models.neural import build_weights

EMBEDDING_SIZE, LAYERS = 64, 2
AT_ONCE = 500
MOST_IN_ONE_GRAPH = 200_000
"""Items; the converter needs 30 times the memory of the table that it puts into a graph."""
SEED = 1
WINDOW_END = datetime(2026, 11, 1, tzinfo=UTC)


def make(shop: Shop) -> None:
    """Fill the folder; a version folder takes a network's weights as they are before any fit."""
    shop.folder.mkdir(parents=True)
    migrate_database(shop.settings["database_url"])
    version = shop.folder / "made" / VERSION
    _write_version(version, shop.items)
    asyncio.run(_fill(shop, version))


async def _fill(shop: Shop, version: Path) -> None:
    base = bootstrap.lay_foundation(Settings(**shop.settings), deadline_s=60.0)
    try:
        for part in _slices(shop.items):
            await base.stores.items.put([_item(number) for number in part])
        for event_part in _batches(_events(shop)):
            await base.stores.events.append(event_part, create_unknown=True)
        base.artifacts.publish(version, model=MODEL, version=VERSION)
        await base.stores.versions.add(ModelVersion(VERSION, MODEL, VersionState.CANDIDATE))
        await base.stores.versions.activate(VERSION, by="benchmark")
        _, key = await bootstrap.make_keys(base).create(KeyKind.SEC)
        (shop.folder / "key").write_text(key)
    finally:
        await base.close()


def _write_version(folder: Path, items: int) -> None:
    folder.mkdir(parents=True)
    chosen = plan(MODEL, {"embedding_size": EMBEDDING_SIZE, "layers": LAYERS, "max_length": 50})
    built = network(chosen, items, seed=SEED)
    build_weights(built)
    (folder / "config.json").write_text(json.dumps(chosen.config()))
    (folder / "items.json").write_text(json.dumps([item_id(number) for number in range(1, items + 1)]))
    np.save(folder / "item_vectors.npy", built.vectors())
    np.save(folder / "item_biases.npy", built.biases())
    if items <= MOST_IN_ONE_GRAPH:
        export(built, folder / "serving.onnx", seed=SEED)
    export_encoder(built, folder / "encoder.onnx")
    provenance = Provenance(seed=SEED, event_count=0, window_end=WINDOW_END, libraries={})
    manifest.write(folder, model=MODEL, version=VERSION, n_items=items, provenance=provenance)


def _item(number: int) -> Item:
    return Item(
        item_id=item_id(number),
        title=f"Item {number}",
        categories=(f"category-{number % 40}",),
        price=Decimal(number % 9000) / 100,
        currency="EUR",
    )


def _events(shop: Shop) -> Iterator[Event]:
    rng = np.random.default_rng(SEED)
    for user in range(shop.users):
        seen = rng.integers(1, shop.items + 1, shop.events_per_user)
        for place, number in enumerate(seen.tolist()):
            at = WINDOW_END - timedelta(minutes=int(rng.integers(1, 30_000)))
            yield Event(
                event_id=f"{user}-{place}",
                name="view_item",
                user_id=f"user-{user}",
                happened_at=at,
                received_at=at,
                items=(EventItem(item_id(number)),),
            )


def _batches(events: Iterator[Event]) -> Iterator[list[Event]]:
    batch: list[Event] = []
    for event in events:
        batch.append(event)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _slices(items: int) -> Iterator[range]:
    for start in range(1, items + 1, AT_ONCE):
        yield range(start, min(start + AT_ONCE, items + 1))


def main() -> int:
    """Make one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.stocking", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--items", type=int, default=12_000)
    parser.add_argument("--users", type=int, default=2000)
    given = parser.parse_args()
    shop = Shop(given.folder, given.items, given.users)
    make(shop)
    print(shop.key)
    return 0


if __name__ == "__main__":
    sys.exit(main())
