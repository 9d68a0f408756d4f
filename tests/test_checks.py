"""Every check with its cases, and what holds for all checks.

A check's cases stand in `data/checks/CODE.yaml`. Each case is merged over the clean issue of `_base.yaml`: `issue`
over the issue, `item` over its first item, `other` over the second, `settings` over the settings. `earlier` holds
fragments for earlier issues, `pictures` facts of picture files, `html` the rendered mail or the number of its bytes
and `text` its plain text, `links` what asking for an address told, `words` the publication's own words, `theme` and
`theme_breaks` problems of templates, `leaving` that the mail is about to be sent, `translations` the issue's words by
language, and `phrases` what a publication's file of words in Welsh holds beside the starter's.

A case that must fail names an excerpt of the message (`says`) and the path of the place (`at`), or the `place` itself
if that is not in the issue file; how many findings there are if there is not just one (`times`); and what
`check --fix` makes of the value at `at` (`mended`).
"""

from __future__ import annotations

import copy
import datetime as dt
import inspect
import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from bulletin import checks, door, issuefile, words
from bulletin.config import Config
from bulletin.errors import Place, Problem
from bulletin.model import PERSONAL_FIELDS, Finding, Issue, LinkFact, LinkState, Picture, RenderedEdition, Severity
from bulletin.publication import open_publication
from bulletin.words import Words, starter_templates

CASES = Path(__file__).parent / "data" / "checks"
CHECKS = {check.code: check for check in checks.all_checks()}


def load(path: Path) -> dict[str, Any]:
    return dict(YAML(typ="safe", pure=True).load(path.read_text("utf-8")))


BASE = load(CASES / "_base.yaml")


def merged(base: Any, change: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    result = {**base, **{key: merged(base.get(key), value) for key, value in change.items()}}
    return {key: value for key, value in result.items() if value is not None}


def issue_file(case: Mapping[str, Any], name: str = "issue.yaml") -> issuefile.IssueFile:
    data = copy.deepcopy(BASE["issue"])
    items = data["sections"][0]["items"]
    items[0] = merged(items[0], case.get("item", {}))
    items[1] = merged(items[1], case.get("other", {}))
    data = merged(data, case.get("issue", {}))
    return issuefile.read(json.dumps(data, indent=1, ensure_ascii=False, default=str), name)


def material(case: Mapping[str, Any]) -> checks.Material:
    config = door.admit(Config, merged(BASE["settings"], case.get("settings", {})), lambda loc: Place("settings"))
    assert isinstance(config, Config), config
    pictures = {**BASE["pictures"], **case.get("pictures", {})}
    issue = issue_file(case).issue
    return checks.Material(
        file=issue_file(case),
        config=config,
        today=dt.date(2024, 5, 29),
        earlier=tuple(earlier_issue(change) for change in case.get("earlier", [])),
        pictures={file: Picture(**facts) if facts else None for file, facts in pictures.items()},
        rendered=rendered(case["html"], case.get("text", "")) if "html" in case else (),
        links={url: LinkFact(url=url, **fact) for url, fact in facts_of(case).items()},
        online="links" in case,
        leaving=bool(case.get("leaving")),
        words=frozenset(case.get("words", ())),
        theme=problems_of(case.get("theme", ())),
        theme_breaks=problems_of(case.get("theme_breaks", ())),
        translations={
            language: issuefile.read_translation(json.dumps({"schema": 1, **said}), f"issue.{language}.yaml", issue)
            if said is not None
            else None
            for language, said in case.get("translations", {}).items()
        },
        phrases=phrases_of(case["phrases"]) if "phrases" in case else (),
    )


def phrases_of(change: Mapping[str, Any]) -> tuple[Words, ...]:
    """The starter's words in Welsh with some changed, added or taken away."""
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "words"
        own.mkdir()
        shutil.copy(starter_templates() / "words" / "en.toml", own)
        welsh = (starter_templates() / "words" / "cy.toml").read_text("utf-8")
        for phrase, value in change.items():
            welsh = re.sub(rf"(?m)^{phrase} = .*\n", "", welsh)
            if isinstance(value, dict):
                welsh += f"[{phrase}]\n" + "".join(f"{key} = {json.dumps(said)}\n" for key, said in value.items())
            elif value is not None:
                welsh += f"{phrase} = {json.dumps(value)}\n"
        (own / "cy.toml").write_text(welsh, "utf-8")
        return (words.load((Path(folder),), "cy"),)


def problems_of(listed: Iterable[Mapping[str, Any]]) -> tuple[Problem, ...]:
    return tuple(
        Problem(Place(problem["path"], problem["line"], 1), problem["message"], "Mend it.") for problem in listed
    )


def facts_of(case: Mapping[str, Any]) -> dict[str, Any]:
    return {url: {**fact, "state": LinkState(fact["state"])} for url, fact in case.get("links", {}).items()}


def earlier_issue(change: Mapping[str, Any]) -> Issue:
    before = {
        "id": "2024-03",
        "title": "Sample Bulletin, March 2024",
        "date": "2024-03-28",
        "subject": "Two new reports on missing people",
        "preheader": "How forces record missing children, and what families say.",
        "welcome": "Welcome to the bulletin of March 2024.",
        "sections": [],
    }
    return issue_file({"issue": {**before, **change}}).issue


def rendered(html: int | str, text: str = "") -> tuple[RenderedEdition, ...]:
    """One finished mail: with this HTML, or with HTML of so many bytes."""
    page = html if isinstance(html, str) else "é" * (html // 2) + "x" * (html % 2)
    return (
        RenderedEdition(
            issue="2024-05",
            audience="everyone",
            language="en-GB",
            subject="",
            html=page,
            text=text,
            markers={field: f"px{field}" for field in PERSONAL_FIELDS},
            digest="",
        ),
    )


def cases(kind: str) -> list[Any]:
    return [
        pytest.param(path.stem, case, id=f"{path.stem}: {case['name']}")
        for path in sorted(CASES.glob("[A-Z]*.yaml"))
        for case in load(path)[kind]
    ]


@pytest.mark.parametrize(("code", "case"), cases("pass"))
def test_a_good_issue_is_left_alone(code: str, case: dict[str, Any]) -> None:
    assert list(CHECKS[code].findings(material(case))) == []


@pytest.mark.parametrize(("code", "case"), cases("fail"))
def test_a_slip_is_found_at_its_place_with_what_to_do(code: str, case: dict[str, Any]) -> None:
    looked_at = material(case)
    findings = list(CHECKS[code].findings(looked_at))
    assert len(findings) == case.get("times", 1), findings
    (first, *_) = findings
    assert case["says"] in first.message
    assert case.get("hint", "") in first.hint
    if "place" in case:
        assert str(first.place) == case["place"]
    else:
        path = tuple(int(part) if part.isdigit() else part for part in case["at"].split(".") if part)
        assert first.place == looked_at.file.place_of(*path)
    assert first.place.line > 0 or "place" in case
    assert first.message.endswith((".", '"')), first.message
    assert first.hint
    if "mended" in case:
        assert first.mends
        value = at_path(looked_at.file.document.data, first.mends[0].loc)
        for mend in first.mends:
            assert mend.old in value
            value = value.replace(mend.old, mend.new)
        assert value == case["mended"]
    assert "\n" not in first.message + first.hint


def at_path(data: Any, loc: tuple[str | int, ...]) -> Any:
    for part in loc:
        data = data[part]
    return data


def test_the_clean_issue_has_no_findings_at_all() -> None:
    assert checks.run(material({})) == ()


@pytest.mark.parametrize("code", CHECKS)
def test_every_check_has_cases_for_both_sides(code: str) -> None:
    written = load(CASES / f"{code}.yaml")
    assert written["pass"]
    assert written["fail"]


def test_no_cases_are_left_over_from_a_check_that_is_gone() -> None:
    assert {path.stem for path in CASES.glob("[A-Z]*.yaml")} == set(CHECKS)


@pytest.mark.parametrize("code", CHECKS)
def test_every_check_has_a_whole_manual_entry(code: str) -> None:
    entry = inspect.cleandoc(CHECKS[code].look.__doc__ or "")
    summary, blank, *rest = entry.splitlines()
    assert re.fullmatch(r"[\"A-Z].{10,110}\.", summary), summary
    assert blank == ""
    parts = re.findall(r"^\*(Why|Instead of|Write)\*: \S", "\n".join(rest), re.MULTILINE)
    assert parts == ["Why", "Instead of", "Write"]
    assert re.fullmatch(r"[A-Z]{3}\d\d", code)


# ---------------------------------------------------------------- allowances


def allowing(case: dict[str, Any], *allow: dict[str, str]) -> tuple[Finding, ...]:
    entries = [{"why": "The page gives no day.", "by": "J. Editor", **entry} for entry in allow]
    return checks.run(material(merged(case, {"issue": {"allow": entries}})))


UNDATED = {"item": {"published": None}, "other": {"published": None}}


def test_findings_in_a_long_text_stand_at_the_words_they_quote() -> None:
    """An editor goes to line and column, and must find the words there, also where a line breaks between them."""
    text = """schema: 1
id: "2024-05"
title: Sample Bulletin, May 2024
date: 2024-05-30
welcome: |
  Hello "all".
    Use it in
  order to read [here](https://a.example.org/) and

  [here](http://b.example.org/x).
sections: []
"""
    file = issuefile.read(text, "issue.yaml")
    base = material({})
    found = checks.run(replace(base, file=file))
    shown = text.splitlines()
    places = [(one.code, shown[one.place.line - 1][one.place.column - 1 :]) for one in found if one.anchor == "welcome"]
    assert ("LNG06", "in") in places
    assert ("LNK01", "here](https://a.example.org/) and") in places
    assert ("LNK02", "http://b.example.org/x).") in places


def test_a_picture_pasted_as_text_is_no_word_to_spell() -> None:
    """Nor does it keep anybody waiting: looked at from each of its letters, these two would take a minute."""
    for pasted in ("iVBORw0KGgo" * 1500, "‘a" * 8000):
        found = checks.run(material({"item": {"summary": f"One two three. {pasted} four five."}}))
        assert not [finding for finding in found if finding.code.startswith("SPL")]


def test_an_allowance_accepts_one_finding_of_one_item() -> None:
    assert [finding.code for finding in allowing(UNDATED)] == ["DAT04", "DAT04"]
    left = allowing(UNDATED, {"code": "DAT04", "item": "stalking-guidance"})
    assert [(finding.code, finding.item) for finding in left] == [("DAT04", "review-guides")]


def test_an_allowance_without_an_item_accepts_the_findings_of_the_whole_issue() -> None:
    assert allowing(UNDATED, {"code": "DAT04"}) == ()


def test_an_allowance_that_matches_nothing_is_itself_a_finding() -> None:
    (finding,) = allowing({}, {"code": "LNK02", "item": "review-guides"})
    assert (finding.code, finding.severity) == ("ALW01", Severity.LOOK)
    assert "LNK02" in finding.message


def test_an_allowance_for_an_online_check_waits_until_links_were_asked() -> None:
    allowance = {"code": "LNK10", "item": "review-guides"}
    assert allowing({}, allowance) == ()
    dead = {"https://www.example.org/reviews": {"state": "dead", "reason": "answered 404: there is no such page"}}
    assert allowing({"links": dead}, allowance) == ()
    works = {"https://www.example.org/reviews": {"state": "works"}}
    assert [finding.code for finding in allowing({"links": works}, allowance)] == ["ALW01"]


def test_an_allowance_for_a_picture_not_yet_published_waits_until_the_mail_leaves() -> None:
    allowance = {"code": "LNK13"}
    works = {"links": {"https://bulletin.example.org/a.png": {"state": "works", "kind": "image/png"}}}
    assert allowing(works, allowance) == ()
    assert [finding.code for finding in allowing({**works, "leaving": True}, allowance)] == ["ALW01"]


def test_an_allowance_for_a_fault_of_the_mail_waits_until_the_mail_could_be_made() -> None:
    case = merged({}, {"issue": {"allow": [{"code": "CON03", "why": "Our colours.", "by": "J. Editor"}]}})
    assert checks.run(replace(material(case), refused=True)) == ()
    assert [finding.code for finding in checks.run(material(case))] == ["ALW01"]


def test_an_allowance_for_a_code_that_is_none_names_the_nearest() -> None:
    (finding,) = allowing({}, {"code": "LNK2"})
    assert (finding.code, finding.severity) == ("ALW02", Severity.LOOK)
    assert '"LNK2"' in finding.message
    assert finding.hint.startswith('Did you mean "LNK')
    (finding,) = allowing({}, {"code": "everything"})
    assert finding.hint


@pytest.mark.parametrize(("key", "says"), [("why", "no reason"), ("by", "no name")])
def test_an_allowance_needs_a_reason_and_a_name(key: str, says: str) -> None:
    (finding,) = allowing(UNDATED, {"code": "DAT04", key: " "})
    assert finding.code == "ALW03"
    assert says in finding.message


# ---------------------------------------------------------------- several mails


def test_a_slip_in_the_smallest_mail_is_found_and_one_in_all_of_them_is_told_once() -> None:
    """An item for one audience is in its mail only, which need not be the longest."""
    (large,) = rendered("<table><tr><td>Much to read</td></tr></table><p>More</p>" * 50)
    (small,) = rendered('<table><tr><td><a href="/guides">Guides</a></td></tr></table>')
    mails = replace(material({}), rendered=(large, replace(small, audience="forces")))
    found = [(finding.code, finding.message) for finding in checks.run(mails)]
    assert ("HTM08", 'the address "/guides" is not whole.') in found
    assert [code for code, _ in found].count("HTM03") == 1


def test_a_publication_of_many_audiences_is_looked_at_mail_by_mail() -> None:
    """What is known of one mail's elements is never taken for knowledge of another's."""
    made = [
        replace(rendered(f'<p>{"<b>" * n}</p><p style="color: #777777">Pale {n}</p>')[0], audience=f"group-{n}")
        for n in range(24)
    ]
    for _ in range(2):
        (finding,) = CHECKS["CON01"].findings(replace(material({}), rendered=tuple(made)))
        assert '"Pale 0", "Pale 1", "Pale 2" and 21 more' in finding.message
        checks.run(replace(material({}), rendered=tuple(made)))


# ---------------------------------------------------------------- any words

ODD = (
    *("http://[", "https://[::1", "https://a:b:c/", "https://exa\u2100mple.org", "https://www.example.org:99999/"),
    *(
        "https://www.google.com/url?q=%",
        "https://urldefense.com/v3/__;",
        "[a](http://[)",
        "[](https://www.example.org)",
    ),
    *(
        "Monday 99 May 2024",
        "Monday 31 February",
        "May May 2024 2024",
        "March to",
        "[[[",
        "((a))",
        "{{",
        "***",
        "\u0130",
    ),
)
WORDS = st.one_of(st.sampled_from(ODD), st.text(max_size=40), st.lists(st.sampled_from(ODD), max_size=3).map(" ".join))
ADDRESSES = st.sampled_from(["mailto:", "https://www.google.com/url?q=%", "https://urldefense.com/v3/__;"])


@given(words=st.fixed_dictionaries(dict.fromkeys(("title", "link", "source", "summary"), WORDS)), url=ADDRESSES)
@example(words={"title": "A", "link": "B", "source": "C", "summary": "[a](http://[)"}, url="mailto:")
@settings(deadline=None, max_examples=25)
def test_no_words_and_no_address_stop_the_checks(words: dict[str, str], url: str) -> None:
    clean = {
        key: re.sub(r"[^\S\n ]|[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]", " ", value)
        for key, value in words.items()
    }
    one_line = {key: " ".join(value.split()) or "-" for key, value in clean.items() if key != "summary"}
    change = {**one_line, "summary": clean["summary"], "url": url, "audience": ["forces"]}
    general = {"subject": one_line["title"], "welcome": clean["summary"], "preheader": one_line["source"]}
    for case in ({"item": change, "issue": general}, {"item": {**change, "audience": None}, "other": change}):
        for finding in checks.run(material(case)):
            assert finding.message


# ---------------------------------------------------------------- real issues

SLIPS = """\
schema: 1
id: 2024-05
title: Sample Bulletin, May 2024
date: 2024-05-30
subject: "Sample Bulletin, March 2024"
preheader: News of the 14 stands of public protection, and what else is new this month.
public: true
sections:
  - id: news
    items:
      - id: bulletin
        title: The bulletin is out
        url: https://www.example.org/news/bulletin
        source: Sample Programme
        published: 2024-05-30
        summary: |
          [What is in it]
        image:
          file: images/may-bulletin.jpg
          alt: may bulletin
      - id: report
        title: A report is out
        url: https://www.example.org/news/report
        source: Sample Programme
        published: 2024-05-29
        image: {file: images/page.png, alt: iStock 1471645492}
"""


def test_the_slips_of_a_real_home_page_are_found_with_line_and_column() -> None:
    file = issuefile.read(SLIPS, "issues/2024-05/issue.yaml")
    whole = material({})
    findings = checks.run(checks.Material(file=file, config=whole.config, today=whole.today, pictures=whole.pictures))
    seen = {(finding.code, str(finding.place)) for finding in findings}
    assert ("SUB01", "issues/2024-05/issue.yaml:5:10") in seen
    assert ("LNG02", "issues/2024-05/issue.yaml:6:12") in seen
    assert ("PLC01", "issues/2024-05/issue.yaml:17:11") in seen
    assert ("IMG03", "issues/2024-05/issue.yaml:20:16") in seen
    assert ("IMG03", "issues/2024-05/issue.yaml:26:45") in seen


def test_the_first_real_issue_has_nothing_that_must_be_fixed() -> None:
    home = open_publication(Path(__file__).parent.parent, {})
    file = home.read_issue("2024-05")
    facts = home.pictures(file.issue)
    findings = checks.run(checks.Material(file=file, config=home.config, today=file.issue.date, pictures=facts))
    assert [finding for finding in findings if finding.severity is Severity.MUST_FIX] == []
    assert len(findings) <= 5, [str(finding) for finding in findings]
