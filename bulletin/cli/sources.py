"""`sources`: how they have been doing, and what a site offers."""

from __future__ import annotations

import datetime as dt

import click

from bulletin.cli import output
from bulletin.cli.collect import plural


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print the list for a machine.")
@click.pass_context
def sources(ctx: click.Context, as_json: bool) -> None:
    """Say how each source has been doing: when it was last read, what it gave, what is wrong.

    Nothing is asked for this. To see what a site offers: bulletin sources try URL.
    """
    if ctx.invoked_subcommand:
        return
    from bulletin import flow

    found = flow.sources_health(output.publication())
    if as_json:
        output.show_json(
            [
                {
                    "id": health.source.id,
                    "kind": health.source.kind,
                    "url": health.source.url,
                    "state": health.word,
                    "last_read": health.read,
                    "stories": health.items,
                    "failures": health.failures,
                    "next": health.next,
                    "remarks": health.remarks,
                }
                for health in found
            ]
        )
        return
    rows = [
        (
            health.source.id,
            health.source.kind,
            health.word,
            _when(health.read),
            str(health.items) if health.read else "",
            str(health.failures or ""),
        )
        for health in found
    ]
    output.table(rows, ("Source", "Kind", "State", "Last read", "Stories", "Failures in a row"))
    for health in found:
        for remark in health.remarks:
            output.warn(f"{health.source.title} {remark}")


@sources.command("try")
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="Print the findings for a machine.")
@click.pass_context
def try_(ctx: click.Context, url: str, as_json: bool) -> None:
    """Look at URL for feeds, calendars and lists of news, and print the lines to add to bulletin.toml.

    Nothing is changed. Of several findings choose yourself; a feed is better than a list.
    """
    from bulletin import flow

    found = flow.try_source(output.publication(), url)
    if as_json:
        output.show_json(
            [
                {
                    "kind": finding.kind,
                    "url": finding.url,
                    "how": finding.how,
                    "encoding": finding.encoding or None,
                    "failure": finding.failure or None,
                    "selectors": dict(finding.selectors),
                    "stories": [{"title": c.title, "url": c.url, "published": c.published} for c in finding.candidates],
                    "lines": finding.lines(),
                }
                for finding in found
            ]
        )
    good = [finding for finding in found if not finding.failure]
    if not as_json:
        for finding in found:
            if finding.failure:
                output.warn(f"{finding.kind} {finding.url}, {finding.how}: {finding.failure}")
                continue
            written = f" ({finding.encoding})" if finding.encoding not in ("", "utf-8", "utf-8-sig") else ""
            many = plural(len(finding.candidates), "story", "stories")
            output.done(f"{finding.kind} {finding.url}, {finding.how}: {many}{written}")
            for candidate in finding.candidates[:5]:
                output.say(f"    {_day(candidate.published)}  {candidate.title}")
            output.say()
            output.show(finding.lines() + "\n")
        if good:
            output.say("Add these lines to bulletin.toml, with an id and a title of your choice.")
    if not good:
        output.warn("There is nothing here that can be collected. See: bulletin help sources")
        ctx.exit(1)


def _when(moment: dt.datetime | None) -> str:
    return f"{moment.day} {moment:%b %Y, %H:%M}" if moment else "never"


def _day(day: dt.date | None) -> str:
    return f"{day.day:>2} {day:%b %Y}" if day else "no date    "
