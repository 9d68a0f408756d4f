"""The story of a bulletin, told once:

    sources ─► candidates ─► issue ─► editions ─► rendered editions ─► plan ─► ledger ⇄ provider ─► report
                            (edited)                    └────────► archive

This module joins the stages and is the only one that knows all of them. It opens files, stores and clients, reads the
clock, and hands plain values to the stages. The command line and the preview are skins over it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bulletin import __version__
from bulletin.editions import audiences_of, issue_url, logo_name, make_edition
from bulletin.errors import BulletinError, LeakError, Problem
from bulletin.markings import refuse_before_embargo
from bulletin.model import Candidate, Finding, Image, Issue, Item, Mend, RenderedEdition, Severity
from bulletin.publication import Publication, open_publication, write_atomically
from bulletin.translations import Spoken, Untranslated

if TYPE_CHECKING:
    from bulletin.clients.score import ClientScore
    from bulletin.delivery.ledger import Ledger
    from bulletin.delivery.plan import Plan
    from bulletin.delivery.report import Report
    from bulletin.delivery.sender import Sender
    from bulletin.http import Client
    from bulletin.issuefile import IssueFile
    from bulletin.linkcheck import Asked
    from bulletin.model import Outcome, Subscriber
    from bulletin.render.message import MessageTemplate
    from bulletin.sources import SourceReport
    from bulletin.subscribers.importing import Batch, Difference
    from bulletin.subscribers.store import Subscribers

Progress = Callable[[int, int], object]
"""Called with how many pages have answered, and of how many."""


def today(home: Publication) -> dt.date:
    """The day it is in the publication's time zone."""
    return dt.datetime.now(home.config.zone).date()


def now() -> dt.datetime:
    """This moment, in UTC."""
    return dt.datetime.now(dt.UTC)


# ---------------------------------------------------------------- start


def init(directory: Path, name: str, environment: Mapping[str, str]) -> list[tuple[Path, str]]:
    """Make a publication with settings, theme and a first issue; each path with what it is."""
    from bulletin import starting

    kinds = {".toml": "settings", ".txt": "words that are right"}
    made = [(path, kinds.get(path.suffix, "theme")) for path in starting.make_publication(directory, name)]
    home = open_publication(directory, environment)
    first = starting.make_issue(home, f"{today(home):%Y-%m}", None, example=True)
    made.append((directory / first.relative_to(home.root), "a first issue"))
    return made


def new(home: Publication, issue: str, date: dt.date | None) -> Path:
    """Start an issue with the standing sections; the path of its file."""
    from bulletin import starting

    return starting.make_issue(home, issue, date)


def translate(home: Publication, issue: str, language: str) -> tuple[Path, tuple[str, ...], bool]:
    """Make the file of an issue's words in another language, or add to it the items that are new.

    Gives its path, the ids of the items added, and whether it is new. What stands in it is kept as it is.
    """
    from bulletin import starting
    from bulletin.issuefile import translate as translating

    if language not in home.config.other_languages:
        tags = ", ".join(f'"{tag}"' for tag in (home.config.language, *home.config.other_languages, language))
        raise BulletinError(
            f'"{language}" is not among the languages of {home.settings_file} that issues are translated into.',
            hint=f"Write there, at the top: languages = [{tags}]",
        )
    original = home.read_issue(issue).issue
    path = home.translation_path(issue, language)
    is_new, added = not path.exists(), tuple(item.id for item in original.items)

    def put(text: str, shown: str) -> str:
        nonlocal added
        if is_new and not text:
            return translating.skeleton(original, language)
        changed, added = translating.with_new_items(text, shown, original)
        return changed

    starting.write_translation_schema(home)
    home.edit_issue(issue, put, language=language)
    return path, added, is_new


# ---------------------------------------------------------------- collect, add, pick


@dataclass(frozen=True, slots=True)
class Collected:
    """What collecting did: how each source answered, what is new in the inbox, and what was left out and why."""

    reports: tuple[SourceReport, ...]
    new: tuple[Candidate, ...]
    left_out: tuple[tuple[Candidate, str], ...]
    unread: tuple[str, ...] = ()
    """Other issues that cannot be read, so that nobody knows which stories ran in them."""


def client_for(home: Publication) -> Client:
    """The one guarded client, named to the sites it asks (F-01)."""
    from bulletin.http import Client

    contact = home.config.collecting.contact or home.config.organisation.website or home.config.archive_url
    return Client(user_agent=f"bulletin/{__version__} (+{contact})", local_hosts=home.config.collecting.local_hosts)


def collect(home: Publication, issue: str, *, on_done: Callable[[SourceReport], None] | None = None) -> Collected:
    """Ask all sources at once and put what is new into the issue's inbox. Running it again changes nothing.

    A source that fails is a report with its reason; it never stops the others (F-11).
    """
    from bulletin import collecting, selection
    from bulletin.issuefile import edit, read

    if not home.config.sources:
        raise BulletinError("bulletin.toml names no sources.", hint="See: bulletin help collecting")
    home.read_issue(issue)
    reports = collecting.gather(
        home.config.sources,
        client=client_for(home),
        cache_dir=home.cache_dir,
        today=today(home),
        zone=home.config.zone,
        on_done=on_done,
    )
    others = tuple(home.other_issues(issue))
    chosen = selection.Selection()

    def put(text: str, path: str) -> str:
        # Chosen on the very text that is changed: others may have added to it while the sources were asked.
        nonlocal chosen
        now_there = read(text, path, home.config.vocabulary).issue
        chosen = selection.choose(reports, issue=now_there, earlier_issues=others, config=home.config)
        return edit.add_candidates(text, path, chosen.new)

    _edit(home, issue, put)
    unread = sorted(set(home.issue_ids()) - {issue} - {other.id for other in others})
    return Collected(reports, chosen.new, chosen.left_out, tuple(unread))


def add_page(home: Publication, issue: str, url: str, section: str | None = None) -> Candidate:
    """Read a page's title, summary, date, site and picture and put it into the issue's inbox."""
    from bulletin import collecting

    _refuse_unknown_section(home, section)
    _refuse_known(home.read_issue(issue), url)
    try:
        candidate = collecting.read_page(url, client=client_for(home), today=today(home), zone=home.config.zone)
    except BulletinError as error:
        by_hand = f'Look at it in a browser, or add it by hand: bulletin add {url} --title "The headline"'
        raise BulletinError(error.message, hint=error.hint or by_hand) from None
    _refuse_known(home.read_issue(issue), candidate.url)
    return add_candidate(
        home, issue, replace(candidate, section=section or candidate.section, why="added by its address")
    )


def add_candidate(home: Publication, issue: str, candidate: Candidate) -> Candidate:
    """Put one candidate at the top of the issue's inbox."""
    from bulletin.issuefile import edit, read

    _refuse_unknown_section(home, candidate.section)
    home.read_issue(issue)

    def put(text: str, path: str) -> str:
        _refuse_known(read(text, path, home.config.vocabulary), candidate.url)
        return edit.add_candidates(text, path, [candidate])

    _edit(home, issue, put)
    return candidate


def ran_in(home: Publication, issue: str, url: str) -> str | None:
    """The newest other issue with an item that leads to this address, if there is one."""
    from bulletin.addresses import same_story_key

    key = same_story_key(url)
    others = home.other_issues(issue)
    ran = (other.id for other in others if any(same_story_key(item.url or "") == key for item in other.items))
    return max(ran, default=None)


def _refuse_unknown_section(home: Publication, section: str | None) -> None:
    known = home.config.vocabulary.sections
    if section and known and section not in known:
        from bulletin.door import closest

        raise BulletinError(f'there is no section "{section}" in bulletin.toml.', hint=closest(section, known))


def _edit(home: Publication, issue: str, change: Callable[[str, str], str]) -> None:
    """Change an issue's text; with nothing written if the issue could not be read afterwards."""
    from bulletin.errors import FileProblems
    from bulletin.issuefile import read

    def readable(text: str, path: str) -> str:
        changed = change(text, path)
        try:
            read(changed, path, home.config.vocabulary)
        except FileProblems as error:
            read(text, path, home.config.vocabulary)  # what was wrong before comes first, with its places
            problem = error.problems[0]
            raise BulletinError(f"{problem.message} {path} stands as it was.", hint=problem.hint) from None
        return changed

    home.edit_issue(issue, readable)


def _refuse_known(file: IssueFile, url: str) -> None:
    from bulletin.addresses import same_story_key

    key = same_story_key(url)
    for item in file.issue.items:
        if item.url and same_story_key(item.url) == key:
            raise BulletinError(f'this address is in the issue already: "{item.title}".')
    for candidate in file.issue.inbox:
        if same_story_key(candidate.url) == key:
            raise BulletinError(
                f'this address is in the inbox already: "{candidate.title}".', hint="See: bulletin pick --list"
            )


@dataclass(frozen=True, slots=True)
class Placed:
    """A candidate that became an item, and what could not be done for it."""

    item: Item
    section: str
    trouble: str = ""


def place(home: Publication, issue: str, url: str, section: str | None, *, with_picture: bool = True) -> Placed:
    """Move the inbox entry of this address into a section; its picture is fetched and made fit for mail."""
    from bulletin import selection
    from bulletin.issuefile import edit

    file = home.read_issue(issue)
    candidate = next((entry for entry in file.issue.inbox if entry.url == url), None)
    if candidate is None:
        raise BulletinError(f"the inbox holds no entry with the address {url}.", hint="See: bulletin pick --list")
    target = section or candidate.section
    known = home.config.vocabulary.sections
    if target is None:
        raise BulletinError(f'say where "{candidate.title}" goes.', hint=f"Add --to and one of: {', '.join(known)}.")
    _refuse_unknown_section(home, target)
    item = selection.item_from(candidate, {item.id for item in file.issue.items})
    image, trouble = _fetch_picture(home, issue, candidate, item.id) if with_picture and candidate.image else (None, "")
    item = replace(item, image=image)
    _edit(home, issue, lambda text, path: edit.place_candidate(text, path, url, target, item))
    return Placed(item, target, trouble)


def skip(home: Publication, issue: str, url: str, why: str) -> None:
    """Turn an inbox entry down, so that it does not come back."""
    from bulletin.issuefile import edit

    _edit(home, issue, lambda text, path: edit.skip_candidate(text, path, url, why))


def _fetch_picture(home: Publication, issue: str, candidate: Candidate, name: str) -> tuple[Image | None, str]:
    from bulletin.pictures import fit_for_mail

    assert candidate.image is not None  # noqa: S101 - the caller has looked
    try:
        data, ending = fit_for_mail(client_for(home).get(candidate.image).body)
    except BulletinError as error:
        return None, f"its picture was left out: {error.message}"
    file = home.free_picture(issue, name, ending)
    write_atomically(home.issue_dir(issue) / file, data)
    return Image(file=file, alt=candidate.image_alt or "[describe this picture]"), ""


# ---------------------------------------------------------------- check and render


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
    _edit(home, issue, put)


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

    _edit(home, issue, put)
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
    versions = (*_translated(home, file), own)
    rendered = []
    for version in versions:
        for audience in audiences_of(file.issue, home.config):
            edition = make_edition(version.issue, version.config, pictures, audience, version.untranslated)
            finished = render_edition(edition, version.config, template_dirs=home.template_dirs, secret=secret)
            for said in {id(version.issue): version.issue, id(file.issue): file.issue}.values():
                gate.check_edition(finished, said, home.config)
            rendered.append(finished)
    return tuple(rendered)


def _translated(home: Publication, file: IssueFile) -> Iterator[Spoken]:
    """The issue in each other language that it has a file for."""
    from bulletin import words
    from bulletin.translations import speak

    for language, translated in home.translations(file).items():
        if translated:
            phrases = words.load(home.template_dirs, language)
            yield speak(file.issue, home.config, translated.translation, language, phrases)


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


# ---------------------------------------------------------------- subscribers


def import_subscribers(
    home: Publication, file: Path, *, basis: str = "", source: str = "", into_list: str = "", dry_run: bool = False
) -> Difference:
    """Take over the readers in a list, or only say what that would do. Nobody who left is brought back (P-21).

    The database is copied first, and lines that cannot be used are kept in a file beside it.
    """
    from bulletin.stores import database, put_copy_aside
    from bulletin.subscribers import importing
    from bulletin.subscribers.audience import domains_of
    from bulletin.subscribers.store import Subscribers
    from bulletin.subscribers.tokens import AddressHashes

    moment = now()
    request = importing.Request(
        path=file,
        now=moment,
        basis=basis,
        source=source,
        into_list=into_list,
        dry_run=dry_run,
        refused_file=home.state_dir / "imports" / f"{file.stem}-{moment:%Y%m%dT%H%M%S%f}.refused.csv",
        known_domains=tuple(sorted({domain for each in home.config.audiences for domain in domains_of(each)})),
    )
    secret = home.secret()
    with database(home.database_url) as engine:
        return importing.run(
            engine,
            Subscribers(engine, secret),
            AddressHashes(secret),
            request,
            backup=lambda connection: put_copy_aside(connection, "import"),
        )


def undo_import(home: Publication) -> Batch:
    """Take the last import back, after a copy of the database was made. Raises `BulletinError` if it cannot be."""
    from bulletin.stores import database, forget_deleted, put_copy_aside
    from bulletin.subscribers import importing

    with database(home.database_url) as engine:
        with engine.begin() as connection:
            put_copy_aside(connection, "undo")
            batch = importing.undo(connection, now())
        forget_deleted(engine)
    return batch


def export_subscribers(home: Publication, out: Path, *, audience: str = "", on_list: str = "", state: str = "") -> int:
    """Write readers to a CSV file that only its owner can read, safe in a spreadsheet (Z-22); how many."""
    from bulletin.stores import database
    from bulletin.subscribers import exporting

    with database(home.database_url) as engine:
        found = exporting.chosen(engine, home.config, audience=audience, on_list=on_list, state=state)
        return exporting.write(out, found)


def members(home: Publication, audience: str) -> Iterator[tuple[Subscriber, str]]:
    """Who reads the edition of an audience, each with the reason."""
    from bulletin.stores import database
    from bulletin.subscribers import exporting

    with database(home.database_url) as engine:
        yield from exporting.members(engine, home.config, audience)


def list_subscribers(home: Publication) -> list[tuple[Subscriber, str]]:
    """All subscribers, each with the audience whose edition they read."""
    from bulletin.subscribers.audience import audience_of

    with subscribers_of(home) as store:
        return [(person, audience_of(person.email, home.config)) for person in store.all()]


def unsubscribe(home: Publication, address: str) -> bool:
    """Take an address off the list at once; whether that changed anything. Raises if it is not known."""
    email = normal_address(address)
    with subscribers_of(home) as store:
        person = store.find(email)
        if person is None:
            raise BulletinError("that address is not on the list.", hint="See: bulletin subscribers list")
        return store.unsubscribe(person.id, now=now(), how="taken off by the publisher")


def normal_address(address: str) -> str:
    """An address in the one form it is kept in. Raises `BulletinError` if it cannot be one."""
    from bulletin.subscribers.address import AddressRefused, normalise

    try:
        return normalise(address)
    except AddressRefused as refusal:
        raise BulletinError(f"{refusal}.", hint="Write it as name@example.org.") from None


def erase_subscriber(home: Publication, address: str, *, reason: str) -> tuple[Path, str, tuple[Path, ...]]:
    """Delete what is held about an address but a keyed hash (P-22): the receipt's path and text, and files to look at.

    Run again after it was stopped it does the rest. Raises `StoppedPartWay` if another program is in the way.
    """
    import json
    import secrets

    from bulletin.stores import database, forget_deleted
    from bulletin.subscribers import erasing
    from bulletin.subscribers.store import Subscribers

    email = normal_address(address)
    if email in reason.lower():
        raise BulletinError(
            "the reason repeats the address.", hint="Give a reason without it; it stays on the receipt."
        )
    with database(home.database_url) as engine:
        erased = Subscribers(engine, home.secret()).erase(email, now=now())
        forget_deleted(engine)
    swept = erasing.sweep(home.state_dir, email, erased)
    number = f"{erased.at:%Y%m%d}-{secrets.token_hex(4)}"
    at = f"{erased.at:%Y-%m-%d %H:%M:%S} UTC"
    data, text = erasing.receipt(number, erased, swept, reason=reason, at=at, publication=home.config.name)
    path = home.state_dir / "receipts" / f"erasure-{number}.txt"
    write_atomically(path.with_suffix(".json"), json.dumps(data, indent=2, ensure_ascii=False).encode(), mode=0o600)
    write_atomically(path, text.encode(), mode=0o600)
    return path, text, swept.left


def show_subscriber(home: Publication, address: str, directory: Path | None = None) -> tuple[str, tuple[Path, ...]]:
    """Everything held about an address (P-24), as text, and the files written of it: one for reading, one as JSON.

    The text is empty if nothing is held. Files get mode 0600 and a name that does not tell the address (Z-23).
    """
    import json

    from bulletin.subscribers.access import as_text

    with subscribers_of(home) as store:
        held = store.holding(normal_address(address))
    if not held:
        return "", ()
    at = now()
    text = as_text(held, publication=home.config.name, at=at)
    if directory is None:
        return text, ()
    whole = {"publication": home.config.name, "written_at": at} | held
    stem = directory / f"reader-{held.get('reader', {}).get('id', 'suppressed')}"
    paths = stem.with_suffix(".json"), stem.with_suffix(".txt")
    content = json.dumps(whole, indent=2, ensure_ascii=False, default=_for_json)
    write_atomically(paths[0], content.encode(), mode=0o600)
    write_atomically(paths[1], text.encode(), mode=0o600)
    return text, paths


def _for_json(value: object) -> str:
    return value.isoformat() if isinstance(value, dt.datetime) else str(value)


def purge(home: Publication, *, dry_run: bool = False) -> dict[str, int]:
    """Delete what was kept long enough by the settings under [retention] (P-26): how many, by what it is."""
    from bulletin.delivery.ledger import Ledger
    from bulletin.stores import database, forget_deleted
    from bulletin.subscribers.store import Subscribers

    kept, moment = home.config.retention, now()
    with database(home.database_url) as engine:
        store, ledger = Subscribers(engine, home.secret()), Ledger(engine)
        logs_before = moment - dt.timedelta(days=round(kept.send_logs_months * 365.25 / 12))
        before = moment - dt.timedelta(days=kept.unconfirmed_days)
        purged = {
            "sign-ups that nobody confirmed": store.expire(before=before, dry_run=dry_run),
            "links that expired": store.forget_links(before=before, dry_run=dry_run),
            "answers of mail servers": ledger.forget_answers(before=logs_before, dry_run=dry_run),
        }
        if any(purged.values()) and not dry_run:
            forget_deleted(engine)
    return purged


@contextmanager
def subscribers_of(home: Publication) -> Iterator[Subscribers]:
    """The publication's subscribers, while the context lasts."""
    from bulletin.stores import database
    from bulletin.subscribers.store import Subscribers

    with database(home.database_url) as engine:
        yield Subscribers(engine, home.secret())


# ---------------------------------------------------------------- send


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sending as it would be, before anything leaves."""

    checked: Checked
    plan: Plan
    to_go: int
    """Messages that would leave now; fewer than planned if a part has left already."""
    really_sends: bool
    """Whether mail would leave this machine."""
    rehearsed_by: frozenset[str] = frozenset()
    """Providers whose copies of this issue never left this machine; real mail goes out in spite of them."""
    rehearsed: int = 0
    """Readers, of those planned, who have such a copy only."""


def prepare_sending(home: Publication, issue: str) -> Prepared:
    """Check the issue, render it and plan who gets which edition. Writes nothing and sends nothing."""
    from bulletin.delivery.ledger import Ledger
    from bulletin.delivery.plan import make_plan
    from bulletin.providers import _provider as providers
    from bulletin.stores import database
    from bulletin.subscribers.store import Subscribers

    checked = check(home, issue)
    if checked.refused:
        raise checked.refused
    own = home.config.language
    rendered = {edition.audience: edition for edition in checked.rendered if edition.language == own}
    translated = tuple(edition for edition in checked.rendered if edition.language != own)
    name = home.config.sending.provider
    with database(home.database_url) as engine:
        readers = Subscribers(engine, home.secret()).all()
        plan = make_plan(issue, rendered, readers, home.config, name, now=now(), translated=translated)
        really_sends = providers.load(name).CAPABILITIES.really_sends
        ledger = Ledger(engine)
        rehearsed_by = frozenset(filter(_keeps_mail_here, ledger.providers(issue))) if really_sends else frozenset()
        rehearsed = ledger.accepted_by(issue, rehearsed_by)
        left = ledger.left(issue) - rehearsed
    planned = {recipient.subscriber for recipient in plan.recipients}
    return Prepared(
        checked, plan, len(planned - left), really_sends, rehearsed_by=rehearsed_by, rehearsed=len(planned & rehearsed)
    )


def _keeps_mail_here(provider: str) -> bool:
    from bulletin.providers import _provider as providers

    try:
        return not providers.load(provider).CAPABILITIES.really_sends
    except BulletinError:  # no longer installed: what it accepted may have left
        return False


def send(
    home: Publication,
    prepared: Prepared,
    *,
    accept_changed: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, planned: None,
) -> Report:
    """Send what was prepared, or what is left of it; how the mailing stands then.

    Raises `StoppedPartWay` when running it again would go on, and `BulletinError` if the issue was changed after its
    first copies left, unless that is accepted.
    """
    from bulletin.delivery import sender as sending

    issue = prepared.checked.file.issue
    refuse_before_embargo(issue.items, now(), home.config.zone, what=f"issue {issue.id} cannot be sent")
    templates = {edition.name: _message(home, edition) for edition in prepared.checked.rendered}
    with _sender(home, on_progress) as sender:
        sending.run(
            sender,
            prepared.plan,
            templates,
            accept_changed=accept_changed,
            rehearsed_by=prepared.rehearsed_by,
        )
    report = report_of(home, prepared.plan.issue)
    assert report is not None  # noqa: S101 - it was started a moment ago
    return report


def send_test(home: Publication, issue: str, address: str) -> list[tuple[str, Outcome | None]]:
    """Send one copy of each edition to an address; the provider's answers by edition. They count for no mailing.

    None stands for an edition that is kept from this address (S-26): it was not sent. Before the end of an embargo no
    copy leaves this machine (S-06).
    """
    from bulletin.delivery import sender as sending
    from bulletin.providers import _provider as providers

    if providers.load(home.config.sending.provider).CAPABILITIES.really_sends:
        items = home.read_issue(issue).issue.items
        refuse_before_embargo(items, now(), home.config.zone, what=f"issue {issue} cannot be sent")
    with _sender(home, lambda done, planned: None) as sender:
        return [
            (
                edition.name,
                sending.send_test(sender, issue, home.config.sending.provider, _message(home, edition), address),
            )
            for edition in render(home, issue)
        ]


def report_of(home: Publication, issue: str) -> Report | None:
    """How the sending of an issue stands; None if it was never started."""
    from bulletin.delivery.report import make_report

    with _ledger_of(home) as ledger:
        standing = ledger.standing(issue)
        return make_report(standing, ledger.refusals(issue), ledger.unknown(issue)) if standing else None


def resolve(home: Publication, issue: str, *, accepted: bool, who: str, subscriber: str | None = None) -> int:
    """A person's word on deliveries whose fate nobody knows: they left, or they are to go out again; how many."""
    with _ledger_of(home) as ledger:
        return ledger.resolve(issue, accepted=accepted, who=who, now=now(), subscriber=subscriber)


@contextmanager
def _sender(home: Publication, on_progress: Callable[[int, int], None]) -> Iterator[Sender]:
    import time

    from bulletin.delivery.sender import Sender
    from bulletin.providers import _provider as providers
    from bulletin.providers._provider import Surroundings
    from bulletin.subscribers.tokens import Links

    provider = providers.load(home.config.sending.provider)
    surroundings = Surroundings(config=home.config, environment=home.environment, outbox_dir=home.outbox_dir, now=now)
    with _ledger_of(home) as ledger, provider.open(surroundings) as session:
        yield Sender(
            config=home.config,
            ledger=ledger,
            session=session,
            capabilities=provider.CAPABILITIES,
            links=Links(home.config.service_url, home.secret()),
            lock=home.state_dir / "sending.lock",
            now=now,
            sleep=time.sleep,
            on_progress=on_progress,
        )


def _message(home: Publication, edition: RenderedEdition) -> MessageTemplate:
    from bulletin.render.message import Envelope, MessageTemplate

    return MessageTemplate(edition, Envelope.of(home.config))


@contextmanager
def _ledger_of(home: Publication) -> Iterator[Ledger]:
    from bulletin.delivery.ledger import Ledger
    from bulletin.stores import database

    with database(home.database_url) as engine:
        yield Ledger(engine)


# ---------------------------------------------------------------- archive


def build_archive(home: Publication, directory: Path) -> tuple[Path, tuple[Issue, ...]]:
    """Build the public pages of all public issues into a folder; the folder and the issues in it.

    The finished files are searched for anything restricted before one of them is written (S-23).
    """
    from bulletin import gate
    from bulletin.archive import site

    issues = [home.read_issue(name).issue for name in home.issue_ids()]
    public = [issue for issue in issues if issue.public]
    for issue in public:
        open_items = (item for item in issue.items if not item.restricted)
        refuse_before_embargo(open_items, now(), home.config.zone, what=f"issue {issue.id} cannot be published")
    pictures = {issue.id: home.pictures(issue) for issue in public}
    outputs = site.build(
        public,
        home.config,
        pictures=pictures,
        picture_bytes=home.picture_bytes,
        template_dirs=home.template_dirs,
        logo=home.logo_bytes(),
    )
    gate.check_public(outputs, issues, home.config)
    site.write(outputs, directory)
    return directory, tuple(public)
