"""What readers ask for on the pages: taken quickly and alike for everybody, answered by mail afterwards.

Taking a wish writes it down and looks at nobody, so that neither the page nor the time it takes tells who is known
(Z-05). Answering comes later, outside the request: each wish in one transaction with what it changes and with the mail
that answers it, so that no crash loses one or answers it twice.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import ipaddress
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from bulletin.model import Subscriber, SubscriberState
from bulletin.stores import reading
from bulletin.subscribers.mails import Kind, ServiceMail, enqueue
from bulletin.subscribers.store import (
    ADDRESS,
    DATA,
    Confirmed,
    Evidence,
    Subscribers,
    _consent,
    _link_of,
    _row_of,
    _standing,
    add_link,
)
from bulletin.subscribers.tokens import token_of_mail
from bulletin.tables import confirmations, consents, memberships, people, rate_limits, web_requests

ASKED_AN_HOUR: Final = 5
"""Wishes of one kind that a client has in an hour (Z-04)."""

MAILS_A_DAY: Final = 3
"""Service mails to one address in 24 hours (Z-04)."""

_STUMBLES = 3
"""Times in a row that another process may be in the way before something must be wrong."""

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
SUBSCRIBED, LEFT = SubscriberState.SUBSCRIBED, SubscriberState.UNSUBSCRIBED


class Asked(Enum):
    """What was asked for."""

    SIGN_UP = "sign-up"
    LINKS = "links"
    """The reader's own links, by mail."""
    ADDRESS = "address"
    """To get the bulletin at another address."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody asked for on a page."""

    what: Asked
    email: str = field(default="", repr=False)
    """The normalised address that was given; empty if it cannot be one, and then nothing comes of it."""
    subscriber: str = ""
    """Who asked, where their link tells it."""
    name: str = field(default="", repr=False)
    language: str = ""
    lists: tuple[str, ...] = ()
    wording: str = ""
    """What the form said they agree to (P-10)."""
    wording_version: str = ""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a reader wants to get."""

    lists: Mapping[str, bool]
    """Lists that were offered, and whether they want each."""
    topics: tuple[str, ...]
    language: str
    paused_until: dt.datetime | None


class Desk:
    """Takes readers' wishes and answers them."""

    def __init__(self, engine: Engine, secret: bytes, subscribers: Subscribers) -> None:
        self._engine, self._reading, self._secret = engine, reading(engine), secret
        self._subscribers = subscribers

    # ---- taking

    def take(self, wish: Wish, *, client: str, now: dt.datetime) -> bool:
        """Write a wish down, unless this client asked too often; whether it was taken."""
        who = self._key(f"client {wish.what.value}", _network(client))
        with self._engine.begin() as connection:
            if _count(connection, who, now - HOUR) >= ASKED_AN_HOUR:
                return False
            connection.execute(insert(rate_limits).values(what=who, at=now))
            if wish.email or wish.subscriber:
                values = {**vars(wish), "what": wish.what.value, "at": now}
                connection.execute(insert(web_requests).values(**values))
        return True

    # ---- answering

    def answer(self, now: dt.datetime) -> int:
        """Answer every wish that waits; how many. Any number of processes may do so at once."""
        answered = stumbled = 0
        while True:
            try:
                if not self._answer_one(now):
                    return answered
                answered, stumbled = answered + 1, 0
            except IntegrityError:  # the same new address was added by another process: look again
                stumbled += 1
                if stumbled > _STUMBLES:
                    raise

    def _answer_one(self, now: dt.datetime) -> bool:
        w = web_requests.c
        with self._engine.begin() as connection:
            oldest = select(web_requests).order_by(w.number).limit(1).with_for_update(skip_locked=True)
            row = connection.execute(oldest).one_or_none()
            if row is None:
                return False
            act = {Asked.SIGN_UP: self._sign_up, Asked.LINKS: self._links, Asked.ADDRESS: self._address}
            act[Asked(row.what)](connection, row, now)
            connection.execute(delete(web_requests).where(w.number == row.number))
        return True

    def _sign_up(self, connection: Connection, wish: Row[Any], now: dt.datetime) -> None:
        if self._written_enough(connection, wish.email, now):
            return
        mail = secrets.token_hex(10)
        evidence = Evidence(
            how="sign-up form", route="form", wording=wish.wording, wording_version=wish.wording_version
        )
        asked = self._subscribers.sign_up_within(
            connection,
            wish.email,
            token=token_of_mail(self._secret, mail),
            now=now,
            evidence=evidence,
            person={"name": wish.name, "language": wish.language},
            lists=wish.lists,
        )
        person = _row_of(connection, email=wish.email)
        if person is not None:
            kind, language = (Kind.CONFIRM, wish.language) if asked else (Kind.SUBSCRIBED, person.language)
            self._write(connection, _mail(mail, kind, person, wish.email, language), now)

    def _links(self, connection: Connection, wish: Row[Any], now: dt.datetime) -> None:
        """Only to who is or was a reader: nobody else is written to because somebody typed their address."""
        by = {"subscriber": wish.subscriber} if wish.subscriber else {"email": wish.email}
        person = _row_of(connection, **by)
        if person is not None:
            self._write_links(connection, person, now)

    def _address(self, connection: Connection, wish: Row[Any], now: dt.datetime) -> None:
        person = _row_of(connection, subscriber=wish.subscriber)
        if person is None or SubscriberState(person.state) is not SUBSCRIBED or not wish.email:
            return
        other = _row_of(connection, email=wish.email)
        if other is not None:
            self._write_links(connection, other, now)
        elif not self._written_enough(connection, wish.email, now):
            mail, detail = secrets.token_hex(10), json.dumps({"email": wish.email})
            token = token_of_mail(self._secret, mail)
            add_link(connection, token, person.id, ADDRESS, now=now, detail=detail)
            self._write(connection, _mail(mail, Kind.ADDRESS, person, wish.email), now)

    def _write_links(self, connection: Connection, person: Row[Any], now: dt.datetime) -> None:
        if SubscriberState(person.state) not in {SUBSCRIBED, LEFT}:
            return
        if self._written_enough(connection, person.email, now):
            return
        mail = secrets.token_hex(10)
        add_link(connection, token_of_mail(self._secret, mail), person.id, DATA, now=now)
        self._write(connection, _mail(mail, Kind.LINKS, person, person.email), now)

    def _write(self, connection: Connection, mail: ServiceMail, now: dt.datetime) -> None:
        """Have a mail sent that counts for its address."""
        connection.execute(insert(rate_limits).values(what=self._key("address", mail.address), at=now))
        enqueue(connection, mail, now)

    def _written_enough(self, connection: Connection, email: str, now: dt.datetime) -> bool:
        return _count(connection, self._key("address", email), now - DAY) >= MAILS_A_DAY

    # ---- a reader's own pages

    def choose(self, subscriber: str, choices: Choices, *, now: dt.datetime) -> None:
        """Keep what a reader chose to get. Coming to a list and leaving it is part of the consent history (P-10)."""
        with self._engine.begin() as connection:
            if _row_of(connection, subscriber=subscriber) is None:
                return
            values = {"topics": choices.topics, "language": choices.language, "paused_until": choices.paused_until}
            connection.execute(update(people).where(people.c.id == subscriber).values(**values))
            m = memberships.c
            there = set(connection.scalars(select(m.list).where(m.subscriber == subscriber)))
            for name, wanted in choices.lists.items():
                if wanted == (name in there):
                    continue
                if wanted:
                    connection.execute(insert(memberships).values(subscriber=subscriber, list=name, since=now))
                else:
                    connection.execute(delete(memberships).where(m.subscriber == subscriber, m.list == name))
                evidence = Evidence(how="preferences page", route="page", list=name)
                record = _consent(subscriber, "joined list" if wanted else "left list", now, evidence)
                connection.execute(insert(consents).values(**record))

    def lists_of(self, subscriber: str) -> frozenset[str]:
        """The lists a reader is on."""
        with self._reading.connect() as connection:
            named = select(memberships.c.list).where(memberships.c.subscriber == subscriber)
            return frozenset(connection.scalars(named))

    def correct(self, subscriber: str, said: Mapping[str, str]) -> None:
        """Keep what a reader wrote of themselves: name, organisation, role."""
        values = {name: said[name] for name in ("name", "organisation", "role") if name in said}
        with self._engine.begin() as connection:
            connection.execute(update(people).where(people.c.id == subscriber).values(**values))

    def change_address(self, token: str, *, now: dt.datetime) -> Confirmed:
        """Use a link that was mailed to a new address: it is the reader's from now on, and the old one is told (Z-17).

        It works once, for 24 hours, for who is subscribed, and never takes an address from another reader.
        """
        try:
            with self._engine.begin() as connection:
                return self._change_address(connection, token, now)
        except IntegrityError:  # somebody signed up with it at this moment
            return Confirmed.TOO_LATE

    def _change_address(self, connection: Connection, token: str, now: dt.datetime) -> Confirmed:
        link = _link_of(connection, token, ADDRESS, to_write=True)
        if link is None:
            return Confirmed.UNKNOWN
        person = _row_of(connection, subscriber=link.subscriber)
        standing = _standing(link, person, now)
        if standing is not Confirmed.OPEN:
            return standing
        new = str(json.loads(link.detail)["email"])
        if person is None or SubscriberState(person.state) is not SUBSCRIBED or _row_of(connection, email=new):
            return Confirmed.TOO_LATE
        self._subscribers.readdress_within(connection, person.id, new)
        evidence = Evidence(how="link mailed to the new address", route="mail")
        connection.execute(insert(consents), [_consent(person.id, "new address", now, evidence)])
        c = confirmations.c
        connection.execute(update(confirmations).where(c.token == link.token).values(used_at=now, detail=""))
        enqueue(connection, _mail(secrets.token_hex(10), Kind.CHANGED, person, person.email), now)
        return Confirmed.NOW

    def person(self, subscriber: str) -> Subscriber | None:
        """The reader with this id."""
        return self._subscribers.get(subscriber)

    # ---- keeping it small

    def tidy(self, now: dt.datetime) -> None:
        """Forget what counts no more."""
        with self._engine.begin() as connection:
            connection.execute(delete(rate_limits).where(rate_limits.c.at < now - DAY))

    def _key(self, purpose: str, value: str) -> str:
        """What is kept of a client or an address to count it: a keyed hash, which tells nobody who it was."""
        return hmac.digest(self._secret, f"bulletin limit\0{purpose}\0{value}".encode(), hashlib.sha256).hex()


def _mail(mail: str, kind: Kind, person: Row[Any], address: str, language: str = "") -> ServiceMail:
    return ServiceMail(id=mail, kind=kind, subscriber=person.id, address=address, language=language or person.language)


def _count(connection: Connection, what: str, since: dt.datetime) -> int:
    seen = select(func.count()).select_from(rate_limits).where(rate_limits.c.what == what, rate_limits.c.at > since)
    return connection.scalar(seen) or 0


def _network(client: str) -> str:
    """One household or office: an address, or the 64 bits that one of IPv6 has to itself."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client[:100]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
