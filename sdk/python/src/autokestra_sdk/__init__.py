"""Write plugins for Autokestra: functions with typed input and output, each run in a sandbox of its own.

    from dataclasses import dataclass
    from autokestra_sdk import TaskError, action, log, plugin

    @dataclass
    class Greeting:
        text: str
        \"\"\"The whole greeting.\"\"\"

    @action(idempotent=True)
    def greet(name: str) -> Greeting:
        \"\"\"Greets somebody by name.\"\"\"
        log.info("greeting", name=name)
        return Greeting(f"Hello, {name}!")

    plugin("acme/hello", actions=[greet])

Type hints become the JSON Schemas, docstrings the descriptions. Names are `camelCase` in YAML, and unknown ones are refused.
"""

from . import http, log, progress, state
from ._action import Action, action
from ._context import Context
from ._errors import TaskError
from ._plugin import Plugin, plugin

__all__ = ["Action", "Context", "Plugin", "TaskError", "action", "http", "log", "plugin", "progress", "state"]
