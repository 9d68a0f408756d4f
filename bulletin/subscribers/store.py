"""The subscribers on disk, each with the history of what they agreed to, and the list of who must not be written to.

Every change goes through the table of moves in `consent`; nothing here decides on its own who may come back.
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from bulletin.errors import BulletinError
from bulletin.model import Subscriber, SubscriberState
from bulletin.stores import reading
from bulletin.subscribers.belonging import domain_of
from bulletin.subscribers.consent import AGREES, SIGNED_UP, TAKES_BACK, Cause, Move, Suppression, move
from bulletin.subscribers.tokens import AddressHashes, hash_of_token, new_token
from bulletin.tables import (
    confirmations,
    consents,
    deliveries,
    events,
    mailings,
    memberships,
    people,
    service_mails,
    suppressions,
    web_requests,
)

CONFIRM = "confirm"
"""Purpose of the link that confirms a sign-up."""

DATA = "data"
"""Purpose of the link that shows what is held, and lets it be corrected."""

ADDRESS = "address"
"""Purpose of the link that makes an address the reader's own."""

CONFIRM_WITHIN = dt.timedelta(days=7)
"""How long such a link works (Z-09), and how long an unconfirmed sign-up is kept (P-12)."""

LINK_WITHIN = dt.timedelta(hours=24)
"""How long the two others work (Z-09)."""

_AGREED_OR_WAITING = (SubscriberState.SUBSCRIBED.value, SubscriberState.PENDING.value)

_CHUNK = 500
"""Addresses in one question to the database."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """How a consent came about (P-10). `how` says it in a few words; the rest is as much as is known."""

    how: str
    route: str = ""
    """form, import, page, mail, event or publisher"""
    list: str = ""
    wording: str = ""
    wording_version: str = ""
    basis: str = ""
    source: str = ""


class Confirmed(Enum):
    """What became of a link that was to confirm something."""

    OPEN = "open"
    """It was looked at and can be used."""
    NOW = "confirmed"
    ALREADY = "already confirmed"
    TOO_LATE = "too late"
    """It expired, or they left after it was sent."""
    UNKNOWN = "unknown"


class Subscribers:
    """The store of subscribers. Consent records are only ever added (P-10); the database holds that, too."""

    def __init__(self, engine: Engine, secret: bytes) -> None:
        self._engine, self._reading = engine, reading(engine)
        self._hashes = AddressHashes(secret)
        self._fill_in_hashes()

    # ---- coming and going

    def add(
        self,
        newcomers: Iterable[tuple[str, str, str]],
        *,
        now: dt.datetime,
        how: str,
        basis: str = "",
        source: str = "",
    ) -> int:
        """Import normalised addresses, each with name and language; how many were added. One transaction.

        An address that is known or suppressed is passed over: only its owner brings it back. Raises `BulletinError` if
        the suppression list was made with another secret and so cannot be held against them.
        """
        evidence = Evidence(how=how, route="import", basis=basis, source=source)
        added, rest = 0, iter(newcomers)
        with self._engine.begin() as connection:
            take_turns(connection, alone=True)
            while chunk := {email: (name, language) for email, name, language in islice(rest, _CHUNK)}:
                states = self._states(connection, list(chunk))
                rows = []
                for email, (name, language) in chunk.items():
                    change = move(Cause.IMPORT, states.get(email))
                    if change and change.after:
                        rows.append(self._new_person(email, change.after, now, name=name, language=language))
                if rows:
                    connection.execute(insert(people), rows)
                    record = move(Cause.IMPORT, None)
                    assert record  # noqa: S101 - the table has it
                    connection.execute(
                        insert(consents), [_consent(row["id"], record.record, now, evidence) for row in rows]
                    )
                    added += len(rows)
        return added

    def sign_up(
        self,
        email: str,
        *,
        now: dt.datetime,
        evidence: Evidence,
        name: str = "",
        language: str = "",
        lists: Sequence[str] = (),
    ) -> str:
        """Take a sign-up for a normalised address; the token to mail to it. Empty for who is subscribed already.

        Nothing is changed for who left, bounced or complained until they confirm, and no name is taken over from a form
        that anybody may have filled in. The caller limits how often (Z-04).
        """
        person = {"name": name, "language": language}

        def once() -> str:
            with self._engine.begin() as connection:
                return self.sign_up_within(
                    connection, email, token=new_token(), now=now, evidence=evidence, person=person, lists=lists
                )

        try:
            return once()
        except IntegrityError:  # another sign-up for the same new address came first
            return once()

    def sign_up_within(
        self,
        connection: Connection,
        email: str,
        *,
        token: str,
        now: dt.datetime,
        evidence: Evidence,
        person: Mapping[str, str],
        lists: Sequence[str],
    ) -> str:
        """The same as a step of somebody else's transaction, with a token that was made before."""
        row = _row_of(connection, email=email)
        change = move(Cause.SIGN_UP, self._state(connection, email, row))
        if change is None or change.after is None:
            return ""
        if row is None:
            values = self._new_person(email, change.after, now, **person)
            connection.execute(insert(people).values(**values))
        subscriber = row.id if row else values["id"]
        connection.execute(insert(consents), [_consent(subscriber, change.record, now, evidence)])
        detail = json.dumps({"lists": list(lists)}) if lists else ""
        add_link(connection, token, subscriber, CONFIRM, now=now, detail=detail)
        return token if change.asks else ""

    def look(self, token: str, purpose: str, *, now: dt.datetime) -> tuple[Confirmed, str]:
        """How a link that was mailed stands, and whose it is; changes nothing (Z-01)."""
        with self._reading.connect() as connection:
            link = _link_of(connection, token, purpose)
            if link is None:
                return Confirmed.UNKNOWN, ""
            row = connection.execute(select(people).where(people.c.id == link.subscriber)).one_or_none()
            return _standing(link, row, now), link.subscriber

    def link_ends(self, token: str, purpose: str) -> dt.datetime | None:
        """Until when a link works."""
        with self._reading.connect() as connection:
            link = _link_of(connection, token, purpose)
        return link.expires_at if link else None

    def confirm(self, token: str, *, now: dt.datetime, evidence: Evidence) -> Confirmed:
        """Use a link that was mailed; it works once, for seven days, and not for who left since (Z-09, P-23)."""
        with self._engine.begin() as connection:
            link = _link_of(connection, token, CONFIRM, to_write=True)
            if link is None:
                return Confirmed.UNKNOWN
            row = _row_of(connection, subscriber=link.subscriber)
            assert row  # noqa: S101 - a link goes with its subscriber
            standing = _standing(link, row, now)
            if standing is not Confirmed.OPEN:
                return standing
            if not self._change(connection, row.email, Cause.CONFIRM, now, evidence):
                return Confirmed.ALREADY
            lists = json.loads(link.detail).get("lists", []) if link.detail else []
            there = set(
                connection.scalars(select(memberships.c.list).where(memberships.c.subscriber == link.subscriber))
            )
            for name in (name for name in lists if name not in there):
                connection.execute(insert(memberships).values(subscriber=link.subscriber, list=name, since=now))
                joined = _consent(link.subscriber, "joined list", now, replace(evidence, list=name))
                connection.execute(insert(consents), [joined])
        return Confirmed.NOW

    def readdress_within(self, connection: Connection, subscriber: str, email: str) -> None:
        """Give a reader another address that is proved to be theirs, as a step of somebody else's transaction."""
        connection.execute(delete(suppressions).where(suppressions.c.hash == self._hashes.of(email)))
        connection.execute(update(people).where(people.c.id == subscriber).values(**self._of_address(email)))

    def unsubscribe(self, subscriber: str, *, now: dt.datetime, how: str) -> bool:
        """End a subscription at once; whether it changed anything."""
        return subscriber in self.unsubscribe_all({subscriber: how}, now=now)

    def unsubscribe_all(self, wishes: Mapping[str, str], *, now: dt.datetime) -> frozenset[str]:
        """End subscriptions, each by id with how it was asked for, in one transaction; whose it changed.

        Many who leave at the same moment then share one write to the disk.
        """
        with self._engine.begin() as connection:
            take_turns(connection)
            known = select(people.c.id, people.c.email, people.c.state).where(people.c.id.in_(wishes))
            # In the order of their ids, so that no two of these wait for each other.
            rows = connection.execute(known.order_by(people.c.id).with_for_update()).all()
            _end_links(connection, [row.id for row in rows], now)
            leaving = [(row, change) for row in rows if (change := move(Cause.UNSUBSCRIBE, SubscriberState(row.state)))]
            if not leaving:
                return frozenset()
            self._suppress_all(connection, {row.email: change for row, change in leaving}, now)
            for after in {change.after for _, change in leaving if change.after}:
                ids = [row.id for row, change in leaving if change.after is after]
                values = {"state": after.value, "changed_at": now}
                connection.execute(update(people).where(people.c.id.in_(ids)).values(**values))
            records = [_consent(row.id, change.record, now, Evidence(how=wishes[row.id])) for row, change in leaving]
            connection.execute(insert(consents), records)
        return frozenset(row.id for row, _ in leaving)

    def resubscribe(self, subscriber: str, *, now: dt.datetime, how: str) -> bool:
        """Bring back somebody who left and asked for it on their own page; whether it changed anything.

        Who bounced or complained has to confirm a new sign-up instead.
        """
        return self._change_of(subscriber, Cause.REJOIN, now, Evidence(how=how))

    def report(self, email: str, cause: Cause, *, now: dt.datetime, how: str) -> bool:
        """A bounce, a complaint or an opt-out elsewhere, of a normalised address; whether it changed anything.

        The address need not be known: it is kept from being imported all the same (P-21).
        """
        with self._engine.begin() as connection:
            return self._change(connection, email, cause, now, Evidence(how=how, route="event"))

    def report_on(self, subscriber: str, cause: Cause, *, now: dt.datetime, how: str) -> bool:
        """The same for a reader by their id; nothing changes if there is none."""
        return self._change_of(subscriber, cause, now, Evidence(how=how, route="event"))

    def reinstate(self, subscriber: str, *, now: dt.datetime, how: str) -> bool:
        """Undo a bounce on a person's word (V-10); whether it changed anything. `how` says who, and why.

        Only for who had agreed to get mail and never took that back; see `consent`.
        """
        with self._engine.begin() as connection:
            row = _row_of(connection, subscriber=subscriber)
            if row is None or not _had_agreed(connection, subscriber):
                return False
            return self._change(connection, row.email, Cause.REINSTATE, now, Evidence(how=how, route="publisher"))

    def put_on_list(self, emails: Sequence[str], name: str, *, now: dt.datetime, how: str) -> int:
        """Put readers with these normalised addresses on a list; how many were not on it. All of them, or none.

        It brings nobody back who left. Raises `BulletinError` if an address is nobody's.
        """
        return self._change_list(emails, name, now, Evidence(how=how, route="publisher", list=name), joins=True)

    def take_off_list(self, emails: Sequence[str], name: str, *, now: dt.datetime, how: str) -> int:
        """Take readers off one list; how many were on it. They still get what goes to everyone."""
        return self._change_list(emails, name, now, Evidence(how=how, route="publisher", list=name), joins=False)

    def _change_list(
        self, emails: Sequence[str], name: str, now: dt.datetime, evidence: Evidence, *, joins: bool
    ) -> int:
        m = memberships.c
        with self._engine.begin() as connection:
            found: dict[str, None] = {}
            for place, email in enumerate(emails, 1):
                row = _row_of(connection, email=email)
                if row is None:
                    which = f"address {place} of {len(emails)}" if len(emails) > 1 else "that address"
                    hint = "Nothing was changed. See: bulletin subscribers list"
                    raise BulletinError(f"{which} belongs to no reader.", hint=hint)
                found[row.id] = None
            there = set(connection.scalars(select(m.subscriber).where(m.list == name, m.subscriber.in_(found))))
            moving = [reader for reader in found if (reader in there) is not joins]
            if moving and joins:
                rows = [{"subscriber": reader, "list": name, "since": now} for reader in moving]
                connection.execute(insert(memberships), rows)
            elif moving:
                connection.execute(delete(memberships).where(m.list == name, m.subscriber.in_(moving)))
            if moving:
                record = "put on list" if joins else "taken off list"
                connection.execute(insert(consents), [_consent(reader, record, now, evidence) for reader in moving])
        return len(moving)

    def pause(self, subscriber: str, until: dt.datetime | None) -> None:
        """No mail before this moment; None ends a pause."""
        with self._engine.begin() as connection:
            connection.execute(update(people).where(people.c.id == subscriber).values(paused_until=until))

    def erase(self, email: str, *, now: dt.datetime) -> Erased:
        """Delete everything held about a normalised address but a keyed hash, the reason and the date (P-22).

        What was deleted is still in the database's files until `stores.forget_deleted` was called.
        """
        with self._engine.begin() as connection:
            row = _row_of(connection, email=email)
            records = 0
            if row:
                mine = consents.c.subscriber == row.id
                records = connection.scalar(select(func.count()).select_from(consents).where(mine)) or 0
                # The rows stay, as numbers of a mailing; what the provider said about this copy goes.
                log = update(deliveries).where(deliveries.c.subscriber == row.id)
                connection.execute(log.values(reason="", provider_id=""))
            connection.execute(delete(web_requests).where(web_requests.c.email == email))
            self._change(connection, email, Cause.ERASE, now, Evidence(how=""))
        return Erased(self._hashes.of(email), self._hashes.key_id, now, known=row is not None, records=records)

    def expire(self, *, before: dt.datetime, dry_run: bool = False) -> int:
        """Delete sign-ups that nobody confirmed and that were last asked for before a moment (P-12); how many.

        Of an address that was suppressed before somebody typed it into the form, the suppression alone stays.
        """
        found = self._unconfirmed(before)
        if not dry_run and found:
            with self._engine.begin() as connection:
                for subscriber, email in found.items():
                    if not self._change(connection, email, Cause.EXPIRE, before, Evidence(how="")):
                        gone = (people.c.id == subscriber, people.c.state.not_in(_AGREED_OR_WAITING))
                        connection.execute(delete(people).where(*gone))
        return len(found)

    def _unconfirmed(self, before: dt.datetime) -> dict[str, str]:
        """Ids and addresses of whom nothing is held but sign-ups of long ago. The search keeps no writer out."""
        asked = select(confirmations.c.subscriber).where(confirmations.c.at >= before)
        mine = select(consents.c.number).where(consents.c.subscriber == people.c.id).correlate(people)
        only_typed = and_(
            people.c.state.not_in(_AGREED_OR_WAITING),
            mine.where(consents.c.what == SIGNED_UP).exists(),
            ~mine.where(consents.c.what != SIGNED_UP).exists(),
        )
        stale = or_(people.c.state == SubscriberState.PENDING.value, only_typed)
        where = (stale, people.c.changed_at < before, people.c.id.not_in(asked))
        with self._reading.connect() as connection:
            rows = connection.execute(select(people.c.id, people.c.email).where(*where)).all()
        return {row.id: row.email for row in rows}

    def forget_links(self, *, before: dt.datetime, dry_run: bool = False) -> int:
        """Delete mailed links that expired before a moment; how many."""
        old = confirmations.c.expires_at < before
        with self._engine.begin() as connection:
            if dry_run:
                return connection.scalar(select(func.count()).select_from(confirmations).where(old)) or 0
            return connection.execute(delete(confirmations).where(old)).rowcount

    # ---- asking

    def all(self) -> Iterator[Subscriber]:
        """Every subscriber, also those who left, in the order of their ids."""
        with self._reading.connect() as connection:
            # Pages instead of one long read: nobody is kept from writing meanwhile.
            last = ""
            while rows := connection.execute(
                select(people).where(people.c.id > last).order_by(people.c.id).limit(5000)
            ).all():
                connection.rollback()
                yield from map(_subscriber, rows)
                last = rows[-1].id

    def list_counts(self) -> dict[str, tuple[int, int]]:
        """For each list that readers are on: how many are, and how many of them are subscribed."""
        joined = memberships.join(people, people.c.id == memberships.c.subscriber)
        subscribed = func.sum(case((people.c.state == SubscriberState.SUBSCRIBED.value, 1), else_=0))
        question = select(memberships.c.list, func.count(), subscribed).select_from(joined)
        with self._reading.connect() as connection:
            rows = connection.execute(question.group_by(memberships.c.list).order_by(memberships.c.list))
            return {name: (int(all_of_them), int(mailed)) for name, all_of_them, mailed in rows}

    def find(self, email: str) -> Subscriber | None:
        """The subscriber with this normalised address."""
        with self._reading.connect() as connection:
            row = connection.execute(select(people).where(people.c.email == email)).one_or_none()
        return _subscriber(row) if row else None

    def get(self, subscriber: str) -> Subscriber | None:
        """The subscriber with this id."""
        with self._reading.connect() as connection:
            row = connection.execute(select(people).where(people.c.id == subscriber)).one_or_none()
        return _subscriber(row) if row else None

    def places(self, *, ids: Collection[str] = (), emails: Collection[str] = ()) -> dict[str, tuple[str, str]]:
        """Id and mail domain of some readers, by the id or normalised address that was asked for; a few hundred."""
        wanted = or_(people.c.id.in_(ids), people.c.email.in_(emails))
        with self._reading.connect() as connection:
            rows = connection.execute(select(people.c.id, people.c.email, people.c.domain).where(wanted)).all()
        return {key: (row.id, row.domain) for row in rows for key in (row.id, row.email)}

    def agreed_at(self, subscriber: str) -> dt.datetime | None:
        """When a reader last agreed to get mail; None if they never did."""
        mine = (consents.c.subscriber == subscriber, consents.c.what.in_(AGREES))
        with self._reading.connect() as connection:
            at: dt.datetime | None = connection.scalar(select(func.max(consents.c.at)).where(*mine))
        return at

    def suspended(self) -> list[tuple[Subscriber, dt.datetime, str]]:
        """Readers whose address bounced, since when and why; the newest first."""
        own = consents.alias()
        last = select(func.max(own.c.number)).where(own.c.subscriber == people.c.id).scalar_subquery()
        joined = people.join(consents, consents.c.number == last)
        found = select(people, consents.c.at, consents.c.how).select_from(joined)
        found = found.where(people.c.state == SubscriberState.BOUNCED.value).order_by(consents.c.number.desc())
        with self._reading.connect() as connection:
            return [(_subscriber(row), row.at, row.how) for row in connection.execute(found)]

    def states(self, emails: Iterable[str]) -> Iterator[tuple[str, SubscriberState | None]]:
        """Each normalised address with its state, also where only a hash is left; None for who is not known."""
        rest = iter(emails)
        while chunk := list(islice(rest, _CHUNK)):
            with self._reading.connect() as connection:
                found = self._states(connection, chunk)
            yield from ((email, found.get(email)) for email in chunk)

    def counts(self) -> dict[SubscriberState, int]:
        """How many subscribers are in each state."""
        with self._reading.connect() as connection:
            rows = connection.execute(select(people.c.state, func.count()).group_by(people.c.state)).all()
            gone = select(func.count()).where(suppressions.c.reason == SubscriberState.ERASED.value)
            erased = connection.scalar(gone) or 0
        found = {SubscriberState(state): number for state, number in rows} | {SubscriberState.ERASED: erased}
        return {state: found.get(state, 0) for state in SubscriberState}

    def history(self, subscriber: str) -> list[tuple[str, dt.datetime, str]]:
        """What a subscriber agreed to and ended: what, when, how; oldest first."""
        columns = (consents.c.what, consents.c.at, consents.c.how)
        with self._reading.connect() as connection:
            found = select(*columns).where(consents.c.subscriber == subscriber).order_by(consents.c.number)
            return [(what, at, how) for what, at, how in connection.execute(found)]

    def holding(self, email: str) -> dict[str, Any]:
        """Everything held about a normalised address, for its owner (P-24); empty if that is nothing.

        Links are named without their tokens: a copy of this must not let anybody in.
        """
        with self._engine.begin() as connection:
            entry = select(suppressions.c.reason, suppressions.c.at).where(
                suppressions.c.hash == self._hashes.of(email)
            )
            held: dict[str, Any] = {}
            if suppressed := connection.execute(entry).one_or_none():
                held["suppression"] = dict(suppressed._mapping)
            row = _row_of(connection, email=email)
            if row:
                c, d, e, s = confirmations.c, deliveries.c, events.c, service_mails.c
                parts = {
                    "lists": select(memberships.c.list, memberships.c.since).where(memberships.c.subscriber == row.id),
                    "consents": select(consents).where(consents.c.subscriber == row.id).order_by(consents.c.number),
                    "confirmations": select(c.purpose, c.at, c.expires_at, c.used_at, c.detail)
                    .where(c.subscriber == row.id)
                    .order_by(c.at),
                    "service_mails": select(s.kind, s.address, s.state, s.at)
                    .where(s.subscriber == row.id)
                    .order_by(s.at),
                    "mailings": select(
                        mailings.c.id.label("mailing"), d.edition, d.state, d.provider, d.reason, d.changed_at
                    )
                    .join(mailings, mailings.c.number == d.mailing)
                    .where(d.subscriber == row.id)
                    .order_by(d.changed_at),
                    "events": select(e.kind, e.at, e.mailing, e.provider, e.name, e.reason, e.doubt, e.decision)
                    .where(e.subscriber == row.id)
                    .order_by(e.number),
                }
                held["reader"] = dict(row._mapping)
                for name, statement in parts.items():
                    rows = [dict(found._mapping) for found in connection.execute(statement)]
                    held[name] = [{key: value for key, value in found.items() if key != "subscriber"} for found in rows]
        return held

    # ---- steps of a transaction

    def _of_address(self, email: str) -> dict[str, str]:
        """The columns of a reader that follow from a normalised address."""
        return {"email": email, "domain": domain_of(email), "address_hash": self._hashes.of(email)}

    def _new_person(
        self, email: str, state: SubscriberState, now: dt.datetime, *, name: str, language: str
    ) -> dict[str, Any]:
        values = {"id": secrets.token_hex(10), "name": name, "language": language, "state": state.value}
        return self._of_address(email) | values | {"created_at": now, "changed_at": now}

    def _fill_in_hashes(self) -> None:
        """Those that a database of an older version lacks; only here the secret is known that they are made with."""
        lacking = select(people.c.id, people.c.email).where(people.c.address_hash == literal_column("''")).limit(_CHUNK)
        with self._reading.connect() as connection:
            if connection.execute(lacking.limit(1)).first() is None:
                return
        change = update(people).where(people.c.id == bindparam("reader")).values(address_hash=bindparam("hash"))
        with self._engine.begin() as connection:
            while found := connection.execute(lacking).all():
                connection.execute(change, [{"reader": row.id, "hash": self._hashes.of(row.email)} for row in found])

    def _change_of(self, subscriber: str, cause: Cause, now: dt.datetime, evidence: Evidence) -> bool:
        with self._engine.begin() as connection:
            row = _row_of(connection, subscriber=subscriber)
            return row is not None and self._change(connection, row.email, cause, now, evidence)

    def _change(self, connection: Connection, email: str, cause: Cause, now: dt.datetime, evidence: Evidence) -> bool:
        """Make the move that the table has for this cause, if it has one; whether it did."""
        row = _row_of(connection, email=email)
        change = move(cause, self._state(connection, email, row))
        if row is not None and (change is not None or cause in TAKES_BACK):
            _end_links(connection, [row.id], now)
        if change is None:
            return False
        self._suppress_all(connection, {email: change}, now)
        if row is None:
            return True
        if change.after in {None, SubscriberState.ERASED}:
            connection.execute(delete(people).where(people.c.id == row.id))  # and with it all that refers to it
            return True
        assert change.after  # noqa: S101 - told apart above
        values = {"state": change.after.value, "changed_at": now}
        connection.execute(update(people).where(people.c.id == row.id).values(**values))
        connection.execute(insert(consents), [_consent(row.id, change.record, now, evidence)])
        return True

    def _suppress_all(self, connection: Connection, changes: Mapping[str, Move], now: dt.datetime) -> None:
        """What each address's move does to its entry in the suppression list."""
        s, erased = suppressions.c, SubscriberState.ERASED
        hashes = {self._hashes.of(email): change for email, change in changes.items()}
        lifted = [hashed for hashed, change in hashes.items() if change.suppression is Suppression.LIFTED]
        written = {hashed: made.after for hashed, made in hashes.items() if made.suppression is Suppression.WRITTEN}
        held = set(connection.scalars(select(s.hash).where(s.hash.in_(written), s.reason == erased.value)))
        anew = {
            hashed: after for hashed, after in written.items() if after and (after is erased or hashed not in held)
        }  # the strongest reason stays
        connection.execute(delete(suppressions).where(s.hash.in_([*lifted, *anew])))
        key = self._hashes.key_id
        rows = [{"hash": hashed, "reason": after.value, "at": now, "key": key} for hashed, after in anew.items()]
        if rows:
            connection.execute(insert(suppressions), rows)

    def _state(self, connection: Connection, email: str, row: Row[Any] | None) -> SubscriberState | None:
        if row is not None:
            return SubscriberState(row.state)
        entry = select(suppressions.c.reason).where(suppressions.c.hash == self._hashes.of(email))
        reason = connection.scalar(entry)
        return SubscriberState(reason) if reason else None

    def _states(self, connection: Connection, emails: Sequence[str]) -> dict[str, SubscriberState]:
        """The states of known and suppressed addresses."""
        known = select(people.c.email, people.c.state).where(people.c.email.in_(emails))
        states = {email: SubscriberState(state) for email, state in connection.execute(known)}
        key = suppressions.c.key
        ends = (select(func.min(key)).scalar_subquery(), select(func.max(key)).scalar_subquery())  # two looks, no scan
        keys = connection.execute(select(*ends)).one()
        if keys[0] is None:
            return states
        if set(keys) != {self._hashes.key_id}:
            raise BulletinError(
                "the list of readers who must not be written to was made with another secret,"
                " so nobody can tell who is on it.",
                hint="Use the same BULLETIN_SECRET, or the same file .bulletin/secret, as when they left.",
            )
        by_hash = {self._hashes.of(email): email for email in emails}
        gone = select(suppressions.c.hash, suppressions.c.reason).where(suppressions.c.hash.in_(by_hash))
        return {by_hash[hashed]: SubscriberState(reason) for hashed, reason in connection.execute(gone)} | states


@dataclass(frozen=True, slots=True)
class Erased:
    """What erasing an address did to the database."""

    hash: str
    """What is kept in its place."""
    key: str
    """Which secret made the hash."""
    at: dt.datetime
    known: bool
    """Whether anything was held."""
    records: int
    """Consent records that went."""


def add_link(
    connection: Connection, token: str, subscriber: str, purpose: str, *, now: dt.datetime, detail: str = ""
) -> None:
    """Keep a link that is to be mailed: a hash of its token, and what it is for."""
    ends = now + (CONFIRM_WITHIN if purpose == CONFIRM else LINK_WITHIN)
    values = {"subscriber": subscriber, "purpose": purpose, "at": now, "expires_at": ends, "detail": detail}
    connection.execute(insert(confirmations).values(token=hash_of_token(token), **values))


def take_turns(connection: Connection, *, alone: bool = False) -> None:
    """Wait for an import under way, or with `alone` for every other change of readers; before any row is locked.

    So what an import judged stays true until its end, and no two wait for each other in a circle. In SQLite
    transactions take turns anyway.
    """
    if connection.dialect.name == "postgresql":
        mode = "SHARE ROW EXCLUSIVE" if alone else "ROW EXCLUSIVE"
        connection.exec_driver_sql(f"LOCK TABLE subscriber, suppression IN {mode} MODE")


def _row_of(connection: Connection, *, email: str = "", subscriber: str = "") -> Row[Any] | None:
    """A reader's row, kept from other writers until the transaction ends."""
    take_turns(connection)
    where = people.c.id == subscriber if subscriber else people.c.email == email
    return connection.execute(select(people).where(where).with_for_update()).one_or_none()


def _had_agreed(connection: Connection, subscriber: str) -> bool:
    """Whether the last word before a bounce was a consent."""
    no_word = ("bounced", SIGNED_UP, "joined list", "left list", "new address")
    others = (consents.c.subscriber == subscriber, consents.c.what.not_in(no_word))
    found = select(consents.c.what).where(*others).order_by(consents.c.number.desc()).limit(1)
    return connection.scalar(found) in AGREES


def _link_of(connection: Connection, token: str, purpose: str, *, to_write: bool = False) -> Row[Any] | None:
    c = confirmations.c
    wanted = select(confirmations).where(c.token == hash_of_token(token), c.purpose == purpose)
    if to_write:
        take_turns(connection)
        wanted = wanted.with_for_update()
    return connection.execute(wanted).one_or_none()


def _standing(link: Row[Any], row: Row[Any] | None, now: dt.datetime) -> Confirmed:
    """What using a link would come to."""
    subscribed = row is not None and row.state == SubscriberState.SUBSCRIBED.value
    if link.used_at is not None:
        return Confirmed.ALREADY if subscribed else Confirmed.TOO_LATE
    if link.expires_at <= now:
        return Confirmed.TOO_LATE
    return Confirmed.ALREADY if subscribed and link.purpose == CONFIRM else Confirmed.OPEN


def _end_links(connection: Connection, subscribers: Sequence[str], now: dt.datetime) -> None:
    """Links that are still on their way were asked for before this: none of them is a fresh consent any more."""
    c = confirmations.c
    links = update(confirmations).where(c.subscriber.in_(subscribers), c.used_at.is_(None), c.purpose == CONFIRM)
    connection.execute(links.values(used_at=now))


def _consent(subscriber: str, what: str, now: dt.datetime, evidence: Evidence) -> dict[str, Any]:
    return {"subscriber": subscriber, "what": what, "at": now, **vars(evidence)}


def _subscriber(row: Row[Any]) -> Subscriber:
    return Subscriber(
        id=row.id,
        email=row.email,
        name=row.name,
        language=row.language,
        state=SubscriberState(row.state),
        organisation=row.organisation,
        role=row.role,
        topics=row.topics,
        paused_until=row.paused_until,
    )
