"""A publication on disk: whole files only, no edit lost, and a secret that only its owner reads."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from test_config import GOOD

from bulletin.errors import BulletinError, FileProblems
from bulletin.issuefile import edit
from bulletin.model import Candidate
from bulletin.publication import Publication, open_publication, write_atomically

ISSUE = """\
schema: 1
id: 2024-05
title: Sample Bulletin, May 2024
date: 2024-05-30
# An editor's comment.
inbox:
"""


@pytest.fixture
def home(tmp_path: Path) -> Publication:
    (tmp_path / "bulletin.toml").write_text(GOOD, "utf-8")
    (tmp_path / "issues" / "2024-05").mkdir(parents=True)
    (tmp_path / "issues" / "2024-05" / "issue.yaml").write_text(ISSUE, "utf-8")
    return open_publication(tmp_path, {})


def adding(url: str, meanwhile: Callable[[], None] = lambda: None) -> Callable[[str, str], str]:
    def add(text: str, path: str) -> str:
        meanwhile()
        return edit.add_candidates(text, path, [Candidate(title="Offered", url=url)])

    return add


# ---------------------------------------------------------------- finding


def test_a_publication_is_found_from_any_folder_inside_it(home: Publication) -> None:
    assert open_publication(home.issue_dir("2024-05"), {}).root == home.root


def test_without_a_publication_the_way_to_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(BulletinError) as caught:
        open_publication(tmp_path, {})
    assert str(caught.value) == (
        f"there is no publication in {tmp_path}. Make one with: bulletin init my-bulletin. Or go to its folder first."
    )


def test_an_issue_that_is_not_there_is_told_with_those_that_are(home: Publication) -> None:
    with pytest.raises(BulletinError) as caught:
        home.read_issue("2024-06")
    assert str(caught.value) == ('there is no issue "2024-06". Known: 2024-05. To start it: bulletin new 2024-06')


def test_the_newest_issue_is_the_one_that_goes_out_last_whatever_its_name(home: Publication) -> None:
    """A name in words stands behind every month in the alphabet, and would be the newest for ever."""
    for name, day in (("summer-special", "2024-06-15"), ("2024-06", "2024-06-28")):
        text = ISSUE.replace("2024-05-30", day).replace("id: 2024-05", f"id: {name}")
        write_atomically(home.issue_path(name), text.encode())
    assert home.newest_issue() == "2024-06"
    home.issue_path("2024-06").unlink()
    assert home.newest_issue() == "summer-special"
    home.issue_path("summer-special").write_text("not: [an issue", "utf-8")
    assert home.newest_issue() == "summer-special", "what cannot be read is named, not passed over"


def test_an_issue_that_is_not_utf8_is_told_with_its_line(home: Publication) -> None:
    home.issue_path("2024-05").write_bytes(ISSUE.encode() + b"# caf\xe9\n")
    with pytest.raises(BulletinError) as caught:
        home.read_issue("2024-05")
    assert str(caught.value) == (
        'issues/2024-05/issue.yaml:7: this file is not UTF-8 text. Save it again with the encoding "UTF-8".'
    )


def test_an_issue_whose_id_is_not_its_folders_name_is_refused_with_both(home: Publication) -> None:
    """A folder copied to start the next issue: else its pictures, its readers and its page would be the old one's."""
    copy = home.root / "issues" / "2024-06"
    copy.mkdir()
    (copy / "issue.yaml").write_text(ISSUE, "utf-8")
    with pytest.raises(FileProblems) as caught:
        home.read_issue("2024-06")
    assert caught.value.hint == (
        'issues/2024-06/issue.yaml:2:5: the id is "2024-05", but the folder is "2024-06". '
        'Write "id: 2024-06", or rename the folder.'
    )
    assert home.read_issue("2024-05").issue.id == "2024-05"


def test_a_format_that_only_looks_like_a_number_is_told(home: Publication) -> None:
    home.issue_path("2024-05").write_text(ISSUE.replace("schema: 1", "schema: ²"), "utf-8")
    with pytest.raises(FileProblems) as caught:
        home.read_issue("2024-05")
    assert 'issue.yaml:1:9: "schema" "²" should be a whole number.' in caught.value.hint


def test_a_folder_in_place_of_the_issues_file_is_told(home: Publication) -> None:
    (home.root / "issues" / "2024-06" / "issue.yaml").mkdir(parents=True)
    with pytest.raises(BulletinError, match=r"issues/2024-06/issue\.yaml is a folder, not a file"):
        home.read_issue("2024-06")


def test_an_issue_that_cannot_be_read_does_not_stop_work_on_the_others(home: Publication) -> None:
    for name, content in (("2024-02", b"# caf\xe9"), ("2024-03", b"id: [")):
        home.issue_dir(name).mkdir()
        home.issue_path(name).write_bytes(content)
    home.issue_path("2024-04").mkdir(parents=True)
    assert [issue.id for issue in home.other_issues("2024-06")] == ["2024-05"]


# ---------------------------------------------------------------- writing


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    write_atomically(path, b"old")
    os.chmod(path, 0o640)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with pytest.raises(TypeError):
        write_atomically(path, "not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def in_a_process(folder: Path, trouble: str) -> str:
    """What `write_atomically` says in a process of its own, in a folder that it does not own."""
    program = (
        "import os, resource, sys\n"
        "from pathlib import Path\n"
        "from bulletin.publication import write_atomically\n"
        f"{trouble}\n"
        "try:\n"
        "    write_atomically(Path('file.txt'), b'new' * 1000)\n"
        "except OSError as error:\n"
        "    print(error.filename, error.strerror)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("before", [b"old", None])
def test_a_full_disk_loses_nothing_and_nothing_is_left_beside_the_file(tmp_path: Path, before: bytes | None) -> None:
    """A limit on the size of files stops a write half-way, as a full disk does."""
    file = tmp_path / "file.txt"
    if before:
        file.write_bytes(before)
    said = in_a_process(tmp_path, "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))")
    assert said == "file.txt File too large\n"
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == ([("file.txt", before)] if before else [])


def test_a_folder_that_may_not_be_written_to_loses_nothing(tmp_path: Path) -> None:
    """Nobody may write there; root, who may write everywhere, steps down first."""
    file = tmp_path / "file.txt"
    file.write_bytes(b"old")
    os.chmod(tmp_path, 0o555)  # noqa: S103 - read-only is the point
    try:
        said = in_a_process(tmp_path, "if os.geteuid() == 0: os.setuid(65534)")
    finally:
        os.chmod(tmp_path, 0o755)  # noqa: S103
    assert said == "file.txt Permission denied\n"
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file.txt", b"old")]


def test_a_folder_in_the_way_stays_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "file.txt").mkdir()
    with pytest.raises(OSError) as caught:
        write_atomically(tmp_path / "file.txt", b"new")
    assert caught.value.filename == str(tmp_path / "file.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_a_link_still_leads_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_bytes(b"old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    write_atomically(tmp_path / "link.txt", b"new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_bytes() == b"new"


def test_a_new_file_is_as_open_as_the_persons_own_files(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "file.txt", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file.txt").stat().st_mode) == 0o600


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    whole = {bytes([65 + number]) * 200_000 for number in range(4)}
    write_atomically(path, b"A" * 200_000)
    done = threading.Event()
    seen: set[bytes] = set()

    def watch() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(10):
        for content in sorted(whole):
            write_atomically(path, content)
    done.set()
    watcher.join()
    assert seen <= whole


def test_an_edit_keeps_what_the_editor_saved_meanwhile(home: Publication) -> None:
    path = home.issue_path("2024-05")
    saves = iter(["# Saved meanwhile, once.\n", "# And once more.\n"])

    def save() -> None:
        path.write_text(next(saves, "") + path.read_text("utf-8"), "utf-8")

    assert home.edit_issue("2024-05", adding("https://www.example.org/a", save))
    after = path.read_text("utf-8")
    assert after.startswith("# And once more.\n# Saved meanwhile, once.\nschema: 1\n")
    assert [entry.url for entry in home.read_issue("2024-05").issue.inbox] == ["https://www.example.org/a"]


def test_commands_that_edit_at_once_lose_none_of_their_edits(home: Publication) -> None:
    """Eight at a time, each from a publication it opened itself, as commands in several windows do."""
    start = threading.Barrier(8)
    urls = [f"https://www.example.org/{number}" for number in range(8)]

    def work(url: str) -> None:
        mine = open_publication(home.root, {})
        start.wait()
        for turn in "ab":
            assert mine.edit_issue("2024-05", adding(url + turn))

    threads = [threading.Thread(target=work, args=(url,)) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = sorted(entry.url for entry in home.read_issue("2024-05").issue.inbox)
    assert found == sorted(url + turn for url in urls for turn in "ab")
    assert "# An editor's comment." in home.issue_path("2024-05").read_text("utf-8")
    assert [path.name for path in home.issue_dir("2024-05").iterdir()] == ["issue.yaml"]


def test_an_edit_that_fails_leaves_the_file_to_the_next_one(home: Publication) -> None:
    def stumble(text: str, path: str) -> str:
        raise BulletinError("no")

    with pytest.raises(BulletinError, match="no"):
        home.edit_issue("2024-05", stumble)
    assert home.issue_path("2024-05").read_text("utf-8") == ISSUE
    assert home.edit_issue("2024-05", adding("https://www.example.org/a"))


def test_an_edit_that_changes_nothing_writes_nothing(home: Publication) -> None:
    before = home.issue_path("2024-05").stat()
    assert not home.edit_issue("2024-05", lambda text, path: text)
    after = home.issue_path("2024-05").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)


def test_an_edit_gives_way_to_a_file_that_keeps_changing(home: Publication) -> None:
    path = home.issue_path("2024-05")

    def save() -> None:
        path.write_text(path.read_text("utf-8") + "# more\n", "utf-8")

    with pytest.raises(BulletinError, match="keeps changing while it is being edited"):
        home.edit_issue("2024-05", adding("https://www.example.org/a", save))
    assert "www.example.org" not in path.read_text("utf-8")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_on_disk_stay_as_they_are(home: Publication, end: str) -> None:
    path = home.issue_path("2024-05")
    path.write_bytes(ISSUE.replace("\n", end).encode())
    home.edit_issue("2024-05", adding("https://www.example.org/a"))
    assert path.read_bytes().count(b"\r\n") == (path.read_bytes().count(b"\n") if end == "\r\n" else 0)


# ---------------------------------------------------------------- secret


def test_the_secret_is_made_once_and_only_its_owner_reads_it(home: Publication) -> None:
    """Z-23."""
    secret = home.secret()
    path = home.state_dir / "secret"
    assert len(secret) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.state_dir.stat().st_mode) == 0o700
    assert open_publication(home.root, {}).secret() == secret


def test_many_first_users_agree_on_one_secret(home: Publication) -> None:
    start = threading.Barrier(8)
    found: list[bytes] = []

    def ask() -> None:
        start.wait()
        found.append(home.secret())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found[0]) >= 32


def test_a_damaged_secret_is_not_used(home: Publication) -> None:
    (home.state_dir / "secret").write_bytes(b"")
    with pytest.raises(BulletinError, match=r"\.bulletin/secret does not hold a whole key\."):
        home.secret()


def test_a_secret_from_the_environment_comes_first_unless_it_is_too_short(home: Publication) -> None:
    assert open_publication(home.root, {"BULLETIN_SECRET": "s" * 40}).secret() == b"s" * 40
    with pytest.raises(BulletinError) as caught:
        open_publication(home.root, {"BULLETIN_SECRET": "short"}).secret()
    assert "short." not in str(caught.value).split()
    assert "Use at least 32 random characters." in str(caught.value)


def test_the_settings_of_the_environment_are_not_shown(home: Publication) -> None:
    assert "hunter2" not in repr(open_publication(home.root, {"BULLETIN_SMTP_PASSWORD": "hunter2"}))
