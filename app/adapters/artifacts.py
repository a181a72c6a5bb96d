"""Version folders on a disk or behind any fsspec URL: written once, published whole, fetched to be opened."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from app.domain import manifest
from app.domain.errors import ArtifactRefusedError, ConflictError, InvalidInputError
from app.domain.manifest import MANIFEST_NAME, check_name
from app.domain.ports import ArtifactStore

# Upper case, so that no version can have such a name.
_UNFINISHED = ".UNFINISHED-"
_UNFINISHED_MAX_AGE_S = 86_400.0


def open_store(url: str, *, scratch: Path) -> ArtifactStore:
    """The store behind a folder's path or an fsspec URL.

    Args:
        url: ``artifacts``, ``/srv/artifacts``, ``file:///srv/artifacts``, ``s3://bucket/prefix``, …
        scratch: Where versions of a remote store are kept once fetched.

    Raises:
        InvalidInputError: There is no such file system here.
    """
    if ":" not in url:
        return FolderArtifacts(Path(url).expanduser().absolute())
    # Imported for an address alone: a folder does without.
    import fsspec  # noqa: PLC0415
    from fsspec.implementations.local import LocalFileSystem  # noqa: PLC0415

    try:
        filesystem, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        # fsspec's own words, such as "Install s3fs to access S3".
        raise InvalidInputError(f"A package is missing for {_scheme(url)}://: {error}.") from None
    except (ValueError, OSError):
        known = "a folder, or an fsspec address such as s3://BUCKET/PREFIX"
        raise InvalidInputError(
            f"No files can be reached with {_scheme(url)}://; it must be {known}."
        ) from None
    if isinstance(filesystem, LocalFileSystem):
        return FolderArtifacts(Path(root))
    return RemoteArtifacts(filesystem, str(root).rstrip("/"), scratch=scratch)


def _scheme(url: str) -> str:
    # Of an address that may hold a password, no more than this is shown.
    return url.partition("://")[0]


class FolderArtifacts:
    """Versions in a local folder; published by one rename, so a reader sees all of it or nothing.

    Args:
        root: Made where it does not exist.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def publish(self, folder: Path, *, model: str, version: str) -> None:
        """Verify, copy beside its place, sync to disk, rename into place.

        Raises:
            ConflictError: The version exists.
            ArtifactRefusedError: The folder is not what its manifest says.
        """
        parent, target = self._place(model, version)
        names = _verified_names(folder, model=model, version=version)
        if target.exists():
            raise _exists(model, version)
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        unfinished = parent / f"{_UNFINISHED}{uuid.uuid4().hex}"
        try:
            _copy_synced(folder, unfinished, names)
            manifest.verify(unfinished)
            _rename_synced(unfinished, target)
        except FileExistsError as error:
            raise _exists(model, version) from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def fetch(self, *, model: str, version: str) -> Path:
        """The version's folder itself.

        Raises:
            ArtifactRefusedError: It is missing, or a name is not safe.
        """
        _, target = self._place(model, version)
        if not target.is_dir():
            raise _missing(model, version)
        return target

    def drop(self, *, model: str, version: str) -> None:
        """Remove a version, if it is there."""
        _, target = self._place(model, version)
        shutil.rmtree(target, ignore_errors=True)

    def _place(self, model: str, version: str) -> tuple[Path, Path]:
        parent = self._root / check_name(model)
        return parent, parent / check_name(version)


class RemoteArtifacts:
    """Versions behind an fsspec file system without a rename: the manifest goes up last and makes it whole.

    Args:
        filesystem: An fsspec file system.
        root: The prefix under which the versions stand.
        scratch: Local folder for fetched versions.
    """

    # fsspec has no types; `Any` ends at this class.
    def __init__(self, filesystem: Any, root: str, *, scratch: Path) -> None:  # noqa: ANN401
        self._fs = filesystem
        self._root = root
        self._local = FolderArtifacts(scratch / "fetched")
        self._scratch = scratch

    def publish(self, folder: Path, *, model: str, version: str) -> None:
        """Verify and upload; the version exists once its manifest does.

        Raises:
            ConflictError: The version exists.
            ArtifactRefusedError: The folder is not what its manifest says.
        """
        names = _verified_names(folder, model=model, version=version)
        place = self._place(model, version)
        if self._fs.exists(f"{place}/{MANIFEST_NAME}"):
            raise _exists(model, version)
        self._fs.makedirs(place, exist_ok=True)
        for name in [*names, MANIFEST_NAME]:
            self._fs.put_file(str(folder / name), f"{place}/{name}")

    def fetch(self, *, model: str, version: str) -> Path:
        """A verified local copy; fetched again where the one at hand is damaged.

        Raises:
            ArtifactRefusedError: It is missing or not what its manifest says.
        """
        place = self._place(model, version)
        try:
            folder = self._local.fetch(model=model, version=version)
            manifest.verify(folder, model=model, version=version)
        except ArtifactRefusedError:
            return self._download(place, model=model, version=version)
        return folder

    def _download(self, place: str, *, model: str, version: str) -> Path:
        if not self._fs.exists(f"{place}/{MANIFEST_NAME}"):
            raise _missing(model, version)
        incoming = self._scratch / f"{_UNFINISHED}{uuid.uuid4().hex}"
        incoming.mkdir(parents=True)
        try:
            self._fs.get_file(f"{place}/{MANIFEST_NAME}", str(incoming / MANIFEST_NAME))
            for name in manifest.read(incoming).files:
                self._fs.get_file(f"{place}/{name}", str(incoming / name))
            self._local.drop(model=model, version=version)
            self._local.publish(incoming, model=model, version=version)
        except FileNotFoundError as error:
            raise _missing(model, version) from error
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
        return self._local.fetch(model=model, version=version)

    def _place(self, model: str, version: str) -> str:
        return f"{self._root}/{check_name(model)}/{check_name(version)}"


def _verified_names(folder: Path, *, model: str, version: str) -> list[str]:
    return list(manifest.verify(folder, model=check_name(model), version=check_name(version)).files)


def _copy_synced(source: Path, target: Path, names: Iterable[str]) -> None:
    target.mkdir()
    for name in [*names, MANIFEST_NAME]:
        with (source / name).open("rb") as read, (target / name).open("xb") as write:
            shutil.copyfileobj(read, write)
            write.flush()
            os.fsync(write.fileno())
    _sync_folder(target)


def _rename_synced(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        # Renaming onto a folder that is not empty fails with one of several codes; the race was lost.
        if target.exists():
            raise FileExistsError(target.name) from error
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(parent: Path) -> None:
    """Remove what killed publishers left a day ago or longer."""
    oldest = time.time() - _UNFINISHED_MAX_AGE_S
    for path in parent.glob(f"{_UNFINISHED}*"):
        if path.stat().st_mtime < oldest:
            shutil.rmtree(path, ignore_errors=True)


def _exists(model: str, version: str) -> ConflictError:
    return ConflictError(f"Version {version} of {model} exists already; versions are written once.")


def _missing(model: str, version: str) -> ArtifactRefusedError:
    return ArtifactRefusedError(f"The files of version {version} of {model} are missing.")
