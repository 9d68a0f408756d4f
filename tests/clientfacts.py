"""Make `bulletin/clients/caniemail.json` again from the full data of caniemail.com.

    python tests/clientfacts.py FULL.json

FULL.json is `https://www.caniemail.com/api/data.json`, or a file of the same shape that was made from the repository
github.com/hteumeuleu/caniemail and says with `_meta` from which commit. Kept are the names, the date of the test, the
value of the newest version that was tested in each mail program, and the notes as plain text.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KEPT = Path(__file__).parent.parent / "bulletin" / "clients" / "caniemail.json"


def trimmed(full: Mapping[str, Any]) -> dict[str, Any]:
    """What the package keeps of the full data."""
    clients = sorted({f"{f}.{p}" for entry in full["data"] for f, of in entry["stats"].items() for p in of})
    meta = full.get("_meta", {})
    return {
        "source": "github.com/hteumeuleu/caniemail",
        "licence": "MIT, see caniemail-licence.txt",
        "commit": meta.get("commit", ""),
        "date": meta.get("commit_date") or str(full["last_update_date"])[:10],
        "families": full["nicenames"]["family"],
        "platforms": full["nicenames"]["platform"],
        "clients": clients,
        "features": {entry["slug"]: feature(entry, clients) for entry in full["data"]},
    }


def feature(entry: Mapping[str, Any], clients: list[str]) -> list[Any]:
    """Title, category, date of the test, the values in the order of the clients, and the notes by number."""
    values = []
    for client in clients:
        family, platform = client.split(".")
        values.append(newest(entry["stats"].get(family, {}).get(platform, {})).replace(" #", "#"))
    used = {number for value in values for number in value.split("#")[1:]}
    notes = {number: plain(text) for number, text in (entry.get("notes_by_num") or {}).items() if str(number) in used}
    year, month, day = str(entry["last_test_date"]).split("-")
    return [entry["title"], entry["category"], f"{year}-{month:0>2}-{day:0>2}", " ".join(values), notes]


def newest(versions: Mapping[str, str]) -> str:
    """The value of the newest version; of the last one of the file where versions and dates are mixed."""
    if not versions:
        return "u"
    dates = [bool(re.fullmatch(r"\d{4}(-\d\d)?", version)) for version in versions]
    if all(dates):
        return versions[max(versions)]
    if not any(dates) and all(re.fullmatch(r"\d+(\.\d+)*", version) for version in versions):
        return versions[max(versions, key=lambda version: [int(part) for part in version.split(".")])]
    return list(versions.values())[-1]


def plain(text: str) -> str:
    """A note without its markup, on one line, with a full stop."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("`", "")
    text = " ".join(re.sub(r"</?(?:code|a|em|strong)\b[^>]*>", "", text).split())
    return text if text.endswith((".", "!", "?")) else text + "."


if __name__ == "__main__":
    data = trimmed(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    KEPT.write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
