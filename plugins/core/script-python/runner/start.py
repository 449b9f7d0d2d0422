"""What the snapshot must not keep: the component was made on another machine, at another time."""

import asyncio
import logging
import os
import random
import time

import urllib.request

from wit_world.imports import environment, log

from runner import web

LEVELS = ((logging.ERROR, log.Level.ERROR), (logging.WARNING, log.Level.WARN), (logging.INFO, log.Level.INFO))


class ToLog(logging.Handler):
    """`logging`, into the log of the task."""

    def emit(self, record):
        level = next((ours for theirs, ours in LEVELS if record.levelno >= theirs), log.Level.DEBUG)
        log.emit(level, self.format(record), [("logger", record.name)])


class Waiter:
    """Waits for timers. Nothing else can wake a loop in here."""

    def select(self, timeout):
        if timeout is None:
            raise RuntimeError("the script waits for something that never comes")
        if timeout > 0:
            time.sleep(timeout)
        return []


class Loop(asyncio.BaseEventLoop):
    """`asyncio` without sockets, which have no selector in here."""

    def __init__(self):
        super().__init__()
        self._selector = Waiter()

    def _process_events(self, events):
        pass

    def _write_to_self(self):
        pass


asyncio.events.new_event_loop = asyncio.new_event_loop = Loop
logging.root.addHandler(ToLog())
logging.root.setLevel(logging.INFO)
urllib.request.install_opener(web.OPENER)


def fresh():
    """Makes a copy of the snapshot the place of one script."""
    os.environ.clear()
    os.environ.update(environment.get_environment())
    random.seed()
