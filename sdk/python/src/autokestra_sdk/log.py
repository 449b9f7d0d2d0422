"""Log entries with a level and fields: `log.info("rendering", rows=3)`.

What is printed is logged as well: stdout as INFO, stderr as WARN.
"""

from __future__ import annotations

from typing import Any

from . import _host


def debug(message: object, /, **fields: Any) -> None:
    """For whoever looks for a fault."""
    _emit("debug", message, fields)


def info(message: object, /, **fields: Any) -> None:
    """What went on."""
    _emit("info", message, fields)


def warn(message: object, /, **fields: Any) -> None:
    """What may become a fault."""
    _emit("warn", message, fields)


def error(message: object, /, **fields: Any) -> None:
    """A fault."""
    _emit("error", message, fields)


def _emit(level: str, message: object, fields: dict[str, Any]) -> None:
    _host.current().emit(level, str(message), [(key, str(value)) for key, value in fields.items()])
