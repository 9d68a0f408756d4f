"""`archive`."""

from __future__ import annotations

from pathlib import Path

import click

from bulletin.cli import output
from bulletin.cli.collect import plural


@click.group(invoke_without_command=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the pages. Without it, .bulletin/archive.",
)
@click.option("--anew", is_flag=True, help="Make every page anew, not only what changed since the last time.")
@click.option("--json", "as_json", is_flag=True, help="Say it for a program.")
@click.pass_context
def archive(context: click.Context, out: Path | None, anew: bool, as_json: bool) -> None:
    """Build the public pages of all issues marked "public: true".

    Items for an audience of their own are never in them. Only what changed since the last time is made anew.
    """
    if context.invoked_subcommand:
        return
    from bulletin import flow

    home = output.publication()
    built = flow.build_archive(home, out or home.archive_dir, anew=anew)
    if as_json:
        output.show_json(
            {"folder": str(built.directory), "issues": built.issues, "files": built.files, "made": built.made}
        )
        return
    page = home.shown(built.directory / "index.html")
    what = ", ".join(built.issues) if 0 < len(built.issues) <= 6 else ""
    if not built.issues:
        what = "none is marked public"
    output.done(
        f"{plural(len(built.issues), 'issue', 'issues')} in {home.shown(built.directory)}"
        + (f": {what}" if what else "")
    )
    output.say(f"{plural(built.files, 'file', 'files')}, {built.made} of them new or changed.")
    output.say(f"Open {page}, and copy the folder to where {home.config.archive_url} is served.")
