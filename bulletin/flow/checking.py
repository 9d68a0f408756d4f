"""An issue is checked, mended and rendered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bulletin.editions import audiences_of, issue_url, logo_name, make_edition
from bulletin.errors import BulletinError, LeakError, Problem
from bulletin.flow._common import client_for, edit_issue, now, today, translated
from bulletin.model import Finding, Mend, RenderedEdition, Severity
from bulletin.publication import Publication, write_atomically
from bulletin.translations import Spoken, Untranslated

if TYPE_CHECKING:
    from bulletin.clients.score import ClientScore
    from bulletin.issuefile import IssueFile
    from bulletin.linkcheck import Asked


Progress = Callable[[int, int], object]
"""Called with how many pages have answered, and of how many."""


@dataclass(frozen=True, slots=True)
class Checked:
    """An issue with its findings and its finished mails."""

    file: IssueFile
    findings: tuple[Finding, ...]
    rendered: tuple[RenderedEdition, ...]
    refused: LeakError | None = None
    """Why it was not rendered, if something in it would have reached readers it is not for."""
    links: Asked | None = None
    """What the pages behind its links answered."""

    @property
    def must_fix(self) -> tuple[Finding, ...]:
        """The findings that stop a sending."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.MUST_FIX)


def check(
    home: Publication, issue: str, *, online: bool = False, on_progress: Progress = lambda done, of: None
) -> Checked:
    """Read, render and check an issue. Raises `BulletinError` if it cannot be read or rendered.

    With `online` the pages behind its links are asked whether they are there; else what they answered lately counts.
    A leak that a finding explains is no such error: the findings then say where it stands, and nothing is rendered.
    """
    file = home.read_issue(issue)
    rendered: tuple[RenderedEdition, ...] = ()
    refused = None
    try:
        rendered = render_file(home, file)
    except LeakError as error:
        refused = error
    judged = _judge(home, file, rendered, refused=refused is not None, online=online, on_progress=on_progress)
    checked = replace(judged, refused=refused)
    if refused and not any(finding.code.startswith(("AUD", "MRK")) for finding in checked.must_fix):
        raise refused
    return checked


def scores(home: Publication, checked: Checked) -> dict[str, tuple[ClientScore, ...]]:
    """What the mail programs of the settings make of each finished mail, by the mail's name (H-23)."""
    from bulletin.clients import page
    from bulletin.clients.score import score

    clients = home.config.checking.clients
    return {edition.name: score(page.read(edition.html), clients) for edition in checked.rendered}


def check_before_leaving(home: Publication, checked: Checked, on_progress: Progress) -> Checked:
    """The same issue and mails judged once more, when they are about to leave: are its links and pictures there?"""
    return _judge(home, checked.file, checked.rendered, online=True, leaving=True, on_progress=on_progress)


def _judge(
    home: Publication,
    file: IssueFile,
    rendered: tuple[RenderedEdition, ...],
    *,
    online: bool,
    leaving: bool = False,
    refused: bool = False,
    on_progress: Progress = lambda done, of: None,
) -> Checked:
    """All findings about an issue and its finished mails."""
    from bulletin import checks, linkcheck
    from bulletin import words as phrases
    from bulletin.checks.links import addresses

    words, breaks = _faults_of_templates(home)
    material = checks.Material(
        file=file,
        config=home.config,
        today=today(home),
        earlier=tuple(other for other in home.other_issues(file.issue.id) if other.date < file.issue.date),
        pictures=home.pictures(file.issue),
        rendered=rendered,
        refused=refused,
        words=home.own_words(),
        leaving=leaving,
        theme=words,
        theme_breaks=breaks,
        translations=home.translations(file),
        phrases=tuple(phrases.load(home.template_dirs, language) for language in home.config.other_languages),
    )
    client = replace(client_for(home), limits=linkcheck.LIMITS)
    cache = home.cache_dir / "links.json"
    links = linkcheck.ask(addresses(material), client, cache, now(), online=online, on_progress=on_progress)
    material = replace(material, links=links.facts, online=online and not links.offline)
    return Checked(file, checks.run(material), rendered, links=links)


def _faults_of_templates(home: Publication) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """What is wrong in the words of the publication's own templates, and what breaks them; of the starter's, nothing.

    The starter's templates were looked at when they were made.
    """
    if len(home.template_dirs) == 1:
        return (), ()
    from bulletin.render import lint, worst

    return lint.lint(home.template_dirs), worst.try_out(home.template_dirs, home.config)


@dataclass(frozen=True, slots=True)
class Fixed:
    """What mending did to an issue's text, or would do."""

    before: str
    after: str
    path: str
    done: tuple[tuple[int, Mend], ...]
    """Each change with its line in the old text."""
    left: tuple[Mend, ...]
    """What cannot be changed in the way it is written."""


def fix(home: Publication, issue: str, *, online: bool, dry_run: bool, on_progress: Progress) -> Fixed:
    """Make the safe changes that findings offer, and write them at once; with `dry_run` only say what they are.

    One change can make room for another, so it goes on until nothing is left. The text before is kept for `undo`.
    """
    from bulletin.issuefile import edit, read
    from bulletin.publication import read_text

    shown = home.read_issue(issue).path
    before = text = read_text(home.issue_path(issue), shown)
    done: list[tuple[int, Mend]] = []
    notes: tuple[Mend, ...] = ()
    for number in range(5):
        file = read(text, shown, home.config.vocabulary, folder=issue)
        findings = _judge(home, file, (), online=online, on_progress=on_progress).findings
        if number == 0 and online:
            notes = _alt_notes(home, file, findings)
        mended = edit.mend(text, shown, [mend for finding in findings for mend in finding.mends])
        done += mended.done
        if mended.text == text:
            break
        text = mended.text
    # Comments come last: they add lines, and people look for the others by their numbers.
    noted = edit.mend(text, shown, notes)
    fixed = Fixed(before, noted.text, shown, (*done, *noted.done), mended.left)
    if not dry_run and fixed.after != before:
        _write_fixed(home, issue, fixed)
    return fixed


def _write_fixed(home: Publication, issue: str, fixed: Fixed) -> None:
    import hashlib

    def put(text: str, path: str) -> str:
        if text != fixed.before:
            raise BulletinError(f"{path} was saved meanwhile and stands as it was saved.", hint="Try again.")
        return fixed.after

    kept = home.state_dir / "undo"
    digest = hashlib.sha256(fixed.after.encode("utf-8")).hexdigest()
    write_atomically(kept / f"{issue}.yaml", fixed.before.encode("utf-8"), mode=0o600)
    write_atomically(kept / f"{issue}.sha256", digest.encode(), mode=0o600)
    edit_issue(home, issue, put)


def undo_fix(home: Publication, issue: str) -> None:
    """Put back the text from before the last mending. Raises `BulletinError` if it was changed since."""
    import hashlib

    home.read_issue(issue)
    kept, digest = (home.state_dir / "undo" / f"{issue}.{ending}" for ending in ("yaml", "sha256"))
    if not (kept.is_file() and digest.is_file()):
        raise BulletinError(f"nothing was mended in {issue}, or it was put back already.")

    def put(text: str, path: str) -> str:
        if hashlib.sha256(text.encode("utf-8")).hexdigest() != digest.read_text("ascii"):
            raise BulletinError(
                f"{path} was changed after it was mended, and stands as it is.",
                hint=f"The text from before is in {home.shown(kept)}",
            )
        return kept.read_bytes().decode("utf-8")

    edit_issue(home, issue, put)
    digest.unlink(missing_ok=True)
    kept.unlink(missing_ok=True)


def _alt_notes(home: Publication, file: IssueFile, findings: tuple[Finding, ...]) -> tuple[Mend, ...]:
    """What the stories' pages say their pictures show, for pictures that lack a good alternative text."""
    from bulletin import collecting

    wanting = {finding.item for finding in findings if finding.code in _ALT_CODES}
    notes = []
    for s, section in enumerate(file.issue.sections):
        for i, item in enumerate(section.items):
            if item.image is None or item.id not in wanting or not item.url:
                continue
            client = client_for(home)
            try:
                client.check_robots(item.url)
                page = collecting.read_page(item.url, client=client, today=today(home), zone=home.config.zone)
            except BulletinError:
                continue  # the finding about the picture stands
            if page.image_alt:
                loc = ("sections", s, "items", i, "image")
                words = f"alt found on the page: {page.image_alt}"
                notes.append(Mend(loc=loc, old="", new=words, suggestion=True))
    return tuple(notes)


_ALT_CODES = frozenset({"IMG02", "IMG03"})
"""Findings about a picture without an alternative text, and about one that is no description."""


def render(home: Publication, issue: str) -> tuple[RenderedEdition, ...]:
    """The issue as finished mails, one for each audience that needs its own, everyone's last."""
    return render_file(home, home.read_issue(issue))


def render_file(home: Publication, file: IssueFile) -> tuple[RenderedEdition, ...]:
    """The same, of an issue already read. Held against the leak gate before anybody sees it.

    Other languages come first, the publication's own last.
    """
    from bulletin import gate
    from bulletin.render import render as render_edition

    pictures, secret = home.pictures(file.issue), home.secret()
    own = Spoken(file.issue, home.config, Untranslated())
    versions = (*translated(home, file), own)
    rendered = []
    for version in versions:
        for audience in audiences_of(file.issue, home.config):
            edition = make_edition(version.issue, version.config, pictures, audience, version.untranslated)
            finished = render_edition(edition, version.config, template_dirs=home.template_dirs, secret=secret)
            for said in {id(version.issue): version.issue, id(file.issue): file.issue}.values():
                gate.check_edition(finished, said, home.config)
            rendered.append(finished)
    return tuple(rendered)


def write_rendered(
    home: Publication, issue: str, directory: Path, *, local_pictures: bool = False
) -> list[tuple[Path, int]]:
    """Write the finished mails as `<audience>.<language>.html` and `.txt`; each path with its bytes.

    Personal values are samples: the files are for looking at. With `local_pictures` the pictures are copied beside
    them and shown from there, because in mail they come from the archive, which may not be published yet.
    """
    from bulletin.render import fill, sample_personal

    written = []
    file = home.read_issue(issue)
    for edition in render_file(home, file):
        html, text = fill(edition, sample_personal(home.config))
        if local_pictures:
            html = html.replace(f'src="{issue_url(home.config, issue)}', 'src="')
        for ending, content in (("html", html), ("txt", text)):
            path = directory / f"{edition.name}.{ending}"
            data = content.encode("utf-8")
            write_atomically(path, data, lasting=False)
            written.append((path, len(data)))
    if local_pictures:
        if home.config.brand.logo and (logo := home.logo_bytes()):
            write_atomically(directory / logo_name(home.config.brand.logo), logo, lasting=False)
        there = {name for name, facts in home.pictures(file.issue).items() if facts}
        for picture in {item.image.file for item in file.issue.items if item.image and not item.restricted} & there:
            write_atomically(directory / picture, home.picture_bytes(issue, picture))
    return written
