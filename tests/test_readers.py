"""Readers by the commands a comms officer types: in and out by file, on lists, who gets what, and all taken back."""

from __future__ import annotations

import csv
import json
import logging
import stat
import traceback
from pathlib import Path
from typing import Any

import pytest

from bulletin import stores
from bulletin.cli import run

LIST = (
    "email,name,organisation,role,topics\n"
    "ann@force.example.org,=cmd(),Kent Police,DCI,Stalking\n"
    "bob@pcc.force.example.org,Bob,Commissioner,DCI,\n"
    "cy@council.example.org,Cy,Council,,\n"
)
SETTINGS = """
[[audiences]]
id = "forces"
title = "Forces"
domains = ["force.example.org"]

[[audiences]]
id = "leads"
title = "Leads"
roles = ["dci"]

[[lists]]
id = "press"
title = "Press"
public = true

[[lists]]
id = "board"
title = "Board"
"""


class Office:
    """A publication, and what its commands say."""

    def __init__(self, folder: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.url, self._capsys = folder, url, capsys
        (folder / "people.csv").write_text(LIST)

    def says(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """The results and the talk of a `subscribers` command."""
        ended = run(["subscribers", *arguments])
        out, talk = self._capsys.readouterr()
        assert ended == code, out + talk
        return out, talk

    def machine(self, *arguments: str) -> Any:
        """Its results for a machine."""
        return json.loads(self.says(*arguments, "--json")[0])


@pytest.fixture
def office(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Office:
    assert run(["init", str(tmp_path / "news")]) == 0
    capsys.readouterr()
    monkeypatch.chdir(tmp_path / "news")
    monkeypatch.setenv("BULLETIN_DATABASE_URL", database_url)
    settings = tmp_path / "news/bulletin.toml"
    text = settings.read_text("utf-8")
    settings.write_text(text.partition("[[audiences]]")[0] + SETTINGS, "utf-8")
    return Office(tmp_path / "news", database_url, capsys)


def test_a_list_comes_in_is_looked_at_and_is_taken_back(office: Office) -> None:
    """A rehearsal changes nothing; one command takes all of it back, once."""
    assert "3 readers would be added" in office.says("import", "people.csv", "--dry-run", "--list", "press")[1]
    assert office.machine("list") == []
    talk = office.says("import", "people.csv", "--basis", "sign-up sheet", "--list", "press")[1]
    assert "3 readers added" in talk
    assert "undo-import" in talk
    assert [(row["email"], row["audience"], row["lists"]) for row in office.machine("list")] == [
        ("ann@force.example.org", "forces", ["press"]),
        ("bob@pcc.force.example.org", "leads", ["press"]),
        ("cy@council.example.org", "everyone", ["press"]),
    ]
    assert "3 readers deleted" in office.says("undo-import")[1]
    assert office.machine("list") == []
    assert "no import to undo" in office.says("undo-import", code=2)[1]


def test_an_import_whose_readers_moved_on_is_not_taken_back(office: Office) -> None:
    office.says("import", "people.csv", "--basis", "sign-up sheet")
    office.says("unsubscribe", "ann@force.example.org")
    before = office.machine("list")
    assert "changed since" in office.says("undo-import", code=2)[1]
    assert office.machine("list") == before


def test_s26_who_reads_an_edition_and_why(office: Office) -> None:
    """S-26: exact domains only; who gets nothing is not among them, and is counted with the reason."""
    office.says("import", "people.csv", "--basis", "sign-up sheet")
    assert office.machine("who", "--audience", "forces") == [
        {
            "email": "ann@force.example.org",
            "name": "=cmd()",
            "why": "exact domain force.example.org, named in the settings",
        }
    ]
    assert [row["why"] for row in office.machine("who", "--audience", "leads")] == ["role DCI"]
    assert [row["email"] for row in office.machine("who", "--audience", "everyone")] == ["cy@council.example.org"]
    office.says("unsubscribe", "bob@pcc.force.example.org")
    out, talk = office.says("who", "--audience", "leads")
    assert "bob" not in out
    assert "0 readers" in talk
    assert "get nothing now: 1 unsubscribed" in talk
    assert 'there is no audience "police"' in office.says("who", "--audience", "police", code=2)[1]


def test_readers_are_put_on_lists_and_taken_off_them(office: Office) -> None:
    """All or none, with a record of it; a slip in the list's name makes no new list."""
    office.says("import", "people.csv", "--basis", "sign-up sheet")
    both = ("ann@force.example.org", "cy@council.example.org")
    assert "2 readers put on the list board" in office.says("add-to-list", "board", *both)[1]
    assert "nothing to change for 2" in office.says("add-to-list", "board", *both)[1]
    assert "Nothing was changed" in office.says("add-to-list", "press", both[0], "x@example.org", code=2)[1]
    assert 'Did you mean "press"' in office.says("add-to-list", "pres", both[0], code=2)[1]
    assert 'Did you mean "press"' in office.says("import", "people.csv", "--dry-run", "--list", "pres", code=2)[1]
    assert "1 reader taken off" in office.says("remove-from-list", "board", both[1])[1]
    found = {row["list"]: row["readers"] for row in office.machine("lists")}
    assert found == {"press": 0, "board": 1}
    shown = office.says("show", both[1])[0]
    assert "what: put on list" in shown
    assert "what: taken off list" in shown
    assert [row["email"] for row in office.machine("list", "--list", "board")] == [both[0]]
    assert [row["email"] for row in office.machine("who", "--audience", "forces", "--list", "board")] == [both[0]]


def test_z22_an_export_is_private_and_comes_back_as_it_was(office: Office) -> None:
    """Z-22, Z-23: no cell is a formula, nobody else can read the file, and importing it changes nothing."""
    office.says("import", "people.csv", "--basis", "sign-up sheet", "--list", "press")
    office.says("export", "--out", "out.csv", "--list", "press")
    out = office.folder / "out.csv"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    rows = list(csv.reader(out.read_text("utf-8-sig").splitlines()))
    assert rows[1] == ["ann@force.example.org", "'=cmd()", "Kent Police", "DCI", "", "stalking", "press", "subscribed"]
    assert "3 known already" in office.says("import", "out.csv", "--dry-run")[1]
    office.says("export", "--out", "forces.csv", "--audience", "forces", "--state", "subscribed")
    assert len((office.folder / "forces.csv").read_text().splitlines()) == 2
    assert "does not exist" in office.says("export", "--out", "nowhere/x.csv", code=2)[1]
    assert not list(office.folder.glob("**/*.part"))


MARKED = "m4rked-0ne@force.example.org"
COMMANDS = (
    ("import", "marked.csv", "--dry-run"),
    ("import", "marked.csv", "--basis", "sign-up sheet", "--list", "press"),
    ("list",),
    ("who", "--audience", "forces"),
    ("lists",),
    ("export", "--out", "out.csv"),
    ("undo-import",),
    ("import", "marked.csv", "--basis", "sign-up sheet"),
    ("add-to-list", "board", MARKED),
    ("remove-from-list", "board", MARKED),
    ("show", MARKED, "--out", "shown"),
    ("suspended",),
    ("unsubscribe", MARKED),
    ("purge",),
    ("erase", MARKED, "--yes"),
)
SHOW_ADDRESSES = {"list", "who", "show"}


def trace(command: tuple[str, ...]) -> str:
    """What a failing command says of the place in the program where it failed."""
    try:
        run(["--debug", "subscribers", *command])
    except Exception as error:
        return "".join(traceback.format_exception(error))
    return ""


def test_z20_a_marked_address_is_in_no_log_no_trace_and_no_name(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """Z-20: through every command, with everything logged that can be, and where the database fails beneath it."""
    lines = f"email,name\n{MARKED},Mark\n{MARKED},Again\n{MARKED}.,Third\n{MARKED} x,Broken\n"
    (office.folder / "marked.csv").write_text(lines)
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.INFO, "sqlalchemy")  # every statement
    for command in COMMANDS:
        out, talk = office.says(*command, code=1 if command[0] == "import" else 0)
        assert MARKED not in talk, command
        assert command[0] in SHOW_ADDRESSES or MARKED not in out, command
    office.says("import", "marked.csv", "--basis", "again", code=1)
    broken = stores.open_database(office.url)
    with broken.begin() as connection:
        for table in ("membership", "consent", "suppression"):
            connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO lost_{table}")
    broken.dispose()
    traces = list(filter(None, map(trace, COMMANDS)))
    assert len(traces) > 8
    assert not [told for told in traces if MARKED in told]
    assert caplog.records, "nothing was logged, so nothing was shown"
    assert MARKED not in caplog.text
    assert MARKED not in " ".join(map(str, office.folder.rglob("*")))
