"""Where the decode time of an LLM server on AMD Instinct GPUs goes.

The work is done by the program ``profile-decode`` and the library ``libprofile_decode.so``, both in this wheel; this module
says where they are and hands a report over as a dict. It imports nothing but the standard library, and never the tracer.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any, Iterable, Union

__all__ = ["Error", "diff", "kernels", "library_path", "program_path", "report"]

_HERE = Path(__file__).resolve().parent
_PROGRAM = "profile-decode"

PathLike = Union[str, "os.PathLike[str]"]


class Error(RuntimeError):
    """The program refused: ``code`` is its exit code, ``error`` what it says in JSON (``kind``, ``message``, ``hint``)."""

    def __init__(self, code: int, error: dict[str, Any], stderr: str) -> None:
        super().__init__(error.get("message") or stderr.strip() or f"exit code {code}")
        self.code = code
        self.error = error


def library_path() -> Path:
    """The tracer, for ``LD_PRELOAD``."""
    return _HERE / "libprofile_decode.so"


def program_path() -> Path:
    """The program ``profile-decode`` of this installation."""
    # With `pip --target` the scripts lie in `bin` beside the package, and nothing else says so.
    places = [_HERE.parent / "bin", Path(sysconfig.get_path("scripts")), *(parent / "bin" for parent in _HERE.parents)]
    for place in places:
        if (place / _PROGRAM).is_file():
            return place / _PROGRAM
    found = shutil.which(_PROGRAM)
    if found is None:
        raise FileNotFoundError(f"{_PROGRAM} is neither in {places[0]} nor on PATH")
    return Path(found)


def report(path: PathLike | Iterable[PathLike], *options: str) -> dict[str, Any]:
    """The report of a trace, a capture or a directory of them, as docs/output.md describes it.

    ``options`` are those of ``profile-decode report``, such as ``"--steps", "50"``. Raises :class:`Error` if the program
    cannot make one.
    """
    return _ask("report", [*options, "--format", "json"], path)


def diff(base: PathLike, new: PathLike, *options: str) -> dict[str, Any]:
    """The comparison of two runs, as docs/output.md describes it."""
    return _ask("diff", [*options, "--format", "json"], [base, new])


def kernels(report: dict[str, Any]) -> Any:
    """The kernels of a report as a pandas ``DataFrame``, which needs pandas."""
    import pandas

    return pandas.DataFrame(report["kernels"])


def _ask(verb: str, options: list[str], paths: PathLike | Iterable[PathLike]) -> dict[str, Any]:
    named = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    command = [os.fspath(program_path()), verb, *options, "--", *map(os.fspath, named)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = {}
    if not answer or "error" in answer:
        raise Error(done.returncode, answer.get("error", {}), done.stderr)
    return answer
