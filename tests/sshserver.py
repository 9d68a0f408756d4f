"""A real SSH server that runs commands as whoever started it: `python sshserver.py FOLDER` prints its port.

FOLDER holds its key, `host`, and the public keys it lets in, `allowed`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import asyncssh


async def run(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """One command, with its streams joined to those of the other side."""
    pipe = asyncio.subprocess.PIPE
    command = await asyncio.create_subprocess_shell(process.command or "true", stdin=pipe, stdout=pipe, stderr=pipe)
    await process.redirect(stdin=command.stdin, stdout=command.stdout, stderr=command.stderr)
    for said in (process.stdout, process.stderr):
        await said.drain()  # all that was said is on its way before the end is told
    process.exit(await command.wait())


async def serve(folder: Path) -> None:
    """Serve until the process is ended."""
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[str(folder / "host")],
        authorized_client_keys=str(folder / "allowed"),
        process_factory=run,
        encoding=None,
    )
    print(server.get_port(), flush=True)
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
