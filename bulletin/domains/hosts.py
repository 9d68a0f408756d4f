"""The hosts of a domain: where its mail arrives, how that way is protected, and what the sending host is called."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from bulletin.domains._line import Line, Look, NotAskedError, State, shown, tags, within

Fetch = Callable[[str], str]
"""The text at a web address, with no redirect followed. Raises `NotAskedError` with what went wrong."""

_MOST_HOSTS: Final = 5
_LONGEST_AGE: Final = 31_557_600
"""Seconds in a year: the longest that a policy may be kept (RFC 8461 3.2)."""
_LEAST_AGE: Final = 86_400
"""A day: a shorter policy protects against next to nothing."""


def mail_hosts(domain: str, look: Look) -> tuple[str, ...]:
    """The hosts that take mail for a domain, the first choice first; `("",)` if it takes none (RFC 7505)."""
    found = []
    for record in look(domain, "MX").records:
        preference, _, host = record.partition(" ")
        found.append((int(preference) if preference.isdecimal() and len(preference) < 9 else 0, host.rstrip(".")))
    return tuple(host for _, host in sorted(found))


def addresses(host: str, look: Look) -> tuple[str, ...]:
    """The IP addresses of a host, of both kinds."""
    return (*look(host, "A").records, *look(host, "AAAA").records)


def arrival(name: str, domain: str, look: Look, *, answers: bool) -> Line:
    """Whether mail to a domain arrives. `answers` says whether readers' answers go there, else only bounces do."""
    bad = State.FAIL if answers else State.LOOK
    hosts = mail_hosts(domain, look)
    lost = "readers' answers are lost" if answers else "bounces to it are lost"
    if hosts == ("",):
        hint = "Use an address at a domain that takes mail."
        return Line(bad, f"{name}: {domain} says that it takes no mail (null MX), so {lost}.", hint)
    if "" in hosts:
        hint = "Ask who runs the domain to keep only one of the two."
        return Line(bad, f"{name}: {domain} says both that it takes no mail and where it does.", hint)
    if not hosts:
        if addresses(domain, look):
            hint = "Ask who runs the domain to add one."
            return Line(State.LOOK, f"{name}: {domain} has no MX record; mail goes to its web host.", hint)
        hint = "Ask who runs the domain to add an MX record, or use another address."
        return Line(bad, f"{name}: {domain} has no MX record, so {lost}.", hint)
    if not any(addresses(host, look) for host in hosts[:_MOST_HOSTS]):
        hint = "Ask who runs the domain to correct its MX record."
        return Line(bad, f"{name}: {domain} sends its mail to {shown(hosts[0])}, which does not exist.", hint)
    return Line(State.PASS, f"{name}: mail to {domain} goes to {shown(hosts[0])}.")


# ---------------------------------------------------------------- protection on the way in


def protection(domain: str, look: Look, fetch: Fetch) -> Iterator[Line]:
    """MTA-STS and TLS reporting of a domain that takes mail (K-08, S-40)."""
    hosts = [host for host in mail_hosts(domain, look) if host]
    if not hosts:
        return
    yield _mta_sts(domain, hosts, look, fetch)
    yield _reporting(domain, look)


def _mta_sts(domain: str, hosts: Sequence[str], look: Look, fetch: Fetch) -> Line:
    texts = [text for text in look(f"_mta-sts.{domain}", "TXT").records if re.match(r"v=STSv1\s*(;|\Z)", text)]
    if not texts:
        hint = "Ask who runs the domain's mail to set MTA-STS up: other servers then never send to it in clear text."
        return Line(State.LOOK, f"MTA-STS: {domain} has none.", hint)
    found = tags(texts[0])
    if len(texts) > 1 or found is None or not re.fullmatch(r"[A-Za-z0-9]{1,32}", found.get("id", "")):
        hint = 'It should be one record such as "v=STSv1; id=20260501".'
        return Line(State.LOOK, f"MTA-STS: the record at _mta-sts.{domain} counts for nothing.", hint)
    host = f"mta-sts.{domain}"
    if not addresses(host, look):
        return Line(State.LOOK, f"MTA-STS: {host} does not exist.", f"It has to serve {policy_url(domain)}")
    try:
        text = fetch(policy_url(domain))
    except NotAskedError as error:
        return Line(State.LOOK, f"MTA-STS: {host} {error}.", f"It has to serve {policy_url(domain)}")
    trouble = policy_trouble(text, hosts)
    if trouble:
        return Line(
            State.LOOK, f"MTA-STS: the policy of {domain} {trouble}.", f"Have it corrected: {policy_url(domain)}"
        )
    return Line(State.PASS, f"MTA-STS: {domain} enforces its policy.")


def policy_url(domain: str) -> str:
    """Where the policy of a domain stands (RFC 8461 3.3)."""
    return f"https://mta-sts.{domain}/.well-known/mta-sts.txt"


def policy_trouble(text: str, hosts: Sequence[str]) -> str:
    """What is wrong with a policy for these mail hosts; nothing if all is well. Never raises."""
    values: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, sign, value = line.partition(":")
        if sign:
            values.setdefault(key.strip(), []).append(value.strip())
    if values.get("version", [""])[0] != "STSv1":
        return 'does not say "version: STSv1"'
    age = values.get("max_age", [""])[0]
    if not re.fullmatch(r"[0-9]{1,10}", age) or int(age) > _LONGEST_AGE:
        return f"has no max_age in seconds, at most {_LONGEST_AGE}"
    mode = values.get("mode", [""])[0]
    if mode not in ("enforce", "testing", "none"):
        return "has no mode"
    outside = [host for host in hosts if not any(_matches(host, pattern) for pattern in values.get("mx", []))]
    if mode != "none" and outside:
        return f"leaves out the mail host {shown(outside[0])}"
    if mode != "enforce":
        return f'is not in force yet: "mode: {mode}"'
    return "is kept for less than a day (max_age)" if int(age) < _LEAST_AGE else ""


def _matches(host: str, pattern: str) -> bool:
    """RFC 8461 4.1: a * stands for exactly one label, the first."""
    host, pattern = host.rstrip(".").lower(), pattern.rstrip(".").lower()
    return host == pattern or (pattern.startswith("*.") and host.partition(".")[2] == pattern[2:])


def _reporting(domain: str, look: Look) -> Line:
    texts = [text for text in look(f"_smtp._tls.{domain}", "TXT").records if re.match(r"v=TLSRPTv1\s*(;|\Z)", text)]
    wanted = f'"v=TLSRPTv1; rua=mailto:tls-reports@{domain}" at _smtp._tls.{domain}'
    if not texts:
        return Line(State.LOOK, f"TLS reports: {domain} asks for none.", f"Have the text record {wanted} added.")
    found = tags(texts[0])
    if len(texts) > 1 or found is None or not re.match(r"(mailto:[^@\s]+@\S+|https://\S+)", found.get("rua", "")):
        hint = f"It should be one record such as {wanted}."
        return Line(State.LOOK, f"TLS reports: the record of {domain} names nobody.", hint)
    return Line(State.PASS, f"TLS reports: {domain} asks for them.")


# ---------------------------------------------------------------- the sending host


def reverse_names(host: str, own_domain: str, look: Look) -> Line:
    """Whether each address of the sending host has a name that leads back to it (B-02, PTR).

    A large relay takes mail at one host and hands it on from others: what is missing there is for its owner to know, so
    it fails only for a host at the sender's own domain.
    """
    rule = "B-02 PTR"
    found = (host,) if _ip(host) else addresses(host, look)
    public = [text for text in found if (ip := _ip(text)) and ip.is_global]
    if not found:
        return Line(State.FAIL, f"PTR: {host} does not exist.", "Correct host under [providers.smtp].", rule)
    if not public:
        hint = "Ask who runs it from which address mail leaves, and whether that address has a name of its own."
        return Line(State.LOOK, f"PTR: {host} has no public address, so its name cannot be looked up.", hint, rule)
    nameless = [address for address in public[:_MOST_HOSTS] if not _confirmed(address, look)]
    if not nameless:
        return Line(State.PASS, f"PTR: each address of {host} has a name that leads back to it.", rule=rule)
    ours = within(host, own_domain) or host in public
    hint = (
        "Ask who runs the mail server, or the network it stands in, to name the address and to have the name lead back."
    )
    if not ours:
        hint = "Mail may leave from another machine of theirs. Ask who runs it whether that one has a name."
    state = State.FAIL if ours else State.LOOK
    return Line(state, f"PTR: {nameless[0]}, an address of {host}, has no name that leads back to it.", hint, rule)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An IP address, if it is one. One with a zone (`%eth0`) means something on its own machine only."""
    try:
        return None if "%" in text else ipaddress.ip_address(text)
    except ValueError:
        return None


def _confirmed(address: str, look: Look) -> bool:
    ip = _ip(address)
    names = look(ip.reverse_pointer, "PTR").records[:_MOST_HOSTS] if ip else ()
    return any(ip in [_ip(text) for text in addresses(name.rstrip("."), look)] for name in names)
