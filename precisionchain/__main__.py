"""The command line's door, ``precisionchain`` or ``python -m precisionchain``; it loads quickly.

Ctrl-C is caught here, so that it is told in one line also while the rest is being loaded.
"""

from __future__ import annotations

import gc
import sys
from typing import Final

INTERRUPTED: Final = 130
"""Exit code of a command that was interrupted, as shells have it: 128 + SIGINT."""
_NEW_OBJECTS: Final = 10_000
"""So many new objects before Python looks for cycles among them: a command makes 150,000 while it
loads, and all of them stay."""


def main() -> None:
    """Run the command line; say what to do where it was interrupted."""
    gc.set_threshold(_NEW_OBJECTS)
    try:
        from precisionchain.cli.app import main as run

        run()
    except KeyboardInterrupt:
        _stop()
    except SystemExit as ended:
        if ended.code != INTERRUPTED:
            raise
        _stop()
    finally:
        if "duckdb" not in sys.modules:  # its binding tells on stderr what was not collected
            gc.freeze()  # the process ends: what is left in cycles need not be looked for


def _stop() -> None:
    sys.stderr.write("\ninterrupted: nothing half-written counts; run the command again\n")
    raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    main()
