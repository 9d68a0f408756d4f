"""The whole story on sample sources: what `bulletin demo` does, step by step, with nothing faked but the news.

A web server on this machine serves the sample sources; everything else is what a publication does every month, called
through `flow` as the commands call it. Only the editor is played: `_edit` changes the issue file's text as a person
would in an editor.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bulletin import flow
from bulletin.errors import BulletinError
from bulletin.publication import Publication, open_publication, write_atomically

ISSUE = "2024-05"
_DATE = dt.date(2024, 5, 30)


@dataclass(frozen=True, slots=True)
class Step:
    """A step that is done: what it is, what it did, where to look, and the command that does the same."""

    name: str
    did: str
    look: str = ""
    command: str = ""
    notes: tuple[str, ...] = ()


def free_directory(wanted: Path) -> Path:
    """`wanted`, or the same with a number if it is taken, so that no earlier demonstration is touched."""
    number, directory = 1, wanted
    while directory.exists():
        number += 1
        directory = wanted.with_name(f"{wanted.name}-{number}")
    return directory


def story(directory: Path, environment: Mapping[str, str]) -> Iterator[Step]:
    """Play the story in a new folder; yields each step when it is done."""
    from bulletin import sampleweb

    if directory.exists():
        raise BulletinError(f"{directory} is there already.", hint="Choose a folder that does not exist yet.")
    with sampleweb.serve() as address:
        home = make_publication(directory, address, environment)
        yield Step("Publication", "made a publication with sample settings", home.settings_file, "bulletin init DIR")
        path = flow.new(home, ISSUE, _DATE)
        yield Step("Issue", f"started {ISSUE} with the standing sections", home.shown(path), f"bulletin new {ISSUE}")
        yield _collect(home, address)
        yield _add(home, address)
        yield _pick(home)
        home.edit_issue(ISSUE, _edit)
        yield Step(
            "Edit",
            "wrote subject, preheader and welcome, and kept one item for forces",
            home.shown(path),
            "your text editor",
        )
        yield _check(home)
        yield _render(home)
        yield from _send(home)
        yield _archive(home)
        yield _collect_again(home)


def make_publication(directory: Path, address: str, environment: Mapping[str, str]) -> Publication:
    """A publication that collects from the sample sources at `address`."""
    from bulletin import sampleweb, starting

    for _ in starting.make_publication(directory, "Sample Bulletin"):
        pass
    settings = starting.filled("demo.toml", host=urlsplit(address).netloc, sources=sampleweb.settings(address))
    write_atomically(directory / "bulletin.toml", settings.encode())
    for name, data in sampleweb.saved_files(address).items():
        write_atomically(directory / sampleweb.SAVED / name, data)
    return open_publication(directory, environment)


def _collect(home: Publication, address: str) -> Step:
    result = flow.collect(home, ISSUE)
    failed = tuple(f"{report.source.title}: {report.failure}" for report in result.reports if report.failure)
    did = (
        f"asked {len(result.reports)} sources at {address}; {len(result.new)} new stories in the inbox,"
        f" {len(result.left_out)} left out as repeated or too old"
    )
    return Step("Collect", did, home.shown(home.issue_path(ISSUE)), f"bulletin collect {ISSUE}", failed)


def _add(home: Publication, address: str) -> Step:
    from bulletin import sampleweb

    added = flow.add_page(home, ISSUE, sampleweb.extra_page(address), "partners")
    return Step("Add", f'read a page that no feed lists: "{added.title}"', "", "bulletin add ADDRESS")


def _pick(home: Publication) -> Step:
    inbox = home.read_issue(ISSUE).issue.inbox
    chosen = [entry for entry in inbox if entry.section and (entry.published or entry.event)]
    placed = [flow.place(home, ISSUE, entry.url, None) for entry in chosen]
    skipped = [entry for entry in inbox if entry not in chosen]
    for entry in skipped:
        flow.skip(home, ISSUE, entry.url, "no date given")
    notes = tuple(place.trouble for place in placed if place.trouble)
    did = f"placed {len(placed)} stories in their sections and skipped {len(skipped)}"
    return Step("Pick", did, home.shown(home.issue_path(ISSUE)), f"bulletin pick --issue {ISSUE}", notes)


_WELCOME = """\
  Welcome to this sample bulletin. Sample sources on your own machine gave its stories a moment ago.

  Every name and story in it is made up. The steps that made it are the ones you will use each month.
"""


_WRITTEN = {
    "subject:": "subject: Made-up news for the end of May 2024",
    "preheader:": "preheader: Sample stories from sample sources, collected, checked and sent on your own machine.",
    "public:": "public: true",
    "[Two or three short paragraphs": _WELCOME.rstrip("\n"),
}


def _edit(text: str, path: str) -> str:
    """What a person does in an editor: fill in the words that wait in brackets, and keep an item for forces."""
    lines = [
        next((written for start, written in _WRITTEN.items() if line.strip().startswith(start)), line)
        for line in text.split("\n")
    ]
    return _keep_for_forces("\n".join(lines))


def _keep_for_forces(text: str) -> str:
    """Give the first item of the practice section an audience."""
    head, mark, rest = text.partition("  - id: practice\n    items:\n")
    first, newline, rest = rest.partition("\n")
    return head + mark + first + newline + "        audience: [forces]\n" + rest if mark else text


def _check(home: Publication) -> Step:
    result = flow.check(home, ISSUE)
    looks = len(result.findings) - len(result.must_fix)
    notes = tuple(f"{finding.place}: {finding.message}" for finding in (*result.must_fix, *result.findings)[:3])
    return Step("Check", f"{len(result.must_fix)} to fix, {looks} to look at", "", f"bulletin check {ISSUE}", notes)


def _render(home: Publication) -> Step:
    written = flow.write_rendered(home, ISSUE, home.root / "rendered", local_pictures=True)
    sizes = ", ".join(f"{path.name} {size // 1000} kB" for path, size in written if path.suffix == ".html")
    page = next(path for path, _ in written if path.name.startswith("everyone") and path.suffix == ".html")
    return Step(
        "Render", f"wrote the finished mails: {sizes}", str(page), f"bulletin render {ISSUE} --out rendered --local"
    )


def _send(home: Publication) -> Iterator[Step]:
    from bulletin.words import starter_templates

    imported = flow.import_subscribers(home, starter_templates() / "start" / "subscribers.csv")
    yield Step("Subscribers", f"added {imported.new} made-up readers", "", "bulletin subscribers import FILE")
    prepared = flow.prepare_sending(home, ISSUE)
    report = flow.send(home, prepared)
    did = f"wrote {report.accepted} messages to the outbox, one for each reader; nothing left this machine"
    yield Step("Send", did, str(home.outbox_dir), f"bulletin send {ISSUE}")


def _archive(home: Publication) -> Step:
    built = flow.build_archive(home, home.archive_dir)
    did = f"built the public pages of {len(built.issues)} issue, without the item for forces"
    return Step("Archive", did, str(built.directory / "index.html"), "bulletin archive")


def _collect_again(home: Publication) -> Step:
    result = flow.collect(home, ISSUE)
    return Step(
        "Collect again",
        f"{len(result.new)} new stories: what was used or skipped does not come back",
        "",
        f"bulletin collect {ISSUE}",
    )
