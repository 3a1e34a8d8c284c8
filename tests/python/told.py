"""What the hook told the stand-in for the library, for the programs of tests."""
import ctypes
import json

process = ctypes.CDLL(None)
try:
    active = ctypes.c_uint32.in_dll(process, "profile_decode_modules_active")
    process.stand_in_told.restype = ctypes.c_char_p
except (ValueError, AttributeError):
    active = ctypes.c_uint32()


class capture:
    """A graph is being captured."""

    def __enter__(self):
        active.value += 1

    def __exit__(self, *_):
        active.value -= 1


def raw():
    return process.stand_in_told().decode()


def told():
    """Pairs of a depth and what was entered there, thread by thread; that all of it was left is checked."""
    entered, depths = {}, {}
    for line in raw().splitlines():
        thread, depth, what, text = line.split(" ", 3)
        assert what in "+-", line
        if what == "+":
            assert int(depth) == depths.get(thread, 0), line
            entered.setdefault(thread, []).append((int(depth), json.loads(text)))
        depths[thread] = depths.get(thread, 0) + (1 if what == "+" else -1)
    assert not any(depths.values()), depths
    return [one for thread in entered.values() for one in thread]


def names():
    return [(depth, entry.get("op") or entry["module"] or entry["class"]) for depth, entry in told()]
