"""The commands' manners: help with examples, plain words for mistakes, exit codes, quick starts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer

from app.api.schemas_retraining import VersionAnswer
from app.cli import app
from app.cli.console import load_settings
from app.cli.models import shown
from app.cli.walk import Call
from app.domain.errors import InvalidInputError
from app.domain.types import ModelVersion, VersionState
from tests.commands import Commands, spawn


@pytest.fixture
def recserve(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setenv("RECSERVE_DATABASE_URL", "sqlite:////nowhere/recserve.db")
    return Commands(capsys)


def command_names() -> Iterator[list[str]]:
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]  # typer gives a Group here
        children = getattr(command, "commands", None)
        if children is None:
            if not command.hidden:
                yield [name]
        else:
            yield from ([name, child] for child in children)


@pytest.mark.parametrize("name", list(command_names()), ids=" ".join)
def test_help_has_an_example_of_the_command(recserve: Commands, name: list[str]) -> None:
    done = recserve(*name, "--help")
    assert done.code == 0
    assert "Example" in done.out
    assert f"recserve {' '.join(name)}" in done.out.partition("Example")[2]


def test_no_command_lists_them_all(recserve: Commands) -> None:
    done = recserve()
    assert done.code == 2
    assert {"migrate", "serve", "import", "train", "demo"} <= set(done.out.split() + done.err.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frobnicate"], "No such command"),
        (["keys", "create"], "--kind"),
        (["keys", "create", "--kind", "root"], "root"),
        (["serve", "--port", "99999"], "--port"),
        (["export", "events", "events.xlsx"], "must end with .jsonl, .csv or .parquet"),
        (["export", "stars", "stars.jsonl"], "stars"),
        (["train", "--config", "none.toml"], "none.toml cannot be read"),
        (["train", "--promote", "perhaps"], "perhaps"),
        (["train", "--model", "oracle"], "oracle"),
        (["train", "--model", "ease", "--config", "configs/multvae.toml"], "cannot be trained"),
        (["tune", "--out", "tuned.toml"], "Name the model with --model"),
        (["tune", "--model", "oracle", "--out", "tuned.toml"], "oracle"),
        (["tune", "--model", "ease", "--out", "tuned.toml", "--range", "wings=1..2"], "wings"),
        (["tune", "--model", "ease", "--out", "tuned.toml", "--events", "none.parquet"], "none.parquet"),
        (["tune", "--model", "ease", "--out", "tuned.toml", "--budget-s", "0"], "--budget-s"),
        (["evaluate", "--models", "oracle"], "oracle"),
        (["evaluate", "--models", "oracle", "--json"], "oracle"),
        (["evaluate", "--data", "none.parquet"], "There is no file none.parquet"),
        (["demo", "--data", "none.parquet"], "There is no file none.parquet"),
    ],
)
def test_misuse_is_said_in_words(recserve: Commands, arguments: list[str], said: str) -> None:
    done = recserve(*arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("RECSERVE_PORT", "eighty", "RECSERVE_PORT"),
        ("RECSERVE_RUNTIME", "torch", "RECSERVE_RUNTIME"),
        ("RECSERVE_EVENT_WEIGHTS", "{", "RECSERVE_EVENT_WEIGHTS: The value is not JSON.\n"),
        (
            "RECSERVE_EVENT_WEIGHTS",
            '{"view_item": {"weight": 1}}',
            "RECSERVE_EVENT_WEIGHTS: view_item.half_life_days: Field required",
        ),
        (
            "RECSERVE_USER_TOKEN_SECRET",
            "short",
            "RECSERVE_USER_TOKEN_SECRET: The value must have at least 32 ch",
        ),
        (
            "RECSERVE_DATABASE_URL",
            "mysql://x",
            "RECSERVE_DATABASE_URL: The database is sqlite:///FILE or post",
        ),
        ("RECSERVE_DATABASE_URL", "postgresql://me:hunter2@h:port/x", "RECSERVE_DATABASE_URL: "),
        ("RECSERVE_REDIS_URL", "http://me:hunter2@x", "RECSERVE_REDIS_URL: The address must be redis://"),
        ("RECSERVE_REDIS_URL", "redis://:hunter2@127.0.0.1:notaport/0", "RECSERVE_REDIS_URL: "),
        ("RECSERVE_REDIS_URL", "redis://127.0.0.1/zero", "RECSERVE_REDIS_URL: "),
        ("RECSERVE_REDIS_URL", "redis://127.0.0.1/0?hunter2=1", "RECSERVE_REDIS_URL: "),
        (
            "RECSERVE_ARTIFACTS_URL",
            "nope://me:hunter2@x",
            "RECSERVE_ARTIFACTS_URL: No files can be reached with nope",
        ),
        (
            "RECSERVE_ARTIFACTS_URL",
            "s3://x/y",
            "RECSERVE_ARTIFACTS_URL: A package is missing for s3://: Install s3fs",
        ),
    ],
)
def test_bad_setting_is_named(
    recserve: Commands, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    for command in (["keys", "list"], ["serve"], ["worker"]):
        done = recserve(*command)
        assert (done.code, done.out) == (2, ""), command
        assert said in done.err
        assert "hunter2" not in done.err


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_scratch_folder_that_cannot_be_made_is_named(command: str) -> None:
    # The database is down, which a start does not mind; so the folder is what is looked at next.
    environment = {
        "RECSERVE_SCRATCH_DIR": "/proc/nope",
        "RECSERVE_PORT": "0",
        "RECSERVE_DATABASE_URL": "postgresql://me@127.0.0.1:9/shop",
    }
    with spawn(command, environment=environment) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert "RECSERVE_SCRATCH_DIR: The folder cannot be made: No such file or directory.\n" in err
    assert "Traceback" not in err


def test_migrate_names_an_address_that_cannot_be_read(
    recserve: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECSERVE_DATABASE_URL", "postgresql://me:hunter2@h:port/x")
    done = recserve("migrate")
    assert (done.code, done.out) == (2, "")
    assert done.err == "recserve: RECSERVE_DATABASE_URL: The database address cannot be read.\n"


def test_settings_never_show_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSERVE_USER_TOKEN_SECRET", "hunter2")
    with pytest.raises(InvalidInputError) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)
    assert "RECSERVE_USER_TOKEN_SECRET" in str(caught.value)


def test_database_that_is_down_is_said_without_its_password(
    recserve: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECSERVE_DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:9/shop")
    done = recserve("keys", "list")
    assert (done.code, done.out) == (1, "")
    assert "postgresql://me:***@127.0.0.1:9/shop is not available" in done.err
    assert "hunter2" not in done.err


@pytest.mark.parametrize("command", [["keys", "list"], ["migrate"], ["serve", "--port", "0"], ["worker"]])
def test_database_that_is_another_kind_of_file_is_said(
    recserve: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[str]
) -> None:
    file = tmp_path / "shop.db"
    file.write_text("sku;title\nm1;Mug\n")
    monkeypatch.setenv("RECSERVE_DATABASE_URL", f"sqlite:///{file}")
    done = recserve(*command)
    assert (done.code, done.out) == (1, "")
    assert f"{file} is not a SQLite database" in done.err
    assert file.read_text().startswith("sku"), "it is left as it was"


def test_migrate_says_that_it_made_a_folder(
    recserve: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    monkeypatch.setenv("RECSERVE_DATABASE_URL", f"sqlite:///{folder}/shop.db")
    assert f"Made the folder {folder}" in recserve("migrate").err
    assert "folder" not in recserve("migrate").err
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECSERVE_DATABASE_URL")
    assert "folder" not in recserve("migrate").err


def test_variable_that_is_no_setting_is_named_once_with_the_nearest_that_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECSERVE_PROT", "1")
    monkeypatch.setenv("RECSERVE_FLUX_CAPACITOR", "on")
    load_settings()
    load_settings()
    assert capsys.readouterr().err.splitlines() == [
        "recserve: RECSERVE_FLUX_CAPACITOR is no setting.",
        "recserve: RECSERVE_PROT is no setting; is RECSERVE_PORT meant?",
    ]


def test_help_imports_nothing_slow() -> None:
    script = (
        "import sys; from app.cli import run; run(['--help']);"
        "slow = ('sqlalchemy', 'fastapi', 'numpy', 'polars', 'rich.progress');"
        "print([name for name in slow if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_curl_line_survives_a_shell() -> None:
    call = Call("/v1/events", {"event": 'it\'s "new" $HOME'}, "rk_pub_x")
    echoed = call.curl("http://127.0.0.1:1").replace("curl", "printf '%s\\n'", 1)
    done = subprocess.run(["sh", "-c", echoed], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == '{"event": "it\'s \\"new\\" $HOME"}'


def test_version_is_told_with_the_times_that_http_tells() -> None:
    at = datetime(2026, 11, 24, 12, 0, 0, 445468, tzinfo=UTC)
    row = ModelVersion(
        version="ease-1",
        model="ease",
        state=VersionState.LIVE,
        window_start=at - timedelta(days=60),
        window_end=at,
        event_count=1,
        created_at=at,
        activated_at=at,
    )
    assert shown(row) == VersionAnswer.of(row).model_dump(mode="json")
