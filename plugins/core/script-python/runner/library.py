"""The standard library, imported when the component is made: what is not in memory then cannot be imported later."""

import gc
import importlib
import json
import os
import sys
import warnings

# Of no use without windows, processes, a terminal or a C compiler; or they do something when they are imported.
LEFT_OUT = {
    "__phello__", "_android_support", "_apple_support", "_ios_support", "_osx_support", "_pyrepl", "antigravity", "ctypes", "curses", "dbm",
    "ensurepip", "idlelib", "lib2to3", "msilib", "multiprocessing", "nturl2path", "ntpath", "pip", "pty", "pydoc_data", "readline", "rlcompleter",
    "site", "tty", "sqlite3.__main__", "test", "this", "tkinter", "turtle", "turtledemo", "venv", "webbrowser", "winreg", "wsgiref", "xmlrpc",
}  # fmt: skip

# Where the library stands while the component is made. `os`, which is a part of the interpreter, names another place.
FOLDER = os.path.dirname(os.path.dirname(json.__file__))


def load():
    """Imports all that can be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in sorted(set(sys.stdlib_module_names) | set(files(FOLDER))):
            if wanted(name):
                try:
                    importlib.import_module(name)
                except BaseException:  # Some ask for what the sandbox has not, each in its own way.
                    pass


def freeze():
    """Keeps the collector off what is there: it would touch every page of the snapshot, in every script."""
    gc.collect()
    gc.freeze()


def files(folder, package=""):
    """The names of all modules in a folder."""
    for entry in os.scandir(folder):
        name, extension = os.path.splitext(entry.name)
        if entry.is_dir() and os.path.exists(os.path.join(entry.path, "__init__.py")):
            yield package + entry.name
            if wanted(package + entry.name):
                yield from files(entry.path, f"{package}{entry.name}.")
        elif extension == ".py" and name != "__init__":
            yield package + name


def wanted(name):
    parts = name.split(".")
    return not (
        parts[-1] in ("__main__", "tests", "test")
        or any(".".join(parts[:length]) in LEFT_OUT for length in range(1, len(parts) + 1))
    )
