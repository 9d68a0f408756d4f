"""Protective markings and traffic light labels, from the issue file to what readers get (S-01 to S-23)."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from test_config import GOOD

from bulletin import config as settings_file
from bulletin import flow, gate, issuefile, markings
from bulletin.cli import run
from bulletin.editions import make_edition
from bulletin.errors import BulletinError, FileProblems, LeakError
from bulletin.markings import Marking, Weight
from bulletin.model import EVERYONE, Edition, Issue, Item, Section
from bulletin.publication import Publication, open_publication

HEAD = """\
schema: 1
id: 2024-05
title: Sample Bulletin, May 2024
date: 2024-05-30
subject: New guides for everyone who writes reviews
preheader: What the guides hold, and where you find them, in three minutes.
public: true
"""
ITEM = """\
      - id: guides
        title: Guides for people who write reviews
        url: https://www.example.org/guides
        link: Open the guides for review writers
        source: Sample Programme
        published: 2024-05-09
        summary: The reviews team keeps a page of guides. Please look at them and tell new colleagues.
"""


def issue_text(item: str = "", head: str = "") -> str:
    indented = "".join(f"        {line}\n" for line in item.splitlines())
    return f"{HEAD}{head}sections:\n  - id: news\n    items:\n{ITEM}{indented}"


def issue_of(item: str = "", head: str = "") -> Issue:
    return issuefile.read(issue_text(item, head), "issue.yaml").issue


@pytest.fixture
def home(tmp_path: Path) -> Publication:
    """A publication with one reader and issue 2024-05, which a test writes."""
    (tmp_path / "bulletin.toml").write_text(GOOD, "utf-8")
    (tmp_path / "issues/2024-05").mkdir(parents=True)
    (tmp_path / "readers.csv").write_text("email\nreader@example.org\nofficer@force.example.org\n", "utf-8")
    made = open_publication(tmp_path, {})
    flow.import_subscribers(made, tmp_path / "readers.csv", basis="asked")
    return made


def write(home: Publication, item: str = "", head: str = "") -> None:
    home.issue_path("2024-05").write_text(issue_text(item, head), "utf-8")


# ---------------------------------------------------------------- reading

PARTS = st.sampled_from(
    [
        *("OFFICIAL", "SENSITIVE", "SECRET", "TOP", "RECIPIENTS ONLY", "USE ONLY", "HMG", "EMBARGOED", "PERSONAL DATA"),
        *(" - ", " – ", "-", "[", "]", "/", ",", ":", " ", "\n", "\ufb03", "ß", "TLP:RED", "FOR PUBLIC RELEASE"),
    ]
)


@given(st.one_of(st.text(max_size=40), st.lists(PARTS, max_size=8).map("".join)))
@example("OFFICIAL-SENSITIVE - [ORGANISATION] USE ONLY")
@example("OFFICIAL - /")
def test_any_text_is_a_marking_or_refused_and_what_is_written_back_means_the_same_s02(text: str) -> None:
    marking, flaws = markings.parse(text)
    assert (marking is None) == any(flaw.weight is Weight.REFUSED for flaw in flaws)
    assert all(flaw.message and flaw.hint for flaw in flaws)
    if marking:
        again, left = markings.parse(str(marking))
        assert again == marking
        assert {flaw.weight for flaw in left} <= {flaw.weight for flaw in flaws}
        assert "SENSITIVE" not in text.upper().split("-")[0:1] or marking.sensitive


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("OFFICIAL", "OFFICIAL"),
        ("official", "OFFICIAL"),
        ("OFFICIAL - SENSITIVE", "OFFICIAL-SENSITIVE"),
        ("OFFICIAL SENSITIVE: Recipients only", "OFFICIAL-SENSITIVE - RECIPIENTS ONLY"),
        ("OFFICIAL-SENSITIVE [RECIPIENTS ONLY] — personal data", "OFFICIAL-SENSITIVE - RECIPIENTS ONLY PERSONAL DATA"),
        (
            "OFFICIAL-SENSITIVE – PERSONAL DATA – RECIPIENTS ONLY",
            "OFFICIAL-SENSITIVE - RECIPIENTS ONLY - PERSONAL DATA",
        ),
        ("OFFICIAL-SENSITIVE PERSONAL DATA", "OFFICIAL-SENSITIVE - PERSONAL DATA"),
        ("OFFICIAL // FOR PUBLIC RELEASE", "OFFICIAL - FOR PUBLIC RELEASE"),
    ],
)
def test_what_people_type_is_understood_s02(text: str, means: str) -> None:
    assert str(markings.parse(text)[0]).replace("RECIPIENTS ONLY - ", "RECIPIENTS ONLY ") == means.replace(
        "RECIPIENTS ONLY - ", "RECIPIENTS ONLY "
    )


@pytest.mark.parametrize(
    ("item", "at", "says"),
    [
        ("marking: SECRET", ":18:18:", '"SECRET" may not be in this tool, which is for OFFICIAL material only.'),
        ("marking: Top Secret - recipients only", ":18:18:", "may not be in this tool"),
        ("marking: TOP-SECRET", ":18:18:", "may not be in this tool"),
        ("marking: OFICIAL-SENSITIVE", ":18:18:", 'Did you mean "OFFICIAL-SENSITIVE"?'),
        ("marking: TLP:AMBER", ":18:18:", 'has a field of its own: "tlp"'),
        ("tlp: TLP:WHITE", ":18:14:", "Since version 2.0 it is called TLP:CLEAR."),
        ("tlp: TLP GREEN", ":18:14:", "Write TLP:GREEN."),
        ("tlp: tlp:amber+strict", ":18:14:", "Write TLP:AMBER+STRICT."),
        ("tlp: PURPLE", ":18:14:", "Write one of TLP:CLEAR, TLP:GREEN"),
    ],
)
def test_what_nobody_could_be_sure_of_is_refused_at_its_line_s01_s11(item: str, at: str, says: str) -> None:
    with pytest.raises(FileProblems) as caught:
        issue_of(item)
    assert f"issue.yaml{at}" in str(caught.value)
    assert says in str(caught.value)


def test_the_issue_too_may_not_be_secret_s01() -> None:
    with pytest.raises(FileProblems, match="OFFICIAL material only"):
        issue_of(head="marking: SECRET\n")


# ---------------------------------------------------------------- strictness

ALL = st.lists(
    st.builds(
        Marking,
        st.booleans(),
        st.lists(st.sampled_from(["FOR PUBLIC RELEASE", "RECIPIENTS ONLY", "HMG USE ONLY"]), unique=True).map(tuple),
        st.lists(st.sampled_from(["LEGAL", "COMMERCIAL"]), unique=True).map(tuple),
    ),
    min_size=1,
)


@given(ALL)
def test_the_strictest_covers_each_of_them_s08(several: list[Marking]) -> None:
    whole = markings.strictest(several)
    assert whole
    for one in several:
        assert whole.sensitive >= one.sensitive
        assert set(one.handling) - {"FOR PUBLIC RELEASE"} <= set(whole.handling)
        assert set(one.descriptors) <= set(whole.descriptors)
        assert one.for_everyone or not whole.for_everyone


def test_labels_are_ordered_s11() -> None:
    assert markings.strictest_tlp(["TLP:GREEN", "", "TLP:AMBER+STRICT", "TLP:AMBER"]) == "TLP:AMBER+STRICT"
    assert markings.strictest_tlp(["TLP:RED", "TLP:CLEAR"]) == "TLP:RED"
    assert markings.strictest_tlp(["", ""]) == ""


# ---------------------------------------------------------------- editions


def edition(home: Publication, *items: Item, audience: str = "forces", marking: str | None = None) -> Edition:
    issue = Issue(
        schema=1,
        id="2024-05",
        title="Sample Bulletin, May 2024",
        date=dt.date(2024, 5, 30),
        subject="New guides",
        marking=marking,
        sections=(Section(id="news", items=items),),
    )
    return make_edition(issue, home.config, {}, audience)


def item(name: str, marking: str | None = None, tlp: str | None = None, *audience: str) -> Item:
    return Item(id=name, title=name, marking=marking, tlp=tlp, audience=audience)


def test_a_mail_is_marked_as_its_strictest_item_and_says_so_first_in_the_subject_s08_s09_s12(home: Publication) -> None:
    stories = (
        item("open"),
        item("labelled", "OFFICIAL", "TLP:AMBER", "forces"),
        item("kept", "official sensitive – personal data", None, "forces"),
    )
    forces = edition(home, *stories)
    assert forces.marking == "OFFICIAL-SENSITIVE - PERSONAL DATA"
    assert forces.tlp == "TLP:AMBER"
    assert forces.subject == "OFFICIAL-SENSITIVE - PERSONAL DATA | TLP:AMBER | New guides"
    shown = [(story.marking, story.tlp) for story in forces.items]
    assert shown == [("", ""), ("", "TLP:AMBER"), ("OFFICIAL-SENSITIVE - PERSONAL DATA", "")]
    everyone = edition(home, *stories, audience=EVERYONE)
    assert (everyone.marking, everyone.tlp, everyone.subject) == ("", "", "New guides")


def test_an_editor_can_raise_the_marking_of_the_whole_and_not_lower_it_s08(home: Publication) -> None:
    kept = item("kept", "OFFICIAL-SENSITIVE", None, "forces")
    assert edition(home, kept, marking="OFFICIAL - FOR PUBLIC RELEASE").marking == "OFFICIAL-SENSITIVE"
    raised = edition(home, kept, marking="OFFICIAL-SENSITIVE - RECIPIENTS ONLY")
    assert raised.marking == "OFFICIAL-SENSITIVE - RECIPIENTS ONLY"


def test_plain_official_is_shown_only_where_the_settings_ask_for_it_s10(home: Publication) -> None:
    assert edition(home, item("a", "OFFICIAL"), audience=EVERYONE).marking == ""
    asked = replace(home, config=replace(home.config, mark_official=True))
    made = edition(asked, item("a"), audience=EVERYONE)
    assert (made.marking, made.subject) == ("OFFICIAL", "New guides")


def test_a_clear_label_speaks_for_the_whole_only_if_every_item_has_it_s12(home: Publication) -> None:
    assert edition(home, item("a", None, "TLP:CLEAR"), item("b"), audience=EVERYONE).tlp == ""
    both = edition(home, item("a", None, "TLP:CLEAR"), item("b", None, "TLP:CLEAR"), audience=EVERYONE)
    assert (both.tlp, both.subject) == ("TLP:CLEAR", "TLP:CLEAR | New guides")


def test_a_marking_typed_into_the_subject_is_not_said_twice_s09(home: Publication) -> None:
    issue = Issue(
        schema=1,
        id="2024-05",
        title="May",
        date=dt.date(2024, 5, 30),
        subject="OFFICIAL-SENSITIVE: New guides",
        sections=(Section(id="news", items=(item("a", "OFFICIAL-SENSITIVE", None, "forces"),)),),
    )
    assert make_edition(issue, home.config, {}, "forces").subject == "OFFICIAL-SENSITIVE: New guides"


# ---------------------------------------------------------------- who may read it

OPEN_BUT_MARKED = {
    "sensitive": "marking: OFFICIAL-SENSITIVE",
    "for one organisation": "marking: OFFICIAL - HMG USE ONLY",
    "with a descriptor": "marking: OFFICIAL - COMMERCIAL",
    "labelled": "tlp: TLP:GREEN",
}


@pytest.mark.parametrize("item", OPEN_BUT_MARKED.values(), ids=OPEN_BUT_MARKED)
def test_what_is_marked_for_fewer_is_found_and_neither_rendered_sent_nor_published_s21(
    home: Publication, item: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, item)
    monkeypatch.chdir(home.root)
    assert run(["check", "2024-05"]) == 1
    assert "issues/2024-05/issue.yaml:18:" in (said := capsys.readouterr().out)
    assert "MRK04" in said
    for command in (["render", "2024-05", "--out", "out"], ["send", "2024-05", "--yes"], ["archive"]):
        assert run(command) == 2
        assert 'the item "guides" in 2024-05 is marked' in capsys.readouterr().err
    assert not home.outbox_dir.exists() or not list(home.outbox_dir.rglob("*.eml"))
    assert not home.archive_dir.exists()


def test_an_allowance_for_the_finding_still_lets_nothing_out_s21(home: Publication) -> None:
    write(home, "marking: OFFICIAL-SENSITIVE", "allow: [{code: MRK04, why: It is fine., by: J. Editor}]\n")
    with pytest.raises(LeakError, match="open to everyone"):
        flow.check(home, "2024-05")


def test_an_issue_marked_as_a_whole_goes_to_nobody_as_its_words_go_to_everyone_s21(home: Publication) -> None:
    write(home, head="marking: OFFICIAL-SENSITIVE\n")
    with pytest.raises(LeakError, match="the issue 2024-05 is marked OFFICIAL-SENSITIVE"):
        flow.render(home, "2024-05")


def test_kept_for_its_audience_it_goes_out_with_its_marking_s09(home: Publication) -> None:
    write(home, "marking: OFFICIAL-SENSITIVE\ntlp: TLP:AMBER\naudience: [forces]")
    subjects = {mail.audience: mail.subject for mail in flow.check(home, "2024-05").rendered}
    assert subjects == {
        "forces": "OFFICIAL-SENSITIVE | TLP:AMBER | New guides for everyone who writes reviews",
        EVERYONE: "New guides for everyone who writes reviews",
    }


def test_the_gate_holds_the_archive_against_markings_by_itself_s23(home: Publication) -> None:
    marked = issue_of("marking: OFFICIAL-SENSITIVE")
    page = b"<p>Guides for people who write reviews</p>"
    with pytest.raises(LeakError, match="the headline of the item guides"):
        gate.check_public({"index.html": page}, [marked], home.config)
    gate.check_public({"index.html": page}, [issue_of("marking: OFFICIAL - FOR PUBLIC RELEASE")], home.config)


@pytest.mark.parametrize(
    "words",
    [
        "OFFICIAL-SENSITIVE",
        "OFFICIAL - SENSITIVE",
        "OFFICIAL&#8209;SENSITIVE",
        "OFFICIAL&nbsp;SENSITIVE",
        "OFFICIAL-<b>SENSITIVE</b>",
        "RECIPIENTS\n   ONLY",
        "HMG USE ONLY",
        "[EXAMPLE] USE ONLY",
        "TOP SECRET",
        "TLP:AMBER+STRICT",
        "TLP: RED",
        "TLP:GREEN",
        "TLP:<i>AMBER</i>",
    ],
)
def test_no_public_file_holds_the_words_of_a_marking_s23(home: Publication, words: str) -> None:
    with pytest.raises(LeakError, match="the marking"):
        gate.check_public({"index.html": f"<p>{words} and more</p>".encode()}, [], home.config)


@pytest.mark.parametrize("words", ["OFFICIAL - FOR PUBLIC RELEASE", "TLP:CLEAR", "an official, sensitive matter"])
def test_words_that_keep_nothing_from_anybody_may_be_public_s23(home: Publication, words: str) -> None:
    gate.check_public({"index.html": f"<p>{words}</p>".encode()}, [], home.config)


# ---------------------------------------------------------------- embargo


def at(hours: float) -> str:
    """A time so many hours from now, in London, as an editor types it."""
    return f"{dt.datetime.now(ZoneInfo('Europe/London')) + dt.timedelta(hours=hours):%Y-%m-%dT%H:%M}"


def test_before_its_time_an_item_is_neither_sent_nor_published_s06(
    home: Publication, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    today = f"{dt.datetime.now(home.config.zone) + dt.timedelta(days=9):%Y-%m-%d}"
    write(home, f"marking: OFFICIAL - EMBARGOED\nembargo: {at(30)}")
    path = home.issue_path("2024-05")
    path.write_text(path.read_text("utf-8").replace("date: 2024-05-30", f"date: {today}"), "utf-8")
    prepared = flow.prepare_sending(home, "2024-05")
    with pytest.raises(BulletinError, match='cannot be sent yet: the item "guides" is under embargo until') as caught:
        flow.send(home, prepared)
    day = dt.datetime.fromisoformat(at(30))
    assert f"{day.day} {day:%B %Y} at {day:%H:%M}" in str(caught.value)
    monkeypatch.chdir(home.root)
    assert run(["archive"]) == 2
    assert 'cannot be published yet: the item "guides" is under embargo' in capsys.readouterr().err
    assert not list(home.state_dir.rglob("*.eml"))
    assert not home.archive_dir.exists()


def test_after_its_time_it_goes_out_and_no_longer_says_embargoed_s06(home: Publication) -> None:
    write(home, f"marking: OFFICIAL - EMBARGOED\nembargo: {at(-1)}")
    prepared = flow.prepare_sending(home, "2024-05")
    assert "EMBARGOED" not in "".join(mail.subject + mail.html + mail.text for mail in prepared.checked.rendered)
    flow.send(home, prepared)
    assert len(list(home.outbox_dir.rglob("*.eml"))) == 2
    flow.build_archive(home, home.archive_dir)


def test_embargoed_without_a_time_never_goes_out_s06(home: Publication) -> None:
    write(home, "marking: OFFICIAL - EMBARGOED")
    prepared = flow.prepare_sending(home, "2024-05")
    with pytest.raises(BulletinError, match="nothing says until when"):
        flow.send(home, prepared)


def test_the_time_of_an_embargo_is_in_the_publications_zone_s06() -> None:
    london = ZoneInfo("Europe/London")
    story = Item(id="a", title="A", embargo=dt.datetime.fromisoformat("2024-05-30T09:30"))
    early, late = (dt.datetime(2024, 5, 30, 8, minute, tzinfo=dt.UTC) for minute in (29, 30))
    with pytest.raises(BulletinError, match=r"Thursday 30 May 2024 at 09:30 \(BST\)"):
        markings.refuse_before_embargo([story], early, london, what="it cannot be sent")
    markings.refuse_before_embargo([story], late, london, what="it cannot be sent")


@pytest.mark.parametrize(
    ("written", "ends"),
    [
        ("2026-10-25T01:30", "2026-10-25T01:30+00:00"),  # half past one comes twice; the embargo ends with the second
        ("2026-03-29T01:30", "2026-03-29T01:30+00:00"),  # it never comes
        ("2026-10-25T01:30+01:00", "2026-10-25T00:30+00:00"),
    ],
)
def test_an_embargo_in_the_night_the_clocks_change_is_never_over_early_s06(written: str, ends: str) -> None:
    london, end = ZoneInfo("Europe/London"), dt.datetime.fromisoformat(ends)
    story = Item(id="a", title="A", embargo=dt.datetime.fromisoformat(written))
    with pytest.raises(BulletinError, match="under embargo until"):
        markings.refuse_before_embargo([story], end - dt.timedelta(minutes=1), london, what="it cannot be sent")
    markings.refuse_before_embargo([story], end, london, what="it cannot be sent")


@pytest.mark.parametrize("written", ["9999-12-31T23:59-12:00", "0001-01-01T00:00+12:00", "9999-12-31T23:59"])
def test_an_embargo_at_the_end_of_the_calendar_stops_no_command_s06(written: str) -> None:
    story = Item(id="a", title="A", embargo=dt.datetime.fromisoformat(written))
    for zone in ("Europe/London", "Pacific/Auckland", "America/New_York"):
        assert markings.embargo_of(story, ZoneInfo(zone)) is not None


def test_a_test_copy_that_would_leave_this_machine_waits_for_the_embargo_too_s06(home: Publication) -> None:
    write(home, f"embargo: {at(30)}")
    assert flow.send_test(home, "2024-05", "me@example.org")[0][1]
    toml = home.root / "bulletin.toml"
    toml.write_text(
        GOOD + '[sending]\nprovider = "smtp"\n[providers.smtp]\nhost = "127.0.0.1"\nport = 9\ntls = "none"\n', "utf-8"
    )
    with pytest.raises(BulletinError, match="cannot be sent yet"):
        flow.send_test(open_publication(home.root, {}), "2024-05", "me@example.org")


def test_settings_say_whether_official_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "bulletin.toml"
    path.write_text("mark_official = true\n" + GOOD, "utf-8")
    assert settings_file.read(path).mark_official
