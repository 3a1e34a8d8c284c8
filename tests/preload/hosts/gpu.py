"""What a server does on the simulated GPUs, in a few calls: the tests' programs in Python stand on this."""

import ctypes
import os
import signal
import sys
import threading
import time

q, u = ctypes.c_longlong, ctypes.c_ulonglong
libc = ctypes.CDLL(None)
DECODE = b"decode[bs=4 tok=4 p=0 d=4]"


def simulator():
    sim = ctypes.CDLL(os.environ["SIMULATOR"])
    for name in ("sim_module_load", "sim_module_get_function", "sim_stream_create"):
        getattr(sim, name).restype = q
    return sim


class Gpu:
    """One GPU of the machine and kernels for it: names, and behind a tab the file that a kernel was written in."""

    def __init__(self, names=("Cijk_gemm_MT16x16x256", "paged_attention_kernel"), gpus=1, device=0):
        self.sim = simulator()
        self.sim.sim_ledger(1)
        self.sim.sim_init(gpus, b"gfx942")
        self.sim.sim_set_device(device)
        module = self.sim.sim_module_load("\n".join(names).encode())
        names = [name.split("\t")[0] for name in names]
        self.kernels = [q(self.sim.sim_module_get_function(q(module), name.encode())) for name in names]
        self.stream = q(self.sim.sim_stream_create())

    def launch(self):
        for number, kernel in enumerate(self.kernels):
            self.sim.sim_launch(kernel, self.stream, u(5_000 + 1_000 * number))

    def step(self, label=DECODE):
        self.sim.roctxRangePushA(label)
        self.launch()
        self.sim.sim_stream_synchronize(self.stream)
        self.sim.roctxRangePop()

    def steps(self, count):
        for _ in range(count):
            self.step()


def killed_from_outside():
    """By the system call: nothing that stands before libc's functions sees it coming."""
    libc.syscall(62, os.getpid(), signal.SIGKILL)


def flushed():
    """Waits until what was captured is on disk."""
    time.sleep(1.0)
