"""Edits of an issue's text that leave alone every byte they need not touch.

Each edit finds its place through the YAML nodes' marks, cuts and pastes whole lines, and is then proved: the new text
is read again and must hold exactly the old data with the one change made. An edit that cannot be proved is refused,
and the old text stands. Lines end as the file's own lines do.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from bulletin.errors import BulletinError, FileProblems, Place
from bulletin.issuefile._write import block, mapping_of
from bulletin.issuefile._yaml import LINE_BREAK, Document, parse
from bulletin.model import Candidate, Item, Mend, Skipped

_ONLY_IN_INBOX = ("why", "section", "image", "image_alt", "dated", "seen", "updated", "also", "source_id")


def add_candidates(text: str, path: str, candidates: Sequence[Candidate]) -> str:
    """The text with `candidates` at the top of the inbox, in the order given."""
    entries = [mapping_of(candidate) for candidate in candidates]
    if not entries:
        return text

    def change(data: dict[str, Any]) -> None:
        data["inbox"] = [*map(_as_read, entries), *data.get("inbox", [])]

    page = _Page(text, path)
    page.insert(("inbox",), 0, [line for entry in entries for line in [*block(entry), ""]][:-1])
    return page.proved(change)


def add_item(text: str, path: str, section: str, item: Item) -> str:
    """The text with `item` as the last one of `section`, which is made if the issue lacks it."""
    entry = mapping_of(item)
    page = _Page(text, path)
    at = page.section(section)

    def change(data: dict[str, Any]) -> None:
        sections = data.setdefault("sections", [])
        if at is None:
            sections.append({"id": section, "items": [_as_read(entry)]})
        else:
            sections[at].setdefault("items", []).append(_as_read(entry))

    if at is None:
        page.insert(("sections",), None, [f"- id: {section}", "  items:", *("    " + line for line in block(entry))])
    else:
        page.insert(("sections", at, "items"), None, block(entry))
    return page.proved(change)


def place_candidate(text: str, path: str, url: str, section: str, item: Item) -> str:
    """The text with the inbox entry of this address moved to the end of `section` as `item`.

    What the editor already wrote at the entry, comments included, moves with it word for word; `item` supplies what
    an entry of the inbox does not have, such as its id and its picture.
    """
    page = _Page(text, path)
    number = page.candidate(url)
    kept = {key: value for key, value in page.data["inbox"][number].items() if key not in _ONLY_IN_INBOX}
    added = {key: value for key, value in mapping_of(item).items() if key not in kept and key != "id"}
    lines = page.entry(("inbox", number), drop=_ONLY_IN_INBOX)
    lines = [*block({"id": item.id}), *("  " + line if line else line for line in [*lines, *_keys_of(added)])]
    at = page.section(section)

    def change(data: dict[str, Any]) -> None:
        data["inbox"].pop(number)
        if not data["inbox"]:
            del data["inbox"]
        moved = {"id": item.id, **kept, **_as_read(added)}
        sections = data.setdefault("sections", [])
        if at is None:
            sections.append({"id": section, "items": [moved]})
        else:
            sections[at].setdefault("items", []).append(moved)

    # The lower edit first, so that the line numbers of the upper one still hold.
    cut = page.span(("inbox", number))
    if at is None:
        pasted = [*block({"id": section}), "  items:", *("    " + line if line else line for line in lines)]
        page.move(cut, ("sections",), pasted)
    else:
        page.move(cut, ("sections", at, "items"), lines)
    return page.proved(change)


def skip_candidate(text: str, path: str, url: str, why: str) -> str:
    """The text with the inbox entry of this address moved to `skipped`, with the reason."""
    page = _Page(text, path)
    number = page.candidate(url)
    entry = mapping_of(Skipped(url=url, title=page.data["inbox"][number]["title"], why=why))

    def change(data: dict[str, Any]) -> None:
        data["inbox"].pop(number)
        if not data["inbox"]:
            del data["inbox"]
        data["skipped"] = [*data.get("skipped", []), _as_read(entry)]

    page.move(page.span(("inbox", number)), ("skipped",), block(entry))
    return page.proved(change)


@dataclass(frozen=True, slots=True)
class Mended:
    """A text after mending: what was done, each with its line in the old text, and what has to be done by hand."""

    text: str
    done: tuple[tuple[int, Mend], ...] = ()
    left: tuple[Mend, ...] = ()


def mend(text: str, path: str, mends: Iterable[Mend]) -> Mended:
    """The text with these changes made in the values they name, and every other byte as it was.

    An address is replaced only where it stands whole. A change that the way the value is written does not allow, such
    as one across a folded line, is left out and named. A suggestion becomes a comment above the value's key, once.
    """
    page = _Page(text, path)
    grouped: dict[Path, list[Mend]] = {}
    for wish in dict.fromkeys(mends):
        grouped.setdefault(wish.loc, []).append(wish)
    changes = [page.change(loc, wishes) for loc, wishes in grouped.items()]
    whole = page.with_changes(changes)
    if whole is None:
        # One of them does not survive being read again; the others need not suffer.
        alone = [change if page.with_changes([change]) is not None else change.refused() for change in changes]
        changes, whole = alone, page.with_changes(alone)
    if whole is None:
        return Mended(text, left=tuple(wish for change in changes for wish in change.refused().left))
    done = sorted((made for change in changes for made in change.done), key=lambda made: made[0])
    return Mended(whole, tuple(done), tuple(wish for change in changes for wish in change.left))


def _as_read(value: Any) -> Any:
    """What reading an emitted value gives back: everything is text."""
    if isinstance(value, dict):
        return {key: _as_read(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_as_read(child) for child in value]
    return value if isinstance(value, bool) else str(value)


def _keys_of(entry: dict[str, Any]) -> list[str]:
    return [line[2:] for line in block(entry)] if entry else []


Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class _Span:
    """Whole lines, `first` to before `end`, counted from 0."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class _Change:
    """What becomes of one value: its new data, the source text between two positions, and which mends that does."""

    loc: Path
    value: Any = None
    cuts: tuple[tuple[int, int, str], ...] = ()
    done: tuple[tuple[int, Mend], ...] = ()
    left: tuple[Mend, ...] = ()

    def refused(self) -> _Change:
        """The same value, left as it is."""
        return _Change(self.loc, left=(*(wish for _, wish in self.done), *self.left))


class _Page:
    """The lines of a file and what stands on them."""

    def __init__(self, text: str, path: str) -> None:
        self.path, self._text = path, text
        self._mark = "\ufeff" if text.startswith("\ufeff") else ""
        body = text.removeprefix("\ufeff")
        first_break = LINE_BREAK.search(body)
        self._break = first_break.group() if first_break else "\n"
        # Whatever comes after the last line ends it; a block of text there gains its own line break.
        if body and not LINE_BREAK.search(body[-1]):
            body += self._break
        self._document: Document = parse(body, path, exact=True)
        self.data: dict[str, Any] = self._document.data
        ends = [match.end() for match in LINE_BREAK.finditer(body)]
        self._lines = [body[a:b] for a, b in zip([0, *ends], [*ends, len(body)], strict=True)]
        if self._lines[-1] == "":
            self._lines.pop()

    # ---- finding

    def section(self, name: str) -> int | None:
        return next((n for n, s in enumerate(self.data.get("sections", [])) if s.get("id") == name), None)

    def candidate(self, url: str) -> int:
        for number, entry in enumerate(self.data.get("inbox", [])):
            if entry.get("url") == url:
                return number
        raise BulletinError(
            f"{self.path}: the inbox holds no entry with the address {url}.", hint="See: bulletin pick --list"
        )

    def _node(self, path: Path) -> tuple[Node | None, int]:
        """The node at a path and the line of its key; None if the key is missing or empty."""
        node: Node = self._document.root
        key_line = 0
        for part in path:
            if isinstance(part, int):
                node = node.value[part]
                continue
            pair = next((pair for pair in node.value if pair[0].value == part), None)
            if pair is None:
                return None, -1
            key_line, node = pair[0].start_mark.line, pair[1]
        empty = isinstance(node, ScalarNode) and node.style is None and node.value in {"", "null", "~"}
        return (None if empty else node), key_line

    def _last_line(self, node: Node, key_line: int, key_column: int) -> int:
        """The last line that holds something of the node; comments and blank lines after it are not its own."""
        if isinstance(node, ScalarNode):
            if node.value == "" and node.style is None:
                return key_line
            if node.style not in {"|", ">"}:
                return int(node.end_mark.line)
            last = node.end_mark.line - (1 if node.end_mark.column == 0 else 0)
            last = min(last, len(self._lines) - 1)
            while last > node.start_mark.line and self._is_outside(self._lines[last], key_column):
                last -= 1
            return int(last)
        if not isinstance(node, CollectionNode) or node.flow_style or not node.value:
            return int(node.end_mark.line)
        if isinstance(node, MappingNode):
            key, value = node.value[-1]
            return self._last_line(value, key.start_mark.line, key.start_mark.column)
        return self._last_line(node.value[-1], node.value[-1].start_mark.line, node.start_mark.column)

    @staticmethod
    def _is_outside(line: str, key_column: int) -> bool:
        content = line.lstrip(" ")
        return not content.strip() or (content.startswith("#") and len(line) - len(content) <= key_column)

    def _dash_line(self, sequence: SequenceNode, number: int) -> int:
        line: int = sequence.value[number].start_mark.line
        while not self._lines[line][sequence.start_mark.column :].startswith("-"):
            line -= 1
        return line

    def span(self, path: Path) -> _Span:
        """The lines of an entry of a list, with the comments right above it and the blank lines right below it."""
        sequence, key_line = self._node(path[:-1])
        number = path[-1]
        if not isinstance(sequence, SequenceNode) or not isinstance(number, int) or sequence.flow_style:
            raise self._unfit(path[:-1])
        dash = self._dash_line(sequence, number)
        floor = key_line if number == 0 else self._entry_end(sequence, number - 1)
        first = dash
        # Comments above the first entry are about the list, unless a blank line sets them apart from its key.
        while first - 1 > floor and self._lines[first - 1].lstrip(" ").startswith("#"):
            first -= 1
        if number == 0 and first == floor + 1:
            first = dash
        end = self._entry_end(sequence, number) + 1
        more = number + 1 < len(sequence.value)
        while more and end < len(self._lines) and not self._lines[end].strip():
            end += 1
        return _Span(first, end)

    def _entry_end(self, sequence: SequenceNode, number: int) -> int:
        node = sequence.value[number]
        return self._last_line(node, node.start_mark.line, sequence.start_mark.column)

    def entry(self, path: Path, *, drop: Sequence[str]) -> list[str]:
        """An entry's own lines, moved to the left margin, without the keys in `drop`. Comments stay."""
        node, _ = self._node(path)
        span = self.span(path)
        if not isinstance(node, MappingNode):
            raise self._unfit(path)
        if node.flow_style:
            entries: Any = self.data
            for part in path:
                entries = entries[part]
            return _keys_of({key: value for key, value in entries.items() if key not in drop})
        column = node.start_mark.column
        result = [self._shifted(line, column) for line in self._lines[span.first : self._node_dash(path)]]
        after = self._node_dash(path)
        for key, value in node.value:
            last = self._last_line(value, key.start_mark.line, key.start_mark.column)
            result += [
                self._shifted(line, column) for line in self._lines[after : key.start_mark.line] if line.strip(" -\r\n")
            ]
            if key.value not in drop:
                first = self._lines[key.start_mark.line]
                result.append(self._shifted(" " * column + first[column:], column))
                result += [self._shifted(line, column) for line in self._lines[key.start_mark.line + 1 : last + 1]]
            after = last + 1
        return result

    def _node_dash(self, path: Path) -> int:
        sequence, _ = self._node(path[:-1])
        number = path[-1]
        if not isinstance(sequence, SequenceNode) or not isinstance(number, int):
            raise self._unfit(path[:-1])
        return self._dash_line(sequence, number)

    @staticmethod
    def _shifted(line: str, column: int) -> str:
        bare = LINE_BREAK.sub("", line)
        return bare[column:] if not bare[:column].strip() else bare.lstrip(" ")

    # ---- changing

    def insert(self, path: Path, at: int | None, lines: Sequence[str]) -> None:
        """Put entries into the list at `path`: before entry `at`, or after the last. The list is made if missing."""
        line, new = self._insertion(path, at, lines)
        self._lines[line:line] = new

    def move(self, cut: _Span, path: Path, lines: Sequence[str]) -> None:
        """Take out `cut` and put `lines` at the end of the list at `path`."""
        line, new = self._insertion(path, None, lines)
        if line >= cut.end:
            self._lines[line:line] = new
            del self._lines[cut.first : cut.end]
        else:
            del self._lines[cut.first : cut.end]
            self._lines[line:line] = new

    def change(self, loc: Path, mends: Sequence[Mend]) -> _Change:
        """What these mends make of the value at `loc`."""
        try:
            node, key_line = self._node(loc)
            value: Any = self.data
            for part in loc:
                value = value[part]
        except (KeyError, IndexError, TypeError):
            node, key_line, value = None, 0, None
        wanted = [wish for wish in mends if not wish.suggestion]
        notes = [wish for wish in mends if wish.suggestion and f"# {_comment(wish.new)}" not in self._text]
        cuts = [self._note(loc, wish) for wish in notes]
        done = [(max(key_line, 0) + 1, wish) for wish in notes]
        if not isinstance(node, ScalarNode) or not isinstance(value, str):
            return _Change(loc, cuts=tuple(cuts), done=tuple(done), left=tuple(wanted))
        first, end = self._source(node, key_line)
        body = "".join(self._lines)
        written = body[first:end]
        as_written = _written_as(node.style, self._break)
        new, left = value, []
        for wish in wanted:
            mended, times = _replaced(new, wish.old, wish.new)
            rewritten, times_there = _replaced(written, as_written(wish.old), as_written(wish.new))
            if times and times == times_there:
                at = max(body.find(as_written(wish.old), first, end), first)
                done.append((len(LINE_BREAK.findall(body, 0, at)) + 1, wish))
                new, written = mended, rewritten
            else:
                left.append(wish)
        if written != body[first:end]:
            cuts.append((first, end, written))
        return _Change(loc, None if new == value else new, tuple(cuts), tuple(done), tuple(left))

    def _source(self, node: ScalarNode, key_line: int) -> tuple[int, int]:
        """Where the words of a scalar begin and end in the text; of a block, its lines below the key."""
        starts = [0]
        for line in self._lines:
            starts.append(starts[-1] + len(line))
        if node.style in {"|", ">"}:
            column = len(self._lines[key_line]) - len(self._lines[key_line].lstrip(" -"))
            last = self._last_line(node, key_line, column)
            return starts[min(node.start_mark.line + 1, len(self._lines))], starts[last + 1]
        return (
            starts[node.start_mark.line] + node.start_mark.column,
            starts[node.end_mark.line] + node.end_mark.column,
        )

    def _note(self, loc: Path, wish: Mend) -> tuple[int, int, str]:
        """A comment of its own line above the key of the value, or above what holds it on one line."""
        line = 0
        node: Node = self._document.root
        for part in loc:
            if isinstance(node, MappingNode):
                key, value = next(pair for pair in node.value if pair[0].value == part)
                line = line if node.flow_style else key.start_mark.line
                node = value
            else:
                node = node.value[part]
        indent = len(self._lines[line]) - len(self._lines[line].lstrip(" "))
        at = sum(map(len, self._lines[:line]))
        return at, at, f"{' ' * indent}# {_comment(wish.new)}{self._break}"

    def with_changes(self, changes: Sequence[_Change]) -> str | None:
        """The new text; None if reading it does not give exactly these changes."""
        text = "".join(self._lines)
        for first, end, new in sorted((cut for change in changes for cut in change.cuts), reverse=True):
            text = text[:first] + new + text[end:]
        if text == "".join(self._lines):
            return self._text

        def change_data(data: dict[str, Any]) -> None:
            for change in changes:
                if change.value is not None:
                    holder: Any = data
                    for part in change.loc[:-1]:
                        holder = holder[part]
                    holder[change.loc[-1]] = change.value

        before, self._lines = self._lines, [text]
        try:
            return self.proved(change_data)
        except BulletinError:
            return None
        finally:
            self._lines = before

    def _insertion(self, path: Path, at: int | None, lines: Sequence[str]) -> tuple[int, list[str]]:
        node, key_line = self._node(path)
        if isinstance(node, SequenceNode) and node.value and not node.flow_style:
            indent = node.start_mark.column
            if at is not None and at < len(node.value):
                spaced = self._is_spaced(node)
                return self._dash_line(node, at), self._made([*lines, *([""] if spaced else [])], indent)
            last = len(node.value) - 1
            spaced = self._is_spaced(node)
            end = self._past_comments(self._entry_end(node, last) + 1, indent)
            return end, self._made([*([""] if spaced else []), *lines], indent)
        if node is not None and not (isinstance(node, SequenceNode) and not node.value):
            raise self._unfit(path)
        if key_line >= 0:
            if node is not None:
                self._unbracket(node)
            column = len(self._lines[key_line]) - len(self._lines[key_line].lstrip(" -"))
            return self._past_comments(key_line + 1, column), self._made(lines, column + 2)
        return self._new_key(path, lines)

    def _past_comments(self, line: int, column: int) -> int:
        """The line after the comments that follow and stand further in than `column`.

        They are about what stands before them; behind a block of text they would become part of it.
        """
        for number in range(line, len(self._lines)):
            content = self._lines[number].lstrip(" ")
            if not content.strip():
                continue
            if not content.startswith("#") or len(self._lines[number]) - len(content) <= column:
                break
            line = number + 1
        return line

    def _is_spaced(self, node: SequenceNode) -> bool:
        """Whether this list keeps a blank line between its entries; a list of one is judged by its indent."""
        if len(node.value) == 1:
            return bool(node.start_mark.column > 0)
        return (
            not self._lines[self._dash_line(node, 1) - 1].strip()
            or not self._lines[self._entry_end(node, 0) + 1].strip()
        )

    def _unbracket(self, node: Node) -> None:
        """`inbox: []  # mine` becomes `inbox:  # mine`."""
        line, column = node.start_mark.line, node.start_mark.column
        if node.end_mark.line != line:
            raise BulletinError(
                "this empty list runs over two lines.", hint="Write [] on one line.", place=Place(self.path, line + 1)
            )
        text = self._lines[line]
        rest = text[node.end_mark.column :]
        self._lines[line] = text[:column].rstrip(" ") + (rest if not rest.strip() else " " + rest)

    def _new_key(self, path: Path, lines: Sequence[str]) -> tuple[int, list[str]]:
        parent, _ = self._node(path[:-1])
        if len(path) == 1 or not isinstance(parent, MappingNode):
            return len(self._lines), self._made([f"{path[-1]}:", *("  " + line if line else line for line in lines)], 0)
        key, value = parent.value[-1]
        if parent.flow_style:
            raise self._unfit(path[:-1])
        end = self._last_line(value, key.start_mark.line, key.start_mark.column) + 1
        end = self._past_comments(end, parent.start_mark.column)
        made = [f"{path[-1]}:", *("  " + line if line else line for line in lines)]
        return end, self._made(made, parent.start_mark.column)

    def _made(self, lines: Sequence[str], indent: int) -> list[str]:
        return [(" " * indent + line if line else line) + self._break for line in lines]

    def _unfit(self, path: Path) -> BulletinError:
        return BulletinError(
            f'"{path[-1]}" is written in a form that cannot be changed line by line.',
            hint='Write each entry on its own lines, starting with "- ".',
            place=self._document.place_of(path),
        )

    def proved(self, change: Callable[[dict[str, Any]], None]) -> str:
        """The new text, if reading it gives the old data with exactly this change."""
        text = self._mark + "".join(self._lines)
        expected = copy.deepcopy(self.data)
        change(expected)
        try:
            proven = _without_empty(parse(text, self.path).data) == _without_empty(expected)
        except FileProblems:
            proven = False
        if not proven:
            raise BulletinError(
                f"{self.path} could not be changed without touching what you wrote; it stands as it was.",
                hint="Write its lists with one entry per line, then try again.",
            )
        return text


def _comment(words: str) -> str:
    """Words as they can stand in a comment: one line of printable signs."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in words).split())


def _written_as(style: str | None, line_break: str) -> Callable[[str], str]:
    """How words are typed in a value of this style."""
    escapes: Mapping[str | None, Sequence[tuple[str, str]]] = {
        "'": (("'", "''"),),
        '"': (("\\", "\\\\"), ('"', '\\"')),
    }

    def written(words: str) -> str:
        for plain, escaped in escapes.get(style, ()):
            words = words.replace(plain, escaped)
        return words.replace("\n", line_break)

    return written


def _replaced(text: str, old: str, new: str) -> tuple[str, int]:
    """The text with `old` replaced wherever it stands, and how often; an address only where it stands whole."""
    pattern = re.escape(old)
    if re.match(r"(?i)https?://", old):
        pattern = rf"(?<![\w/=%]){pattern}(?![\w/%&=?#~+@:$*-]|[.,;!]\w)"
    return re.subn(pattern, lambda match: new, text) if old else (text, 0)


def _without_empty(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value != []}
