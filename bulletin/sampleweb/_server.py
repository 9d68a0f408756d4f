"""The web server of the sample sites: finished pages in memory, a content type, an ETag."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from starlette.applications import Starlette

_TYPES: Final = {
    "json": "application/feed+json",
    "html": "text/html; charset=utf-8",
    "xml": "application/rss+xml",
    "rdf": "application/xml",
    "atom": "application/atom+xml; charset=utf-8",
    "png": "image/png",
    "ics": "text/calendar; charset=utf-8",
    "eml": "message/rfc822",
    "txt": "text/plain; charset=utf-8",
}
_MARKUP: Final = ("html", "xml", "rdf", "atom")
_MAIL: Final = "forwarded.eml"
_ROBOTS: Final = "User-agent: *\nDisallow: /private/\n"


@contextmanager
def serving() -> Iterator[str]:
    """See `bulletin.sampleweb.serve`."""
    import uvicorn

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # headers and body of an answer leave at once
        base = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        app = _application(site(base))
        settings = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none")
        settings.timeout_graceful_shutdown = 1
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, args=([listening],), name="sample-web", daemon=True)
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.005)
            yield base
        finally:
            server.should_exit = True
            thread.join(timeout=5)


def site(base: str) -> dict[str, tuple[str, bytes]]:
    """Everything there is at `base`: content type and bytes by path."""
    from jinja2 import DictLoader, Environment, StrictUndefined, select_autoescape

    here = files("bulletin.sampleweb")
    stories: dict[str, Any] = tomllib.loads((here / "stories.toml").read_text("utf-8"))
    sources = {page.name: page.read_text("utf-8") for page in (here / "pages").iterdir() if page.is_file()}
    environment = Environment(
        loader=DictLoader(sources), autoescape=select_autoescape(_MARKUP), undefined=StrictUndefined
    )

    def path(name: str, site: str = "", slug: str = "") -> str:
        return f"/news/{_slug(site or stories[name]['site'])}/{slug or name}"

    def address(name: str) -> str:
        return base.rstrip("/") + path(name)

    tools: Mapping[str, Any] = {
        "base": base,
        "path": path,
        "address": address,
        "picture": lambda name: f"{base}pictures/{stories[name]['picture']}",
        "story": lambda name: stories[name],
    }
    found = {"/robots.txt": (_TYPES["txt"], _ROBOTS.encode())}
    for name in sorted(sources):
        if name not in ("story.html", _MAIL):
            text = environment.get_template(name).render(tools)
            encoding = "iso-8859-1" if 'encoding="iso-8859-1"' in text else "utf-8"
            found[f"/{name}"] = (_TYPES[name.rpartition(".")[2]], text.encode(encoding))
    article = environment.get_template("story.html")
    for name, it in stories.items():
        text = article.render(tools, url=address(name), it={"published": None, "picture": None, "event": None, **it})
        found[path(name)] = (_TYPES["html"], text.encode())
        if it["site"] == "Sample Home Department":
            days = {"first_published_at": f"{it['published']}T09:00:00+01:00", "title": it["title"]}
            found["/api/content" + path(name)] = ("application/json", json.dumps(days).encode())
    found[f"/{_MAIL}"] = (_TYPES["eml"], environment.get_template(_MAIL).render(tools).encode())
    again = path("online-safety-week", "Sample Police Chiefs", "online-safety-week-in-400-schools/")
    found[again.rstrip("/")] = found[path("online-safety-week")]
    for picture in (here / "pictures").iterdir():
        found[f"/pictures/{picture.name}"] = (_TYPES["png"], picture.read_bytes())
    return found


def saved(base: str) -> dict[str, bytes]:
    """See `bulletin.sampleweb.saved_files`."""
    pages = site(base)
    where = "/news/sample-inspectorate/custody-inspection"
    mark = f"<!-- saved from url=(0000){base.rstrip('/')}{where} -->\n"
    return {"custody.html": mark.encode() + pages[where][1], "board.eml": pages[f"/{_MAIL}"][1]}


def _application(pages: Mapping[str, tuple[str, bytes]]) -> Starlette:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    async def answer(request: Request) -> Response:
        found = pages.get(request.url.path) or pages.get(request.url.path.rstrip("/"))
        if found is None:
            return PlainTextResponse("There is no such page.", status_code=404)
        kind, body = found
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(body, headers={**headers, "Content-Type": kind})

    return Starlette(routes=[Route("/{path:path}", answer)])


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("'", "")).strip("-")
