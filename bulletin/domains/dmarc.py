"""DMARC: what receivers are asked to do with mail that is not ours (RFC 9989, K-04).

The organisation's domain is found by walking up the DNS, not from a list of suffixes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bulletin.domains._line import Line, Look, State, shown, tags, within

POLICIES: Final = ("none", "quarantine", "reject")
"""From the weakest to the strictest."""
GONE: Final = ("pct", "rf", "ri")
"""Tags of the older standard that are ignored now (RFC 9989)."""
_MOST_ASKED: Final = 8
"""Names asked in one walk."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A valid record and where it stands."""

    domain: str
    tags: dict[str, str]

    def asked(self, tag: str) -> str:
        """The policy under `p`, `sp` or `np`, in small letters; nothing if there is none that is known."""
        value = self.tags.get(tag, "").lower()
        return value if value in POLICIES else ""

    @property
    def sound(self) -> bool:
        """Whether each policy in it is one that is known; if not, all of it counts as none (RFC 9989 4.10.1)."""
        return bool(self.asked("p")) and all(self.asked(tag) for tag in ("sp", "np") if tag in self.tags)

    @property
    def testing(self) -> bool:
        """Whether receivers are asked to do one step less than the policy says (t=y)."""
        return self.tags.get("t", "").lower() == "y"

    def strict(self, tag: str) -> bool:
        """Whether `adkim` or `aspf` asks for exactly the same domain."""
        return self.tags.get(tag, "").lower() == "s"

    @property
    def report_to(self) -> tuple[str, ...]:
        """Mail addresses that daily reports go to."""
        uris = (part.strip() for part in self.tags.get("rua", "").split(","))
        found = (re.match(r"mailto:([^!?\s]+@[A-Za-z0-9.-]+)", uri, re.IGNORECASE) for uri in uris)
        return tuple(match[1] for match in found if match)


@dataclass(frozen=True, slots=True)
class Walk:
    """What was found on the way up from a domain, the nearest first, and whose domain it is."""

    start: str
    found: tuple[Policy, ...]
    organisation: str

    @property
    def policy(self) -> Policy | None:
        """The record that holds for the domain: its own, else its organisation's, else that of the suffix above."""
        for domain in (self.start, self.organisation):
            for policy in self.found:
                if policy.domain == domain:
                    return policy
        return self.found[-1] if self.found and self.found[-1].tags.get("psd", "").lower() == "y" else None


def walk(domain: str, look: Look) -> Walk:
    """The walk up from a domain (RFC 9989 4.10): at most eight names, and no further than a record with psd."""
    start = domain.rstrip(".").lower()
    found: list[Policy] = []
    organisation = ""
    for name in _names(start):
        policy = at(name, look)
        if policy is None:
            continue
        found.append(policy)
        psd = policy.tags.get("psd", "").lower()
        if psd == "n":
            organisation = name
        elif psd == "y" and name != start:
            labels = start.split(".")
            organisation = ".".join(labels[-len(name.split(".")) - 1 :])
        if psd in ("y", "n"):
            break
    return Walk(start, tuple(found), organisation or (found[-1].domain if found else start))


def _names(start: str) -> Iterator[str]:
    labels = start.split(".")
    yield start
    rest = labels[1:] if len(labels) < _MOST_ASKED else labels[-(_MOST_ASKED - 1) :]
    for number in range(len(rest)):
        yield ".".join(rest[number:])


def at(domain: str, look: Look) -> Policy | None:
    """The valid record of exactly this domain. Two records, or one that says nothing, count as none."""
    records = [text for text in look(f"_dmarc.{domain}", "TXT").records if is_dmarc(text)]
    if len(records) != 1:
        return None
    found = tags(records[0])
    if found is None:
        return None
    policy = Policy(domain, found)
    return policy if policy.sound or policy.report_to else None


def is_dmarc(record: str) -> bool:
    """Whether a text record is one of DMARC: the version first, its letters exactly so."""
    return bool(re.match(r"\s*[vV]\s*=\s*DMARC1\s*(?:;|\Z)", record))


def asked_for(walked: Walk, *, exists: bool = True) -> str:
    """What receivers are asked to do with mail from the domain that is not genuine, t=y counted in; "" for nothing."""
    policy = walked.policy
    if policy is None:
        return ""
    if not policy.sound:
        return "none"
    wanted = policy.asked("p") or "none"
    if policy.domain != walked.start:
        wanted = (policy.asked("sp") or wanted) if exists else (policy.asked("np") or policy.asked("sp") or wanted)
    return POLICIES[max(0, POLICIES.index(wanted) - 1)] if policy.testing else wanted


def lines(domain: str, walked: Walk, look: Look) -> Iterator[Line]:
    """How the DMARC of the domain readers see stands. The first line answers B-02."""
    rule = "B-02 DMARC"
    policy = walked.policy
    if policy is None:
        yield _absent(domain, look, rule)
        return
    own = policy.domain == domain
    inherited = "" if own else f", which holds for {domain}"
    yield Line(State.PASS, f"DMARC: there is a record at _dmarc.{policy.domain}{inherited}.", rule=rule)
    yield _strictness(domain, walked, policy, exists=own or look(domain, "TXT").exists)
    yield from _weaker(domain, policy)
    yield from _reports(policy, look)
    old = [tag for tag in GONE if tag in policy.tags]
    if old:
        partly = policy.tags.get("pct", "100") != "100"
        hint = 'Take it out. To test a policy write "t=y".' if partly else "Take it out."
        yield Line(
            State.LOOK, f"DMARC tags: {' and '.join(old)} at _dmarc.{policy.domain}: no longer read by receivers.", hint
        )


def _absent(domain: str, look: Look, rule: str) -> Line:
    wanted = f'"v=DMARC1; p=none; rua=mailto:dmarc-reports@{domain}"'
    for name in _names(domain):
        texts = look(f"_dmarc.{name}", "TXT").records
        valid = [text for text in texts if is_dmarc(text)]
        if len(valid) > 1:
            hint = "Make one of them: receivers throw all of them away."
            return Line(State.FAIL, f"DMARC: _dmarc.{name} has {len(valid)} records.", hint, rule)
        if texts:
            said = shown((valid or texts)[0])
            hint = f"Have it corrected. A good start is {wanted}."
            return Line(State.FAIL, f'DMARC: "{said}" at _dmarc.{name} is no record that counts.', hint, rule)
    hint = f"Ask who runs the domain to add the text record {wanted} at _dmarc.{domain}."
    return Line(State.FAIL, f"DMARC: {domain} has none, and no domain above it has.", hint, rule)


def _strictness(domain: str, walked: Walk, policy: Policy, *, exists: bool) -> Line:
    """S-41: the goal is reject, by way of none with reports."""
    wanted = asked_for(walked, exists=exists)
    if not policy.sound:
        hint = f"Each of p, sp and np must be one of {', '.join(POLICIES)}."
        said = (
            f"DMARC policy: _dmarc.{policy.domain} asks for something that receivers do not know, so nothing is done."
        )
        return Line(State.LOOK, said, hint)
    about = f"DMARC policy: mail that only claims to be from {domain}"
    if policy.testing:
        hint = "Take out t=y when the reports show that all your own mail passes."
        return Line(State.LOOK, f"{about} counts as a test (t=y): {_SAID[wanted]}.", hint)
    if wanted == "reject":
        return Line(State.PASS, f"{about} is to be refused (reject).")
    nxt = "quarantine, then reject" if wanted == "none" else "reject"
    hint = f"The goal is reject. Read the reports for some weeks, mend what fails, then ask for {nxt}."
    return Line(State.LOOK, f"{about} {_SAID[wanted]}.", hint)


_SAID: Final = {
    "none": "is let through (none)",
    "quarantine": "goes to the spam folder (quarantine)",
    "reject": "is to be refused (reject)",
}


def _weaker(domain: str, policy: Policy) -> Iterator[Line]:
    """Policies for names below that ask for less than the one for the domain: a door left open."""
    main = POLICIES.index(policy.asked("p") or "none")
    for tag, whose in (("sp", "subdomains"), ("np", "subdomains that do not exist")):
        if policy.domain == domain and policy.asked(tag) and POLICIES.index(policy.asked(tag)) < main:
            what = f"DMARC {tag}: {whose} of {policy.domain} are less protected than the domain itself."
            yield Line(State.LOOK, what, f"Take out {tag}={policy.asked(tag)}, or make it as strict as p.")


def _reports(policy: Policy, look: Look) -> Iterator[Line]:
    """Daily reports, read by somebody (S-40). A receiver in another organisation has to agree (RFC 9990)."""
    where = f"_dmarc.{policy.domain}"
    if not policy.report_to:
        hint = f'Add "rua=mailto:dmarc-reports@{policy.domain}" with a mailbox or service that somebody reads.'
        yield Line(State.LOOK, f"DMARC reports: {where} asks for none.", hint)
        return
    silent = []
    for address in policy.report_to[:4]:
        host = address.rpartition("@")[2].rstrip(".").lower()
        if within(host, policy.domain) or within(policy.domain, host) or walk(host, look).organisation == policy.domain:
            continue
        agreed = look(f"{policy.domain}._report._dmarc.{host}", "TXT").records
        if not any(is_dmarc(text) for text in agreed):
            silent.append(host)
    if silent:
        hint = "Ask them to agree, or name another address: until then no reports go there."
        yield Line(State.LOOK, f"DMARC reports: {silent[0]} has not agreed to get those of {policy.domain}.", hint)
    else:
        yield Line(State.PASS, f"DMARC reports: they go to {shown(', '.join(policy.report_to), 100)}.")


def aligned(author: Walk, other: Walk, *, strict: bool) -> bool:
    """Whether a domain that passed counts for the author's domain (RFC 9989 4.4, K-05)."""
    return author.start == other.start or (not strict and author.organisation == other.organisation)


def alignment(author: Walk, signing: Walk | None, bouncing: Walk | None) -> Line:
    """Whether what passes DKIM or SPF counts for the sender's domain (K-05). None stands for one that does not pass."""
    policy = author.policy
    by_key = signing is not None and aligned(author, signing, strict=bool(policy and policy.strict("adkim")))
    by_server = bouncing is not None and aligned(author, bouncing, strict=bool(policy and policy.strict("aspf")))
    rule = "B-02 From alignment"
    ways = [name for name, good in (("DKIM", by_key), ("SPF", by_server)) if good]
    if ways:
        return Line(
            State.PASS,
            f"Alignment: the sender's domain {author.start} is vouched for by {' and '.join(ways)}.",
            rule=rule,
        )
    others = sorted({walked.start for walked in (signing, bouncing) if walked})
    if not others:
        hint = "Mend SPF or DKIM first: until one of them passes, nothing can count for the sender."
        return Line(State.FAIL, f"Alignment: neither SPF nor DKIM passes for {author.start}.", hint, rule)
    hint = f"Have the mail signed with a key of {author.organisation}, or send from an address at {others[0]}."
    what = f"Alignment: nothing vouches for {author.start}, only for {' and '.join(others)}."
    return Line(State.FAIL, what, hint, rule)
