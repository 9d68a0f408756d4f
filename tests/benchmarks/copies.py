"""What it costs to write the calls to mail services: `python3 tests/benchmarks/copies.py`.

Prints JSON: microseconds for each reader, in turns, of a call whose values the service fills in (`values`) and of one
with a finished copy of 60 kB for each reader (`copies`); and of writing the same with `json.dumps`, reader by reader
(`dumped_values`, `dumped_copies`).
"""

from __future__ import annotations

import hashlib
import html
import json
import time
from collections.abc import Callable
from typing import Any

from bulletin.model import EVERYONE, PERSONAL_FIELDS, Letter, RenderedEdition
from bulletin.providers.mailgun import Mailgun
from bulletin.providers.mailgun import Settings as MailgunSettings
from bulletin.providers.postmark import Postmark
from bulletin.providers.postmark import Settings as PostmarkSettings
from bulletin.render.message import Envelope, MessageTemplate, make_message_id
from bulletin.subscribers.tokens import Links

TURNS = 9
SENDER = "news@news.example.org"
LINKS = Links("https://news.example.org/", b"a made-up secret that is long enough")


def message() -> MessageTemplate:
    """An issue of 60 kB."""
    markers = {field: f"px{hashlib.sha256(field.encode()).hexdigest()[:24]}" for field in PERSONAL_FIELDS}
    ending = "".join(f'<a href="{marker}">here</a>' for marker in markers.values())
    page = f"<p>{'<b>Words</b> with &amp; without, in Tŷ. ' * 1400}</p>{ending}"
    text = "Plain words, one after the other.\n" * 120 + "\n".join(markers.values())
    rendered = RenderedEdition(
        issue="2024-05",
        audience=EVERYONE,
        language="en-GB",
        subject="May news",
        html=page,
        text=text,
        markers=markers,
        digest=hashlib.sha256(page.encode()).hexdigest(),
    )
    envelope = Envelope(
        sender_name="News",
        sender_address=SENDER,
        reply_to=None,
        list_name="News",
        list_id="news.example.org",
        archive_url="https://news.example.org/",
    )
    return MessageTemplate(rendered, envelope)


def letter(number: int) -> Letter:
    """A reader's letter."""
    reader, address = f"reader{number:014}", f"reader{number}@example.org"
    key = f"2024-05:{reader}"
    personal = LINKS.personal(reader, address)
    return Letter(key=key, number=number, address=address, personal=personal, message_id=make_message_id(key, SENDER))


def dumped_values(letters: list[Letter], made: MessageTemplate) -> str:
    """What a service is told of each reader, the usual way."""
    told: dict[str, Any] = {}
    for one in letters:
        escaped = {f"{name}_html": html.escape(value) for name, value in one.personal.items()}
        told[one.address] = {"key": one.key, **made.personal_headers(one), **one.personal, **escaped}
    return json.dumps(told)


def dumped_copies(letters: list[Letter], made: MessageTemplate) -> bytes:
    """A copy for each reader, the usual way."""
    copies = [
        {
            "To": one.address,
            "TextBody": made.text_of(one),
            "HtmlBody": made.html_of(one),
            "Headers": [
                {"Name": name, "Value": value} for name, value in (made.headers | made.personal_headers(one)).items()
            ],
        }
        for one in letters
    ]
    return json.dumps(copies, ensure_ascii=False).encode()


def micro(work: Callable[[], object], readers: int) -> float:
    """Microseconds of processor time for each reader."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / readers * 1e6


def main() -> None:
    """Measure and print."""
    made, letters = message(), [letter(number) for number in range(1000)]
    few = letters[:100]
    mailgun = Mailgun(MailgunSettings(domain="news.example.org"), "https://api.example.org", "made-up")
    postmark = Postmark(PostmarkSettings(), "https://api.example.org", "made-up")
    work = {
        "values": lambda: micro(lambda: mailgun.request("2024-05", letters, made), len(letters)),
        "dumped_values": lambda: micro(lambda: dumped_values(letters, made), len(letters)),
        "copies": lambda: micro(lambda: postmark.request("2024-05", few, made), len(few)),
        "dumped_copies": lambda: micro(lambda: dumped_copies(few, made), len(few)),
    }
    for measure in work.values():
        measure()
    turns = [{name: measure() for name, measure in work.items()} for _ in range(TURNS)]
    print(json.dumps({name: [turn[name] for turn in turns] for name in work}))


if __name__ == "__main__":
    main()
