"""The built site onto the disk: the old one or the new one, never half of either."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
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
