"""How a task fails."""

import re

CODE = re.compile(r"[a-z0-9_]{1,64}")


class TaskError(Exception):
    """Ends a task with a code of the script's own."""

    def __init__(self, code, message, *, retryable=False, retry_after_ms=None, details=None):
        super().__init__(message)
        self.code = code if isinstance(code, str) and CODE.fullmatch(code) else "script_error"
        self.retryable = bool(retryable)
        self.retry_after_ms = retry_after_ms
        self.details = details
