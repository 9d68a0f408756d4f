"""An issue in Welsh beside English: what readers get, what is marked, what is reported (W-01 to W-07, X-21)."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html
from test_config import GOOD

from bulletin import flow, words
from bulletin.cli import run
from bulletin.errors import BulletinError, FileProblems, LeakError
from bulletin.model import RenderedEdition
from bulletin.preview import loading
from bulletin.publication import Publication, open_publication, starter_templates
from bulletin.render import wording

ISSUE = """\
schema: 1
id: 2024-06
title: Sample Bulletin, June 2024
date: 2024-06-12
subject: Two guides and a session for reviewers
preheader: What the guides hold, and how you book a place at the session.
public: true
welcome: |
  Welcome to the June 2024 bulletin, with **two** guides.
sections:
  - id: news
    intro: News for people who write reviews.
    items:
      - id: guides
        title: Guides for people who write reviews
        url: https://www.example.org/guides
        link: Open the guides for review writers
        source: Sample Programme
        published: 2024-05-09
        topics: [stalking]
        expires: 2024-07-17
        summary: The reviews team keeps a page of guides.
        image: {file: images/page.png, alt: A page lies under a lamp.}
      - id: session
        title: A session for reviewers
        url: https://www.example.org/session
        summary: Come and ask the reviews team.
        event: {starts: 2024-06-26T11:00, ends: 2024-06-28T12:30, place: City Hall, booking: "https://example.org/book"}
      - id: kept
        title: Figures kept for officers
        url: https://intranet.example.org/figures
        summary: Seventeen forces gave their figures early.
        audience: [forces]
"""
WELSH: dict[tuple[str, ...], str] = {
    ("title",): "Bwletin Enghreifftiol, Mehefin 2024",
    ("subject",): "Dau ganllaw a sesiwn i adolygwyr",
    ("preheader",): "Beth sydd yn y canllawiau, a sut i archebu lle.",
    ("welcome",): "Croeso i fwletin Mehefin 2024, gyda **dau** ganllaw.",
    ("sections", "news", "title"): "Newyddion",
    ("sections", "news", "intro"): "Newyddion i bobl sy'n ysgrifennu adolygiadau.",
    ("items", "guides", "title"): "Canllawiau i bobl sy'n ysgrifennu adolygiadau",
    ("items", "guides", "link"): "Agorwch y canllawiau i adolygwyr",
    ("items", "guides", "summary"): "Mae'r tîm adolygu yn cadw tudalen o ganllawiau.",
    ("items", "guides", "alt"): "Mae tudalen o dan lamp.",
    ("items", "session", "title"): "Sesiwn i adolygwyr",
    ("items", "session", "summary"): "Dewch i holi'r tîm adolygu.",
    ("items", "session", "place"): "Neuadd y Ddinas",
    ("items", "kept", "title"): "Ffigurau i swyddogion",
    ("items", "kept", "summary"): "Rhoddodd dau ar bymtheg o heddluoedd eu ffigurau.",
}


def home_in(
    folder: Path, said: dict[tuple[str, ...], str] | None = WELSH, *, languages: str = '["en-GB", "cy"]'
) -> Publication:
    """A publication with the issue and a translation that says this."""
    (folder / "bulletin.toml").write_text(f"languages = {languages}\n{GOOD}", "utf-8")
    issue = folder / "issues" / "2024-06"
    (issue / "images").mkdir(parents=True)
    picture = Path(__file__).resolve().parent.parent / "issues/2024-05/images/joining-lines.png"
    (issue / "images" / "page.png").write_bytes(picture.read_bytes())
    (issue / "issue.yaml").write_text(ISSUE, "utf-8")
    if said is not None:
        data: dict[str, object] = {"schema": 1}
        for path, value in said.items():
            inner = data
            for key in path[:-1]:
                inner = inner.setdefault(key, {})  # type: ignore[assignment]
            inner[path[-1]] = value
        (issue / "issue.cy.yaml").write_text(json.dumps(data, ensure_ascii=False, indent=1), "utf-8")
    return open_publication(folder, {"BULLETIN_SECRET": "k" * 40})


@pytest.fixture
def home(tmp_path: Path) -> Publication:
    return home_in(tmp_path)


def editions(home: Publication) -> dict[str, RenderedEdition]:
    return {edition.name: edition for edition in flow.render(home, "2024-06")}


def language_of(page: str, excerpt: str) -> set[str]:
    """The languages a screen reader would speak these words in, wherever they stand."""
    found = set()
    for element in lxml_html.document_fromstring(page).iter():
        texts = [element.text or "", element.get("alt") or ""] if isinstance(element.tag, str) else []
        if any(excerpt in text for text in texts):
            found.add(next(spoken for at in (element, *element.iterancestors()) if (spoken := at.get("lang"))))
    return found


# ---------------------------------------------------------------- what readers get


def test_a_translated_issue_is_welsh_from_subject_to_footer(home: Publication) -> None:
    made = editions(home)
    assert list(made) == ["forces.cy", "everyone.cy", "forces.en-GB", "everyone.en-GB"]
    welsh = made["everyone.cy"]
    assert welsh.subject == "Dau ganllaw a sesiwn i adolygwyr"
    assert '<html lang="cy"' in welsh.html
    for part in (
        re.sub(r"\s+", " ", welsh.text),
        re.sub(r"\s+", " ", lxml_html.document_fromstring(welsh.html).text_content()),
    ):
        for said in (
            "Yn y rhifyn hwn", "Yn cau ar 17 Gorffennaf 2024",
            "Pryd: Dydd Mercher 26 Mehefin 2024, 11am i ddydd Gwener 28 Mehefin 2024, 12:30pm",
            "Ble: Neuadd y Ddinas", "Archebwch le ar gyfer 26 Mehefin", "Ychwanegwch 26 Mehefin at eich calendr",
            "Dad-danysgrifio", "Darllenwch y rhifyn hwn ar y we", "Sample Programme, 9 Mai 2024", "12 Mehefin 2024",
        ):  # fmt: skip
            assert said in part
        for english in ("In this issue", "Closes", "When:", "Where:", "Book a place", "Unsubscribe", "June"):
            assert english not in part


def test_the_english_editions_are_the_same_bytes_with_a_translation_beside_them(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("with", "without", "only")]
    for folder in folders:
        folder.mkdir()
    beside = editions(home_in(folders[0]))
    assert {**beside, **editions(home_in(folders[1], None))} == beside
    only = editions(home_in(folders[2], languages="[]"))
    assert list(only) == ["forces.en-GB", "everyone.en-GB"]
    assert all(beside[name] == edition for name, edition in only.items())


def test_what_nobody_translated_is_marked_as_english_down_to_the_item_x21_w04(tmp_path: Path) -> None:
    said = {
        path: words for path, words in WELSH.items() if "session" not in path and path[-1] not in {"welcome", "alt"}
    }
    made = editions(home_in(tmp_path, said))["everyone.cy"]
    for english in (
        "A session for reviewers",
        "Come and ask the reviews team.",
        "City Hall",
        "Welcome to the June",
        "A page lies under",
    ):
        assert language_of(made.html, english) == {"en-GB"}, english
    for welsh in ("Canllawiau i bobl", "Agorwch y canllawiau", "Newyddion", "Archebwch le", "Yn y rhifyn hwn", "Pryd:"):
        assert language_of(made.html, welsh) == {"cy"}, welsh
    assert "[Yn Saesneg yn unig]\nA session for reviewers\n" in made.text
    assert "[Yn Saesneg yn unig]\nCanllawiau" not in made.text


WORDS = st.text(st.sampled_from("abc ŵŷâ<>&\"'*_[]|{}%:#-"), min_size=1, max_size=20).map(
    lambda text: f"Gair{text.strip()}gair"
)


@settings(max_examples=12, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(WELSH)), WORDS))
def test_any_part_of_a_translation_renders_and_leaves_the_english_alone(told: dict[tuple[str, ...], str]) -> None:
    said = {path: f"{value} {'x'.join(path)}" for path, value in told.items()}  # else the gate takes one for another
    with tempfile.TemporaryDirectory() as folder:
        made = editions(home_in(Path(folder), said))
    assert made["everyone.en-GB"] == ENGLISH["everyone.en-GB"]
    assert made["forces.en-GB"] == ENGLISH["forces.en-GB"]
    page = made["forces.cy"].html
    titles = {"guides": "Guides for people", "session": "A session for", "kept": "Figures kept"}
    for item, english in titles.items():
        expected = set() if ("items", item, "title") in said else {"en-GB"}
        assert language_of(page, english) == expected


with tempfile.TemporaryDirectory() as folder_of_english:
    ENGLISH = editions(home_in(Path(folder_of_english), None))


def test_restricted_words_stay_with_their_readers_in_both_languages(home: Publication) -> None:
    made = editions(home)
    assert "Ffigurau i swyddogion" in made["forces.cy"].html
    assert "Figures kept" not in made["forces.cy"].html
    for name in ("everyone.cy", "everyone.en-GB"):
        for part in (made[name].html, made[name].text):
            assert "Ffigurau i swyddogion" not in part
            assert "Figures kept" not in part
    # The audience has no Welsh name here, so its label is English as a whole.
    assert language_of(made["forces.cy"].html, "For police forces only") == {"en-GB"}


def test_the_gate_knows_the_welsh_of_restricted_items_too_s23(tmp_path: Path) -> None:
    told = {**WELSH, ("items", "guides", "summary"): WELSH["items", "kept", "summary"]}
    home = home_in(tmp_path, {**told, ("items", "kept", "summary"): "Rhywbeth arall i'r heddlu."})
    editions(home)
    leaking = home.issue_dir("2024-06") / "issue.cy.yaml"
    # The open item's words name the restricted item's own address.
    text = leaking.read_text("utf-8").replace("Dewch i holi", "Gweler https://intranet.example.org/figures a holi")
    leaking.write_text(text, "utf-8")
    with pytest.raises(LeakError):
        editions(home)


# ---------------------------------------------------------------- sending


def test_readers_get_the_language_they_asked_for_w03(home: Publication, capsys: pytest.CaptureFixture[str]) -> None:
    readers = home.root / "readers.csv"
    readers.write_text(
        "email,language\ncy@example.org,cy\nen@example.org,\nfr@example.org,fr\nswyddog@force.example.org,cy\n", "utf-8"
    )
    flow.import_subscribers(home, readers, basis="asked")
    prepared = flow.prepare_sending(home, "2024-06")
    assert prepared.plan.counts == {"forces.cy": 1, "everyone.cy": 1, "forces.en-GB": 0, "everyone.en-GB": 2}
    flow.send(home, prepared)
    sent = {}
    for file in home.outbox_dir.rglob("*.eml"):
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        sent[str(message["To"]).strip("<>")] = (message["Subject"], message["Content-Language"])
    welsh, english = "Dau ganllaw a sesiwn i adolygwyr", "Two guides and a session for reviewers"
    assert sent == {
        "cy@example.org": (welsh, "cy"),
        "swyddog@force.example.org": (welsh, "cy"),
        "en@example.org": (english, "en-GB"),
        "fr@example.org": (english, "en-GB"),
    }


def test_what_is_kept_for_a_list_reaches_its_members_in_their_language_and_nobody_else(tmp_path: Path) -> None:
    """S-26, W-03, L-11: also not who was taken off the list while the mailing was prepared."""
    (tmp_path / "readers.csv").write_text(
        "email,language,lists\na@example.org,cy,board\nb@example.org,,board\nc@example.org,cy,\nd@example.org,,\n"
        "out@example.org,,board\n"
    )
    home_in(tmp_path)
    settings = tmp_path / "bulletin.toml"
    text = settings.read_text("utf-8").replace('domains = ["force.example.org"]', 'lists = ["board"]')
    settings.write_text(f'{text}\n[[lists]]\nid = "board"\ntitle = "Board"\n', "utf-8")
    home = open_publication(tmp_path, {"BULLETIN_SECRET": "k" * 40})
    flow.import_subscribers(home, tmp_path / "readers.csv", basis="asked")
    prepared = flow.prepare_sending(home, "2024-06")
    flow.take_off_list(home, "board", ["out@example.org"])
    flow.send(home, prepared)
    found = {}
    for file in home.outbox_dir.rglob("*.eml"):
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        part = message.get_body(("plain",))
        assert part
        said = part.get_content()
        kept = [words for words in ("Figures kept for officers", "Ffigurau i swyddogion") if words in said]
        found[str(message["To"]).strip("<>")] = kept
    assert {address: kept for address, kept in found.items() if address != "out@example.org"} == {
        "a@example.org": ["Ffigurau i swyddogion"],
        "b@example.org": ["Figures kept for officers"],
        "c@example.org": [],
        "d@example.org": [],
    }
    assert not found.get("out@example.org")


def test_without_a_translation_welsh_readers_get_the_english_issue(tmp_path: Path) -> None:
    home = home_in(tmp_path, None)
    (tmp_path / "readers.csv").write_text("email,language\ncy@example.org,cy\n", "utf-8")
    flow.import_subscribers(home, tmp_path / "readers.csv", basis="asked")
    prepared = flow.prepare_sending(home, "2024-06")
    assert prepared.plan.counts["everyone.en-GB"] == 1
    assert "WEL01" in {finding.code for finding in prepared.checked.findings}


def test_english_rules_leave_welsh_alone_and_a_whole_translation_has_no_finding_of_its_own_w06(
    home: Publication,
) -> None:
    long_one = "Mae'r " + "hen air hir a threfnus " * 12 + "yma & acw."
    path = home.issue_dir("2024-06") / "issue.cy.yaml"
    path.write_text(path.read_text("utf-8").replace(WELSH["items", "guides", "summary"], long_one), "utf-8")
    own_words(
        home,
        '[publication]\nname = "Bwletin Enghreifftiol"\nwhy = "Gofynnoch amdano."\n'
        '[topics]\nstalking = "Stelcio"\n[audiences]\nforces = "Heddluoedd"\n',
    )
    with_welsh = flow.check(home, "2024-06").findings
    path.unlink()
    without = [finding for finding in flow.check(home, "2024-06").findings if finding.code != "WEL01"]
    assert list(with_welsh) == without


def test_finished_mails_in_welsh_are_checked_like_the_others(home: Publication) -> None:
    path = home.issue_dir("2024-06") / "issue.cy.yaml"
    text = path.read_text("utf-8").replace(WELSH["items", "guides", "summary"], "gair " * 24_000)
    path.write_text(text, "utf-8")
    assert "SIZ02" in {finding.code for finding in flow.check(home, "2024-06").findings}


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize(
    ("text", "says", "hint", "line"),
    [
        ("schema: 1\nitems:\n  guids:\n    title: Canllawiau\n", 'the issue has no item "guids"', '"guides"', 3),
        ("schema: 1\nsections:\n  newyddion: {title: A}\n", 'the issue has no section "newyddion"', "Known here", 3),
        ("schema: 1\nitems:\n  guides:\n    titel: Canllawiau\n", 'there is no key "titel"', '"title"', 4),
        ("schema: 1\nsubject: |\n  dwy\n  linell\n", '"subject" must be a single line', "one line", 2),
        ("schema: 7\n", "format 7", "reads format 1", 1),
        ("title: A\n", '"schema" is missing', "format", 1),
    ],
)
def test_a_slip_in_the_file_is_told_with_its_line_and_a_remedy(
    home: Publication, text: str, says: str, hint: str, line: int
) -> None:
    (home.issue_dir("2024-06") / "issue.cy.yaml").write_text(text, "utf-8")
    with pytest.raises(FileProblems) as caught:
        flow.render(home, "2024-06")
    (problem,) = caught.value.problems
    assert says in problem.message
    assert hint in problem.hint
    assert (problem.place.path, problem.place.line) == ("issues/2024-06/issue.cy.yaml", line)


def test_translate_makes_the_file_and_later_adds_only_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_in(tmp_path, None)
    monkeypatch.chdir(tmp_path)
    assert run(["translate", "2024-06", "cy"]) == 0
    path = home.issue_dir("2024-06") / "issue.cy.yaml"
    text = path.read_text("utf-8")
    assert "    # The reviews team keeps a page of guides.\n    summary: |\n" in text
    editions(home)
    mine = text.replace("    title:\n    # Open", "    title:   'Canllawiau'   # fy ngair i\n    # Open").replace(
        "\n\n  kept:", "\n\n\n  kept:"
    )
    mine = mine[: mine.index("  session:")] + mine[mine.index("  kept:") :] + "\n# diwedd\n"
    path.write_bytes(mine.replace("\n", "\r\n").encode())
    assert run(["translate", "2024-06", "cy"]) == 0
    after = path.read_bytes().decode()
    at = after.index("\r\n  session:")
    added = after[at : after.index("\r\n# diwedd")]
    assert after.replace(added, "", 1).replace("\r\n", "\n").rstrip() == mine.rstrip()
    assert "Come and ask the reviews team." in added
    assert run(["translate", "2024-06", "cy"]) == 0
    assert path.read_bytes().decode() == after
    assert (tmp_path / "issues" / "translation.schema.json").is_file()


def test_a_language_that_the_settings_do_not_name_is_refused_with_the_line_to_write(tmp_path: Path) -> None:
    home = home_in(tmp_path, None, languages="[]")
    with pytest.raises(BulletinError) as caught:
        flow.translate(home, "2024-06", "cy")
    assert 'languages = ["en-GB", "cy"]' in caught.value.hint


# ---------------------------------------------------------------- the theme's words


@pytest.mark.parametrize("folder", ["words", "web/words"])
def test_both_files_of_words_have_the_same_phrases_with_the_same_values_in_them(folder: str) -> None:
    english, welsh = (words.load((starter_templates(),), language, folder) for language in ("en-GB", "cy"))
    assert welsh.lacking == welsh.strange == ()
    for phrase, pattern in english.phrases.items():
        fields = [
            {name for _, name, _, _ in Formatter().parse(said) if name} for said in (pattern, welsh.phrases[phrase])
        ]
        assert fields[0] == fields[1]


def test_welsh_dates_and_times() -> None:
    welsh = words.load((starter_templates(),), "cy")
    date = dt.datetime(2024, 6, 12, 12, 0, tzinfo=dt.UTC)
    assert wording.day(date, welsh) == "12 Mehefin 2024"
    assert wording.weekday(date, welsh) == "Dydd Mercher 12 Mehefin 2024"
    assert wording.clock(date, welsh) == "hanner dydd"
    assert wording.month(dt.date(2024, 2, 1), welsh) == "Chwef"
    assert wording.readers_only("Heddluoedd", welsh) == "Ar gyfer heddluoedd yn unig"


def own_words(home: Publication, text: str) -> None:
    path = home.root / "templates" / "words" / "cy.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def test_a_publication_changes_single_words_and_names_its_own_in_welsh(home: Publication) -> None:
    own_words(
        home,
        'unsubscribe = "Gadael"\n[publication]\nmasthead = "Bwletin Enghreifftiol"\nwhy = "Gofynnoch amdano."\n'
        '[topics]\nstalking = "Stelcio"\n[audiences]\nforces = "Heddluoedd"\n',
    )
    page = editions(home)["forces.cy"].html
    for said in (
        ">Gadael<",
        "Bwletin Enghreifftiol",
        "Gofynnoch amdano.",
        "Stelcio",
        "Ar gyfer heddluoedd yn unig",
        "Yn y rhifyn hwn",
    ):
        assert said in page
    assert 'lang="en-GB"' not in page


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('closes = "Yn cau"\n', '"closes" does not put in what the English does'),
        ('closes = "Yn cau {day.__class__}"\n', '"closes" does not put in'),
        ('closes = "Yn cau {day"\n', "single curly bracket"),
        ('months = ["Ionawr"]\n', "list of 12 texts"),
        ("closes = 3\n", "should be a text"),
        ('topics = "Pynciau"\n', "table of texts"),
        ("closes = \n", "cannot be read"),
    ],
)
def test_words_that_cannot_be_used_are_refused_with_their_file(home: Publication, text: str, says: str) -> None:
    own_words(home, text)
    with pytest.raises(BulletinError) as caught:
        editions(home)
    assert "templates/words/cy.toml" in str(caught.value)
    assert says in str(caught.value)


# ---------------------------------------------------------------- looking at it


def test_the_preview_has_a_tab_for_each_audience_and_language(home: Publication) -> None:
    state = loading.load(home, "2024-06")
    assert [mail.audience_title for mail in state.mails] == [
        "Police forces (cy)", "Everyone (cy)", "Police forces (en-GB)", "Everyone (en-GB)",
    ]  # fmt: skip
    assert [mail.preheader.partition(" ")[0] for mail in state.mails] == ["Beth", "Beth", "What", "What"]


def test_render_and_check_of_one_audience_name_the_language(home: Publication, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.root)
    assert run(["render", "2024-06", "--out", "out"]) == 0
    names = {"forces.cy", "everyone.cy", "forces.en-GB", "everyone.en-GB"}
    assert {path.name for path in (home.root / "out").glob("*.html")} == {f"{name}.html" for name in names}
    # In a process of its own: Playwright is at work in this one, for other tests.
    saving = [sys.executable, "-m", "bulletin", "preview", "2024-06", "--save", "saved", "--edition", "forces"]
    assert subprocess.run(saving, cwd=home.root, capture_output=True, check=False).returncode == 0
    assert (home.root / "saved" / "forces.en-GB" / "index.html").is_file()
