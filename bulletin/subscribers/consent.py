"""Who may move from which state to which, and what each move causes. One table, and the only one. Pure.

An address that nobody knows has no state (None). Somebody who left, complained or was erased comes back by a consent of
their own and by nothing else: a confirmed sign-up, or the button on their own page for who merely left.

Whose address bounced withdrew nothing: that is a fact about a mailbox, and mail servers err about it. So a person may
undo it, one reader at a time, and what comes back into force is the consent that was there before (V-10). It is the one
way back that is not the reader's own. To keep it honest, a wish outranks a bounce: who leaves or complains while
suspended is gone like anybody else, and a bounce of somebody who had left changes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from bulletin.model import SubscriberState

PENDING, SUBSCRIBED = SubscriberState.PENDING, SubscriberState.SUBSCRIBED
LEFT, BOUNCED = SubscriberState.UNSUBSCRIBED, SubscriberState.BOUNCED
COMPLAINED, ERASED = SubscriberState.COMPLAINED, SubscriberState.ERASED


class Cause(Enum):
    """What happened."""

    SIGN_UP = "sign-up"
    """Somebody typed the address into the form; it may have been anybody."""
    CONFIRM = "confirm"
    """The link mailed to the address was used: their own fresh consent."""
    IMPORT = "import"
    UNSUBSCRIBE = "unsubscribe"
    REJOIN = "rejoin"
    """The button on their own preferences page."""
    BOUNCE = "bounce"
    """The address does not exist, or could not be reached time after time."""
    REINSTATE = "reinstate"
    """A person undid a bounce: the address is right after all (V-10)."""
    COMPLAINT = "complaint"
    ERASE = "erase"
    EXPIRE = "expire"
    """Nobody confirmed the sign-up in time (P-12)."""


class Suppression(Enum):
    """What becomes of the address's entry in the suppression list."""

    STAYS = "stays"
    WRITTEN = "written"
    LIFTED = "lifted"


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the table. `after` is None when nothing is kept of the sign-up."""

    after: SubscriberState | None
    record: str
    """Kind of consent record it adds; empty for none."""
    suppression: Suppression = Suppression.STAYS
    asks: bool = False
    """Whether a confirmation has to be mailed to the address before anything comes of it."""


_STAYS, _WRITTEN, _LIFTED = Suppression
State = SubscriberState | None

SIGNED_UP = "signed up"

MOVES: Final[Mapping[tuple[Cause, State], Move]] = {
    # A sign-up proves nothing yet. Whoever left keeps their state, so that a sign-up that expires loses nothing.
    (Cause.SIGN_UP, None): Move(PENDING, SIGNED_UP, asks=True),
    (Cause.SIGN_UP, PENDING): Move(PENDING, SIGNED_UP, asks=True),
    (Cause.SIGN_UP, LEFT): Move(LEFT, SIGNED_UP, asks=True),
    (Cause.SIGN_UP, BOUNCED): Move(BOUNCED, SIGNED_UP, asks=True),
    (Cause.SIGN_UP, COMPLAINED): Move(COMPLAINED, SIGNED_UP, asks=True),
    # Nothing is left of an erased reader but the hash, and that stays until they confirm (P-23).
    (Cause.SIGN_UP, ERASED): Move(PENDING, SIGNED_UP, asks=True),
    (Cause.CONFIRM, PENDING): Move(SUBSCRIBED, "confirmed", _LIFTED),
    (Cause.CONFIRM, LEFT): Move(SUBSCRIBED, "confirmed", _LIFTED),
    (Cause.CONFIRM, BOUNCED): Move(SUBSCRIBED, "confirmed", _LIFTED),
    (Cause.CONFIRM, COMPLAINED): Move(SUBSCRIBED, "confirmed", _LIFTED),
    (Cause.IMPORT, None): Move(SUBSCRIBED, "subscribed"),
    (Cause.UNSUBSCRIBE, None): Move(LEFT, "unsubscribed", _WRITTEN),
    (Cause.UNSUBSCRIBE, PENDING): Move(LEFT, "unsubscribed", _WRITTEN),
    (Cause.UNSUBSCRIBE, SUBSCRIBED): Move(LEFT, "unsubscribed", _WRITTEN),
    (Cause.UNSUBSCRIBE, BOUNCED): Move(LEFT, "unsubscribed", _WRITTEN),
    (Cause.REJOIN, LEFT): Move(SUBSCRIBED, "subscribed", _LIFTED),
    (Cause.BOUNCE, None): Move(BOUNCED, "bounced", _WRITTEN),
    (Cause.BOUNCE, PENDING): Move(BOUNCED, "bounced", _WRITTEN),
    (Cause.BOUNCE, SUBSCRIBED): Move(BOUNCED, "bounced", _WRITTEN),
    (Cause.REINSTATE, BOUNCED): Move(SUBSCRIBED, "reinstated", _LIFTED),
    (Cause.COMPLAINT, None): Move(COMPLAINED, "complained", _WRITTEN),
    (Cause.COMPLAINT, PENDING): Move(COMPLAINED, "complained", _WRITTEN),
    (Cause.COMPLAINT, SUBSCRIBED): Move(COMPLAINED, "complained", _WRITTEN),
    (Cause.COMPLAINT, LEFT): Move(COMPLAINED, "complained", _WRITTEN),
    (Cause.COMPLAINT, BOUNCED): Move(COMPLAINED, "complained", _WRITTEN),
    # Erasing takes the consent history along, so it adds nothing to it. It is also for who was never known (P-22).
    **{(Cause.ERASE, state): Move(ERASED, "", _WRITTEN) for state in (None, *SubscriberState)},
    (Cause.EXPIRE, PENDING): Move(None, ""),
}
"""What is not in the table changes nothing: an import of somebody known, a bounce of somebody erased."""

COMES_BACK_BY_OWN_CONSENT: Final = frozenset({LEFT, BOUNCED, COMPLAINED, ERASED})
"""States that no file and no program ends; nor any person, but for a bounce that was a mistake."""

AGREES: Final = frozenset(change.record for change in MOVES.values() if change.after is SUBSCRIBED)
"""Kinds of consent record after which somebody gets mail."""

TAKES_BACK: Final = frozenset({Cause.UNSUBSCRIBE, Cause.COMPLAINT, Cause.ERASE})
"""Causes after which a confirmation that is still on its way counts no more, whatever the state."""


def move(cause: Cause, before: SubscriberState | None) -> Move | None:
    """What a cause does to somebody in a state; None if it changes nothing."""
    return MOVES.get((cause, before))


def why_no_mail(state: SubscriberState, paused_until: dt.datetime | None, now: dt.datetime | None) -> str:
    """Why somebody gets no mail, in one word; empty if they get it. Without `now` a pause counts as running."""
    if state is not SUBSCRIBED:
        return state.value
    return "paused" if paused_until and (now is None or now < paused_until) else ""
