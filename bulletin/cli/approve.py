"""`approve` and `cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bulletin.cli import output
from bulletin.cli import plan as plans
from bulletin.cli.collect import plural
from bulletin.errors import BulletinError

if TYPE_CHECKING:
    from bulletin.publication import Publication

_SHORTEST_DIGEST = 12


@click.command()
@click.argument("issue", required=False)
@click.option("--by", "who", help="Who approves. Without it, your name as git or this machine knows it.")
@plans.AT
@plans.STAGGER
@click.option(
    "--changed", is_flag=True, help="The issue was changed after its first copies left; the rest get this one."
)
@click.option("--digest", help="Do not ask: approve the plan with this digest, as bulletin send --dry-run shows it.")
@click.option("--withdraw", is_flag=True, help="Take the approval back.")
@click.pass_context
def approve(
    ctx: click.Context,
    issue: str | None,
    who: str | None,
    at: str | None,
    stagger: str | None,
    changed: bool,
    digest: str | None,
    withdraw: bool,
) -> None:
    """Approve the mailing of ISSUE: these mails, to these readers, at this time.

    Any change afterwards makes the approval void; a reader who leaves meanwhile does not.
    """
    from bulletin import flow

    home = output.publication()
    name = output.chosen_issue(home, issue)
    if withdraw:
        _withdraw(home, name)
        return
    who = who or _me(home, name)
    prepared = flow.prepare_sending(home, name, plans.timing(home, name, at, stagger), anew=True)
    plans.refuse_findings(ctx, prepared, "Nothing was approved.")
    plans.show(home, prepared)
    if not prepared.to_go:
        output.say("\nNobody is left to send to, so there is nothing to approve.")
        return
    output.say(f"\nYou approve this as {who}. Have you read the mails? See: bulletin preview {name}")
    if digest is None:
        plans.type_the_count(prepared.to_go, "approve", "Nothing was approved.")
    elif len(digest) < _SHORTEST_DIGEST or not prepared.plan.digest.startswith(digest.lower()):
        raise BulletinError(
            f"the plan is another one: its digest begins with {prepared.plan.digest[:16]}. Nothing was approved.",
            hint="Look at what changed: bulletin send --dry-run",
        )
    flow.approve(home, prepared, who, accept_changed=changed)
    output.done(f"Approved by {who}. It leaves with: bulletin send {name}")


def _withdraw(home: Publication, issue: str) -> None:
    from bulletin import flow

    if not flow.withdraw_approval(home, issue):
        raise BulletinError(f"nobody approved issue {issue}.")
    output.done("The approval is taken back. What has left has left; to stop the rest: bulletin cancel")


def _me(home: Publication, issue: str) -> str:
    from bulletin import history

    if not (me := history.myself(home.issue_dir(issue))):
        raise click.UsageError("Say who you are, as this machine has no name for you: --by NAME")
    return me


@click.command()
@click.argument("issue", required=False)
@click.option("--by", "who", help="Who calls it off. Without it, your name as git or this machine knows it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def cancel(issue: str | None, who: str | None, yes: bool) -> None:
    """Call the mailing of ISSUE off: nothing more of it leaves. Says what had left."""
    from bulletin import flow

    home = output.publication()
    name = output.chosen_issue(home, issue)
    report = flow.report_of(home, name)
    if report is None:
        raise BulletinError(f"issue {name} was never planned, so there is nothing to call off.")
    if not report.waiting:
        raise BulletinError(f"all of issue {name} has left: a mail cannot be called back.", hint="See: bulletin status")
    who = who or _me(home, name)
    if not yes and not click.confirm(
        f"Stop {plural(report.waiting, 'message', 'messages')} of issue {name}?", err=True
    ):
        output.say("Nothing was changed.")
        return
    stopped = flow.cancel(home, name, who)
    output.done(f"{plural(stopped.withdrawn, 'message', 'messages')} of issue {name} will not leave.")
    if stopped.in_hand:
        output.say(f"A sending is at work. It finishes the {stopped.in_hand} it has in hand, and stops.")
    report = flow.report_of(home, name)
    if report and report.accepted:
        output.say(f"{plural(report.accepted, 'message', 'messages')} had left: see bulletin report {name}")
    else:
        output.say("Nothing had left.")
    if report and report.unknown:
        output.say(f"Of {report.unknown} nobody knows. Read: bulletin help sending")
    output.say(f"If it is to go on after all: bulletin send {name} --continue")
