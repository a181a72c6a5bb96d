"""The published runs: which commands they are, and what happens where data is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import publish
from models.registry import SPECS

Commands = list[tuple[str, list[str]]]


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """The command lines that would have run; each says that all went well."""
    given: Commands = []

    def taken(name: str, words: list[str]) -> int:
        given.append((name, list(words)))
        return 0

    monkeypatch.setattr(publish.quality, "main", lambda words: taken("quality", words))
    monkeypatch.setattr(publish.online_retail, "main", lambda words: taken("online_retail", words))
    return given


def value(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def data_in(folder: Path, name: str) -> None:
    for _, file in publish.PUBLISHED[name].files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()


def test_tables_are_measured_once_and_networks_with_each_seed(tmp_path: Path, commands: Commands) -> None:
    data_in(tmp_path, "beauty")
    given = ["beauty", "--data", str(tmp_path), "--results", str(tmp_path), "--seeds", "4", "--threads", "1"]
    assert publish.main(given) == 0
    [(_, tables), (_, networks)] = commands
    assert (value(tables, "--seeds"), value(networks, "--seeds")) == ("1", "4")
    assert {"auto", "sasrec", "gru4rec", "caser", "nextitnet", "multvae"} <= set(
        value(networks, "--models").split(",")
    )
    for words in (tables, networks):
        assert value(words, "--protocol") == "leave-one-out"
        assert value(words, "--out") == str(tmp_path / "beauty.json")
        assert value(words, "--threads") == "1"
        assert "--resume" in words


def test_missing_data_is_named_and_the_others_are_measured(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish.main(["--data", str(tmp_path), "--results", str(tmp_path)]) == 0
    assert {name for name, _ in commands} == {"online_retail"}
    said = capsys.readouterr().err
    assert "beauty: " in said
    assert "diginetica: " in said
    assert "is not there; left out" in said


def test_no_data_at_all_is_a_failure(tmp_path: Path, commands: Commands) -> None:
    assert publish.main(["beauty", "--data", str(tmp_path), "--results", str(tmp_path)]) == 1
    assert commands == []


def test_a_part_of_the_models_can_be_measured_and_a_run_started_anew(
    tmp_path: Path, commands: Commands
) -> None:
    old = tmp_path / "online_retail.json"
    old.write_text("{}", encoding="utf-8")
    given = ["online_retail", "--results", str(tmp_path), "--models", "auto,ease", "--fresh"]
    assert publish.main(given) == 0
    assert [value(words, "--models") for _, words in commands] == ["ease", "auto"]
    assert not old.exists()


@pytest.mark.parametrize("wrong", [["mars"], ["beauty", "--models", "sasreck"], ["beauty", "--seeds", "0"]])
def test_what_there_is_not_is_refused(wrong: list[str], commands: Commands) -> None:
    with pytest.raises(SystemExit) as stopped:
        publish.main(wrong)
    assert stopped.value.code == 2
    assert commands == []


def test_every_model_is_measured_somewhere() -> None:
    measured = {name for one in publish.PUBLISHED.values() for name in (*one.tables, *one.networks)}
    assert set(SPECS) - measured == {"popularity"}, "popularity is a baseline of both commands"
