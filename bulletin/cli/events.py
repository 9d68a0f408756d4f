"""`events`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulletin.cli import output
from bulletin.cli.collect import plural

if TYPE_CHECKING:
    from bulletin.delivery.eventlog import Logged
    from bulletin.delivery.receiving import Taken
    from bulletin.flow import MailsRead, Overview
    from bulletin.model import EventKind


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print the overview for a machine.")
@click.pass_context
def events(ctx: click.Context, as_json: bool) -> None:
    """Say what came back after sending: what arrived, bounced or was complained about, and what waits for you.

    Without a further word it is an overview. It names no address in full. Read: bulletin help after-sending
    """
    if ctx.invoked_subcommand is None:
        _overview(as_json)


def _overview(as_json: bool) -> None:
    from bulletin import flow

    found = flow.overview_of_events(output.publication())
    if as_json:
        output.show_json(_for_machines(found))
        return
    if not found.counts:
        output.say("Nothing was reported yet. How it can be: bulletin help after-sending")
        return
    rows = {mailing: found.counts[mailing] for mailing in sorted(found.counts, reverse=True)}
    table_of_kinds({mailing or "(none known)": row for mailing, row in rows.items()}, "Issue")
    if found.blocked:
        output.say()
        output.warn("Mail was turned down for what the sender is or does. Readers are not to blame, and stay.")
        output.table(
            ((domain, f"{often:,}", why) for domain, why, often in found.blocked), ("Domain", "Times", "Reason")
        )
        output.say("  → Show this to whoever looks after your mail, and run: bulletin doctor")
    if found.soon:
        output.say()
        output.warn(
            f"{plural(len(found.soon), 'reader', 'readers')} will be suspended if the next issue fails as well:"
        )
        for subscriber, number in found.soon:
            output.show(f"  {found.readers.get(subscriber, '')}  failed on {number} issues in a row (id {subscriber})")
    if found.suspended:
        output.say()
        output.say(f"{plural(found.suspended, 'reader is', 'readers are')} suspended: bulletin subscribers suspended")
    if found.in_doubt:
        output.say()
        output.warn(f"{plural(len(found.in_doubt), 'report waits', 'reports wait')} for you: bulletin events review")


def table_of_kinds(rows: Mapping[str, Mapping[EventKind, int]], title: str) -> None:
    """How many of each kind, with a column for each that there is any of."""
    from bulletin.model import EventKind

    kinds = [kind for kind in EventKind if any(kind in row for row in rows.values())]
    cells = ((name, *(f"{row[kind]:,}" if kind in row else "" for kind in kinds)) for name, row in rows.items())
    output.table(cells, (title, *(kind.value.capitalize() for kind in kinds)))


def _for_machines(found: Overview) -> dict[str, object]:
    return {
        "counts": {mailing: {kind.value: row[kind] for kind in row} for mailing, row in found.counts.items()},
        "suspended": found.suspended,
        "suspended_soon": [{"reader": subscriber, "issues_in_a_row": number} for subscriber, number in found.soon],
        "turned_down": [{"domain": domain, "reason": why, "times": often} for domain, why, often in found.blocked],
        "in_doubt": [_as_data(event) for event in found.in_doubt],
    }


def _as_data(event: Logged) -> dict[str, object]:
    return asdict(event) | {"kind": event.kind.value}


@events.command()
@click.option("--json", "as_json", is_flag=True, help="Print the list for a machine.")
def review(as_json: bool) -> None:
    """List the reports that wait for you.

    They do not prove which reader they are about, so nobody is changed until you decide.
    """
    from bulletin import flow

    found = flow.overview_of_events(output.publication())
    if as_json:
        output.show_json([_as_data(event) for event in found.in_doubt])
        return
    output.table(
        (
            (
                str(event.number),
                f"{event.at:%Y-%m-%d %H:%M}",
                event.kind.value,
                event.provider,
                found.readers.get(event.subscriber or "", "not known"),
                "; ".join(filter(None, (event.doubt, event.reason))),
            )
            for event in found.in_doubt
        ),
        ("Number", "When (UTC)", "Says", "From", "Reader", "Why it waits"),
    )
    output.say(plural(len(found.in_doubt), "report", "reports"))
    if found.in_doubt:
        output.say("Decide on each: bulletin events settle NUMBER --accept, or --dismiss")


@events.command()
@click.argument("number", type=int)
@click.option("--accept", "answer", flag_value="accept", help="It is true: let it count for its reader.")
@click.option("--dismiss", "answer", flag_value="dismiss", help="Nothing is to come of it.")
@click.option("--reader", "address", default="", help="The reader's address, if the report does not know them.")
@click.option("--by", "who", help="Who decided; kept with the report. Without it, your user name.")
def settle(number: int, answer: str | None, address: str, who: str | None) -> None:
    """Decide on a report that waits, by its NUMBER in the review."""
    from bulletin import flow

    if answer is None:
        raise click.UsageError("Say what to do with it: --accept or --dismiss.")
    who = who or output.user_name()
    changed = flow.settle_event(output.publication(), number, accept=answer == "accept", who=who, address=address)
    if answer == "dismiss":
        output.done("Dismissed. Nothing comes of it.")
    else:
        output.done("It counts." if changed else "It counts, and changes nothing: no more mail went there anyway.")


@events.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def read(files: tuple[Path, ...]) -> None:
    """Take in bounces, complaints and opt-outs saved as FILES."""
    from bulletin import flow

    _show_read(flow.read_files(output.publication(), files))


@events.command()
@click.option("--dry-run", is_flag=True, help="Only say what is there; change nothing, here or in the mailbox.")
def mailbox(dry_run: bool) -> None:
    """Read the mailbox for bounces, complaints and opt-outs.

    No mail is deleted. What was understood is marked as read, or moved to done_folder; what you have to look at gets a
    flag. Run it on a timer: opt-outs have to count within two days.
    """
    from bulletin import flow

    _show_read(flow.read_mailbox(output.publication(), dry_run=dry_run))
    if dry_run:
        output.say("This was a dry run. Nothing was changed.")


def _show_read(found: MailsRead) -> None:
    others = found.mails - found.ours
    output.show(f"{plural(found.mails, 'mail', 'mails')} read")
    output.show(f"  {found.ours:>6,} with a report or an opt-out")
    if others:
        output.show(f"  {others:>6,} left as they are")
    _show_taken(found.taken)
    if found.for_a_person:
        output.warn(f"{plural(found.for_a_person, 'mail waits', 'mails wait')} for you: bulletin events review")


def _show_taken(taken: Taken) -> None:
    from bulletin.subscribers.consent import Cause

    if taken.again:
        output.show(f"  {taken.again:>6,} known already")
    for cause, words in (
        (Cause.BOUNCE, "suspended, because their address failed"),
        (Cause.COMPLAINT, "taken off, because they complained"),
        (Cause.UNSUBSCRIBE, "unsubscribed"),
    ):
        if taken.moved[cause]:
            output.show(f"  {taken.moved[cause]:>6,} {'reader' if taken.moved[cause] == 1 else 'readers'} {words}")
    if taken.settled:
        output.show(f"  {taken.settled:>6,} unknown deliveries turned out to have left")


@events.command()
@click.argument("provider", default="")
def pull(provider: str) -> None:
    """Ask the mail service what became of copies.

    It tells what is new since the last time. PROVIDER: the one that sends, unless you name one.

    For machines that no service can reach, such as a laptop. Run it on a timer.
    """
    from bulletin import flow

    taken = flow.pull_events(output.publication(), provider)
    output.show(f"{plural(taken.new, 'new report', 'new reports')}")
    _show_taken(taken)
    if taken.doubtful:
        output.warn(f"{plural(taken.doubtful, 'report waits', 'reports wait')} for you: bulletin events review")


@events.command()
@click.argument("provider", default="")
def webhook(provider: str) -> None:
    """Show where the mail service can report by itself.

    Enter this address on the website of the service.

    PROVIDER: the one that sends, unless you name one. The reports are taken by `bulletin serve`.
    """
    from bulletin import flow

    address, signed = flow.webhook_address(output.publication(), provider)
    output.show(address)
    if signed:
        output.say("Every report is signed. What to check it by comes from the environment: bulletin help settings")
    else:
        output.say("Put a long secret in place of SECRET, and the same into the environment: bulletin help settings.")
        output.say("This service does not sign what it says, so whoever knows the address can make up reports.")


@events.command()
@click.argument("provider", default="")
@click.option("--dry-run", is_flag=True, help="Only say what would be exchanged; change nothing on either side.")
def suppressions(provider: str, dry_run: bool) -> None:
    """Exchange lists of whom not to write to with the service.

    What either has and the other has not is added there.

    PROVIDER: the one that sends, unless you name one.
    """
    from bulletin import flow

    found = flow.exchange_suppressions(output.publication(), provider, dry_run=dry_run)
    output.show(f"{plural(found.theirs, 'address', 'addresses')} on the list of the mail service")
    output.show(f"  {found.learned:>6,} of them new to us: no more mail goes there")
    output.show(f"  {found.told:>6,} of ours new to the service")
    if found.refusal:
        output.say(f"{found.refusal} Nothing is lost: who is on our list is not written to.")
    output.done("Nothing was changed: this was a rehearsal." if dry_run else "Done.")
