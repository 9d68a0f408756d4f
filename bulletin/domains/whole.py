"""The domains of a publication as a whole: what is asked about each, in the order to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from bulletin.domains import dkim, dmarc, hosts, spf
from bulletin.domains._line import Line, Look, NotAskedError, State, within


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The names that a publication's mail goes out under."""

    author: str
    """The domain of the sender's address, which readers see."""
    bounces: str
    """The domain of the envelope, whose SPF counts; nothing if it is the service's own."""
    signing: str
    """The domain whose key signs."""
    selectors: tuple[str, ...] = ()
    reply_to: str = ""
    """The domain that readers' answers go to."""
    list_id: str = ""
    own_names: tuple[str, ...] = field(default=())
    """Hosts of our own pages: names below them are ours too."""
    spf_include: str = ""
    """What the mail service wants included in the SPF record, if known."""
    sending_host: str = ""
    """The mail server that takes our mail; nothing if a service sees to that."""
    service: str = ""
    """The mail service that sends, if it is one."""


def lines(setup: Setup, look: Look, fetch: hosts.Fetch) -> Iterator[Line]:
    """Everything the DNS says about a publication. What no server answered is one line that says so."""
    yield from _told("SPF", "B-02 SPF", lambda: _servers(setup, look))
    yield from _told("DKIM", "B-02 DKIM", lambda: dkim.lines(setup.signing, setup.selectors, look))
    yield from _told("DMARC", "B-02 DMARC", lambda: dmarc.lines(setup.author, dmarc.walk(setup.author, look), look))
    yield from _told("Alignment", "B-02 From alignment", lambda: [_alignment(setup, look)])
    yield from _told("PTR", "B-02 PTR", lambda: [_reverse(setup, look)])
    answers = setup.reply_to or setup.author
    yield from _told("Answers by mail", "", lambda: [hosts.arrival("Answers by mail", answers, look, answers=True)])
    for domain in dict.fromkeys((setup.author, setup.bounces)):
        if domain and domain != answers:
            yield from _told("Bounces", "", partial(_bounces, domain, look))
    for domain in dict.fromkeys((setup.author, answers)):
        yield from _told("MTA-STS", "", partial(hosts.protection, domain, look, fetch))
    if setup.list_id:
        yield from _told("List-Id", "", lambda: [_list_id(setup, look)])


def _told(name: str, rule: str, part: Callable[[], Iterable[Line]]) -> Iterator[Line]:
    """The lines of a part, as far as it gets. The rule has one line, whatever comes after it (B-07)."""
    try:
        for line in part():
            rule = "" if line.rule else rule
            yield line
    except NotAskedError as error:
        hint = "Try again later, or ask another server with --resolver."
        yield Line(State.LOOK, f"{name}: the DNS could not be asked ({error}).", hint, rule)


def _servers(setup: Setup, look: Look) -> Iterable[Line]:
    if setup.bounces:
        return spf.lines(setup.bounces, look, include=setup.spf_include)
    what = f"SPF: {setup.service} sees to it, for bounces go to a domain of its own. Only DKIM vouches for yours."
    return [Line(State.PASS, what, rule="B-02 SPF")]


def _bounces(domain: str, look: Look) -> list[Line]:
    return [hosts.arrival("Bounces", domain, look, answers=False)]


def _alignment(setup: Setup, look: Look) -> Line:
    signs = _passes(dkim.lines(setup.signing, setup.selectors, look))
    allows = bool(setup.bounces) and _passes(spf.lines(setup.bounces, look, include=setup.spf_include))
    return dmarc.alignment(
        dmarc.walk(setup.author, look),
        dmarc.walk(setup.signing, look) if signs else None,
        dmarc.walk(setup.bounces, look) if allows else None,
    )


def _passes(found: Iterable[Line]) -> bool:
    return any(line.rule and line.state is State.PASS for line in found)


def _reverse(setup: Setup, look: Look) -> Line:
    rule = "B-02 PTR"
    if setup.service:
        return Line(State.PASS, f"PTR: {setup.service} sees to it, as its own machines send.", rule=rule)
    if not setup.sending_host:
        hint = 'Name the provider that will send in [sending], "provider".'
        return Line(State.LOOK, "PTR: nothing is sent yet, so there is no mail server to look at.", hint, rule)
    return hosts.reverse_names(setup.sending_host, dmarc.walk(setup.author, look).organisation, look)


def _list_id(setup: Setup, look: Look) -> Line:
    """L-12: the name of the list stands at a domain that is ours."""
    ours = (dmarc.walk(setup.author, look).organisation, setup.author, *setup.own_names)
    if any(within(setup.list_id, domain) for domain in ours):
        return Line(State.PASS, f"List-Id: {setup.list_id} stands at a domain of yours.")
    hint = 'Name one at your own domain in [sender], "list_id", before the first issue goes out, and never change it.'
    return Line(State.LOOK, f"List-Id: {setup.list_id} is at none of the domains in your settings.", hint)
