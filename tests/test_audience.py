"""Who reads which edition: one question to the database, and one plain answer for one reader, that always agree."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mailing import NOON, SECRET, Newsroom, config, newsroom
from sqlalchemy import delete, func, insert, select, update

from bulletin.config import AudienceSetting, Config, ListSetting, TopicSetting
from bulletin.delivery.plan import line, make_plan
from bulletin.model import RenderedEdition, Subscriber, SubscriberState
from bulletin.subscribers import audience, exporting
from bulletin.subscribers.belonging import audience_of, why_member
from bulletin.subscribers.consent import Cause, why_no_mail
from bulletin.subscribers.tokens import AddressHashes
from bulletin.tables import memberships, people, suppressions
from bulletin.words import primary

DOMAINS = ("force.example.org", "mail.force.example.org", "xforce.example.org", "council.example.org", "example.org")
LISTS, TOPICS = ("partners", "leads", "press"), ("stalking", "rso", "rso-2")
ORGANISATIONS, ROLES = (
    ("Kent Police", "KENT police", "Kent", "Ŵyn Trust", "ŵyn trust", ""),
    ("DCI", "dci", "Analyst", ""),
)
LANGUAGES = ("", "en", "en-GB", "EN-gb", "cy", "CY", "cy-GB", "cyx", "fr")


def some(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    """None to two of these."""
    return st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


filters = st.builds(
    AudienceSetting,
    id=st.just("x"),
    title=st.just("X"),
    domains=some("force.example.org", "council.example.org"),
    lists=some(*LISTS),
    organisations=some("Kent Police", "Ŵyn Trust"),
    roles=some("DCI", "analyst"),
    topics=some(*TOPICS),
    languages=some("en", "cy"),
)
publications = st.builds(
    lambda settings, own: config(
        audiences=tuple(replace(each, id=f"a{number}") for number, each in enumerate(settings)), language=own
    ),
    st.lists(filters, max_size=3),
    st.sampled_from(["en-GB", "cy"]),
)


@dataclass(frozen=True)
class Entry:
    """A reader as the database has them."""

    domain: str
    state: SubscriberState
    organisation: str
    role: str
    language: str
    topics: tuple[str, ...]
    lists: tuple[str, ...]
    pause: int | None
    suppressed: bool


entries = st.builds(
    Entry,
    domain=st.sampled_from(DOMAINS),
    state=st.sampled_from([SubscriberState.SUBSCRIBED] * 4 + [SubscriberState.PENDING, SubscriberState.BOUNCED]),
    organisation=st.sampled_from(ORGANISATIONS),
    role=st.sampled_from(ROLES),
    language=st.sampled_from(LANGUAGES),
    topics=some(*TOPICS),
    lists=some(*LISTS),
    pause=st.sampled_from([None, None, None, -1, 0, 1]),
    suppressed=st.sampled_from([False, False, False, True]),
)


@pytest.fixture
def room(tmp_path: Path, database_url: str) -> Iterator[Newsroom]:
    with newsroom(tmp_path, url=database_url) as made:
        yield made


def enter(room: Newsroom, found: list[Entry]) -> dict[str, tuple[Subscriber, Entry]]:
    """The database with these readers and no others; each by id."""
    hashes = AddressHashes(SECRET)
    readers: dict[str, tuple[Subscriber, Entry]] = {}
    with room.engine.begin() as connection:
        for table in (people, suppressions):
            connection.execute(delete(table))
        for number, entry in enumerate(found):
            email, pause = f"r{number}@{entry.domain}", None
            if entry.pause is not None:
                pause = NOON + dt.timedelta(seconds=entry.pause)
            person = Subscriber(
                id=f"id{number}",
                email=email,
                language=entry.language,
                state=entry.state,
                organisation=entry.organisation,
                role=entry.role,
                topics=entry.topics,
                paused_until=pause,
            )
            readers[person.id] = person, entry
            values = {
                name: getattr(person, name) for name in ("id", "email", "name", "language", "organisation", "role")
            }
            values |= {
                "topics": entry.topics,
                "paused_until": pause,
                "state": entry.state.value,
                "domain": entry.domain,
            }
            values |= {"created_at": NOON, "changed_at": NOON, "address_hash": hashes.of(email)}
            connection.execute(insert(people).values(values))
            for name in entry.lists:
                connection.execute(insert(memberships).values(subscriber=person.id, list=name, since=NOON))
            if entry.suppressed:
                values = {"hash": hashes.of(email), "key": hashes.key_id, "reason": "complained", "at": NOON}
                connection.execute(insert(suppressions).values(values))
    return readers


def asked(room: Newsroom, publication: Config, audiences: tuple[str, ...]) -> dict[str, str]:
    with room.engine.connect() as connection:
        question = audience.recipients(publication, audiences, ("cy", "en-GB"), NOON)
        return {row.subscriber: row.edition for row in connection.execute(question)}


def rendered(name: str, language: str) -> RenderedEdition:
    return RenderedEdition(
        issue="2024-05", audience=name, language=language, subject="", html="", text="", markers={}, digest=name
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(publications, st.lists(entries, max_size=12), st.data())
def test_s26_one_question_and_one_reader_give_the_same_answer(
    room: Newsroom, publication: Config, found: list[Entry], data: st.DataObject
) -> None:
    """S-26, W-03, L-11: exact domains, the first audience in order, the reader's language; who must not be mailed is
    missing, and counted with the reason."""
    readers = enter(room, found)
    ids = tuple(known.id for known in publication.audiences)
    with_edition = tuple(data.draw(st.lists(st.sampled_from(ids), unique=True)) if ids else ())
    own = publication.language
    told = {}
    reasons: dict[str, int] = {}
    for key, (person, entry) in readers.items():
        why_not = why_no_mail(person.state, person.paused_until, NOON)
        if entry.suppressed and why_not in {"", "paused"}:
            why_not = "suppressed"
        if why_not:
            reasons[why_not] = reasons.get(why_not, 0) + 1
            continue
        name = audience_of(person, entry.lists, publication)
        tongue = next((tag for tag in ("cy", "en-GB") if primary(tag) == primary(person.language)), own)
        told[key] = f"{name if name in with_edition else 'everyone'}.{tongue}"
    assert asked(room, publication, with_edition) == told
    with room.engine.connect() as connection:
        assert dict(connection.execute(audience.withheld(NOON)).all()) == reasons
    for known in (*ids, "everyone"):
        choice = exporting.Choice(audience=known)
        setting = next((each for each in publication.audiences if each.id == known), None)
        listed = list(exporting.members(room.engine, publication, choice, NOON))
        assert {email for email, _, _ in listed} == {
            readers[key][0].email for key in told if audience_of(*_reader(readers[key]), publication) == known
        }
        by_address = {person.email: (person, entry.lists) for person, entry in readers.values()}
        assert all(why == why_member(*by_address[email], setting, publication) for email, _, why in listed if setting)
        assert all(why for _, _, why in listed)


def _reader(known: tuple[Subscriber, Entry]) -> tuple[Subscriber, tuple[str, ...]]:
    return known[0], known[1].lists


def test_an_audience_that_nothing_defines_has_no_readers() -> None:
    """A setting left half written lets nobody in, least of all everybody."""
    publication = config(audiences=(AudienceSetting(id="forces", title="Forces"),))
    assert audience_of(Subscriber(id="a", email="a@force.example.org"), (), publication) == "everyone"


def test_everything_an_audience_names_has_to_fit() -> None:
    publication = config(
        audiences=(
            AudienceSetting(id="leads", title="Leads", domains=("force.example.org",), roles=("DCI",), lists=("l",)),
        )
    )
    lead = Subscriber(id="a", email="a@force.example.org", role="dci")
    assert audience_of(lead, ("l",), publication) == "leads"
    assert why_member(lead, ("l",), publication.audiences[0], publication) == (
        "exact domain force.example.org, named in the settings; on the list l; role dci"
    )
    assert audience_of(lead, (), publication) == "everyone"
    assert audience_of(replace(lead, email="a@pcc.force.example.org"), ("l",), publication) == "everyone"
    assert audience_of(replace(lead, role="Analyst, DCI"), ("l",), publication) == "everyone"


def test_a_suppressed_address_gets_nothing_whatever_its_row_says(room: Newsroom) -> None:
    """P-21: the row says subscribed, the list of who must not be written to says no; the list wins."""
    room.subscribe(["a@example.org", "b@example.org"])
    hashes = AddressHashes(SECRET)
    with room.engine.begin() as connection:
        values = {"hash": hashes.of("a@example.org"), "key": hashes.key_id, "reason": "erased", "at": NOON}
        connection.execute(insert(suppressions).values(values))
        assert connection.scalar(select(func.count()).where(people.c.state == "subscribed")) == 2
        found = connection.execute(audience.recipients(room.config, (), ("en-GB",), NOON)).all()
        assert [row.domain for row in found] == ["example.org"]
        assert [tuple(row) for row in connection.execute(audience.withheld(NOON))] == [("suppressed", 1)]


def test_readers_of_an_older_database_are_found_on_the_list_of_suppressions_too(room: Newsroom) -> None:
    """Their rows have no hash yet; the store that knows the secret fills it in when it is opened."""
    room.subscribe(["a@example.org", "b@example.org"])
    room.readers.report("a@example.org", Cause.COMPLAINT, now=NOON, how="test")
    with room.engine.begin() as connection:
        connection.execute(update(people).values(address_hash="", state="subscribed"))
        assert len(connection.execute(audience.recipients(room.config, (), (), NOON)).all()) == 2
    type(room.readers)(room.engine, SECRET)
    with room.engine.connect() as connection:
        assert len(connection.execute(audience.recipients(room.config, (), (), NOON)).all()) == 1


def test_a_plan_asks_for_lists_too(room: Newsroom) -> None:
    """Who is on the list gets the edition made for it; the others get everyone's."""
    publication = config(
        audiences=(AudienceSetting(id="partners", title="Partners", lists=("partners",)),),
        lists=(ListSetting(id="partners", title="Partners"),),
        topics=(TopicSetting(id="rso", title="RSO"),),
    )
    room.import_list("email\na@example.org\n", into_list="partners")
    room.subscribe(["b@example.org"])
    editions = [rendered(name, "en-GB") for name in ("partners", "everyone")]
    found = asked(room, publication, ("partners",))
    lines = [line(subscriber, edition) for subscriber, edition in found.items()]
    plan = make_plan("2024-05", editions, lines, publication, "outbox")
    assert plan.counts == {"partners.en-GB": 1, "everyone.en-GB": 1}
    names = {person.id: person.email for person in room.readers.all()}
    assert {names[subscriber]: edition for subscriber, edition in found.items()} == {
        "a@example.org": "partners.en-GB",
        "b@example.org": "everyone.en-GB",
    }
