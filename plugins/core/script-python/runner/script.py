"""Runs one script, and says in its own words how it failed."""

import ast
import asyncio
import dataclasses
import datetime
import decimal
import inspect
import json
import linecache
import os
import pathlib
import sys
import traceback
import types
import uuid

from wit_world.imports import log as wit_log

from runner.errors import TaskError

LINE_CHARS_MAX = 120
TRACEBACK_FRAMES_MAX = 20


class Log:
    """Entries with a level and fields: `log.info("read", rows=3)`."""

    def __getattr__(self, level):
        try:
            level = wit_log.Level[level.upper().replace("WARNING", "WARN")]
        except KeyError:
            raise AttributeError(f"log has debug, info, warn and error, not {level}") from None
        return lambda message, **fields: wit_log.emit(level, str(message), [(key, str(value)) for key, value in fields.items()])


def run(ctx, given):
    """Runs what stands in `code` or in `file`; its `output` as JSON."""
    from runner.web import fetch

    code, file = given.get("code"), given.get("file")
    if (code is None) == (file is None) or not isinstance(code or file, str):
        raise TaskError("invalid_input", "give either `code` or `file`")
    if code is None:
        code = read(file)
    name = file or "script"
    # Tracebacks of the script's own show its lines.
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    scope = {
        "__name__": "__main__",
        "__file__": name,
        "input": given.get("input"),
        "output": None,
        "ctx": types.SimpleNamespace(
            execution_id=ctx.execution_id,
            workflow_id=ctx.workflow_id,
            task_id=ctx.task_id,
            attempt=ctx.attempt,
            index=ctx.index,
            idempotency_key=ctx.idempotency_key,
        ),
        "fetch": fetch,
        "log": Log(),
        "TaskError": TaskError,
    }
    # What looks for the script's own module finds it: dataclasses, pickle, typing.
    module = types.ModuleType("__main__")
    module.__dict__.update(scope)
    sys.modules["__main__"] = module
    scope = module.__dict__
    try:
        compiled = compile(code, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        if compiled.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(compiled, scope))
        else:
            exec(compiled, scope)
    except SystemExit as end:
        if end.code not in (None, 0):
            raise failure(end, name, code, f"the script ended by exit({end.code!r})") from None
    except MemoryError as error:
        if str(error):  # Not of memory, but of a parser.
            raise failure(error, name, code) from None
        exhausted(error, name)
    except BaseException as error:
        raise failure(error, name, code) from None
    finally:
        flush()
    try:
        return json.dumps(scope.get("output"), default=plain, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise TaskError("script_error", f"`output` cannot be JSON: {error}") from None


def read(file):
    try:
        with open(file, encoding="utf-8") as opened:
            return opened.read()
    except OSError as error:
        raise TaskError(code_of(error), f"{file}: {words(error)}") from None
    except UnicodeDecodeError:
        raise TaskError("invalid_utf8", f"{file}: it is no UTF-8") from None


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # A script may have closed it, or put something else there.
            pass


def plain(value):
    """What JSON does not know."""
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (decimal.Decimal, pathlib.PurePath, uuid.UUID)):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"`{type(value).__name__}` is no type of JSON")


def exhausted(error, name):
    """Out of memory: the host knows, and says so. Little can be done in here."""
    line = next((frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name), None)
    wit_log.emit(wit_log.Level.ERROR, f"out of memory in line {line}", [])
    flush()
    os.abort()


def code_of(error):
    """The code of the task's error."""
    if isinstance(error, TaskError):
        return error.code
    if isinstance(error, FileNotFoundError):
        return "not_found"
    if isinstance(error, PermissionError):
        return "permission_denied"
    return "script_error"


def words(error):
    """The message, without what nobody knows the number of."""
    if isinstance(error, PermissionError):
        return "the workflow does not grant it"
    if isinstance(error, FileNotFoundError):
        return "there is no such file or folder"
    return str(error)


def failure(error, name, code, message=None):
    """An exception, as the error of the task."""
    try:
        text = message or described(error)
    except Exception:  # `__str__` is the script's own.
        text = type(error).__name__
    line, place = None, ""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    if isinstance(error, SyntaxError) and error.filename == name:
        line = error.lineno
    elif frames:
        line = frames[-1].lineno
    lines = code.splitlines()
    details = None
    if line and 0 < line <= len(lines):
        source = lines[line - 1].strip()[:LINE_CHARS_MAX]
        of = "" if name == "script" else f"{name} "
        place = f" ({of}line {line}: `{source}`)"
        called = [f"line {frame.lineno}, in {frame.name}" for frame in frames[-TRACEBACK_FRAMES_MAX:]]
        details = {"line": line, "source": source, "traceback": called}
    if isinstance(error, TaskError):
        if error.details is not None:
            details = {**(details or {}), "given": error.details}
        wait = error.retry_after_ms
        wait = int(wait) if isinstance(wait, (int, float)) and 0 <= wait < 2**63 else None
        return TaskError(error.code, text + place, retryable=error.retryable, retry_after_ms=wait, details=details)
    return TaskError(code_of(error), text + place, details=details)


def described(error):
    if isinstance(error, TaskError):
        return str(error)
    if isinstance(error, (FileNotFoundError, PermissionError)) and error.filename is not None:
        return f"{error.filename}: {words(error)}"
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
