"""What every part of the story needs: the clock, the one client, and careful editing of an issue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulletin import __version__
from bulletin.errors import BulletinError
from bulletin.model import Issue, Translation
from bulletin.publication import Publication

if TYPE_CHECKING:
    from bulletin.http import Client
    from bulletin.issuefile import IssueFile
    from bulletin.providers._provider import Surroundings
    from bulletin.translations import Spoken


def today(home: Publication) -> dt.date:
    """The day it is in the publication's time zone."""
    return dt.datetime.now(home.config.zone).date()


def now() -> dt.datetime:
    """This moment, in UTC."""
    return dt.datetime.now(dt.UTC)


def surroundings(home: Publication) -> Surroundings:
    """What a provider may need of the publication."""
    from bulletin.providers._provider import Surroundings

    return Surroundings(
        config=home.config, environment=home.environment, secret=home.secret, outbox_dir=home.outbox_dir, now=now
    )


def client_for(home: Publication) -> Client:
    """The one guarded client, named to the sites it asks (F-01)."""
    from bulletin.http import Client

    contact = home.config.collecting.contact or home.config.organisation.website or home.config.archive_url
    return Client(user_agent=f"bulletin/{__version__} (+{contact})", local_hosts=home.config.collecting.local_hosts)


@dataclass(frozen=True, slots=True)
class Edited:
    """A change of an issue's text that can be taken back as long as nobody changed it further."""

    before: str = field(repr=False)
    after: str = field(repr=False)


def edit_issue(home: Publication, issue: str, change: Callable[[str, str], str]) -> Edited:
    """Change an issue's text; with nothing written if the issue could not be read afterwards."""
    from bulletin.errors import FileProblems
    from bulletin.issuefile import read

    done = Edited("", "")

    def readable(text: str, path: str) -> str:
        nonlocal done
        changed = change(text, path)
        done = Edited(text, changed)
        try:
            read(changed, path, home.config.vocabulary)
        except FileProblems as error:
            read(text, path, home.config.vocabulary)  # what was wrong before comes first, with its places
            problem = error.problems[0]
            raise BulletinError(f"{problem.message} {path} stands as it was.", hint=problem.hint) from None
        return changed

    home.edit_issue(issue, readable)
    return done


def translated(home: Publication, file: IssueFile) -> Iterator[Spoken]:
    """The issue in each other language that it has a file for."""
    said = {language: one.translation for language, one in home.translations(file).items() if one}
    return spoken(home, file.issue, said)


def spoken(home: Publication, issue: Issue, translations: Mapping[str, Translation]) -> Iterator[Spoken]:
    """The issue in each language that there are words in."""
    from bulletin import words
    from bulletin.translations import speak

    for language, translation in translations.items():
        yield speak(issue, home.config, translation, language, words.load(home.template_dirs, language))


def take_back(home: Publication, issue: str, edited: Edited) -> None:
    """Put an issue's text back as it was before a change. Raises `BulletinError` if it was changed further since."""

    def put(text: str, path: str) -> str:
        if text != edited.after:
            raise BulletinError(
                f"{path} was changed since, so this cannot be taken back.", hint="Change it in your editor."
            )
        return edited.before

    home.edit_issue(issue, put)
