"""`python -m thread`, and the command `thread`."""

from __future__ import annotations

import sys


def main() -> None:
    """Do what the command line says. What the program that it runs raises, SystemExit included, comes out of here."""
    if not sys.flags.safe_path:
        # Here stands the current folder, or that of the command. What we import must not come from there.
        del sys.path[0]

    from ._cli.run import run

    run(sys.argv[1:])


if __name__ == "__main__":
    main()
