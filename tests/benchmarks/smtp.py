"""How fast mail leaves through a mail server: `.venv/bin/python tests/benchmarks/smtp.py`, or `run.py --smtp`.

A whole mailing, with its ledger and a link of its own for each reader, goes to Postfix's `smtp-sink`, which takes
everything and keeps nothing. The yardsticks send as many messages of the same size there: Postfix's own `smtp-source`
over as many connections, kept open; and a plain loop that makes each message with `EmailMessage` and sends it with
smtplib. They run in turns. Where Postfix is not installed, its Debian package is fetched and unpacked beside this
file, which starts no mail server and changes nothing else on the machine.
"""

from __future__ import annotations

import argparse
import email.policy
import json
import os
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import mailing  # noqa: E402 - it lies with the tests

from bulletin.config import Sending  # noqa: E402
from bulletin.delivery import sender as sending  # noqa: E402
from bulletin.model import Letter, RenderedEdition  # noqa: E402
from bulletin.render.message import MessageTemplate  # noqa: E402

UNPACKED = HERE / "postfix"
LOOP = 2_000
"""Messages of the plain loop: it is slow, and each takes as long as the last."""
RECIPIENTS, CONNECTIONS, SIZE, ROUNDS = 100_000, 8, 60_000, 3


def main() -> None:
    """Measure in turns; prints microseconds for a message as JSON: sent (ours, source, loop), made (filled, built)."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--recipients", type=int, default=RECIPIENTS)
    options.add_argument("--connections", type=int, default=CONNECTIONS)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--send", nargs=2, metavar=("PORT", "FOLDER"), help=argparse.SUPPRESS)
    wanted = options.parse_args()
    if wanted.send:
        print(send(int(wanted.send[0]), Path(wanted.send[1]), wanted.recipients, wanted.connections))
        return
    tools = postfix()
    if tools is None:
        sys.exit("smtp-sink is missing. On Debian and Ubuntu: sudo apt install postfix")
    took: dict[str, list[float]] = {"ours": [], "source": [], "loop": [], "filled": [], "built": []}
    count = wanted.recipients
    for _ in range(wanted.rounds):
        with sink(*tools) as port:
            took["source"].append(source(*tools, port, count, wanted.connections) / count * 1e6)
        with sink(*tools) as port, tempfile.TemporaryDirectory() as folder:
            mine = [sys.executable, __file__, "--send", str(port), folder, f"--recipients={count}"]
            done = subprocess.run([*mine, f"--connections={wanted.connections}"], stdout=subprocess.PIPE, check=True)
            took["ours"].append(float(done.stdout) / count * 1e6)
        with sink(*tools) as port:
            took["loop"].append(loop(port, min(LOOP, count)) / min(LOOP, count) * 1e6)
        template = mailing.template(edition())
        took["filled"].append(making(lambda one, made=template: made.fill(one, date=mailing.NOON)))
        took["built"].append(making(lambda one, made=template: built(made, one).as_bytes()))
    print(json.dumps(took))


# ---------------------------------------------------------------- what is measured


def send(port: int, folder: Path, count: int, connections: int) -> float:
    """Seconds of a mailing, from entering its plan to the last answer in the ledger."""
    room, rendered = newsroom(port, folder), edition()
    room.subscribe(f"reader{number}@example{number % 50}.org" for number in range(count))
    plan, templates = room.plan("smtp", [rendered]), room.templates([rendered])
    with room.sender("smtp") as usual:
        sender = replace(usual, connections=connections, question=room.question([rendered]))
        began = time.perf_counter()
        standing = sending.run(sender, plan, templates)
        took = time.perf_counter() - began
    assert standing.accepted == count, standing
    return took


def source(folder: Path, environment: dict[str, str], port: int, count: int, connections: int) -> float:
    """Seconds of `smtp-source` for as many messages."""
    command = [str(folder / "smtp-source"), "-d", "-s", str(connections), "-m", str(count), "-l", str(SIZE)]
    addresses = ["-f", "news@news.example.org", "-t", "reader@example.org"]
    began = time.perf_counter()
    subprocess.run([*command, *addresses, f"127.0.0.1:{port}"], env=environment, check=True)
    return time.perf_counter() - began


def loop(port: int, count: int) -> float:
    """Seconds of a plain loop: make the message, send it, over one connection."""
    made = mailing.template(edition())
    began = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", port) as server:
        for number in range(count):
            one = mailing.letter(f"reader{number}@example.org", f"{number:020x}", number)
            server.send_message(built(made, one))
    return time.perf_counter() - began


def built(made: MessageTemplate, one: Letter) -> EmailMessage:
    """A reader's copy, made from nothing."""
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"], message["Subject"] = "news@news.example.org", one.address, made.subject
    message["List-Unsubscribe"] = f"<{one.personal['unsubscribe_url']}>"
    message.set_content(made.text_of(one))
    message.add_alternative(made.html_of(one), subtype="html")
    return message


def making(make: Callable[[Letter], bytes]) -> float:
    """Microseconds of making one copy."""
    letters = [mailing.letter(f"reader{number}@example.org", f"{number:020x}", number) for number in range(200)]
    began = time.perf_counter()
    for one in letters:
        make(one)
    return (time.perf_counter() - began) / len(letters) * 1e6


# ---------------------------------------------------------------- what it takes


def edition() -> RenderedEdition:
    """An edition whose message has about `SIZE` bytes."""
    page = mailing.HTML * 9
    line = "<p>More of the same, as it stands in every issue.</p>\n"
    return mailing.edition(html=page + line * ((SIZE - len(page) - 3500) // (len(line) + 1)))


def newsroom(port: int, folder: Path) -> mailing.Newsroom:
    """A publication in a folder that sends to this port."""
    own = {"host": "127.0.0.1", "port": port, "tls": "none"}
    return mailing.Newsroom(folder, mailing.config(providers={"smtp": own}, sending=Sending(provider="smtp")))


@contextmanager
def sink(folder: Path, environment: dict[str, str]) -> Iterator[int]:
    """A running `smtp-sink`; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    # As root it wants to become somebody else.
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([str(folder / "smtp-sink"), *user, f"127.0.0.1:{port}", "1000"], env=environment)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait()


def postfix() -> tuple[Path, dict[str, str]] | None:
    """Folder and environment of Postfix's test programs, after an attempt to fetch them; None without."""
    places = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    installed = shutil.which("smtp-sink", path=places)
    if installed:
        return Path(installed).parent, dict(os.environ)
    programs, libraries = UNPACKED / "usr/sbin", UNPACKED / "usr/lib/postfix"
    if not (programs / "smtp-sink").exists() and shutil.which("apt-get") and shutil.which("dpkg"):
        with tempfile.TemporaryDirectory() as folder:
            quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.run(["apt-get", "download", "postfix"], check=False, **quiet)
            for package in Path(folder).glob("postfix_*.deb"):
                subprocess.run(["dpkg", "-x", str(package), str(UNPACKED)], check=False, **quiet)
    if not (programs / "smtp-sink").exists():
        return None
    return programs, {**os.environ, "LD_LIBRARY_PATH": str(libraries)}


if __name__ == "__main__":
    main()
