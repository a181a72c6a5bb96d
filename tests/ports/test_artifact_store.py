"""The same promises of a local folder and of a remote fsspec store."""

from __future__ import annotations

import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from app.adapters.artifacts import open_store
from app.domain import manifest
from app.domain.errors import ArtifactRefusedError, ConflictError
from app.domain.ports import ArtifactStore
from tests.versions import make_version

Reopen = Callable[[], ArtifactStore]


@pytest.fixture(params=["folder", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "artifacts") if request.param == "folder" else f"memory://{uuid.uuid4().hex}"


@pytest.fixture
def store(url: str, tmp_path: Path) -> ArtifactStore:
    return open_store(url, scratch=tmp_path / "scratch")


def test_fetch_gives_what_was_published(store: ArtifactStore, tmp_path: Path) -> None:
    folder = make_version(tmp_path / "made")
    store.publish(folder, model="transitions", version=folder.name)
    fetched = store.fetch(model="transitions", version=folder.name)
    assert manifest.verify(fetched) == manifest.verify(folder)


def test_fetch_gives_it_again_from_a_new_process(store: ArtifactStore, url: str, tmp_path: Path) -> None:
    folder = make_version(tmp_path / "made")
    store.publish(folder, model="transitions", version=folder.name)
    fetched = open_store(url, scratch=tmp_path / "other").fetch(model="transitions", version=folder.name)
    assert manifest.verify(fetched).version == folder.name


def test_publish_refuses_a_version_that_exists(store: ArtifactStore, tmp_path: Path) -> None:
    folder = make_version(tmp_path / "made")
    store.publish(folder, model="transitions", version=folder.name)
    with pytest.raises(ConflictError, match="exists already"):
        store.publish(folder, model="transitions", version=folder.name)


def test_publish_refuses_a_folder_that_is_not_as_its_manifest_says(
    store: ArtifactStore, tmp_path: Path
) -> None:
    folder = make_version(tmp_path / "made")
    (folder / "items.json").write_text("[]")
    with pytest.raises(ArtifactRefusedError):
        store.publish(folder, model="transitions", version=folder.name)
    with pytest.raises(ArtifactRefusedError):
        store.fetch(model="transitions", version=folder.name)


def test_fetch_refuses_what_is_missing_without_a_path(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(ArtifactRefusedError, match="missing") as refused:
        store.fetch(model="gru4rec", version="gru4rec-1")
    assert str(tmp_path) not in str(refused.value)


def test_fetch_downloads_a_remote_version_again_when_the_local_copy_is_damaged(tmp_path: Path) -> None:
    store = open_store(f"memory://{uuid.uuid4().hex}", scratch=tmp_path / "scratch")
    folder = make_version(tmp_path / "made")
    store.publish(folder, model="transitions", version=folder.name)
    copy = store.fetch(model="transitions", version=folder.name)
    (copy / "items.json").write_text("[]")
    manifest.verify(store.fetch(model="transitions", version=folder.name))


def test_publish_leaves_nothing_unfinished(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "artifacts"), scratch=tmp_path)
    folder = make_version(tmp_path / "made")
    store.publish(folder, model="transitions", version=folder.name)
    assert [path.name for path in (tmp_path / "artifacts" / "transitions").iterdir()] == [folder.name]


def test_publish_lets_one_of_many_win(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "artifacts"), scratch=tmp_path)
    folder = make_version(tmp_path / "made")
    outcomes: list[str] = []

    def publish() -> None:
        try:
            store.publish(folder, model="transitions", version=folder.name)
        except ConflictError:
            outcomes.append("conflict")
        else:
            outcomes.append("published")

    threads = [threading.Thread(target=publish) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 7 + ["published"]
    manifest.verify(store.fetch(model="transitions", version=folder.name))


_OPENED: list[str] = []
_WATCHED: list[str] = []


def _note_open(event: str, arguments: tuple[object, ...]) -> None:
    if _WATCHED and event in {"open", "os.listdir", "os.scandir"}:
        _OPENED.append(str(arguments[0]))


def hostile_names() -> list[str]:
    parts = ["../x", "..", ".", "/etc/passwd", "a/../../b", "..\\x", "a\0b", "~root", "%2e%2e", "A", ""]
    parts += ["x" * 65, "file:///etc/passwd", "a/b", "//a", "a\n", "\u0301", "\u202ea", "C:\\x", "....//"]
    return [prefix + part for part in parts for prefix in ("", "../", "/", "./", "x/")]


def test_fetch_opens_nothing_outside_the_root_for_hostile_names(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "artifacts"), scratch=tmp_path)
    sys.addaudithook(_note_open)
    names = hostile_names()
    assert len(names) == 100
    for name in names:
        _WATCHED.append(name)
        try:
            for model, version in ((name, "good-1"), ("good", name)):
                with pytest.raises(ArtifactRefusedError):
                    store.fetch(model=model, version=version)
        finally:
            _WATCHED.clear()
    assert _OPENED == []
