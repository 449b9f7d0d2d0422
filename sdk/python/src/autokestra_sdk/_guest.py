"""The guest's side of the contract. Only a component has the modules that this one imports."""

from __future__ import annotations

import json
import time
from typing import Any

import wit_world
from componentize_py_types import Err
from wit_world.imports import log, progress, state

from . import _host
from ._action import to_json
from ._context import Context
from ._errors import TaskError, from_exception, own_lines
from ._plugin import the_one

try:
    # By the names of the smaller world, and of the one with HTTP, where two packages have an interface `types`.
    from wit_world.imports import autokestra_plugin_types as wire
except ImportError:
    from wit_world.imports import types as wire

try:
    # Now, while the component is made: it opens no modules later.
    from . import _wire
except ImportError:
    _wire = None


class Engine:
    """The engine itself."""

    def emit(self, level: str, message: str, fields: list[tuple[str, str]]) -> None:
        log.emit(log.Level[level.upper()], message, fields)

    def report(self, done: int, total: int | None, note: str | None) -> None:
        progress.report(done, total, note)

    def get(self, key: str) -> str | None:
        return _told(lambda: state.get(key))

    def set(self, key: str, value: str) -> None:
        _told(lambda: state.set(key, value))

    def delete(self, key: str) -> None:
        _told(lambda: state.delete(key))

    def send(self, request: Any) -> Any:
        if _wire is None:
            raise TaskError(
                "no_http", "the plugin was built without HTTP: add `http = true` below `[tool.autokestra]` in pyproject.toml"
            )
        return _wire.send(request)


def _told(call: Any) -> Any:
    try:
        return call()
    except Err as error:
        raise TaskError("state", str(error.value)) from None


def component(version: str) -> type:
    """The class that componentize-py looks for."""
    plugin = the_one()
    # Made while the component is: describing costs nothing then.
    manifest = wire.Manifest(
        plugin.name, version, plugin.description, [wire.Action(**action) for action in plugin.described()]
    )
    _host.use(Engine())

    class WitWorld(wit_world.WitWorld):
        def describe(self) -> Any:
            return manifest

        def run(self, action: str, ctx: Any, input: str) -> str:
            deadline = None if ctx.deadline_ms is None else time.monotonic() + ctx.deadline_ms / 1000
            context = Context(
                ctx.execution_id, ctx.workflow_id, ctx.task_id, ctx.attempt, ctx.index, ctx.idempotency_key, deadline
            )
            try:
                return to_json(plugin.run(action, json.loads(input), context))
            except TaskError as error:
                raise Err(_failed(error)) from None
            except (Exception, SystemExit) as error:
                raise Err(_failed(from_exception(error))) from None

    return WitWorld


def _failed(error: TaskError) -> Any:
    cause = error.__cause__
    if cause is not None and not isinstance(cause, TaskError):
        log.emit(log.Level.ERROR, f"{type(cause).__name__}: {cause}", [])
        for line in reversed(own_lines(cause)):
            log.emit(log.Level.ERROR, f"  at {line}", [])
    wait = None if error.retry_after is None else max(0, round(error.retry_after * 1000))
    try:
        details = None if error.details is None else to_json(error.details)
    except (TypeError, ValueError):
        details = to_json(repr(error.details))
    return wire.TaskError(str(error.code), str(error.message), bool(error.retryable), wait, details)
