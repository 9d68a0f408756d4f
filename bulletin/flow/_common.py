"""What every part of the story needs: the clock, the one client, and careful editing of an issue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bulletin import __version__
from bulletin.errors import BulletinError
from bulletin.publication import Publication

if TYPE_CHECKING:
    from bulletin.http import Client
    from bulletin.issuefile import IssueFile
    from bulletin.translations import Spoken


def today(home: Publication) -> dt.date:
    """The day it is in the publication's time zone."""
    return dt.datetime.now(home.config.zone).date()


def now() -> dt.datetime:
    """This moment, in UTC."""
    return dt.datetime.now(dt.UTC)


def client_for(home: Publication) -> Client:
    """The one guarded client, named to the sites it asks (F-01)."""
    from bulletin.http import Client

    contact = home.config.collecting.contact or home.config.organisation.website or home.config.archive_url
    return Client(user_agent=f"bulletin/{__version__} (+{contact})", local_hosts=home.config.collecting.local_hosts)


def edit_issue(home: Publication, issue: str, change: Callable[[str, str], str]) -> None:
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


def translated(home: Publication, file: IssueFile) -> Iterator[Spoken]:
    """The issue in each other language that it has a file for."""
    from bulletin import words
    from bulletin.translations import speak

    for language, translated in home.translations(file).items():
        if translated:
            phrases = words.load(home.template_dirs, language)
            yield speak(file.issue, home.config, translated.translation, language, phrases)
