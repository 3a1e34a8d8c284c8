"""A stand-in for torch: as much of it as the hook of profile-decode looks at, without a device.

`TORCH_LACKS` names what is not there, as in older versions: `always_call`, `compiler`, `library`, `registration`, `schema`.
"""
import os

_lacks = set(filter(None, os.environ.get("TORCH_LACKS", "").split(",")))
if "everything" in _lacks:
    raise ImportError("this torch cannot be imported")


class dtype:
    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return "torch." + self.name


bfloat16, int64 = dtype("bfloat16"), dtype("int64")


class Tensor:
    def __init__(self, *sizes, dtype=bfloat16):
        self.shape, self.dtype = sizes, dtype

    def dim(self):
        return len(self.shape)


from . import _C, nn

if "library" not in _lacks:
    from . import library
if "compiler" not in _lacks:
    from . import compiler
