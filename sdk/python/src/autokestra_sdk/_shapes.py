"""Types: what JSON they take and give, as a schema and by hand."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import json
import math
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union

from . import _docs


class Misfit(Exception):
    """A value does not fit. `pointer` is the JSON pointer to it."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(reason)
        self.pointer = pointer
        self.reason = reason


class Defs:
    """The schemas that others refer to by name."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}
        self._names: dict[Any, str] = {}

    def ref(self, record: Record) -> dict[str, Any]:
        """A reference to a record's schema."""
        name = self._names.get(record.cls)
        if name is None:
            name, number = record.cls.__name__, 2
            while name in self.schemas:
                name, number = f"{record.cls.__name__}{number}", number + 1
            self._names[record.cls] = name
            self.schemas[name] = {}
            self.schemas[name] = record.whole(self)
        return {"$ref": f"#/$defs/{name}"}


class Shape:
    """What a type takes and gives."""

    says = "anything"

    def schema(self, defs: Defs) -> dict[str, Any]:
        """Its JSON Schema."""
        return {}

    def decode(self, value: Any, at: str) -> Any:
        """The value of JSON as one of the type, or [`Misfit`]."""
        return value

    def misfit(self, value: Any, at: str) -> Misfit:
        """Says what was expected, and what came."""
        return Misfit(at, f"expected {self.says}, found {found(value)}")


class Plain(Shape):
    """A type that JSON has itself."""

    def __init__(self, cls: type, name: str, says: str) -> None:
        self.cls, self.name, self.says = cls, name, says

    def schema(self, defs: Defs) -> dict[str, Any]:
        return {"type": self.name}

    def decode(self, value: Any, at: str) -> Any:
        if isinstance(value, self.cls) and not (isinstance(value, bool) and self.cls is not bool):
            return value
        # 3.0 is a whole number, and 3 is a number.
        if self.cls is int and isinstance(value, float) and value.is_integer():
            return int(value)
        if self.cls is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        raise self.misfit(value, at)


class Items(Shape):
    """A list."""

    says = "a list"

    def __init__(self, item: Shape, make: Any = list, unique: bool = False) -> None:
        self.item, self.make, self.unique = item, make, unique

    def schema(self, defs: Defs) -> dict[str, Any]:
        schema = {"type": "array", "items": self.item.schema(defs)}
        return {**schema, "uniqueItems": True} if self.unique else schema

    def decode(self, value: Any, at: str) -> Any:
        if not isinstance(value, list):
            raise self.misfit(value, at)
        return self.make(self.item.decode(item, f"{at}/{index}") for index, item in enumerate(value))


class Row(Shape):
    """A tuple: a list whose places have types of their own."""

    def __init__(self, places: list[Shape]) -> None:
        self.places = places
        self.says = f"a list of {len(places)}"

    def schema(self, defs: Defs) -> dict[str, Any]:
        places = [place.schema(defs) for place in self.places]
        return {"type": "array", "prefixItems": places, "minItems": len(places), "maxItems": len(places)}

    def decode(self, value: Any, at: str) -> Any:
        if not isinstance(value, list) or len(value) != len(self.places):
            raise self.misfit(value, at)
        return tuple(
            place.decode(item, f"{at}/{index}") for index, (place, item) in enumerate(zip(self.places, value))
        )


class Map(Shape):
    """A dict with names that are not known before."""

    says = "an object"

    def __init__(self, value: Shape) -> None:
        self.value = value

    def schema(self, defs: Defs) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.value.schema(defs) or True}

    def decode(self, value: Any, at: str) -> Any:
        if not isinstance(value, dict):
            raise self.misfit(value, at)
        return {key: self.value.decode(item, f"{at}/{escape(key)}") for key, item in value.items()}


class OneOf(Shape):
    """A `Literal`, or an `Enum`."""

    def __init__(self, values: list[Any], make: Any) -> None:
        self.values, self.make = values, make
        self.says = "one of " + ", ".join(f"`{text(value)}`" for value in values)

    def schema(self, defs: Defs) -> dict[str, Any]:
        names = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
        kinds = list(dict.fromkeys(names[type(value)] for value in self.values))
        schema: dict[str, Any] = {"enum": self.values}
        return {"type": kinds[0], **schema} if len(kinds) == 1 else schema

    def decode(self, value: Any, at: str) -> Any:
        # `True == 1` in Python, and not in JSON.
        if not any(type(known) is type(value) and known == value for known in self.values):
            shown = f"`{text(value)}`" if isinstance(value, str) else found(value)
            raise Misfit(at, f"expected {self.says}, found {shown}")
        return self.make(value)


class Anything(Shape):
    """Anything."""


class Either(Shape):
    """A union: the first that fits is taken."""

    def __init__(self, shapes: list[Shape]) -> None:
        self.shapes = shapes
        self.says = " or ".join(shape.says for shape in shapes)

    def schema(self, defs: Defs) -> dict[str, Any]:
        schemas = [shape.schema(defs) for shape in self.shapes]
        # A type and null are one type with two names, which is shorter to read.
        if len(schemas) == 2 and schemas[1] == {"type": "null"} and isinstance(schemas[0].get("type"), str):
            if "enum" in schemas[0]:
                schemas[0]["enum"] = [*schemas[0]["enum"], None]
            return {**schemas[0], "type": [schemas[0]["type"], "null"]}
        return {"anyOf": schemas}

    def decode(self, value: Any, at: str) -> Any:
        misfits = []
        for shape in self.shapes:
            try:
                return shape.decode(value, at)
            except Misfit as misfit:
                misfits.append(misfit)
        # The one that got furthest knows best what is wrong.
        # Of those that only say that the type is another, all are told at once.
        deepest = max(misfits, key=lambda misfit: (misfit.pointer.count("/"), not misfit.reason.startswith("expected")))
        is_of_type = deepest.pointer != at or not deepest.reason.startswith("expected")
        raise deepest if is_of_type else self.misfit(value, at)


@dataclasses.dataclass
class Field:
    """A field of a record."""

    attribute: str
    name: str
    shape: Shape
    description: str
    # Makes the default. None: the field is required.
    default: Callable[[], Any] | None = None

    def schema(self, defs: Defs) -> dict[str, Any]:
        schema = dict(self.shape.schema(defs))
        if self.description:
            schema["description"] = self.description
        default = encode(self.default()) if self.default else None
        if default is not None:
            schema["default"] = default
        return schema


class Record(Shape):
    """A dataclass, or the parameters of a function: an object whose names are known."""

    says = "an object"

    def __init__(self, cls: Any, description: str, fields: list[Field], make: Any) -> None:
        self.cls, self.description, self.fields, self.make = cls, description, fields, make

    def schema(self, defs: Defs) -> dict[str, Any]:
        return defs.ref(self)

    def whole(self, defs: Defs) -> dict[str, Any]:
        """Its schema in full."""
        schema: dict[str, Any] = {"type": "object"}
        if self.description:
            schema["description"] = self.description
        schema["properties"] = {field.name: field.schema(defs) for field in self.fields}
        required = [field.name for field in self.fields if field.default is None]
        if required:
            schema["required"] = required
        schema["additionalProperties"] = False
        return schema

    def decode(self, value: Any, at: str) -> Any:
        if not isinstance(value, dict):
            raise self.misfit(value, at)
        known = {field.name: field for field in self.fields}
        for key in value:
            if key not in known:
                names = ", ".join(f"`{name}`" for name in known) or "none"
                raise Misfit(f"{at}/{escape(key)}", f"unknown field, expected one of {names}")
        missing = [field.name for field in self.fields if field.default is None and field.name not in value]
        if missing:
            raise Misfit(at, "missing field " + ", ".join(f"`{name}`" for name in missing))
        given = {
            known[key].attribute: known[key].shape.decode(item, f"{at}/{escape(key)}") for key, item in value.items()
        }
        try:
            return self.make(**given)
        except ValueError as error:
            # A dataclass may look at its own values, in `__post_init__`.
            raise Misfit(at, str(error)) from error


_PLAIN: dict[Any, Plain] = {
    str: Plain(str, "string", "a string"),
    bool: Plain(bool, "boolean", "true or false"),
    int: Plain(int, "integer", "a whole number"),
    float: Plain(float, "number", "a number"),
    type(None): Plain(type(None), "null", "null"),
    None: Plain(type(None), "null", "null"),
}


class Shapes:
    """Makes shapes of types, one of each record."""

    def __init__(self) -> None:
        self._records: dict[type, Record] = {}

    def of(self, hint: Any, where: str) -> Shape:
        """The shape of a type. `where` says in messages what it is the type of."""
        if hint in (Any, object, dataclasses.MISSING):
            return Anything()
        if isinstance(hint, collections.abc.Hashable) and hint in _PLAIN:
            return _PLAIN[hint]
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is Annotated:
            return self.of(arguments[0], where)
        if origin is Literal:
            return OneOf(list(arguments), lambda value: value)
        if origin in (Union, types.UnionType):
            # null stands last, as people read it.
            arguments = sorted(arguments, key=lambda argument: argument is type(None))
            return Either([self.of(argument, where) for argument in arguments])
        shape = self._container(hint, origin, arguments, where)
        if shape is not None:
            return shape
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return OneOf([member.value for member in hint], hint)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            return self.record(hint)
        raise TypeError(
            f"{where} is of type {getattr(hint, '__name__', hint)!s}, which is no JSON: take str, int, float, bool, None, list, tuple, "
            "dict, Literal, Optional, an Enum or a dataclass of these"
        )

    def _container(self, hint: Any, origin: Any, arguments: tuple[Any, ...], where: str) -> Shape | None:
        kind = origin or hint
        item = arguments[0] if arguments else Any
        if kind in (list, collections.abc.Sequence, collections.abc.Iterable):
            return Items(self.of(item, where))
        if kind in (set, frozenset):
            return Items(self.of(item, where), kind, unique=True)
        if kind is tuple:
            if len(arguments) == 2 and arguments[1] is Ellipsis or not arguments:
                return Items(self.of(item, where), tuple)
            return Row([self.of(argument, where) for argument in arguments])
        if kind in (dict, collections.abc.Mapping):
            if arguments and arguments[0] not in (str, Any):
                raise TypeError(f"{where} is a dict whose keys are no str; those of JSON are")
            return Map(self.of(arguments[1] if arguments else Any, where))
        return None

    def record(self, cls: type) -> Record:
        """The shape of a dataclass."""
        known = self._records.get(cls)
        if known is not None:
            return known
        record = self._records[cls] = Record(cls, _docs.of_class(cls), [], cls)
        hints = typing.get_type_hints(cls, include_extras=True)
        texts = _docs.of_fields(cls)
        for field in dataclasses.fields(cls):
            if not field.init:
                continue
            hint = hints[field.name]
            record.fields.append(
                Field(
                    field.name,
                    str(field.metadata.get("name", _docs.camel(field.name))),
                    self.of(hint, f"`{cls.__name__}.{field.name}`"),
                    str(field.metadata.get("description", "")) or noted(hint) or texts.get(field.name, ""),
                    _default(field),
                )
            )
        return record


def _default(field: dataclasses.Field[Any]) -> Callable[[], Any] | None:
    if field.default is not dataclasses.MISSING:
        return lambda: field.default
    return None if field.default_factory is dataclasses.MISSING else field.default_factory


def noted(hint: Any) -> str:
    """The text of `Annotated[str, "text"]`."""
    if typing.get_origin(hint) is not Annotated:
        return ""
    return next((_docs.paragraph(note) for note in typing.get_args(hint)[1:] if isinstance(note, str)), "")


def root(shape: Shape) -> dict[str, Any]:
    """A whole schema."""
    defs = Defs()
    schema = shape.whole(defs) if isinstance(shape, Record) else shape.schema(defs)
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return {**schema, "$defs": defs.schemas} if defs.schemas else schema


def encode(value: Any, at: str = "") -> Any:
    """A value as JSON has it; dataclasses by the names of their fields."""
    if value is None or isinstance(value, (str, bool, int)):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Misfit(at, f"{value} is no number of JSON")
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = {field.name: str(field.metadata.get("name", _docs.camel(field.name))) for field in dataclasses.fields(value)}
        return {name: encode(getattr(value, field), f"{at}/{escape(name)}") for field, name in names.items()}
    if isinstance(value, dict):
        return {_key(key, at): encode(item, f"{at}/{escape(str(key))}") for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        # A set has no order, and an output should be the same each time.
        value = sorted(value, key=lambda item: (str(type(item)), item))
    if isinstance(value, (list, tuple)):
        return [encode(item, f"{at}/{index}") for index, item in enumerate(value)]
    raise Misfit(at, f"a value of type {type(value).__name__} is no JSON")


def _key(key: Any, at: str) -> str:
    if isinstance(key, str):
        return str(key.value) if isinstance(key, enum.Enum) else key
    raise Misfit(at, f"the key {key!r} is no str; those of JSON are")


def found(value: Any) -> str:
    """A value for people."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return text(value)
    if isinstance(value, (int, float)):
        return f"the number {text(value)}"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"


def text(value: Any) -> str:
    """A value of JSON as its text; a string without quotes."""
    return value if isinstance(value, str) else json.dumps(value)


def escape(key: str) -> str:
    """A key as a part of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")
