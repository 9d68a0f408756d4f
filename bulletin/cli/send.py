"""`send`, `status`, `resolve` and `report`."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from bulletin.cli import output
from bulletin.cli import plan as plans
from bulletin.cli.collect import plural
from bulletin.errors import BulletinError

if TYPE_CHECKING:
    from bulletin.delivery.report import Report
    from bulletin.flow import Prepared
    from bulletin.publication import Publication


@click.command()
@click.argument("issue", required=False)
@click.option("--dry-run", is_flag=True, help="Say what would happen, and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print the plan for a machine.")
@click.option("--test", "test_address", metavar="ADDRESS", help="Send one copy of each edition to ADDRESS only.")
@plans.AT
@plans.STAGGER
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the next N copies; the rest waits.")
@click.option("--continue", "go_on", is_flag=True, help="Let the rest leave, after --limit or bulletin cancel.")
@click.option("--changed", is_flag=True, help="Go on although the issue was changed after its first copies left.")
@click.option("--take-over", is_flag=True, help="Go on with a sending that began elsewhere or long ago, or is late.")
@click.option("--yes", is_flag=True, help="Do not ask; for programs.")
@click.pass_context
def send(
    ctx: click.Context,
    issue: str | None,
    dry_run: bool,
    as_json: bool,
    test_address: str | None,
    at: str | None,
    stagger: str | None,
    limit: int | None,
    go_on: bool,
    changed: bool,
    take_over: bool,
    yes: bool,
) -> None:
    """Send ISSUE to its readers. You are asked to type the number of messages first.

    Run it again after an interruption: it goes on where it stopped, and nobody is mailed twice.
    """
    from bulletin import flow

    home = output.publication()
    name = output.chosen_issue(home, issue)
    if test_address:
        ctx.exit(_send_test(home, name, test_address))
    prepared = flow.prepare_sending(home, name, plans.timing(home, name, at, stagger))
    plans.refuse_findings(ctx, prepared, "Nothing was sent.")
    quota = plans.ask_quota(home, prepared)
    if dry_run and as_json:
        output.show_json(plans.as_json(home, prepared, quota))
        return
    plans.show(home, prepared, quota)
    if prepared.really_sends and prepared.to_go and prepared.to_go == prepared.plan.recipients:
        # Once the first copies have left, a link that died meanwhile is no reason to keep the rest from their readers.
        _ask_for_links(ctx, home, prepared)
    if dry_run:
        output.say("\nThis was a dry run. Nothing was sent.")
        return
    if not prepared.to_go:
        output.say("\nNobody is left to send to.")
        _ask_for_readers(prepared)
        return
    if prepared.known and prepared.known.cancelled_by and not go_on:
        raise BulletinError(
            f"{prepared.known.cancelled_by} cancelled this mailing. Nothing was sent.",
            hint=f"If it is to go on after all: bulletin send {name} --continue",
        )
    if not prepared.may_leave:
        _wait_for_approval(ctx, home, prepared)
    leaving = min(prepared.to_go, limit or prepared.to_go)
    plans.refuse_over_quota(quota, leaving)
    if not yes:
        output.say("\nA mail cannot be called back.")
        plans.type_the_count(leaving, "send", "Nothing was sent.")
    prepared = _at_its_time(home, prepared, limit=limit, go_on=go_on)
    report = _send(home, prepared, leaving, accept_changed=changed, take_over=take_over)
    _show_report(report)
    if not prepared.really_sends:
        output.say(f"Nothing left this machine. The messages are in {home.shown(home.outbox_dir / name)}")
    ctx.exit(_code(report))


def _send(home: Publication, prepared: Prepared, leaving: int, *, accept_changed: bool, take_over: bool) -> Report:
    from bulletin import flow

    with output.progress("Sending", leaving) as step:
        reported = 0

        def advance(done: int, planned: int) -> None:
            nonlocal reported
            now_done = done - (planned - prepared.to_go)
            step(now_done - reported)
            reported = now_done

        return flow.send(home, prepared, accept_changed=accept_changed, take_over=take_over, on_progress=advance)


def _wait_for_approval(ctx: click.Context, home: Publication, prepared: Prepared) -> None:
    """Ends the command: the plan is written down, and somebody has to approve it."""
    from bulletin import flow

    if not prepared.goes_on and not (prepared.known and prepared.known.run):
        flow.write_down(home, prepared)
    whose = "Somebody else than who edited it last" if home.config.sending.approval == "another" else "Somebody"
    output.say(f"\nNothing was sent. {whose} has to approve it: bulletin approve {prepared.plan.issue}")
    output.say("Then send again.")
    ctx.exit(3)


def _at_its_time(home: Publication, prepared: Prepared, *, limit: int | None, go_on: bool) -> Prepared:
    """Write the plan down with all that was wished, and wait until its time has come.

    Raises `BulletinError` if the issue is another one by then.
    """
    from bulletin import flow

    name, due_at = prepared.plan.issue, prepared.plan.due_at
    waits = due_at is not None and due_at > flow.now()
    if (waits or limit) and not prepared.goes_on:
        flow.write_down(home, prepared)
    if go_on:
        flow.let_go_on(home, name)
    if limit:
        flow.hold_after(home, name, limit)
    if due_at is None or not waits:
        return prepared
    _wait_until(home, name, due_at)
    found = flow.prepare_sending(home, name)
    if found.plan.head != prepared.plan.head:
        changes = "; ".join(found.changed)
        raise BulletinError(
            f"the plan is no longer the one that was to leave: {changes}. Nothing was sent.",
            hint=f"Look at it, and send it again: bulletin send {name}",
        )
    return found


def _wait_until(home: Publication, issue: str, due_at: dt.datetime) -> None:
    """Wait, telling how long. Ctrl-C ends the waiting and changes nothing."""
    import time

    from bulletin import flow
    from bulletin.delivery import schedule

    output.done(f"It leaves on {schedule.shown(due_at, home.config.zone)}. Leave this running until then.")
    output.say("  To stop waiting, press Ctrl-C: the plan stays, and bulletin send goes on with it.")
    output.say(f"  To call it off: bulletin cancel {issue}")
    with output.waiting() as show:
        while (left := due_at - flow.now()) > dt.timedelta(0):
            show(f"Leaves in {schedule.lasting(left)}")
            time.sleep(min(left.total_seconds(), 1.0))


def _ask_for_links(ctx: click.Context, home: Publication, prepared: Prepared) -> None:
    """Ends the command if a link or picture is not there. Says so if nobody could be asked."""
    from bulletin import flow
    from bulletin.cli.check import asking, show_findings

    with asking() as progress:
        checked = flow.check_before_leaving(home, prepared.checked, progress)
    if checked.links is not None and checked.links.offline:
        output.warn("No site could be reached: nobody knows whether the links and pictures of this mail are there.")
    if checked.must_fix:
        show_findings(checked.must_fix)
        output.say(f"\n{plural(len(checked.must_fix), 'finding', 'findings')} to fix first. Nothing was sent.")
        ctx.exit(1)


def _send_test(home: Publication, issue: str, address: str) -> int:
    from bulletin import flow

    failed = False
    for edition, outcome in flow.send_test(home, issue, address):
        if outcome is None:
            output.warn(f"edition {edition}: not sent there, because it is kept for its own readers.")
            output.say("  → Look at it with: bulletin preview. Or use an address of theirs, or of your own domain.")
        elif outcome.kind.value == "accepted":
            output.done(f"edition {edition}: a test copy was {_verb(home)}.")
        else:
            failed = True
            output.warn(f"edition {edition}: {outcome.kind.value}: {outcome.reason}")
    return 1 if failed else 0


def _verb(home: Publication) -> str:
    place = home.shown(home.outbox_dir)
    return f"written to {place}" if home.config.sending.provider == "outbox" else "sent"


def _ask_for_readers(prepared: Prepared) -> None:
    if not prepared.plan.recipients:
        output.say("The list of readers is empty. Fill it: bulletin subscribers import FILE")


@click.command()
@click.argument("issue", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the result for a machine.")
@click.pass_context
def status(ctx: click.Context, issue: str | None, as_json: bool) -> None:
    """Say how far the sending of ISSUE is. Exit code 0: finished; 1: refused or unknown ones; 3: not finished."""
    home = output.publication()
    name = _sent_issue(home, issue)
    report = _report_of(home, name)
    if as_json:
        output.show_json(asdict(report))
    else:
        _show_report(report)
    ctx.exit(_code(report))


@click.command()
@click.argument("issue", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the result for a machine.")
def report(issue: str | None, as_json: bool) -> None:
    """Say who got ISSUE, who did not, and why. Holds no address."""
    from bulletin import flow

    home = output.publication()
    name = _sent_issue(home, issue)
    result = _report_of(home, name)
    reported = flow.reported_of(home, name)
    if as_json:
        by_domain = {
            domain: {kind.value: number for kind, number in kinds.items()} for domain, kinds in reported.items()
        }
        output.show_json(asdict(result) | {"reported": by_domain})
        return
    _show_report(result)
    if result.refusals:
        rows = ((refusal.domain, str(refusal.count), refusal.reason) for refusal in result.refusals)
        output.table(rows, ("Domain", "Refused", "Reason"))
    for subscriber in result.unknown_subscribers:
        output.show(f"unknown: subscriber {subscriber}")
    if reported:
        from bulletin.cli.events import table_of_kinds

        output.say("\nWhat was reported later, in readers:")
        table_of_kinds(reported, "Domain")


def _sent_issue(home: Publication, issue: str | None) -> str:
    """The issue named, or the newest whose sending was started: next month's may be there already."""
    from bulletin import flow

    if issue is None:
        for name in reversed(home.issue_ids()):
            if flow.report_of(home, name) is not None:
                output.say(f"Issue {name}, the newest that was sent. Name another one to choose it.")
                return name
    return output.chosen_issue(home, issue)


def _report_of(home: Publication, issue: str) -> Report:
    from bulletin import flow

    report = flow.report_of(home, issue)
    if report is None:
        raise BulletinError(f"issue {issue} was never sent.", hint=f"Try: bulletin send {issue} --dry-run")
    return report


def _state(report: Report) -> str:
    if report.cancelled_by:
        return f"cancelled by {report.cancelled_by}"
    if report.held:
        return "held after the first copies"
    return "finished" if report.finished else "not finished"


def _show_report(report: Report) -> None:
    from bulletin.delivery import schedule

    output.show(f"Issue {report.mailing}: {_state(report)}")
    output.show(f"  planned    {report.planned:>7,}")
    for name in ("accepted", "refused", "withdrawn", "unknown", "waiting"):
        count = getattr(report, name)
        if count or name == "accepted":
            output.show(f"  {name:<10} {count:>7,}")
    if report.due_at:
        home = output.publication()
        output.say(f"It leaves on {schedule.shown(report.due_at, home.config.zone)}.")
    if report.waiting:
        more = " --continue" if report.held or report.cancelled_by else ""
        output.say(f"Go on with: bulletin send {report.mailing}{more}")
    if report.unknown:
        output.say("Nobody knows whether the unknown ones arrived. Read: bulletin help sending")
        output.say(f"Then decide: bulletin resolve {report.mailing} --sent, or --again")
    if report.refused:
        output.say(f"Why some were refused: bulletin report {report.mailing}")


def _code(report: Report) -> int:
    if report.waiting:
        return 3
    return 1 if report.refused or report.unknown else 0


@click.command()
@click.argument("issue")
@click.option("--sent", "answer", flag_value="sent", help="They were sent: count them as accepted.")
@click.option("--again", "answer", flag_value="again", help="They were not: the next send includes them.")
@click.option("--subscriber", help="Only this one, by the id that the report shows.")
@click.option("--by", "who", help="Who decided; kept in the ledger. Without it, your user name.")
def resolve(issue: str, answer: str | None, subscriber: str | None, who: str | None) -> None:
    """Settle the deliveries of ISSUE of which nobody knows whether they arrived: --sent or --again."""
    from bulletin import flow

    if answer is None:
        raise click.UsageError("Say what to do with them: --sent or --again. First read: bulletin help sending")
    who = who or output.user_name()
    home = output.publication()
    issue = output.chosen_issue(home, issue)
    _report_of(home, issue)
    count = flow.resolve(home, issue, accepted=answer == "sent", who=who, subscriber=subscriber)
    output.done(f"{plural(count, 'delivery', 'deliveries')} settled.")
    if answer == "again" and count:
        output.say(f"They go out with: bulletin send {issue}")
