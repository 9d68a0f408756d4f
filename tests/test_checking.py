"""`bulletin check` with links that answer, `--fix` and `--undo`, and the look at links before mail leaves."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from localweb import Site, site
from test_config import GOOD

from bulletin.cli import run
from bulletin.preview import load
from bulletin.publication import open_publication

ISSUE = """\
schema: 1
id: 2024-05
title: Sample Bulletin, May 2024
date: 2024-05-30
subject: New guidance on stalking orders for every force
preheader: What has changed in the guidance, and where to read the new version of it.
public: true
sections:
  - id: news
    items:
      - id: works # a  comment of mine
        title: Stalking orders have new guidance
        url: BASE/works?utm_source=mail
        link: Read the guidance on stalking orders
        source: Home Office
        published: 2024-05-08
        summary: |
          The guidance has changed.  Please read [the old page about it](BASE/old), too.
        image:
          file: a.png
      - id: gone
        title: A page that is gone
        url: BASE/gone
        link: Read what it said
        source: Home Office
        published: 2024-05-09
        summary: It’s not there any more. It's a pity.
"""
SECTIONS = '\n[[sections]]\nid = "news"\ntitle = "News"\n'


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as started:
        started.gives("/works?utm_source=mail", PAGE, headers={"Content-Type": "text/html"})
        started.gives("/works", PAGE, headers={"Content-Type": "text/html"})
        started.gives("/old", status=301, headers={"Location": "/new"})
        started.gives("/new", "hello")
        yield started


PAGE = """<html><head><title>Guidance</title><meta property="og:title" content="Guidance on orders">
<meta property="og:image" content="/a.png"><meta property="og:image:alt" content="Two officers read a page">
</head><body><h1>Guidance on orders</h1><p>It has changed.</p></body></html>"""


@pytest.fixture
def file(tmp_path: Path, web: Site, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The issue's file in a publication that may ask the site on this machine."""
    settings = GOOD if "[[sections]]" in GOOD else GOOD + SECTIONS
    (tmp_path / "bulletin.toml").write_text(f'{settings}\n[collecting]\nlocal_hosts = ["{web.host}"]\n', "utf-8")
    path = tmp_path / "issues/2024-05/issue.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(ISSUE.replace("BASE", web.base), "utf-8")
    monkeypatch.chdir(tmp_path)
    return path


def found(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[dict[str, int], dict[str, object]]:
    """The codes that a check finds with their lines, and what it says of the links."""
    capsys.readouterr()
    run(["check", "2024-05", "--json", *options])
    said = json.loads(capsys.readouterr().out)
    return {finding["code"]: finding["line"] for finding in said["findings"]}, said["links"]


def test_a_check_asks_the_links_once_and_offline_goes_by_what_they_said(
    file: Path, web: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert found(capsys, "--offline")[1] == {"asked": 0, "kept": 0, "could_not_check": 0, "offline": False}
    assert not web.requests
    codes, links = found(capsys)
    assert links == {"asked": 3, "kept": 0, "could_not_check": 0, "offline": False}
    assert (codes["LNK10"], codes["LNK11"]) == (23, 18)
    asked = len(web.requests)
    codes, links = found(capsys, "--offline")
    assert (codes["LNK10"], links["kept"], len(web.requests)) == (23, 3, asked)


def test_the_json_scores_each_mail_for_each_program_of_the_settings_with_the_days_of_the_tests(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """H-23."""
    run(["check", "2024-05", "--json", "--offline"])
    (programs,) = json.loads(capsys.readouterr().out)["mail_programs"].values()
    outlook = next(program for program in programs if program["client"] == "outlook.windows")
    assert outlook["name"] == "classic Outlook for Windows"
    assert "css-background-color" in outlook["supported"]
    assert "css-at-media" in outlook["lacking"]
    assert dt.date(2019, 1, 1) < dt.date.fromisoformat(outlook["oldest"]) < dt.date.fromisoformat(outlook["newest"])


def test_fix_says_each_change_makes_it_once_and_leaves_every_other_byte(
    file: Path, web: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    before = file.read_text("utf-8")
    run(["check", "2024-05", "--fix", "--dry-run"])
    shown = capsys.readouterr()
    assert file.read_text("utf-8") == before
    assert "Nothing was changed" in shown.err
    assert run(["check", "2024-05", "--fix"]) == 1
    said = capsys.readouterr()
    for line in shown.out.splitlines():
        assert line in said.out
    assert f'issue.yaml:13: "{web.base}/works?utm_source=mail" → "{web.base}/works"' in said.out
    after = before.replace("?utm_source=mail", "").replace("/old", "/new").replace("changed.  P", "changed. P")
    after = after.replace("It’s", "It's")
    image = "        image:\n"
    after = after.replace(image, f"        # alt found on the page: Two officers read a page\n{image}")
    assert file.read_text("utf-8") == after
    assert "LNK10" in said.out
    assert "LNK11" not in said.out
    run(["check", "2024-05", "--fix"])
    assert file.read_text("utf-8") == after
    assert "nothing that a program may change" in capsys.readouterr().err


def test_undo_puts_back_the_text_from_before_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = file.read_bytes()
    assert run(["check", "2024-05", "--undo"]) == 2
    run(["check", "2024-05", "--fix", "--offline"])
    assert file.read_bytes() != before
    assert run(["check", "2024-05", "--undo"]) == 0
    assert file.read_bytes() == before
    assert run(["check", "2024-05", "--undo"]) == 2
    assert "put back already" in capsys.readouterr().err


def test_undo_never_goes_over_what_a_person_wrote_since(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = file.read_text("utf-8")
    run(["check", "2024-05", "--fix", "--offline"])
    edited = file.read_text("utf-8").replace("a pity", "a great pity")
    file.write_text(edited, "utf-8")
    assert run(["check", "2024-05", "--undo"]) == 2
    said = capsys.readouterr().err
    assert file.read_text("utf-8") == edited
    assert ".bulletin/undo/2024-05.yaml" in said
    assert (file.parents[2] / ".bulletin/undo/2024-05.yaml").read_text("utf-8") == before


@pytest.mark.parametrize("options", [["--fix", "--undo"], ["--fix", "--json"], ["--undo", "--json"], ["--dry-run"]])
def test_options_that_do_not_go_together_are_refused(file: Path, options: list[str]) -> None:
    before = file.read_bytes()
    assert run(["check", "2024-05", *options]) == 2
    assert file.read_bytes() == before


def test_without_a_network_a_check_says_so_once_and_finds_no_dead_links(
    file: Path, web: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(file.read_text("utf-8").replace(web.base, "https://www.gone.invalid"), "utf-8")
    run(["check", "2024-05"])
    said = capsys.readouterr()
    assert said.err.count("No site could be reached") == 1
    assert "LNK1" not in said.out


def test_an_allowance_for_a_dead_link_is_idle_only_where_links_were_asked(
    file: Path, web: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    allowing = "allow:\n  - {code: LNK10, item: gone, why: It comes back on Monday., by: K. Example}\n"
    file.write_text(file.read_text("utf-8") + allowing, "utf-8")
    assert "ALW01" not in found(capsys, "--offline")[0]
    codes, _ = found(capsys)
    assert not {"ALW01", "LNK10"} & set(codes)
    web.gives("/gone", "here again")
    assert "ALW01" in found(capsys)[0]


def test_addresses_of_persons_and_of_the_publication_itself_are_never_asked(
    file: Path, web: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = file.parents[2] / "bulletin.toml"
    lines = [
        f'archive_url = "{web.base}/archive/"' if line.startswith("archive_url") else line
        for line in settings.read_text("utf-8").splitlines()
    ]
    settings.write_text("\n".join(lines) + "\n", "utf-8")
    text = file.read_text("utf-8").replace(web.base + "/gone", f"{web.base}/archive/u/secret")
    file.write_text(text.replace(web.base + "/old", web.base.replace("//", "//name:word@") + "/old"), "utf-8")
    codes, links = found(capsys)
    assert links["asked"] == 1
    assert "LNK14" in codes
    assert {path for path, _ in web.requests} == {"/robots.txt", "/works?utm_source=mail"}


def test_a_link_with_a_session_in_it_is_told_and_neither_asked_nor_kept(
    file: Path, web: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    text = file.read_text("utf-8").replace(web.base + "/old", web.base + "/old?access_token=4f2c")
    file.write_text(text, "utf-8")
    codes, _ = found(capsys)
    assert "LNK14" in codes
    assert not any("4f2c" in path for path, _ in web.requests)
    kept = [one.read_bytes() for one in file.parents[2].glob(".bulletin/**/*") if one.is_file()]
    assert kept
    assert not any(b"4f2c" in data for data in kept)


# ---------------------------------------------------------------- before mail leaves


@pytest.fixture
def ready(file: Path, web: Site) -> Path:
    """An issue with nothing to fix and one reader, in a publication that really sends."""
    text = (
        file.read_text("utf-8").partition("      - id: gone")[0].replace("        image:\n          file: a.png\n", "")
    )
    file.write_text(text, "utf-8")
    home = file.parents[2]
    with (home / "bulletin.toml").open("a", encoding="utf-8") as settings:
        settings.write('\n[sending]\nprovider = "smtp"\n[providers.smtp]\nhost = "127.0.0.1"\nport = 9\ntls = "none"\n')
    (home / "readers.csv").write_text("email\nreader@example.org\n", "utf-8")
    assert run(["subscribers", "import", "readers.csv", "--basis", "They asked."]) == 0
    return file


def test_a_link_that_dies_before_mail_leaves_stops_it(
    ready: Path, web: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["send", "2024-05", "--dry-run"]) == 0
    web.gives("/new", status=404)
    (ready.parents[2] / ".bulletin/cache/links.json").unlink()
    capsys.readouterr()
    assert run(["send", "2024-05", "--yes"]) == 1
    said = capsys.readouterr()
    assert "LNK10" in said.out
    assert "Nothing was sent" in said.err


def test_without_a_network_a_sending_says_that_nobody_looked_and_leaves_it_to_the_person(
    ready: Path, web: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    ready.write_text(ready.read_text("utf-8").replace(web.base, "https://www.gone.invalid"), "utf-8")
    assert run(["send", "2024-05", "--dry-run"]) == 0
    assert "nobody knows whether the links and pictures" in capsys.readouterr().err


def test_many_findings_are_counted_by_kind_and_fit_a_narrow_terminal(file: Path) -> None:
    """A terminal of 80 columns breaks lines between words; a file or another program gets each finding whole."""
    slips = " ".join(f"See [the report {number}](http://www.example.org/{number})." for number in range(12))
    file.write_text(file.read_text("utf-8").replace("sections:", f"welcome: |\n  {slips}\nsections:", 1), "utf-8")
    home = file.parents[2]
    command = [sys.executable, "-m", "bulletin", "check", "2024-05", "--offline"]
    whole = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert "Look at this: " in whole.stderr
    assert max(map(len, whole.stdout.splitlines())) > 80
    ours, theirs = os.openpty()
    environment = {**os.environ, "COLUMNS": "80"}
    with subprocess.Popen(command, cwd=home, stdout=theirs, stderr=subprocess.PIPE, env=environment) as running:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
        running.communicate()
    os.close(ours)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()
    assert max(map(len, lines)) <= 80
    assert " ".join(" ".join(lines).split()) == " ".join(whole.stdout.split())


def test_the_preview_asks_nobody(file: Path, web: Site) -> None:
    """A page that loads at every save must not call on sites; it goes by what `check` was told before."""
    home = open_publication(file.parents[2], {})
    for _ in range(2):
        state = load(home, "2024-05")
    assert state.mails
    assert not web.requests
