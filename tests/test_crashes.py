"""Promise 4, by force: sending processes are killed at random moments, and nobody is mailed twice or forgotten.

The servers are real ones, in a process of their own: they answer, hang, hang up after they took something, put off,
refuse, fall over and start again. `BULLETIN_CRASH_LIVES` says how many mailings each test kills and resumes; each is
killed three times, from the transaction that plans it to the last answer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LIVES = int(os.environ.get("BULLETIN_CRASH_LIVES", "3"))
FIRST_SEED = int(os.environ.get("BULLETIN_CRASH_SEED", "1"))


def live(way: str, folder: Path, urls: list[str]) -> list[dict[str, Any]]:
    """Run `crashing.py`."""
    lives = [
        {"seed": FIRST_SEED + number, "folder": str(folder / f"life{number}"), "url": url}
        for number, url in enumerate(urls)
    ]
    command = [sys.executable, str(Path(__file__).with_name("crashing.py"))]
    wanted = json.dumps({"way": way, "lives": lives})
    done = subprocess.run(command, input=wanted, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ended: list[dict[str, Any]] = json.loads(done.stdout)
    return ended


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("way", ["smtp", "mailgun", "outbox"])
def test_killed_at_any_moment_everybody_has_one_copy_or_is_listed(
    way: str, database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Every reader got exactly one message, or is named as unknown or refused, and no work is left over."""
    urls = [""] * LIVES
    if database == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("postgresql")
        urls = [make() for _ in range(max(1, LIVES // 2))]
    ended = live(way, tmp_path, urls)
    assert len(ended) == len(urls)
    for life in ended:
        assert not life["wrong"], life
        assert (life["readers"], life["batches"]) == (36, 0), life
        if way == "outbox":
            assert life["states"] == {"accepted": 36}, "it knows each letter again by its key"
    assert sum(life["killed"] for life in ended), "no process was killed while it was sending"
    print(json.dumps({"way": way, "database": database, "kills": sum(life["killed"] for life in ended)}))
    for state in ("accepted", "refused", "unknown"):
        print(state, sum(life["states"].get(state, 0) for life in ended))
