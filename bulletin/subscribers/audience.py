"""Who reads which edition, asked of all readers at once: one question to the database, however many they are.

It is the only definition that planning, sending, lists and exports go by. `belonging` says the same of one reader, with
the reason; a test holds that both agree.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from bulletin.config import AudienceSetting, Config
from bulletin.model import EVERYONE, SubscriberState
from bulletin.subscribers.belonging import domains_of, folded, tongue
from bulletin.tables import memberships, people, suppressions

_p = people.c


def recipients(
    config: Config, audiences: Collection[str], languages: Collection[str], now: dt.datetime | None
) -> Select[tuple[str, str, str]]:
    """Everyone who gets a copy: `subscriber` (the id), `edition` (its name) and `domain`.

    `audiences` and `languages` are those the issue has editions for. A reader gets the edition of the first audience in
    the settings that they belong to, everyone's if the issue has none of its own for it (S-26), in their language or
    else the publication's (W-03). In it is nobody who is not subscribed, whose address is suppressed, or who paused
    until after `now`; without `now` every pause holds.
    """
    named = _first_fit(config, {known.id: known.id for known in config.audiences if known.id in audiences})
    edition = (named + "." + _language(config, languages)).label("edition")
    return select(_p.id.label("subscriber"), edition, _p.domain).where(gets_mail(now))


def withheld(now: dt.datetime | None) -> Select[tuple[str, int]]:
    """Everyone who gets nothing: `reason`, in one word, and `number`."""
    reason = case(
        (_p.state != SubscriberState.SUBSCRIBED.value, _p.state), (_suppressed(), "suppressed"), else_="paused"
    ).label("reason")
    return select(reason, func.count().label("number")).where(~gets_mail(now)).group_by(reason)


def gets_mail(now: dt.datetime | None) -> ColumnElement[bool]:
    """Whether a reader is subscribed, not suppressed and not in a pause; without `now` every pause holds."""
    paused = _p.paused_until.is_not(None) if now is None else and_(_p.paused_until.is_not(None), _p.paused_until > now)
    return and_(_p.state == SubscriberState.SUBSCRIBED.value, ~paused, ~_suppressed())


def audience(config: Config) -> ColumnElement[str]:
    """The id of the audience a reader belongs to."""
    return _first_fit(config, {known.id: known.id for known in config.audiences})


def in_audience(config: Config, wanted: str) -> ColumnElement[bool]:
    """Whether an audience is the first that a reader belongs to."""
    before: list[AudienceSetting] = []
    for known in config.audiences:
        if known.id == wanted:
            return and_(_belongs(known, config), *(~_belongs(earlier, config) for earlier in before))
        before.append(known)
    return and_(_p.id.is_not(None), *(~_belongs(known, config) for known in before))


def _first_fit(config: Config, names: dict[str, str]) -> ColumnElement[str]:
    """A name for each reader by the first audience they belong to; everyone's where it has none."""
    fits = [(_belongs(known, config), literal(names.get(known.id, EVERYONE))) for known in config.audiences]
    return case(*fits, else_=literal(EVERYONE)) if fits else literal(EVERYONE)


def _language(config: Config, languages: Collection[str]) -> ColumnElement[str]:
    own = tongue("", config)
    others = [(_speaks(first), tag) for tag in languages if (first := tongue(tag, config)) != own]
    return (
        case(*((fits, literal(tag)) for fits, tag in others), else_=literal(config.language))
        if others
        else (literal(config.language))
    )


def _belongs(audience: AudienceSetting, config: Config) -> ColumnElement[bool]:
    """See `belonging.why_member`. An audience whose setting names nothing has no readers."""
    parts: list[ColumnElement[bool]] = []
    if domains := domains_of(audience):
        parts.append(_p.domain.in_(sorted(domains)))
    if audience.lists:
        m = memberships.c
        parts.append(exists().where(m.subscriber == _p.id, m.list.in_(audience.lists)))
    for column, values in ((_p.organisation, audience.organisations), (_p.role, audience.roles)):
        if values:
            parts.append(_Small(column).in_(sorted(map(folded, values))))
    if audience.topics:  # in the column each topic has a space on either side
        parts.append(or_(*(type_coerce(_p.topics, String).contains(f" {topic} ") for topic in audience.topics)))
    if audience.languages:
        parts.append(or_(*(_speaks(tongue(tag, config), config) for tag in audience.languages)))
    return and_(*parts) if parts else false()


def _speaks(first: str, config: Config | None = None) -> ColumnElement[bool]:
    """Whether a reader's language starts with this part; who named none speaks the publication's, if that is given."""
    small = _Small(_p.language)
    fits = or_(small == first, small.like(f"{first}-%"))
    return or_(fits, _p.language == "") if config and tongue("", config) == first else fits


def _suppressed() -> ColumnElement[bool]:
    """Also where a reader's row does not say so: whatever went wrong, the list of who must not be written to wins."""
    return exists().where(suppressions.c.hash == _p.address_hash)


class _Small(FunctionElement[str]):
    """A text with the letters A to Z made small, and no others, as `belonging.folded` does."""

    type = String()
    inherit_cache = True
    name = "small"


@compiles(_Small)
def _small(element: _Small, compiler: Any, **more: Any) -> str:
    return f"lower({compiler.process(element.clauses, **more)})"


@compiles(_Small, "postgresql")
def _small_in_postgresql(element: _Small, compiler: Any, **more: Any) -> str:
    return f'lower({compiler.process(element.clauses, **more)} COLLATE "C")'
