"""`preview`."""

from __future__ import annotations

import click

from bulletin.cli import output


@click.command()
@click.argument("issue", required=False)
@click.option("--port", type=click.IntRange(0, 65535), default=8025, show_default=True, help="0 takes a free one.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in a browser.")
def preview(issue: str | None, port: int, open_page: bool) -> None:
    """Look at ISSUE in a browser while you edit it: the mail, its text and the findings, fresh at every save."""
    from bulletin.preview import load, make_app, serve, version_of, watched

    home = output.publication()
    name = output.chosen_issue(home, issue)
    if not home.issue_path(name).is_file():
        home.read_issue(name)

    def ready(address: str) -> None:
        output.say(f"Look at {address} and edit {home.shown(home.issue_path(name))}. Stop with Ctrl-C.")
        if open_page:
            click.launch(address)

    app = make_app(lambda: load(home, name), lambda: version_of(watched(home, name)))
    serve(app, port=port, ready=ready)
