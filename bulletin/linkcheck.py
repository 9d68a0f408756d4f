"""Asks the pages behind an issue's links whether they are there, all at once, and keeps what they answered.

Sites decide: one whose `robots.txt` refuses programs is not asked for its pages (F-09), and whatever a site does to
programs only, such as a password, a puzzle or "too busy", says nothing of the page. A page counts as dead only where
a reader's browser would meet the same.
"""

from __future__ import annotations

import datetime as dt
import json
import queue
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bulletin.addresses import is_home, secret_in, split, without_tracking
from bulletin.guard import BROKEN_OFF, EXPIRED, NO_HOST, NOT_ACCEPTING, OTHER_NAME
from bulletin.http import Client, FetchError, Limits, Probed, refusal
from bulletin.model import LinkFact, LinkState
from bulletin.publication import write_atomically

LIMITS: Final = Limits(connect=8, total=15, size=1_000_000)
"""What asking for one page may cost; `robots.txt` is the only thing that is read."""

_AT_ONCE: Final = 128
"""Questions under way at a time. Nearly all of that time is waiting."""
_PER_SITE: Final = 6
"""Questions to one host at a time, as many as a browser asks."""
_DEADLINE: Final = 90.0
"""Seconds after which nobody is waited for any more."""
_GOOD_FOR: Final = {LinkState.WORKS: dt.timedelta(hours=24)}
_OTHERS_GOOD_FOR: Final = dt.timedelta(hours=1)

Progress = Callable[[int, int], object]
"""Called in the caller's thread with how many pages have answered, and of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is known of addresses."""

    facts: Mapping[str, LinkFact]
    """By the address as it was given; nothing of those that were not asked."""
    asked: int = 0
    """Pages that were asked just now."""
    kept: int = 0
    """Pages of which an earlier answer still counts."""
    offline: bool = False
    """Whether not one site could be reached: nothing is known then but what was kept."""


def ask(
    urls: Iterable[str],
    client: Client,
    cache: Path,
    now: dt.datetime,
    *,
    online: bool = True,
    on_progress: Progress = lambda done, of: None,
) -> Asked:
    """What is known of these addresses after asking for those that need it; without `online`, what is known already.

    An address with another fragment is the same page and asked once. Answers are kept in the file `cache`: that a
    page works counts for 24 hours, anything else for one, and a dead page is asked again each time. Nothing is raised
    for sites that do not answer, and a file that cannot be read or written is as good as none.
    """
    pages = {url: _page(url) for url in urls if re.match(r"(?i)https?://", url)}
    kept = _read(cache, now)
    again = {page for page, fact in kept.items() if online and fact.state is LinkState.DEAD}
    known = {page: kept[page] for page in pages.values() if page in kept and page not in again}
    todo = list(dict.fromkeys(page for page in pages.values() if page not in known)) if online else []
    answers = _ask_all(todo, client, on_progress)
    reached = {_host(page) for page, answer in answers.items() if _is_from_the_site(page, answer)}
    offline = bool(todo) and not reached
    if not offline:
        # Where most sites are out of reach it is the network here that keeps them away, not they themselves.
        trusted = 2 * len(reached) >= len({_host(page) for page in todo})
        fresh = {page: replace(sort(page, answer, trusted=trusted), when=now) for page, answer in answers.items()}
        if fresh:
            _write(cache, {**kept, **fresh})
        known |= fresh
    return Asked(
        facts=MappingProxyType({url: _as_given(known[page], url) for url, page in pages.items() if page in known}),
        asked=0 if offline else len(todo),
        kept=len(set(known) - set(todo)),
        offline=offline,
    )


def _page(url: str) -> str:
    return url.strip().partition("#")[0]


def _as_given(fact: LinkFact, url: str) -> LinkFact:
    """The fact of a page for an address with its fragment, which goes along to where the page leads."""
    fragment = url.strip().partition("#")[2]
    leads_to = f"{fact.leads_to}#{fragment}" if fact.leads_to and fragment else fact.leads_to
    return replace(fact, url=url, leads_to=leads_to)


# ---------------------------------------------------------------- asking


Answer = Probed | FetchError


@dataclass(frozen=True, slots=True)
class _Site:
    """The pages of one host that wait to be asked for. The first of its threads fetches `robots.txt` for all."""

    waiting: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    robots: threading.Lock = field(default_factory=threading.Lock)


def _ask_all(pages: Collection[str], client: Client, on_progress: Progress) -> dict[str, Answer]:
    """An answer for each page; what is not there in time is a failure that says so."""
    sites: dict[str, _Site] = {}
    for page in pages:
        sites.setdefault(_host(page), _Site()).waiting.put(page)
    slots, over = threading.Semaphore(_AT_ONCE), threading.Event()
    done: queue.SimpleQueue[tuple[str, Answer]] = queue.SimpleQueue()

    def ask_site(site: _Site) -> None:
        with suppress(queue.Empty):
            while not over.is_set():
                page = site.waiting.get_nowait()
                done.put((page, _answer(page, client, site, slots)))

    for site in sites.values():
        # Daemons, so that a person who interrupts does not wait for the slowest server.
        for _ in range(min(_PER_SITE, site.waiting.qsize())):
            threading.Thread(target=ask_site, args=(site,), name="linkcheck", daemon=True).start()
    answers: dict[str, Answer] = {}
    end = time.monotonic() + _DEADLINE
    with suppress(queue.Empty):
        while len(answers) < len(pages):
            page, answer = done.get(timeout=max(0.0, end - time.monotonic()))
            answers[page] = answer
            on_progress(len(answers), len(pages))
    over.set()
    late = {page: FetchError(page, "was too slow, or there were too many links to it") for page in pages}
    return {**late, **answers}


def _answer(page: str, client: Client, site: _Site, slots: threading.Semaphore) -> Answer:
    try:
        with site.robots, slots:
            client.check_robots(page)
        with slots:
            try:
                return client.probe(page)
            except FetchError as error:
                if error.reason != BROKEN_OFF:
                    raise
                return client.probe(page)
    except FetchError as error:
        return error
    except Exception as error:  # a fault of ours must not take the other links with it
        return FetchError(page, f"cannot be asked: {type(error).__name__}: {error}")


def _is_from_the_site(page: str, answer: Answer) -> bool:
    """Whether the site itself said something. A refused or broken connection can be the network's doing."""
    if isinstance(answer, Probed) or answer.status is not None or answer.url != page:
        return True
    return answer.reason.endswith("(robots.txt)") or answer.reason.startswith(("sends us on", "leads from a secure"))


def _host(url: str) -> str:
    return split(url).netloc.lower()


# ---------------------------------------------------------------- sorting


_GONE: Final = (404, 410)
_SAME_FOR_READERS: Final = (NO_HOST, NOT_ACCEPTING, EXPIRED, OTHER_NAME)
_SIGN_IN: Final = re.compile(r"/(?:log-?in|sign-?in|sso|auth|oauth2?|saml2?|adfs)(?:[/._-]|$)", re.I)
_PUZZLES: Final = ("cf-mitigated", "x-amzn-waf-action", "x-datadome")
"""Headers of services that show programs a puzzle instead of the page."""


def sort(page: str, answer: Answer, *, trusted: bool = True) -> LinkFact:
    """What an answer says of a page. Without `trusted` the network here may have kept us from the site."""
    if isinstance(answer, FetchError):
        dead = trusted and answer.reason in _SAME_FOR_READERS
        return LinkFact(url=page, state=LinkState.DEAD if dead else LinkState.UNSURE, reason=answer.reason)
    if answer.status in _GONE:
        return LinkFact(url=page, state=LinkState.DEAD, reason=_reason(answer))
    trouble = _trouble(page, answer)
    if trouble:
        return LinkFact(url=page, state=LinkState.UNSURE, reason=trouble)
    # A session that a site opens with its redirect is ours alone: nothing to keep, and nothing to give to readers.
    leads_to = "" if answer.url == page or secret_in(answer.url) else without_tracking(answer.url)
    found = LinkFact(url=page, state=LinkState.WORKS, leads_to=leads_to, kind=answer.content_type)
    if is_home(leads_to) and not is_home(page):
        return replace(found, state=LinkState.MOVED, reason="leads to the site's home page instead")
    if answer.permanent and leads_to not in {"", page}:
        return replace(found, state=LinkState.MOVED, reason=f"has moved for good to {leads_to}")
    return found


def _trouble(page: str, answer: Probed) -> str:
    """Why an answer tells nothing of the page, if it does not."""
    if any(name in answer.headers for name in _PUZZLES):
        return "wants to see a person first"
    if not 200 <= answer.status < 300:
        return _reason(answer)
    if _SIGN_IN.search(split(answer.url).path) and not _SIGN_IN.search(split(page).path):
        return "asks readers to sign in"
    return ""


def _reason(answer: Probed) -> str:
    return refusal(answer.url, answer.status, answer.headers).reason


# ---------------------------------------------------------------- what was answered last


def _read(cache: Path, now: dt.datetime) -> dict[str, LinkFact]:
    """The answers that still count, by page; none if the file cannot be read."""
    try:
        entries = json.loads(cache.read_bytes())["facts"]
        facts = [_fact(entry) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {fact.url: fact for fact in facts if _still_counts(fact, now)}


def _still_counts(fact: LinkFact, now: dt.datetime) -> bool:
    age = now - fact.when if fact.when else dt.timedelta.max
    return dt.timedelta(0) <= age < _GOOD_FOR.get(fact.state, _OTHERS_GOOD_FOR)


def _fact(entry: Mapping[str, str]) -> LinkFact:
    when = dt.datetime.fromisoformat(entry["when"])
    if when.tzinfo is None:
        raise ValueError("a time without its zone")
    texts = {name: entry[name] for name in ("url", "reason", "leads_to", "kind")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise TypeError("a value that is no text")
    return LinkFact(**texts, state=LinkState(entry["state"]), when=when)


def _write(cache: Path, facts: Mapping[str, LinkFact]) -> None:
    """Keep the answers, readable by their owner only. Where there is no room, they still count this time."""
    entries = [
        {
            "url": fact.url,
            "state": fact.state.value,
            "reason": fact.reason,
            "leads_to": fact.leads_to,
            "kind": fact.kind,
            "when": fact.when.isoformat() if fact.when else "",
        }
        for fact in facts.values()
    ]
    with suppress(OSError):
        write_atomically(cache, json.dumps({"facts": entries}, indent=1).encode(), mode=0o600)
