"""A plugin: its name, and its actions."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

from . import _docs
from ._action import Action, to_json
from ._context import Context
from ._errors import TaskError

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*/[a-z0-9]+(-[a-z0-9]+)*")


class Plugin:
    """What `plugin` made: the actions by their names, and what is said of them."""

    def __init__(self, name: str, actions: Sequence[Action[..., Any]], description: str) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"`{name}` is no name of a plugin: take `namespace/plugin`, in lower case")
        self.name = name
        self.description = description
        self.actions: dict[str, Action[..., Any]] = {}
        for one in actions:
            if not isinstance(one, Action):
                raise TypeError(f"`{getattr(one, '__name__', one)!s}` is no action: put `@action` above its `def`")
            if one.name in self.actions:
                raise ValueError(f"`{name}` has two actions named `{one.name}`")
            self.actions[one.name] = one
        if not self.actions:
            raise ValueError(f"`{name}` has no action")

    def run(self, action: str, input: Any = None, context: Context | None = None) -> Any:
        """Runs the action of a name as a task does: JSON in, JSON out."""
        found = self.actions.get(action)
        if found is None:
            raise TaskError("unknown_action", f"there is no action `{action}`")
        return found.run(input, context)

    def described(self) -> list[dict[str, Any]]:
        """The actions as the contract has them."""
        return [
            {
                "name": one.name,
                "title": one.title,
                "description": one.description,
                "input_schema": to_json(one.input_schema),
                "output_schema": to_json(one.output_schema),
                "idempotent": one.idempotent,
            }
            for one in self.actions.values()
        ]


_made: list[Plugin] = []


def plugin(name: str, *, actions: Sequence[Action[..., Any]], description: str | None = None) -> Plugin:
    """Says what the plugin is called and which actions it has. Its description is the docstring of the module, unless it is given."""
    if description is None:
        module = sys._getframe(1).f_globals.get("__doc__")
        description = _docs.paragraph(module)
    made = Plugin(name, actions, description)
    _made.append(made)
    return made


def the_one() -> Plugin:
    """The plugin that the author's module made."""
    if len(_made) != 1:
        raise ValueError(f"the module calls `plugin(…)` {len(_made)} times; it must be once")
    return _made[0]
