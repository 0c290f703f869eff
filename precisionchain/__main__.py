"""``python -m precisionchain``: the command line."""

from __future__ import annotations

from precisionchain.cli.app import main

if __name__ == "__main__":
    main()
