"""The May mail as it is today, kept as files: a change of theme, engine or wording shows as a difference to look at.

`pytest --update-golden` writes the files anew.
"""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bulletin.editions import make_edition
from bulletin.model import Edition, RenderedEdition
from bulletin.publication import open_publication
from bulletin.render import render

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = Path(__file__).parent / "data" / "golden" / "2024-05"
PUBLICATION = open_publication(ROOT, {})
MOST_LINES, WIDEST = 40, 200


def may(audience: str) -> Edition:
    issue = PUBLICATION.read_issue("2024-05").issue
    return make_edition(issue, PUBLICATION.config, PUBLICATION.pictures(issue), audience)


def masked(edition: RenderedEdition, part: str) -> str:
    """The part with the name of each personal value for its marker, which depends on the secret."""
    for field, marker in edition.markers.items():
        part = part.replace(marker, f"[{field}]")
    return part


def held_against(name: str, now: str, update: bool) -> None:
    """Fails with the first lines that differ from the file, unless the files are to be written anew."""
    path = GOLDEN / name
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(now.encode())
        return
    before = path.read_bytes().decode() if path.is_file() else ""
    if before != now:
        lines = difflib.unified_diff(before.splitlines(), now.splitlines(), f"golden/{name}", "now", n=1, lineterm="")
        shown = [line[:WIDEST] for _, line in zip(range(MOST_LINES), lines, strict=False)]
        told = "If the mail is meant to look like this now: pytest tests/test_golden.py --update-golden"
        pytest.fail("\n".join([f"{name} is no longer as it was.", told, *shown]), pytrace=False)


@pytest.mark.parametrize("audience", ["everyone", "forces"])
def test_the_may_mail_is_as_it_was(audience: str, update_golden: bool) -> None:
    edition = render(
        may(audience), PUBLICATION.config, template_dirs=PUBLICATION.template_dirs, secret=os.urandom(16).hex().encode()
    )
    held_against(f"{audience}.html", masked(edition, edition.html), update_golden)
    held_against(f"{audience}.txt", masked(edition, edition.text), update_golden)


def test_m18_ten_commands_write_the_same_bytes(tmp_path: Path) -> None:
    """Each with another seed for hashes, which decides the order of sets, and some elsewhere on the planet."""
    written = set()
    for seed in range(10):
        out = tmp_path / str(seed)
        subprocess.run(
            [sys.executable, "-m", "bulletin", "render", "2024-05", "--out", str(out)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": str(seed), "TZ": "Pacific/Apia" if seed % 2 else "UTC"},
            check=True,
            capture_output=True,
        )
        files = sorted(out.rglob("*.*"))
        assert len(files) == 4
        written.add(tuple((path.name, path.read_bytes()) for path in files))
    assert len(written) == 1
