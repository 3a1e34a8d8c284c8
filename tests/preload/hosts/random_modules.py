"""Random models, captured and replayed: how long a kernel runs tells where in its model it was launched.

    random_modules.py SEED MODELS TRUTH

Modules nest at random, launch kernels of a few names, call operators, fail and are called again; threads capture at the
same time, each its own model. TRUTH gets a line a kernel: its time in ns, its module and its operator.
"""
import random
import sys
import threading

import torch
from gpu import DECODE, Gpu, q, u

seed, models, truth = int(sys.argv[1]), int(sys.argv[2]), open(sys.argv[3], "w")
NAMES = ["norm_kernel", "gemm_kernel", "attention_kernel", "copy_kernel"]
gpu = Gpu(NAMES)
for name in ("sim_capture_end", "sim_graph_instantiate", "sim_now"):
    getattr(gpu.sim, name).restype = q
lock = threading.Lock()
next_ns = 2_000

lib = torch.library.Library("vllm", "FRAGMENT")
lib.define("work(Tensor x, str layer_name)")


class Failure(Exception):
    pass


class Host:
    """What the modules of one model share."""

    def __init__(self, number):
        self.random, self.thread_stream = random.Random(seed * 1000 + number), q(gpu.sim.sim_stream_create())

    def launch(self, module, op):
        global next_ns
        with lock:
            ns, next_ns = next_ns, next_ns + 7
            truth.write(f"{ns}\t{module}\t{op}\n")
        gpu.sim.sim_launch(gpu.kernels[self.random.randrange(len(NAMES))], self.thread_stream, u(ns))


def work(x, layer_name):
    for _ in range(x.host.random.randrange(3)):
        x.host.launch(layer_name, "vllm::work")
    if x.host.random.random() < 0.05:
        raise Failure


lib.impl("work", work, "CUDA")


class Node(torch.nn.Module):
    def __init__(self, host, path, depth):
        super().__init__()
        self.host, self.path = host, path
        for number in range(host.random.randrange(4) if depth else 2):
            if depth < 4:
                name = f"layers_{number}" if host.random.random() < 0.5 else str(number)
                setattr(self, name, Node(host, f"{path}.{name}" if path else name, depth + 1))

    def forward(self, x):
        for child in list(self._modules.values()):
            if self.host.random.random() < 0.4:
                self.host.launch(self.path, "Node")
            try:
                child(x)
            except Failure:
                if self.host.random.random() < 0.3:
                    raise
        if self.host.random.random() < 0.6:
            torch.library.call("vllm::work", x, f"{self.path}.op" if "." in self.path else "a.0")
        if self.host.random.random() < 0.3:
            self.host.launch(self.path, "Node")


def capture(number, now, graphs):
    # Each thread has a time of its own: it goes on where the one that started it is.
    gpu.sim.sim_thread_start(u(now))
    host = Host(number)
    top, x = Node(host, "", 0), torch.Tensor(4, 8)
    x.host = host
    assert gpu.sim.sim_capture_begin(host.thread_stream) == 0
    try:
        top(x)
    except Failure:
        pass
    graph = gpu.sim.sim_graph_instantiate(q(gpu.sim.sim_capture_end(host.thread_stream)))
    graphs.append((graph, host.thread_stream, gpu.sim.sim_now()))


graphs = []
for number in range(0, models, 4):
    now = gpu.sim.sim_now()
    threads = [threading.Thread(target=capture, args=(number + nth, now, graphs)) for nth in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    gpu.sim.sim_thread_start(u(max(now for _, _, now in graphs)))
truth.close()
for _ in range(3):
    for graph, stream, _ in graphs:
        gpu.sim.roctxRangePushA(DECODE)
        gpu.sim.sim_graph_launch(q(graph), stream, None, 0)
        gpu.sim.sim_stream_synchronize(stream)
        gpu.sim.roctxRangePop()
