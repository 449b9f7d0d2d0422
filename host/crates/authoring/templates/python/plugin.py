"""Greets people."""

from dataclasses import dataclass
from typing import Annotated

from autokestra_sdk import TaskError, action, log, plugin


@dataclass
class Greeting:
    """What was said."""

    text: str
    """The whole greeting."""


@action(idempotent=True)
def greet(name: Annotated[str, "The name of somebody."]) -> Greeting:
    """Greets somebody by name."""
    name = name.strip()
    if not name:
        raise TaskError("no_name", "`name` is empty: say who is to be greeted")
    log.info("greeting", name=name)
    return Greeting(f"Hello, {name}!")


plugin("@plugin@", actions=[greet])
