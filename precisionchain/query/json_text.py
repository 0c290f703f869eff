"""A row as JSON: null members left out, dates and times in ISO 8601, bytes in hex."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, time
from typing import Any, Final


def json_line(row: Mapping[str, Any]) -> str:
    """Return a row as JSON, without the members that are null."""
    return json_text({name: value for name, value in row.items() if value is not None})


def json_text(value: Any) -> str:
    """Return a value as JSON."""
    return _ENCODER.encode(value)


def plain_text(value: Any) -> str:
    """Return as text what JSON has no type for."""
    if isinstance(value, date | time):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else str(value)


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, default=plain_text)
