"""`python -m bulletin` and the `bulletin` command."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command line; the exit code is 0 done, 1 findings or refusals, 2 could not start, 3 stopped part-way."""
    from bulletin.cli import run

    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal or file of few letters shows a question mark for the others, and the command goes on.
        sys.stdout.reconfigure(errors="replace")
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
