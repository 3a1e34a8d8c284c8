"""Servers that capture graphs: the tests' programs in Python stand on this.

Every launch to a captured stream has a number of blocks of its own, so that a node can be told by it.
"""

from gpu import *

NAMES = ("embed", "Cijk_gemm_MT16x16x256", "paged_attention_kernel", "rms_norm", "shared", "lm_head")


class Server(Gpu):
    """One GPU with streams to capture."""

    def __init__(self, streams=3, **more):
        super().__init__(NAMES, **more)
        self.kernel = dict(zip(NAMES, self.kernels))
        self.streams = [self.stream] + [q(self.sim.sim_stream_create()) for _ in range(streams - 1)]
        for name in ("sim_capture_end", "sim_graph_instantiate", "sim_register_stubs", "sim_stub"):
            getattr(self.sim, name).restype = q
        self.blocks = 1000
        self.stubs = {}

    def launch_on(self, name, stream=0, by=None):
        self.blocks += 1
        kernel = self.stubs[name] if name in self.stubs else self.kernel[name]
        call = by or (self.sim.sim_launch_stub if name in self.stubs else self.sim.sim_launch_blocks)
        return call(kernel, self.streams[stream], u(5_000 + self.blocks % 7 * 100), self.blocks)

    def register(self, *names):
        """Kernels that are launched by the addresses of stubs."""
        module = q(self.sim.sim_register_stubs("\n".join(names).encode()))
        self.stubs.update((name, q(self.sim.sim_stub(module, name.encode()))) for name in names)

    def begin(self, stream=0):
        return self.sim.sim_capture_begin(self.streams[stream])

    def end(self, stream=0):
        return self.sim.sim_capture_end(self.streams[stream])

    def fork(self, event, stream, to):
        """What is on `to` from here on comes after what is on `stream`."""
        self.sim.sim_event_record(u(event), self.streams[stream])
        self.sim.sim_stream_wait_event(self.streams[to], u(event))

    def executable(self, graph):
        return self.sim.sim_graph_instantiate(q(graph))

    def line(self, names, stream=0):
        """A graph of kernels one after another."""
        self.begin(stream)
        for name in names:
            self.launch_on(name, stream)
        return self.end(stream)

    def captured(self, names, stream=0):
        """The same, executable; the graph itself is destroyed, as PyTorch does it."""
        graph = self.line(names, stream)
        made = self.executable(graph)
        self.sim.sim_graph_destroy(q(graph))
        return made

    def replay(self, *graphs, label=DECODE, stream=0):
        """A step that replays graphs."""
        self.sim.roctxRangePushA(label)
        for graph in graphs:
            assert self.sim.sim_graph_launch(q(graph), self.streams[stream], None, 0) == 0
        self.sim.sim_stream_synchronize(self.streams[stream])
        self.sim.roctxRangePop()

    def replays(self, count, *graphs, **how):
        for _ in range(count):
            self.replay(*graphs, **how)


LAYER = ("rms_norm", "Cijk_gemm_MT16x16x256", "paged_attention_kernel", "Cijk_gemm_MT16x16x256")
MODEL = ("embed", *LAYER * 4, "lm_head")
