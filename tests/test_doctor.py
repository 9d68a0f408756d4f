"""`bulletin doctor`: what is set up and what is not."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bulletin import starting
from bulletin.doctor import LIBRARIES, Line, State, examine
from bulletin.publication import Publication, open_publication

SETTINGS = """
name = "Harbour Notes"

[organisation]
name = "Harbour Trust"
postal_address = "2 Quay Road, Port Anders PA1 1AA"
privacy_url = "https://www.harbour-trust.uk/privacy"

[sender]
name = "Harbour Notes"
address = "notes@mail.harbour-trust.uk"
reply_to = "editors@harbour-trust.uk"

[web]
archive_url = "https://notes.harbour-trust.uk/"

[[sections]]
id = "news"
title = "News"

[sending]
provider = "outbox"
"""


def publication(folder: Path, settings: str = SETTINGS, **environment: str) -> Publication:
    (folder / "bulletin.toml").write_text(settings, encoding="utf-8")
    return open_publication(folder, environment)


def line_about(lines: tuple[Line, ...], start: str) -> Line:
    found = [line for line in lines if line.what.startswith(start)]
    assert len(found) == 1, f"{start}: {found}"
    return found[0]


def test_a_publication_in_order_has_only_the_outbox_to_look_at(tmp_path: Path) -> None:
    home = publication(tmp_path)
    starting.make_issue(home, "2024-06", None)

    lines = examine(home)

    assert [line.what.partition(":")[0] for line in lines if line.state is not State.PASS] == ["Provider"]
    assert all(line.hint for line in lines if line.state is not State.PASS)


def test_looking_changes_nothing(tmp_path: Path) -> None:
    home = publication(tmp_path)
    examine(home)
    assert [path.name for path in tmp_path.iterdir()] == ["bulletin.toml"]


def test_what_may_not_be_read_is_one_more_thing_found(tmp_path: Path) -> None:
    """Root, who may read everything, steps down first."""
    publication(tmp_path).secret()
    program = (
        "import os\n"
        "from pathlib import Path\n"
        "from bulletin.doctor import examine\n"
        "from bulletin.publication import open_publication\n"
        "home = open_publication(Path('.'), {})\n"
        "examine(home)\n"
        "os.chmod('.bulletin', 0)\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "for line in examine(home): print(line.state.value, line.what)\n"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )
    finally:
        os.chmod(tmp_path / ".bulletin", 0o700)
    assert done.returncode == 0, done.stderr
    assert "secret: Permission denied." in done.stdout
    assert "pass Python" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "start"),
    [
        ("notes@mail.harbour-trust.uk", "notes@bulletin.example.org", "Sender"),
        ("editors@harbour-trust.uk", "editors@example.com", "Answers"),
        ('reply_to = "editors@harbour-trust.uk"\n', "", "Answers"),
        ("2 Quay Road, Port Anders PA1 1AA", "1 Example Street, Exampleton EX1 1EX", "Postal address"),
        ('privacy_url = "https://www.harbour-trust.uk/privacy"\n', "", "Privacy notice"),
        ("https://notes.harbour-trust.uk/", "https://notes.example/", "Archive"),
        ("https://notes.harbour-trust.uk/", "http://notes.harbour-trust.uk/", "Archive"),
        ("https://notes.harbour-trust.uk/", "http://localhost:8000/", "Archive"),
    ],
)
def test_what_is_unfinished_is_only_worth_a_look_while_mail_goes_to_files(
    tmp_path: Path, old: str, new: str, start: str
) -> None:
    """L-01 asks for https in what readers follow."""
    line = line_about(examine(publication(tmp_path, SETTINGS.replace(old, new))), start)
    assert line.state is State.LOOK
    assert "[" in line.hint, "names the table and key to change"


@pytest.mark.parametrize("left", ["notes@bulletin.example.org", "notes@mail.test"])
def test_an_example_address_must_go_before_a_real_provider_sends(tmp_path: Path, left: str) -> None:
    settings = SETTINGS.replace("notes@mail.harbour-trust.uk", left).replace('"outbox"', '"smtp"')
    assert line_about(examine(publication(tmp_path, settings)), "Sender").state is State.FAIL


def test_a_misspelt_provider_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    line = line_about(examine(publication(tmp_path, SETTINGS.replace('"outbox"', '"smpt"'))), "Provider")
    assert line.state is State.FAIL
    assert "smpt" in line.what
    assert "smtp" in line.hint


def test_a_missing_key_is_named_and_a_set_one_is_not_repeated(tmp_path: Path) -> None:
    """Z-23: secrets never appear in output."""
    settings = SETTINGS.replace('"outbox"', '"mailgun"\n\n[providers.mailgun]\ndomain = "mg.harbour-trust.uk"')
    missing = line_about(examine(publication(tmp_path, settings)), "Provider")
    assert missing.state is State.FAIL
    assert "BULLETIN_MAILGUN_KEY" in missing.hint

    lines = examine(publication(tmp_path, settings, BULLETIN_MAILGUN_KEY="k3y-f0r-n0body"))
    assert line_about(lines, "Provider").state is State.PASS
    assert "k3y-f0r-n0body" not in repr(lines)


def test_a_service_that_carries_words_only_or_only_tries_says_so(tmp_path: Path) -> None:
    notify = SETTINGS.replace('"outbox"', '"notify"') + '[providers.notify]\ntemplate_id = "'
    key = "made_up-26785a09-ab16-4eb0-8407-a37497a57506-3d844edf-8d35-48ac-975b-e847b4f122b0"
    home = publication(tmp_path, f'{notify}9d751e0e-f929-4891-82a1-a3e1c3c18ee3"\n', BULLETIN_NOTIFY_KEY=key)
    lost = line_about(examine(home), "Design")
    assert (lost.state, lost.what) == (State.LOOK, "Design: it is lost, for notify carries words only.")
    brevo = SETTINGS.replace('"outbox"', '"brevo"') + "[providers.brevo]\ntest_mode = true\n"
    home = publication(tmp_path, brevo, BULLETIN_BREVO_KEY="made-up")
    assert line_about(examine(home), "Trials").state is State.LOOK
    postmark = publication(tmp_path, SETTINGS.replace('"outbox"', '"postmark"'), BULLETIN_POSTMARK_KEY="made-up")
    assert not [line for line in examine(postmark) if line.what.startswith(("Trials", "Design"))]
    postmark = publication(
        tmp_path, SETTINGS.replace('"outbox"', '"postmark"'), BULLETIN_POSTMARK_KEY="POSTMARK_API_TEST"
    )
    assert line_about(examine(postmark), "Trials").state is State.LOOK


def test_a_provider_without_its_settings_is_told_what_is_missing(tmp_path: Path) -> None:
    line = line_about(examine(publication(tmp_path, SETTINGS.replace('"outbox"', '"smtp"'))), "Provider")
    assert line.state is State.FAIL
    assert "host" in line.hint


def test_files_with_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    """Z-23: mode 0600."""
    home = publication(tmp_path)
    home.secret()
    with sqlite3.connect(home.state_dir / "bulletin.db") as database:
        database.execute("CREATE TABLE delivery (id)")
    database.close()
    (home.state_dir / "bulletin.db").chmod(0o600)
    assert line_about(examine(home), "Secret").state is State.PASS
    assert line_about(examine(home), "Readers").state is State.PASS

    (home.state_dir / "secret").chmod(0o644)
    (home.state_dir / "bulletin.db").chmod(0o640)
    lines = examine(home)
    assert line_about(lines, "Secret").hint == "Close it: chmod 600 .bulletin/secret"
    assert line_about(lines, "Readers").state is State.FAIL


def test_a_damaged_database_is_found_and_left_alone(tmp_path: Path) -> None:
    home = publication(tmp_path)
    path = home.state_dir / "bulletin.db"
    path.write_bytes(b"this is no database" * 100)
    before = path.read_bytes()
    assert line_about(examine(home), "Readers").state is State.FAIL
    assert path.read_bytes() == before


def test_a_short_secret_from_the_environment_fails(tmp_path: Path) -> None:
    lines = examine(publication(tmp_path, BULLETIN_SECRET="short"))
    assert line_about(lines, "Secret").state is State.FAIL


def test_an_unreadable_issue_is_named_and_the_others_are_still_read(tmp_path: Path) -> None:
    home = publication(tmp_path)
    starting.make_issue(home, "2024-06", None)
    path = starting.make_issue(home, "2024-07", None)
    path.write_text(path.read_text(encoding="utf-8").replace("subject:", "subjekt:"), encoding="utf-8")

    line = line_about(examine(home), "Issue 2024-07")

    assert line.state is State.FAIL
    assert line.hint == "See: bulletin check 2024-07"


def test_a_schema_that_does_not_know_a_new_section_is_worth_a_look(tmp_path: Path) -> None:
    home = publication(tmp_path)
    starting.make_issue(home, "2024-06", None)
    assert line_about(examine(home), "Completion").state is State.PASS

    grown = publication(tmp_path, SETTINGS + '\n[[sections]]\nid = "events"\ntitle = "Events"\n')
    assert line_about(examine(grown), "Completion").state is State.LOOK


def test_every_library_that_the_package_asks_for_is_looked_at() -> None:
    asked = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    distributions = {
        entry.split(";")[0].split(">")[0].strip().lower()
        for entry in asked["project"]["dependencies"]
        if "Windows" not in entry or sys.platform == "win32"
    }
    import_names = {
        "mjml": "mjml-python",
        "pil": "pillow",
        "dateutil": "python-dateutil",
        "markdown_it": "markdown-it-py",
        "hunspell": "chunspell",
        "dns": "dnspython",
        "dkim": "dkimpy",
        "_ruamel_yaml": "ruamel.yaml.clib",
    }
    looked_at = {import_names.get(name.lower(), name.lower().replace("_", "-")) for name in LIBRARIES}
    assert {name.removesuffix("-py") for name in looked_at} == {name.removesuffix("-py") for name in distributions}
