"""An approval holds for what was seen, and says what is no longer so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulletin.delivery.approval import changes, refuse_own, same_person
from bulletin.errors import BulletinError

SEEN = {
    "edition everyone.en-GB": "aa",
    "edition forces.en-GB": "bb",
    "sender": "Bulletin <news@example.org>",
    "provider": "smtp",
    "time of sending": "at once",
}


def test_nothing_is_named_where_all_is_as_it_was_seen() -> None:
    assert changes(SEEN, dict(reversed(SEEN.items()))) == ()


def test_each_change_is_named_in_words_and_the_mails_come_first() -> None:
    now = SEEN | {"edition everyone.en-GB": "cc", "edition everyone.cy": "dd", "provider": "mailgun"}
    del now["edition forces.en-GB"]
    assert changes(SEEN, now) == (
        "the edition everyone.cy is new",
        "the edition everyone.en-GB was changed",
        "the edition forces.en-GB is gone",
        "the provider was smtp and is mailgun",
    )


@given(st.dictionaries(st.sampled_from(sorted(SEEN)), st.text(min_size=1, max_size=3)))
def test_a_change_is_named_exactly_where_there_is_one(now: dict[str, str]) -> None:
    different = [name for name in SEEN if SEEN[name] != now.get(name)]
    assert len(changes(SEEN, now)) == len(different)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Ann Editor <ann@example.org>", "ann editor", True),
        ("Ann Editor <ann@example.org>", "A. Editor <ANN@example.org>", True),
        ("Ann  Editor", "ann editor <other@example.org>", True),
        ("Ann Editor <ann@example.org>", "Ben Reader <ben@example.org>", False),
        ("ann", "", False),
        ("", "", False),
    ],
)
def test_people_are_told_apart_by_name_and_address(one: str, other: str, same: bool) -> None:
    assert same_person(one, other) is same


def test_who_changed_the_issue_last_cannot_approve_it() -> None:
    with pytest.raises(BulletinError, match="somebody else has to approve it"):
        refuse_own("Ann Editor <ann@example.org>", "Ann Editor <ann@work.example.org>")
    refuse_own("Ben Reader", "Ann Editor")
