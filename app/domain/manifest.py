"""The list of a version folder's files with their digests: what is not in it, or not as it says, is refused.

The manifest guards itself too: its own digest stands in it, and its bytes must be the very ones that
`render` writes, so that a flip anywhere in the folder is seen before a file of it is opened.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from app.domain.errors import ArtifactRefusedError
from app.domain.types import JsonObject

MANIFEST_NAME = "manifest.json"
MAX_MANIFEST_BYTES = 1 << 20
_NAME = re.compile(r"[a-z0-9._-]{1,64}")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class FileDigest:
    """What one file of the folder must be."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a version comes from.

    Attributes:
        window_start: When the first event it learned from happened.
        window_end: When the last one did.
        event_count: Event lines it learned from.
        libraries: Name to version of what made it.
    """

    seed: int
    event_count: int
    window_start: datetime | None = None
    window_end: datetime | None = None
    git_commit: str | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A version folder's contents and origin."""

    version: str
    model: str
    n_items: int
    files: Mapping[str, FileDigest]
    provenance: Provenance


def check_name(name: str) -> str:
    """The name of a model or version, if it is safe as a folder's name.

    Raises:
        ArtifactRefusedError: It holds anything but lower-case letters, digits, dots, dashes, underscores, or
            is all dots.
    """
    if _NAME.fullmatch(name) is None or not name.strip("."):
        raise ArtifactRefusedError(
            "A model or version name must match [a-z0-9._-]{1,64} and hold more than dots."
        )
    return name


def write(folder: Path, *, model: str, version: str, n_items: int, provenance: Provenance) -> Manifest:
    """Digest every file of the folder and write `manifest.json` beside them.

    Raises:
        ArtifactRefusedError: A name is not safe, or the folder holds something other than plain files.
    """
    check_name(model)
    check_name(version)
    files = {path.name: digest(path) for path in _plain_files(folder)}
    files.pop(MANIFEST_NAME, None)
    manifest = Manifest(version, model, n_items, files, provenance)
    with (folder / MANIFEST_NAME).open("wb") as out:
        out.write(render(manifest))
        out.flush()
        os.fsync(out.fileno())
    return manifest


def verify(folder: Path, *, model: str | None = None, version: str | None = None) -> Manifest:
    """Read the folder's manifest and hold every file against it.

    Args:
        folder: The version's folder.
        model: The model that it must be of, where the caller knows.
        version: The version that it must be, where the caller knows.

    Raises:
        ArtifactRefusedError: Anything is missing, unknown, of another size or of other contents; the reason
            names the file, never a path.
    """
    manifest = read(folder)
    if model is not None and manifest.model != model:
        raise ArtifactRefusedError("manifest.json is of another model.")
    if version is not None and manifest.version != version:
        raise ArtifactRefusedError("manifest.json is of another version.")
    present = {path.name: path for path in _plain_files(folder)}
    del present[MANIFEST_NAME]
    for name, expected in manifest.files.items():
        if name not in present:
            raise ArtifactRefusedError(f"{name} is missing.")
        _check_file(present.pop(name), expected)
    if present:
        raise ArtifactRefusedError(f"{min(present)} is not in the manifest.")
    return manifest


def read(folder: Path) -> Manifest:
    """The folder's manifest, itself checked, its files not.

    Raises:
        ArtifactRefusedError: It is missing, damaged or not a manifest.
    """
    path = folder / MANIFEST_NAME
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ArtifactRefusedError("manifest.json is too large.")
        raw = path.read_bytes()
    except OSError as error:
        raise ArtifactRefusedError("manifest.json is missing or cannot be read.") from error
    try:
        manifest = _parse(json.loads(raw))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactRefusedError("manifest.json is damaged.") from error
    if render(manifest) != raw:
        raise ArtifactRefusedError("manifest.json is damaged: its digest does not match.")
    return manifest


def render(manifest: Manifest) -> bytes:
    """The manifest's one form on disk, its own digest included."""
    body = _body(manifest)
    body["digest"] = hashlib.sha256(_dump(body)).hexdigest()
    return _dump(body)


def digest(path: Path) -> FileDigest:
    """SHA-256 and size of a file, read in pieces."""
    total, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            total.update(chunk)
            size += len(chunk)
    return FileDigest(total.hexdigest(), size)


def _check_file(path: Path, expected: FileDigest) -> None:
    try:
        # The size first: it is free, and says more than a digest does.
        if path.stat().st_size != expected.bytes:
            raise ArtifactRefusedError(f"{path.name} is not {expected.bytes} bytes long.")
        actual = digest(path)
    except OSError as error:
        raise ArtifactRefusedError(f"{path.name} cannot be read.") from error
    if actual != expected:
        raise ArtifactRefusedError(f"{path.name} is damaged: its SHA-256 does not match.")


def _plain_files(folder: Path) -> Iterator[Path]:
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise ArtifactRefusedError("The version's folder is missing or cannot be read.") from error
    for path in paths:
        if path.is_symlink() or not path.is_file():
            raise ArtifactRefusedError(f"{path.name} is not a plain file.")
        yield path


def _body(manifest: Manifest) -> JsonObject:
    origin = manifest.provenance
    return {
        "version": manifest.version,
        "model": manifest.model,
        "n_items": manifest.n_items,
        "window_start": _time_text(origin.window_start),
        "window_end": _time_text(origin.window_end),
        "event_count": origin.event_count,
        "seed": origin.seed,
        "git_commit": origin.git_commit,
        "libraries": dict(origin.libraries),
        "files": {
            name: {"sha256": entry.sha256, "bytes": entry.bytes} for name, entry in manifest.files.items()
        },
    }


def _dump(body: JsonObject) -> bytes:
    return (json.dumps(body, indent=1, sort_keys=True) + "\n").encode()


def _parse(body: JsonObject) -> Manifest:
    files = {
        _file_name(name): FileDigest(str(entry["sha256"]), int(entry["bytes"]))
        for name, entry in body["files"].items()
    }
    commit = body["git_commit"]
    provenance = Provenance(
        seed=int(body["seed"]),
        event_count=int(body["event_count"]),
        window_start=_time(body["window_start"]),
        window_end=_time(body["window_end"]),
        git_commit=None if commit is None else str(commit),
        libraries={str(name): str(version) for name, version in body["libraries"].items()},
    )
    n_items = int(body["n_items"])
    return Manifest(check_name(body["version"]), check_name(body["model"]), n_items, files, provenance)


def _file_name(name: str) -> str:
    if name in {"", ".", "..", MANIFEST_NAME} or "/" in name or "\\" in name or "\0" in name:
        raise ValueError("not a plain file name")
    return name


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _time_text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
