"""`serve`."""

from __future__ import annotations

from urllib.parse import urlsplit

import click

from bulletin.cli import output


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8026, show_default=True, help="0 takes a free one.")
def serve(port: int) -> None:
    """Serve the unsubscribe and preferences pages on this machine, for a web server in front to pass requests to.

    Requests for any other host than that of service_url are refused.
    """
    from bulletin import flow
    from bulletin.preview import serve as serve_locally
    from bulletin.web.app import make_app

    home = output.publication()
    host = urlsplit(home.config.service_url).hostname
    with flow.subscribers_of(home) as subscribers:
        app = make_app(
            home.config,
            subscribers,
            secret=home.secret(),
            template_dirs=home.template_dirs,
            now=flow.now,
        )
        serve_locally(
            app,
            port=port,
            ready=lambda address: output.say(f"Pages of {host} are served at {address}. Stop with Ctrl-C."),
        )
