"""`subscribers`: who gets the bulletin."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulletin.cli import output
from bulletin.cli.collect import plural
from bulletin.errors import BulletinError

if TYPE_CHECKING:
    from bulletin.config import ListSetting
    from bulletin.subscribers.importing import Difference


@click.group()
def subscribers() -> None:
    """Add, list, show, remove and erase readers."""


@subscribers.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--basis", default="", help="Why you may write to them, such as: consent, sign-up sheet of May 2024.")
@click.option("--source", default="", help="Where the list comes from; the file's name if you say nothing.")
@click.option("--list", "into_list", default="", help="Put all of them on this list.")
@click.pass_context
def import_(ctx: click.Context, file: Path, dry_run: bool, basis: str, source: str, into_list: str) -> None:
    """Add the readers in FILE.

    FILE is CSV, Excel, or an export of Mailchimp, govDelivery, listmonk or Buttondown. The first line names the
    columns; one must hold addresses. Nobody who left is brought back. All of it is one step, after a copy of the
    database was made; undo-import takes it back.
    """
    from bulletin import flow

    home = output.publication()
    if not (dry_run or basis.strip()):
        basis = _asked_basis()
    found = flow.import_subscribers(
        home, file, basis=basis.strip(), source=source.strip(), into_list=into_list, dry_run=dry_run
    )
    _describe_import(found, file.name, dry_run)
    if found.refused_file:
        output.say(f"  Lines that were not taken, with the reasons:\n    {home.shown(found.refused_file)}")
    if found.batch:
        output.say("  To take this back: bulletin subscribers undo-import")
    ctx.exit(1 if found.refused_count else 0)


def _asked_basis() -> str:
    """Why the people of a list may be written to (P-13)."""
    import sys

    if not sys.stdin.isatty():
        raise BulletinError(
            "nobody can tell why you may write to these people.",
            hint='Add --basis, such as --basis "consent, sign-up sheet of May 2024". It is kept with each of them.',
        )
    return str(click.prompt("Why may you write to these people? It is kept with each of them", err=True)).strip()


def _describe_import(found: Difference, name: str, dry_run: bool) -> None:
    where = f"{found.columns.program} export, " if found.columns.program else ""
    output.say(f"  Read as: {where}{found.understood}")
    for column in found.columns.shown:
        output.say(f"    {column}")
    if found.columns.unknown:
        output.say(f"    not used: {', '.join(found.columns.unknown)}")
    output.done(f"{plural(found.new, 'reader', 'readers')} {'would be added' if dry_run else 'added'}.")
    for number, kind, what in (
        (found.changed, "changed", "known, with details that the file changes"),
        (found.known, "", "known already"),
        (found.waiting, "waiting", "signed up and have not confirmed it: only they can"),
        (found.left, "left", "left before, bounced, complained or were erased, and stay away"),
        (found.taken_off, "taken off", "left or bounced elsewhere, as the file says: no mail for them"),
    ):
        if number:
            output.say(f"  {number:,} {what}{_lines(found.lines.get(kind, ()), number)}")
    for line, first in found.duplicates:
        output.say(f"  {name}:{line}: the same address stands in line {first}")
    _and_more(found.duplicate - len(found.duplicates))
    if found.shared_count:
        lines = _lines(found.shared, found.shared_count)
        output.warn(f"shared mailboxes by their names, where no single person can agree: {found.shared_count:,}{lines}")
    for line, domain, better in found.slips:
        output.warn(f"{name}:{line}: {domain}: did you mean {better}?")
    if found.strange_lists:
        output.warn(f"lists that bulletin.toml does not describe under [[lists]]: {', '.join(found.strange_lists)}")
    for row in found.refused:
        output.warn(f"{name}:{row.line}: {row.reason}")
    _and_more(found.refused_count - len(found.refused))


def _lines(lines: Sequence[int], number: int) -> str:
    if not lines:
        return ""
    shown = ", ".join(map(str, lines[:8]))
    return f" (line{'s' if number > 1 else ''} {shown}{' …' if number > len(lines[:8]) else ''})"


def _and_more(number: int) -> None:
    if number > 0:
        output.say(f"  … and {number:,} more such lines")


@subscribers.command("undo-import")
def undo_import() -> None:
    """Take the last import back.

    Whom it added is deleted, what it changed is as before. Whom it took off stays off. It is refused if its readers
    changed since, or were sent something.
    """
    from bulletin import flow

    batch = flow.undo_import(output.publication())
    output.done(f"The import of {batch.file} is undone: {plural(batch.added, 'reader', 'readers')} deleted.")
    if batch.changed:
        output.say(f"  {batch.changed:,} with their details of before")
    if batch.taken_off:
        output.say(f"  {batch.taken_off:,} that it took off stay off: only they can come back")


@subscribers.command()
@click.option("--list", "on_list", default="", help="Only readers on this list.")
@click.option("--audience", default="", help="Only readers of this audience.")
@click.option("--state", default="", help="Only readers in this state, such as subscribed.")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The CSV file to write.")
def export(on_list: str, audience: str, state: str, out: Path) -> None:
    """Write readers to a CSV file.

    Only you can read it, and it is safe to open in a spreadsheet.
    """
    from bulletin import flow

    number = flow.export_subscribers(output.publication(), out, audience=audience, on_list=on_list, state=state)
    output.done(f"{plural(number, 'reader', 'readers')} written to {out}. Delete the file when you are done with it.")


@subscribers.command()
@click.option("--audience", required=True, help="An audience of the settings, such as forces, or everyone.")
@click.option("--list", "on_list", default="", help="Only readers on this list.")
@click.option("--json", "as_json", is_flag=True, help="Print the list for a machine.")
def who(audience: str, on_list: str, as_json: bool) -> None:
    """List who would get an audience's edition now, and why."""
    from bulletin import flow

    home = output.publication()
    found = flow.members(home, audience, on_list=on_list)
    if as_json:
        output.show_json_list({"email": email, "name": name, "why": why} for email, name, why in found)
        return
    number = output.long_table(found, ("Address", "Name", "Why"))
    output.say(plural(number, "reader", "readers"))
    others = sorted(flow.withheld(home, audience, on_list=on_list).items())
    if others:
        output.say(f"  Not among them, as they get nothing now: {', '.join(f'{many:,} {why}' for why, many in others)}")


@subscribers.command("list")
@click.option("--list", "on_list", default="", help="Only readers on this list.")
@click.option("--audience", default="", help="Only readers of this audience.")
@click.option("--state", default="", help="Only readers in this state, such as subscribed.")
@click.option("--json", "as_json", is_flag=True, help="Print the list for a machine.")
def list_(on_list: str, audience: str, state: str, as_json: bool) -> None:
    """List readers, with the edition each one gets."""
    from bulletin import flow

    found = flow.list_subscribers(output.publication(), audience=audience, on_list=on_list, state=state)
    if as_json:
        output.show_json_list(
            {
                "email": each.person.email,
                "name": each.person.name,
                "state": each.person.state.value,
                "audience": each.audience,
                "language": each.person.language,
                "lists": each.lists,
            }
            for each in found
        )
        return
    rows = (
        (each.person.email, each.person.name, each.person.state.value, each.audience, ", ".join(each.lists))
        for each in found
    )
    number = output.long_table(rows, ("Address", "Name", "State", "Edition", "Lists"))
    output.say(plural(number, "reader", "readers"))


@subscribers.command()
@click.option("--json", "as_json", is_flag=True, help="Print them for a machine.")
def lists(as_json: bool) -> None:
    """Show the lists, with how many readers are on each."""
    from bulletin import flow

    found = flow.lists(output.publication())
    if as_json:
        output.show_json(
            [
                {"list": name, "title": known and known.title, "public": bool(known and known.public)}
                | {"readers": readers, "subscribed": subscribed}
                for name, known, readers, subscribed in found
            ]
        )
        return
    if not found:
        output.say("There are no lists. Describe one in bulletin.toml under [[lists]]; see: bulletin help settings")
        return
    rows = (
        (name, known.title if known else "(not in bulletin.toml)", f"{readers:,}", f"{subscribed:,}", _offered(known))
        for name, known, readers, subscribed in found
    )
    output.table(rows, ("List", "Title", "Readers", "Subscribed", "On the sign-up page"))


def _offered(known: ListSetting | None) -> str:
    return "yes" if known and known.public else "no"


@subscribers.command("add-to-list")
@click.argument("list_name", metavar="LIST")
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
def add_to_list(list_name: str, addresses: tuple[str, ...]) -> None:
    """Put readers on a list.

    All of them, or none. To put many on it, import a file with --list.
    """
    from bulletin import flow

    number = flow.put_on_list(output.publication(), list_name, addresses)
    output.done(f"{plural(number, 'reader', 'readers')} put on the list {list_name}{_already(addresses, number)}.")


@subscribers.command("remove-from-list")
@click.argument("list_name", metavar="LIST")
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
def remove_from_list(list_name: str, addresses: tuple[str, ...]) -> None:
    """Take readers off one list. They still get what everyone gets; to end that, use unsubscribe."""
    from bulletin import flow

    number = flow.take_off_list(output.publication(), list_name, addresses)
    output.done(f"{plural(number, 'reader', 'readers')} taken off the list {list_name}{_already(addresses, number)}.")


def _already(addresses: Sequence[str], number: int) -> str:
    rest = len(set(addresses)) - number
    return f"; nothing to change for {rest}" if rest else ""


@subscribers.command()
@click.argument("address")
def unsubscribe(address: str) -> None:
    """Take ADDRESS off the list, at once. Only its owner can bring it back."""
    from bulletin import flow

    if flow.unsubscribe(output.publication(), address):
        output.done("Unsubscribed. No further mail will be sent there.")
    else:
        output.say("That address had left already.")


@subscribers.command()
@click.option("--json", "as_json", is_flag=True, help="Print the list for a machine.")
def suspended(as_json: bool) -> None:
    """List readers whose address bounced, and why.

    They get no mail.
    """
    from bulletin import flow

    found = flow.suspended(output.publication())
    if as_json:
        output.show_json(
            [{"id": person.id, "email": person.email, "since": at, "why": how} for person, at, how in found]
        )
        return
    output.table(((person.email, f"{at:%Y-%m-%d}", how) for person, at, how in found), ("Address", "Since", "Why"))
    output.say(plural(len(found), "reader", "readers"))
    if found:
        output.say("If an address is right after all: bulletin subscribers reinstate ADDRESS --why REASON")


@subscribers.command()
@click.argument("address", default="")
@click.option("--domain", default="", help="Everybody at this mail domain instead, whose server made a mistake.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="With --domain: suspended on this day or later.")
@click.option("--why", required=True, help="Why the address is right after all; kept in the consent history.")
@click.option("--by", "who", help="Who decided. Without it, your user name.")
def reinstate(address: str, domain: str, since: dt.datetime | None, why: str, who: str | None) -> None:
    """Undo the suspension of a reader whose address bounced, named by ADDRESS or id.

    Only for readers who had agreed to get the bulletin. Who left or complained cannot be brought back by you.
    """
    from bulletin import flow

    if bool(address) == bool(domain) or bool(domain) != (since is not None):
        raise click.UsageError("Name one reader; or a whole mail server's: --domain example.org --since 2024-05-30")
    home, who = output.publication(), who or output.user_name()
    if since is not None:
        number = flow.reinstate_all(home, domain, since=since.date(), who=who, why=why)
        output.done(f"{plural(number, 'reader', 'readers')} reinstated.")
        return
    flow.reinstate(home, address, who=who, why=why)
    output.done("Reinstated. The next issue goes there again.")


@subscribers.command()
@click.argument("address")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write two files into this folder.")
@click.pass_context
def show(ctx: click.Context, address: str, out: Path | None) -> None:
    """Show everything held about ADDRESS.

    Its consent history is part of it. With --out as two files, one to read and one for machines, to answer somebody
    who asks for their data.
    """
    from bulletin import flow

    text, paths = flow.show_subscriber(output.publication(), address, out)
    if not text:
        output.say("Nothing is held about that address.")
        ctx.exit(1)
    if out is None:
        output.show(text.rstrip())
    for path in paths:
        output.done(f"{path}")


@subscribers.command()
@click.argument("address")
@click.option("--reason", default="asked by the person", show_default=True, help="Why; kept on the receipt.")
@click.option("--yes", is_flag=True, help="Do not ask for the address again.")
def erase(address: str, reason: str, yes: bool) -> None:
    """Delete everything held about ADDRESS, for good.

    A receipt is written. Only a keyed hash stays, so that no import adds the address again. Its owner can still
    sign up.
    """
    from bulletin import flow

    home = output.publication()
    if not yes:
        again = click.prompt("This cannot be undone. Type the address again", err=True)
        if flow.normal_address(again) != flow.normal_address(address):
            raise BulletinError("the two addresses differ; nothing was deleted.", hint="Run it again.")
    path, text, left = flow.erase_subscriber(home, address, reason=reason)
    output.show(text.rstrip())
    output.done(f"Receipt: {home.shown(path)}")
    for file in left:
        output.warn(
            f"This file still holds the address. Look at it, and delete it if it may go:\n    {home.shown(file)}"
        )


@subscribers.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
def purge(dry_run: bool) -> None:
    """Delete what was kept long enough.

    How long that is stands under [retention] in the settings.
    """
    from bulletin import flow

    purged = flow.purge(output.publication(), dry_run=dry_run)
    for what, number in purged.items():
        output.say(f"  {number:>8,} {what}")
    output.done("Nothing was deleted: this was a rehearsal." if dry_run else "Done.")
