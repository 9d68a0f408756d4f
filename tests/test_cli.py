"""The command line's own promises: instant help, advice for every mistake, and exit codes that machines can trust."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import click
import pytest

from bulletin.cli import COMMANDS, run


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
