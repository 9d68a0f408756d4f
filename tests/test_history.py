"""Who changed an issue last is what git says; what is not committed is the work of whoever sits here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bulletin.history import last_editor, myself


@pytest.fixture
def issue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An issue's folder in a repository of its own, with nothing of this machine's settings."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    folder = tmp_path / "issues" / "2024-06"
    folder.mkdir(parents=True)
    (folder / "issue.yaml").write_text("title: June\n")
    return folder


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def commit(folder: Path, name: str) -> None:
    git(folder, "add", "-A")
    author = ("-c", f"user.name={name}", "-c", f"user.email={name.lower()}@example.org")
    git(folder, *author, "commit", "-m", "A change")


def test_the_last_commit_that_touches_the_issue_counts(issue: Path) -> None:
    git(issue.parent.parent, "init")
    commit(issue, "Ann")
    (issue.parent / "other.txt").write_text("not of this issue")
    commit(issue.parent, "Ben")
    assert last_editor(issue) == "Ann <ann@example.org>"


def test_what_is_not_committed_is_the_work_of_whoever_sits_here(issue: Path) -> None:
    git(issue.parent.parent, "init")
    git(issue, "config", "user.name", "Cai")
    git(issue, "config", "user.email", "cai@example.org")
    commit(issue, "Ann")
    (issue / "issue.yaml").write_text("title: July\n")
    assert last_editor(issue) == myself(issue) == "Cai <cai@example.org>"


def test_a_folder_that_git_does_not_know_has_no_last_editor(issue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert last_editor(issue) == ""
    monkeypatch.setenv("LOGNAME", "dai")
    assert myself(issue) == "dai"
    monkeypatch.setenv("PATH", "")
    assert last_editor(issue) == ""
    assert myself(issue) == "dai"
