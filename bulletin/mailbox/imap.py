"""Reads a mailbox over IMAP and leaves every mail in it: what was dealt with is marked or moved, never deleted.

IMAPClient speaks to the server. It gives the bytes of a mail as they are, which imap-tools takes apart on the spot; and
unlike imaplib it understands what servers answer.
"""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from bulletin.config import Mailbox
from bulletin.errors import BulletinError

if TYPE_CHECKING:
    from imapclient import IMAPClient

PASSWORD_VARIABLE: Final = "BULLETIN_MAILBOX_PASSWORD"  # noqa: S105 - the name of a variable
TOKEN_VARIABLE: Final = "BULLETIN_MAILBOX_TOKEN"  # noqa: S105
CLIENT_SECRET_VARIABLE: Final = "BULLETIN_MAILBOX_CLIENT_SECRET"  # noqa: S105
_TIMEOUT_S = 30.0


class Box:
    """A folder of a mailbox that is open. Mails are named by their numbers in it, which last."""

    def __init__(self, client: IMAPClient, setting: Mailbox, *, read_only: bool) -> None:
        self._client, self._done_folder = client, setting.done_folder
        if self._done_folder and not read_only and not client.folder_exists(self._done_folder):
            client.create_folder(self._done_folder)
        chosen = client.select_folder(setting.folder, readonly=read_only)
        self.validity = int(chosen[b"UIDVALIDITY"])
        """Changes if the numbers were given anew."""

    def after(self, number: int) -> list[int]:
        """The mails with a higher number, in order."""
        found = self._client.search(["UID", f"{number + 1}:*"])  # the server names the last one in any case
        return sorted(each for each in found if each > number)

    def size(self, number: int) -> int:
        """Bytes of a mail; 0 if it is gone."""
        answer: Mapping[bytes, Any] = self._client.fetch([number], ["RFC822.SIZE"]).get(number, {})
        return int(answer.get(b"RFC822.SIZE", 0))

    def mail(self, number: int) -> tuple[bytes, dt.datetime | None]:
        """A mail, which stays unread, and when the server took it; no bytes if it is gone."""
        answer: Mapping[bytes, Any] = self._client.fetch([number], ["BODY.PEEK[]", "INTERNALDATE"]).get(number, {})
        at: dt.datetime | None = answer.get(b"INTERNALDATE")
        return bytes(answer.get(b"BODY[]", b"")), at.astimezone() if at else None

    def done(self, number: int) -> None:
        """A mail needs nobody any more: mark it as read, and move it away if there is a folder for it."""
        self._client.add_flags([number], [b"\\Seen"])
        if self._done_folder and self._client.has_capability("MOVE"):
            self._client.move([number], self._done_folder)

    def for_a_person(self, number: int) -> None:
        """Somebody has to look at a mail: give it the star or flag that mail programs show."""
        self._client.add_flags([number], [b"\\Flagged"])


@contextmanager
def open_box(setting: Mailbox, environment: Mapping[str, str], *, read_only: bool = False) -> Iterator[Box]:
    """The folder of the settings, over a connection whose certificate was checked.

    Raises `BulletinError` if it cannot be reached, does not let us in, or breaks off; what was done stays done.
    """
    from imapclient import IMAPClient
    from imapclient.exceptions import IMAPClientError, LoginError

    where = f"the mailbox at {setting.host}"
    context = _context(setting)
    try:
        client = IMAPClient(
            setting.host,
            port=setting.port,
            ssl=setting.security == "tls",
            ssl_context=context if setting.security == "tls" else None,
            timeout=_TIMEOUT_S,
        )
    except ssl.SSLCertVerificationError as error:
        raise BulletinError(
            f"{where} has a certificate that is not right: {error.verify_message}.",
            hint="Check host under [mailbox]. For an authority of your own, name its file as ca_file.",
        ) from None
    except (OSError, IMAPClientError) as error:
        raise BulletinError(f"{where} cannot be reached: {_said(error)}.", hint="Check [mailbox].") from None
    try:
        with client:
            if setting.security == "starttls":
                client.starttls(context)
            _sign_in(client, setting, environment)
            yield Box(client, setting, read_only=read_only)
    except LoginError:
        raise BulletinError(
            f"{where} does not let {setting.user} in.",
            hint=f"Check user under [mailbox], and {PASSWORD_VARIABLE} or {TOKEN_VARIABLE}.",
        ) from None
    except ssl.SSLCertVerificationError as error:
        raise BulletinError(
            f"{where} has a certificate that is not right: {error.verify_message}.",
            hint="Check host under [mailbox]. For an authority of your own, name its file as ca_file.",
        ) from None
    except IMAPClientError as error:
        raise BulletinError(f"{where} refused: {_said(error)}.", hint="Check the folders under [mailbox].") from None
    except OSError as error:
        if error.filename is not None:  # a file of ours
            raise
        raise BulletinError(f"the connection to {where} broke: {_said(error)}.", hint="Run it again.") from None


def _sign_in(client: IMAPClient, setting: Mailbox, environment: Mapping[str, str]) -> None:
    token, password = environment.get(TOKEN_VARIABLE), environment.get(PASSWORD_VARIABLE)
    if setting.client:
        token = _token(setting, setting.client, environment)
    if token:
        client.oauth2_login(setting.user, token)
    elif password:
        client.login(setting.user, password)
    else:
        raise BulletinError(
            f"there is no password for the mailbox of {setting.user}.",
            hint=f"Put it into the environment as {PASSWORD_VARIABLE}, or an access token as {TOKEN_VARIABLE}.",
        )


def _token(setting: Mailbox, client: str, environment: Mapping[str, str]) -> str:
    """A token for the app of the settings, from Microsoft or another place that gives them."""
    from bulletin.providers import _oauth
    from bulletin.providers._provider import ProviderError
    from bulletin.providers._smtpline import Broken

    secret = environment.get(CLIENT_SECRET_VARIABLE, "")
    if not secret:
        raise BulletinError(
            f"there is no secret for the app that signs in to {setting.host}.",
            hint=f"Put it into {CLIENT_SECRET_VARIABLE}.",
        )
    url = setting.token_url or _oauth.MICROSOFT.format(tenant=setting.tenant)
    try:
        return _oauth.Tokens(url=url, client=client, scope=_oauth.MICROSOFT_SCOPE, secret=secret).current()
    except ProviderError:
        raise BulletinError(
            f"{url} gives the app no token to sign in to {setting.host} with.",
            hint=f"Check tenant and client under [mailbox], and {CLIENT_SECRET_VARIABLE}.",
        ) from None
    except Broken as broken:
        raise BulletinError(f"{setting.host} could not be signed in to: {broken}.", hint="Run it again.") from None


def _context(setting: Mailbox) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=setting.ca_file)
    except (OSError, ssl.SSLError):
        raise BulletinError(
            f"{setting.ca_file} holds no certificate.", hint="ca_file under [mailbox] must be a PEM file."
        ) from None


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
