"""The lines a reader sees before opening: title, subject and preheader."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator

from bulletin.checks._alike import LOOKED_BACK, alike
from bulletin.checks._months import MONTH, YEAR, issue_month, month_name, month_number
from bulletin.checks._reading import clipped, passages, plain_key
from bulletin.checks._rule import Found, Material, check
from bulletin.checks._stress import shouted
from bulletin.model import Severity

_SLACK = dt.timedelta(days=10)
_MONTH_YEAR = re.compile(rf"\b({MONTH})(?:\s*(?:/|-|–|to|and|&)\s*({MONTH}))?(?:,?\s+({YEAR}))?")
_THING = r"(?i:bulletin|newsletter|edition|issue|round-?up)\b"
_PHRASE = re.compile(
    rf"(?P<before>{_MONTH_YEAR.pattern})(?:'s)?\s+{_THING}|\b{_THING}(?:\s+(?:for|of|from|in))?[\s,:–-]+(?P<after>{_MONTH_YEAR.pattern})"
)
_ANOTHER = re.compile(r"(?i)\b(?:last|previous|earlier|next|since|until)\b[^.]{0,30}$")


@check("SUB01", Severity.MUST_FIX)
def edition_mismatch(material: Material) -> Iterator[Found]:
    """The title, subject or opening words name another month than this issue's.

    *Why*: an issue is often made from the last one. A page once announced "May 2024" above the words "March 2024", and
    nobody noticed.

    *Instead of*: the title "VKPP Bulletin, March 2024" in the issue of May 2024.

    *Write*: the month and year in which the issue goes out, the same everywhere. Other months may be named freely as
    long as they do not stand beside words such as "bulletin" or "issue".
    """
    issue = material.issue
    year, month = issue_month(issue.id) or (issue.date.year, issue.date.month)
    expected = month_name(year, month)
    first = dt.date(year, month, 1)
    after = dt.date(year + month // 12, month % 12 + 1, 1)
    if not first - _SLACK <= issue.date < after + _SLACK:
        yield Found(
            ("date",),
            f"the issue {issue.id} is for {expected}, but its date is {issue.date.day} {_of(issue.date)}.",
            "Correct the date, or the name of the issue and its folder.",
        )
    other_year = _other_year(issue.title, year)
    if other_year and not re.search(MONTH, issue.title):
        yield Found(
            ("title",),
            f'the title says "{other_year}", but this issue is for {expected}.',
            f"Write {year}, or {expected}.",
        )
    for passage in passages(material):
        if passage.item is not None:
            continue
        named = _named_months(passage.words, strict=passage.loc == ("title",), subject=passage.loc == ("subject",))
        wrong = [words for words, pairs in named if not any(pair in {(year, month), (None, month)} for pair in pairs)]
        if wrong and len(wrong) == len(named):
            yield Found(
                passage.loc,
                f'{passage.name} says "{wrong[0]}", but this issue is for {expected}.',
                f"Write {expected}.",
            )


def _other_year(title: str, year: int) -> str:
    """The year in a title without a month, if it is another one; 2023/24 is both its years."""
    years = list(re.finditer(rf"\b({YEAR})(?:[/–-](\d\d)\b)?", title))
    named = {number for match in years for number in (match[1], f"{match[1][:2]}{match[2]}" if match[2] else "")}
    return years[0].group() if years and str(year) not in named else ""


def _of(date: dt.date) -> str:
    return month_name(date.year, date.month)


def _named_months(text: str, *, strict: bool, subject: bool) -> list[tuple[str, list[tuple[int | None, int]]]]:
    """Months by which the text names an issue: in a title every month, in a subject one that is set apart."""
    result = []
    if strict:
        matches = [match for match in _MONTH_YEAR.finditer(text) if not re.search(r"\d\s*$", text[: match.start()])]
    else:
        matches = []
        for phrase in _PHRASE.finditer(text):
            part = phrase["before"] or phrase["after"]
            if not _ANOTHER.search(text[: phrase.start()]):
                matches += [found for found in [_MONTH_YEAR.match(part)] if found]
        if subject:
            matches += [match for match in _MONTH_YEAR.finditer(text) if _set_apart(text, match)]
    for match in matches:
        months = [month_number(name) for name in match.groups()[:2] if name]
        year = int(match[3]) if match[3] else None
        result.append((match.group().strip(), [(year, month) for month in months]))
    return result


def _set_apart(text: str, match: re.Match[str]) -> bool:
    """Whether a month with its year stands at an end of the line, behind or before a colon, comma or dash."""
    before, after = text[: match.start()].rstrip(), text[match.end() :].lstrip()
    if match[3] is None or before[-1:].isdigit():
        return False
    return (not after and (not before or before[-1] in ",:–-|(")) or (not before and after[:1] in {":", "–", "-", "|"})


@check("SUB02", Severity.LOOK)
def subject_length(material: Material) -> Iterator[Found]:
    """The subject is missing or longer than 70 characters.

    *Why*: phones show about 40 characters of a subject, most mail programs no more than 70. Without a subject the
    title is used, which says nothing about the content.

    *Instead of*: a list of everything in the issue.

    *Write*: the one or two main topics, then the month.
    """
    subject = material.issue.subject.strip()
    if not subject:
        yield Found(
            ("subject",),
            f'there is no subject; readers would see the title, "{clipped(material.issue.title)}".',
            "Name the main topic: subject: New guidance on stalking, June 2024",
        )
    elif len(subject) > 70:
        yield Found(
            ("subject",),
            f"the subject has {len(subject)} characters; mail programs cut it after 40 to 70.",
            "Keep the one or two main topics.",
        )


@check("SUB03", Severity.LOOK)
def topic_in_subject(material: Material) -> Iterator[Found]:
    """The first 40 characters of the subject name no topic (C-09).

    *Why*: the sender's name stands beside the subject already. A subject that only repeats the bulletin's name and the
    month gives no reason to open it.

    *Instead of*: "VKPP Bulletin, May 2024".

    *Write*: "Online safety codes, new stalking guidance: May 2024".
    """
    subject = material.issue.subject.strip()
    shown = re.match(r".{0,40}(?!\w)", subject)
    words = set(plain_key(shown.group() if shown else subject).split())
    known = f"{material.config.name} {material.config.sender.name} {material.config.organisation.name}"
    months = {word.casefold() for word in re.findall(MONTH, subject)}
    empty = {*plain_key(known).split(), *months, *_EMPTY_WORDS}
    if subject and not {word for word in words if not word.isdigit()} - empty:
        yield Found(
            ("subject",),
            f'the first 40 characters of "{clipped(subject)}" name no topic.',
            "Put the main topic first; the bulletin's name stands beside the subject as the sender.",
        )


_EMPTY_WORDS = frozenset(
    {
        "the", "a", "an", "of", "for", "and", "in", "our", "your", "this", "is", "here", "to", "from", "new",
        "latest", "monthly", "quarterly", "weekly", "news", "update", "updates", "bulletin", "newsletter",
        "issue", "edition", "number", "no", "welcome",
    }
)  # fmt: skip


@check("SUB04", Severity.LOOK)
def shouting(material: Material) -> Iterator[Found]:
    """The title, subject or preheader shouts: words in capitals, or more than one exclamation mark.

    *Why*: shouting looks like advertising to readers and to spam filters, and capitals are kept for markings (C-05).

    *Instead of*: "URGENT!! READ NOW".

    *Write*: "Closing 17 July: comment on the draft codes".
    """
    for key, name in (("title", "the title"), ("subject", "the subject"), ("preheader", "the preheader")):
        text = getattr(material.issue, key)
        loud = shouted(text)
        if loud:
            yield Found((key,), f'{name} has "{loud}" in capitals.', "Write it in small letters.")
        if text.count("!") > 1 or re.search(r"[!?]{2,}", text):
            yield Found(
                (key,), f"{name} has more than one exclamation mark in a row or in all.", "A full stop is enough."
            )


@check("SUB05", Severity.LOOK)
def repeated_line(material: Material) -> Iterator[Found]:
    """The subject or preheader is nearly that of an earlier issue.

    *Why*: an issue is often made from the last one, and readers take a line they know for a mail they have read. The
    month and numbers do not count: "Stalking guidance: March" and "Stalking guidance: May" are the same line.

    *Instead of*: last month's subject with this month's name.

    *Write*: what is new in this issue.
    """
    issue = material.issue
    for key, name in (("subject", "the subject"), ("preheader", "the preheader")):
        text = getattr(issue, key)
        for before in reversed(material.earlier[-LOOKED_BACK:]):
            line = getattr(before, key)
            if plain_key(text) == plain_key(line):
                break  # word for word, which PLC02 tells
            if alike(text, line, fewest=_FEWEST_WORDS):
                yield Found(
                    (key,),
                    f'{name} is nearly that of the issue {before.id}: "{clipped(line)}".',
                    "Say what is new in this one.",
                )
                break


_FEWEST_WORDS = 4


@check("SUB06", Severity.MUST_FIX)
def pretended_answer(material: Material) -> Iterator[Found]:
    """The subject begins like an answer, a copy or a draft: "Re:", "Fwd:", "Copy of", "[Draft]".

    *Why*: "Re:" on a mail that answers nothing is a trick of spam, and filters know it. "Draft" and "Test" were
    forgotten there.

    *Instead of*: "Fwd: Test: New guidance on stalking".

    *Write*: "New guidance on stalking".
    """
    for key, name in (("title", "the title"), ("subject", "the subject")):
        match = _PRETENDED.match(getattr(material.issue, key))
        if match:
            yield Found((key,), f'{name} begins with "{match.group().strip()}".', "Delete it.")


_PRETENDED = re.compile(
    r"\s*(?:(?:re|fwd?|aw|wg|tr|test|draft|copy|proof)\s*(?:\[\d+\])?\s*:|copy of\b|"
    r"[\[(](?:draft|test|external|copy|proof|ext|spam)[\])])",
    re.IGNORECASE,
)


@check("SUB07", Severity.LOOK)
def emoji(material: Material) -> Iterator[Found]:
    """The title, subject or preheader holds an emoji or a symbol.

    *Why*: screen readers read its name aloud, "police car light", older mail programs show an empty box, and filters
    count it as advertising.

    *Instead of*: "🚨 New guidance on stalking ➡ read now".

    *Write*: "New guidance on stalking".
    """
    for key, name in (("title", "the title"), ("subject", "the subject"), ("preheader", "the preheader")):
        signs = [sign for sign in getattr(material.issue, key) if _is_emoji(sign)]
        if signs:
            called = unicodedata.name(signs[0], "a symbol").lower()
            yield Found((key,), f'{name} holds "{signs[0]}" ({called}).', "Delete it, or say it in words.")


def _is_emoji(sign: str) -> bool:
    return unicodedata.category(sign) == "So" and sign not in "©®℠™°№"


@check("SUB08", Severity.LOOK)
def advertising(material: Material) -> Iterator[Found]:
    """The title, subject or preheader has the words of advertising: "act now", "last chance", "£££", "100% free".

    *Why*: spam filters count such words, and an officer who is taught to distrust them deletes the mail.

    *Instead of*: "Last chance! Book your FREE place now £££".

    *Write*: "Stalking session on 12 June: places left".
    """
    for key, name in (("title", "the title"), ("subject", "the subject"), ("preheader", "the preheader")):
        match = _SALES.search(getattr(material.issue, key))
        if match:
            yield Found((key,), f'{name} says "{clipped(match.group())}", as advertising does.', "Say it plainly.")


_SALES = re.compile(
    r"[£$€]{2,}|%\s?(?:free|off)\b|\b(?:act|buy|book|order|call|click|apply|register|sign up) (?:right )?now\b"
    r"|\b(?:last|final|only) chance\b|\bdon['’]?t (?:miss|delay|wait|ignore)\b|\bdo not (?:miss out|delay)\b"
    r"|\b(?:limited|one)[ -]time\b|\bwhile (?:stocks|places) last\b|\bhurry\b|\bexclusive offer\b|\bspecial offer\b"
    r"|\b(?:you (?:have|['’]ve) )?won\b(?= [£$€])|\bcash prize\b|\bmust[- ]read\b|\byou won['’]?t believe\b"
    r"|\brisk[- ]free\b|\bno obligation\b|\bact fast\b|\bonce in a lifetime\b|\bunmissable\b",
    re.IGNORECASE,
)


@check("PRE01", Severity.LOOK)
def preheader(material: Material) -> Iterator[Found]:
    """The preheader is missing, shorter than 40 or longer than 130 characters, or repeats the subject (H-16).

    *Why*: mail programs show this line after the subject. Without it they show whatever comes first in the mail.

    *Instead of*: the subject once more.

    *Write*: what else is in the issue, in 40 to 130 characters.
    """
    text, subject = material.issue.preheader.strip(), material.issue.subject.strip()
    at = ("preheader",)
    if not text:
        yield Found(at, "there is no preheader.", "Say in 40 to 130 characters what else is in the issue.")
    elif any(
        plain_key(text) == plain_key(line) or alike(text, line, fewest=_FEWEST_WORDS)
        for line in (subject, material.issue.title)
    ):
        yield Found(at, "the preheader repeats the subject or title.", "Say what else is in the issue.")
    elif len(text) < 40:
        yield Found(at, f"the preheader has only {len(text)} characters.", "Add what else is in the issue, up to 130.")
    elif len(text) > 130:
        yield Found(at, f"the preheader has {len(text)} characters; it is cut after 130.", "Shorten it.")
