from torch import _C

registered = {}


def fallthrough_kernel():
    raise NotImplementedError


class Library:
    def __init__(self, ns, kind, dispatch_key=""):
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key

    def define(self, schema):
        name, _, arguments = schema.partition("(")
        names = [argument.split()[-1] for argument in arguments.rstrip(")").split(",")]
        _C.schemas[self.ns + "::" + name] = names
        return name

    def impl(self, op_name, fn, dispatch_key="", *, with_keyset=False, allow_override=False):
        if not callable(fn):
            raise TypeError("Input function is required to be a callable")
        key = dispatch_key or self.dispatch_key or "CompositeImplicitAutograd"
        name = op_name if isinstance(op_name, str) else op_name._schema.name
        registered[name if "::" in name else self.ns + "::" + name, key] = (fn, with_keyset)


def call(op, /, *args, key="CUDA", **kwargs):
    """What the dispatcher does."""
    fn, with_keyset = registered[op, key]
    return fn("keyset", *args, **kwargs) if with_keyset else fn(*args, **kwargs)
