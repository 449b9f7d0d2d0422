"""Small JSON values that live across the executions of one workflow: watermarks, cursors.

A change takes effect only if the attempt succeeds.
"""

from __future__ import annotations

import json
from typing import Any

from . import _host


def get(key: str, default: Any = None) -> Any:
    """The value of `key`, or `default`."""
    value = _host.current().get(key)
    return default if value is None else json.loads(value)


def set(key: str, value: Any) -> None:
    """Sets `key`. It fails with the code `state` where the value or the key is too large, or there are too many."""
    _host.current().set(key, json.dumps(value, ensure_ascii=False, allow_nan=False))


def delete(key: str) -> None:
    """Removes `key`."""
    _host.current().delete(key)
