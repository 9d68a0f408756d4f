"""Every table of the database, as this version of the program knows them. `bulletin.migrations` leads there from older
ones; a test holds that both ways end in the same place."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.types import TypeDecorator

VERSIONS: Final = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
"""Every version a database of ours can have, oldest first; known here so that looking costs no library."""

metadata = MetaData()


class Moment(TypeDecorator[dt.datetime]):
    """A time in UTC, also in databases that forget zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Any) -> dt.datetime | None:
        """Stored in UTC, whatever zone it came in."""
        return value.astimezone(dt.UTC) if value else None

    def process_result_value(self, value: dt.datetime | None, dialect: Any) -> dt.datetime | None:
        """Always with its zone."""
        return value.replace(tzinfo=dt.UTC) if value and value.tzinfo is None else value


class Ids(TypeDecorator[tuple[str, ...]]):
    """Some ids in one column, with a space before and after each, so that LIKE '% id %' finds whole ones."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Any) -> str:
        """Stored as ` first second `; nothing as nothing."""
        return f" {' '.join(value)} " if value else ""

    def process_result_value(self, value: str | None, dialect: Any) -> tuple[str, ...]:
        """In the order they were given."""
        return tuple((value or "").split())


def _text(name: str, kind: Any = Text) -> Column[Any]:
    """A text that is empty unless somebody gives it."""
    return Column(name, kind, nullable=False, server_default="")


# ---------------------------------------------------------------- readers

people = Table(
    "subscriber",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("language", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    _text("organisation"),
    _text("role"),
    _text("topics", Ids),
    _text("domain", String(253)),
    Column("paused_until", Moment),
    _text("address_hash", String(64)),
    Index("subscriber_domain", "domain"),
    Index(
        "subscriber_unhashed",
        "address_hash",
        sqlite_where=text("address_hash = ''"),
        postgresql_where=text("address_hash = ''"),
    ),
)
"""Also read by the ledger, which asks again at the last moment who still wants mail (L-11). `domain` and
`address_hash`, its name in the list of suppressions, follow from `email`: who changes one changes all three."""

consents = Table(
    "consent",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("subscriber", ForeignKey(people.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("what", String(20), nullable=False),
    Column("at", Moment, nullable=False),
    Column("how", Text, nullable=False),
    _text("route", String(20)),
    _text("list", String(60)),
    _text("wording"),
    _text("wording_version", String(40)),
    _text("basis"),
    _text("source"),
)
"""What was agreed to and withdrawn (P-10). The database itself refuses to change a row, or to delete one while its
subscriber is there."""

memberships = Table(
    "membership",
    metadata,
    Column("subscriber", ForeignKey(people.c.id, ondelete="CASCADE"), primary_key=True),
    Column("list", String(60), primary_key=True),
    Column("since", Moment, nullable=False),
    Index("membership_list", "list"),
)

suppressions = Table(
    "suppression",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("key", String(16), nullable=False),
    Column("reason", String(20), nullable=False),
    Column("at", Moment, nullable=False),
    Index("suppression_key", "key"),
)
"""Who must not be written to, as keyed hashes only (P-21, P-22). `key` tells which secret made the hash."""

confirmations = Table(
    "confirmation",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("subscriber", ForeignKey(people.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("purpose", String(20), nullable=False),
    Column("at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
    _text("detail"),
)
"""Links that were mailed and work once; of each only a hash of its token (Z-08, Z-09)."""

_KEEPING: Final = {
    "sqlite": """CREATE TRIGGER consent_unchanged BEFORE UPDATE ON consent
        BEGIN SELECT RAISE(ABORT, 'consents are only ever added'); END;
        CREATE TRIGGER consent_kept BEFORE DELETE ON consent
        WHEN EXISTS (SELECT 1 FROM subscriber WHERE id = OLD.subscriber)
        BEGIN SELECT RAISE(ABORT, 'consents are only ever added'); END""",
    "postgresql": """CREATE OR REPLACE FUNCTION consent_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'UPDATE' OR EXISTS (SELECT 1 FROM subscriber WHERE id = OLD.subscriber)
        THEN RAISE EXCEPTION 'consents are only ever added'; END IF; RETURN OLD; END $$;
        CREATE TRIGGER consent_kept BEFORE UPDATE OR DELETE ON consent
        FOR EACH ROW EXECUTE FUNCTION consent_is_kept()""",
}


@event.listens_for(consents, "after_create")
def _keep_consents(_table: object, connection: Connection, **_: object) -> None:
    for statement in re.split(r";\s+(?=CREATE TRIGGER)", _KEEPING.get(connection.dialect.name, "")):
        if statement:
            connection.exec_driver_sql(re.sub(r"\s+", " ", statement))


imports = Table(
    "import_batch",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", Moment, nullable=False, unique=True),
    Column("file", Text, nullable=False),
    _text("basis"),
    Column("added", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("taken_off", Integer, nullable=False),
    Column("undone_at", Moment),
)
"""Lists that were imported (P-13). No two have the same moment, which their readers and consents have, too."""

import_changes = Table(
    "import_change",
    metadata,
    Column("batch", ForeignKey(imports.c.number), primary_key=True),
    Column("subscriber", ForeignKey(people.c.id, ondelete="CASCADE"), primary_key=True),
    *(
        Column(f"{age}_{field}", Text, nullable=False)
        for age in ("old", "new")
        for field in ("name", "organisation", "role", "language", "topics")
    ),
)
"""What the last import changed of readers who were there, so that it can be undone."""

# ---------------------------------------------------------------- readers' wishes and the mails that answer them

web_requests = Table(
    "web_request",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("what", String(20), nullable=False),
    _text("email", String(254)),
    _text("subscriber", String(40)),
    _text("name"),
    _text("language", String(20)),
    _text("lists", Ids),
    _text("wording"),
    _text("wording_version", String(40)),
)
"""What was asked for on a page and nobody has looked at yet. A row goes when it has been answered."""

rate_limits = Table(
    "rate_limit",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("what", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    Index("rate_limit_what", "what", "at"),
)
"""How often a client asked and an address was written to (Z-04): keyed hashes, for as long as they count."""

service_mails = Table(
    "service_mail",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("subscriber", ForeignKey(people.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("address", String(254), nullable=False),
    _text("language", String(20)),
    Column("state", String(20), nullable=False),
    Column("at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Index("service_mail_next", "state", "due_at"),
)
"""Mails to one person, such as a confirmation: waiting, claimed, or how they ended. They go a day after that."""

# ---------------------------------------------------------------- the ledger

mailings = Table(
    "mailing",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("issue", String(60), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("plan_digest", String(64), nullable=False),
    _text("head", String(64)),
    Column("started_at", Moment, nullable=False),
    Column("run", Integer, nullable=False, server_default="0"),
    _text("holder", String(80)),
    Column("held_until", Moment),
    _text("home", String(120)),
    _text("parts"),
    Column("due_at", Moment),
    Column("spread_s", Integer),
    Column("up_to", Integer),
    _text("cancelled_by"),
)
"""A mailing of an issue has the issue's id. `head` is the digest of all that the plan says but for its recipients.
`run` counts the times a sender began; `holder` is at work until `held_until` unless it says so again; `home` is where
the last one worked. `parts` is what `head` was made of, for people. Nothing leaves before `due_at`, nothing with a
number above `up_to`, and all of it takes `spread_s` seconds; nothing at all leaves once somebody cancelled it."""

approvals = Table(
    "approval",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("mailing", String(80), nullable=False, index=True),
    Column("plan_digest", String(64), nullable=False),
    Column("parts", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("withdrawn_at", Moment),
)
"""Who approved which plan. The last one of a mailing counts, unless it was withdrawn."""

editions = Table(
    "mailing_edition",
    metadata,
    Column("mailing", ForeignKey(mailings.c.id), primary_key=True),
    Column("edition", String(60), primary_key=True),
    Column("digest", String(64), nullable=False),
)

deliveries = Table(
    "delivery",
    metadata,
    Column("mailing", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("subscriber", String(40), nullable=False),
    Column("edition", String(60), nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("provider", String(40), nullable=False),
    Column("provider_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("claimed_at", Moment),
    Column("changed_at", Moment, nullable=False),
    UniqueConstraint("subscriber", "mailing"),
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": 50},
)
"""`mailing` is the mailing's number. Rows lie in the order they are sent in, and no index holds what sending changes:
so a batch is a range, changed in one statement that touches few pages. One delivery for each reader and mailing, ever.
The room that PostgreSQL leaves in each page is for a row's two changes."""

batches = Table(
    "batch",
    metadata,
    Column("mailing", Integer, primary_key=True, autoincrement=False),
    Column("first", Integer, primary_key=True, autoincrement=False),
    Column("last", Integer, nullable=False),
    Column("edition", String(60), nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("attempt", Integer, nullable=False, server_default="0"),
    _text("worker", String(80)),
    Column("not_before", Moment),
)
"""Work to be done: ranges of deliveries of one edition, none of which overlap. A planned delivery lies in one of them.
`worker` has it in hand; empty for nobody. `attempt` counts who had it, so that only the last one's word counts;
`tries` counts, within a run, how often the provider put some of it off. A batch that is done is deleted."""

rates = Table(
    "sending_rate",
    metadata,
    Column("provider", String(40), primary_key=True),
    Column("free_at", Moment, nullable=False),
)
"""When a provider may be called again: pushed on by each claim, and by a provider that wants to be left alone."""

# ---------------------------------------------------------------- what was reported later

events = Table(
    "event",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("provider", String(40), nullable=False),
    Column("identity", String(64), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("mailing", String(80), nullable=False),
    Column("subscriber", ForeignKey(people.c.id, ondelete="CASCADE"), index=True),
    Column("domain", String(253), nullable=False),
    Column("name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("doubt", Text, nullable=False),
    Column("handled_at", Moment),
    Column("decision", Text, nullable=False),
    UniqueConstraint("provider", "identity"),
    Index("event_mailing", "mailing", "kind"),
    Index("event_open", "handled_at"),
)
"""What became of deliveries, as providers and mail servers report it. No address is in it, and a reader's events go
with the reader (P-22). `identity` is a digest of the provider's own name for the report, so that the same one counts
once. Without `handled_at` something is still to be done: by a person if there is a `doubt`, else by the program."""

cursors = Table(
    "event_cursor",
    metadata,
    Column("source", String(80), primary_key=True),
    Column("cursor", Text, nullable=False),
    Column("at", Moment, nullable=False),
)
"""How far a provider's events, or the messages of a mailbox, were read."""
