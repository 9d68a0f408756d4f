"""`archive`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulletin.cli import output
from bulletin.cli.collect import plural
from bulletin.errors import BulletinError

if TYPE_CHECKING:
    from bulletin.publication import Publication


@click.group(invoke_without_command=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the pages. Without it, .bulletin/archive.",
)
@click.option("--anew", is_flag=True, help="Make every page anew, not only what changed since the last time.")
@click.option("--no-search", is_flag=True, help="Leave out the search, whose index takes longest.")
@click.option(
    "--check", "look", is_flag=True, help="Then look whether every link and every address ever published works."
)
@click.option("--json", "as_json", is_flag=True, help="Say it for a program.")
@click.pass_context
def archive(context: click.Context, *, out: Path | None, anew: bool, no_search: bool, look: bool, as_json: bool) -> int:
    """Build the public pages of all issues marked "public: true".

    Items for an audience of their own are never in them. Only what changed since the last time is made anew.
    """
    if context.invoked_subcommand:
        return 0
    from bulletin import flow

    home = output.publication()
    built = flow.build_archive(home, out or home.archive_dir, anew=anew, search=not no_search)
    wrong = flow.check_archive(home, built.directory) if look else ()
    if as_json:
        told = {"folder": str(built.directory), "issues": built.issues, "files": built.files, "made": built.made}
        output.show_json(told | ({"broken": [str(one) for one in wrong]} if look else {}))
        return 1 if wrong else 0
    page = home.shown(built.directory / "index.html")
    what = ", ".join(built.issues) if 0 < len(built.issues) <= 6 else ""
    if not built.issues:
        what = "none is marked public"
    output.done(
        f"{plural(len(built.issues), 'issue', 'issues')} in {home.shown(built.directory)}"
        + (f": {what}" if what else "")
    )
    output.say(f"{plural(built.files, 'file', 'files')}, {built.made} of them new or changed.")
    if not look:
        output.say(f"Look at {page}. Bring it to the web with: bulletin archive publish")
        return 0
    for one in wrong:
        output.show(str(one))
    if wrong:
        output.warn(f"{plural(len(wrong), 'address leads', 'addresses lead')} nowhere.")
        return 1
    output.done("Every link and every address ever published leads somewhere.")
    return 0


@archive.command()
@click.argument("where", required=False)
@click.option("--dry-run", is_flag=True, help="Build and check, and publish nothing.")
@click.option("--anyway", is_flag=True, help="Publish although an address leads nowhere.")
def publish(where: str | None, dry_run: bool, anyway: bool) -> None:
    """Bring the archive to the web, all of it at once.

    WHERE is a folder, host:folder (by ssh and rsync), git:branch, or git:remote/branch; without it, publish_to in
    bulletin.toml. What was there before is kept, to go back to with: bulletin archive rollback
    """
    from bulletin import flow

    home = output.publication()
    published = flow.publish_archive(home, _place(home, where), dry_run=dry_run, anyway=anyway)
    for one in published.broken:
        output.warn(str(one))
    did = "Would be published" if dry_run else "Published"
    output.done(f"{did} to {published.where}: {plural(published.files, 'file', 'files')}, release {published.release}")
    if published.addresses and not dry_run:
        kept = home.shown(home.published_path)
        output.say(f"{plural(published.addresses, 'new address', 'new addresses')} noted in {kept}; keep that file.")
    if not dry_run:
        output.say("To go back to the archive before: bulletin archive rollback")


@archive.command()
@click.argument("where", required=False)
def rollback(where: str | None) -> None:
    """Go back to the archive that was published before this one."""
    from bulletin import flow

    home = output.publication()
    place = _place(home, where)
    output.done(f"{place} shows the archive of {flow.roll_back_archive(home, place)} again")


@archive.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--section", help="Section that the stories come into. Without it, the first one in bulletin.toml.")
@click.option("--title", help="Title, where a single file does not say it well.")
@click.option("--date", type=click.DateTime(["%Y-%m-%d"]), help="Day it was sent, where the file does not say it.")
@click.option("--dry-run", is_flag=True, help="Say what would be made, and make nothing.")
@click.option("--json", "as_json", is_flag=True, help="Say it for a program.")
def import_(
    *,
    paths: tuple[Path, ...],
    section: str | None,
    title: str | None,
    date: dt.datetime | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Take over earlier issues from saved web pages (of Mailchimp, govDelivery or others) and PDFs.

    PATHS are files, or folders of them. Stories become items; a PDF is kept whole and linked. Nothing made here is
    public: read each issue, then write "public: true".
    """
    from bulletin import flow

    if len(paths) > 1 and (title or date):
        raise BulletinError("--title and --date are for one file.", hint="Take the others over without them.")
    home = output.publication()
    day = date.date() if date else None
    done, wrong = flow.import_past(home, paths, section=section, title=title, date=day, dry_run=dry_run)
    if as_json:
        told = [
            {
                "file": str(one.source),
                "issue": one.issue,
                "title": one.title,
                "date": str(one.date),
                "stories": one.stories,
                "new": one.is_new,
            }
            for one in done
        ]
        output.show_json({"issues": told, "failed": [error.message for error in wrong]})
        return 1 if wrong else 0
    for one in done:
        what = plural(one.stories, "story", "stories") if one.stories else "as a document"
        state = "" if one.is_new else " (was there already)"
        output.show(f"{one.issue}  {one.title}, {what}{state}")
    for error in wrong:
        output.warn(f"{error.message} {error.hint}")
    new = sum(one.is_new for one in done)
    did = "would be made" if dry_run else "made"
    output.done(f"{plural(new, 'issue', 'issues')} {did}. None is public yet: read each, then write public: true.")
    return 1 if wrong else 0


def _place(home: Publication, where: str | None) -> str:
    place = where or home.config.archive.publish_to
    if not place:
        raise BulletinError(
            "it is not said where to publish the archive.",
            hint='Name a place, or write under [archive] in bulletin.toml: publish_to = "/srv/www/bulletin"',
        )
    return place
