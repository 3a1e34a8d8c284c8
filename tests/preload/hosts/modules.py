"""A model in Python whose decode step is captured as a graph and replayed: the hook tells which module launched what.

Kernels are launched to the simulated GPU by modules and by the body of an operator, as an engine does it. `torch` is the
stand-in of tests/python.
"""
import os
import sys

import torch
from gpu import DECODE, Gpu, u

LAYERS, M, HIDDEN = 4, 16, 4096
QKV, ATTENTION, O, NORM, UP, DOWN, HEAD, COPY = NAMES = (
    "Cijk_Alik_Bljk_BBS_BH_MT16x16x256_qkv",
    "paged_attention_ll4mi_QKV_mfma16_kernel",
    "Cijk_Alik_Bljk_BBS_BH_MT16x16x512_o",
    "rms_norm_kernel",
    "Cijk_Alik_Bljk_BBS_BH_MT16x64x256_up",
    "Cijk_Alik_Bljk_BBS_BH_MT64x16x256_down",
    "Cijk_Alik_Bljk_BBS_BH_MT16x256x64_head",
    "void at::native::elementwise_kernel<512, 1, copy>(int)",
)
# Another build, whose products are called otherwise.
RENAMED = {QKV: "gemm_a", O: "gemm_b", UP: "gemm_c", DOWN: "gemm_d"} if "OTHER_BUILD" in os.environ else {}
gpu = Gpu([RENAMED.get(name, name) for name in NAMES])
kernels = dict(zip(NAMES, gpu.kernels))


def launch(name, microseconds=20):
    assert gpu.sim.sim_launch(kernels[name], gpu.stream, u(microseconds * 1000)) == 0


lib = torch.library.Library("vllm", "FRAGMENT")
lib.define("unified_attention(Tensor q, Tensor out, str layer_name)")


def unified_attention(q, out, layer_name):
    launch(ATTENTION, 40)


lib.impl("unified_attention", unified_attention, "CUDA")


class Norm(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.Tensor(HIDDEN)

    def forward(self, x):
        launch(NORM, 5)
        return x


class Linear(torch.nn.Module):
    def __init__(self, rows, columns, kernel):
        super().__init__()
        self.weight, self.kernel = torch.Tensor(rows, columns), kernel

    def forward(self, x):
        launch(self.kernel)
        return torch.Tensor(*x.shape[:-1], self.weight.shape[0])


class Attention(torch.nn.Module):
    def __init__(self, number):
        super().__init__()
        self.name = f"model.layers.{number}.self_attn.attn"
        self.qkv_proj, self.o_proj = Linear(6144, HIDDEN, QKV), Linear(HIDDEN, 4096, O)

    def forward(self, x):
        out = torch.Tensor(M, 4096)
        torch.library.call("vllm::unified_attention", self.qkv_proj(x), out, self.name)
        return self.o_proj(out)


class Layer(torch.nn.Module):
    def __init__(self, number):
        super().__init__()
        self.input_layernorm, self.self_attn = Norm(), Attention(number)
        self.post_attention_layernorm = Norm()
        self.up_proj, self.down_proj = Linear(14336, HIDDEN, UP), Linear(HIDDEN, 14336, DOWN)

    def forward(self, x):
        x = self.self_attn(self.input_layernorm(x))
        return self.down_proj(self.up_proj(self.post_attention_layernorm(x)))


class Layers(torch.nn.Module):
    def __init__(self):
        super().__init__()
        for number in range(LAYERS):
            setattr(self, str(number), Layer(number))


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers, self.norm = Layers(), Norm()

    def forward(self, x):
        for number in range(LAYERS):
            x = getattr(self.layers, str(number))(x)
        return self.norm(x)


class Top(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model, self.lm_head = Model(), Linear(32000, HIDDEN, HEAD)

    def forward(self, x):
        x = self.lm_head(self.model(x))
        launch(COPY, 3)
        return x


top, x = Top(), torch.Tensor(M, HIDDEN)


def captured():
    assert gpu.sim.sim_capture_begin(gpu.stream) == 0
    # As SGLang calls it: no hook fires for the model itself.
    top.forward(x)
    graph = gpu.sim.sim_capture_end(gpu.stream)
    return gpu.sim.sim_graph_instantiate(graph)


gpu.sim.sim_capture_end.restype = gpu.sim.sim_graph_instantiate.restype = gpu.sim.sim_module_load.restype
# Warm-up, as engines do it: it is not captured.
top(x)
gpu.sim.sim_stream_synchronize(gpu.stream)
graph = captured()
for _ in range(int(sys.argv[1])):
    gpu.sim.roctxRangePushA(DECODE)
    gpu.sim.sim_graph_launch(graph, gpu.stream, None, 0)
    gpu.sim.sim_stream_synchronize(gpu.stream)
    gpu.sim.roctxRangePop()
