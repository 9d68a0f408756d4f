"""A real IMAP server on this machine, with one mailbox, over TLS."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme
from imapclient import IMAPClient
from proxyprotocol.reader import ProxyProtocolReader
from pymap.backend.dict import Config, DictBackend, Login
from pymap.exceptions import InvalidAuth
from pymap.imap import IMAPServer
from pysasl import SASLAuth
from pysasl.creds.external import ExternalCredentials, ExternalVerificationRequired

USER, PASSWORD, TOKEN = "bounces@bounce.example.org", "a made-up password", "token-made-up"


class _WithTokens(Config):
    """Also lets in who has an access token."""

    @property
    def tls_auth(self) -> SASLAuth:
        return SASLAuth.named([b"PLAIN", b"XOAUTH2"])


class _Login(Login):
    async def authenticate(self, credentials: Any) -> Any:
        if isinstance(credentials, ExternalCredentials):
            try:
                credentials.verify(None)
            except ExternalVerificationRequired as asked:
                if (credentials.authzid, asked.token) == (USER, TOKEN):
                    return self.demo_user_identity
                raise InvalidAuth from None
        return await super().authenticate(credentials)


class ImapServer:
    """The server's mailbox, as its owner sees it."""

    def __init__(self, port: int, ca_file: Path, *, starttls: bool) -> None:
        self.port, self.ca_file, self.starttls = port, ca_file, starttls

    @contextmanager
    def owner(self, folder: str = "INBOX") -> Iterator[IMAPClient]:
        """Signed in, with a folder open."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        with IMAPClient("localhost", port=self.port, ssl=not self.starttls, ssl_context=context, timeout=10) as client:
            if self.starttls:
                client.starttls(context)
            client.login(USER, PASSWORD)
            client.select_folder(folder)
            yield client

    def put(self, *mails: bytes, at: dt.datetime | None = None) -> None:
        """Mails arrive."""
        with self.owner() as client:
            for mail in mails:
                client.append("INBOX", mail, msg_time=at)

    def flags(self, folder: str = "INBOX") -> list[set[str]]:
        """The marks on each mail of a folder, in order; one that was never looked at has none."""
        with self.owner(folder) as client:
            found = client.get_flags(client.search())
        return [{flag.decode().strip("\\") for flag in found[number]} - {"Recent"} for number in sorted(found)]


@contextmanager
def imap_server(folder: Path, *, starttls: bool = False) -> Iterator[ImapServer]:
    """One that runs while the context lasts."""
    authority = trustme.CA()
    ca_file = folder / "imap-ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    started, ports = threading.Event(), []
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()

    async def serve() -> None:
        args = Namespace(
            host=None,
            port=0,
            debug=False,
            cert=None,
            key=None,
            tls=starttls,
            passlib_cfg=None,
            proxy_protocol=None,
            demo_data=False,
            demo_user=USER,
            demo_password=PASSWORD,
        )
        config = _WithTokens.from_args(args, ssl_context=context, invalid_user_sleep=0.0)
        login = _Login(config)
        await DictBackend._add_demo_user(config, login)
        config.apply_context()
        calls = ProxyProtocolReader(config.proxy_protocol).get_callback(IMAPServer(login, config))
        server = await asyncio.start_server(calls, "127.0.0.1", 0, ssl=None if starttls else context)
        async with server:
            ports.append(server.sockets[0].getsockname()[1])
            started.set()
            await stopping.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield ImapServer(ports[0], ca_file, starttls=starttls)
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(10)
        loop.close()
