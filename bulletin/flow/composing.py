"""An issue comes to be: started, filled by sources and by hand, put in order, translated."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bulletin.errors import BulletinError
from bulletin.flow._common import Edited, client_for, edit_issue, now, today
from bulletin.model import Candidate, Image, Item
from bulletin.publication import Publication, open_publication, write_atomically

if TYPE_CHECKING:
    from bulletin.collecting import Finding, Health
    from bulletin.issuefile import IssueFile
    from bulletin.sources import SourceReport


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


@dataclass(frozen=True, slots=True)
class Collected:
    """What collecting did: how each source answered, what is new in the inbox, and what was left out and why."""

    reports: tuple[SourceReport, ...]
    new: tuple[Candidate, ...]
    left_out: tuple[tuple[Candidate, str], ...]
    updated: tuple[tuple[Candidate, str], ...] = ()
    """Those of the left out that ran in an issue and were changed since."""
    unread: tuple[str, ...] = ()
    """Other issues that cannot be read, so that nobody knows which stories ran in them."""


def collect(
    home: Publication, issue: str, *, fresh: bool = False, on_done: Callable[[SourceReport], None] | None = None
) -> Collected:
    """Ask all sources at once and put what is new into the issue's inbox. Running it again changes nothing.

    A source that fails is a report with its reason; it never stops the others (F-11). None is asked twice within an
    hour unless `fresh` (F-08).
    """
    from bulletin import collecting, selection
    from bulletin.issuefile import edit, read

    if not home.config.sources:
        raise BulletinError("bulletin.toml names no sources.", hint="See: bulletin help sources")
    date = home.read_issue(issue).issue.date
    reports = collecting.gather(
        home.config.sources,
        client=client_for(home),
        memory=home.memory_path,
        root=home.root,
        now=now(),
        zone=home.config.zone,
        since=date - dt.timedelta(days=home.config.collecting.days),
        events_from=min(date, today(home)),
        fresh=fresh,
        on_done=on_done,
    )
    others = tuple(home.other_issues(issue))
    with collecting.open_memory(home.memory_path) as memory:
        past = tuple(selection.Past(source=old.source, candidate=old.candidate) for old in memory.offers())
    chosen = selection.Selection()

    def put(text: str, path: str) -> str:
        # Chosen on the very text that is changed: others may have added to it while the sources were asked.
        nonlocal chosen
        now_there = read(text, path, home.config.vocabulary).issue
        chosen = selection.choose(reports, issue=now_there, earlier_issues=others, config=home.config, past=past)
        return edit.add_candidates(text, path, chosen.new)

    edit_issue(home, issue, put)
    unread = sorted(set(home.issue_ids()) - {issue} - {other.id for other in others})
    return Collected(reports, chosen.new, chosen.left_out, chosen.updated, tuple(unread))


def explain(home: Publication, issue: str, url: str) -> tuple[str, ...]:
    """Why the story at an address is offered for an issue, or is not; from memory, nobody is asked."""
    from bulletin import collecting, selection

    with collecting.open_memory(home.memory_path) as memory:
        reports = collecting.remembered(home.config.sources, memory)
        past = tuple(selection.Past(source=old.source, candidate=old.candidate) for old in memory.offers())
    now_there = home.read_issue(issue).issue
    lines = selection.explain(
        url, reports, issue=now_there, earlier_issues=tuple(home.other_issues(issue)), config=home.config, past=past
    )
    if not lines:
        raise BulletinError(
            f"no source has offered {url} so far.", hint="Collect first, or add it by its address: bulletin add ADDRESS"
        )
    return lines


def sources_health(home: Publication) -> tuple[Health, ...]:
    """How each source has been doing. Nothing is asked for it."""
    from bulletin import collecting

    with collecting.open_memory(home.memory_path) as memory:
        return collecting.health_of(home.config.sources, memory.states(), now(), home.config.zone)


def try_source(home: Publication, url: str) -> tuple[Finding, ...]:
    """What a site offers to collect from. Raises `BulletinError` if its address cannot be fetched."""
    from bulletin import collecting

    return collecting.discover(url, client=client_for(home), zone=home.config.zone, today=today(home))


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
        home,
        issue,
        replace(candidate, section=section or candidate.section, why=f"added by its address; {candidate.why}"),
    )


def add_candidate(home: Publication, issue: str, candidate: Candidate) -> Candidate:
    """Put one candidate at the top of the issue's inbox."""
    from bulletin.issuefile import edit, read

    _refuse_unknown_section(home, candidate.section)
    home.read_issue(issue)

    def put(text: str, path: str) -> str:
        _refuse_known(read(text, path, home.config.vocabulary), candidate.url)
        return edit.add_candidates(text, path, [candidate])

    edit_issue(home, issue, put)
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
    edited: Edited | None = None
    """What it takes to take it back."""


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
    edited = edit_issue(home, issue, lambda text, path: edit.place_candidate(text, path, url, target, item))
    return Placed(item, target, trouble, edited)


def skip(home: Publication, issue: str, url: str, why: str) -> Edited:
    """Turn an inbox entry down, so that it does not come back."""
    from bulletin.issuefile import edit

    return edit_issue(home, issue, lambda text, path: edit.skip_candidate(text, path, url, why))


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
