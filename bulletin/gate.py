"""The leak gate: finished bytes are searched for anything their readers may not see (S-23).

It stands apart from the code that builds editions and pages, and knows nothing of how they came about: it takes the
issue file's restricted items to pieces, each piece a *canary*, and looks for every canary in what is about to leave.

What also stands in something those readers may see is no canary: a source's name, a shared link, a sentence that two
items have in common is not given away by being there, and to stop for it would only teach people to pass the gate by.
"""

from __future__ import annotations

import html
import re
import unicodedata
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import unquote

from bulletin.config import Config
from bulletin.editions import may_read
from bulletin.errors import LeakError
from bulletin.markings import kept_from_everyone, marking_of
from bulletin.model import EVERYONE, Issue, Item, RenderedEdition, Section

_MARKINGS: Final = re.compile(
    r"(?<![A-Z])(?:OFFICIAL\s*[-‐‑–—\s]\s*SENSITIVE|RECIPIENTS\s+ONLY|(?:[A-Z]+\s+)?USE\s+ONLY|TOP\s+SECRET"
    r"|TLP\s?:\s?(?:RED|AMBER(?:\s?\+\s?STRICT)?|GREEN))(?![A-Za-z])"
)
_MARKED: Final = re.compile("SENSITIVE|ONLY|SECRET|TLP")
"""Without one of these words no marking stands in a text, whatever tags are within it."""
_ADDRESS: Final = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
_TOKEN: Final = re.compile(r"_(?<=[A-Za-z0-9]_)[a-z2-7]{52}(?![A-Za-z0-9])")
"""Begins with the sign that is rare, so that a long page is looked through in no time."""
_TAG: Final = re.compile(r"<[^<>]*>")
_MARKDOWN_LINK: Final = re.compile(r"!?\[([^\]]*)\](?:\(\s*<?([^)\s>]*)>?[^)]*\)|\[[^\]]*\])")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])[\"'”’)*_]*\s+|\n\s*\n|\n\s*(?:[-*+]|\d+[.)])\s+")
_WEB: Final = re.compile(r"https?://[^\s<>\"'\])]+", re.IGNORECASE)
_LEGIBLE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ufffd]{5,}")
_LEGIBLE_BYTES: Final = re.compile(rb"[^\x00-\x08\x0b-\x1f\x7f-\x9f\xff]{2,}|[\n ]")
_TELLING: Final = re.compile(r"[a-z0-9]+")
_WORDS: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True, order=True)
class Leak:
    """Something in an output that its readers may not see. Names the piece and never repeats it: logs are read too."""

    output: str
    what: str
    item: str = ""
    issue: str = ""

    def __str__(self) -> str:
        of = " of " + (f"the item {self.item} in " if self.item else "") + self.issue if self.issue else ""
        return f"{self.output} holds {self.what}{of}"


@dataclass(frozen=True, slots=True)
class _Canary:
    """A piece of something restricted: the words it consists of and, where words are not enough, its exact shape."""

    what: str
    item: str
    issue: str
    words: tuple[str, ...]
    shape: re.Pattern[str] | None = None


class _Text:
    """A finished file in the forms that text can take in it: escaped, encoded, folded, wrapped, or between tags."""

    def __init__(self, name: str, data: bytes | str) -> None:
        self.name = name
        if isinstance(data, bytes):
            data = _unpacked(data)
        self.is_text = isinstance(data, str) or _is_text(data)
        whole = data if isinstance(data, str) else _readable(data)
        plain = html.unescape(whole)
        # Calendar files fold their lines, JSON and calendar files put backslashes before some signs.
        unfolded = re.sub(r"\\([,;\\\"/])", r"\1", re.sub(r"\r?\n[ \t]", "", plain).replace("\\n", " "))
        forms = (whole, plain, unfolded, unquote(unfolded), _json_unescaped(plain), f'"/{name}"')
        self.forms = tuple(dict.fromkeys(forms))

    def streams(self) -> Iterator[tuple[str, ...]]:
        """Each form reduced to its words, so that neither layout nor punctuation hides a sentence."""
        seen = set()
        for form in self.forms:
            for text in {form, _TAG.sub(" ", form), _TAG.sub("", form)}:
                words = _words(text)
                if words not in seen:
                    seen.add(words)
                    yield words

    def has(self, shape: re.Pattern[str]) -> bool:
        """Whether the shape is found in any of its forms, its name among them."""
        return any(shape.search(form) for form in self.forms)


class _Cage:
    """Canaries by the words they begin with, so that a text is read once however many there are."""

    def __init__(self, canaries: Iterable[_Canary]) -> None:
        self._starts: dict[str, dict[str, list[_Canary]]] = {}
        for canary in canaries:
            first, second = (*canary.words, "")[:2]
            self._starts.setdefault(first, {}).setdefault(second, []).append(canary)

    def found_in(self, text: _Text) -> frozenset[_Canary]:
        """The canaries that stand in the text."""
        spoken = {canary for stream in text.streams() for canary in self._spoken(stream)}
        return frozenset(canary for canary in spoken if canary.shape is None or text.has(canary.shape))

    def _spoken(self, stream: tuple[str, ...]) -> Iterator[_Canary]:
        for number, word in enumerate(stream):
            seconds = self._starts.get(word)
            if seconds:
                yield from seconds.get("", ())
                for canary in seconds.get("".join(stream[number + 1 : number + 2]), ()):
                    if stream[number : number + len(canary.words)] == canary.words:
                        yield canary


@dataclass(frozen=True, slots=True)
class Watch:
    """What must not be in a public file, and which mail addresses may: worked out from all issues, kept between builds.

    Not public is every item kept for an audience or marked for fewer than everyone, every item of an issue that is not
    public or is so marked itself, the words of a marking above OFFICIAL, a mail address that no public text names, and
    a personal link.
    """

    canaries: frozenset[_Canary]
    addresses: frozenset[str]

    def without(self, issues: Collection[str]) -> Watch:
        """The same, knowing nothing of these issues."""
        return Watch(frozenset(one for one in self.canaries if one.issue not in issues), self.addresses)

    def of(self, issues: Collection[str]) -> Watch:
        """The canaries of these issues alone."""
        return Watch(frozenset(one for one in self.canaries if one.issue in issues), self.addresses)

    def __or__(self, other: Watch) -> Watch:
        return Watch(self.canaries | other.canaries, self.addresses | other.addresses)

    def to_plain(self) -> list[Any]:
        """As lists of texts, for a file that nobody else may read: it names what must not leave."""
        canaries = [
            [one.what, one.item, one.issue, one.words, one.shape and [one.shape.pattern, int(one.shape.flags)]]
            for one in self.canaries
        ]
        return [canaries, sorted(self.addresses)]

    @classmethod
    def from_plain(cls, values: list[Any]) -> Watch:
        """What `to_plain` took apart."""
        canaries, addresses = values
        return cls(
            frozenset(
                _Canary(what, item, issue, tuple(words), re.compile(shape[0], shape[1]) if shape else None)
                for what, item, issue, words, shape in canaries
            ),
            frozenset(addresses),
        )


def watch_for(issues: Iterable[Issue], config: Config) -> Watch:
    """What to look for in the archive of these issues, which should be all there are."""
    issues = tuple(issues)
    allowed = _all_of([*_strings(config), *(text for issue in issues for text in _public_strings(issue))])
    canaries = [canary for issue in issues for canary in _canaries(issue, EVERYONE if _is_public(issue) else None)]
    addresses = frozenset(address for form in allowed.forms for address in _addresses_of_people(form))
    return Watch(frozenset(canaries) - _Cage(canaries).found_in(allowed), addresses)


def mark_of(issues: Iterable[Issue]) -> str:
    """A digest of everything in these issues that is not public: the same as long as no secret was added or changed."""
    pieces = sorted(
        repr((one.what, one.item, one.issue, one.words, one.shape and one.shape.pattern))
        for issue in issues
        for one in _canaries(issue, EVERYONE if _is_public(issue) else None)
    )
    return sha256("\n".join(pieces).encode()).hexdigest()[:20] if pieces else ""


def check_public(outputs: Mapping[str, bytes], issues: Iterable[Issue], config: Config) -> None:
    """Refuse the archive if any file in it, of whatever kind, holds what is not public. `issues` are all there are.

    Raises `LeakError` naming every find.
    """
    check_watched(outputs, watch_for(issues, config), config)


def check_watched(outputs: Mapping[str, bytes], watch: Watch, config: Config) -> None:
    """The same, with what to look for worked out before."""
    cage = _Cage(watch.canaries)
    personal = re.compile(re.escape(config.service_url.partition("://")[2]) + "(?:unsubscribe|preferences|confirm)/")
    leaks: list[Leak] = []
    for name, data in outputs.items():
        text = _Text(name, data)
        if watch.canaries:
            leaks += _found(cage, text)
        if text.has(_TOKEN) or text.has(personal):
            leaks.append(Leak(name, "a reader's personal link"))
        if text.is_text:  # in compressed pixels, short patterns turn up by chance
            leaks += _unfit_for_the_public(text, watch.addresses)
    _refuse(leaks, "Nothing was published.")


def check_kept(outputs: Iterable[tuple[str, bytes]], watch: Watch) -> None:
    """Refuse files that an earlier build made, and found clean then, if they hold what has become secret since.

    Each is first looked through for one telling word of every canary, which is quick; only where one stands the whole
    canary is looked for.
    """
    telling = {max((word for word in one.words if word.isascii()), key=len, default="") for one in watch.canaries}
    cage = _Cage(watch.canaries)
    leaks: list[Leak] = []
    for name, data in outputs if watch.canaries else ():
        plain = _unpacked(data)
        if "" in telling or not telling.isdisjoint(_TELLING.findall(plain.lower().decode("ascii", "ignore"))):
            leaks += _found(cage, _Text(name, data))
    _refuse(leaks, "The archive stands as it was; build all of it anew: bulletin archive --anew")


def check_edition(rendered: RenderedEdition, issue: Issue, config: Config) -> None:
    """Refuse a finished mail that holds anything of an item its audience may not read. Raises `LeakError`."""
    audience = rendered.audience
    canaries = frozenset(_canaries(issue, audience))
    if not canaries:
        return  # these readers may read all of the issue
    allowed = _all_of([*_strings(config), *_issue_strings(issue), *_readable_strings(issue, audience)])
    cage = _Cage(canaries - _Cage(canaries).found_in(allowed))
    parts = {f"{rendered.name}.html": rendered.html, f"{rendered.name}.txt": rendered.text}
    parts["the subject"] = rendered.subject
    leaks = [leak for name, part in parts.items() for leak in _found(cage, _Text(name, part))]
    _refuse(leaks, "Nothing was written or sent.")


def _refuse(leaks: Sequence[Leak], so: str) -> None:
    if leaks:
        found = sorted(set(leaks))
        more = f"\nand {len(found) - 20} more" if len(found) > 20 else ""
        raise LeakError(
            "the leak gate stopped: " + ";\n".join(map(str, found[:20])) + f"{more}.",
            hint=f"{so} If the words are meant for everyone, put them into an item for everyone; "
            "if not, look at where the file or the template names them.",
        )


def _found(cage: _Cage, text: _Text) -> Iterator[Leak]:
    for canary in cage.found_in(text):
        yield Leak(text.name, canary.what, canary.item, canary.issue)


def _unfit_for_the_public(text: _Text, addresses: frozenset[str]) -> Iterator[Leak]:
    for form in text.forms:
        marked = _MARKED.search(form)
        marking = (_MARKINGS.search(form) or _MARKINGS.search(_TAG.sub("", form))) if marked else None
        if marking:
            yield Leak(text.name, f'the marking "{" ".join(marking[0].split())}"')
        if not addresses.issuperset(_addresses_of_people(form)):
            yield Leak(text.name, "a mail address that no public text names")


def _addresses_of_people(text: str) -> Iterator[str]:
    if "@" in text:
        # Signs written as \\n or %20 end in letters that are no part of the address after them.
        bare = re.sub(r"\\[nrt]|%[0-9A-Fa-f]{2}", " ", text)
        yield from (found.casefold() for found in _ADDRESS.findall(bare))


# ---------------------------------------------------------------- canaries


def _canaries(issue: Issue, audience: str | None) -> Iterator[_Canary]:
    """Every piece of what `audience` may not read; None reads nothing of the issue."""
    if audience is None:
        yield from _words_of_the_issue(issue)
    for section in issue.sections:
        hidden = [item for item in section.items if audience is None or not _may_see(audience, item)]
        for item in hidden:
            yield from _pieces(item, issue.id)
            for note in _notes_on(issue, item):
                yield from _said("a correction", note, item.id, issue.id)
        if hidden and len(hidden) == len(section.items):
            # A heading over nothing tells that there is something (S-25).
            for what, words in _heading(section):
                yield from _said(what, words, hidden[0].id, issue.id)


def _words_of_the_issue(issue: Issue) -> Iterator[_Canary]:
    for what, words in (
        ("the title", issue.title),
        ("the subject", issue.subject),
        ("the preheader", issue.preheader),
        ("the notice", issue.notice or ""),
        *(("a correction", one.note) for one in issue.corrections if one.item is None),
        *(("a sentence of the welcome", sentence) for sentence in _sentences(issue.welcome)),
    ):
        yield from _said(what, words, "", issue.id)


def _heading(section: Section) -> Iterator[tuple[str, str]]:
    yield "the section's heading", section.title or ""
    for sentence in _sentences(section.intro or ""):
        yield "a sentence under the section's heading", sentence


def _pieces(item: Item, issue: str) -> Iterator[_Canary]:
    event = item.event
    for what, words in (
        ("the headline", item.title),
        ("the words of the link", item.link or ""),
        ("the source", item.source or ""),
        ("the picture's description", item.image.alt or "" if item.image else ""),
        ("the place of the event", event.place or "" if event else ""),
        *(("a sentence of the summary", sentence) for sentence in _sentences(item.summary)),
    ):
        yield from _said(what, words, item.id, issue)
    for what, url in (
        ("the web address", item.url),
        ("the booking address", event.booking if event else None),
        *(("a web address in the summary", url) for url in _addresses(item.summary)),
    ):
        if url:
            bare = _bare(url)
            yield _shaped(what, bare, _address_shape(bare), item.id, issue)
    for name in (item.id, *item.formerly):
        yield _shaped("the id", name, _id_shape(name), item.id, issue)
    if item.image:
        name = PurePosixPath(item.image.file).name
        yield _shaped("the picture's file name", name, _file_shape(name), item.id, issue)


def _said(what: str, text: str, item: str, issue: str) -> Iterator[_Canary]:
    words = _words(text)
    # One short word, such as "Online", stands in every page; it betrays nothing alone.
    if len(words) > 1 or len("".join(words)) >= 8:
        yield _Canary(what, item, issue, words)


def _shaped(what: str, text: str, shape: re.Pattern[str], item: str, issue: str) -> _Canary:
    return _Canary(what, item, issue, _words(text), shape)


def _bare(url: str) -> str:
    """An address without its scheme, its www and its last slash, as people pass it on."""
    return re.sub(r"^(?:https?:)?//(?:www\.)?|/+$", "", url, flags=re.IGNORECASE)


def _address_shape(bare: str) -> re.Pattern[str]:
    """The address itself, and not the beginning of a longer one."""
    return re.compile(rf"(?<![\w-]){re.escape(bare)}/?(?![\w/%?=&~+-])", re.IGNORECASE)


def _id_shape(item: str) -> re.Pattern[str]:
    """The id where ids stand: as an anchor, a link to one, or a part of a path."""
    return re.compile(rf"(?:#|/|\b(?:id|name)=[\"']){re.escape(item)}(?=[\"'#?&/]|\.ics|\.html)")


def _file_shape(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])", re.IGNORECASE)


def _sentences(markdown: str) -> Iterator[str]:
    plain = re.sub(r"[*`~]+", "", _MARKDOWN_LINK.sub(r"\1", markdown))
    for sentence in _SENTENCE_END.split(plain):
        if len(sentence.split()) >= 3:
            yield sentence


def _addresses(markdown: str) -> Iterator[str]:
    yield from (found[2] for found in _MARKDOWN_LINK.finditer(markdown) if found[2] and _WEB.match(found[2]))
    yield from (found.rstrip(".,;:") for found in _WEB.findall(_MARKDOWN_LINK.sub(r"\1", markdown)))


# ---------------------------------------------------------------- what may be seen


def _public_strings(issue: Issue) -> Iterator[str]:
    if _is_public(issue):
        yield from _issue_strings(issue)
        yield from _readable_strings(issue, EVERYONE)


def _issue_strings(issue: Issue) -> Iterator[str]:
    """The issue's own words, which all its readers see."""
    yield from (issue.id, issue.title, issue.subject, issue.preheader)
    yield from (issue.notice or "", issue.welcome, issue.signed or "", issue.withdrawn or "")
    yield from (*issue.formerly, *(one.note for one in issue.corrections if one.item is None))


def _readable_strings(issue: Issue, audience: str) -> Iterator[str]:
    for section in issue.sections:
        readable = [item for item in section.items if _may_see(audience, item)]
        if readable:
            yield from (f'"/{section.id}/"', section.title or "", section.intro or "")
        for item in readable:
            yield from _strings(item)
            yield from _notes_on(issue, item)
            yield f'id="{item.id}"'


def _notes_on(issue: Issue, item: Item) -> Iterator[str]:
    """What the corrections say of an item."""
    yield from (one.note for one in issue.corrections if one.item == item.id)


def _is_public(issue: Issue) -> bool:
    marking = marking_of(issue)
    return issue.public and (marking is None or marking.for_everyone)


def _may_see(audience: str, item: Item) -> bool:
    """Whether these readers get the item, and its marking lets them (S-21)."""
    return may_read(audience, item) and not (audience == EVERYONE and kept_from_everyone(item))


def _strings(value: Any) -> Iterator[str]:
    """Every text in a value, however deep, Markdown links also as words and address apart."""
    if isinstance(value, str):
        yield value
        if "](" in value:
            yield _MARKDOWN_LINK.sub(r"\1", value)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _strings(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield from (text for part in value.values() for text in _strings(part))
    elif isinstance(value, list | tuple):
        yield from (text for part in value for text in _strings(part))


# ---------------------------------------------------------------- reading finished bytes


def _all_of(texts: Iterable[str]) -> _Text:
    # A word of its own between the texts: no sentence may be found where one ends and the next begins.
    return _Text("", "\n0\n".join(texts))


def _words(text: str) -> tuple[str, ...]:
    normal = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return tuple(_WORDS.findall(normal.casefold()))


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode("utf-8")
    except UnicodeDecodeError:
        return False


_GZIP: Final = b"\x1f\x8b"
_LARGEST_UNPACKED: Final = 50_000_000


def _unpacked(data: bytes) -> bytes:
    """What is packed, as a search index and a PDF are, taken out of it; other bytes as they are."""
    if data.startswith(_GZIP):
        try:
            whole = zlib.decompressobj(wbits=31).decompress(data, _LARGEST_UNPACKED)
        except zlib.error:
            return data  # damaged
        return b"".join(_LEGIBLE_BYTES.findall(whole)) if not _is_text(whole) else whole
    if data.startswith(b"%PDF-"):
        return _words_of_pdf(data)
    return data


def _words_of_pdf(data: bytes) -> bytes:
    """The words, notes and link addresses of a PDF."""
    from io import BytesIO

    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        document = PdfReader(BytesIO(data))
        said = [page.extract_text() for page in document.pages]
        notes = [str(value) for value in (document.metadata or {}).values()]
        links = [
            str(note.get_object().get("/A", {}).get("/URI", ""))
            for page in document.pages
            for note in page.get("/Annots", [])
        ]
    except (PyPdfError, ValueError, KeyError, TypeError, RecursionError):
        return data
    return "\n".join([*said, *notes, *links]).replace("\0", "").encode("utf-8", "replace")


def _readable(data: bytes) -> str:
    """Bytes as text. Of a picture, the pieces that can be read, also those in two bytes a letter, and its notes."""
    if _is_text(data):
        return data.decode("utf-8")
    pieces = [
        piece
        for form in (data, data.replace(b"\0", b""))
        for piece in _LEGIBLE.findall(form.decode("utf-8", "replace"))
    ]
    return "\n".join([*pieces, *_notes(data)])


def _notes(data: bytes) -> Iterator[str]:
    from io import BytesIO

    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(data)) as image:
            image.load()
            for value in (*image.info.values(), *image.getexif().values()):
                yield value.replace(b"\0", b"").decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return


def _json_unescaped(text: str) -> str:
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
