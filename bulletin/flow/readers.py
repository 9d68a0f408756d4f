"""Readers come in and go out, and see what is held about them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bulletin.errors import BulletinError
from bulletin.flow._common import now
from bulletin.publication import Publication, write_atomically

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from bulletin.config import ListSetting
    from bulletin.render.message import ServiceMessage
    from bulletin.subscribers.desk import Desk
    from bulletin.subscribers.exporting import Listed
    from bulletin.subscribers.importing import Batch, Difference
    from bulletin.subscribers.mails import ServiceMail, ServiceMails
    from bulletin.subscribers.store import Subscribers


def import_subscribers(
    home: Publication, file: Path, *, basis: str = "", source: str = "", into_list: str = "", dry_run: bool = False
) -> Difference:
    """Take over the readers in a list, or only say what that would do. Nobody who left is brought back (P-21).

    The database is copied first, and lines that cannot be used are kept in a file beside it.
    """
    from bulletin.stores import database, put_copy_aside
    from bulletin.subscribers import importing
    from bulletin.subscribers.belonging import domains_of
    from bulletin.subscribers.store import Subscribers
    from bulletin.subscribers.tokens import AddressHashes

    if into_list:
        _described(home, into_list)
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
        known_lists=tuple(each.id for each in home.config.lists),
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
    from bulletin.subscribers import exporting

    return exporting.write(out, list_subscribers(home, audience=audience, on_list=on_list, state=state))


def list_subscribers(home: Publication, *, audience: str = "", on_list: str = "", state: str = "") -> Iterator[Listed]:
    """The readers chosen, or all, each with their lists and the audience whose edition they read."""
    from bulletin.subscribers import exporting

    choice = exporting.Choice(audience=audience, on_list=on_list, state=state)
    with _readers(home) as engine:
        yield from exporting.listed(engine, home.config, choice)


def members(home: Publication, audience: str, *, on_list: str = "") -> Iterator[tuple[str, str, str]]:
    """Who would get the edition of an audience now: address, name and why they belong to it."""
    from bulletin.subscribers import exporting

    with _readers(home) as engine:
        yield from exporting.members(engine, home.config, exporting.Choice(audience=audience, on_list=on_list), now())


def withheld(home: Publication, audience: str, *, on_list: str = "") -> dict[str, int]:
    """How many of an audience would get nothing now, by the reason in one word."""
    from bulletin.subscribers import exporting

    with _readers(home) as engine:
        return exporting.withheld(engine, home.config, exporting.Choice(audience=audience, on_list=on_list), now())


def lists(home: Publication) -> list[tuple[str, ListSetting | None, int, int]]:
    """Each list with its setting, how many readers are on it and how many of those are subscribed.

    Those of the settings come first, in their order; a list that only the database knows has no setting.
    """
    with subscribers_of(home) as store:
        counts = store.list_counts()
    described = {known.id: known for known in home.config.lists}
    return [(name, described.get(name), *counts.get(name, (0, 0))) for name in dict.fromkeys([*described, *counts])]


def put_on_list(home: Publication, name: str, addresses: Iterable[str]) -> int:
    """Put known readers on a list of the settings; how many were not on it. All of them, or none."""
    _described(home, name)
    emails = [normal_address(address) for address in addresses]
    with subscribers_of(home) as store:
        return store.put_on_list(emails, name, now=now(), how="put on the list by the publisher")


def take_off_list(home: Publication, name: str, addresses: Iterable[str]) -> int:
    """Take known readers off one list; how many were on it."""
    emails = [normal_address(address) for address in addresses]
    with subscribers_of(home) as store:
        if name not in store.list_counts():
            _described(home, name)
        return store.take_off_list(emails, name, now=now(), how="taken off the list by the publisher")


def _described(home: Publication, name: str) -> None:
    """A slip of the pen in the name of a list must not make a new one."""
    from bulletin.door import closest

    known = [each.id for each in home.config.lists]
    if name not in known:
        hint = closest(name, known) or f'Describe it in bulletin.toml first:\n[[lists]]\nid = "{name}"\ntitle = "…"'
        raise BulletinError(f'there is no list "{name}".', hint=hint)


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
    from bulletin.subscribers.access import as_json, as_text

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
    write_atomically(paths[0], as_json(whole).encode(), mode=0o600)
    write_atomically(paths[1], text.encode(), mode=0o600)
    return text, paths


def purge(home: Publication, *, dry_run: bool = False) -> dict[str, int]:
    """Delete what was kept long enough by the settings under [retention] (P-26): how many, by what it is."""
    from bulletin.delivery.eventlog import EventLog
    from bulletin.delivery.ledger import Ledger
    from bulletin.stores import database, forget_deleted
    from bulletin.subscribers.store import Subscribers

    kept, moment = home.config.retention, now()
    with database(home.database_url) as engine:
        store, ledger = Subscribers(engine, home.secret()), Ledger(engine)
        logs_before, events_before = (
            moment - dt.timedelta(days=round(months * 365.25 / 12))
            for months in (kept.send_logs_months, kept.events_months)
        )
        before = moment - dt.timedelta(days=kept.unconfirmed_days)
        purged = {
            "sign-ups that nobody confirmed": store.expire(before=before, dry_run=dry_run),
            "links that expired": store.forget_links(before=before, dry_run=dry_run),
            "answers of mail servers": ledger.forget_answers(before=logs_before, dry_run=dry_run),
            "reports of what became of mails": EventLog(engine).forget(before=events_before, dry_run=dry_run),
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


@dataclass(frozen=True, slots=True)
class Reception:
    """What the pages for readers work with."""

    subscribers: Subscribers
    desk: Desk
    mails: ServiceMails
    wake: Callable[[], None]
    """Call it when somebody asked for something, so that it is answered at once."""


@contextmanager
def reception(home: Publication) -> Iterator[Reception]:
    """The stores behind the pages, and a thread that answers what readers ask for there, while the context lasts.

    Any number of processes may do this beside each other. What one leaves behind, the next one does.
    """
    import threading

    from bulletin.stores import database
    from bulletin.subscribers.desk import Desk
    from bulletin.subscribers.mails import ServiceMails
    from bulletin.subscribers.store import Subscribers

    awake, ending = threading.Event(), threading.Event()
    with database(home.database_url) as engine:
        subscribers = Subscribers(engine, home.secret())
        made = Reception(subscribers, Desk(engine, home.secret(), subscribers), ServiceMails(engine), awake.set)

        def work() -> None:
            forgot = None
            while not ending.is_set():
                _calmly(answer_readers, home, made)
                if forgot is None or now() - forgot > FORGET_EVERY:
                    _calmly(forget_wishes, home, made)
                    forgot = now()
                awake.wait(ANSWER_EVERY_S)
                awake.clear()

        thread = threading.Thread(target=work, name="answers readers")
        thread.start()
        try:
            yield made
        finally:
            ending.set()
            awake.set()
            thread.join()


FORGET_EVERY = dt.timedelta(hours=1)

ANSWER_EVERY_S = 5.0
"""Seconds after which the wishes are looked at though nobody in this process said that there is one."""


def answer_readers(home: Publication, made: Reception, clock: Callable[[], dt.datetime] = now) -> int:
    """Answer every wish that waits, and offer every mail that is due to the provider; how many mails."""
    from bulletin.delivery import service
    from bulletin.providers import _provider as providers
    from bulletin.providers._provider import Surroundings

    made.desk.answer(clock())
    surroundings = Surroundings(
        config=home.config, environment=home.environment, secret=home.secret, outbox_dir=home.outbox_dir, now=clock
    )
    provider = providers.load(home.config.sending.provider)
    return service.deliver_due(made.mails, provider, surroundings, _composer(home))


def forget_wishes(home: Publication, made: Reception, clock: Callable[[], dt.datetime] = now) -> None:
    """Forget what counts no more, sign-ups that nobody confirmed among it: their mail said so (P-12)."""
    moment = clock()
    made.desk.tidy(moment)
    made.mails.tidy(moment)
    made.subscribers.expire(before=moment - dt.timedelta(days=home.config.retention.unconfirmed_days))
    # Some time later than they expire: until then their pages still say why they do not work.
    made.subscribers.forget_links(before=moment - dt.timedelta(days=30))


def _calmly(act: Callable[[Publication, Reception], object], home: Publication, made: Reception) -> None:
    """Do it where nobody is there to see an error: it is told once a try, and the next try comes."""
    import logging

    try:
        act(home, made)
    except BulletinError as error:
        logging.getLogger(__name__).warning("readers' wishes wait: %s %s", error.message, error.hint)
    except Exception as error:
        # No traceback: its values may be a reader's (Z-20).
        logging.getLogger(__name__).warning("readers' wishes wait, because of %s", type(error).__name__)


def _composer(home: Publication) -> Callable[[ServiceMail], ServiceMessage]:
    """Makes a mail of service, with its links, in the reader's language."""
    from bulletin import words
    from bulletin.render.service import WORDS, service_message
    from bulletin.subscribers.tokens import Links, token_of_mail
    from bulletin.translations import language_for, settings_in

    config, secret = home.config, home.secret()
    links = Links(config.service_url, secret)

    def compose(mail: ServiceMail) -> ServiceMessage:
        language = language_for(config, mail.language)
        spoken = config
        if language != config.language:
            spoken = settings_in(config, language, words.load(home.template_dirs, language))
        token = token_of_mail(secret, mail.id)
        addresses = {purpose: f"{config.service_url}{purpose}/{token}" for purpose in ("confirm", "data", "address")}
        addresses["preferences"] = links.personal(mail.subscriber, "")["preferences_url"]
        said = words.load(home.template_dirs, language, WORDS)
        return service_message(home.template_dirs, spoken, said, mail.kind.value, addresses)

    return compose


@contextmanager
def _readers(home: Publication) -> Iterator[Engine]:
    """The database of the publication's subscribers, for questions about all of them."""
    from bulletin.stores import database
    from bulletin.subscribers.store import Subscribers

    with database(home.database_url) as engine:
        Subscribers(engine, home.secret())  # a database of an older version gets its hashes
        yield engine
