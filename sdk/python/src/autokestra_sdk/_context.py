"""Where and as what an action runs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Context:
    """Where and as what an action runs. An action that wants it takes a parameter of this type."""

    execution_id: str
    """The id of the execution."""
    workflow_id: str
    """The id of the workflow."""
    task_id: str
    """The id of the task."""
    attempt: int
    """The number of this attempt, from 1."""
    index: int | None
    """The position in a `forEach`, from 0."""
    idempotency_key: str
    """The same for all attempts of one task run: give it to services that take one."""
    _deadline: float | None = field(default=None, repr=False)

    def time_left(self) -> float | None:
        """Seconds until the attempt is stopped, where there is a limit."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    @staticmethod
    def for_tests() -> Context:
        """The first attempt of `task`, without a deadline."""
        return Context("exec-00000000000000000000000000", "workflow", "task", 1, None, "key")
