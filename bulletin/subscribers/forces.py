"""The mail domains of police forces, as packaged (S-31): exact names, never an ending (S-26)."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent / "data" / "police-forces.csv"
_FORCES = {"territorial", "special"}


@cache
def force_domains() -> Mapping[str, str]:
    """The name of the force for each of its mail domains.

    Only forces whose domain a source confirms; national bodies, and forces with an unconfirmed domain, are named in
    the settings by whoever knows better.
    """
    with open(_FILE, encoding="utf-8", newline="") as file:
        return {
            domain: row["name"]
            for row in csv.DictReader(file)
            if row["kind"] in _FORCES and row["confidence"] != "unconfirmed"
            for domain in (row["domain"], *row["other_domains"].replace(";", " ").split())
        }


def force_of(domain: str) -> str:
    """The force of a domain, for counting; empty if there is none. `x.pnn.police.uk` counts as `x.police.uk` (S-27)."""
    known = force_domains()
    return known.get(domain) or known.get(domain.replace(".pnn.police.uk", ".police.uk"), "")
