from __future__ import annotations

import json
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain import manifest
from app.domain.errors import ArtifactRefusedError
from app.domain.manifest import Provenance


def make_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "gru4rec-1"
    folder.mkdir()
    (folder / "config.json").write_bytes(b'{"a": 1}')
    (folder / "serving.onnx").write_bytes(random.Random(1).randbytes(5000))
    origin = Provenance(
        seed=7,
        event_count=12,
        window_start=datetime(2026, 1, 2, tzinfo=UTC),
        window_end=datetime(2026, 11, 1, 10, 0, 0, 5, tzinfo=UTC),
        git_commit="abc",
        libraries={"numpy": "2.4"},
    )
    manifest.write(folder, model="gru4rec", version="gru4rec-1", n_items=3, provenance=origin)
    return folder


def test_verify_gives_back_what_was_written(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    read = manifest.verify(folder, model="gru4rec", version="gru4rec-1")
    assert read.n_items == 3
    assert read.files["config.json"].bytes == 8
    assert (
        read.files["config.json"].sha256 == "f9d86028c6e0d64e225186f96acb69338b2c59764df79162107f5c4bb34d1310"
    )
    assert read.provenance.window_end == datetime(2026, 11, 1, 10, 0, 0, 5, tzinfo=UTC)
    assert read.provenance.libraries == {"numpy": "2.4"}


@pytest.mark.parametrize("seed", range(60))
def test_verify_refuses_any_flip_or_cut(tmp_path: Path, seed: int) -> None:
    folder = make_folder(tmp_path)
    damage(folder, random.Random(seed))
    with pytest.raises(ArtifactRefusedError):
        manifest.verify(folder)


def damage(folder: Path, chance: random.Random) -> None:
    path = chance.choice(sorted(folder.iterdir()))
    raw = bytearray(path.read_bytes())
    if chance.random() < 0.3:
        path.write_bytes(raw[: chance.randrange(len(raw))])
        return
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    path.write_bytes(raw)


def test_verify_names_a_missing_file(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    (folder / "config.json").unlink()
    with pytest.raises(ArtifactRefusedError, match=r"^config\.json is missing\.$"):
        manifest.verify(folder)


def test_verify_refuses_a_file_the_manifest_does_not_name(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    (folder / "extra.bin").write_bytes(b"x")
    with pytest.raises(ArtifactRefusedError, match=r"^extra\.bin is not in the manifest\.$"):
        manifest.verify(folder)


def test_verify_refuses_a_link(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    shutil.move(folder / "config.json", elsewhere)
    (folder / "config.json").symlink_to(elsewhere)
    with pytest.raises(ArtifactRefusedError, match="not a plain file"):
        manifest.verify(folder)


def test_verify_refuses_another_version(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with pytest.raises(ArtifactRefusedError, match="of another version"):
        manifest.verify(folder, version="gru4rec-2")
    with pytest.raises(ArtifactRefusedError, match="of another model"):
        manifest.verify(folder, model="multvae")


def test_verify_says_a_missing_folder_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(ArtifactRefusedError) as refused:
        manifest.verify(tmp_path / "nothing")
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "/etc/passwd", "a\\b"])
def test_read_refuses_a_name_outside_the_folder(tmp_path: Path, name: str) -> None:
    folder = make_folder(tmp_path)
    path = folder / "manifest.json"
    body = json.loads(path.read_text())
    body["files"][name] = body["files"]["config.json"]
    path.write_text(json.dumps(body))
    with pytest.raises(ArtifactRefusedError, match="damaged"):
        manifest.read(folder)


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{}", b'{"files": 3}', b"[" * 100_000, b"\xff\xfe"])
def test_read_refuses_what_is_no_manifest(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(raw)
    with pytest.raises(ArtifactRefusedError, match="damaged"):
        manifest.read(tmp_path)


@pytest.mark.parametrize("name", ["", "a" * 65, "A", "../a", "a/b", "a b", "ä", ".", "..", "a\n", "a\0"])
def test_check_name_refuses_what_is_no_plain_name(name: str) -> None:
    with pytest.raises(ArtifactRefusedError):
        manifest.check_name(name)


def test_check_name_takes_the_versions_the_service_makes() -> None:
    assert manifest.check_name("gru4rec-20261124-101500.1_a") == "gru4rec-20261124-101500.1_a"
