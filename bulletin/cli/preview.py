"""`preview`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulletin.cli import output
from bulletin.errors import BulletinError

if TYPE_CHECKING:
    from bulletin.preview import PreviewMail, PreviewState
    from bulletin.publication import Publication


@click.command()
@click.argument("issue", required=False)
@click.option("--port", type=click.IntRange(0, 65535), default=8025, show_default=True, help="0 takes a free one.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in a browser.")
@click.option(
    "--save", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write it into a folder here, and stop."
)
@click.option("--edition", help="With --save: which edition, such as forces.en-GB. Else everyone's.")
@click.option("--json", "as_json", is_flag=True, help="With --save: list the files for a program.")
def preview(
    issue: str | None, port: int, open_page: bool, folder: Path | None, edition: str | None, as_json: bool
) -> None:
    """Look at ISSUE in a browser while you edit it: the mail, its text and the findings, fresh at every save."""
    from bulletin.preview import load, make_app, serve, version_of, watched

    home = output.publication()
    name = output.chosen_issue(home, issue)
    if not home.issue_path(name).is_file():
        home.read_issue(name)
    if folder is not None:
        _save(home, name, folder, edition, as_json=as_json)
        return
    if edition or as_json:
        raise BulletinError("--edition and --json go with --save.", hint="Say where to: --save FOLDER")

    def ready(address: str) -> None:
        output.say(f"Look at {address} and edit {home.shown(home.issue_path(name))}. Stop with Ctrl-C.")
        if open_page:
            click.launch(address)

    app = make_app(lambda: load(home, name), lambda: version_of(watched(home, name)))
    serve(app, port=port, ready=ready)


def _save(home: Publication, issue: str, folder: Path, edition: str | None, *, as_json: bool) -> None:
    from bulletin.preview import load, save

    state = load(home, issue)
    mail = _edition(state, edition)
    saved = save(state, mail, folder, on_view=lambda title: output.say(f"  taking a picture: {title}"))
    if as_json:
        output.show_json([str(path) for path in saved.files])
    if saved.trouble:
        from bulletin.preview.saving import NO_BROWSER

        output.warn(f"The pages are written; {saved.trouble} {NO_BROWSER}")
    start = folder / mail.name / "index.html"
    output.done(f"{start}: {len(saved.files)} files, the edition {mail.name}. Open it in a browser.")
    if mail.restricted:
        output.warn(f"It is for {mail.audience_title} only. Pass it to nobody else.")
    others = [other.name for other in state.mails if other is not mail]
    if others and not edition:
        output.say(f"  Not in it: {', '.join(others)}. Save it apart, with --edition.")


def _edition(state: PreviewState, name: str | None) -> PreviewMail:
    if name is None:
        return state.mails[-1]
    for mail in reversed(state.mails):  # an audience alone means its edition in the publication's own language
        if name in {mail.name, mail.name.partition(".")[0]}:
            return mail
    known = ", ".join(mail.name for mail in state.mails)
    raise BulletinError(f'there is no edition "{name}" in this issue.', hint=f"There is: {known}")
