"""Delivers the mails that answer readers' wishes, one at a time, each claimed on the disk before it is offered."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from bulletin.errors import BulletinError
from bulletin.model import Letter, OutcomeKind
from bulletin.providers._provider import Provider, ProviderError, Surroundings
from bulletin.render.message import ServiceMessage, make_message_id
from bulletin.subscribers.mails import Kind, ServiceMail, ServiceMails

if TYPE_CHECKING:
    from bulletin.providers._provider import Session

MAILING = "service"
"""Where the outbox keeps these mails."""

_TO_OTHER_ADDRESSES = frozenset({Kind.ADDRESS, Kind.CHANGED})


def deliver_due(
    mails: ServiceMails,
    provider: Provider,
    surroundings: Surroundings,
    compose: Callable[[ServiceMail], ServiceMessage],
) -> int:
    """Deliver every mail that is due; how many were offered. Ends early when the provider takes none for now.

    One that cannot be composed counts as refused. Nothing is said of whom it was for (Z-20).
    """
    now = surroundings.now
    mails.settle(now(), same_key=provider.CAPABILITIES.key_window is not None)
    first = mails.claim(now())
    if first is None:
        return 0
    offered, mail = 0, first
    try:
        with provider.open(surroundings) as session:
            while True:
                if not _deliver(mail, mails, session, compose, surroundings):
                    return offered
                offered += 1
                following = mails.claim(now())
                if following is None:
                    return offered
                mail = following
    except BulletinError as error:  # the provider cannot be opened: its settings, or its network
        mails.record(mail.id, OutcomeKind.RETRY, now())
        _log(error, mail)
        return offered


def _deliver(
    mail: ServiceMail,
    mails: ServiceMails,
    session: Session,
    compose: Callable[[ServiceMail], ServiceMessage],
    surroundings: Surroundings,
) -> bool:
    """Offer one mail and write down the answer; whether the provider takes more."""
    now = surroundings.now
    sender = surroundings.config.sender.address
    # What comes back from an address that is not (or no more) the reader's must not count against their own one.
    whose = mail.id if mail.kind in _TO_OTHER_ADDRESSES else mail.subscriber
    key = f"{MAILING}-{mail.id}:{whose}"
    letter = Letter(
        key=key,
        number=int(mail.id, 16),
        address=mail.address,
        personal={"unsubscribe_url": "", "preferences_url": "", "address": mail.address},
        message_id=make_message_id(key, sender),
    )
    try:
        message = compose(mail)
    except BulletinError as error:
        mails.record(mail.id, OutcomeKind.REFUSED, now())
        _log(error, mail)
        return True
    try:
        outcome = session.deliver(MAILING, [letter], message)[0]
    except ProviderError as error:
        known = error.outcomes[0].kind if error.outcomes else OutcomeKind.RETRY
        mails.record(mail.id, known, now())
        _log(error, mail)
        return False
    mails.record(mail.id, outcome.kind, now())
    return True


def _log(error: BulletinError, mail: ServiceMail) -> None:
    said = re.sub(r"[^\s<]+@[^\s>]+", "the reader's address", error.message)
    logging.getLogger(__name__).warning("mail %s to a reader was not delivered: %s %s", mail.id, said, error.hint)
