"""The story of one real bulletin, from nothing to archive, told with the commands a comms officer types.

Every test here runs the program as people do and looks at what they would see.
"""

from __future__ import annotations

import email
import email.policy
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from email.message import EmailMessage
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from mailgunserver import KEY, mailgun_server
from mailserver import mail_server

from bulletin import demo as playing
from bulletin import issuefile, sampleweb

ROOT = Path(__file__).parent.parent


def bulletin(
    *arguments: str,
    cwd: Path,
    typed: str = "",
    code: int = 0,
    path: Path | None = None,
    secrets: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """What a command prints, results and talk together; fails unless it ends with the exit code `code`."""
    return "".join(run(*arguments, cwd=cwd, typed=typed, code=code, path=path, secrets=secrets))


def machine(*arguments: str, cwd: Path, code: int = 0) -> Any:
    """What a command prints for machines."""
    return json.loads(run(*arguments, "--json", cwd=cwd, code=code)[0])


def run(
    *arguments: str,
    cwd: Path,
    typed: str = "",
    code: int = 0,
    path: Path | None = None,
    secrets: Mapping[str, str] = MappingProxyType({}),
) -> tuple[str, str]:
    """The results and the talk of a command."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BULLETIN_")} | dict(secrets)
    if path:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(
        [sys.executable, "-m", "bulletin", *arguments],
        cwd=cwd,
        input=typed,
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


def at_a_terminal(arguments: list[str], cwd: Path, answers: Mapping[str, Iterator[str]]) -> str:
    """What a person sees who types an answer to each prompt, by the words it begins with."""
    terminal, its_end = pty.openpty()
    command = [sys.executable, "-m", "bulletin", *arguments]
    program = subprocess.Popen(command, cwd=cwd, stdin=its_end, stdout=its_end, stderr=its_end, start_new_session=True)
    os.close(its_end)
    said, answered = "", 0
    while piece := _read(terminal):
        said += piece
        for words, given in answers.items():
            prompt = said.rfind(words)
            if prompt >= answered and said.rstrip(" ").endswith(":") and "\n" not in said[prompt:]:
                os.write(terminal, next(given).encode() + b"\n")
                answered = len(said)
    os.close(terminal)
    assert program.wait(timeout=30) == 0, said
    return said


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 4096).decode("utf-8", "replace")
    except OSError:  # how Linux says that the program has ended
        return ""


def messages(folder: Path) -> list[EmailMessage]:
    """The mails in an outbox."""
    return [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in sorted(folder.rglob("*.eml"))
    ]


def kept_for_forces(home: Path) -> str:
    """The headline of the one item that is not for everyone."""
    path = home / "issues/2024-05/issue.yaml"
    (item,) = (item for item in issuefile.read(path.read_text("utf-8"), path.name).issue.items if item.restricted)
    return item.title


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A publication that `bulletin demo` made, and what it printed."""
    place = tmp_path_factory.mktemp("demo")
    said = bulletin("demo", "first", cwd=place)
    return place / "first", said


@pytest.fixture
def vkpp(tmp_path: Path) -> Path:
    """A copy of this repository's own publication."""
    home = tmp_path / "vkpp"
    home.mkdir()
    shutil.copy(ROOT / "bulletin.toml", home)
    shutil.copytree(ROOT / "issues", home / "issues")
    return home


@pytest.fixture(scope="module")
def sample_site() -> Iterator[str]:
    """The address of the sample sources."""
    with sampleweb.serve() as address:
        yield address


# ---------------------------------------------------------------- 1. the main job, in one command


def test_the_demonstration_tells_the_whole_story(demo: tuple[Path, str]) -> None:
    home, said = demo
    for step in ("Collect", "Add", "Pick", "Check", "Render", "Send", "Archive"):
        assert re.search(rf"\d+\. {step}:", said), said
    assert "file://" in said
    assert (home / "issues/2024-05/issue.yaml").is_file()
    assert (home / "rendered/everyone.en-GB.html").stat().st_size > 10_000


def test_what_the_demonstration_points_to_is_found_from_where_the_person_stands(demo: tuple[Path, str]) -> None:
    """In a checkout the same names without the folder are this repository's own files."""
    home, said = demo
    pointed = re.findall(r"look at  (\S+)", said)
    assert len(pointed) >= 6
    for path in pointed:
        assert path.startswith("first/")
        assert (home.parent / path).exists()


def test_one_broken_source_is_named_and_stops_nothing(demo: tuple[Path, str]) -> None:
    _, said = demo
    assert "404" in said
    assert re.search(r"[1-9]\d* new stories", said)


def test_collecting_again_brings_nothing_back(demo: tuple[Path, str]) -> None:
    _, said = demo
    assert "Collect again: 0 new stories" in re.sub(r"\x1b\[[0-9;]*m", "", said)


def test_each_sample_reader_has_one_message_of_their_own(demo: tuple[Path, str]) -> None:
    """M-16, M-06: one recipient a message, one message a recipient, each with its own Message-ID and links."""
    home, _ = demo
    mails = messages(home / ".bulletin/outbox")
    readers = (ROOT / "templates/start/subscribers.csv").read_text("utf-8").splitlines()[1:]
    assert sorted(mail["To"] for mail in mails) == sorted(line.split(",")[0] for line in readers)
    assert len({mail["Message-ID"] for mail in mails}) == len(mails)
    assert len({mail["List-Unsubscribe"] for mail in mails}) == len(mails)


def test_the_item_for_forces_reaches_forces_and_nobody_else(demo: tuple[Path, str]) -> None:
    home, _ = demo
    title = kept_for_forces(home)
    readers = {
        mail["To"] for mail in messages(home / ".bulletin/outbox") if title in mail.get_body(("plain",)).get_content()
    }
    assert readers == {"amal@force.example.org", "bryn@force.example.org"}
    for file in (home / ".bulletin/archive").rglob("*"):
        if file.is_file():
            assert title.encode() not in file.read_bytes()


# ---------------------------------------------------------------- 2. this repository is the VKPP's publication


def test_the_may_issue_is_complete_and_says_that_it_is_a_reconstruction(vkpp: Path) -> None:
    result = machine("check", "2024-05", cwd=vkpp)
    assert not [finding for finding in result["findings"] if finding["severity"] == "must fix"]
    bulletin("render", "2024-05", "--out", "out", cwd=vkpp)
    text = (vkpp / "out/everyone.en-GB.txt").read_text("utf-8")
    assert "reconstruction" in text
    assert "For police forces only" not in text
    assert "For police forces only" in (vkpp / "out/forces.en-GB.txt").read_text("utf-8")


def test_the_may_mail_is_small_enough_to_be_shown_whole(vkpp: Path) -> None:
    """G-01: under 80 kB of HTML."""
    bulletin("render", "2024-05", "--out", "out", cwd=vkpp)
    assert (vkpp / "out/forces.en-GB.html").stat().st_size < 80_000


# ---------------------------------------------------------------- 3. a new publication, a new issue


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked where no checkout is in reach."""
    place = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(place),
        str(ROOT),
    ]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    wheel = next(place.glob("*.whl"))
    target = place / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), str(wheel)],
        check=True,
        timeout=300,
    )
    return target


def test_the_wheel_alone_makes_a_publication(installed: Path, tmp_path: Path) -> None:
    where = subprocess.run(
        [sys.executable, "-c", "import bulletin; print(bulletin.__file__)"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(installed) in where.stdout
    bulletin("init", "my-bulletin", cwd=tmp_path, path=installed)
    home = tmp_path / "my-bulletin"
    assert (home / "bulletin.toml").is_file()
    assert list((home / "templates").rglob("*.mjml*"))
    bulletin("check", cwd=home, path=installed, code=1)
    bulletin("render", "--out", "out", cwd=home, path=installed)
    bulletin("archive", cwd=home, path=installed)
    bulletin("help", "sending", cwd=home, path=installed)


def test_a_new_issue_knows_its_date_its_sections_and_its_schema(vkpp: Path) -> None:
    bulletin("new", "2024-06", cwd=vkpp)
    text = (vkpp / "issues/2024-06/issue.yaml").read_text("utf-8")
    assert text.startswith("# yaml-language-server: $schema=../issue.schema.json\n")
    assert "date: 2024-06-28" in text
    for section in ("vkpp", "national", "government", "research", "practice", "events"):
        assert f"- id: {section}\n" in text
    schema = json.loads((vkpp / "issues/issue.schema.json").read_text("utf-8"))
    assert "national" in schema["$defs"]["Section"]["properties"]["id"]["enum"]


def test_a_new_issue_is_not_fit_to_send_until_its_placeholders_are_filled(vkpp: Path) -> None:
    bulletin("new", "2024-06", cwd=vkpp)
    said = bulletin("check", "2024-06", cwd=vkpp, code=1)
    assert "PLC01" in said


# ---------------------------------------------------------------- 4. collect, add, pick


@pytest.fixture
def collecting(tmp_path: Path, sample_site: str) -> Path:
    """A publication that collects from the sample sources."""
    home = playing.make_publication(tmp_path / "home", sample_site, {}).root
    bulletin("new", "2024-05", "--date", "2024-05-30", cwd=home)
    return home


def test_collecting_keeps_every_line_of_the_editor(collecting: Path) -> None:
    file = collecting / "issues/2024-05/issue.yaml"
    before = file.read_text("utf-8").replace("inbox:", "inbox:   # mine, says the editor").splitlines()
    file.write_text("\n".join(before) + "\n", "utf-8")
    bulletin("collect", "2024-05", cwd=collecting)
    after = file.read_text("utf-8").splitlines()
    assert len(after) > len(before) + 20
    rest = iter(after)
    assert all(line in rest for line in before), "a line of the editor's is gone or out of order"
    assert "why:" in "\n".join(after)


def test_collecting_twice_changes_nothing(collecting: Path) -> None:
    file = collecting / "issues/2024-05/issue.yaml"
    bulletin("collect", cwd=collecting)
    first = file.read_bytes()
    bulletin("collect", cwd=collecting)
    assert file.read_bytes() == first


def test_what_is_used_or_skipped_does_not_come_back(collecting: Path) -> None:
    bulletin("collect", cwd=collecting)
    bulletin("pick", "1", "--to", "national", cwd=collecting)
    bulletin("pick", "1", "--skip", "--why", "not for us", cwd=collecting)
    file = collecting / "issues/2024-05/issue.yaml"
    before = file.read_bytes()
    assert b"not for us" in before
    assert machine("collect", cwd=collecting)["new"] == []
    assert file.read_bytes() == before


def test_a_page_is_read_by_its_address(collecting: Path, sample_site: str) -> None:
    said = bulletin("add", sampleweb.extra_page(sample_site), "--to", "partners", cwd=collecting)
    assert "at the top of the inbox" in said
    entry = machine("pick", cwd=collecting)[0]
    assert entry["published"]
    assert entry["source"]


def test_a_story_is_added_by_hand(collecting: Path) -> None:
    address = "https://www.example.org/by-hand"
    bulletin("add", address, "--title", "No: a title YAML would misread", "--published", "2024-05-02", cwd=collecting)
    bulletin("pick", "1", "--to", "research", cwd=collecting)
    text = (collecting / "issues/2024-05/issue.yaml").read_text("utf-8")
    assert "title: 'No: a title YAML would misread'" in text or 'title: "No: a title YAML would misread"' in text


def test_picking_asks_one_by_one_at_a_terminal_and_lists_elsewhere(collecting: Path) -> None:
    bulletin("collect", cwd=collecting)
    said = bulletin("pick", cwd=collecting)
    assert "Headline" in said
    assert re.search(r"^1\s", said, re.M)


def test_picking_one_by_one_at_a_terminal(collecting: Path) -> None:
    """Enter takes the proposed section, a number another one, s skips with a reason, n leaves, q stops."""
    bulletin("collect", cwd=collecting)
    offered = machine("pick", cwd=collecting)
    said = at_a_terminal(
        ["pick", "--ask"],
        collecting,
        {"Where to": iter(["", "2", "nonsense", "s", "n", "q"]), "Why": iter(["not for us"])},
    )
    assert "1 of " in said
    assert '"nonsense" is none of these' in said
    left = [entry["url"] for entry in machine("pick", cwd=collecting)]
    assert left == [entry["url"] for entry in offered[3:]]
    issue = issuefile.read((collecting / "issues/2024-05/issue.yaml").read_text("utf-8"), "issue.yaml").issue
    placed = {item.url: section.id for section in issue.sections for item in section.items}
    assert placed == {offered[0]["url"]: offered[0]["section"], offered[1]["url"]: "national"}
    assert [(entry.url, entry.why) for entry in issue.skipped] == [(offered[2]["url"], "not for us")]


# ---------------------------------------------------------------- 5. check


def test_the_three_real_slips_are_found(vkpp: Path) -> None:
    """The slips of the programme's own page: another month in the text, a file name as alternative text, leftovers."""
    file = vkpp / "issues/2024-05/issue.yaml"
    text = file.read_text("utf-8")
    text = re.sub(r"alt: .*", "alt: iStock 1471645492", text, count=1)
    text = re.sub(
        r"preheader: .*", "preheader: The March 2024 edition of the bulletin, with [insert names] and much more.", text
    )
    file.write_text(text, "utf-8")
    found = machine("check", cwd=vkpp, code=1)["findings"]
    codes = {finding["code"] for finding in found if finding["severity"] == "must fix"}
    assert {"SUB01", "IMG03", "PLC01"} <= codes
    assert all(finding["line"] > 1 and finding["hint"] for finding in found)


def test_help_explains_a_code(vkpp: Path) -> None:
    said = bulletin("help", "img03", cwd=vkpp)
    assert "IMG03" in said
    assert "Why" in said


# ---------------------------------------------------------------- 7. send, in three ways


def readers(home: Path) -> None:
    bulletin("subscribers", "import", str(ROOT / "templates/start/subscribers.csv"), "--basis", "asked", cwd=home)


def test_a_dry_run_sends_nothing(vkpp: Path) -> None:
    readers(vkpp)
    said = bulletin("send", "2024-05", "--dry-run", cwd=vkpp)
    assert "12" in said
    assert not list(vkpp.rglob("*.eml"))


def test_the_count_must_be_typed_back(vkpp: Path) -> None:
    readers(vkpp)
    bulletin("send", "2024-05", cwd=vkpp, typed="11\n", code=2)
    assert not list(vkpp.rglob("*.eml"))
    bulletin("send", "2024-05", cwd=vkpp, typed="12\n")
    assert len(list(vkpp.rglob("*.eml"))) == 12


def test_sending_again_mails_nobody_twice(vkpp: Path) -> None:
    readers(vkpp)
    bulletin("send", "2024-05", "--yes", cwd=vkpp)
    first = {path: path.stat().st_mtime_ns for path in vkpp.rglob("*.eml")}
    bulletin("send", "2024-05", "--yes", cwd=vkpp)
    assert {path: path.stat().st_mtime_ns for path in vkpp.rglob("*.eml")} == first


def test_a_test_mail_goes_to_one_address_and_counts_for_nobody(vkpp: Path) -> None:
    readers(vkpp)
    bulletin("send", "2024-05", "--test", "me@example.org", cwd=vkpp)
    sent = messages(vkpp / ".bulletin/outbox")
    assert {mail["To"] for mail in sent} == {"me@example.org"}
    bulletin("send", "2024-05", "--yes", cwd=vkpp)
    assert "12" in bulletin("status", "2024-05", cwd=vkpp)


def test_after_a_sending_its_result_is_shown_although_the_next_issue_is_begun(vkpp: Path) -> None:
    readers(vkpp)
    bulletin("send", "2024-05", "--yes", cwd=vkpp)
    bulletin("new", "2024-06", cwd=vkpp)
    for command in ("status", "report"):
        assert "Issue 2024-05: finished" in bulletin(command, cwd=vkpp)


def test_an_issue_with_something_to_fix_is_not_sent(vkpp: Path) -> None:
    readers(vkpp)
    file = vkpp / "issues/2024-05/issue.yaml"
    file.write_text(file.read_text("utf-8").replace("May 2024", "March 2024", 1), "utf-8")
    text = re.sub(r"^title: .*", "title: VKPP Bulletin, March 2024", file.read_text("utf-8"), flags=re.M)
    file.write_text(text, "utf-8")
    said = bulletin("send", "2024-05", "--yes", cwd=vkpp, code=1)
    assert "SUB01" in said
    assert not list(vkpp.rglob("*.eml"))


def send_by(home: Path, provider: str, settings: str) -> None:
    """Let the publication really send."""
    file = home / "bulletin.toml"
    text = re.sub(r'provider = "outbox".*', f'provider = "{provider}"', file.read_text("utf-8"))
    file.write_text(f"{text}\n[providers.{provider}]\n{settings}\n", "utf-8")


def test_readers_get_their_mail_through_a_mail_server(vkpp: Path) -> None:
    readers(vkpp)
    with mail_server() as server:
        send_by(vkpp, "smtp", f'host = "127.0.0.1"\nport = {server.port}\ntls = "none"')
        said = bulletin("send", "2024-05", cwd=vkpp, typed="12\n")
    assert "accepted        12" in said
    assert len(server.delivered) == len(set(server.delivered)) == 12
    mail = email.message_from_bytes(server.messages["amal@force.example.org"], policy=email.policy.default)
    body = mail.get_body(("plain",))
    assert body is not None
    assert kept_for_forces(vkpp) in body.get_content()
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_sending_tried_out_with_files_takes_the_real_mail_from_nobody(vkpp: Path) -> None:
    """The first provider writes files; whoever tries it before the mail server is set up has sent nothing yet."""
    readers(vkpp)
    bulletin("send", "2024-05", cwd=vkpp, typed="12\n")
    with mail_server() as server:
        send_by(vkpp, "smtp", f'host = "127.0.0.1"\nport = {server.port}\ntls = "none"')
        said = bulletin("send", "2024-05", cwd=vkpp, typed="12\n")
        assert "12 messages only written to files" in said
        assert len(server.delivered) == len(set(server.delivered)) == 12
        assert "Nobody is left" in bulletin("send", "2024-05", cwd=vkpp)
        assert len(server.delivered) == 12


def test_readers_get_their_mail_through_a_mail_service(vkpp: Path) -> None:
    readers(vkpp)
    with mailgun_server() as server:
        send_by(vkpp, "mailgun", f'domain = "news.example.org"\nendpoint = "{server.endpoint}"')
        said = bulletin("send", "2024-05", cwd=vkpp, typed="12\n", secrets={"BULLETIN_MAILGUN_KEY": KEY})
    assert "accepted        12" in said
    assert server.faults == []
    assert len(server.delivered) == 12
    assert KEY not in said


def test_a_trial_at_a_mail_service_counts_for_no_reader(vkpp: Path) -> None:
    """Told to deliver nothing, a service would take every copy, and nobody would get the issue afterwards."""
    readers(vkpp)
    with mailgun_server() as server:
        send_by(vkpp, "mailgun", f'domain = "news.example.org"\nendpoint = "{server.endpoint}"\ntest_mode = true')
        said = bulletin("send", "2024-05", "--yes", cwd=vkpp, code=2, secrets={"BULLETIN_MAILGUN_KEY": KEY})
        assert "deliver none" in said
        assert server.delivered == {}


def test_a_missing_key_is_named_and_nothing_is_sent(vkpp: Path) -> None:
    readers(vkpp)
    send_by(vkpp, "mailgun", 'domain = "news.example.org"')
    said = bulletin("send", "2024-05", "--yes", cwd=vkpp, code=2)
    assert "BULLETIN_MAILGUN_KEY" in said


# ---------------------------------------------------------------- 8. archive


def test_the_archive_shows_public_issues_without_anything_kept_for_forces(vkpp: Path) -> None:
    bulletin("archive", "--out", "site", cwd=vkpp)
    assert "reconstruction" in (vkpp / "site/2024-05/index.html").read_text("utf-8")
    assert (vkpp / "site/feed.xml").is_file()
    title = kept_for_forces(vkpp)
    for path in (vkpp / "site").rglob("*"):
        assert path.is_dir() or title.encode() not in path.read_bytes()
    file = vkpp / "issues/2024-05/issue.yaml"
    file.write_text(file.read_text("utf-8").replace("public: true", "public: false"), "utf-8")
    bulletin("archive", "--out", "site", cwd=vkpp)
    assert not (vkpp / "site/2024-05").exists()


# ---------------------------------------------------------------- 9. help and doctor


def test_the_manual_has_pages_and_the_doctor_has_answers(vkpp: Path) -> None:
    assert "sending" in bulletin("help", cwd=vkpp)
    assert "tunnel" in bulletin("help", "sending", cwd=vkpp) or "twice" in bulletin("help", "sending", cwd=vkpp)
    said = bulletin("doctor", cwd=vkpp)
    assert "✓" in said


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("preheader:", "preheadr:", 'Did you mean "preheader"'),
        ("date: 2024-05-30", "date: 2024-05-32", "is not a date"),
        ("  - id: national", "  - id: nationl", 'Did you mean "national"'),
        ("subject:", "\tsubject:", "tab"),
        ("public: true", "public: yes", "true or false"),
        ('subject: "', 'subject: "One\\r\\nBcc: all@example.org ', "single line"),
    ],
)
def test_a_slip_in_the_file_is_one_clear_line_and_loses_nothing(vkpp: Path, old: str, new: str, says: str) -> None:
    file = vkpp / "issues/2024-05/issue.yaml"
    broken = file.read_text("utf-8").replace(old, new, 1)
    assert new in broken
    file.write_text(broken, "utf-8", newline="")
    for command in (["check"], ["render", "--out", "out"], ["send", "--yes"], ["collect"]):
        said = bulletin(*command, cwd=vkpp, code=2)
        assert says in said
        assert re.search(r"issues/2024-05/issue\.yaml:\d+:\d+", said)
    assert file.read_text("utf-8") == broken
    assert not (vkpp / "out").exists()
