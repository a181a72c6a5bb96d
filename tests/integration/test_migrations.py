"""Up, down, up on both databases; what the migrations make is what the code's tables say."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from pytest_alembic import MigrationContext, tests
from pytest_alembic.config import Config
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.adapters.sql.engine import Database, async_url
from app.adapters.sql.stores import sql_stores
from app.adapters.sql.tables import metadata
from app.domain.errors import InvalidInputError
from migrations import lint
from migrations.newest import head
from migrations.run import FOLDER, config, downgrade, sql, upgrade
from tests.clocks import FixedClock
from tests.events import event
from tests.servers import PostgresServer


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without a table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database(f"empty_{uuid.uuid4().hex}")


@pytest.fixture
def alembic_config() -> Config:
    return Config.from_raw_config({"script_location": str(FOLDER)})


@pytest.fixture
def alembic_engine(empty_url: str) -> AsyncEngine:
    # No pool: the plugin runs each step on an event loop of its own.
    return create_async_engine(async_url(empty_url), poolclass=sa.NullPool)


def test_there_is_one_newest_revision(alembic_runner: MigrationContext) -> None:
    tests.test_single_head_revision(alembic_runner)


def test_the_newest_revision_is_what_alembic_says() -> None:
    assert head() == ScriptDirectory.from_config(config("")).get_current_head()


def test_upgrade_makes_every_table(alembic_runner: MigrationContext) -> None:
    tests.test_upgrade(alembic_runner)


def test_tables_of_the_code_match_the_migrations(alembic_runner: MigrationContext) -> None:
    tests.test_model_definitions_match_ddl(alembic_runner)


def test_every_revision_goes_up_and_down_again(alembic_runner: MigrationContext) -> None:
    tests.test_up_down_consistency(alembic_runner)


async def test_upgrade_downgrade_upgrade_leaves_a_working_database(empty_url: str) -> None:
    upgrade(empty_url)
    upgrade(empty_url)
    downgrade(empty_url, "base")
    database = Database(empty_url, deadline_s=20.0)
    async with database.engine.connect() as connection:
        left = await connection.run_sync(lambda sync: set(sa.inspect(sync).get_table_names()))
    assert left - {"sqlite_sequence"} == {"alembic_version"}

    upgrade(empty_url)

    async with database.engine.connect() as connection:
        made = await connection.run_sync(lambda sync: set(sa.inspect(sync).get_table_names()))
    assert set(metadata.tables) <= made
    stores = sql_stores(database, tenant="t", clock=FixedClock())
    await stores.events.append([event("e1", "i1")], create_unknown=True)
    assert (await stores.events.count_since(0))[0] == 1
    await database.close()


def test_every_table_and_every_key_has_the_tenant() -> None:
    for table in metadata.sorted_tables:
        assert not table.c.tenant.nullable, table.name
        for index in table.indexes:
            assert index.columns[0].name == "tenant", index.name


def test_both_databases_compare_ids_by_bytes() -> None:
    """Every text column is of the C collation on PostgreSQL."""
    script = sql("postgresql://localhost/x")

    for line in script.splitlines():
        if " TEXT" in line:
            assert 'TEXT COLLATE "C"' in line, line


def test_sql_is_clean_to_squawk(capfd: pytest.CaptureFixture[str]) -> None:
    assert lint.main() == 0, capfd.readouterr().out


def test_squawk_sees_what_it_is_given(tmp_path: Path) -> None:
    bad = tmp_path / "bad.sql"
    bad.write_text("ALTER TABLE events ADD COLUMN x int NOT NULL;")

    done = subprocess.run([lint.squawk(), str(bad)], capture_output=True, check=False)

    assert done.returncode != 0


def test_upgrade_refuses_an_address_it_cannot_use() -> None:
    with pytest.raises(InvalidInputError):
        upgrade("mysql://h/n")


def test_migrations_run_without_a_checkout(tmp_path: Path) -> None:
    """From another folder, with the package alone on the path."""
    command = "import sys; from migrations.run import upgrade; upgrade(sys.argv[1])"
    url = f"sqlite:///{tmp_path / 'a.db'}"

    subprocess.run(
        [sys.executable, "-c", command, url],
        check=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(FOLDER.parent)},
    )

    with sqlite3.connect(tmp_path / "a.db") as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(head(),)]
    connection.close()
