"""Statistics over rows."""

import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from autokestra_sdk import TaskError, action, http, log, plugin, progress


@dataclass
class Numbers:
    """What is known of some numbers."""

    count: int
    """How many there are."""
    missing: int
    """Rows without one."""
    mean: float
    """Their mean."""
    median: float
    """The one in the middle."""
    deviation: float
    """The standard deviation of a sample; 0 of one number alone."""
    least: float
    """The smallest."""
    most: float
    """The largest."""


@dataclass
class Summarize:
    """What is summarized."""

    rows: list[dict[str, Any]]
    """The rows."""
    column: str
    """The column whose numbers are taken."""
    group_by: str | None = None
    """The column by whose values the rows are put into groups."""
    digits: int = 3
    """Digits behind the point."""

    def __post_init__(self) -> None:
        if not 0 <= self.digits <= 12:
            raise ValueError(f"`digits` is {self.digits}; it goes from 0 to 12")


@dataclass
class Summary:
    """A summary of rows."""

    total: Numbers
    """All of them."""
    groups: dict[str, Numbers] = field(default_factory=dict)
    """Each group that has numbers, by its value."""


@action(idempotent=True)
def summarize(input: Summarize) -> Summary:
    """Counts the numbers of a column, and tells their mean, median, deviation and ends; of each group too, where one is asked for."""
    groups: dict[str, list[dict[str, Any]]] = {}
    if input.group_by is not None:
        for row in input.rows:
            if row.get(input.group_by) is not None and row.get(input.column) not in (None, ""):
                groups.setdefault(str(row[input.group_by]), []).append(row)
    total = numbers(input.rows, input)
    found: dict[str, Numbers] = {}
    for done, (name, rows) in enumerate(sorted(groups.items()), start=1):
        found[name] = numbers(rows, input)
        progress.report(done, len(groups), name)
    log.info("summarized", rows=len(input.rows), groups=len(groups))
    return Summary(total, found)


def numbers(rows: list[dict[str, Any]], input: Summarize) -> Numbers:
    values: list[float] = []
    for index, row in enumerate(rows):
        value = row.get(input.column)
        if value is None or value == "":
            continue
        try:
            values.append(float(value))
        except (TypeError, ValueError):
            raise TaskError(
                "no_number", f"`{input.column}` of a row is `{value}`, which is no number", details={"row": index}
            ) from None
    if not values:
        raise TaskError("no_numbers", f"no row has a number in `{input.column}`")

    def rounded(value: float) -> float:
        return round(value, input.digits)

    return Numbers(
        count=len(values),
        missing=len(rows) - len(values),
        mean=rounded(statistics.fmean(values)),
        median=rounded(statistics.median(values)),
        deviation=rounded(statistics.stdev(values)) if len(values) > 1 else 0.0,
        least=rounded(min(values)),
        most=rounded(max(values)),
    )


@dataclass
class Value:
    """A value, and how often it is there."""

    value: str
    """The value, as text."""
    count: int
    """How often it is there."""


@action(idempotent=True)
def count(
    rows: Annotated[list[dict[str, Any]], "The rows."],
    column: Annotated[str, "The column whose values are counted."],
    order: Annotated[Literal["most", "least", "value"], "What comes first."] = "most",
    limit: Annotated[int | None, "How many are told at most."] = None,
) -> list[Value]:
    """Counts how often each value of a column is there."""
    counts = Counter(str(row[column]) for row in rows if row.get(column) is not None)
    orders = {
        "most": lambda item: (-item[1], item[0]),
        "least": lambda item: (item[1], item[0]),
        "value": lambda item: item[0],
    }
    found = sorted(counts.items(), key=orders[order])
    return [Value(value, number) for value, number in found[:limit]]


@action(idempotent=True)
def load(
    url: Annotated[str, "Where rows are served as a list of JSON."],
    query: Annotated[dict[str, Any] | None, "What is asked for; it is sent as JSON, by POST."] = None,
) -> list[dict[str, Any]]:
    """Reads rows from a host that the workflow grants."""
    response = http.get(url) if query is None else http.post(url, json=query)
    rows = response.raise_for_status().json()
    if not isinstance(rows, list):
        raise TaskError("no_rows", f"`{url}` gives no list")
    return rows


plugin("acme/statistics", actions=[summarize, count, load])
