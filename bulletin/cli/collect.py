"""`collect` and `add`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import click

from bulletin.cli import output

if TYPE_CHECKING:
    from bulletin.sources import SourceReport


def day(text: str) -> dt.date:
    """A day as issue files write it. Raises click's own error, which names the option."""
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no time zone
    except ValueError:
        raise click.BadParameter(f'"{text}" is not a day. Write year-month-day, such as 2024-05-30.') from None


@click.command()
@click.argument("issue", required=False)
@click.option("--fresh", is_flag=True, help="Ask also the sources that were asked within the last hour.")
@click.option("--explain", "url", metavar="URL", help="Say why the story at URL is offered, or is not. Asks nobody.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for a machine.")
@click.pass_context
def collect(ctx: click.Context, issue: str | None, fresh: bool, url: str | None, as_json: bool) -> None:
    """Ask all sources for news and put what is new into the inbox of ISSUE.

    What an earlier issue used, what this one holds already and what you skipped does not come back.
    """
    from bulletin import flow

    home = output.publication()
    name = output.chosen_issue(home, issue)
    if url is not None:
        lines = flow.explain(home, name, url)
        if as_json:
            output.show_json({"issue": name, "url": url, "lines": lines})
        else:
            output.show("\n".join(lines))
        return
    with output.progress("Asking the sources", len(home.config.sources)) as step:
        result = flow.collect(home, name, fresh=fresh, on_done=lambda report: step(1))
    if as_json:
        output.show_json(
            {
                "issue": name,
                "sources": [
                    {
                        "id": report.source.id,
                        "found": len(report.candidates),
                        "failure": report.failure or None,
                        "rested": report.rested or None,
                        "notes": report.notes,
                    }
                    for report in result.reports
                ],
                "new": [{"title": entry.title, "url": entry.url, "why": entry.why} for entry in result.new],
                "left_out": [{"title": entry.title, "url": entry.url, "why": why} for entry, why in result.left_out],
                "updated": [{"title": entry.title, "url": entry.url, "why": why} for entry, why in result.updated],
                "unread": result.unread,
            }
        )
        return
    for report in result.reports:
        _tell(report)
    rested = [report for report in result.reports if report.rested and not report.failure]
    if rested:
        output.say(
            f"    {plural(len(rested), 'source was', 'sources were')} asked within the last hour or so, and offer what"
            " they did then. To ask all the same: bulletin collect --fresh"
        )
    for unread in result.unread:
        output.warn(f"Issue {unread} cannot be read, so its stories may come back. See: bulletin check {unread}")
    output.say()
    if all(report.failure and not report.candidates for report in result.reports):
        output.warn("No source could be asked. Nothing was changed.")
        ctx.exit(1)
    for entry, why in result.updated:
        output.warn(f'"{entry.title}" {why}. To use it again, copy its item: {entry.url}')
    output.done(
        f"{plural(len(result.new), 'new story', 'new stories')} in the inbox of {name};"
        f" {len(result.left_out)} left out as known, repeated or too old."
    )
    if result.new:
        output.say(f"Go on: bulletin pick --issue {name}")


def _tell(report: SourceReport) -> None:
    """One line of what a source answered, and one for each thing to know about it."""
    stories = plural(len(report.candidates), "story", "stories")
    if report.failure:
        still = f" ({stories} from before)" if report.candidates else ""
        output.warn(f"{report.source.title}: {report.rested or report.failure}{still}")
    elif report.rested:
        output.say(f"  {report.source.title}: {stories} from before")
    else:
        output.done(f"{report.source.title}: {stories}")
    if report.held_back:
        held = plural(len(report.held_back), "undated story that stands", "undated stories that stand")
        output.say(f"    first reading: {held} there already counts as old news")
    for note in report.notes:
        output.warn(
            f"  {report.source.title} {note}" if note.startswith(("has ", "is ", "does ", "finds ")) else f"  {note}"
        )


def plural(count: int, one: str, many: str) -> str:
    """A count with its noun."""
    return f"{count} {one if count == 1 else many}"


@click.command()
@click.argument("url", required=False)
@click.option("--issue", help="Issue to add it to. Without it, the newest.")
@click.option("--to", "section", help="Section it would fit.")
@click.option("--title", help="Headline, to add a story by hand.")
@click.option("--summary", default="", help="What it says.")
@click.option("--source", help="Who published it.")
@click.option("--published", type=day, help="Day it was published: 2024-05-08.")
def add(
    url: str | None,
    issue: str | None,
    section: str | None,
    title: str | None,
    summary: str,
    source: str | None,
    published: dt.date | None,
) -> None:
    """Add one story to the inbox: from the page at URL, or by hand with --title."""
    from bulletin import flow
    from bulletin.model import Candidate

    if not url:
        raise click.UsageError("Say which address to add: bulletin add https://www.example.org/news/story")
    home = output.publication()
    name = output.chosen_issue(home, issue)
    if title:
        by_hand = Candidate(
            title=title,
            url=url,
            source=source,
            published=published,
            summary=summary,
            section=section,
            why="added by hand",
        )
        added = flow.add_candidate(home, name, by_hand)
    else:
        added = flow.add_page(home, name, url, section)
    output.done(f'"{added.title}" is at the top of the inbox of {name}.')
    for label, value in (("from", added.source), ("published", added.published), ("picture", added.image)):
        output.say(f"    {label}: {value or 'not found'}")
    if not title:
        output.say(f"    how: {added.why.partition('; ')[2] or added.why}")
    if added.dated:
        output.warn(f"  its day is {added.dated}")
    before = flow.ran_in(home, name, added.url)
    if before:
        output.warn(f"It ran in {before} already. If that is not meant: bulletin pick 1 --skip --issue {name}")
    place = "" if added.section else " --to SECTION"
    output.say(f"Go on: bulletin pick 1{place} --issue {name}")
