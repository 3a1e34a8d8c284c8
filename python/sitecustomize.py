"""Comes before the site's own sitecustomize, brings the hook of profile-decode in, and then runs that one.

Python imports one sitecustomize, the first on its path. Whatever goes wrong with the hook, the next one runs as if this
file were not there; its own errors are its own.
"""
import os
import sys


def _bring_in():
    if os.environ.get("PROFILE_DECODE_MODULES") == "1":
        import profile_decode_modules

        profile_decode_modules.await_torch()


def _hidden():
    """Where the sitecustomize is that would have been imported without this one, or another copy of it."""
    from importlib.machinery import PathFinder

    passed = sys.__dict__.setdefault("_profile_decode_folders", set())
    passed.add(os.path.realpath(os.path.dirname(__file__)))
    return PathFinder.find_spec("sitecustomize", [folder for folder in sys.path if os.path.realpath(folder) not in passed])


def _go_on(spec):
    from importlib.util import module_from_spec

    module = module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


try:
    _bring_in()
except Exception:
    pass

_next = None
try:
    _next = _hidden()
except Exception:
    pass
if _next is not None and _next.loader is not None:
    _go_on(_next)
