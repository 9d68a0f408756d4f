"""The built site onto the disk: the old one or the new one, never half of either."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

from bulletin.errors import BulletinError

MARKER: Final = ".bulletin-archive"
"""Stands in every folder made here; a folder without it is somebody else's and is left alone."""


def write(outputs: Mapping[str, bytes], directory: Path) -> None:
    """Make `directory` hold exactly these files.

    The new site is written beside the old one and then takes its place, so a failure leaves the old one as it was.
    Raises `BulletinError` if the folder holds something that was not made here, or cannot be written.
    """
    directory = directory.resolve()
    _refuse_foreign(directory)
    name = f".{directory.name}.{secrets.token_hex(4)}"
    new, old = directory.with_name(f"{name}.new"), directory.with_name(f"{name}.old")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        new.mkdir()
        try:
            _fill(new, outputs)
            if directory.exists():
                directory.rename(old)
            new.rename(directory)
        except BaseException:
            if old.exists() and not directory.exists():
                old.rename(directory)
            shutil.rmtree(new, ignore_errors=True)
            raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BulletinError(
            f"the archive cannot be written to {directory}: {reason}.", hint="The old one is unchanged."
        ) from None
    shutil.rmtree(old, ignore_errors=True)


def update(made: Mapping[str, bytes], gone: Collection[str], directory: Path) -> None:
    """Put these files into a site that `write` wrote, and take those away.

    All of them are written beside the site first, so that a full disk or a name that cannot be leaves it as it was;
    then each takes its place. Raises `BulletinError` like `write`.
    """
    directory = directory.resolve()
    _refuse_foreign(directory)
    staged = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}.new")
    try:
        staged.mkdir()
        _fill(staged, made)
        for name in gone:
            (directory / name).unlink(missing_ok=True)
        _prune(directory, gone)
        for name in made:
            place = directory / name
            place.parent.mkdir(parents=True, exist_ok=True)
            (staged / name).replace(place)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BulletinError(
            f"the archive cannot be written to {directory}: {reason}.", hint="Build it again: bulletin archive --anew"
        ) from None
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def files_in(directory: Path) -> frozenset[str]:
    """Every file of a built site, as a path seen from its folder; the marker is none of it."""
    found: list[str] = []
    todo = [("", str(directory))]
    while todo:
        prefix, folder = todo.pop()
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                todo.append((f"{prefix}{entry.name}/", entry.path))
            else:
                found.append(prefix + entry.name)
    return frozenset(found) - {MARKER}


def _prune(directory: Path, gone: Collection[str]) -> None:
    """Folders that held nothing else go too."""
    for parent in sorted({parent for name in gone for parent in PurePosixPath(name).parents}, reverse=True):
        if str(parent) != ".":
            with suppress(OSError):  # not empty, or gone already
                (directory / parent).rmdir()


def _refuse_foreign(directory: Path) -> None:
    if directory.is_dir() and any(directory.iterdir()) and not (directory / MARKER).is_file():
        raise BulletinError(
            f"{directory} holds files that are not an archive made by bulletin. Nothing was changed.",
            hint="Name an empty or a new folder with --out.",
        )
    if directory.exists() and not directory.is_dir():
        raise BulletinError(f"{directory} is a file, not a folder.", hint="Name a folder with --out.")


def _fill(folder: Path, outputs: Mapping[str, bytes]) -> None:
    (folder / MARKER).write_text(
        "This folder is replaced as a whole each time the archive is built.\n", encoding="utf-8"
    )
    for name, data in outputs.items():
        parts = PurePosixPath(name).parts
        if not parts or parts[0] == "/" or ".." in parts or any("\\" in part for part in parts):
            raise BulletinError(f'the archive cannot hold a file called "{name}".')
        path = folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
