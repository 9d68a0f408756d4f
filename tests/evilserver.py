"""A mail server and a mail service that misbehave at random: `evilserver.py JOURNAL SEED SMTP_PORT HTTP_PORT`.

They answer, hang, hang up before and after they took something, put off, refuse and fall over. Whatever they really
took stands in the journal, a line for each copy with address and key, written before anybody hears of it: so it
outlives the process, which may be killed and started again on the same ports. Port 0 takes a free one; both are told.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import sys
from urllib.parse import parse_qs, urlsplit

HANG_S = 0.6
"""Longer than the senders wait."""

SLOW_S = 0.02
"""What a good server takes over a letter."""

GOOD = 0.86
"""Share of steps that go well."""


class World:
    """What both servers share."""

    def __init__(self, journal: str, seed: int) -> None:
        self.seed, self.random = seed, random.Random(seed)  # noqa: S311
        self.file = os.open(journal, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o600)
        with open(journal, encoding="utf-8") as lines:
            self.taken = {line.split()[0]: line.split()[1] for line in lines if line.strip()}

    def take(self, copies: dict[str, str]) -> None:
        """From now on these copies are on their way."""
        os.write(self.file, "".join(f"{address} {key}\n" for address, key in copies.items()).encode())
        self.taken |= copies

    def mood(self, *bad: str) -> str:
        """Good, or one of these; with the seed 0 always good."""
        return "good" if not self.seed or self.random.random() < GOOD else self.random.choice(bad)


class HangUp(Exception):  # noqa: N818 - the one who calls has the trouble
    """The connection is gone."""


async def misbehave(mood: str) -> None:
    """Hang, hang up or fall over, if that is the mood."""
    if mood == "hang":
        await asyncio.sleep(HANG_S)
    if mood == "fall over":
        os._exit(1)
    if mood in ("hang", "hang up"):
        raise HangUp


# ---------------------------------------------------------------- SMTP


async def smtp(world: World, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""

    def say(line: str) -> None:
        writer.write(f"{line}\r\n".encode())

    say("220 evil.example.org")
    address = ""
    while line := await reader.readline():
        word = line.split()[0].upper() if line.split() else b""
        if word in (b"EHLO", b"HELO"):
            say("250-evil.example.org\r\n250-PIPELINING\r\n250 SIZE 1000000")
        elif word == b"QUIT":
            say("221 2.0.0 Bye")
            raise HangUp
        elif word == b"RCPT":
            address = line.decode().partition("<")[2].partition(">")[0]
            mood = world.mood("hang", "hang up", "busy", "closing")
            await misbehave(mood)
            if address.startswith("gone"):
                say("550 5.1.1 No such user")
            else:
                say({"busy": "451 4.3.0 Later", "closing": "421 4.3.2 Closing"}.get(mood, "250 2.1.5 OK"))
        elif word == b"DATA":
            say("354 Go ahead")
            await data(world, reader, address, say)
        else:
            say("250 2.0.0 OK")
        await writer.drain()


async def data(world: World, reader: asyncio.StreamReader, address: str, say: object) -> None:
    """The message, to its end; then the answer, or none."""
    await misbehave(world.mood("hang up", *["good"] * 3))
    await reader.readuntil(b"\r\n.\r\n")
    mood = world.mood("hang", "hang up", "fall over", "busy", "refuse", "lost")
    if mood == "busy":
        say("451 4.3.0 Later")  # type: ignore[operator]
    elif mood == "refuse":
        say("554 5.6.0 Not this one")  # type: ignore[operator]
    elif mood == "lost":
        raise HangUp
    else:
        await asyncio.sleep(0 if world.seed else SLOW_S)
        world.take({address: "-"})
        await misbehave(mood)
        say("250 2.0.0 Queued")  # type: ignore[operator]


# ---------------------------------------------------------------- HTTP, as Mailgun speaks it


async def http(world: World, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    while head := await reader.readuntil(b"\r\n\r\n"):
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        mood = world.mood("hang", "hang up", "lost", "fall over", "429", "500", "503")
        if mood == "lost":
            raise HangUp
        body = await reader.readexactly(int(length[1]) if length else 0)
        method, path = head.decode("latin-1").split()[:2]
        status, answer = (asked if method == "GET" else posted)(world, path, body, mood)
        await misbehave(mood)
        text = json.dumps(answer).encode()
        later = b"Retry-After: 1\r\n" if status == 429 else b""
        writer.write(b"HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s" % (status, later, len(text), text))
        await writer.drain()


def posted(world: World, path: str, body: bytes, mood: str) -> tuple[int, object]:
    """A call to send."""
    if mood.isdigit():
        return int(mood), {"message": "not now"}
    addresses = [found.decode() for found in re.findall(rb'name="to"\r\n\r\n(.*?)\r\n', body)]
    said = body.partition(b'name="recipient-variables"\r\n\r\n')[2].partition(b"\r\n--")[0]
    if any(address.startswith("gone") for address in addresses):
        return 400, {"message": "to parameter is not a valid address. please check documentation"}
    variables = json.loads(said)
    world.take({address: variables[address]["key"] for address in addresses})
    return 200, {"id": "<1@news.example.org>", "message": "Queued. Thank you."}


def asked(world: World, path: str, body: bytes, mood: str) -> tuple[int, object]:
    """What became of a copy: the log tells the truth, if it tells anything."""
    (address,) = parse_qs(urlsplit(path).query)["recipient"]
    if mood != "good" or address not in world.taken:
        return 200, {"items": []}
    event = {"event": "accepted", "timestamp": 1717070400.0, "id": "e1", "recipient": address}
    event |= {"user-variables": {"bulletin_key": world.taken[address]}, "message": {"headers": {"message-id": "1@x"}}}
    return 200, {"items": [event]}


async def main(journal: str, seed: int, *ports: int) -> None:
    """Serve until killed."""
    world = World(journal, seed)

    async def serve(speak: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await speak(world, reader, writer)  # type: ignore[operator]
        except (HangUp, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    servers = [
        await asyncio.start_server(
            lambda reader, writer, speak=speak: serve(speak, reader, writer), "127.0.0.1", port, limit=1 << 22
        )
        for speak, port in zip((smtp, http), ports, strict=True)
    ]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
