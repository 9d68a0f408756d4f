"""Any mail server that takes messages by SMTP: an organisation's own relay, Microsoft 365, or a sending service's.

Settings and secrets are read here; `_smtpsession` sends, `_smtpline` speaks, `_dkim` signs, `_oauth` fetches tokens.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from bulletin.config import Config, provider_settings
from bulletin.errors import BulletinError
from bulletin.model import STRICT
from bulletin.providers import _dkim, _oauth
from bulletin.providers._provider import Capabilities, Surroundings, Way
from bulletin.providers._smtpline import Login
from bulletin.providers._smtpsession import Account, Session, connect

CAPABILITIES = Capabilities(batch=50, one_by_one=True, key_window=None, really_sends=True, connections=4)

PASSWORD_VARIABLE = "BULLETIN_SMTP_PASSWORD"  # noqa: S105 - the name of a variable
CLIENT_SECRET_VARIABLE = "BULLETIN_SMTP_CLIENT_SECRET"  # noqa: S105 - the name of a variable
DKIM_VARIABLE = "BULLETIN_DKIM_KEY"
SECOND_DKIM_VARIABLE = "BULLETIN_DKIM_SECOND_KEY"
CHECK_S = 5.0
MOST_CONNECTIONS = 50

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
    tenant: str | None = None
    """For Microsoft 365: id of your organisation's directory; the app's secret is in BULLETIN_SMTP_CLIENT_SECRET."""
    client: str | None = None
    """For Microsoft 365: id of the app that may send. It logs in with a token, and no password is needed."""
    token_url: str | None = None
    """Web address that gives such tokens, if it is not Microsoft's."""
    token_scope: str = _oauth.MICROSOFT_SCOPE
    """What the token is asked for."""
    ca_file: str | None = None
    """Certificate file of your organisation's own authority, if the server's certificate comes from it."""
    connections: int = 4
    """How many connections may be open at once. Fewer, if the server complains."""
    timeout: float = 60.0
    """Seconds to wait for the server's answer; five times as long for its answer to a message."""
    dkim_selector: str | None = None
    """Name of the key that signs each mail, if the mail server signs none; the key comes from BULLETIN_DKIM_KEY."""
    dkim_domain: str | None = None
    """Domain of that key. Leave out if it is the sender's."""
    dkim_key_file: str | None = None
    """File that holds the key, instead, for its owner's eyes only."""
    dkim_second_selector: str | None = None
    """Name of an Ed25519 key that signs as well; it comes from BULLETIN_DKIM_SECOND_KEY."""
    dkim_second_key_file: str | None = None
    """File that holds that key, instead."""


def way(config: Config) -> Way:
    """The mail server, and the domains of envelope and signature. Raises `BulletinError` if settings are missing."""
    settings = provider_settings(config, "smtp", Settings)
    selectors = tuple(name for name in (settings.dkim_selector, settings.dkim_second_selector) if name)
    signing = (settings.dkim_domain or "") if selectors else ""
    bounces = (config.sender.bounces or "").rpartition("@")[2]
    return Way(host=settings.host, signing=signing, selectors=selectors, bounces=bounces)


def connections(config: Config) -> int:
    """How many sessions the settings allow at once."""
    return provider_settings(config, "smtp", Settings).connections


def check(surroundings: Surroundings) -> str:
    """Connect, protect, log in, and hang up: nothing is sent. The version of TLS, or nothing for clear text.

    Waits `CHECK_S` seconds at most for each answer. Raises `BulletinError` saying what is wrong.
    """
    account = _account(surroundings)
    line = connect(replace(account, timeout=min(account.timeout, CHECK_S)), None)
    version = line.tls
    line.goodbye()
    return version


@contextmanager
def open(surroundings: Surroundings) -> Iterator[Session]:
    """A session with the mail server; it connects when the first letter goes.

    Raises `BulletinError` if a setting, a secret or the protection is missing.
    """
    session = Session(_account(surroundings), surroundings.now)
    try:
        yield session
    finally:
        session.close()


# ---------------------------------------------------------------- settings and secrets


def _account(surroundings: Surroundings) -> Account:
    settings, sender = provider_settings(surroundings.config, "smtp", Settings), surroundings.config.sender
    if settings.timeout <= 0:
        raise BulletinError(
            "nobody can answer within no time.", hint="Write a timeout above 0 under [providers.smtp], or leave it out."
        )
    if not 1 <= settings.connections <= MOST_CONNECTIONS:
        raise BulletinError(
            f"a mail server cannot be reached over {settings.connections} connections.",
            hint=f"Write connections from 1 to {MOST_CONNECTIONS} under [providers.smtp], or leave it out.",
        )
    if settings.tls == "none" and (settings.user or settings.host not in _LOCAL_HOSTS):
        raise BulletinError(
            f'tls = "none" would send mail or a password to {settings.host} in clear text.',
            hint='Use tls = "starttls" or "implicit" under [providers.smtp].',
        )
    by_token = settings.client is not None
    secret_from = CLIENT_SECRET_VARIABLE if by_token else PASSWORD_VARIABLE
    return Account(
        host=settings.host,
        port=settings.port or (465 if settings.tls == "implicit" else 587),
        tls=settings.tls,
        context=None if settings.tls == "none" else _context(settings.ca_file),
        timeout=settings.timeout,
        sender=sender.address,
        bounces=sender.bounces,
        secret=cache(surroundings.secret),
        login=_by_token(settings, surroundings) if by_token else _by_password(settings, surroundings),
        user_hint=f"Check user under [providers.smtp] and {secret_from}.",
        signer=_signer(settings, surroundings),
    )


def _by_password(settings: Settings, surroundings: Surroundings) -> tuple[Login, ...]:
    """PLAIN, LOGIN or CRAM-MD5, whichever the server offers."""
    password = surroundings.environment.get(PASSWORD_VARIABLE, "")
    user = settings.user
    if user is None:
        return ()
    if not password:
        raise BulletinError(
            f"there is no password for the mail server {settings.host}.", hint=f"Put it into {PASSWORD_VARIABLE}."
        )
    if not user.isascii() or not password.isascii():
        raise BulletinError(
            "the user name or the password of the mail server holds a letter outside a to z.",
            hint="Not every mail server takes such letters. Choose others.",
        )

    def log_in(connection: smtplib.SMTP) -> None:
        if not {"PLAIN", "LOGIN", "CRAM-MD5"} & _offered(connection):
            raise smtplib.SMTPNotSupportedError
        connection.login(user, password)

    return (log_in,)


def _offered(connection: smtplib.SMTP) -> set[str]:
    """The ways to log in that the server offers."""
    return set(connection.esmtp_features.get("auth", "").upper().split())


def _by_token(settings: Settings, surroundings: Surroundings) -> tuple[Login, ...]:
    secret = surroundings.environment.get(CLIENT_SECRET_VARIABLE, "")
    user, client = settings.user, settings.client
    if not user or not client or not (settings.tenant or settings.token_url):
        raise BulletinError(
            "to log in with a token, user, client and tenant are needed.",
            hint="Write all three under [providers.smtp]. See: bulletin help sending",
        )
    if not secret:
        raise BulletinError(
            f"there is no secret for the app that logs in to {settings.host}.",
            hint=f"Put it into {CLIENT_SECRET_VARIABLE}.",
        )
    url = settings.token_url or _oauth.MICROSOFT.format(tenant=settings.tenant)
    tokens = _oauth.Tokens(url=url, client=client, scope=settings.token_scope, secret=secret)

    def log_in(connection: smtplib.SMTP) -> None:
        if "XOAUTH2" not in _offered(connection):
            raise smtplib.SMTPNotSupportedError
        first = iter([_oauth.xoauth2(user, tokens.current())])
        try:
            # What the server says when it is not content is answered with nothing, and it then gives its reply.
            connection.auth("XOAUTH2", lambda challenge=None: next(first, ""))
        except smtplib.SMTPAuthenticationError:
            tokens.forget()
            raise

    return (log_in,)


def _signer(settings: Settings, surroundings: Surroundings) -> _dkim.Signer | None:
    wanted = (
        (settings.dkim_selector, settings.dkim_key_file, DKIM_VARIABLE),
        (settings.dkim_second_selector, settings.dkim_second_key_file, SECOND_DKIM_VARIABLE),
    )
    if settings.dkim_selector is None:
        if settings.dkim_second_selector or settings.dkim_key_file:
            raise BulletinError(
                "the key that signs mail has no name.", hint="Write dkim_selector under [providers.smtp]."
            )
        return None
    keys = []
    for number, (selector, file, variable) in enumerate(wanted):
        if selector is None:
            continue
        pem = _dkim.read_key_file(file) if file else surroundings.environment.get(variable, "")
        if not pem:
            raise BulletinError(
                f'there is no DKIM key "{selector}".',
                hint=f"Put it into {variable}, or name its file as dkim_key_file.",
            )
        keys.append(_dkim.read_key(selector, pem, where=file or variable, second=number > 0))
    domain = settings.dkim_domain or surroundings.config.sender.address.rpartition("@")[2]
    return _dkim.Signer(domain, keys)


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
