"""`serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from bulletin.cli import output

if TYPE_CHECKING:
    from bulletin.config import Config

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; 0.0.0.0 for all.")
@click.option("--port", type=click.IntRange(0, 65535), default=8026, show_default=True, help="0 takes a free one.")
def serve(host: str, port: int) -> None:
    """Serve the pages for readers: signing up, unsubscribing, preferences, and what is held about them.

    A web server in front passes requests on to it, and speaks https. Requests for any other host than that of
    service_url are refused. Mails that readers ask for are sent meanwhile, and what mail services report is taken in.
    """
    from bulletin import flow
    from bulletin.web.app import make_app
    from bulletin.web.events import event_routes
    from bulletin.web.serving import serve as serve_pages

    home = output.publication()
    name = urlsplit(home.config.service_url).hostname
    for warning in warnings(home.config, host):
        output.say(warning)
    with flow.reception(home) as reception, flow.receiver_of(home) as receiver:
        unsure = reception.mails.counts()["unknown"]
        if unsure:
            output.say(f"Of mails that readers asked for, {unsure} may or may not have left. They can ask again.")
        app = make_app(
            home.config,
            reception.subscribers,
            reception.desk,
            secret=home.secret(),
            template_dirs=home.template_dirs,
            now=flow.now,
            wake=reception.wake,
            more_routes=event_routes(home.config, lambda provider, call: flow.hear(home, receiver, provider, call)),
        )
        serve_pages(
            app,
            host=host,
            port=port,
            ready=lambda address: output.say(
                f"Pages of {name} are served at {address}. Stop with Ctrl-C.\n"
                f"People sign up at {home.config.service_url}sign-up"
            ),
        )


def warnings(config: Config, host: str) -> list[str]:
    """What is likely to be wrong with how the pages are served."""
    found = []
    if not config.service_url.startswith("https://"):
        found.append(
            "Warning: service_url does not start with https://, so mail programs offer no one-click unsubscribe."
        )
    if host not in LOOPBACK and not config.web.trusted_proxies:
        found.append(
            "Warning: this server speaks plain http. Let only a web server that speaks https reach it, and name that"
            " one's address as trusted_proxies under [web]."
        )
    if host in LOOPBACK and not config.web.trusted_proxies:
        found.append(
            "Note: without trusted_proxies under [web], all requests seem to come from one client, and"
            ' few sign-ups an hour are taken. With a web server on this machine write: trusted_proxies = ["127.0.0.1"]'
        )
    return found
