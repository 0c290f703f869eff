"""The command line's door, ``precisionchain`` or ``python -m precisionchain``; it loads quickly.

Ctrl-C is caught here, so that it is told in one line also while the rest is being loaded.
"""

from __future__ import annotations

import sys
from typing import Final

INTERRUPTED: Final = 130
"""Exit code of a command that was interrupted, as shells have it: 128 + SIGINT."""


def main() -> None:
    """Run the command line; say what to do where it was interrupted."""
    try:
        from precisionchain.cli.app import main as run

        run()
    except KeyboardInterrupt:
        _stop()
    except SystemExit as ended:
        if ended.code != INTERRUPTED:
            raise
        _stop()


def _stop() -> None:
    sys.stderr.write("\ninterrupted: nothing half-written counts; run the command again\n")
    raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    main()
