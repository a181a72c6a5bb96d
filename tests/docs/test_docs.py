"""The docs name what exists, and everything that exists is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.domain import errors
from app.settings import Settings
from app.telemetry import Metrics

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)(?:#[^)]*)?\)")


def text(name: str) -> str:
    return (ROOT / name).read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_setting_has_its_line(name: str) -> None:
    assert f"`RECSERVE_{name.upper()}`" in text("docs/settings.md")


def test_settings_page_names_no_setting_that_is_gone() -> None:
    named = set(re.findall(r"`RECSERVE_([A-Z_]+)`", text("docs/settings.md")))
    assert named == {name.upper() for name in Settings.model_fields}


def problem_types(cls: type[errors.RecserveError]) -> set[str]:
    return {cls.slug}.union(*(problem_types(child) for child in cls.__subclasses__()))


def test_problem_types_have_their_line() -> None:
    page = text("docs/problems.md")
    assert [slug for slug in sorted(problem_types(errors.RecserveError)) if f"`{slug}`" not in page] == []


def test_models_have_their_line() -> None:
    from models.registry import names

    page = text("docs/models/README.md")
    assert [name for name in names() if f"`{name}`" not in page] == []


def test_make_targets_in_docs_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", text("Makefile"), re.MULTILINE))
    named = {target for page in PAGES for target in re.findall(r"`?make ([a-z][a-z-]+)", page.read_text())}
    prose = {"it", "a", "its", "the", "an", "alone", "every", "sure", "are", "and"}
    assert named - targets - prose == set()


def test_contributing_names_files_and_contracts_that_exist() -> None:
    page = text("CONTRIBUTING.md")
    paths = re.findall(r"`((?:app|tests|models|docs|configs|migrations)/[^`]*)`", page)
    assert [path for path in paths if not list(ROOT.glob(path))] == []
    contracts = set(re.findall(r"`(\w+Contract)`", page))
    inherited = "".join(file.read_text() for file in ROOT.glob("tests/**/models/test_*.py"))
    assert [name for name in sorted(contracts) if f"({name})" not in inherited] == []
    assert contracts, "the step names what a model's test inherits"


def test_contributing_says_where_stages_are_called() -> None:
    named = re.search(r"called in\s+`([^`]+)`", text("CONTRIBUTING.md"))
    assert named is not None
    assert {"adjust", "rerank"} <= set(re.findall(r"from app\.pipeline\.(\w+) import", text(named[1])))


def command_names() -> set[str]:
    import typer

    from app.cli import app

    command = typer.main.get_command(app)
    names: set[str] = set()
    for name, child in command.commands.items():  # type: ignore[attr-defined]  # typer gives a Group here
        if child.hidden:
            continue
        names |= {f"{name} {grandchild}" for grandchild in getattr(child, "commands", {})} or {name}
    return names


def test_commands_have_their_line() -> None:
    page = text("docs/commands.md")
    assert [name for name in sorted(command_names()) if f"recserve {name}" not in page] == []


def test_no_page_names_a_machine_or_a_registry() -> None:
    pattern = re.compile(r"(^|[^\w])/(work|root|home/\w+)/|pypi\.org|registry\.npmjs")
    assert [str(page.relative_to(ROOT)) for page in PAGES if pattern.search(page.read_text())] == []


def test_metrics_have_their_line() -> None:
    page = text("docs/operations.md")
    names = {
        f"{metric.name}_total" if metric.type == "counter" else metric.name
        for metric in Metrics().registry.collect()
    }
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []
