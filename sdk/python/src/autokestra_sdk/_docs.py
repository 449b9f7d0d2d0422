"""Descriptions: docstrings, and the texts below fields, which Python itself forgets."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap

_WORD = re.compile(r"_+([a-z0-9])")


def camel(name: str) -> str:
    """`first_name` as YAML has it: `firstName`."""
    return _WORD.sub(lambda match: match[1].upper(), name.strip("_"))


def title(name: str) -> str:
    """`send_mail` for people: `Send mail`."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def paragraph(text: str | None) -> str:
    """A docstring as one text: lines joined, paragraphs kept."""
    if not text:
        return ""
    parts = re.split(r"\n\s*\n", inspect.cleandoc(text))
    return "\n\n".join(" ".join(part.split()) for part in parts)


def of_class(cls: type) -> str:
    """A class's own docstring. A dataclass without one is given its signature by Python, which says nothing new."""
    text = cls.__doc__ or ""
    return "" if text.startswith(f"{cls.__name__}(") else paragraph(text)


def of_fields(cls: type) -> dict[str, str]:
    """The strings below the fields of a class, with those of its bases."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, TypeError, SyntaxError):
            continue
        if tree.body and isinstance(tree.body[0], ast.ClassDef):
            found.update(_below(tree.body[0].body))
    return found


def _below(body: list[ast.stmt]) -> dict[str, str]:
    found = {}
    for field, text in zip(body, body[1:]):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            found[field.target.id] = paragraph(text.value.value)
    return found
