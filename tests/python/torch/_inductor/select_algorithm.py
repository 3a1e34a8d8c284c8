from torch import Tensor


class KernelNamespace:
    pass


extern_kernels = KernelNamespace()


def mm(a, b, *, out):
    "The docs of mm."
    if a.shape[-1] != b.shape[0]:
        raise ValueError("the sizes do not fit")
    return out


class Callable:
    def __call__(self):
        return self


extern_kernels.mm, extern_kernels.other, extern_kernels.length = mm, Callable(), len
