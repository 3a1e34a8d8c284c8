"""Tells the preloaded profile-decode which module and operator the code is in while it captures a graph.

    torch.library.Library.impl      bodies of operators that are written in Python say where they begin and end, with the
                                    name of their layer where they are given one, and the sizes of their arguments
    torch._inductor's extern_kernels    the products that compiled code calls say the same
    hooks on all modules            modules say where they begin and end, with their path in the model

All look at a number in the library before anything else, and do nothing while no graph is being captured. Nothing here
imports torch: it is waited for. Where the library is not in the process, or this torch lacks what is needed, nothing is
installed. No exception leaves this file but those of the code that it stands around.

Hooks on modules are guarded by `torch.compiler.is_compiling()`: without it, each of them would break the graph that Dynamo
traces, and an engine that compiles with `fullgraph=True` would not start. They are there from the first import on, since
compiled code is compiled anew when hooks appear later.
"""
import sys

# Keys under which an operator's body runs on a device; ROCm's is CUDA.
DEVICE_KEYS = ("CUDA", "HIP", "CPU", "PrivateUse1", "CompositeExplicitAutograd")
# What operators call the argument that names their layer.
LAYER_ARGUMENTS = ("layer_name", "prefix")
# Arguments of a call that are told, and characters of a scalar.
MOST_ARGUMENTS = 24
LONGEST_SCALAR = 32
# Characters of an entry; the library keeps no longer ones.
LONGEST_ENTRY = 4096
# Names that wrappers give what they wrap: `torch.compile(module)` is another module around it.
WRAPPERS = ("_orig_mod",)
# Modules around a module.
DEEPEST = 64


def await_torch():
    """Installs the hook when torch is imported, or at once if it is there."""
    _await("torch", install)


def _await(name, action):
    """Calls `action` with the module when it has been imported, or at once if it is there."""
    module = sys.modules.get(name)
    if module is not None:
        action(module)
        return
    for finder in sys.meta_path:
        if isinstance(finder, _Finder):
            finder.wanted.setdefault(name, action)
            return
    sys.meta_path.insert(0, _Finder({name: action}))


class _Finder:
    """Finds modules as the others do, and hears when those that are wanted have been imported."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.is_busy = False

    def find_spec(self, name, path=None, target=None):
        if name not in self.wanted or self.is_busy:
            return None
        self.is_busy = True
        try:
            return self._find(name, path, target)
        except Exception:
            return None
        finally:
            self.is_busy = False

    def _find(self, name, path, target):
        for finder in list(sys.meta_path):
            find_spec = getattr(finder, "find_spec", None)
            spec = find_spec(name, path, target) if find_spec and finder is not self else None
            if spec is not None:
                if spec.loader is not None:
                    self._listen(spec.loader)
                return spec
        return None

    def _listen(self, loader):
        # Asking whether a module is there is not importing it: this may come many times, and each loader is another.
        run = loader.exec_module

        def exec_module(module):
            run(module)
            action = self.wanted.pop(module.__name__, None)
            if action is not None:
                try:
                    action(module)
                except Exception:
                    pass

        loader.exec_module = exec_module


def install(torch):
    """Installs what this torch has the means for."""
    try:
        library = _Library()
    except Exception:
        return
    for part in (_around_operators, _around_products, _around_modules):
        try:
            part(torch, library)
        except Exception:
            pass


class _Library:
    """The functions of the preloaded library. Fails where it is not in the process."""

    def __init__(self):
        import ctypes
        import json

        process = ctypes.PyDLL(None)
        # Not 0 while a graph is being captured.
        self.active = ctypes.c_uint32.in_dll(process, "profile_decode_modules_active")
        push = process.profile_decode_module_push
        push.argtypes, push.restype = (ctypes.c_uint64, ctypes.c_char_p, ctypes.c_size_t), None
        pop = process.profile_decode_module_pop
        pop.argtypes, pop.restype = (ctypes.c_uint64,), None
        self._push, self.pop = push, pop
        self._encode = json.JSONEncoder(separators=(",", ":")).encode

    def push(self, token, entry):
        text = self._encode(entry).encode("ascii")
        if len(text) > LONGEST_ENTRY and "args" in entry:
            del entry["args"]
            text = self._encode(entry).encode("ascii")
        self._push(token, text, len(text))


def _argument(value, tensor):
    """A tensor's sizes and type; a scalar as text; None for what is neither."""
    if isinstance(value, tensor):
        sizes = list(value.shape)
        # A size that is a symbol is fixed by looking at it.
        return [sizes, str(value.dtype)] if all(type(size) is int for size in sizes) else None
    if value is None or type(value) in (bool, int, float):
        return str(value)[:LONGEST_SCALAR]
    return None


def _around_operators(torch, library):
    original = torch.library.Library.impl
    untouched = getattr(torch.library, "fallthrough_kernel", None)
    function = type(_around_operators)

    def impl(self, op_name, fn, *args, **kwargs):
        try:
            key = args[0] if args else kwargs.get("dispatch_key", "")
            key = key or getattr(self, "dispatch_key", "")
            if key in DEVICE_KEYS and isinstance(fn, function) and fn is not untouched:
                name = op_name if isinstance(op_name, str) else op_name._schema.name
                name = name if "::" in name else self.ns + "::" + name
                fn = _operator(torch, library, fn, name, bool(kwargs.get("with_keyset", False)))
        except Exception:
            pass
        return original(self, op_name, fn, *args, **kwargs)

    impl.__wrapped__ = original
    impl.__doc__ = original.__doc__
    torch.library.Library.impl = impl


def _around_products(torch, library):
    """Compiled code calls what stands in this namespace: PyTorch's own products, with their results as `out`."""
    builtin = type(len), type(_around_products)

    def put(namespace, name, fn):
        try:
            fn = _operator(torch, library, fn, "aten::" + name, False) if isinstance(fn, builtin) else fn
        except Exception:
            pass
        object.__setattr__(namespace, name, fn)

    def wrap(module):
        for name, fn in list(vars(module.extern_kernels).items()):
            put(module.extern_kernels, name, fn)
        # Which files have put theirs there by now depends on which was imported first.
        type(module.extern_kernels).__setattr__ = put

    _await("torch._inductor.select_algorithm", wrap)


def _operator(torch, library, fn, name, with_keyset):
    """The body `fn` of an operator, which says where it begins and ends."""
    import functools

    active, pop = library.active, library.pop
    names = []

    def enter(token, args, kwargs):
        if not names:
            names.append(_argument_names(torch, name))
        values = list(args[with_keyset:]) + list(kwargs.values())
        described = [_argument(value, torch.Tensor) for value in values[:MOST_ARGUMENTS]]
        entry = {"op": name.partition(".")[0], "args": described}
        layer = _layer(names[0], args[with_keyset:], kwargs)
        if layer is not None:
            entry["module"] = layer
        library.push(token, entry)

    @functools.wraps(fn)
    def operator(*args, **kwargs):
        if not active.value:
            return fn(*args, **kwargs)
        token = id(fn)
        try:
            enter(token, args, kwargs)
        except Exception:
            token = 0
        try:
            return fn(*args, **kwargs)
        finally:
            if token:
                pop(token)

    return operator


def _argument_names(torch, name):
    """What the schema calls the operator's arguments; none where it is not to be had."""
    try:
        op, _, overload = name.partition(".")
        return [argument.name for argument in torch._C._get_schema(op, overload).arguments]
    except Exception:
        return []


def _layer(names, args, kwargs):
    """The layer that an operator is called for: a path, in the argument of a known name or else in any."""
    found = None
    for name, value in list(zip(names + [None] * len(args), args)) + list(kwargs.items()):
        # Newer engines wrap it, so that compiled code is the same for all layers.
        text = value if isinstance(value, str) else getattr(value, "value", None)
        if not isinstance(text, str) or "." not in text:
            continue
        if name in LAYER_ARGUMENTS:
            return text
        if found is None and any(part.isdigit() for part in text.split(".")):
            found = text
    return found


def _around_modules(torch, library):
    is_compiling = torch.compiler.is_compiling
    modules = torch.nn.modules.module
    active, pop = library.active, library.pop
    parents = _Parents()

    def enter(module, args):
        try:
            entry = {"module": parents.path(module), "class": type(module).__name__}
            own = [parameter for parameter in module._parameters.values() if parameter is not None]
            if any(parameter.dim() > 1 for parameter in own):
                values = [value for value in args if isinstance(value, torch.Tensor)] + own
                entry["args"] = [_argument(value, torch.Tensor) for value in values[:MOST_ARGUMENTS]]
            library.push(id(module), entry)
        except Exception:
            pass

    def entered(module, args):
        if is_compiling():
            return
        if active.value:
            enter(module, args)

    def left(module, args, output):
        if is_compiling():
            return
        if active.value:
            pop(id(module))

    before, registered = modules.register_module_forward_pre_hook, modules.register_module_module_registration_hook
    # Without `always_call` a module that raises is never left: then there are no modules.
    modules.register_module_forward_hook(left, always_call=True)
    before(entered)
    registered(parents.add)


class _Parents:
    """Where modules stand in their model, as they were put there."""

    def __init__(self):
        self.known = {}

    def add(self, parent, name, module):
        try:
            if module is not None:
                self._add(parent, name, module)
        except Exception:
            pass

    def _add(self, parent, name, module):
        from weakref import ref

        key = id(module)
        known = self.known.get(key)
        # Of a module that two others share, the place that it had first.
        if known is None or known[0]() is not module or known[1]() is None:
            self.known[key] = (ref(module, lambda _: self.known.pop(key, None)), ref(parent), name)

    def path(self, module):
        names = []
        for _ in range(DEEPEST):
            known = self.known.get(id(module))
            if known is None or known[0]() is not module:
                break
            if known[2] not in WRAPPERS:
                names.append(known[2])
            module = known[1]()
            if module is None:
                break
        return ".".join(reversed(names))
