"""Lists of readers: any file is read or named, the comparison is true, and the step is whole and undone."""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import io
import os
import signal
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
from email_validator import validate_email
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mailing import NOON, SECRET, Newsroom, newsroom

from bulletin.errors import BulletinError
from bulletin.model import SubscriberState
from bulletin.subscribers import exporting, importing
from bulletin.subscribers.address import _PLAIN, _PLAIN_LENGTH, AddressRefused, normalise
from bulletin.subscribers.importing.columns import recognise
from bulletin.subscribers.importing.files import open_table
from bulletin.subscribers.slips import meant
from bulletin.subscribers.spreadsheet import guarded, unguarded
from bulletin.subscribers.store import Subscribers
from bulletin.subscribers.tokens import AddressHashes

LATER = NOON + dt.timedelta(hours=1)
DATA = "email,name\nann@example.org,Siân O’Neil\nbob@example.org,Zoë £5\n"


@pytest.fixture
def room(tmp_path: Path, database_url: str) -> Iterator[Newsroom]:
    with newsroom(tmp_path, url=database_url) as made:
        yield made


def state(room: Newsroom, email: str) -> SubscriberState | None:
    return dict(room.readers.states([email]))[email]


def cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("data", "understood"),
    [
        (DATA.encode(), "UTF-8, separated by commas"),
        (DATA.encode("utf-8-sig"), "UTF-8, separated by commas"),
        (DATA.encode("utf-16"), "UTF-16, separated by commas"),
        (DATA.encode("utf-16-le"), "UTF-16-LE, separated by commas"),
        (codecs.BOM_UTF16_BE + DATA.encode("utf-16-be"), "UTF-16, separated by commas"),
        (DATA.encode("cp1252"), "Windows-1252, separated by commas"),
        (DATA.replace(",", ";").encode(), "UTF-8, separated by semicolons"),
        (DATA.replace(",", "\t").encode("utf-16"), "UTF-16, separated by tabs"),
        (b"sep=;\r\n" + DATA.replace(",", ";").encode(), "UTF-8, separated by semicolons"),
        (DATA.replace("\n", "\r").encode(), "UTF-8, separated by commas"),
    ],
)
def test_a_list_is_read_in_whatever_encoding_and_with_whatever_separator(
    tmp_path: Path, data: bytes, understood: str
) -> None:
    with newsroom(tmp_path) as room:
        found = room.import_list(data)
        assert found.understood == understood
        assert found.new == 2
        person = room.readers.find("ann@example.org")
        assert person
        assert person.name == "Siân O’Neil"


def test_a_workbook_is_read_with_its_first_visible_sheet(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Readers"
    for row in (["Work email", "Name"], ["ann@example.org", "Ann"], [None, None], [42, dt.date(2024, 5, 1)]):
        book.active.append(row)
    book.create_sheet("Old").append(["gone@example.org"])
    file = io.BytesIO()
    book.save(file)
    with newsroom(tmp_path) as room:
        found = room.import_list(file.getvalue(), "list.xlsx")
        assert found.understood == 'Excel, sheet "Readers", 1 more not read'
        assert (found.new, found.refused_count, found.refused[0].line) == (1, 1, 4)


def zipped(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, data)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", 'has no column "email"'),
        (b"name,phone\nAnn,1\n", 'has no column "email"'),
        (b'email\n"open@example.org\n', "line 2: this is not a CSV file"),
        (zipped("list.csv", b"email\n"), "is a zip archive"),
        (zipped("xl/workbook.xml", b"<nonsense"), "is a damaged Excel file"),
        (b"PK\x03\x04 not a zip at all", "is a zip archive"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "is an old Excel file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "is a picture"),
        (b"email\na\0b@example.org\n", "holds NUL bytes"),
        (b"email\n" + b"a@example.org\n" * 9000 + b"x\0@example.org\n", "line 9002 holds a NUL"),
        (bytes(range(256)) * 300, "is no|NUL"),
        (b"email\n" + b"x" * (1 << 21), "line 2 is longer than a million characters"),
        (b"y" * (1 << 21), "line 1 is longer than a million characters"),
        (b'email\n"' + b"a\n" * 200_000, "field larger than field limit"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_changes_nothing(tmp_path: Path, data: bytes, said: str) -> None:
    """One error with the file's name; nobody is added, also not those before the place that is bad."""
    with newsroom(tmp_path) as room:
        with pytest.raises(BulletinError, match=said):
            room.import_list(data)
        assert list(room.readers.all()) == []


def workbook(tmp_path: Path, sheet: str) -> bytes:
    """An Excel file whose only sheet has this XML."""
    openpyxl.Workbook().save(tmp_path / "book.xlsx")
    file = io.BytesIO()
    with (
        zipfile.ZipFile(tmp_path / "book.xlsx") as source,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, sheet if name.startswith("xl/worksheets/") else source.read(name))
    return file.getvalue()


SHEET = (
    "<worksheet xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><sheetData>{}</sheetData></worksheet>"
)
CELL = "<row><c t='inlineStr'><is><t>{}</t></is></c></row>"


def test_a_workbook_that_swells_when_unpacked_is_refused(tmp_path: Path) -> None:
    """50 MB of one letter shrink to some 50 KB; and ten entities that hold ten each of the next fill any memory."""
    swelling = SHEET.format(CELL.format("email") + CELL.format("a" * 50_000_000))
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    laughing = f'<!DOCTYPE x [<!ENTITY e0 "ha@example.org">{entities}]>' + SHEET.format(CELL.format("&e11;"))
    with newsroom(tmp_path) as room:
        with pytest.raises(BulletinError, match="too large once unpacked"):
            room.import_list(workbook(tmp_path, swelling), "list.xlsx")
        with pytest.raises(BulletinError, match="damaged Excel file"):
            room.import_list(workbook(tmp_path, laughing), "list.xlsx")
        assert list(room.readers.all()) == []


LITTLE_MEMORY = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from mailing import NOON, SECRET, newsroom
from bulletin.errors import BulletinError
from bulletin.subscribers import importing
from bulletin.subscribers.tokens import AddressHashes
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
folder = Path(sys.argv[2])
with newsroom(folder) as room:
    request = importing.Request(path=folder / "l.csv", now=NOON)
    try:
        importing.run(room.engine, room.readers, AddressHashes(SECRET), request)
    except BulletinError as error:
        print(error.message, len(list(room.readers.all())))
"""


def test_a_line_of_2_gb_is_refused_in_less_memory_than_that(tmp_path: Path) -> None:
    """The file has holes, so that it takes no room on the disk; the program gets 1 GB."""
    with (tmp_path / "l.csv").open("wb") as file:
        file.write(b"email\n" + b"a@example.org\n" * 9000 + b"x")
        file.truncate(2 << 30)
    command = [sys.executable, "-c", LITTLE_MEMORY, str(Path(__file__).parent), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "l.csv, line 9002 is longer than a million characters: this is no list. 0"


def test_a_pipe_is_no_list(tmp_path: Path) -> None:
    """It would be waited for without end."""
    os.mkfifo(tmp_path / "list.csv")
    request = importing.Request(path=tmp_path / "list.csv", now=NOON)
    with newsroom(tmp_path) as room, pytest.raises(BulletinError, match="is no file on a disk"):
        importing.run(room.engine, room.readers, AddressHashes(SECRET), request)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=400) | st.text(max_size=200).map(lambda text: f"email,name\n{text}".encode("utf-8", "replace"))
)
def test_whatever_the_bytes_are_a_table_comes_out_or_one_clear_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(data)
    try:
        with open_table(path) as table:
            for _ in table.rows:
                pass
    except BulletinError as error:
        assert "list.csv" in str(error)  # noqa: PT017 - either ending is right


# ---------------------------------------------------------------- columns


@pytest.mark.parametrize(
    ("heading", "program", "shown"),
    [
        (
            ["Email Address", "First Name", "Last Name", "MEMBER_RATING", "UNSUB_TIME", "LEID", "EUID"],
            "Mailchimp",
            ("email ← Email Address", "unsubscribed ← UNSUB_TIME", "name ← First Name + Last Name"),
        ),
        (
            ["uuid", "email", "name", "attributes", "status", "created_at"],
            "listmonk",
            ("email ← email", "name ← name", "status ← status"),
        ),
        (["email", "notes", "tags", "referrer_url", "type"], "Buttondown", ("email ← email", "status ← type")),
        (["Destination", "First name"], "govDelivery", ("email ← Destination", "name ← First name")),
        (["Surname", "E-MAIL"], "", ("email ← E-MAIL", "name ← Surname")),
        (["ann@example.org", "Ann"], "", ("email ← column 1, no heading",)),
    ],
)
def test_columns_of_other_programs_are_known_and_shown(
    heading: list[str], program: str, shown: tuple[str, ...]
) -> None:
    columns = recognise(heading)
    assert columns
    assert columns.program == program
    assert columns.shown == shown


def test_columns_that_mean_nothing_are_named_and_left_alone(tmp_path: Path) -> None:
    with newsroom(tmp_path) as room:
        found = room.import_list("email,Shoe size\nann@example.org,42\n")
    assert found.columns.unknown == ("Shoe size",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Email Address,UNSUB_TIME,LEID,EUID\na@example.org,2024-01-01 10:00:00,1,2\n", SubscriberState.UNSUBSCRIBED),
        ("Email Address,CLEAN_TIME,LEID,EUID\na@example.org,2024-01-01 10:00:00,1,2\n", SubscriberState.BOUNCED),
        ("uuid,email,attributes,status\n1,a@example.org,{},blocklisted\n", SubscriberState.UNSUBSCRIBED),
        ("uuid,email,attributes,status\n1,a@example.org,{},enabled\n", SubscriberState.SUBSCRIBED),
        ("email,type,referrer_url,tags\na@example.org,complained,,\n", SubscriberState.COMPLAINED),
        ("email,type,referrer_url,tags\na@example.org,regular,,\n", SubscriberState.SUBSCRIBED),
        ("email,type,referrer_url,tags\na@example.org,unactivated,,\n", None),
        ("Destination,Deletion Reason\na@example.org,By Subscriber\n", SubscriberState.UNSUBSCRIBED),
        ("email,status\na@example.org,who knows\n", None),
    ],
)
def test_p21_what_another_program_says_of_a_reader_is_respected(
    room: Newsroom, text: str, expected: SubscriberState | None
) -> None:
    """P-21: who left or bounced there never becomes a reader here, now or by a later list; nor who never agreed."""
    room.import_list(text)
    assert state(room, "a@example.org") is expected
    if expected in {SubscriberState.UNSUBSCRIBED, SubscriberState.BOUNCED, SubscriberState.COMPLAINED}:
        assert room.import_list("email\na@example.org\n", now=LATER).left == 1
        assert state(room, "a@example.org") is expected


def test_p21_who_left_elsewhere_is_taken_off_here_and_the_history_says_so(room: Newsroom) -> None:
    room.subscribe(["a@example.org"])
    assert room.import_list("email,status\na@example.org,unsubscribed\n", now=LATER).taken_off == 1
    person = room.readers.find("a@example.org")
    assert person
    assert person.state is SubscriberState.UNSUBSCRIBED
    assert [what for what, _, _ in room.readers.history(person.id)] == ["subscribed", "unsubscribed"]


@pytest.mark.parametrize("order", [("subscribed", "unsubscribed"), ("unsubscribed", "subscribed")])
def test_p21_of_two_lines_for_one_address_the_one_that_says_no_counts(room: Newsroom, order: tuple[str, str]) -> None:
    found = room.import_list("email,status\n" + "".join(f"a@example.org,{word}\n" for word in order))
    assert (found.new, found.taken_off, found.duplicate) == (0, 1, 1)
    assert state(room, "a@example.org") is SubscriberState.UNSUBSCRIBED


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize(
    ("cell", "email", "name"),
    [
        ("Ann Other <Ann@Example.org>", "ann@example.org", "Ann Other"),
        ('"""Other, Ann"" <ann@example.org>"', "ann@example.org", "Other, Ann"),
        ("\u200bann@example.org\ufeff", "ann@example.org", ""),
        ("ann@example.org\u00a0", "ann@example.org", ""),
        ("mailto:ann@example.org", "ann@example.org", ""),
        ("ann@example.org;", "ann@example.org", ""),
        ("=?utf-8?q?Si=C3=A2n?= <ann@example.org>", "ann@example.org", "Siân"),
    ],
)
def test_what_comes_along_with_a_copied_address_is_taken_off(tmp_path: Path, cell: str, email: str, name: str) -> None:
    with newsroom(tmp_path) as room:
        room.import_list(f"email,other\n{cell},\n")
        person = room.readers.find(email)
        assert person
        assert person.name == name


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("no address", "this is not a mail address"),
        ("a@example.org b@example.org", "more than one address"),
        ('"two\nlines@example.org"', "a line break or a control character"),
        ("=?utf-8?q?a=0Ab?= <ann@example.org>", "a line break or a control character"),
        ("ann\x1b[2J@example.org", "a line break or a control character"),
        ("ŵyn@example.org", "must be plain"),
        ("ann@localhost", "not a domain name"),
        ("ann@printer.local", "a name that no mail reaches"),
    ],
)
def test_m10_a_line_that_cannot_be_used_is_kept_with_its_reason(tmp_path: Path, cell: str, reason: str) -> None:
    """M-08, M-10, Z-21, Z-22: in a file for its owner alone, with the line as it stood, safe to open."""
    refused = tmp_path / "imports" / "list.refused.csv"
    with newsroom(tmp_path) as room:
        found = room.import_list(f"email,note\n{cell},=1+1\nann@example.org,\n", refused_file=refused)
    assert found.new == 1
    assert reason in found.refused[0].reason
    assert "@e" not in found.refused[0].reason
    assert stat.S_IMODE(refused.stat().st_mode) == 0o600
    rows = cells(refused)
    assert rows[0] == ["line", "reason", "email", "note"]
    assert rows[1][1] == found.refused[0].reason
    assert rows[1][3] == "'=1+1"


_SPOT = st.sampled_from([*"abz09AZ.-_+'@ %!é\n\0", "example.org", ".co.uk", "xn--", "test", "local"])


@given(st.lists(_SPOT, max_size=14).map("".join) | st.emails())
@example("a@b--c.org")
@example("a@x.local")
@example("a@x.test")
def test_m09_the_quick_way_takes_no_address_that_the_library_would_refuse(raw: str) -> None:
    """M-08, M-09: and both make the same of it."""
    if len(raw) <= _PLAIN_LENGTH and _PLAIN.match(raw):
        judged = validate_email(raw, check_deliverability=False, allow_smtputf8=False)
        assert normalise(raw) == f"{judged.local_part}@{judged.ascii_domain}".lower()
    else:
        try:
            kept = normalise(raw)
        except AddressRefused:
            return
        assert normalise(kept) == kept


@pytest.mark.parametrize(
    ("domain", "better"),
    [
        *(("gmial.com", "gmail.com"), ("hotmial.co.uk", "hotmail.co.uk"), ("outlok.com", "outlook.com")),
        *(("kent.polcie.uk", "kent.police.uk"), ("newplace.plice.uk", "newplace.police.uk")),
        *(("kent.police.uk", ""), ("ymail.com", ""), ("example.org", ""), ("mail.com", ""), ("surrey.police.uk", "")),
        ("council.exmple.org", "council.example.org"),
    ],
)
def test_a_slip_in_a_domain_is_asked_about(domain: str, better: str) -> None:
    assert meant(domain, ("council.example.org",)) == better


def test_slips_and_shared_mailboxes_are_pointed_out_and_taken(tmp_path: Path) -> None:
    with newsroom(tmp_path) as room:
        found = room.import_list("email\ninfo@example.org\nann@kent.polcie.uk\n")
    assert found.slips == [(3, "kent.polcie.uk", "kent.police.uk")]
    assert found.shared == [2]
    assert found.new == 2


# ---------------------------------------------------------------- comparing and taking over


LIST = (
    "\ufeffEmail;Name;Language\r\n"
    "Known@Example.org;Ann;\r\n"
    "left@example.org;Bob;en\r\n"
    '"new@example.org";"Öz, Cai";cy\r\n'
    "\r\n"
    "no address;;\r\n"
    "NEW@example.org;again;\r\n"
    '"two\r\nlines@example.org";;\r\n'
    "same@example.org;;\r\n"
)


def test_a_rehearsal_says_line_by_line_what_would_happen_and_writes_nothing(room: Newsroom) -> None:
    """New, changed, same, left, duplicate and refused; then the real run does exactly that."""
    room.subscribe(["known@example.org", "left@example.org", "same@example.org"])
    room.leave("left@example.org")
    before = sorted(room.readers.all(), key=lambda person: person.email)
    refused = room.folder / "imports" / "list.refused.csv"
    for dry_run in (True, False):
        found = room.import_list(LIST, dry_run=dry_run, now=LATER, refused_file=refused)
        assert dict(found.lines) == {"new": [4], "changed": [2], "left": [3]}
        assert (found.new, found.changed, found.known, found.left, found.duplicate) == (1, 1, 1, 1, 1)
        assert found.duplicates == [(7, 4)]
        assert [(row.line, row.reason) for row in found.refused] == [
            (6, "this is not a mail address"),
            (9, "a value holds a line break or a control character"),
        ]
        if dry_run:
            assert sorted(room.readers.all(), key=lambda person: person.email) == before
            assert not refused.exists()
    person = room.readers.find("new@example.org")
    assert person
    assert (person.name, person.language) == ("Öz, Cai", "cy")
    known = room.readers.find("known@example.org")
    assert known
    assert known.name == "Ann"
    left = room.readers.find("left@example.org")
    assert left
    assert (left.name, left.state) == ("", SubscriberState.UNSUBSCRIBED)
    assert len(refused.read_text("utf-8").splitlines()) == 1 + 3 + 1  # a line break within a cell


def test_p13_basis_and_source_stand_in_the_history_of_each(room: Newsroom) -> None:
    """P-10, P-13: and the list they were put on."""
    wishes = {"basis": "consent, May sheet", "source": "Conference desk", "into_list": "press"}
    room.import_list("email\na@example.org\n", **wishes)
    held = room.readers.holding("a@example.org")
    record = held["consents"][0]
    assert [record[name] for name in ("what", "route", "list", "basis", "source")] == [
        *("subscribed", "import", "press", "consent, May sheet", "Conference desk"),
    ]


def test_lists_are_joined_by_column_and_by_wish(room: Newsroom) -> None:
    room.subscribe(["known@example.org"])
    text = 'email,lists\na@example.org,"Domestic abuse; press"\nknown@example.org,\n'
    found = room.import_list(text, into_list="partners", now=LATER)
    assert (found.new, found.changed) == (1, 1)
    assert {row["list"] for row in room.readers.holding("a@example.org")["lists"]} == {
        *("domestic-abuse", "press", "partners")
    }
    assert [row["list"] for row in room.readers.holding("known@example.org")["lists"]] == ["partners"]
    assert room.import_list(text, into_list="partners", now=LATER).known == 2


def undo(room: Newsroom) -> importing.Batch:
    with room.engine.begin() as connection:
        return importing.undo(connection, LATER)


def test_an_import_is_undone_whole(room: Newsroom) -> None:
    """Who it added is gone, what it changed is as before; who it took off stays off (P-21)."""
    room.subscribe(["known@example.org", "off@example.org"])
    text = "email,name,status\nknown@example.org,Ann,\noff@example.org,,unsubscribed\nnew@example.org,N,\n"
    room.import_list(text, into_list="press", now=LATER)
    batch = undo(room)
    assert (batch.added, batch.changed, batch.taken_off) == (1, 1, 1)
    assert room.readers.find("new@example.org") is None
    assert room.readers.holding("new@example.org") == {}
    known = room.readers.find("known@example.org")
    assert known
    assert (known.name, known.state) == ("", SubscriberState.SUBSCRIBED)
    assert room.readers.holding("known@example.org")["lists"] == []
    assert state(room, "off@example.org") is SubscriberState.UNSUBSCRIBED
    with pytest.raises(BulletinError, match="no import to undo"):
        undo(room)


@pytest.mark.parametrize("change", ["leave", "pause", "erase", "import"])
def test_an_import_whose_readers_changed_since_is_not_undone(room: Newsroom, change: str) -> None:
    room.import_list("email\na@example.org\nb@example.org\n", now=LATER)
    person = room.readers.find("a@example.org")
    assert person
    match change:
        case "leave":
            room.readers.unsubscribe(person.id, now=LATER + dt.timedelta(hours=1), how="asked")
        case "pause":
            room.readers.pause(person.id, LATER + dt.timedelta(days=9))
        case "erase":
            room.readers.erase("a@example.org", now=LATER + dt.timedelta(hours=1))
        case _:
            room.import_list("email,status\na@example.org,left\n", now=LATER + dt.timedelta(hours=1))
            undo(room)  # of the second list, which brings nobody back
    with pytest.raises(BulletinError, match="changed since"):
        undo(room)
    assert state(room, "b@example.org") is SubscriberState.SUBSCRIBED


def test_p22_a_list_made_with_another_secret_stops_the_import(room: Newsroom) -> None:
    room.subscribe(["a@example.org"])
    room.leave("a@example.org")
    other = b"another secret that is long enough"
    request = importing.Request(path=room.folder / "list.csv", now=LATER)
    request.path.write_text("email\nnew@example.org\n")
    with pytest.raises(BulletinError, match="another secret"):
        importing.run(room.engine, Subscribers(room.engine, other), AddressHashes(other), request)
    assert room.readers.find("new@example.org") is None


def test_two_imports_at_once_add_everybody_once(room: Newsroom) -> None:
    """Whatever the order, nobody is there twice and no consent is missing."""
    lists = [[f"r{n}@example.org" for n in range(start, start + 600)] for start in (0, 300)]
    errors: list[BaseException] = []

    def take(number: int) -> None:
        try:
            room.import_list("email\n" + "\n".join(lists[number]), f"list{number}.csv")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=take, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    people = list(room.readers.all())
    assert len(people) == len({person.email for person in people}) == 900
    assert all(len(room.readers.history(person.id)) == 1 for person in people)
    with room.engine.begin() as connection:
        assert sorted(batch.added for batch in importing.batches(connection)) == [300, 600]


DYING = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from mailing import newsroom
from bulletin.subscribers.importing.staging import Staging
after = sys.argv[4]
original = Staging._run
def dying(self, statement, **values):
    found = original(self, statement, **values)
    if after in statement:
        os.kill(os.getpid(), signal.SIGKILL)
    return found
Staging._run = dying
folder = Path(sys.argv[2])
with newsroom(folder, url=sys.argv[3]) as room:
    text = "email,name,status\\n" + "".join(f"r{n}@example.org,R,\\n" for n in range(400))
    room.import_list(text + "known@example.org,Changed,\\noff@example.org,,left\\n,nobody,\\n",
                     refused_file=folder / "imports" / "x.csv")
"""


@pytest.mark.parametrize(
    "after", ["INSERT INTO subscriber", "UPDATE subscriber SET state", "INSERT INTO consent", "INSERT INTO suppression"]
)
def test_a_process_that_is_killed_in_an_import_leaves_nothing_half_done(
    room: Newsroom, database_url: str, after: str
) -> None:
    room.subscribe(["known@example.org", "off@example.org"])
    before = sorted(map(repr, room.readers.all()))
    program = [sys.executable, "-c", DYING, str(Path(__file__).parent), str(room.folder), database_url, after]
    done = subprocess.run(program, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert sorted(map(repr, room.readers.all())) == before
    assert not list((room.folder / "imports").glob("*.csv"))
    assert room.import_list("email,name\nr1@example.org,R\nknown@example.org,Changed\n", now=LATER).changed == 1


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["", "unsubscribed", "bounced"])), max_size=12))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_p21_no_list_of_lists_brings_back_who_went(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, str]]
) -> None:
    """P-21: imports in any order, one line each or all at once: a no is never followed by a yes."""
    folder = tmp_path_factory.mktemp("lists")
    with newsroom(folder) as room:
        gone: set[str] = set()
        for number, (who, word) in enumerate(lines):
            room.import_list(f"email,status\n{who}@example.org,{word}\n", now=NOON + dt.timedelta(hours=number))
            gone |= {who} if word else set()
        for who in gone:
            assert state(room, f"{who}@example.org") is not SubscriberState.SUBSCRIBED


# ---------------------------------------------------------------- out again

_NAME = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cf", "Mn"]), max_size=12).map(str.strip)
_RISKY = st.builds("{}{}".format, st.sampled_from(["=", "+", "-", "@", "'=", "''@", "'"]), _NAME).map(str.strip)


@given(st.text(max_size=20))
def test_z22_a_guarded_cell_is_no_formula_and_comes_back_as_it_was(cell: str) -> None:
    """Z-22: also if it began with a quote already."""
    assert unguarded(guarded(cell)) == cell
    assert guarded(cell)[:1] not in set("=+-@\t\r\0") - {""} or not guarded(cell)


@given(st.lists(st.tuples(_NAME | _RISKY, _NAME | _RISKY, st.sets(st.sampled_from(["press", "partners"]))), max_size=5))
@settings(max_examples=30)
def test_z22_importing_undoes_what_export_did(
    tmp_path_factory: pytest.TempPathFactory, people: list[tuple[str, str, set[str]]]
) -> None:
    """Z-22, RFC 4180: names, organisations, lists and states come back exactly."""
    folder = tmp_path_factory.mktemp("round")
    rows = [
        ("-a+b@example.org" if number == 0 else f"r{number}@example.org", name, organisation, " ".join(sorted(lists)))
        for number, (name, organisation, lists) in enumerate(people)
    ]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["email", "name", "organisation", "lists"])
    writer.writerows([guarded(a), guarded(b), guarded(c), d.replace(" ", ";")] for a, b, c, d in rows)
    outs = []
    for number, data in enumerate((text.getvalue().encode(), None)):
        (folder / str(number)).mkdir()
        with newsroom(folder / str(number)) as room:
            room.import_list(data if data is not None else outs[0].read_bytes())
            out = folder / f"{number}.csv"
            assert exporting.write(out, exporting.listed(room.engine, room.config, exporting.Choice())) == len(rows)
            outs.append(out)
    assert stat.S_IMODE(outs[0].stat().st_mode) == 0o600
    first, second = (sorted(cells(out)) for out in outs)
    assert first == second
    assert sorted(row[1] for row in first if row[0] != "email") == sorted(guarded(row[1]) for row in rows)


def test_an_export_is_of_whom_was_asked_for(room: Newsroom) -> None:
    room.import_list("email\na@force.example.org\nb@example.org\n", into_list="press")
    room.subscribe(["c@example.org", "d@example.org"])
    room.leave("d@example.org")

    def emails(**wish: str) -> set[str]:
        return {each.person.email[0] for each in exporting.listed(room.engine, room.config, exporting.Choice(**wish))}

    assert emails() == set("abcd")
    assert emails(audience="forces") == {"a"}
    assert emails(audience="everyone") == set("bcd")
    assert emails(on_list="press") == set("ab")
    assert emails(state="unsubscribed") == {"d"}
    for wish in ({"audience": "nobody"}, {"state": "lost"}):
        with pytest.raises(BulletinError, match="there is no"):
            emails(**wish)
