"""Slips of typing and pasting: spaces too many, invisible signs, two kinds of quotation marks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bulletin.checks._reading import Passage, passages
from bulletin.checks._rule import Found, Material, check
from bulletin.model import Mend, Severity

_INVISIBLE = "\u200b\u2060\ufeff\u00ad"
"""Zero-width space, word joiner, byte order mark and soft hyphen. Joiners and marks of direction have their uses."""
_TURNING = "\u202d\u202e"
"""Overrides of direction: letters then show in another order than they stand in, which no language needs."""
_HARD_SPACES = "\u00a0\u202f\u2007"
_SLIPS = {
    rf"[{_INVISIBLE}]+": ("an invisible sign", ""),
    rf"[{_TURNING}]+([^\s\u202a-\u202e]*)\u202c?": ("a sign that turns the words round", r"\1"),
    # After a figure such a space is meant: it keeps the unit on the line.
    rf"(?<![\d{_HARD_SPACES} ])[{_HARD_SPACES}](?![{_HARD_SPACES} ])": ("a space that does not break lines", " "),
    rf"(?<=[^\s{_HARD_SPACES}])[ {_HARD_SPACES}]{{2,}}(?=[^\s{_HARD_SPACES}])": ("two spaces in a row", " "),
}
_TRAILING = re.compile(r"[ \t]+\n")
_LIST_MARK = re.compile(r"\s*(?:[-*+>]|\d+[.)]|#+)?")


@check("TYP01", Severity.LOOK)
def spaces(material: Material) -> Iterator[Found]:
    """A text holds two spaces in a row, a space that does not break lines, or an invisible sign.

    *Why*: they come along when text is pasted. They show as holes, keep words from being found, and break lines oddly.

    *Instead of*: two spaces after a full stop.

    *Write*: one space. `bulletin check --fix` does it for you.
    """
    for passage in passages(material):
        if "```" in passage.typed:
            continue  # spaces count in code
        mends, kinds = [], []
        for old, new, kind in _slips(passage):
            mends.append(Mend(loc=passage.loc, old=old, new=new))
            kinds.append(kind)
        if mends:
            what = " and ".join(dict.fromkeys(kinds))
            near = f', at "{" ".join(mends[0].new.split())}"' if mends[0].new.strip() else ""
            yield Found(
                passage.loc,
                f"{passage.name} holds {what}{near}.",
                "Write one plain space, or nothing; bulletin check --fix does it.",
                tuple(dict.fromkeys(mends)),
            )


def _slips(passage: Passage) -> Iterator[tuple[str, str, str]]:
    """What to replace, with what, and what it is; each with the words around it, so that it is found again.

    Words are looked at from their beginning only: from each of their letters, a picture pasted as text takes a minute.
    """
    for line in passage.typed.split("\n"):
        begin = _LIST_MARK.match(line)
        start = begin.end() if begin and passage.markdown else 0
        words = line[start:].strip(" ")
        for piece in re.finditer(rf"(?<!\S)\S*(?:[^\S\n]{{2,}}\S+|[{_HARD_SPACES}{_INVISIBLE}{_TURNING}]\S*)+", words):
            old = new = piece[0].strip(" ")
            kinds = []
            for pattern, (kind, instead) in _SLIPS.items():
                mended = re.sub(pattern, instead, new)
                kinds += [kind] if mended != new else []
                new = mended
            if old and old != new:
                yield old, new, " and ".join(kinds)
    for piece in re.finditer(r"(?<!\S)\S+([ \t]+)\n(?=(.?))", passage.typed):
        # Two spaces at the end of a line, with text below, are Markdown for a new line.
        if not (passage.markdown and len(piece[1]) >= 2 and piece[2].strip()):
            yield piece[0], _TRAILING.sub("\n", piece[0]), "spaces at the end of a line"


_STRAIGHT = {"‘": "'", "’": "'", "“": '"', "”": '"'}


@check("TYP02", Severity.LOOK)
def mixed_quotes(material: Material) -> Iterator[Found]:
    """The texts hold both curly and straight quotation marks.

    *Why*: side by side they look like a mistake. Straight ones survive every mail program and every copy.

    *Instead of*: one text with “these” and another with "those".

    *Write*: straight ones throughout. `bulletin check --fix` does it for you.
    """
    texts = list(passages(material))
    for curly, straight in (("‘’", "'"), ("“”", '"')):
        bent = [passage for passage in texts if any(sign in passage.typed for sign in curly)]
        if not bent or not any(straight in passage.words for passage in texts):
            continue
        mends = [
            Mend(loc=passage.loc, old=word, new=word.translate(str.maketrans(_STRAIGHT)))
            for passage in bent
            for word in re.findall(rf"(?<!\S)\S*[{curly}]\S*", passage.typed)
        ]
        yield Found(
            bent[0].loc,
            f"the texts hold curly marks, as in {mends[0].old}, and straight ones ({straight}).",
            "Use straight ones throughout; bulletin check --fix does it.",
            tuple(dict.fromkeys(mends)),
        )
