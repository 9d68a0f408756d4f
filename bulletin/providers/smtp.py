"""Any mail server that takes messages by SMTP: an organisation's own relay, or a sending service's.

One message for one recipient at a time. SMTP knows no keys: when the connection breaks after the message was handed
over and before the server's answer, nobody can tell whether it left, and the outcome is unknown.
"""

from __future__ import annotations

import datetime as dt
import re
import smtplib
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Literal

from bulletin.config import Config, provider_settings
from bulletin.errors import BulletinError
from bulletin.model import STRICT, Letter, Outcome, OutcomeKind
from bulletin.providers._provider import Capabilities, ProviderError, Surroundings, Way, refused_unsent
from bulletin.render.message import Message
from bulletin.subscribers.tokens import bounce_address

CAPABILITIES = Capabilities(batch=1, key_window=None, really_sends=True)
"""One letter in doubt at most when a process dies: claims and answers cost less than the server's reply."""

PASSWORD_VARIABLE = "BULLETIN_SMTP_PASSWORD"  # noqa: S105 - the name of a variable
CHECK_S = 5.0
LETTERS_PER_CONNECTION = 100
SENDER_FAULTS_IN_A_ROW = 5
"""Answers 5.7.x one after the other that stop the run: the fault is ours, not the readers' (B-08)."""

_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`[providers.smtp]` of `bulletin.toml`."""

    __pydantic_config__ = STRICT

    host: str
    """Name of the mail server: smtp.example.org"""
    port: int | None = None
    """Its port. Leave out for 587, or 465 with tls = "implicit"."""
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    """How the connection is protected. none is only for a mail server on this machine."""
    user: str | None = None
    """Name to log in with; the password comes from BULLETIN_SMTP_PASSWORD."""
    ca_file: str | None = None
    """Certificate file of your organisation's own authority, if the server's certificate comes from it."""
    timeout: float = 60.0
    """Seconds to wait for the server's answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    host: str
    port: int
    tls: str
    user: str | None
    password: str = field(repr=False)
    context: ssl.SSLContext | None = field(repr=False)
    timeout: float
    sender: str
    bounces: str | None
    secret: Callable[[], bytes] = field(repr=False)

    def sender_of(self, letter: Letter) -> str:
        """The envelope sender: where bounces of this copy go (V-01)."""
        return bounce_address(self.secret(), self.bounces, letter.key) if self.bounces else self.sender


def way(config: Config) -> Way:
    """The mail server of the settings. Raises `BulletinError` if they are missing."""
    return Way(host=provider_settings(config, "smtp", Settings).host)


def check(surroundings: Surroundings) -> str:
    """Connect, protect, log in, and hang up: nothing is sent. The version of TLS, or nothing for clear text.

    Waits `CHECK_S` seconds at most for each answer. Raises `BulletinError` saying what is wrong.
    """
    account = _account(surroundings)
    connection = _connect(replace(account, timeout=min(account.timeout, CHECK_S)))
    try:
        line = connection.sock
        return line.version() or "" if isinstance(line, ssl.SSLSocket) else ""
    finally:
        with suppress(smtplib.SMTPException, OSError):
            connection.quit()
        connection.close()


@contextmanager
def open(surroundings: Surroundings) -> Iterator[Session]:
    """A session with the mail server; it connects when the first letter goes.

    Raises `BulletinError` if a setting, the password or the protection is missing.
    """
    session = Session(_account(surroundings), surroundings.now)
    try:
        yield session
    finally:
        session.close()


def _account(surroundings: Surroundings) -> _Account:
    settings = provider_settings(surroundings.config, "smtp", Settings)
    password = surroundings.environment.get(PASSWORD_VARIABLE, "")
    if settings.user and not password:
        raise BulletinError(
            f"there is no password for the mail server {settings.host}.", hint=f"Put it into {PASSWORD_VARIABLE}."
        )
    if not (settings.user or "").isascii() or not password.isascii():
        raise BulletinError(
            "the user name or the password of the mail server holds a letter outside a to z.",
            hint="Not every mail server takes such letters. Choose others.",
        )
    if settings.timeout <= 0:
        raise BulletinError(
            "nobody can answer within no time.", hint="Write a timeout above 0 under [providers.smtp], or leave it out."
        )
    if settings.tls == "none" and (settings.user or settings.host not in _LOCAL_HOSTS):
        raise BulletinError(
            f'tls = "none" would send mail or a password to {settings.host} in clear text.',
            hint='Use tls = "starttls" or "implicit" under [providers.smtp].',
        )
    return _Account(
        host=settings.host,
        port=settings.port or (465 if settings.tls == "implicit" else 587),
        tls=settings.tls,
        user=settings.user,
        password=password,
        context=None if settings.tls == "none" else _context(settings.ca_file),
        timeout=settings.timeout,
        sender=surroundings.config.sender.address,
        bounces=surroundings.config.sender.bounces,
        secret=cache(surroundings.secret),
    )


def _context(ca_file: str | None) -> ssl.SSLContext:
    """TLS 1.2 or later with certificate checks (K-07)."""
    if ca_file and not Path(ca_file).is_file():
        raise BulletinError(f"there is no file {ca_file}.", hint="Correct ca_file under [providers.smtp].")
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (ssl.SSLError, OSError):
        raise BulletinError(
            f"{ca_file} holds no certificate.", hint="ca_file under [providers.smtp] must be a PEM file."
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Session:
    """Sends letters over one connection, renewed every `LETTERS_PER_CONNECTION` letters."""

    def __init__(self, account: _Account, now: Callable[[], dt.datetime]) -> None:
        self.wait = 0.0
        self._account, self._now = account, now
        self._connection: smtplib.SMTP | None = None
        self._used = 0
        self._sender_faults = 0

    def deliver(self, mailing: str, letters: Sequence[Letter], message: Message) -> list[Outcome]:
        """Offer the letters one after the other. See `providers._provider.Session`."""
        outcomes: list[Outcome] = []
        for letter in letters:
            try:
                filled = message.fill(letter, date=self._now())
            except BulletinError as error:
                outcomes.append(refused_unsent(letter, error))
                continue
            try:
                outcomes.append(self._deliver_one(letter, filled))
            except ProviderError as error:
                error.outcomes = (*outcomes, *error.outcomes)
                raise
        return outcomes

    def close(self) -> None:
        """Say goodbye to the server."""
        if self._connection is not None:
            with suppress(smtplib.SMTPException, OSError):
                self._connection.quit()
            self._drop()

    def _deliver_one(self, letter: Letter, message: bytes) -> Outcome:
        connection = self._connected()
        self.wait = 0.0
        try:
            code, text = connection.mail(self._account.sender_of(letter), _mail_options(connection, message))
            if code != 250:
                return self._sender_refused(letter, code, text)
            code, text = connection.rcpt(letter.address)
            if code not in (250, 251):
                connection.rset()
                return self._answered(letter, code, text)
            code, text = connection.docmd("DATA")
            if code != 354:
                connection.rset()
                return self._answered(letter, code, text)
        except (smtplib.SMTPException, OSError):
            # The message has not been handed over yet, so the server cannot have it.
            self._drop()
            self.wait = 5.0
            return _outcome(letter, OutcomeKind.RETRY, "the connection broke before the message was handed over")
        return self._handed_over(connection, letter, message)

    def _handed_over(self, connection: smtplib.SMTP, letter: Letter, message: bytes) -> Outcome:
        """From the first byte of the message on, only a clear answer tells whether the server has it."""
        try:
            connection.send(re.sub(rb"(?m)^\.", b"..", message) + b".\r\n")
            code, text = connection.getreply()
        except (smtplib.SMTPException, OSError):
            self._drop()
            return _outcome(letter, OutcomeKind.UNKNOWN, "the connection broke before the server confirmed the message")
        if not (200 <= code < 300 or 400 <= code < 600):
            # Neither yes nor no (RFC 5321 4.2.1), and nobody knows which answer the next one belongs to.
            self._drop()
            return _outcome(letter, OutcomeKind.UNKNOWN, "the server's reply to the message was neither yes nor no")
        return self._answered(letter, code, text)

    def _answered(self, letter: Letter, code: int, text: bytes) -> Outcome:
        """What a reply means for this recipient (RFC 5321 4.2, RFC 3463)."""
        reason = f"{code} {text.decode('utf-8', 'replace')}"
        if 200 <= code < 300:
            self._sender_faults = 0
            return _outcome(letter, OutcomeKind.ACCEPTED, reason)
        if code == 421:
            self._drop()
        if code in (421, 454):
            self.wait = 30.0
        if code in (530, 535):
            raise self._stopped(reason)
        if code < 500:
            return _outcome(letter, OutcomeKind.RETRY, reason)
        if not re.match(rb"5\.7\.", text):
            self._sender_faults = 0
            return _outcome(letter, OutcomeKind.REFUSED, reason)
        self._sender_faults += 1
        outcome = _outcome(letter, OutcomeKind.RETRY, reason)
        if self._sender_faults >= SENDER_FAULTS_IN_A_ROW:
            raise self._stopped(reason, outcome)
        return outcome

    def _sender_refused(self, letter: Letter, code: int, text: bytes) -> Outcome:
        if code >= 500 and not re.match(rb"5\.3\.4", text) and code != 552:
            raise self._stopped(f"{code} {text.decode('utf-8', 'replace')}")
        with suppress(smtplib.SMTPServerDisconnected):
            if self._connection:
                self._connection.rset()
        return self._answered(letter, code, text)

    def _stopped(self, reason: str, *outcomes: Outcome) -> ProviderError:
        return ProviderError(
            f"the mail server {self._account.host} does not take mail from this sender: {reason}.",
            hint="Ask who runs it whether this sender may use it.",
            outcomes=outcomes,
        )

    def _connected(self) -> smtplib.SMTP:
        if self._connection is not None and self._used >= LETTERS_PER_CONNECTION:
            self.close()
        if self._connection is None:
            self._connection, self._used = _connect(self._account), 0
        self._used += 1
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _mail_options(connection: smtplib.SMTP, message: bytes) -> list[str]:
    """The size, told beforehand, lets a server refuse early what it would refuse anyway (RFC 1870)."""
    return [f"SIZE={len(message)}"] if connection.has_extn("size") else []


def _outcome(letter: Letter, kind: OutcomeKind, reason: str) -> Outcome:
    return Outcome(key=letter.key, kind=kind, reason=reason)


def _connect(account: _Account) -> smtplib.SMTP:
    """A connection that is protected and logged in. Raises `ProviderError` saying what to do."""
    where = f"{account.host}:{account.port}"
    try:
        return _logged_in(account)
    except ssl.SSLCertVerificationError as error:
        raise ProviderError(
            f"the certificate of {where} cannot be trusted: {error.verify_message}.",
            hint="Check the host's name. For an authority of your own, name its file as ca_file.",
        ) from None
    except smtplib.SMTPAuthenticationError as error:
        raise ProviderError(
            f"{where} does not accept the user name and password ({error.smtp_code}).",
            hint=f"Check user under [providers.smtp] and {PASSWORD_VARIABLE}.",
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
    except (smtplib.SMTPException, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ProviderError(
            f"the mail server {where} cannot be reached: {reason}.",
            hint="Check host, port and tls under [providers.smtp], and your network.",
        ) from None


def _logged_in(account: _Account) -> smtplib.SMTP:
    connection: smtplib.SMTP
    if account.tls == "implicit":
        connection = smtplib.SMTP_SSL(account.host, account.port, timeout=account.timeout, context=account.context)
    else:
        connection = smtplib.SMTP(account.host, account.port, timeout=account.timeout)
    try:
        if account.tls == "starttls":
            connection.starttls(context=account.context)
        connection.ehlo_or_helo_if_needed()
        if account.user:
            connection.login(account.user, account.password)
    except BaseException:
        connection.close()
        raise
    return connection
