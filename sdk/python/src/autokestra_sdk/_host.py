"""The engine as the sdk sees it: the real one inside a component, a fake one in tests."""

from __future__ import annotations

import sys
from typing import Any, Protocol


class Host(Protocol):
    """What the engine does for a plugin."""

    def emit(self, level: str, message: str, fields: list[tuple[str, str]]) -> None: ...
    def report(self, done: int, total: int | None, note: str | None) -> None: ...
    def get(self, key: str) -> str | None: ...
    def set(self, key: str, value: str) -> None: ...
    def delete(self, key: str) -> None: ...
    def send(self, request: Any) -> Any: ...


class Missing:
    """No engine: logs go to stderr, values live as long as the process."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def emit(self, level: str, message: str, fields: list[tuple[str, str]]) -> None:
        rest = "".join(f" {key}={value}" for key, value in fields)
        print(f"{level.upper()}: {message}{rest}", file=sys.stderr)

    def report(self, done: int, total: int | None, note: str | None) -> None:
        """Nobody watches."""

    def get(self, key: str) -> str | None:
        return self.values.get(key)

    def set(self, key: str, value: str) -> None:
        self.values[key] = value

    def delete(self, key: str) -> None:
        self.values.pop(key, None)

    def send(self, request: Any) -> Any:
        raise RuntimeError("there is no network outside of a component; `autokestra_sdk.testing.host` answers in tests")


_current: Host = Missing()


def current() -> Host:
    """The engine."""
    return _current


def use(host: Host) -> Host:
    """Takes another engine, and gives back the one before."""
    global _current
    before, _current = _current, host
    return before
