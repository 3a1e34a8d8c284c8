from torch import Tensor, _lacks

_before, _after, _registered = [], [], []


def register_module_forward_pre_hook(hook):
    _before.append(hook)


if "always_call" in _lacks:

    def register_module_forward_hook(hook):
        _after.append((hook, False))

else:

    def register_module_forward_hook(hook, *, always_call=False):
        _after.append((hook, always_call))


if "registration" not in _lacks:

    def register_module_module_registration_hook(hook):
        _registered.append(hook)


class Module:
    def __init__(self):
        self.__dict__["_parameters"], self.__dict__["_modules"] = {}, {}

    def __setattr__(self, name, value):
        if isinstance(value, Module):
            for hook in _registered:
                hook(self, name, value)
            self._modules[name] = value
        elif isinstance(value, Tensor):
            self._parameters[name] = value
        object.__setattr__(self, name, value)

    def __call__(self, *args, **kwargs):
        for hook in _before:
            hook(self, args)
        called = []
        try:
            result = self.forward(*args, **kwargs)
            for hook, _ in _after:
                called.append(hook)
                hook(self, args, result)
            return result
        except Exception:
            for hook, always_call in _after:
                if always_call and hook not in called:
                    hook(self, args, None)
            raise
