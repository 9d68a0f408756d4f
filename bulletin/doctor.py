"""What is set up and what is not, before anything is sent: one line for each thing, with what to do about it.

What stands on this machine is read here; `outside` asks about the rest. Nothing is changed, and no secret is ever
repeated.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
import os
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bulletin.addresses import mailto
from bulletin.domains._line import Line, State
from bulletin.errors import BulletinError
from bulletin.model import EVERYONE
from bulletin.providers._provider import Surroundings, only_tries, way_of
from bulletin.providers._provider import load as load_provider
from bulletin.publication import DATABASE_VARIABLE, SECRET_VARIABLE, Publication

if TYPE_CHECKING:
    from bulletin.outside import Outside

__all__ = ["LIBRARIES", "Line", "State", "examine"]

_PASSWORDS_END: Final = ("smtp.office365.com", "smtp-mail.outlook.com", "outlook.office365.com")
"""Hosts of Exchange Online, where log-in by password goes away (B-09)."""

OLDEST_PYTHON: Final = (3, 11)
LIBRARIES: Final = (
    *(
        "click",
        "jinja2",
        "mjml",
        "premailer",
        "feedparser",
        "requests",
        "ruamel.yaml",
        "_ruamel_yaml",
        "pydantic",
        "markdown_it",
    ),
    *("linkify_it", "nh3", "selectolax", "tinycss2", "dateutil", "PIL", "icalendar", "feedgenerator"),
    *("sqlalchemy", "alembic", "filelock", "dns", "dkim", "hunspell", "readability"),
    *("protego", "pebble", "starlette", "uvicorn", "rich", "platformdirs", "cssutils", "urllib3", "idna"),
    *("email_validator", "charset_normalizer", "openpyxl", "pypdf", "fontpkg_source_sans_3"),
    *("lxml", "rapidfuzz", "htmldate", "recurring_ical_events", "textual", "imapclient", "httptools"),
)
"""What `pyproject.toml` asks for, by the names they are imported under."""


def examine(home: Publication, outside: Outside | None = None) -> tuple[Line, ...]:
    """Everything about a publication and this machine that sending an issue will need, in the order to mend it.

    Without `outside` nobody is asked. What fails out there is only worth a look while mail goes to files.
    """
    settings = Line(State.PASS, f"Settings: {home.settings_file} is complete and can be read.")
    parts = (_people, _pages, _provider, _templates, _issues, _kept_state, _mail)
    asked: tuple[Line, ...] = ()
    if outside is not None:
        from bulletin.outside import examine as ask

        worst = _unfinished(home)
        found = ask(home, outside, is_example=_is_example)
        asked = tuple(replace(line, state=worst) if line.state is State.FAIL else line for line in found)
    return (*_machine(), settings, *(line for part in parts for line in _as_far_as_it_goes(part, home)), *asked)


def _as_far_as_it_goes(part: Callable[[Publication], Iterator[Line]], home: Publication) -> Iterator[Line]:
    """What a part finds; a file that it may not read is one more thing found."""
    try:
        yield from part(home)
    except OSError as error:
        file = home.shown(Path(str(error.filename))) if error.filename else "A file"
        yield Line(State.FAIL, f"{file}: {error.strerror}.", "Look at the rights of the file and of its folder.")


# ---------------------------------------------------------------- the machine


def _machine() -> Iterator[Line]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        yield Line(State.FAIL, f"Python: this is {version}.", "Install Python 3.11 or newer.")
    else:
        yield Line(State.PASS, f"Python: {version}.")
    broken = [f"{name} ({reason})" for name in LIBRARIES if (reason := _trouble_with(name))]
    if broken:
        yield Line(State.FAIL, f"Libraries: cannot be used: {', '.join(broken)}.", "Install bulletin again, with pip.")
    else:
        yield Line(State.PASS, f"Libraries: all {len(LIBRARIES)} are there.")


def _trouble_with(library: str) -> str:
    try:
        importlib.import_module(library)
    except ImportError as error:
        return str(error)
    return ""


# ---------------------------------------------------------------- what readers see


def _people(home: Publication) -> Iterator[Line]:
    sender, organisation = home.config.sender, home.config.organisation
    unfinished = _unfinished(home)
    if _is_example(sender.address):
        yield Line(unfinished, f"Sender: {sender.address} is an example.", 'Put your own into [sender], "address".')
    else:
        yield Line(State.PASS, f"Sender: {sender.name} <{sender.address}>.")
    if sender.reply_to is None:
        hint = 'Name a mailbox that somebody reads in [sender], "reply_to".'
        yield Line(State.LOOK, "Answers: they go to the sender's address.", hint)
    elif _is_example(sender.reply_to):
        hint = 'Name a mailbox that somebody reads in [sender], "reply_to".'
        yield Line(unfinished, f"Answers: {sender.reply_to} is an example.", hint)
    else:
        yield Line(State.PASS, f"Answers: they go to {sender.reply_to}.")
    if not organisation.postal_address.strip() or "example" in organisation.postal_address.lower():
        hint = 'Put the real one into [organisation], "postal_address".'
        yield Line(unfinished, f'Postal address: "{organisation.postal_address}" is an example.', hint)
    else:
        yield Line(State.PASS, f"Postal address: {organisation.postal_address}.")


def _pages(home: Publication) -> Iterator[Line]:
    organisation, web = home.config.organisation, home.config.web
    unfinished = _unfinished(home)
    if organisation.privacy_url is None:
        hint = 'Readers must be told what you do with their data. Put its address into [organisation], "privacy_url".'
        yield Line(unfinished, "Privacy notice: none is named.", hint)
    else:
        yield _address("Privacy notice", organisation.privacy_url, '[organisation], "privacy_url"', unfinished)
    yield _address("Archive", web.archive_url, '[web], "archive_url"', unfinished)
    if web.service_url:
        yield _address("Unsubscribe page", web.service_url, '[web], "service_url"', unfinished)


def _address(name: str, url: str, key: str, unfinished: State) -> Line:
    """A web address that every reader can open (L-01)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host == "localhost" or host.startswith("127.") or host == "::1":
        return Line(unfinished, f"{name}: {url} is on this machine, where readers cannot reach it.", f"Change {key}.")
    if parts.scheme != "https":
        return Line(
            unfinished, f"{name}: {url} is not encrypted.", f"Use an address that starts with https:// in {key}."
        )
    if _is_example(host):
        return Line(unfinished, f"{name}: {url} is an example.", f"Put your own into {key}.")
    return Line(State.PASS, f"{name}: {url}")


def _is_example(address: str) -> bool:
    """Whether a mail address or host is one of those set apart for examples (RFC 2606)."""
    return bool(re.search(r"(^|[.@])(example\.(org|com|net)|example|test|invalid)$", address.lower()))


def _unfinished(home: Publication) -> State:
    """What an example left in the settings means: nothing bad while mail goes to files only."""
    try:
        sends = load_provider(home.config.sending.provider).CAPABILITIES.really_sends
    except BulletinError:
        sends = True
    return State.FAIL if sends else State.LOOK


# ---------------------------------------------------------------- sending


def _provider(home: Publication) -> Iterator[Line]:
    """The way out, opened once: that reads its settings and looks for its keys, and asks nobody."""
    name = home.config.sending.provider
    try:
        provider = load_provider(name)
    except BulletinError as error:
        yield Line(State.FAIL, f"Provider: {error.message}", f'{error.hint} It is named in [sending], "provider".')
        return
    if not provider.CAPABILITIES.really_sends:
        hint = "That is right for trying things out. See: bulletin help sending"
        yield Line(State.LOOK, f"Provider: {name}, which writes files and sends nothing.", hint)
        return
    surroundings = Surroundings(
        config=home.config,
        environment=home.environment,
        secret=home.secret,
        outbox_dir=home.root,
        now=lambda: dt.datetime.now(dt.UTC),
    )
    try:
        with provider.open(surroundings):
            yield Line(
                State.PASS, f"Provider: {name}; its settings and keys are there. Nobody was asked whether they fit."
            )
        if only_tries(provider, name, surroundings):
            hint = "That is right for trying things out. See: bulletin help providers"
            yield Line(State.LOOK, f"Trials: {name} is told to take mail and to deliver none.", hint)
        if provider.CAPABILITIES.text_only:
            hint = "Readers get the plain text alone. See: bulletin help providers"
            yield Line(State.LOOK, f"Design: it is lost, for {name} carries words only.", hint)
    except BulletinError as error:
        yield Line(State.FAIL, f"Provider {name}: {error.message}", error.hint)
        return
    given = home.config.providers.get(name, {})
    by_password = given.get("user") and not given.get("client")
    if by_password and way_of(provider, home.config).host.lower() in _PASSWORDS_END:
        hint = "Have an app log in instead. See: bulletin help mail-server"
        what = "Log-in: Microsoft 365 takes passwords until the end of 2026, and then only if switched on again."
        yield Line(State.LOOK, what, hint)


def _mail(home: Publication) -> Iterator[Line]:
    """A specimen of our mail, as a receiver sees it (B-02)."""
    from bulletin.domains import message

    try:
        specimen = _specimen(home)
    except BulletinError as error:
        yield Line(State.FAIL, f"Form of the mail: {error.message}", error.hint, "B-02 RFC 5322 format")
        return
    for line in (message.form(specimen), message.one_click(specimen)):
        yield replace(line, state=_unfinished(home)) if line.state is State.FAIL else line


def _specimen(home: Publication) -> bytes:
    """A message with the publication's own headers and next to no words. Raises `BulletinError`."""
    from bulletin.model import PERSONAL_FIELDS, Letter, RenderedEdition
    from bulletin.render.message import Envelope, MessageTemplate, make_message_id

    config = home.config
    markers = {name: f"specimen{number}" for number, name in enumerate(PERSONAL_FIELDS)}
    link = f"{config.service_url}unsubscribe/{'x' * 60}"
    if config.leave_by_mail:
        link = mailto(config.leave_by_mail, f"unsubscribe {'x' * 60}")
    rendered = RenderedEdition(
        issue="specimen",
        audience=EVERYONE,
        language=config.language,
        subject=config.name,
        html=f'<p><a href="{markers["unsubscribe_url"]}">Unsubscribe</a></p>',
        text=markers["unsubscribe_url"],
        markers=markers,
        digest="0" * 64,
    )
    personal = {"unsubscribe_url": link, "preferences_url": link, "address": config.sender.address}
    letter = Letter(
        key="specimen",
        number=1,
        address=config.sender.address,
        personal=personal,
        message_id=make_message_id("specimen", config.sender.address),
    )
    return MessageTemplate(rendered, Envelope.of(config)).fill(letter, date=dt.datetime.now(dt.UTC))


# ---------------------------------------------------------------- files


def _templates(home: Publication) -> Iterator[Line]:
    missing = [
        folder for folder in ("mail", "archive") if not any((top / folder).is_dir() for top in home.template_dirs)
    ]
    if missing:
        hint = "Put the folder back, or install bulletin again."
        yield Line(State.FAIL, f"Theme: no templates for {' and '.join(missing)}.", hint)
    else:
        own = len(home.template_dirs) > 1
        yield Line(State.PASS, "Theme: your own templates over the starter's." if own else "Theme: the starter theme.")


def _issues(home: Publication) -> Iterator[Line]:
    ids = home.issue_ids()
    if not ids:
        yield Line(State.LOOK, "Issues: there is none yet.", "Start one: bulletin new 2024-06")
        return
    broken = 0
    for name in ids:
        try:
            home.read_issue(name)
        except (BulletinError, OSError) as error:
            broken += 1
            reason = error.message if isinstance(error, BulletinError) else f"{error.strerror or error}.".lower()
            yield Line(State.FAIL, f"Issue {name}: {reason}", f"See: bulletin check {name}")
    if not broken:
        yield Line(State.PASS, f"Issues: {len(ids)}, all readable, {ids[-1]} the newest.")
    yield _schema(home)


def _schema(home: Publication) -> Line:
    """Whether editors complete issue files with this publication's present sections and topics."""
    from bulletin import starting

    path = home.issues_dir / starting.SCHEMA_FILE
    shown = home.shown(path)
    hint = "bulletin new writes it together with the next issue."
    if not path.is_file():
        return Line(State.LOOK, f"Completion in your editor: {shown} is missing.", hint)
    try:
        current = json.loads(path.read_bytes()) == starting.issue_schema(home.config)
    except ValueError:
        current = False
    if current:
        return Line(State.PASS, f"Completion in your editor: {shown} is up to date.")
    return Line(State.LOOK, f"Completion in your editor: {shown} does not know your latest settings.", hint)


def _kept_state(home: Publication) -> Iterator[Line]:
    # Publication.state_dir makes the folder, and a doctor changes nothing.
    folder = home.root / ".bulletin"
    given = home.environment.get(SECRET_VARIABLE)
    if given:
        if len(given) < 32:
            yield Line(
                State.FAIL, f"Secret: {SECRET_VARIABLE} is too short to be safe.", "Use at least 32 random characters."
            )
        else:
            yield Line(State.PASS, f"Secret: from {SECRET_VARIABLE}.")
    elif (folder / "secret").is_file():
        yield _private("Secret", folder / "secret", home)
    else:
        yield Line(State.PASS, "Secret: not made yet; the first preview or sending makes it.")
    if home.environment.get(DATABASE_VARIABLE):
        yield Line(
            State.PASS, f"Readers and deliveries: in the database that {DATABASE_VARIABLE} names. It was not asked."
        )
    elif (folder / "bulletin.db").is_file():
        yield _database(folder / "bulletin.db", home)
    else:
        yield Line(State.PASS, "Readers and deliveries: none yet; the first import of subscribers makes the database.")


def _database(path: Path, home: Publication) -> Line:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=2)) as database:
            answer = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        answer = str(error)
    if answer != "ok":
        hint = "Keep the file, and put the last good copy in its place."
        return Line(State.FAIL, f"Readers and deliveries: {home.shown(path)} cannot be used ({answer}).", hint)
    return _private("Readers and deliveries", path, home)


def _private(name: str, path: Path, home: Publication) -> Line:
    """Whether only its owner may read a file (Z-23)."""
    shown = home.shown(path)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        return Line(State.FAIL, f"{name}: others on this machine may read {shown}.", f"Close it: chmod 600 {shown}")
    return Line(State.PASS, f"{name}: in {shown}, readable by you only.")
