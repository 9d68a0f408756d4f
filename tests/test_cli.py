"""The command line's own promises: instant help, advice for every mistake, and exit codes that machines can trust."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from bulletin.cli import COMMANDS, run
from bulletin.render import theme


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_command_says_of_itself(name: str) -> None:
    """The list is kept apart from the commands, so that showing it loads none of them."""
    module, summary = COMMANDS[name]
    command: click.Command = getattr(importlib.import_module(f"bulletin.cli.{module}"), name)
    assert command.name == name
    assert command.help
    assert len(summary) <= 62, "it would not fit on one line"
    words = set(summary.lower().strip(".").split())
    assert words & set(command.help.lower().replace(".", " ").replace(",", " ").split()), (
        "the two have nothing in common"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["chekc"], 'Did you mean "check"'),
        (["frobnicate"], "bulletin --help"),
        (["check", "--jsn"], "--json"),
        (["render"], "--out"),
        (["add"], "address"),
        (["resolve", "2024-05"], "--sent or --again"),
    ],
)
def test_a_mistyped_command_gets_advice_and_exit_code_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert says in capsys.readouterr().err


def test_outside_a_publication_every_command_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["check"], ["collect"], ["pick"], ["preview"], ["send"], ["status"], ["archive"], ["doctor"]):
        assert run(command) == 2
        assert "bulletin init" in capsys.readouterr().err


def test_a_publication_without_issues_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", str(tmp_path / "mine")]) == 0
    monkeypatch.chdir(tmp_path / "mine")
    for file in (tmp_path / "mine/issues").glob("*/issue.yaml"):
        file.unlink()
    capsys.readouterr()
    assert run(["check"]) == 2
    assert "bulletin new" in capsys.readouterr().err
    assert run(["check", "2031-01"]) == 2
    assert "bulletin new 2031-01" in capsys.readouterr().err


def test_a_closed_pipe_ends_quietly() -> None:
    """`bulletin help | head -1`: the reader went away, and that is no error."""
    command = f'"{sys.executable}" -m bulletin help settings | head -1'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout
    assert "Traceback" not in done.stderr


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A new publication with one issue, 2024-05, as the folder a person works in; gives the issue's file."""
    assert run(["init", str(tmp_path / "mine")]) == 0
    monkeypatch.chdir(tmp_path / "mine")
    for file in (tmp_path / "mine/issues").glob("*/issue.yaml"):
        file.unlink()
    assert run(["new", "2024-05"]) == 0
    capsys.readouterr()
    return tmp_path / "mine/issues/2024-05/issue.yaml"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["not-an-address", "--title", "x"], '"not-an-address" is not a web address. issues/2024-05/issue.yaml stands'),
        (["https://www.example.org/a b", "--title", "x"], "there is a space inside this web address"),
        (["https://www.example.org/a", "--title", "x", "--to", "nwes"], 'Did you mean "news"?'),
        (["https://www.example.org/a", "--title", "x", "--published", "8/5/2024"], "such as 2024-05-30"),
        (["http://127.0.0.1:9/a"], 'bulletin add http://127.0.0.1:9/a --title "The headline"'),
    ],
)
def test_a_story_that_cannot_be_added_changes_nothing_and_says_what_to_do(
    mine: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong address once made the file unreadable for every later command."""
    before = mine.read_bytes()
    assert run(["add", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert mine.read_bytes() == before


def test_adding_names_a_command_that_places_the_story(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["add", "https://www.example.org/a", "--title", "One", "--to", "research"]) == 0
    assert "bulletin pick 1 --issue 2024-05" in capsys.readouterr().err
    assert run(["add", "https://www.example.org/b", "--title", "Two"]) == 0
    assert "bulletin pick 1 --to SECTION --issue 2024-05" in capsys.readouterr().err


def test_adding_what_an_earlier_issue_had_says_so(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["add", "https://www.example.org/a", "--title", "One", "--to", "news"]) == 0
    assert run(["pick", "1"]) == 0
    assert run(["new", "2024-06"]) == 0
    capsys.readouterr()
    assert run(["add", "http://example.org/a/?utm_source=mail", "--title", "One again"]) == 0
    assert "It ran in 2024-05 already" in capsys.readouterr().err
    assert run(["pick", "1", "--skip", "--issue", "2024-06"]) == 0
    assert run(["add", "https://www.example.org/b", "--title", "Another"]) == 0
    assert "already" not in capsys.readouterr().err


def test_picking_what_is_not_there_says_so(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["add", "https://www.example.org/b", "--title", "Two", "--source", "Ofcom"]) == 0
    before = mine.read_bytes()
    capsys.readouterr()
    for arguments in (["--match", "zebra"], ["1", "--match", "zebra"], ["--list", "--topic", "zebra"]):
        assert run(["pick", *arguments]) == 2
        assert "no story in the inbox is like that" in capsys.readouterr().err
    assert run(["pick", "--source", "ofcom"]) == 2
    assert "add --to SECTION" in capsys.readouterr().err
    assert run(["pick", "2"]) == 2
    assert "The inbox has 1 story; there is no number 2" in capsys.readouterr().err
    assert run(["pick", "²"]) == 2
    assert '"²" is not a number' in capsys.readouterr().err
    assert mine.read_bytes() == before


# ---------------------------------------------------------------- odd machines


def in_a_process(folder: Path, *arguments: str, before: str = "", **environment: str) -> tuple[int, str, str]:
    """A command in a process of its own: exit code, standard output, standard error."""
    program = f"import os, resource\n{before}\nfrom bulletin.__main__ import main\nmain()\n"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")


def test_a_full_disk_is_named_as_such_and_the_issue_stands_as_it_was(mine: Path) -> None:
    """A limit on the size of files stops a write half-way, as a full disk does."""
    before = mine.read_bytes()
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))"
    code, _, said = in_a_process(mine.parent, "add", "https://www.example.org/a", "--title", "x", before=limit)
    assert code == 2
    assert f"{mine}: file too large." in said
    assert "Make room on the disk" in said
    assert "itself failed" not in said
    assert mine.read_bytes() == before
    assert sorted(path.name for path in mine.parent.iterdir()) == ["images", "issue.yaml"]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_results_that_do_not_fit_on_a_full_disk_are_no_fault_of_ours(mine: Path, unbuffered: str) -> None:
    command = f'"{sys.executable}" -m bulletin help > /dev/full'
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60, env=environment
    )
    assert done.returncode == 2
    assert "no space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_of_few_letters_shows_the_rest_as_question_marks(mine: Path) -> None:
    code, shown, said = in_a_process(mine.parent, "check", PYTHONIOENCODING="latin-1")
    assert code == 1
    assert "    ? Find some: bulletin collect" in shown
    assert "itself failed" not in said


@pytest.mark.parametrize("found", ["file", "folder"])
def test_what_stands_in_the_way_is_named(mine: Path, found: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file where the state folder should be; a folder where the database should be."""
    state = mine.parents[2] / ".bulletin"
    shutil.rmtree(state, ignore_errors=True)
    if found == "file":
        state.write_text("in the way")
    else:
        (state / "bulletin.db").mkdir(parents=True)
    assert run(["subscribers", "list"]) == 2
    said = capsys.readouterr().err
    assert ".bulletin" in said
    assert "itself failed" not in said


def test_who_has_no_name_on_this_machine_says_it(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Some containers run as a user whom the system does not know, and without a home."""
    assert run(["subscribers", "import", str(people(mine.parent)), "--basis", "asked"]) == 0
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    written = mine.read_text("utf-8").replace("public: false", "public: true")
    mine.write_text(written, "utf-8")
    theme._environment.cache_clear()  # as a new command would find it
    assert run(["render", "--out", "seen"]) == 0
    assert Path("seen/everyone.en-GB.html").is_file()
    assert run(["send", "--test", "me@example.org"]) == 0
    assert run(["resolve", "2024-05", "--sent"]) == 2
    assert "--by NAME" in capsys.readouterr().err
    assert run(["resolve", "issues/2024-05/", "--sent", "--by", "me"]) == 2
    assert "issue 2024-05 was never sent" in capsys.readouterr().err


def people(folder: Path) -> Path:
    """A list of one reader."""
    (folder / "people.csv").write_text("email\nreader@example.org\n", "utf-8")
    return folder / "people.csv"
