"""`pick`: from the inbox into sections."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from bulletin.cli import output
from bulletin.cli.collect import plural
from bulletin.errors import BulletinError

if TYPE_CHECKING:
    from bulletin.model import Candidate
    from bulletin.publication import Publication


@click.command()
@click.argument("numbers", nargs=-1)
@click.option("--issue", help="Issue to work on. Without it, the newest.")
@click.option("--to", "section", help="Section the stories go to. Without it, the one proposed for each.")
@click.option("--source", help="All stories of this source.")
@click.option("--topic", help="All stories with this topic.")
@click.option("--match", "words", help="All stories with these words in headline or summary.")
@click.option("--all", "everything", is_flag=True, help="All stories that have a proposed section.")
@click.option("--skip", "skipping", is_flag=True, help="Turn the stories down instead, so that they do not come back.")
@click.option("--why", default="", help="Why they are turned down.")
@click.option("--ask", "asking", is_flag=True, help="Ask about one story after the other, in plain lines.")
@click.option("--list", "listing", is_flag=True, help="Only list the inbox.")
@click.option("--json", "as_json", is_flag=True, help="Print the inbox for a machine.")
@click.option("--no-pictures", is_flag=True, help="Do not fetch the stories' pictures.")
def pick(
    numbers: tuple[str, ...],
    issue: str | None,
    section: str | None,
    source: str | None,
    topic: str | None,
    words: str | None,
    everything: bool,
    skipping: bool,
    why: str,
    asking: bool,
    listing: bool,
    as_json: bool,
    no_pictures: bool,
) -> None:
    """Place stories from the inbox in sections.

    Name them by NUMBERS (1 3 5-8), by a filter, or name none and choose on the screen.
    """
    home = output.publication()
    name = output.chosen_issue(home, issue)
    inbox = home.read_issue(name).issue.inbox
    if as_json:
        output.show_json([_for_machine(number, entry) for number, entry in enumerate(inbox, 1)])
        return
    if not inbox:
        output.say(f"The inbox of {name} is empty. Fill it with: bulletin collect {name}")
        return
    wanted = [inbox[number - 1] for number in _counted(numbers, len(inbox))] if numbers else inbox
    wanted = [entry for entry in wanted if _matches(entry, source, topic, words)]
    if not wanted:
        raise BulletinError("no story in the inbox is like that.", hint=f"See: bulletin pick --list --issue {name}")
    if listing:
        _list(wanted, inbox)
        return
    if not (numbers or source or topic or words or everything):
        _let_choose(home, name, inbox, not no_pictures, asking)
        return
    chosen = list(wanted) if numbers or section or skipping else [entry for entry in wanted if entry.section]
    if not chosen:
        raise BulletinError("no section is proposed for any of these.", hint="Say where they go: add --to SECTION.")
    for entry in chosen:
        if skipping:
            _skip(home, name, entry, why)
        else:
            _place(home, name, entry, section, not no_pictures)
    output.say(f"{len(inbox) - len(chosen)} left in the inbox. Look at the issue: bulletin preview {name}")


def _let_choose(home: Publication, issue: str, inbox: Sequence[Candidate], with_pictures: bool, asking: bool) -> None:
    """On the screen where there is one, in plain lines where that is wished for; elsewhere the inbox is listed."""
    if asking or (sys.stdin.isatty() and os.environ.get("TERM", "dumb") == "dumb"):
        _ask(home, issue, inbox, with_pictures)
    elif sys.stdin.isatty() and sys.stdout.isatty():
        from bulletin.cli.picking import Picking

        _tell(home, Picking(home, issue, with_pictures=with_pictures).run_to_end(), issue)
    else:
        _list(inbox, inbox)


def _tell(home: Publication, done: tuple[int, int], issue: str) -> None:
    """What the screen did, when it is gone."""
    left = len(home.read_issue(issue).issue.inbox)
    output.done(
        f"{plural(done[0], 'story', 'stories')} placed, {done[1]} skipped; {left} left in the inbox of {issue}."
    )
    output.say(f"Look at the issue: bulletin preview {issue}")


def _for_machine(number: int, entry: Candidate) -> dict[str, object]:
    return {
        "number": number,
        "title": entry.title,
        "url": entry.url,
        "source": entry.source,
        "published": entry.published,
        "dated": entry.dated or None,
        "seen": entry.seen,
        "updated": entry.updated,
        "also": entry.also,
        "section": entry.section,
        "topics": entry.topics,
        "why": entry.why,
    }


def _matches(entry: Candidate, source: str | None, topic: str | None, words: str | None) -> bool:
    text = f"{entry.title} {entry.summary}".casefold()
    return (
        (source is None or source.casefold() in (entry.source or "").casefold())
        and (topic is None or topic in entry.topics)
        and (words is None or words.casefold() in text)
    )


def _counted(numbers: Sequence[str], most: int) -> list[int]:
    """`1 3 5-8` and `1,3` as numbers. Raises a usage error for anything else."""
    result: list[int] = []
    for part in (piece for number in numbers for piece in number.split(",") if piece):
        first, _, last = part.partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            raise click.UsageError(f'"{part}" is not a number. Write numbers from the list: 1 3 5-8')
        span = range(int(first), int(last or first) + 1)
        if not span or span[0] < 1 or span[-1] > most:
            raise click.UsageError(f"The inbox has {plural(most, 'story', 'stories')}; there is no number {part}.")
        result += [number for number in span if number not in result]
    return result


def _list(entries: Sequence[Candidate], inbox: Sequence[Candidate]) -> None:
    rows = [
        (
            str(inbox.index(entry) + 1),
            f"{entry.published.day} {entry.published:%b %Y}" if entry.published else "no date",
            entry.source or "",
            entry.title,
            entry.section or "?",
        )
        for entry in entries
    ]
    output.table(rows, ("No", "Date", "Source", "Headline", "Section"))


def _place(home: Publication, issue: str, entry: Candidate, section: str | None, with_picture: bool) -> None:
    from bulletin import flow

    placed = flow.place(home, issue, entry.url, section, with_picture=with_picture)
    output.done(f"{placed.section}: {placed.item.title}")
    if placed.trouble:
        output.warn(f"  {placed.trouble}")


def _skip(home: Publication, issue: str, entry: Candidate, why: str) -> None:
    from bulletin import flow

    flow.skip(home, issue, entry.url, why or "not for this issue")
    output.done(f"skipped: {entry.title}")


def _ask(home: Publication, issue: str, inbox: Sequence[Candidate], with_picture: bool) -> None:
    sections = home.config.vocabulary.sections
    keys = {str(number): section for number, section in enumerate(sections, 1)}
    output.say("Sections: " + "  ".join(f"{key} {home.config.section_title(section)}" for key, section in keys.items()))
    output.say(
        "Answer with a section's number or Enter for the proposed one;"
        " o opens the page, s skips, n leaves it for later, q stops.\n"
    )
    for number, entry in enumerate(inbox, 1):
        output.say(click.style(f"{number} of {len(inbox)}  {entry.title}", bold=True))
        output.say(f"   {entry.source or 'unknown source'}, {entry.published or 'no date'}. {entry.why}")
        output.say(click.wrap_text(" ".join(entry.summary.split()), 90, "   ", "   "))
        while True:
            answer = click.prompt("  Where to", default=entry.section or "n", err=True).strip().lower()
            if answer == "o":
                click.launch(entry.url)
                continue
            if answer in {"q", "n"} or answer in keys or answer in sections or answer == "s":
                break
            output.warn(f'"{answer}" is none of these.')
        if answer == "q":
            return
        if answer == "s":
            _skip(home, issue, entry, click.prompt("  Why", default="not for this issue", err=True))
        elif answer != "n":
            _place(home, issue, entry, keys.get(answer, answer), with_picture)
