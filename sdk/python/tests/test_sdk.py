"""The sdk by itself, natively: schemas, decoding, errors, and HTTP with an engine that is made up."""

from __future__ import annotations

import enum
import json
import unittest
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Optional, Union

from autokestra_sdk import Context, TaskError, action, http, log, plugin, progress, state, testing
from autokestra_sdk import _plugin
from autokestra_sdk._errors import from_exception
from autokestra_sdk._shapes import Misfit, Shapes, encode, root


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Row:
    """One row.

    Of
    many.
    """

    first_name: str
    """Who
    it is."""
    size: Annotated[int, "How large."] = 1
    tags: list[str] = field(default_factory=list, metadata={"description": "Words.", "name": "labels"})
    next: Optional[Row] = None

    def __post_init__(self) -> None:
        if self.size > 99:
            raise ValueError(f"{self.size} is too large a size")


@dataclass
class Plain:
    x: float


def shape(hint: Any) -> Any:
    return Shapes().of(hint, "`x`")


class Schemas(unittest.TestCase):
    def test_types_are_schemas(self) -> None:
        cases: list[tuple[Any, dict[str, Any]]] = [
            (str, {"type": "string"}),
            (bool, {"type": "boolean"}),
            (int, {"type": "integer"}),
            (float, {"type": "number"}),
            (None, {"type": "null"}),
            (Any, {}),
            (Annotated[str, "x"], {"type": "string"}),
            (Optional[str], {"type": ["string", "null"]}),
            (None | int, {"type": ["integer", "null"]}),
            (Union[str, int], {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
            (list[int], {"type": "array", "items": {"type": "integer"}}),
            (list, {"type": "array", "items": {}}),
            (Sequence[str], {"type": "array", "items": {"type": "string"}}),
            (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
            (set[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
            (
                tuple[int, str],
                {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
            ),
            (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
            (dict, {"type": "object", "additionalProperties": True}),
            (Mapping[str, Any], {"type": "object", "additionalProperties": True}),
            (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
            (Literal["a", 1], {"enum": ["a", 1]}),
            (Optional[Literal["a"]], {"type": ["string", "null"], "enum": ["a", None]}),
            (Color, {"type": "string", "enum": ["red", "blue"]}),
        ]
        for hint, schema in cases:
            with self.subTest(hint=hint):
                found = root(shape(hint))
                self.assertEqual(found.pop("$schema"), "https://json-schema.org/draft/2020-12/schema")
                self.assertEqual(found, schema)

    def test_a_dataclass_is_an_object_with_descriptions(self) -> None:
        schema = root(shape(Row))
        self.assertEqual(
            schema["properties"],
            {
                "firstName": {"type": "string", "description": "Who it is."},
                "size": {"type": "integer", "description": "How large.", "default": 1},
                "labels": {"type": "array", "items": {"type": "string"}, "description": "Words.", "default": []},
                "next": {"anyOf": [{"$ref": "#/$defs/Row"}, {"type": "null"}]},
            },
        )
        self.assertEqual(schema["description"], "One row.\n\nOf many.")
        self.assertEqual((schema["required"], schema["additionalProperties"]), (["firstName"], False))
        self.assertEqual(schema["$defs"]["Row"]["properties"], schema["properties"])
        self.assertNotIn("description", root(shape(Plain)))

    def test_what_is_no_json_is_refused_when_the_plugin_is_made(self) -> None:
        for hint in (bytes, complex, object(), dict[int, str], Schemas):
            with self.subTest(hint=hint), self.assertRaisesRegex(TypeError, "`x`"):
                shape(hint)


class Decoding(unittest.TestCase):
    def check(self, hint: Any, value: Any, pointer: str, reason: str) -> None:
        with self.subTest(hint=hint, value=value):
            with self.assertRaises(Misfit) as caught:
                shape(hint).decode(value, "")
            self.assertEqual((caught.exception.pointer, caught.exception.reason), (pointer, reason))

    def test_what_does_not_fit_is_told_by_its_pointer(self) -> None:
        self.check(str, 3, "", "expected a string, found the number 3")
        self.check(int, True, "", "expected a whole number, found true")
        self.check(int, 1.5, "", "expected a whole number, found the number 1.5")
        self.check(float, "1", "", "expected a number, found a string")
        self.check(bool, 1, "", "expected true or false, found the number 1")
        self.check(list[int], [1, None], "/1", "expected a whole number, found null")
        self.check(tuple[int, str], [1], "", "expected a list of 2, found a list")
        self.check(dict[str, int], {"a/b~c": "x"}, "/a~1b~0c", "expected a whole number, found a string")
        self.check(Literal["a", 1], True, "", "expected one of `a`, `1`, found true")
        self.check(Color, "green", "", "expected one of `red`, `blue`, found `green`")
        self.check(Optional[int], "x", "", "expected a whole number or null, found a string")
        self.check(Union[str, list[int]], ["x"], "/0", "expected a whole number, found a string")
        self.check(Row, [], "", "expected an object, found a list")
        self.check(Row, {}, "", "missing field `firstName`")
        self.check(Row, {"firstName": "a", "first_name": "b"}, "/first_name", "unknown field, expected one of `firstName`, `size`, `labels`, `next`")
        self.check(Row, {"firstName": "a", "next": {"firstName": "b", "next": {}}}, "/next/next", "missing field `firstName`")
        self.check(Row, {"firstName": "a", "next": {"firstName": "b", "size": 100}}, "/next", "100 is too large a size")
        self.check(list[Row], [{"firstName": "a", "size": 100}], "/0", "100 is too large a size")

    def test_what_fits_is_of_the_type(self) -> None:
        row = shape(Row).decode({"firstName": "a", "size": 3.0, "labels": ["x"], "next": {"firstName": "b"}}, "")
        self.assertEqual(row, Row("a", 3, ["x"], Row("b")))
        self.assertIs(type(row.size), int)
        self.assertEqual(shape(tuple[int, str]).decode([1, "a"], ""), (1, "a"))
        self.assertEqual(shape(set[int]).decode([1, 1], ""), {1})
        self.assertIs(shape(Color).decode("red", ""), Color.RED)
        self.assertIs(type(shape(float).decode(3, "")), float)

    def test_outputs_are_json(self) -> None:
        self.assertEqual(
            encode({"rows": [Row("a", tags=["x"])], "color": Color.RED, "set": {2, 1}, "none": None}),
            {
                "rows": [{"firstName": "a", "size": 1, "labels": ["x"], "next": None}],
                "color": "red",
                "set": [1, 2],
                "none": None,
            },
        )
        for value, pointer in [(float("nan"), ""), ([1, b"x"], "/1"), ({"a": {1: 2}}, "/a")]:
            with self.subTest(value=value), self.assertRaises(Misfit) as caught:
                encode(value)
            self.assertEqual(caught.exception.pointer, pointer)


@action(idempotent=True)
def greet(ctx: Context, name: Annotated[str, "A name."], how_often: int = 1) -> str:
    """Greets
    somebody."""
    log.info("greeting", name=name)
    progress.report(1, 2, "half")
    state.set("count", state.get("count", 0) + how_often)
    if name == "bad":
        raise TaskError("bad_name", "no such name", retryable=True, retry_after=1.5)
    if name == "broken":
        json.loads("{")
    if name == "exit":
        raise SystemExit(3)
    return f"Hello, {name}! ({ctx.attempt})"


@action(title="A row", name="row")
def one_row(row: Row) -> Row:
    return row


class Actions(unittest.TestCase):
    def failure(self, input: Any) -> TaskError:
        with testing.host(), self.assertRaises(TaskError) as caught:
            greet.run(input)
        return caught.exception

    def test_parameters_are_the_input(self) -> None:
        self.assertEqual((greet.name, greet.title, greet.description, greet.idempotent), ("greet", "Greet", "Greets somebody.", True))
        self.assertEqual(
            greet.input_schema["properties"],
            {"name": {"type": "string", "description": "A name."}, "howOften": {"type": "integer", "default": 1}},
        )
        self.assertEqual(one_row.input_schema["required"], ["firstName"])
        self.assertEqual((one_row.name, one_row.title), ("row", "A row"))
        self.assertEqual(one_row.run({"firstName": "a"})["firstName"], "a")

    def test_an_action_is_still_a_function(self) -> None:
        with testing.host({"count": 4}) as host:
            self.assertEqual(greet(Context.for_tests(), "Ada"), "Hello, Ada! (1)")
            self.assertEqual(greet.run({"name": "Bob", "howOften": 2}), "Hello, Bob! (1)")
            state.delete("none")
        self.assertEqual(host.logs[0], ("info", "greeting", {"name": "Ada"}))
        self.assertEqual((host.progress[0], host.state), ((1, 2, "half"), {"count": 7}))

    def test_failures_are_those_of_the_contract(self) -> None:
        error = self.failure({"name": "bad"})
        self.assertEqual((error.code, error.retryable, error.retry_after, str(error)), ("bad_name", True, 1.5, "no such name (bad_name)"))
        error = self.failure({"name": 3})
        self.assertEqual((error.code, error.details), ("invalid_input", {"pointer": "/name"}))
        self.assertEqual(error.message, "the input does not fit at `/name`: expected a string, found the number 3")
        error = self.failure({"name": "broken"})
        self.assertEqual(error.code, "invalid_json")
        self.assertRegex(error.message, r"^JSONDecodeError: .* \(.*decoder\.py:\d+ in \w+\)$")
        self.assertTrue(any("test_sdk.py" in line and "in greet" in line for line in error.details["traceback"]))
        self.assertFalse(any("_action.py" in line for line in error.details["traceback"]))
        self.assertEqual(self.failure({"name": "exit"}).code, "exception")

    def test_exceptions_have_the_codes_of_all_languages(self) -> None:
        for error, code, retryable in [
            (FileNotFoundError("x"), "not_found", False),
            (PermissionError("x"), "permission_denied", False),
            (TimeoutError("x"), "io", True),
            (OSError("x"), "io", False),
            (UnicodeDecodeError("utf-8", b"x", 0, 1, "x"), "invalid_utf8", False),
            (KeyError("x"), "exception", False),
            (MemoryError(), "exception", False),
        ]:
            with self.subTest(error=error):
                found = from_exception(error)
                self.assertEqual((found.code, found.retryable), (code, retryable))
        self.assertEqual(from_exception(MemoryError()).message, "MemoryError")

    def test_misuse_is_told_when_the_plugin_is_made(self) -> None:
        async def later() -> None: ...
        def no_type(x) -> None: ...  # type: ignore[no-untyped-def]
        def no_output(x: int): ...  # type: ignore[no-untyped-def]
        def many(*names: str) -> None: ...
        for function, said in [(later, "async"), (no_type, "`x`"), (no_output, "returns"), (many, "names")]:
            with self.subTest(function=function.__name__), self.assertRaisesRegex(TypeError, said):
                action(function)
        for name, actions, said in [("Hello", [greet], "no name"), ("a/b", [], "no action"), ("a/b", [greet, greet], "two actions")]:
            with self.subTest(said=said), self.assertRaisesRegex(ValueError, said):
                plugin(name, actions=actions)
        with self.assertRaisesRegex(TypeError, "`len` is no action"):
            plugin("a/b", actions=[len])  # type: ignore[list-item]

    def test_a_plugin_runs_its_actions_by_name(self) -> None:
        _plugin._made.clear()
        made = plugin("acme/hello", actions=[greet, one_row])
        self.assertIs(_plugin.the_one(), made)
        self.assertIn("The sdk by itself", made.description)
        self.assertEqual([one["name"] for one in made.described()], ["greet", "row"])
        with self.assertRaises(TaskError) as caught:
            made.run("nothing")
        self.assertEqual(caught.exception.code, "unknown_action")
        plugin("acme/other", actions=[greet])
        with self.assertRaisesRegex(ValueError, "2 times"):
            _plugin.the_one()


class Http(unittest.TestCase):
    def test_requests_are_what_was_asked(self) -> None:
        with testing.host(answer=lambda request: http.Response(200, {}, b'{"a": 1}')) as host:
            self.assertEqual(http.get("https://a.example?x=1#y", params={"q": "a b", "l": [1, 2]}).json(), {"a": 1})
            http.post("http://a.example/p", json={"ü": 1}, headers={"X-Y": "z"}, timeout=2)
        first, second = host.requests
        self.assertEqual((first.method, first.url), ("GET", "https://a.example/?x=1&q=a+b&l=1&l=2"))
        self.assertEqual((second.headers, second.timeout), ({"x-y": "z", "content-type": "application/json"}, 2))
        self.assertEqual(second.body.decode(), '{"ü": 1}')

    def test_redirects_take_no_secrets_elsewhere(self) -> None:
        def answer(request: http.Request) -> http.Response:
            if request.url == "https://b.example/end":
                return http.Response(200)
            return http.Response(302, {"location": "//b.example/end"})

        headers = {"Authorization": "x", "Cookie": "y", "Accept": "z"}
        with testing.host(answer=answer) as host:
            http.post("https://a.example/start", data="body", headers=headers)
        last = host.requests[-1]
        self.assertEqual((last.method, last.headers, last.body), ("GET", {"accept": "z"}, b""))
        with testing.host(answer=lambda _: http.Response(307, {"location": "/again"})) as host:
            with self.assertRaises(TaskError) as caught:
                http.post("https://a.example/", data="body", headers=headers)
        self.assertEqual((caught.exception.code, len(host.requests)), ("too_many_redirects", 11))
        self.assertEqual((host.requests[-1].method, host.requests[-1].headers["authorization"]), ("POST", "x"))

    def test_statuses_and_targets(self) -> None:
        for status, retryable in [(404, False), (429, True), (503, True)]:
            with self.assertRaises(TaskError) as caught:
                http.Response(status, {"retry-after": "3"}).raise_for_status()
            self.assertEqual((caught.exception.retryable, caught.exception.retry_after), (retryable, 3.0))
        self.assertEqual(http.Response(204).raise_for_status().text, "")
        for url in ["", "a.example", "ftp://a.example", "https://", "https://u:p@a.example", "file:///etc/passwd"]:
            with self.subTest(url=url), testing.host(), self.assertRaises(TaskError) as caught:
                http.get(url)
            self.assertEqual(caught.exception.code, "http_request")
        with self.assertRaises(RuntimeError):
            http.get("https://a.example")


if __name__ == "__main__":
    unittest.main()
