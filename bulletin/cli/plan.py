"""How a plan is shown before anything leaves; shared by `send` and `approve`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import click

from bulletin.cli import output
from bulletin.cli.collect import plural
from bulletin.errors import BulletinError

if TYPE_CHECKING:
    from bulletin.flow import Prepared, Timing
    from bulletin.providers._provider import Quota
    from bulletin.publication import Publication

AT = click.option(
    "--at", metavar="TIME", help='When it leaves: "2024-05-30 09:00", in the publication\'s time zone; or now.'
)
STAGGER = click.option(
    "--stagger", metavar="LENGTH", help="Spread it over 90m, 2h or the like, each mail domain evenly; or none."
)


def timing(home: Publication, issue: str, at: str | None, stagger: str | None) -> Timing | None:
    """What the options ask for, each beside what was planned before; None if they ask for nothing."""
    from bulletin import flow
    from bulletin.delivery import schedule

    if at is None and stagger is None:
        return None
    planned = flow.timing_of(home, issue)
    due_at, spread = planned.due_at, planned.spread
    if at is not None:
        due_at = None if at == "now" else schedule.moment(at, home.config.zone, now=flow.now())
    if stagger is not None:
        spread = None if stagger == "none" else schedule.duration(stagger)
    return flow.Timing(due_at, spread)


def refuse_findings(ctx: click.Context, prepared: Prepared, end: str) -> None:
    """Ends the command if something must be fixed first."""
    from bulletin.cli.check import show_findings

    must_fix = prepared.checked.must_fix
    if must_fix:
        show_findings(must_fix)
        output.say(f"\n{plural(len(must_fix), 'finding', 'findings')} to fix first. {end}")
        ctx.exit(1)


def type_the_count(count: int, to_do: str, end: str) -> None:
    """The last chance to notice a wrong list: the number has to be typed back."""
    typed = click.prompt(f"Type the number of messages to {to_do} them", err=True, default="", show_default=False)
    if typed.strip().replace(",", "") != str(count):
        raise BulletinError(f'"{typed.strip()}" is not {count}. {end}', hint="Look at the plan, then try again.")


def ask_quota(home: Publication, prepared: Prepared) -> Quota | None:
    """How much the provider lets leave, if it really sends and says so. A provider that cannot be asked is told of."""
    from bulletin import flow

    if not prepared.really_sends:
        return None
    try:
        return flow.quota(home)
    except BulletinError as error:
        output.warn(f"{prepared.plan.provider} was asked how much may leave: {error.message}")
        return None


def refuse_over_quota(quota: Quota | None, count: int) -> None:
    """Raises `BulletinError` if the provider would stop in the middle."""
    if quota and quota.left is not None and quota.left < count:
        raise BulletinError(
            f"the provider lets {plural(quota.left, 'more message', 'more messages')} leave, and there are {count:,}.",
            hint=f"Raise the limit there, or send a part first: bulletin send --limit {max(quota.left, 1)}",
        )


def as_json(home: Publication, prepared: Prepared, quota: Quota | None) -> dict[str, Any]:
    """The plan for a machine."""
    plan = prepared.plan
    return {
        "issue": plan.issue,
        "subject": prepared.checked.file.issue.subject,
        "from": f"{home.config.sender.name} <{home.config.sender.address}>",
        "provider": plan.provider,
        "really_sends": prepared.really_sends,
        "editions": dict(plan.counts),
        "withheld": dict(plan.withheld),
        "planned": plan.recipients,
        "to_go": prepared.to_go,
        "digest": plan.digest,
        "due_at": plan.due_at,
        "spread_seconds": plan.spread and round(plan.spread.total_seconds()),
        "seconds": _seconds(home, prepared, quota),
        "quota_left": quota and quota.left,
        "cost": _cost(home, prepared),
        "currency": home.config.sending.currency,
        "may_leave": prepared.may_leave,
        "approved_by": prepared.approval and prepared.approval.who,
        "changed": list(prepared.changed),
        "findings": len(prepared.checked.findings),
    }


def show(home: Publication, prepared: Prepared, quota: Quota | None = None) -> None:
    """The plan for people, a line for each thing worth a look."""
    plan = prepared.plan
    output.show(f"Issue    {plan.issue}: {prepared.checked.file.issue.subject}")
    output.show(f"From     {home.config.sender.name} <{home.config.sender.address}>")
    fate = "really sends" if prepared.really_sends else "writes files and sends nothing"
    output.show(f"By       {plan.provider}, which {fate}")
    if prepared.text_only:
        output.show("Design   lost: readers get the plain text alone; see bulletin help providers")
    for name, count in plan.counts.items():
        output.show(f"Edition  {name}: {plural(count, 'reader', 'readers')}")
    if plan.withheld:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in plan.withheld.items())
        output.show(f"Withheld {plural(sum(plan.withheld.values()), 'reader', 'readers')}: {reasons}")
    _show_history(prepared)
    _show_timing(home, prepared, quota)
    _show_approval(home, prepared)
    looks = len(prepared.checked.findings)
    if looks:
        output.show(f"Findings {looks} to look at; see bulletin check {plan.issue}")
    if prepared.really_sends and prepared.checked.rendered[-1].html.count(home.config.archive_url):
        output.show(f"Pictures come from {home.config.archive_url}; publish the archive before you send")
    output.show(f"Digest   {plan.digest[:16]}")
    output.show(f"To go    {plural(prepared.to_go, 'message', 'messages')}")


def _show_history(prepared: Prepared) -> None:
    known = prepared.known
    if known and known.cancelled_by:
        output.show(f"Stopped  by {known.cancelled_by}; it goes on only with --continue")
    if prepared.goes_on and known:
        begun = "an interrupted sending" if known.run else "a plan that was written down"
        output.show(f"Goes on  with {begun} and its readers")
    gone = prepared.plan.recipients - prepared.to_go
    if gone:
        output.show(f"Already  {plural(gone, 'message', 'messages')} left before; nobody gets a second one")
    if prepared.rehearsed:
        output.show(f"Tried    {plural(prepared.rehearsed, 'message', 'messages')} only written to files; now for real")


def _show_timing(home: Publication, prepared: Prepared, quota: Quota | None) -> None:
    from bulletin.delivery import schedule

    plan = prepared.plan
    if plan.due_at:
        output.show(f"Leaves   {schedule.shown(plan.due_at, home.config.zone)}")
    if plan.spread:
        output.show(f"Spread   over {schedule.lasting(plan.spread)}, each mail domain evenly")
    if seconds := _seconds(home, prepared, quota):
        output.show(f"Takes    about {schedule.lasting(dt.timedelta(seconds=seconds))}")
    if quota and quota.left is not None:
        until = f" until {schedule.shown(quota.until, home.config.zone)}" if quota.until else ""
        output.show(f"Quota    {plural(quota.left, 'message', 'messages')} may leave{until}")
    if (cost := _cost(home, prepared)) is not None:
        output.show(f"Cost     about {cost:,.2f} {home.config.sending.currency}")


def _show_approval(home: Publication, prepared: Prepared) -> None:
    from bulletin.delivery import schedule

    approval = prepared.approval
    if home.config.sending.approval == "nobody":
        return
    if approval is None:
        output.show("Approved by nobody yet")
        return
    when = schedule.shown(approval.at, home.config.zone)
    if prepared.may_leave:
        output.show(f"Approved by {approval.who}, {when}")
        return
    output.show(f"Approved by {approval.who}, {when}: no longer holds")
    for change in prepared.changed or ("the readers were planned anew",):
        output.show(f"           {change}")


def _seconds(home: Publication, prepared: Prepared, quota: Quota | None) -> int | None:
    """How long it takes at least, by what is known of the pace."""
    from bulletin.delivery.sender import pace

    paces = [each for each in (home.config.sending.per_second, quota and quota.per_second) if each]
    found = pace(prepared.plan.recipients, prepared.plan.spread, min(paces, default=None))
    return max(1, round(prepared.to_go / found)) if found and prepared.to_go else None


def _cost(home: Publication, prepared: Prepared) -> float | None:
    price = home.config.sending.price_per_1000
    return None if price is None or not prepared.really_sends else round(prepared.to_go * price / 1000, 2)
