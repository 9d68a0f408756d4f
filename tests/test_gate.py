"""The leak gate (S-23): a canary in any field of a restricted item is found in any byte that would leave."""

from __future__ import annotations

import datetime as dt
import gzip
import html
import json
import string
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo

from bulletin import gate
from bulletin.archive import site
from bulletin.config import AudienceSetting, Config, Organisation, Sender, TopicSetting, Web
from bulletin.editions import make_edition
from bulletin.errors import LeakError
from bulletin.model import EVERYONE, Correction, Event, Image, Issue, Item, Picture, RenderedEdition, Section
from bulletin.publication import open_publication, starter_templates

CONFIG = Config(
    name="Harbour Bulletin",
    organisation=Organisation(name="Harbour Partnership", postal_address="1 Quay, Exampleton"),
    sender=Sender(name="Harbour Bulletin", address="bulletin@example.org"),
    web=Web(archive_url="https://news.example.org/"),
    topics=(TopicSetting(id="tides", title="Tides"),),
    audiences=(AudienceSetting(id="forces", title="Police forces"), AudienceSetting(id="partners", title="Partners")),
)
OPEN = Item(
    id="open-day",
    title="The harbour opens its doors",
    url="https://example.org/open",
    source="Harbour Office",
    summary="Everybody may come. Bring a friend along.",
    image=Image(file="images/door.png", alt="A door"),
    event=Event(starts=dt.datetime.fromisoformat("2024-06-12T11:00"), place="Harbour Hall"),
)
KEPT = Item(
    id="op-kestrel-briefing",
    title="Operation Kestrel begins",
    url="https://intranet.example.org/kestrel?unit=7&day=2",
    link="Read the Kestrel orders",
    source="Kestrel Command",
    summary='The **first** boats leave at "dawn". Crews meet [behind the chandlery](https://example.org/map/kestrel).',
    image=Image(file="images/kestrel-chart.png", alt="Chart with the Kestrel route"),
    audience=("forces",),
    topics=("tides",),
    event=Event(
        starts=dt.datetime.fromisoformat("2024-07-01T04:15"),
        place="Kestrel House, Exampleton",
        booking="https://example.org/book/kestrel",
    ),
)
ISSUE = Issue(
    schema=1,
    id="2024-05",
    title="Harbour Bulletin, May 2024",
    date=dt.date(2024, 5, 30),
    public=True,
    sections=(
        Section(id="news", items=(OPEN,)),
        Section(id="closed", title="Under the Kestrel flag", intro="For the crews of Kestrel only.", items=(KEPT,)),
    ),
)
CANARIES = {
    "the headline": "Operation Kestrel begins",
    "the words of the link": "Read the Kestrel orders",
    "the source": "Kestrel Command",
    "the first sentence": 'The first boats leave at "dawn".',
    "the second sentence": "Crews meet behind the chandlery",
    "the web address": "https://intranet.example.org/kestrel?unit=7&day=2",
    "the address in the summary": "https://example.org/map/kestrel",
    "the booking address": "https://example.org/book/kestrel",
    "the place": "Kestrel House, Exampleton",
    "the picture's description": "Chart with the Kestrel route",
    "the picture's file": "kestrel-chart.png",
    "the heading": "Under the Kestrel flag",
    "the words under the heading": "For the crews of Kestrel only.",
}


def picture(**saving: object) -> bytes:
    out = BytesIO()
    PillowImage.new("RGB", (60, 40), "teal").save(out, "PNG", **saving)
    return out.getvalue()


def build(*issues: Issue) -> Mapping[str, bytes]:
    facts = Picture(width=60, height=40, size=100, format="PNG")
    return site.build(
        issues,
        CONFIG,
        pictures={one.id: {item.image.file: facts for item in one.items if item.image} for one in issues},
        picture_bytes=lambda _issue, _file: picture(),
        template_dirs=(starter_templates(),),
    )


def leaks(name: str, data: bytes) -> str:
    """What the gate says of an archive with this file in it."""
    with pytest.raises(LeakError) as caught:
        gate.check_public({**build(ISSUE), name: data}, [ISSUE], CONFIG)
    return str(caught.value)


def test_the_real_archive_and_mails_pass() -> None:
    home = open_publication(Path(__file__).parent.parent, {})
    issues = [home.read_issue(name).issue for name in home.issue_ids()]
    outputs = site.build(
        issues,
        home.config,
        pictures={issue.id: home.pictures(issue) for issue in issues},
        picture_bytes=home.picture_bytes,
        template_dirs=home.template_dirs,
    )
    gate.check_public(outputs, issues, home.config)


def test_nothing_of_a_restricted_item_is_in_any_byte_of_the_archive_s24() -> None:
    outputs = build(ISSUE)
    gate.check_public(outputs, [ISSUE], CONFIG)
    everything = b"\n".join([*outputs.values(), *(name.encode() for name in outputs)]).lower()
    assert b"kestrel" not in everything
    assert b"harbour opens" in everything


def forms(canary: str) -> Iterator[bytes]:
    """A text as it may stand in a file: plain, escaped, encoded, wrapped, folded, in other capitals, cut by tags."""
    yield canary.encode()
    yield html.escape(canary).encode()
    yield quote(canary, safe="").encode()
    yield json.dumps(canary).encode()
    yield canary.upper().encode()
    yield canary.encode("utf-16-le") + b"\xff\xfe\xfd"
    if "://" not in canary and "." not in canary[:-1]:
        yield canary.replace(" ", "\n        ").encode()
        yield canary.replace(" ", "</em> <strong>").encode()
        yield f"{canary[:9]}\r\n {canary[9:]}".encode()
        yield canary.replace('"', "”").encode()


@pytest.mark.parametrize("canary", CANARIES.values(), ids=CANARIES.keys())
def test_a_canary_is_found_in_every_form_s24(canary: str) -> None:
    for form in forms(canary):
        said = leaks("2024-05/other.html", b"<p>before " + form + b" after</p>")
        assert "2024-05/other.html holds" in said
        assert "op-kestrel-briefing in 2024-05" in said
        assert "Nothing was published" in said
        assert "Kestrel" not in said, "the message must not give away what it found"


@pytest.mark.parametrize(
    "link", ['<a href="#op-kestrel-briefing">', "<li id='op-kestrel-briefing'>", '"x/op-kestrel-briefing/"']
)
def test_the_id_is_found_where_ids_stand(link: str) -> None:
    assert "the id of the item" in leaks("index.html", link.encode())


def test_file_names_count_too() -> None:
    assert "the id of the item" in leaks("2024-05/op-kestrel-briefing.ics", b"")
    assert "the picture's file name" in leaks("2024-05/images/kestrel-chart.png", b"")


def test_a_canary_packed_into_a_picture_is_found_s24() -> None:
    packed = PngInfo()
    packed.add_itxt("Comment", "Operation Kestrel begins", zip=True)
    assert "the headline" in leaks("2024-05/images/door.png", picture(pnginfo=packed))
    exif = PillowImage.Exif()
    exif[0x010E] = "Operation Kestrel begins"
    assert "the headline" in leaks("2024-05/images/door.png", picture(exif=exif))


def test_a_canary_packed_into_a_search_index_is_found_s24() -> None:
    """Pieces of an index are packed to load quickly; their names may say nothing of it."""
    assert "the headline" in leaks("search/part.pf_index", gzip.compress(b'{"t": "Operation Kestrel begins"}'))
    gate.check_public({**build(ISSUE), "search/part.pf_index": b"\x1f\x8b damaged"}, [ISSUE], CONFIG)


@pytest.mark.parametrize(
    "words",
    [
        "OFFICIAL-SENSITIVE",
        "RECIPIENTS ONLY",
        "HARBOUR USE ONLY",
        "TLP:AMBER",
        "TLP:AMBER+STRICT",
        "TLP:RED",
        "TLP:GREEN",
    ],
)
def test_a_marking_is_not_published_s23(words: str) -> None:
    assert f'the marking "{words}"' in leaks("index.html", f"<p>{words}</p>".encode())


def test_markings_in_small_letters_and_tlp_clear_are_words_like_others() -> None:
    text = b"<p>What official-sensitive means; for recipients only. TLP:CLEAR</p>"
    gate.check_public({"index.html": text}, [ISSUE], CONFIG)


def test_a_readers_address_or_link_is_not_published_s23() -> None:
    assert "a mail address" in leaks("index.html", b"reader.one@example.com")
    assert "personal link" in leaks("index.html", b"https://news.example.org/unsubscribe/x")
    assert "personal link" in leaks("x.json", b"0123456789abcdef0123_" + b"a" * 52)
    for text in (
        b"Write to bulletin@example.org.",
        rb'{"text": "To:\nbulletin@example.org"}',
        b"?to=%3Cbulletin@example.org",
    ):
        gate.check_public({"index.html": text}, [ISSUE], CONFIG)


def test_emphasis_inside_a_word_and_links_by_reference_hide_nothing() -> None:
    kept = replace(KEPT, summary="The *op*eration moves to [the old pier][pier] on Monday.")
    issue = replace(ISSUE, sections=(Section(id="news", items=(OPEN, kept)),))
    built = b"<p>The <em>op</em>eration moves to <a href='x'>the old pier</a> on Monday.</p>"
    with pytest.raises(LeakError, match="a sentence of the summary"):
        gate.check_public({"x.html": built}, [issue], CONFIG)


def test_what_stands_in_a_public_item_too_is_no_canary() -> None:
    shared = replace(
        KEPT, source=OPEN.source, url=OPEN.url, summary="Everybody may come.", image=OPEN.image, event=OPEN.event
    )
    issue = replace(ISSUE, sections=(Section(id="news", items=(OPEN, shared)),))
    gate.check_public(build(issue), [issue], CONFIG)
    with pytest.raises(LeakError, match="the headline of the item op-kestrel-briefing"):
        gate.check_public({"x.html": b"Operation Kestrel begins"}, [issue], CONFIG)


def test_an_address_is_not_found_in_a_longer_one_that_is_public() -> None:
    kept = replace(KEPT, url="https://example.org/ope")
    issue = replace(ISSUE, sections=(Section(id="news", items=(OPEN, kept)),))
    gate.check_public(build(issue), [issue], CONFIG)
    with pytest.raises(LeakError, match="the web address"):
        gate.check_public({"x.html": b'<a href="http://www.example.org/ope/">'}, [issue], CONFIG)


def test_what_a_correction_says_of_a_restricted_item_is_a_canary_and_not_published() -> None:
    note = "The boats of the second crew leave an hour later."
    corrected = replace(ISSUE, corrections=(Correction(date=dt.date(2024, 6, 6), note=note, item=KEPT.id),))
    outputs = build(corrected)
    assert not [name for name, data in outputs.items() if b"second crew" in data or b"Corrected on" in data]
    gate.check_public(outputs, [corrected], CONFIG)
    with pytest.raises(LeakError, match="a correction of the item op-kestrel-briefing"):
        gate.check_public({**outputs, "x.html": note.encode()}, [corrected], CONFIG)


def test_an_issue_that_is_not_public_stays_out_as_a_whole() -> None:
    coming = replace(ISSUE, id="2024-06", title="Harbour Bulletin, June 2024", public=False, sections=(
        Section(id="news", items=(Item(id="regatta", title="The regatta is cancelled this year"),)),
    ))  # fmt: skip
    gate.check_public(build(ISSUE, coming), [ISSUE, coming], CONFIG)
    with pytest.raises(LeakError, match=r"the headline of the item regatta in 2024-06;\s.*the title of 2024-06"):
        gate.check_public(
            {"x": b"Harbour Bulletin, June 2024: The regatta is cancelled this year"}, [ISSUE, coming], CONFIG
        )


def rendered(audience: str, text: str) -> RenderedEdition:
    return RenderedEdition(
        issue=ISSUE.id, audience=audience, language="en-GB", subject="May", html=f"<p>{html.escape(text)}</p>",
        text=text, markers={}, digest="",
    )  # fmt: skip


def test_a_mail_is_held_against_its_own_audience() -> None:
    words = "Operation Kestrel begins"
    gate.check_edition(rendered("forces", words), ISSUE, CONFIG)
    for audience in (EVERYONE, "partners"):
        with pytest.raises(
            LeakError, match=rf"{audience}.en-GB.txt holds the headline .*(?s:.*)Nothing was written or sent"
        ):
            gate.check_edition(rendered(audience, words), ISSUE, CONFIG)


def test_a_leak_in_the_subject_alone_is_found() -> None:
    mail = replace(rendered(EVERYONE, "Hello"), subject="Operation Kestrel begins")
    with pytest.raises(LeakError, match="the subject holds the headline"):
        gate.check_edition(mail, ISSUE, CONFIG)


words = st.lists(st.text(string.ascii_lowercase, min_size=4, max_size=9), min_size=3, max_size=8).map(" ".join)
audiences = st.sampled_from([(), ("everyone",), ("forces",), ("partners",), ("forces", "partners")])
items = st.builds(Item, id=st.just("x"), title=words, summary=words.map(lambda text: f"{text}."), audience=audiences)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(items, max_size=4), max_size=4))
def test_a_restricted_item_is_never_in_what_is_built_s22(parts: list[list[Item]]) -> None:
    sections = tuple(
        Section(id=f"s{s}", items=tuple(replace(item, id=f"item-{s}-{i}") for i, item in enumerate(part)))
        for s, part in enumerate(parts)
    )
    issue = replace(ISSUE, sections=sections)
    outputs = build(issue)
    gate.check_public(outputs, [issue], CONFIG)
    everything = b"\n".join(outputs.values()).decode("utf-8", "replace")
    said_openly = "\n".join(f"{item.title}\n{item.summary}" for item in issue.items if not item.restricted)
    for item in issue.items:
        if not item.restricted:
            assert item.title in everything
        elif item.title not in said_openly:
            assert item.title not in everything
            assert item.id not in everything
    for audience in (EVERYONE, "forces", "partners"):
        edition = make_edition(issue, CONFIG, {}, audience)
        mail = "\n".join(f"{item.title}\n{item.summary}" for item in edition.items)
        gate.check_edition(rendered(audience, mail), issue, CONFIG)
