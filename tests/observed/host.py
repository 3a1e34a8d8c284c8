"""The Python programs of the transcripts, on the simulator: SIMULATOR is its library, OBSERVED_SCENARIO the program.

Nothing here finalises anything: what the tool sees of the end is what Python's own ways of ending leave to it.
"""

import ctypes
import multiprocessing
import os


def decode(steps):
    sim = ctypes.CDLL(os.environ["SIMULATOR"])
    for name in ("sim_module_load", "sim_module_get_function", "sim_stream_create"):
        getattr(sim, name).restype = ctypes.c_int64
    i64, u64 = ctypes.c_int64, ctypes.c_uint64
    sim.sim_init(2, b"gfx942")
    names = [b"Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_UserArgs_" + tail for tail in (b"MT256x256x64", b"MT16x16x512")]
    module = i64(sim.sim_module_load(b"\n".join(names)))
    kernels = [i64(sim.sim_module_get_function(module, name)) for name in names]
    stream = i64(sim.sim_stream_create())
    for _ in range(steps):
        sim.roctxRangePushA(b"decode_step")
        for kernel, duration in zip(kernels, (3_000, 5_000)):
            sim.sim_launch(kernel, stream, u64(duration))
        sim.sim_device_synchronize()
        sim.roctxRangePop()


def children(method):
    context = multiprocessing.get_context(method)
    processes = [context.Process(target=decode, args=(1,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert all(process.exitcode == 0 for process in processes)


if __name__ == "__main__":
    scenario = os.environ["OBSERVED_SCENARIO"]
    if scenario == "python-plain":
        decode(2)
    else:
        children({"python-spawn": "spawn", "python-fork-_exit": "fork"}[scenario])
