"""`python -m bulletin` and the `bulletin` command."""

from __future__ import annotations

import gc
import io
import os
import sys


def main() -> None:
    """Run the command line; the exit code is 0 done, 1 findings or refusals, 2 could not start, 3 stopped part-way."""
    # A command lives for a second or so; looking for garbage while it loads its modules costs a twentieth of that.
    gc.set_threshold(50_000)
    from bulletin.cli import output, run

    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal or file of few letters shows a question mark for the others, and the command goes on.
        sys.stdout.reconfigure(errors="replace")
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError as error:
        # What could not be written cannot be written at the very end either, where Python would try again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or output.explain(error)
    sys.exit(code)


if __name__ == "__main__":
    main()
