"""The component `core/script-python`: the action `python`, over the contract's own world."""

import json

from componentize_py_types import Err
import wit_world
from wit_world.imports import autokestra_plugin_types as types

from runner import library, script

library.load()
# After the library, of which it takes parts.
from runner import start  # noqa: E402

library.freeze()

INPUT = {
    "type": "object",
    "properties": {
        "code": {"type": ["string", "null"], "description": "The script. Its variable `output` is the output. Either this or `file`."},
        "file": {"type": ["string", "null"], "description": "A file with the script, which the workflow grants. Either this or `code`."},
        "input": {
            "description": "Any value; the script has it as `input`. What comes of other tasks belongs here, not into `code`.",
        },
    },
    "additionalProperties": False,
}

DESCRIPTION = """Runs Python and gives its variable `output`.

The script has `input`, `ctx`, `log`, `fetch`, `TaskError` and the standard library; `await` works everywhere, `open` and `urllib.request` do
what the workflow grants. What it prints is the log; an exception is the error `script_error` with the line that raised it."""


class WitWorld(wit_world.WitWorld):
    def describe(self):
        action = types.Action(
            name="python",
            title="Run Python",
            description=DESCRIPTION,
            input_schema=json.dumps(INPUT),
            output_schema="{}",
            idempotent=False,
        )
        return types.Manifest(
            name="core/script-python",
            version="1.0.0",
            description="Runs Python that stands in a workflow, or in a file that it grants: CPython 3.14 inside the sandbox.",
            actions=[action],
        )

    def run(self, action, ctx, input):
        start.fresh()
        try:
            return script.run(ctx, json.loads(input))
        except script.TaskError as error:
            raise Err(
                types.TaskError(
                    code=error.code,
                    message=str(error),
                    retryable=error.retryable,
                    retry_after_ms=error.retry_after_ms,
                    details=None if error.details is None else json.dumps(error.details, default=str),
                )
            ) from None
