"""`python -m thread`, and the command `thread`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. Exceptions of the program that it runs, SystemExit included, come out of here."""
    if not sys.flags.safe_path:
        # This entry is the current folder, or that of the command. Our own imports must not come from there.
        del sys.path[0]

    from ._cli.run import run

    run(sys.argv[1:])


if __name__ == "__main__":
    main()
