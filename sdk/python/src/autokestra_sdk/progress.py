"""How far an action has come, for whoever watches."""

from __future__ import annotations

from . import _host


def report(done: int, total: int | None = None, note: str | None = None) -> None:
    """Says that `done` of `total` units are done, with a few words for people."""
    _host.current().report(done, total, note)
