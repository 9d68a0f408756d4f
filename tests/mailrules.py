"""A judge of finished messages that shares no code with what makes them: bytes in, broken rules out.

It reads the standards themselves (RFC 5322, 2045, 2047, 2369, 2919, 8058) with the standard library only.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import quopri
import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

Header = tuple[str, bytes]
"""Its name as written, and everything after the colon, folds included."""

_ONCE = (
    "date",
    "from",
    "to",
    "subject",
    "message-id",
    "mime-version",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "list-id",
)
_AT_MOST_ONCE = (
    "sender",
    "reply-to",
    "list-help",
    "list-owner",
    "list-archive",
    "list-post",
    "feedback-id",
    "content-type",
)
_NEVER = ("cc", "bcc", "auto-submitted", "content-transfer-encoding")
_ADDRESS = re.compile(rb"[!#$%&'*+/=?^_`{|}~.0-9A-Za-z-]{1,64}@(?:[0-9A-Za-z-]{1,63}\.)+[0-9A-Za-z-]{1,63}")
_NAME = re.compile(rb"(?:[\w!#$%&'*+/=?^`{|}~-]|[ \t])+|\"(?:[^\"\\]|\\.)*\"|(?:=\?\S+\?=\s*)+")
_MULTIPART = re.compile(rb"multipart/alternative; boundary=\"([0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-])\"")
_WORD = re.compile(rb"=\?([^?\s]+)\?([bBqQ])\?([^?\s]*)\?=")


def broken_rules(data: bytes, *, reader: str, domain: str, sent: dt.datetime | None = None) -> list[str]:
    """Every rule a bulletin for `reader` breaks, `domain` being ours; none for a good one."""
    head, _, body = data.partition(b"\r\n\r\n")
    headers = _headers(head)
    return [
        *_lines(data, head),
        *_counts(headers),
        *_times(headers, sent),
        *_words(headers),
        *_people(headers, reader, domain),
        *_list(headers, domain, body),
        *_parts(headers, body),
    ]


def decoded(value: bytes) -> str:
    """A header's text as a mail program shows it."""
    flat = re.sub(rb"\r\n(?=[ \t])", b"", value).strip(b" \t")
    joined = re.sub(rb"(\?=)[ \t]+(?==\?)", rb"\1", flat)
    return b"".join(_as_utf8(part) for part in re.split(rb"(=\?[^?\s]+\?[bBqQ]\?[^?\s]*\?=)", joined)).decode("utf-8")


def header(data: bytes, name: str) -> bytes:
    """The one header of this name, unfolded."""
    return re.sub(rb"\r\n(?=[ \t])", b"", _one(_headers(data.partition(b"\r\n\r\n")[0]), name)).strip()


def parts(data: bytes) -> list[tuple[str, bytes]]:
    """Content type and decoded bytes of each part, in order."""
    head, _, body = data.partition(b"\r\n\r\n")
    return [(kind, _decode(encoding, raw)) for kind, encoding, raw in _split(_headers(head), body)]


def _as_utf8(part: bytes) -> bytes:
    found = _WORD.fullmatch(part)
    if not found:
        return part
    if found[2] in b"bB":
        return base64.b64decode(found[3], validate=True)
    return binascii.a2b_qp(found[3], header=True)


def _headers(head: bytes) -> list[Header]:
    found: list[Header] = []
    for line in re.split(rb"\r\n(?![ \t])", head):
        name, _, value = line.partition(b":")
        found.append((name.decode("ascii", "replace"), value))
    return found


def _all(headers: list[Header], name: str) -> list[bytes]:
    return [value for known, value in headers if known.lower() == name]


def _one(headers: list[Header], name: str) -> bytes:
    return next(iter(_all(headers, name.lower())), b"")


def _flat(headers: list[Header], name: str) -> bytes:
    return re.sub(rb"\r\n(?=[ \t])", b"", _one(headers, name)).strip(b" \t")


def _lines(data: bytes, head: bytes) -> Iterator[str]:
    if re.search(rb"(?<!\r)\n|\r(?!\n)", data):
        yield "M-03: a bare CR or LF"
    if not data.endswith(b"\r\n"):
        yield "M-03: the last line has no end"
    if max(map(len, data.split(b"\r\n"))) > 998:
        yield "M-01: a line over 998 octets"
    if b"\0" in data or not data.isascii():
        yield "M-11: a byte that is not seven bits, or NUL"
    for line in head.split(b"\r\n"):
        content = line if line[:1].isspace() else line.partition(b": ")[2]
        if len(line) > 78 and re.search(rb"\S[ \t]+\S", content):
            yield f"M-02: a line of {len(line)} with white space to fold at"
        if not line.strip():
            yield "M-02: a line of white space only"
        if not re.match(rb"[!-9;-~]+: |[ \t]+\S", line):
            yield f"M-03: no header line: {line[:30]!r}"


def _counts(headers: list[Header]) -> Iterator[str]:
    for name in _ONCE:
        if len(_all(headers, name)) != 1:
            yield f"M-04, L-01, L-02, L-12: {name} stands {len(_all(headers, name))} times"
    for name in _AT_MOST_ONCE:
        if len(_all(headers, name)) > 1:
            yield f"M-04, L-13: {name} stands more than once"
    for name in _NEVER:
        if _all(headers, name):
            yield f"M-16, Q-02: there is a header {name}"
    if _flat(headers, "X-Auto-Response-Suppress") != b"OOF, AutoReply":
        yield "Q-05: X-Auto-Response-Suppress"
    feedback = _all(headers, "feedback-id")
    if feedback and (len(feedback) > 1 or len(feedback[0].split(b":")) > 4):
        yield "Q-06: Feedback-ID"
    if not {value.strip() for value in _all(headers, "precedence")} <= {b"bulk"}:
        yield "Q-04: Precedence"


def _times(headers: list[Header], sent: dt.datetime | None) -> Iterator[str]:
    raw = _flat(headers, "Date").decode("ascii", "replace")
    if not re.fullmatch(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", raw):
        yield f"M-05: Date {raw}"
    elif sent and abs(parsedate_to_datetime(raw) - sent) > dt.timedelta(minutes=5):
        yield "M-05: Date is far from the time of sending"


def _words(headers: list[Header]) -> Iterator[str]:
    for name, value in headers:
        for line in value.split(b"\r\n"):
            if b"=?" in line and len(line) > 76:
                yield f"M-07: a line of {name} with an encoded word has {len(line)}"
        for found in _WORD.finditer(value):
            if len(found[0]) > 75:
                yield f"M-07: an encoded word of {name} has {len(found[0])}"
            try:
                text = _as_utf8(found[0]).decode("utf-8")
            except (UnicodeDecodeError, ValueError):
                yield f"M-07: an encoded word of {name} cuts a character"
                continue
            if re.search("[\r\n\0]", text):
                yield f"M-10: an encoded word of {name} decodes to a line break"
        if re.search(rb'"[^"]*=\?[^"]*\?=[^"]*"|<[^>]*=\?[^>]*>', value):
            yield f"M-07: an encoded word inside quotes or an address in {name}"


def _people(headers: list[Header], reader: str, domain: str) -> Iterator[str]:
    if _flat(headers, "To").strip(b"<>") != reader.encode():
        yield "M-16: To names somebody else"
    for name in ("From", "Reply-To", "To"):
        value = _flat(headers, name)
        if not value and name == "Reply-To":
            continue
        address = re.search(rb"(?:^|<)([^<>\s]+)>?$", value)
        if not address or not _ADDRESS.fullmatch(address[1]) or len(address[1]) > 254:
            yield f"M-08, M-09: {name} holds no plain address within the limits"
        outside = value[: value.rfind(b"<")].strip()
        if outside and not _NAME.fullmatch(outside):
            yield f"M-07, M-17: {name} has a name that is neither words, quoted nor encoded"
    if not _flat(headers, "From").endswith(f"@{domain}>".encode()):
        yield "M-17: From is not at our domain"
    if not re.fullmatch(rb"<[0-9A-Za-z._-]{8,64}@" + re.escape(domain.encode()) + rb">", _flat(headers, "Message-ID")):
        yield "M-06: Message-ID"
    if _flat(headers, "MIME-Version") != b"1.0":
        yield "M-04: MIME-Version"


def _list(headers: list[Header], domain: str, body: bytes) -> Iterator[str]:
    link = re.fullmatch(rb"<(https://[!-;=?-~]+)>(?:, ?<mailto:[!-;=?-~]+>)?", _flat(headers, "List-Unsubscribe"))
    if not link:
        yield "L-01: List-Unsubscribe"
        return
    if len(link[1]) > 250 or link[1] not in _one(headers, "List-Unsubscribe"):
        yield "L-15: the link is long or folded"
    if not re.fullmatch(rb"[A-Za-z0-9_-]+", link[1].rpartition(b"/")[2]):
        yield "G-06: the token holds other signs"
    if _flat(headers, "List-Unsubscribe-Post") != b"List-Unsubscribe=One-Click":
        yield "L-02: List-Unsubscribe-Post"
    listed = _flat(headers, "List-Id")
    if not re.fullmatch(rb'(?:(?:"(?:[^"\\]|\\.)*"|[^<>]+) )?<[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)+>', listed):
        yield "L-12: List-Id"
    if len(listed.rpartition(b"<")[2]) > 256 or len(listed) > 255:
        yield f"L-12: List-Id has {len(listed)} octets"
    if _all(headers, "list-post") and _flat(headers, "List-Post") != b"NO":
        yield "L-13: List-Post"
    for name in filter(lambda name: _all(headers, name), ("list-owner", "list-help")):
        if not re.fullmatch(rb"<mailto:[!-;=?-~]+>", _flat(headers, name)):
            yield f"L-13: {name}"
    if not re.fullmatch(rb"(?:[\w.-]*:){3}[\w.-]{5,15}", _flat(headers, "Feedback-ID")):
        yield "Q-06: Feedback-ID"
    for kind, encoding, raw in _split(headers, body):
        if link[1] not in _decode(encoding, raw):
            yield f"L-16: no unsubscribe link in {kind}"


def _split(headers: list[Header], body: bytes) -> Iterator[tuple[str, str, bytes]]:
    boundary = re.search(rb'boundary="([^"]+)"', _flat(headers, "Content-Type"))
    if not boundary:
        return
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary[1])
    for piece in pieces[1:-1]:
        head, _, raw = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        inner = _headers(head)
        yield _flat(inner, "Content-Type").decode(), _flat(inner, "Content-Transfer-Encoding").decode(), raw


def _decode(encoding: str, raw: bytes) -> bytes:
    return {"quoted-printable": quopri.decodestring, "base64": base64.b64decode}.get(encoding, bytes)(raw)


def _parts(headers: list[Header], body: bytes) -> Iterator[str]:
    kind = _flat(headers, "Content-Type")
    boundary = _MULTIPART.fullmatch(kind)
    if not boundary:
        yield "M-12, M-14: Content-Type"
        return
    found = list(_split(headers, body))
    if [kind for kind, _, _ in found] != ["text/plain; charset=utf-8", "text/html; charset=utf-8"]:
        yield "M-12, M-13, M-14: the parts are not text and HTML in utf-8"
        return
    if body.count(boundary[1]) != len(found) + 1 or not body.endswith(b"--" + boundary[1] + b"--\r\n"):
        yield "M-14: the boundary stands elsewhere too"
    for kind, encoding, raw in found:
        if encoding not in ("7bit", "quoted-printable", "base64"):
            yield f"M-11: {kind} is {encoding}"
        if max(map(len, raw.split(b"\r\n"))) > 76:
            yield f"M-11: an encoded line of {kind} is over 76"
        if re.search(rb"=(?![0-9A-F]{2}|\r\n)|[ \t]\r\n|[^\t\r\n -~]", raw) or re.search(rb"[ \t]\Z", raw):
            yield f"M-11: {kind} is no quoted-printable"
        try:
            text = _decode(encoding, raw).decode("utf-8")
        except UnicodeDecodeError:
            yield f"M-11: {kind} is not UTF-8"
            continue
        if "html" in kind:
            if len(text.encode()) >= 102_400:
                yield "G-01: the HTML is too large"
            if not re.search(r"""<meta[^>]+charset=["']?utf-8""", text, re.I):
                yield "M-12: no charset in the HTML"
