"""Past issues become public pages."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bulletin.errors import LeakError
from bulletin.flow._common import now, translated
from bulletin.markings import refuse_before_embargo
from bulletin.model import Edition, Issue
from bulletin.publication import Publication, write_atomically

if TYPE_CHECKING:
    from bulletin.archive.memory import Known, Memory
    from bulletin.archive.shelf import Shelf
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


def build_archive(home: Publication, directory: Path, *, anew: bool = False) -> Built:
    """Bring the public pages of all public issues in a folder up to date; `anew` makes all of them.

    Only what differs from the build before is made. The finished files are searched for anything restricted before one
    of them is written (S-23); what was kept is searched for what has become restricted since.
    """
    from bulletin.archive import memory

    kept_in = home.state_dir / f"archive-{hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:12]}.json"
    before = memory.Memory() if anew else memory.load(kept_in)
    try:
        return _build(home, directory, before, kept_in)
    except LeakError:
        if not before.parts:
            raise
        # What an issue says openly may be what another keeps: only a look at all of them together can tell.
        return _build(home, directory, memory.Memory(), kept_in)


def _build(home: Publication, directory: Path, before: Memory, kept_in: Path) -> Built:
    from bulletin.archive import memory, site, writing

    reading = _Reading(home)
    shelf, known = _shelf(home, reading, before)
    if before.settings != shelf.settings:
        before = memory.Memory()
    there = writing.files_in(directory) if before.parts and directory.is_dir() else frozenset()
    parts: dict[str, tuple[str, tuple[str, ...]]] = {}
    made: dict[str, bytes] = {}
    for part in site.parts(shelf):
        key, files = before.parts.get(part.name, ("", ()))
        if key != part.key or not there.issuperset(files):
            outputs = part.make()
            made.update(outputs)
            files = tuple(outputs)
        parts[part.name] = (part.key, files)
    whole = {name for _, files in parts.values() for name in files}
    kept = whole - made.keys()

    def kept_files() -> Iterator[tuple[str, bytes]]:
        return ((name, (directory / name).read_bytes()) for name in kept)

    watch = _guard(home, reading, before, known, made=made, kept=kept_files)
    kept_in.unlink(missing_ok=True)  # a build that ends half-way is not to be gone on with
    if kept:
        site.update(made, there - whole, directory)
    else:
        site.write(made, directory)
    after = memory.Memory(shelf.settings, known, parts, watch.to_plain())
    write_atomically(kept_in, memory.dump(after), mode=0o600, lasting=False)
    public = tuple(name for name, one in known.items() if one.cards)
    return Built(directory, public, len(whole), len(made))


class _Reading:
    """Issue files, each read once and only when it is asked for."""

    def __init__(self, home: Publication) -> None:
        self.file = cache(home.read_issue)
        self.translations = cache(lambda name: home.translations(self.file(name)))
        self.pictures = cache(lambda name: home.pictures(self.file(name).issue))
        self.home = home
        self.edition = cache(self._edition)

    def _edition(self, name: str, language: str) -> Edition:
        from bulletin.archive import site

        translations = {tongue: said.translation for tongue, said in self.translations(name).items() if said}
        return site.edition_of(
            self.file(name).issue,
            self.home.config,
            self.pictures(name),
            template_dirs=self.home.template_dirs,
            language=language,
            translations=translations,
        )

    def in_all_words(self, name: str) -> tuple[Issue, ...]:
        """The issue in its own language and in every other."""
        file = self.file(name)
        return (file.issue, *(said.issue for said in translated(self.home, file)))


def _shelf(home: Publication, reading: _Reading, before: Memory) -> tuple[Shelf, dict[str, Known]]:
    """What the site is made from. Of issues that are as they were, only what is remembered is needed."""
    from bulletin import gate
    from bulletin.archive import catalogue, site
    from bulletin.archive.memory import Known

    config = home.config
    languages = (config.language, *config.other_languages)
    logo = home.logo_bytes()
    remembered = before.issues if before.settings == site.settings_key(config, home.template_dirs, logo) else {}
    known: dict[str, Known] = {}
    for name in home.issue_ids():
        print_ = fingerprint(home.issue_dir(name))
        known[name] = remembered.get(name) or Known("", "", {})
        if known[name].print == print_:
            continue
        issue = reading.file(name).issue
        cards = {}
        if issue.public:
            _refuse_too_early(home, issue)
            said = {tongue for tongue, found in reading.translations(name).items() if found} | {config.language}
            cards = {
                language: catalogue.card(issue, reading.edition(name, language), has_page=language in said)
                for language in languages
            }
        known[name] = Known(print_, gate.mark_of(reading.in_all_words(name)), cards)
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


def _guard(
    home: Publication,
    reading: _Reading,
    before: Memory,
    known: Mapping[str, Known],
    *,
    made: Mapping[str, bytes],
    kept: Callable[[], Iterator[tuple[str, bytes]]],
) -> Watch:
    """Refuse what may not be public, in the files that were made and in those that were kept; what was looked for."""
    from bulletin import gate

    if not before.parts:
        watch = gate.watch_for([issue for name in known for issue in reading.in_all_words(name)], home.config)
        gate.check_watched(made, watch, home.config)
        return watch
    changed = {name for name, one in known.items() if before.issues.get(name) != one}
    fresh = gate.watch_for([issue for name in changed for issue in reading.in_all_words(name)], home.config)
    gone = before.issues.keys() - known.keys()
    watch = gate.Watch.from_plain(before.watch).without(changed | gone) | fresh
    gate.check_watched(made, watch, home.config)
    secrets_changed = {
        name
        for name in changed
        if known[name].mark not in ("", before.issues[name].mark if name in before.issues else "")
    }
    gate.check_kept(kept() if secrets_changed else (), fresh.of(secrets_changed))
    return watch
