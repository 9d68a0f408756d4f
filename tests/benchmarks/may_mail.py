"""Print one reader's copy of the May issue as it would leave: headers, plain text and HTML."""

import datetime as dt
import sys
from pathlib import Path

from bulletin import flow
from bulletin.model import EVERYONE, Letter
from bulletin.publication import open_publication
from bulletin.render.message import Envelope, MessageTemplate, make_message_id
from bulletin.subscribers.tokens import Links

home = open_publication(Path(__file__).parent, {"BULLETIN_SECRET": "a-secret-for-measuring-times-only"})
edition = next(one for one in flow.render(home, "2024-05") if one.audience == EVERYONE)
address, key = "reader@charity.example.org", "2024-05/a1b2c3"
letter = Letter(
    key=key,
    number=1,
    address=address,
    personal=Links(home.config.service_url, home.secret()).personal("a1b2c3", address),
    message_id=make_message_id(key, home.config.sender.address),
)
when = dt.datetime(2024, 5, 30, 9, tzinfo=dt.UTC)
sys.stdout.buffer.write(MessageTemplate(edition, Envelope.of(home.config)).fill(letter, date=when))
