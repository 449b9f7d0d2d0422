"""What stands between the contract and an author's function."""

from __future__ import annotations

import dataclasses
import inspect
import json
import typing
from functools import partial
from typing import Any, Callable, Generic, ParamSpec, TypeVar, overload

from . import _docs
from ._context import Context
from ._errors import TaskError, from_exception
from ._shapes import Field, Misfit, Record, Shape, Shapes, encode, noted, root

P = ParamSpec("P")
R = TypeVar("R")


class Action(Generic[P, R]):
    """A function that a task can run. Called as it is, it is the function."""

    def __init__(self, function: Callable[P, R], name: str | None, title: str | None, idempotent: bool) -> None:
        self.function = function
        self.name = name or _docs.camel(function.__name__)
        self.title = title or _docs.title(function.__name__)
        self.description = _docs.paragraph(function.__doc__)
        self.idempotent = idempotent
        if inspect.iscoroutinefunction(function):
            raise TypeError(f"`{function.__name__}` is async; an attempt has an interpreter of its own, so an action may wait")
        shapes, hints = Shapes(), typing.get_type_hints(function, include_extras=True)
        if "return" not in hints:
            raise TypeError(f"`{function.__name__}` says not what it returns: write `-> Output`, or `-> None`")
        self._context: str | None = None
        self._whole: str | None = None
        self.input = self._takes(shapes, hints)
        self.input_schema = root(self.input)
        self.output_schema = root(shapes.of(hints["return"], f"what `{function.__name__}` returns"))
        self.__doc__, self.__name__, self.__wrapped__ = function.__doc__, function.__name__, function

    def _takes(self, shapes: Shapes, hints: dict[str, Any]) -> Shape:
        """A dataclass that is the only parameter is the input; else each parameter is a field of it."""
        where = self.function.__name__
        parameters = []
        for parameter in inspect.signature(self.function).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise TypeError(f"`{where}` takes `{parameter}`; the fields of an input have names")
            if parameter.name not in hints:
                raise TypeError(f"`{where}` says not of which type `{parameter.name}` is")
            if hints[parameter.name] is Context:
                self._context = parameter.name
            else:
                parameters.append(parameter)
        if len(parameters) == 1 and dataclasses.is_dataclass(hints[parameters[0].name]):
            self._whole = parameters[0].name
            return shapes.record(hints[self._whole])
        fields = [
            Field(
                parameter.name,
                _docs.camel(parameter.name),
                shapes.of(hints[parameter.name], f"`{parameter.name}` of `{where}`"),
                noted(hints[parameter.name]),
                None if parameter.default is parameter.empty else partial(_same, parameter.default),
            )
            for parameter in parameters
        ]
        return Record(self.function, "", fields, dict)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def run(self, input: Any = None, context: Context | None = None) -> Any:
        """Runs it as a task does: JSON in, JSON out. It fails with [`TaskError`] alone."""
        try:
            given = self.input.decode({} if input is None else input, "")
        except Misfit as misfit:
            raise misfit_error("invalid_input", "the input does not fit", misfit) from None
        arguments = {self._whole: given} if self._whole else dict(given)
        if self._context:
            arguments[self._context] = context or Context.for_tests()
        try:
            output = self.function(**arguments)  # type: ignore[call-arg]
        except (Exception, SystemExit) as error:
            raise from_exception(error) from error
        try:
            return encode(output)
        except Misfit as misfit:
            raise misfit_error("invalid_output", "the output is no JSON", misfit) from None
        except RecursionError:
            raise TaskError("invalid_output", "the output is too deep, or has itself in it") from None


def _same(value: Any) -> Any:
    return value


def misfit_error(code: str, what: str, misfit: Misfit) -> TaskError:
    """What does not fit, for the workflow."""
    place = f" at `{misfit.pointer}`" if misfit.pointer else ""
    return TaskError(code, f"{what}{place}: {misfit.reason}", details={"pointer": misfit.pointer})


@overload
def action(function: Callable[P, R], /) -> Action[P, R]: ...


@overload
def action(
    *, idempotent: bool = False, name: str | None = None, title: str | None = None
) -> Callable[[Callable[P, R]], Action[P, R]]: ...


def action(
    function: Callable[P, R] | None = None,
    /,
    *,
    idempotent: bool = False,
    name: str | None = None,
    title: str | None = None,
) -> Any:
    """Makes a function an action. Its parameters are the input, its docstring the description.

    `idempotent` says that running it twice is the same as running it once. A parameter of the type [`Context`] is told where it
    runs.
    """

    def make(function: Callable[P, R]) -> Action[P, R]:
        return Action(function, name, title, idempotent)

    return make if function is None else make(function)


def to_json(value: Any) -> str:
    """JSON as it crosses the border."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
