"""`.venv/bin/python -m unittest discover tests` runs the functions as they are. The cases in *.yaml run the component in the sandbox."""

import unittest

from autokestra_sdk import TaskError, testing
from plugin import greet


class Greet(unittest.TestCase):
    def test_it_greets_by_name(self) -> None:
        with testing.host() as host:
            self.assertEqual(greet("Ada").text, "Hello, Ada!")
        self.assertEqual(host.logs, [("info", "greeting", {"name": "Ada"})])

    def test_it_wants_a_name(self) -> None:
        with self.assertRaises(TaskError) as caught:
            greet(" ")
        self.assertEqual(caught.exception.code, "no_name")


if __name__ == "__main__":
    unittest.main()
