"""Past issues become public pages."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bulletin.errors import BulletinError, LeakError
from bulletin.flow._common import now, spoken
from bulletin.markings import refuse_before_embargo
from bulletin.model import Edition, Issue, Translation
from bulletin.publication import Publication, write_atomically

if TYPE_CHECKING:
    from bulletin.archive.checking import Broken, Page
    from bulletin.archive.memory import Known, Memory
    from bulletin.archive.shelf import Part, Shelf
    from bulletin.gate import Watch


@dataclass(frozen=True, slots=True)
class Built:
    """A built archive."""

    directory: Path
    issues: tuple[str, ...]
    """The public issues, oldest first."""
    files: int
    made: int
    """How many of the files were made anew."""


@dataclass(frozen=True, slots=True)
class Published:
    """A published archive."""

    where: str
    release: str
    files: int
    addresses: int
    """How many addresses it has that were never published before."""
    broken: tuple[Broken, ...]
    """What was wrong with it, if it was published all the same."""


def build_archive(home: Publication, directory: Path, *, anew: bool = False, search: bool = True) -> Built:
    """Bring the public pages of all public issues in a folder up to date; `anew` makes all of them.

    There is a search where its engine is installed, unless `search` is False.

    Only what differs from the build before is made. The finished files are searched for anything restricted before one
    of them is written (S-23); what was kept is searched for what has become restricted since.
    """
    from bulletin.archive import memory

    kept_in = home.state_dir / f"archive-{hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:12]}.json"
    before = memory.Memory() if anew else memory.load(kept_in)
    try:
        return _build(home, directory, before, kept_in, search=search)
    except LeakError:
        if not before.parts:
            raise
        # What an issue says openly may be what another keeps: only a look at all of them together can tell.
        return _build(home, directory, memory.Memory(), kept_in, search=search)


def _build(home: Publication, directory: Path, before: Memory, kept_in: Path, *, search: bool) -> Built:
    from bulletin import gate
    from bulletin.archive import memory, site, writing
    from bulletin.archive.sharing import shared

    reading = _Reading(home)
    shelf, known = _shelf(home, reading, before, search=search)
    if before.settings != shelf.standing:
        before = memory.Memory()
    there = writing.files_in(directory) if before.parts and directory.is_dir() else frozenset()
    watch, secrets = _watch(home, reading, before, known)
    parts = list(site.parts(shelf))
    new = [part for part in parts if not _is_there(part, before, there)]

    def make(part: Part) -> Mapping[str, bytes]:
        outputs = part.make()
        gate.check_watched(outputs, watch, home.config)
        return outputs

    fresh = dict(zip((part.name for part in new), shared(make, new), strict=True))
    files = {part.name: tuple(fresh[part.name]) if part.name in fresh else before.parts[part.name][1] for part in parts}
    made = {name: data for outputs in fresh.values() for name, data in outputs.items()}
    whole = {name for names in files.values() for name in names}
    kept = whole - made.keys()
    gate.check_kept(((name, (directory / name).read_bytes()) for name in kept), watch.of(secrets))
    kept_in.unlink(missing_ok=True)  # a build that ends half-way is not to be gone on with
    if kept:
        site.update({name: data for name, data in made.items() if not _stays(name, there)}, there - whole, directory)
    else:
        site.write(made, directory)
    named = {part.name: (part.key, files[part.name]) for part in parts}
    after = memory.Memory(shelf.standing, known, named, watch.to_plain())
    write_atomically(kept_in, memory.dump(after), mode=0o600, lasting=False)
    public = tuple(name for name, one in known.items() if one.cards)
    return Built(directory, public, len(whole), len(made))


def _stays(name: str, there: frozenset[str]) -> bool:
    """Whether a file is there as it would be written: a story in the search index is named after what it holds."""
    return "/fragment/" in name and name in there


def _is_there(part: Part, before: Memory, there: frozenset[str]) -> bool:
    key, files = before.parts.get(part.name, ("", ()))
    return key == part.key and there.issuperset(files)


class _Reading:
    """Issues, each read once and only when it is asked for."""

    def __init__(self, home: Publication) -> None:
        self.home = home
        self.words: dict[str, tuple[Issue, Mapping[str, Translation]]] = {}
        self.pictures = cache(lambda name: home.pictures(self.issue(name)))
        self.edition = cache(self._edition)

    def read(self, name: str) -> tuple[Issue, Mapping[str, Translation]]:
        """An issue and its words in other languages."""
        if name not in self.words:
            file = self.home.read_issue(name)
            said = self.home.translations(file)
            self.words[name] = file.issue, {tongue: one.translation for tongue, one in said.items() if one}
        return self.words[name]

    def issue(self, name: str) -> Issue:
        """An issue."""
        return self.read(name)[0]

    def _edition(self, name: str, language: str) -> Edition:
        from bulletin.archive import site

        issue, translations = self.read(name)
        return site.edition_of(
            issue,
            self.home.config,
            self.pictures(name),
            template_dirs=self.home.template_dirs,
            language=language,
            translations=translations,
        )

    def in_all_words(self, name: str) -> tuple[Issue, ...]:
        """The issue in its own language and in every other."""
        issue, translations = self.read(name)
        return (issue, *(said.issue for said in spoken(self.home, issue, translations)))


def _shelf(home: Publication, reading: _Reading, before: Memory, *, search: bool) -> tuple[Shelf, dict[str, Known]]:
    """What the site is made from. Of issues that are as they were, only what is remembered is needed."""
    from bulletin import gate
    from bulletin.archive import catalogue, site
    from bulletin.archive.memory import Known
    from bulletin.archive.search import has_engine
    from bulletin.archive.sharing import shared

    config = home.config
    languages = (config.language, *config.other_languages)
    logo = home.logo_bytes()
    remembered = before.issues if before.settings == site.settings_key(config, home.template_dirs, logo) else {}
    prints = {name: fingerprint(home.issue_dir(name)) for name in home.issue_ids()}
    known = {name: remembered[name] for name in prints if name in remembered and remembered[name].print == prints[name]}
    changed = [name for name in prints if name not in known]

    def learn(name: str) -> tuple[Known, tuple[Issue, Mapping[str, Translation]]]:
        issue, translations = reading.read(name)
        cards = {}
        if issue.public:
            _refuse_too_early(home, issue)
            cards = {
                language: catalogue.card(
                    issue,
                    reading.edition(name, language),
                    has_page=language == config.language or language in translations,
                )
                for language in languages
            }
        return Known(prints[name], gate.mark_of(reading.in_all_words(name)), cards), (issue, translations)

    for name, (one, said) in zip(changed, shared(learn, changed), strict=True):
        known[name], reading.words[name] = one, said
    known = {name: known[name] for name in prints}
    tongues = tuple(
        site.tongue_of(
            config, language, home.template_dirs, [one.cards[language] for one in known.values() if one.cards]
        )
        for language in languages
    )
    shelf = site.shelf_of(
        config=config,
        tongues=tongues,
        template_dirs=home.template_dirs,
        prints={name: one.print for name, one in known.items() if one.cards},
        editions=reading.edition,
        read=home.picture_bytes,
        logo=logo,
        with_search=search and has_engine(),
    )
    return shelf, known


def _refuse_too_early(home: Publication, issue: Issue) -> None:
    open_items = (item for item in issue.items if not item.restricted)
    refuse_before_embargo(open_items, now(), home.config.zone, what=f"issue {issue.id} cannot be published")


def fingerprint(folder: Path) -> str:
    """A digest of an issue's folder: what its YAML files hold, and size and time of every other file."""
    whole = hashlib.sha256()
    for path in sorted(_files(str(folder))):
        whole.update(os.path.relpath(path, folder).encode())
        if path.endswith(".yaml"):
            whole.update(Path(path).read_bytes())
        else:
            facts = os.stat(path)
            whole.update(f"{facts.st_size} {facts.st_mtime_ns}".encode())
    return whole.hexdigest()[:20]


def _files(folder: str) -> Iterator[str]:
    for entry in os.scandir(folder):
        if entry.is_dir():
            yield from _files(entry.path)
        else:
            yield entry.path


def _watch(
    home: Publication, reading: _Reading, before: Memory, known: Mapping[str, Known]
) -> tuple[Watch, frozenset[str]]:
    """What the leak gate has to look for, and the issues in which something has become secret since the last build."""
    from bulletin import gate

    changed = [name for name, one in known.items() if before.issues.get(name) != one]
    fresh = gate.watch_for([issue for name in changed for issue in reading.in_all_words(name)], home.config)
    if not before.parts:
        return fresh, frozenset()
    gone = before.issues.keys() - known.keys()
    watch = gate.Watch.from_plain(before.watch).without({*changed, *gone}) | fresh
    marks = {name: one.mark for name, one in before.issues.items()}
    return watch, frozenset(name for name in changed if known[name].mark not in {"", marks.get(name, "")})


# ---------------------------------------------------------------- looking after it


def check_archive(home: Publication, directory: Path) -> tuple[Broken, ...]:
    """The links in a built archive that lead nowhere, and every address ever published that is not there any more."""
    from bulletin.archive import checking

    return checking.broken(_read_site(home, directory), published_addresses(home))


def published_addresses(home: Publication) -> tuple[str, ...]:
    """Every address that was ever published, from a file that belongs with the issues, in version control."""
    path = home.published_path
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    return tuple(line for line in lines if line and not line.startswith("#"))


def publish_archive(home: Publication, where: str, *, dry_run: bool = False, anyway: bool = False) -> Published:
    """Build, check and publish the archive; with `dry_run` only say what would be done.

    All finished files are searched for anything restricted once more, with nothing taken from memory. Raises
    `BulletinError` if an address that was published once would be gone, or a link lead nowhere, unless `anyway`.
    """
    from bulletin import gate
    from bulletin.archive import checking, publishing, writing

    place = publishing.place_for(where, home.root)
    built = build_archive(home, home.archive_dir)
    reading = _Reading(home)
    issues = [issue for name in home.issue_ids() for issue in reading.in_all_words(name)]
    names = sorted(writing.files_in(built.directory))
    gate.check_public({name: (built.directory / name).read_bytes() for name in names}, issues, home.config)
    site = _read_site(home, built.directory)
    before = published_addresses(home)
    wrong = checking.broken(site, before)
    if wrong and not anyway:
        more = f"\nand {len(wrong) - 20} more" if len(wrong) > 20 else ""
        raise BulletinError(
            "the archive was not published: " + ";\n".join(map(str, wrong[:20])) + f"{more}.",
            hint='Write the earlier id of a story, or name of an issue, under "formerly" where it is now. '
            "To publish all the same: --anyway",
        )
    prefixes = ("", *(f"{language.lower()}/" for language in home.config.other_languages))
    public = {issue.id for issue in issues if issue.public}
    named = public | {name for issue in issues if issue.public for name in issue.formerly}
    new = checking.lasting(site, named, prefixes) - set(before)
    release = now().strftime("%Y%m%dT%H%M%SZ")
    if not dry_run:
        place.put(built.directory, release)
        lines = [_PUBLISHED_NOTE, *sorted({*before, *new})]
        write_atomically(home.published_path, ("\n".join(lines) + "\n").encode())
    return Published(where, release, len(names), len(new), wrong)


def roll_back_archive(home: Publication, where: str) -> str:
    """Go back to the archive that was published before; the name of that one."""
    from bulletin.archive import publishing

    return publishing.place_for(where, home.root).back()


@dataclass(frozen=True, slots=True)
class TakenOver:
    """An earlier issue that became an issue file, or would."""

    source: Path
    issue: str
    title: str
    date: dt.date
    stories: int
    """How many stories were found in it; none if it is there as a document."""
    is_new: bool
    """Whether it was not there before."""


def import_past(
    home: Publication,
    paths: Sequence[Path],
    *,
    section: str | None = None,
    title: str | None = None,
    date: dt.date | None = None,
    dry_run: bool = False,
) -> tuple[tuple[TakenOver, ...], tuple[BulletinError, ...]]:
    """Make issue files of saved web pages and PDFs; what became of each, and what is wrong with the others.

    A folder stands for the pages and PDFs in it. What was taken over before, told by day and title, is left alone. No
    issue made here is public.
    """
    from bulletin.archive import past

    sections = home.config.vocabulary.sections
    where = section or (sections[0] if sections else "news")
    if sections and where not in sections:
        raise BulletinError(f'there is no section "{where}".', hint=f"There are: {', '.join(sections)}.")
    known = {(issue.title, issue.date): issue.id for issue in map(_Reading(home).issue, home.issue_ids())}
    taken = set(home.issue_ids())
    done: list[TakenOver] = []
    wrong: list[BulletinError] = []
    for path in _past_files(paths):
        try:
            found = past.read(path.read_bytes(), path.name, title=title, date=date)
        except BulletinError as error:
            wrong.append(error)
            continue
        before = known.get((found.title, found.date))
        name = before or past.issue_id(found, taken)
        done.append(TakenOver(path, name, found.title, found.date, len(found.stories), before is None))
        if before or dry_run:
            taken.add(name)
            continue
        known[found.title, found.date] = name
        taken.add(name)
        if found.document:
            write_atomically(home.issue_dir(name) / past.DOCUMENT, found.document)
        write_atomically(home.issue_path(name), past.issue_text(found, name, where).encode())
    return tuple(done), tuple(wrong)


def _past_files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(one for one in path.iterdir() if one.suffix.lower() in {".html", ".htm", ".pdf"})
        elif path.is_file():
            yield path
        else:
            raise BulletinError(f"there is no file {path}.", hint="Name saved web pages, PDFs, or a folder of them.")


def _read_site(home: Publication, directory: Path) -> Mapping[str, Page]:
    from bulletin.archive import checking, writing

    names = sorted(writing.files_in(directory)) if directory.is_dir() else []
    if not names:
        raise BulletinError(f"there is no archive in {home.shown(directory)}.", hint="Build it first: bulletin archive")
    organisation, service = home.config.organisation, home.config.service_url
    outside = {organisation.website, organisation.privacy_url, f"{service}sign-up", service}
    files = ((name, (directory / name).read_bytes()) for name in names)
    return checking.read_pages(
        files, home.config.archive_url, {one for one in outside - {home.config.archive_url} if one}
    )


_PUBLISHED_NOTE = "# Every web address the archive was published with. They have to work for ever: keep this file."
