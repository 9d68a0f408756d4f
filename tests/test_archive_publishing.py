"""The archive brought to the web: every link checked, all of it at once, and back again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_archive_builds import EDITS, ISSUE, SECRET, files, publication, put

from bulletin import flow
from bulletin.archive import publishing, writing
from bulletin.errors import BulletinError, LeakError
from bulletin.publication import Publication


@pytest.fixture
def home(tmp_path: Path) -> Publication:
    return publication(tmp_path / "bulletin")


def shown(folder: Path) -> dict[str, bytes]:
    """What a web server shows of a folder."""
    return {name: data for name, data in files(folder).items() if name != writing.MARKER}


def git(where: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(where), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


# ---------------------------------------------------------------- looking


def test_every_link_of_a_built_archive_leads_somewhere(home: Publication) -> None:
    put(home.root, "2024-02", "schema: 1\nitems: {tides: {title: Y llanw}}\n", "issue.cy.yaml")
    put(home.root, "2024-03", EDITS["withdraw"](ISSUE.format(id="2024-03")))
    put(home.root, "2024-04", ISSUE.format(id="2024-04").replace("public: true", "public: true\nformerly: [april]"))
    flow.build_archive(home, home.archive_dir)
    assert flow.check_archive(home, home.archive_dir) == ()


def test_a_link_that_leads_nowhere_is_named_with_its_page(home: Publication) -> None:
    flow.build_archive(home, home.archive_dir)
    (home.archive_dir / "2024-02" / "boats.ics").unlink()
    page = home.archive_dir / "2024-03" / "index.html"
    page.write_bytes(page.read_bytes().replace(b'id="tides"', b'id="waves"'))
    found = "\n".join(map(str, flow.check_archive(home, home.archive_dir)))
    assert "2024-02/index.html links to 2024-02/boats.ics, which is not there" in found
    assert "to 2024-03/index.html#tides, which is not there" in found


def test_an_address_that_was_published_once_has_to_work_for_ever(home: Publication, tmp_path: Path) -> None:
    where = str(tmp_path / "www")
    assert flow.publish_archive(home, where).addresses > 10
    put(home.root, "2024-02", ISSUE.format(id="2024-02").replace("id: tides", "id: waves"))
    with pytest.raises(BulletinError, match="2024-02/#tides was published, and is not there any more"):
        flow.publish_archive(home, where)
    put(home.root, "2024-02", ISSUE.format(id="2024-02").replace("id: tides", "id: waves\n        formerly: [tides]"))
    (home.issues_dir / "2024-03").rename(home.issues_dir / "spring")
    put(home.root, "spring", ISSUE.format(id="2024-03").replace("id: 2024-03", "id: spring\nformerly: [2024-03]", 1))
    put(home.root, "2024-04", EDITS["withdraw"](ISSUE.format(id="2024-04")))
    assert flow.publish_archive(home, where, dry_run=True).broken == ()
    flow.publish_archive(home, where)
    assert "url=../spring/index.html" in (tmp_path / "www" / "2024-03" / "index.html").read_text("utf-8")


# ---------------------------------------------------------------- a folder


def test_a_folder_gets_the_new_archive_at_once_and_the_old_one_back(home: Publication, tmp_path: Path) -> None:
    place = publishing.Folder(tmp_path / "www")
    flow.build_archive(home, home.archive_dir)
    first = shown(home.archive_dir)
    place.put(home.archive_dir, "20240601T090000Z")
    assert shown(tmp_path / "www") == first
    put(home.root, "2024-05", ISSUE.format(id="2024-05"))
    flow.build_archive(home, home.archive_dir)
    place.put(home.archive_dir, "20240602T090000Z")
    assert "2024-05/index.html" in shown(tmp_path / "www")
    assert place.back() == "20240601T090000Z"
    assert shown(tmp_path / "www") == first
    with pytest.raises(BulletinError, match="no earlier archive"):
        place.back()


def test_a_folder_of_somebody_else_is_left_alone(home: Publication, tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(BulletinError, match="was not published by bulletin"):
        flow.publish_archive(home, str(tmp_path / "www"))
    assert [path.name for path in (tmp_path / "www").iterdir()] == ["thesis.txt"]


def test_only_some_earlier_archives_are_kept(home: Publication, tmp_path: Path) -> None:
    place = publishing.Folder(tmp_path / "www")
    flow.build_archive(home, home.archive_dir)
    for day in range(1, 10):
        place.put(home.archive_dir, f"2024060{day}T090000Z")
    assert len(list(place.releases.iterdir())) == publishing.KEPT + 1


def test_a_dry_run_publishes_nothing(home: Publication, tmp_path: Path) -> None:
    flow.publish_archive(home, str(tmp_path / "www"), dry_run=True)
    assert not (tmp_path / "www").exists()
    assert not home.published_path.exists()


def test_what_was_put_into_the_built_files_by_hand_is_not_published_s23(home: Publication, tmp_path: Path) -> None:
    put(home.root, "2024-04", ISSUE.format(id="2024-04") + SECRET)
    flow.build_archive(home, home.archive_dir)
    page = home.archive_dir / "404.html"
    page.write_bytes(page.read_bytes() + b"<p>Operation Kestrel begins</p>")
    with pytest.raises(LeakError, match=r"404\.html holds the headline"):
        flow.publish_archive(home, str(tmp_path / "www"))
    assert not (tmp_path / "www").exists()


# ---------------------------------------------------------------- a branch


def test_a_branch_holds_the_archive_alone_and_goes_back_by_a_commit(home: Publication, tmp_path: Path) -> None:
    for command in (["init", "-q"], ["config", "user.name", "Tester"], ["config", "user.email", "tester@example.org"]):
        git(home.root, *command)
    git(home.root, "add", "bulletin.toml")
    git(home.root, "commit", "-qm", "Begin")
    git(home.root, "init", "-q", "--bare", str(tmp_path / "web.git"))
    git(home.root, "remote", "add", "origin", str(tmp_path / "web.git"))
    branch = git(home.root, "branch", "--show-current")
    flow.publish_archive(home, "git:origin/pages")
    names = set(git(tmp_path / "web.git", "ls-tree", "-r", "--name-only", "pages").splitlines())
    assert names == shown(home.archive_dir).keys()
    first = git(home.root, "rev-parse", "pages^{tree}")
    put(home.root, "2024-05", ISSUE.format(id="2024-05"))
    flow.publish_archive(home, "git:origin/pages")
    assert "2024-05/index.html" in git(tmp_path / "web.git", "ls-tree", "-r", "--name-only", "pages")
    flow.roll_back_archive(home, "git:origin/pages")
    assert git(tmp_path / "web.git", "rev-parse", "pages^{tree}") == first
    assert git(tmp_path / "web.git", "rev-list", "--count", "pages") == "3", "nobody's copy of the branch is cut off"
    assert git(home.root, "branch", "--show-current") == branch
    assert git(home.root, "status", "--porcelain", "bulletin.toml") == ""


# ---------------------------------------------------------------- another machine


@pytest.fixture
def ssh_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A name at which `ssh` reaches a real server on this machine, which runs commands as we are."""
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    (tmp_path / "allowed").write_bytes((tmp_path / "key.pub").read_bytes())
    command = [sys.executable, str(Path(__file__).with_name("sshserver.py")), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        port = server.stdout.readline().strip()
        key = " ".join((tmp_path / "host.pub").read_text("utf-8").split()[:2])
        (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {key}\n", encoding="utf-8")
        lines = [
            "Host web\nHostName 127.0.0.1",
            f"Port {port}",
            f"IdentityFile {tmp_path / 'key'}\nIdentitiesOnly yes",
            f"UserKnownHostsFile {tmp_path / 'known'}\nStrictHostKeyChecking yes",
        ]
        (tmp_path / "ssh_config").write_text("\n".join(lines) + "\n", encoding="utf-8")
        programs = tmp_path / "bin"
        programs.mkdir()
        real = shutil.which("ssh")
        (programs / "ssh").write_text(f'#!/bin/sh\nexec {real} -F {tmp_path / "ssh_config"} "$@"\n', encoding="utf-8")
        (programs / "ssh").chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        yield "web"
        server.terminate()


def test_another_machine_gets_the_archive_at_once_and_the_old_one_back(
    home: Publication, tmp_path: Path, ssh_host: str
) -> None:
    folder = tmp_path / "their www" / "news"
    folder.parent.mkdir()
    place = publishing.place_for(f"{ssh_host}:{folder}", home.root)
    flow.build_archive(home, home.archive_dir)
    first = shown(home.archive_dir)
    place.put(home.archive_dir, "20240601T090000Z")
    assert shown(folder) == first
    put(home.root, "2024-05", ISSUE.format(id="2024-05"))
    flow.build_archive(home, home.archive_dir)
    place.put(home.archive_dir, "20240602T090000Z")
    assert shown(folder) == shown(home.archive_dir)
    assert place.back() == "20240601T090000Z"
    assert shown(folder) == first


def test_another_machine_that_refuses_leaves_everything_as_it_was(
    home: Publication, tmp_path: Path, ssh_host: str
) -> None:
    (tmp_path / "news").mkdir()
    place = publishing.place_for(f"{ssh_host}:{tmp_path / 'news'}", home.root)
    flow.build_archive(home, home.archive_dir)
    with pytest.raises(BulletinError, match="was not published by bulletin"):
        place.put(home.archive_dir, "20240601T090000Z")
    with pytest.raises(BulletinError, match="ssh could not do it"):
        publishing.place_for(f"{ssh_host}:/proc/nowhere/news", home.root).put(home.archive_dir, "20240601T090000Z")


def test_a_place_that_is_none_is_refused(home: Publication) -> None:
    for wrong in ("ftp://example.org/news", "git:", "s3:bucket:x"):
        with pytest.raises(BulletinError, match="is no place to publish to"):
            publishing.place_for(wrong, home.root)
