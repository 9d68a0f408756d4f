"""Who changed an issue last, as far as git can tell, and who sits here now."""

from __future__ import annotations

import getpass
import os
import subprocess
from pathlib import Path

_PATIENCE_S = 10


def last_editor(folder: Path) -> str:
    """Name and address of whoever last changed anything in a folder: `Ann Editor <ann@example.org>`.

    Changes that are not committed yet count as those of whoever sits here. Empty if git does not know the folder.
    """
    if _git(folder, "status", "--porcelain", "--", "."):
        return myself(folder) if _git(folder, "rev-parse", "--show-toplevel") else ""
    return _git(folder, "log", "-1", "--format=%an <%ae>", "--", ".")


def myself(folder: Path) -> str:
    """Who sits here: by the settings of git, else the name of the account; empty if this machine knows neither."""
    name, address = _git(folder, "config", "user.name"), _git(folder, "config", "user.email")
    if name or address:
        return f"{name} <{address}>".strip() if address else name
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # some containers run as a user without a name
        return ""


def _git(folder: Path, *arguments: str) -> str:
    """What git answers; nothing if it is not there, or the folder is none of its own."""
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and no word of a stranger
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the git that the person uses
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
