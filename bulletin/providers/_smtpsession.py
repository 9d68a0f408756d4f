"""A session with a mail server: one letter after the other over one line, and what each answer means for it.

SMTP knows no keys: when the connection breaks after a message was handed over and before the server's answer, nobody
can tell whether it left, and the outcome is unknown. Whatever breaks earlier, that message certainly did not leave.
"""

from __future__ import annotations

import datetime as dt
import smtplib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bulletin.errors import BulletinError
from bulletin.model import Letter, Outcome, OutcomeKind
from bulletin.providers._dkim import Signer
from bulletin.providers._provider import ProviderError, refused_unsent
from bulletin.providers._smtpline import Broken, Closing, Line, Login, Nonsense, Reply, dial
from bulletin.render.message import Message
from bulletin.subscribers.tokens import bounce_address

LETTERS_PER_CONNECTION = 100
SENDER_FAULTS_IN_A_ROW = 5
"""Answers 5.7.x one after the other that stop the run: the fault is ours, not the readers' (B-08)."""
IN_DOUBT_IN_A_ROW = 3
"""Messages one after the other that the server took and did not confirm, which stop the run."""
BROKEN_IN_A_ROW = 2
"""New connections one after the other that broke before they took a message: the rest of the call is put off."""
PATIENCE = 5
"""How many times longer than for anything else to wait for the answer to a message: servers look for viruses first, and
ten minutes are allowed for it (RFC 5321 4.5.3.2.6)."""
_END = b".\r\n"
_ABOUT_THE_SERVER = ("4.3.1", "4.3.2", "4.4.5")
"""Statuses of a server that has no room or time for anybody just now (RFC 3463)."""
_WAIT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the settings and the secrets come to."""

    host: str
    port: int
    tls: str
    context: ssl.SSLContext | None = field(repr=False)
    timeout: float
    sender: str
    bounces: str | None
    secret: Callable[[], bytes] = field(repr=False)
    login: tuple[Login, ...] = field(repr=False)
    user_hint: str
    """What to look at if the server does not take who logs in."""
    signer: Signer | None = field(repr=False)

    @property
    def where(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    def sender_of(self, letter: Letter) -> str:
        """The envelope sender: where bounces of this copy go (V-01)."""
        return bounce_address(self.secret(), self.bounces, letter.key) if self.bounces else self.sender


@dataclass(frozen=True, slots=True)
class _Copy:
    """A letter as it goes over the line."""

    letter: Letter
    sender: str
    """The sender on its envelope."""
    data: bytes = field(repr=False)
    """The message as DATA takes it, but for its end. No line of it starts with a dot, so none is doubled."""


class Session:
    """Sends letters over one connection, renewed every `LETTERS_PER_CONNECTION` letters.

    Where the server allows it, a message travels together with the envelope of the next one, and costs one round trip.
    """

    def __init__(self, account: Account, now: Callable[[], dt.datetime]) -> None:
        self.wait = 0.0
        self._account, self._now = account, now
        self._line: Line | None = None
        self._name: str | None = None
        self._held: _Copy | None = None
        """Its envelope was taken, and nothing of its message has been said."""
        self._started = False
        """Whether the server has an envelope that the next one has to put an end to."""
        self._reached = False
        """Whether the server was ever there."""
        self._outcomes: list[Outcome] = []
        self._sender_faults = self._in_doubt = self._broken = 0

    def deliver(self, mailing: str, letters: Sequence[Letter], message: Message) -> list[Outcome]:
        """Offer the letters one after the other. See `providers._provider.Session`."""
        self.wait, self._outcomes, self._broken = 0.0, [], 0
        try:
            for letter in letters:
                self._offer(letter, message)
            self._settle()
        except ProviderError as error:
            self._drop()
            error.outcomes = tuple(self._outcomes)
            raise
        except BaseException:
            self._drop()
            raise
        return self._outcomes

    def close(self) -> None:
        """Say goodbye to the server."""
        if self._line is not None:
            self._line.goodbye()
            self._drop()

    def _offer(self, letter: Letter, message: Message) -> None:
        """Have the letter's envelope taken and hold its message, or note why not."""
        try:
            copy = self._copy(letter, message)
        except BulletinError as error:
            self._settle()
            self._outcomes.append(refused_unsent(letter, error))
            return
        if self._broken >= BROKEN_IN_A_ROW:
            self._note(letter, OutcomeKind.RETRY, "the mail server was left alone after connections broke")
            return
        while True:
            renewed = self._line is None or self._line.letters >= LETTERS_PER_CONNECTION
            try:
                line = self._connected()
                if self._cannot_carry(line, copy):
                    return
                self._envelope(line, copy)
            except Broken as broken:
                self._drop()
                if not renewed:
                    continue  # over an old line: perhaps the server had hung up long since
                self._broken += 1
                self.wait = max(self.wait, broken.wait)
                self._note(letter, OutcomeKind.RETRY, f"{broken.reason}, before the message was handed over")
            return

    def _copy(self, letter: Letter, message: Message) -> _Copy:
        date, signer, sender = self._now(), self._account.signer, self._account.sender_of(letter)
        if signer is None:
            data = message.fill(letter, date=date)
        else:
            head, body = message.pieces(letter, date=date)
            data = b"".join((signer.signatures(head, body, date=date), head, b"\r\n", *body))
        if b"\n." in data:  # not so in messages of `render.message`; a server would take it for the end, or swallow it
            raise BulletinError("a line of the message starts with a dot")
        return _Copy(letter, sender, data)

    def _cannot_carry(self, line: Line, copy: _Copy) -> bool:
        """Whether the server has said beforehand that it will not take this one; then it is refused."""
        size = len(copy.data)
        if line.largest and size > line.largest:
            raise ProviderError(
                f"the message has {size} bytes, and the mail server {self._account.host} takes {line.largest} at most.",
                hint="Make the issue shorter. See: bulletin check",
            )
        if copy.letter.address.isascii() or line.smtputf8:
            return False
        self._settle()
        why = "not sent: the mail server carries no address with letters outside a to z (SMTPUTF8)"
        self._note(copy.letter, OutcomeKind.REFUSED, why)
        return True

    def _envelope(self, line: Line, copy: _Copy) -> None:
        """Say the envelope, behind the message held if the server takes both at once, and hold this message if the
        answers are good; else note why not. Raises `Broken` if the line is of no use."""
        commands = self._commands(line, copy)
        if self._started and self._held is None:
            self._say(line, b"RSET\r\n")
            if line.reply(self._account.timeout).code >= 400:
                raise Nonsense("the server does not start anew")
        replies = []
        try:
            for group in [b"".join(commands)] if line.pipelining else commands:
                self._say(line, group)
                for _ in range(group.count(b"\n")):
                    replies.append(line.reply(self._account.timeout))  # noqa: PERF401 - those before a break count
                if replies[-1].code >= 400:
                    break
        except Broken:
            # It may have said what it thinks of this one before it hung up.
            if not any(reply.code >= 400 for reply in replies):
                raise
            self._drop()
        self._started = self._line is not None and replies[0].code < 400
        self._judge(line, copy, replies)

    def _judge(self, line: Line, copy: _Copy, replies: Sequence[Reply]) -> None:
        """Hold the message if MAIL, RCPT and DATA were taken; else note which was not, and why."""
        for command, reply in zip(("MAIL", "RCPT", "DATA"), replies, strict=False):
            if reply.code >= 400:
                if replies[-1].code == 354:
                    self._say_nothing(line)
                note = self._sender_refused if command == "MAIL" else self._answered
                note(copy.letter, reply)
                return
            if reply.code // 100 != (3 if command == "DATA" else 2):
                raise Nonsense(f"the server's reply to {command} makes no sense")
        line.letters += 1
        self._held = copy
        if not line.pipelining:
            self._settle()

    def _say_nothing(self, line: Line) -> None:
        """A server that asks for a message although nobody is to get it is given an empty one (RFC 2920 3.1)."""
        try:
            line.say(_END, self._account.timeout)
            line.reply(self._account.timeout)
            self._started = False
        except Broken:
            self._drop()

    def _commands(self, line: Line, copy: _Copy) -> list[bytes]:
        options = f" SIZE={len(copy.data)}" if line.has_size else ""
        if not copy.data.isascii() and line.eight_bit:
            options += " BODY=8BITMIME"
        if not copy.letter.address.isascii():
            options += " SMTPUTF8"
        mail = f"MAIL FROM:<{copy.sender}>{options}\r\n".encode()
        return [mail, f"RCPT TO:<{copy.letter.address}>\r\n".encode(), b"DATA\r\n"]

    # ---- from here on a message is handed over

    def _settle(self) -> None:
        """Hand over the message held, if any, and note what comes of it."""
        if self._held is not None and self._line is not None:
            try:
                self._say(self._line)
            except Broken as broken:
                self.wait = max(self.wait, broken.wait)
                self._drop()

    def _say(self, line: Line, commands: bytes = b"") -> None:
        """The message held and these commands, in one go; then what the server answers to the message is noted.

        Raises `Broken` if the line is of no use afterwards; the held message has an outcome all the same.
        """
        held, self._held = self._held, None
        before = (held.data, _END) if held else ()
        seconds = self._account.timeout * (PATIENCE if held else 1)
        try:
            line.say(b"".join((*before, commands)), seconds)
        except Broken as broken:
            if held and broken.handed_over < len(held.data) + len(_END):
                self._note(held.letter, OutcomeKind.RETRY, f"{broken.reason} before it had the whole message")
            elif held:
                self._doubt(held.letter, broken.reason)
            raise
        if held is None:
            return
        self._started = False
        try:
            reply = line.reply(seconds)
        except Closing as closing:
            self._note(held.letter, OutcomeKind.RETRY, closing.reason)
            raise
        except Broken as broken:
            self._doubt(held.letter, broken.reason)
            raise
        if reply.code < 400 and not 200 <= reply.code < 300:
            # Neither yes nor no (RFC 5321 4.2.1), and nobody knows which answer the next one belongs to.
            nonsense = Nonsense("the server's reply to the message was neither yes nor no")
            self._doubt(held.letter, nonsense.reason)
            raise nonsense
        self._answered(held.letter, reply)

    # ---- what an answer means

    def _answered(self, letter: Letter, reply: Reply) -> None:
        """For this recipient (RFC 5321 4.2, RFC 3463, V-07)."""
        self._in_doubt = self._broken = 0
        if reply.code < 300:
            self._sender_faults = 0
            self._note(letter, OutcomeKind.ACCEPTED, str(reply))
            return
        if reply.code in (530, 534, 535, 538):
            raise self._stopped(reply)
        if reply.code < 500:
            if reply.code == 454 or reply.status in _ABOUT_THE_SERVER:
                self.wait = max(self.wait, _WAIT_S)
            self._note(letter, OutcomeKind.RETRY, str(reply))
            return
        if not reply.status.startswith("5.7."):
            self._sender_faults = 0
            self._note(letter, OutcomeKind.REFUSED, str(reply))
            return
        self._sender_faults += 1
        self._note(letter, OutcomeKind.RETRY, str(reply))
        if self._sender_faults >= SENDER_FAULTS_IN_A_ROW:
            raise self._stopped(reply)

    def _sender_refused(self, letter: Letter, reply: Reply) -> None:
        if reply.code >= 500 and reply.status != "5.3.4" and reply.code != 552:
            raise self._stopped(reply)
        self._answered(letter, reply)

    def _doubt(self, letter: Letter, reason: str) -> None:
        self._note(letter, OutcomeKind.UNKNOWN, f"{reason} before it confirmed the message")
        self._in_doubt += 1
        if self._in_doubt >= IN_DOUBT_IN_A_ROW:
            raise ProviderError(
                f"the mail server {self._account.host} did not confirm {IN_DOUBT_IN_A_ROW} messages in a row, so it is"
                " unknown whether they left.",
                hint="Ask who runs it, then decide with: bulletin resolve",
            )

    def _note(self, letter: Letter, kind: OutcomeKind, reason: str) -> None:
        self._outcomes.append(Outcome(key=letter.key, kind=kind, reason=reason))

    def _stopped(self, reply: Reply) -> ProviderError:
        return ProviderError(
            f"the mail server {self._account.host} does not take mail from this sender: {reply}.",
            hint="Ask who runs it whether this sender may use it.",
        )

    # ---- the line

    def _connected(self) -> Line:
        if self._line is not None and self._line.letters >= LETTERS_PER_CONNECTION:
            self._settle()
            self.close()
        if self._line is None:
            try:
                self._line = connect(self._account, self._name)
            except _UnreachableError as error:
                if not self._reached:
                    raise
                raise Broken(error.message.rstrip("."), wait=_WAIT_S) from None
            self._reached, self._name = True, self._line.name
        return self._line

    def _drop(self) -> None:
        self._started, self._held = False, None
        if self._line is not None:
            self._line.drop()
            self._line = None


class _UnreachableError(ProviderError):
    """Nobody is there just now; some other time there may be."""


def connect(account: Account, name: str | None) -> Line:
    """A connection that is protected and logged in. Raises `ProviderError` saying what to do."""
    where = account.where
    try:
        return dial(
            account.host,
            account.port,
            seconds=account.timeout,
            tls=account.tls,
            context=account.context,
            name=name,
            login=account.login,
        )
    except ssl.SSLCertVerificationError as error:
        raise ProviderError(
            f"the certificate of {where} cannot be trusted: {error.verify_message}.",
            hint="Check the host's name. For an authority of your own, name its file as ca_file.",
        ) from None
    except smtplib.SMTPNotSupportedError:
        raise ProviderError(
            f"{where} does not offer what the settings ask for: a protected connection with log-in.",
            hint="Check host, port and tls under [providers.smtp].",
        ) from None
    except (UnicodeError, OverflowError):
        raise ProviderError(
            f"{where} is not the address of a mail server.", hint="Correct host and port under [providers.smtp]."
        ) from None
    except smtplib.SMTPResponseException as error:
        code = error.smtp_code
        if isinstance(error, smtplib.SMTPAuthenticationError) and code >= 500:
            raise ProviderError(
                f"{where} does not accept the user name and password ({code}).", hint=account.user_hint
            ) from None
        said = error.smtp_error if isinstance(error.smtp_error, str) else error.smtp_error.decode("utf-8", "replace")
        raise _unreachable(where, f"{code} {' '.join(said.split())}") from None
    except Broken as broken:
        raise _unreachable(where, broken.reason) from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise _unreachable(where, getattr(error, "strerror", None) or str(error) or type(error).__name__) from None


def _unreachable(where: str, reason: str) -> _UnreachableError:
    return _UnreachableError(
        f"the mail server {where} cannot be reached: {reason}.",
        hint="Check host, port and tls under [providers.smtp], and your network.",
    )
