"""`.venv/bin/python -m unittest discover tests` runs the functions as they are. The cases in *.yaml run the component in the sandbox."""

import unittest

from autokestra_sdk import TaskError, testing
from plugin import Summarize, count, summarize

ROWS = [{"kind": "a", "size": 1}, {"kind": "b", "size": "3.5"}, {"kind": "a", "size": 2}, {"kind": None, "size": ""}]


class Statistics(unittest.TestCase):
    def test_numbers_are_those_of_the_rows(self) -> None:
        with testing.host() as host:
            summary = summarize(Summarize(ROWS, "size", group_by="kind"))
        self.assertEqual((summary.total.count, summary.total.missing, summary.total.median), (3, 1, 2.0))
        self.assertEqual((summary.groups["a"].mean, summary.groups["b"].deviation), (1.5, 0.0))
        self.assertEqual(host.progress[-1], (2, 2, "b"))

    def test_what_is_no_number_is_told(self) -> None:
        for rows, code in [([{"size": "x"}], "no_number"), ([], "no_numbers")]:
            with testing.host(), self.assertRaises(TaskError) as caught:
                summarize(Summarize(rows, "size"))
            self.assertEqual(caught.exception.code, code)

    def test_values_are_counted(self) -> None:
        self.assertEqual([(one.value, one.count) for one in count(ROWS, "kind")], [("a", 2), ("b", 1)])
        self.assertEqual([one.value for one in count(ROWS, "kind", order="least", limit=1)], ["b"])


if __name__ == "__main__":
    unittest.main()
