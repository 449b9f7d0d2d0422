"""The engine in tests: what was logged, what was kept, and answers to requests.

    with testing.host() as host:
        greet("Ada")
    assert host.logs == [("info", "greeting", {"name": "Ada"})]
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from . import _host
from .http import Request, Response


class FakeHost:
    """An engine that remembers what it was told."""

    def __init__(self, state: dict[str, Any] | None = None, answer: Callable[[Request], Response] | None = None) -> None:
        self.logs: list[tuple[str, str, dict[str, str]]] = []
        """What was logged: level, message, fields."""
        self.progress: list[tuple[int, int | None, str | None]] = []
        """How far the action said that it was: done, total, note."""
        self.requests: list[Request] = []
        """What was asked for by HTTP."""
        self._state = {key: json.dumps(value) for key, value in (state or {}).items()}
        self._answer = answer

    @property
    def state(self) -> dict[str, Any]:
        """The values that are kept."""
        return {key: json.loads(value) for key, value in self._state.items()}

    def emit(self, level: str, message: str, fields: list[tuple[str, str]]) -> None:
        self.logs.append((level, message, dict(fields)))

    def report(self, done: int, total: int | None, note: str | None) -> None:
        self.progress.append((done, total, note))

    def get(self, key: str) -> str | None:
        return self._state.get(key)

    def set(self, key: str, value: str) -> None:
        self._state[key] = value

    def delete(self, key: str) -> None:
        self._state.pop(key, None)

    def send(self, request: Request) -> Response:
        self.requests.append(request)
        if self._answer is None:
            raise AssertionError(f"{request.method} {request.url} was asked for, and the test gives no answer")
        return self._answer(request)


@contextmanager
def host(
    state: dict[str, Any] | None = None, answer: Callable[[Request], Response] | None = None
) -> Iterator[FakeHost]:
    """An engine for the time of a test, with values that are kept already, and what answers requests."""
    fake = FakeHost(state, answer)
    before = _host.use(fake)
    try:
        yield fake
    finally:
        _host.use(before)
