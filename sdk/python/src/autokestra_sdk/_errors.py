"""How an action fails."""

from __future__ import annotations

import json
import re
import sys
import traceback
from typing import Any

# What is between the contract and an author's function stands in no traceback.
_OURS = re.compile(r"(^|/)(autokestra_sdk|autokestra_main|wit_world|componentize_py_\w+)(/|\.|$)")
# Inside a component, each folder of modules is mounted under a number.
_MOUNT = re.compile(r"^/\d+/")
_FRAMES_MAX = 20


class TaskError(Exception):
    """A code for machines, a message for people, and whether another attempt may succeed.

    `code` is lower case with underscores, e.g. `not_found`. `retry_after` is the least wait before another attempt, in seconds;
    `details` is more for machines, as JSON.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        details: Any = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"


def from_exception(error: BaseException) -> TaskError:
    """What an exception is for the workflow. Those of files and JSON have the codes that they have in all languages."""
    if isinstance(error, TaskError):
        return error
    lines = own_lines(error)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    message = f"{text} ({lines[-1]})" if lines else text
    details = {"exception": type(error).__name__, "traceback": lines}
    code, retryable = _code(error)
    return TaskError(code, message, retryable=retryable, details=details)


def _code(error: BaseException) -> tuple[str, bool]:
    if isinstance(error, FileNotFoundError):
        return "not_found", False
    if isinstance(error, PermissionError):
        return "permission_denied", False
    if isinstance(error, (TimeoutError, InterruptedError)):
        return "io", True
    if isinstance(error, OSError):
        return "io", False
    if isinstance(error, json.JSONDecodeError):
        return "invalid_json", False
    if isinstance(error, UnicodeError):
        return "invalid_utf8", False
    return "exception", False


def own_lines(error: BaseException) -> list[str]:
    """Where an exception came from, without what is not the author's: `plugin.py:12 in greet`, the innermost last."""
    # Not `extract_tb`: that reads the sources, which a component may not, and asking is logged as a denial.
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    own = [(code, line) for code, line in frames if not _OURS.search(code.co_filename)]
    return [f"{_place(code.co_filename)}:{line} in {code.co_name}" for code, line in own[-_FRAMES_MAX:]]


def _place(path: str) -> str:
    path = _MOUNT.sub("", path)
    for folder in sys.path:
        if folder and path.startswith(folder.rstrip("/") + "/"):
            return path[len(folder.rstrip("/")) + 1 :]
    return path
