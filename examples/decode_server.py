#!/usr/bin/env python3
"""A decode server for AMD Instinct GPUs on a simulated GPU: decode_server in Python, as real servers are.

It takes the same options, reads the same models and does the same, step for step and nanosecond for nanosecond; the comments
are in the Rust files of the same names as the parts below. One thing is its own: --start-method, by which multiprocessing
starts the ranks of --processes. Their workers end by os._exit when forked, as those of real servers do.

    LD_PRELOAD=target/release/libprofile_decode.so python3 examples/decode_server.py --steps 120
"""

import argparse
import ctypes
import json
import multiprocessing
import os
import pathlib
import signal
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
WORD = (1 << 64) - 1


# options


def assignment(text):
    name, _, factor = text.rpartition("=")
    if not name or not 0 < float(factor) < float("inf"):
        raise argparse.ArgumentTypeError("expected NAME=FACTOR")
    return name, int(float(factor) * 1000 + 0.5)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="dense")
    parser.add_argument("--arch", default="gfx942")
    parser.add_argument("--tp", type=int, default=1)
    parser.add_argument("--processes", action="store_true")
    parser.add_argument("--start-method", default="spawn", choices=["spawn", "fork"])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--mode", default="graph", choices=["graph", "piecewise", "eager"])
    parser.add_argument("--prefill-every", type=int, default=25)
    parser.add_argument("--markers", default="vllm", choices=["vllm", "sglang", "atom", "none"])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--realtime", action="store_true")
    parser.add_argument("--end", default="return",
                        choices=["return", "exit", "_exit", "abort", "kill", "term", "hang"])
    parser.add_argument("--slow-kernel", type=assignment, action="append", default=[])
    parser.add_argument("--straggler", type=assignment, action="append", default=[])
    parser.add_argument("--ledger")
    return parser.parse_args()


# simulator


def load_simulator():
    name = "librocprofiler_sdk_simulator.so"
    target = HERE.parent / "target"
    found = [p for p in (target / profile / where / name for profile in ("release", "debug") for where in (".", "deps"))
             if p.exists()]
    path = os.environ.get("PROFILE_DECODE_SIMULATOR") or max(found, key=lambda p: p.stat().st_mtime, default=None)
    if path is None:
        sys.exit(f"decode_server.py: {name} is not under {target}: build the workspace")
    library = ctypes.CDLL(str(path))
    for function in ("module_load", "module_get_function", "stream_create", "capture_end", "graph_instantiate"):
        getattr(library, "sim_" + function).restype = ctypes.c_int64
    library.sim_now.restype = ctypes.c_uint64
    i32, i64, u64, text = ctypes.c_int32, ctypes.c_int64, ctypes.c_uint64, ctypes.c_char_p
    for function, arguments in {
        "module_get_function": [i64, text], "launch": [i64, i64, u64], "launch_collective": [i64, i64, u64, i64, i32],
        "capture_begin": [i64], "capture_end": [i64], "graph_instantiate": [i64], "graph_destroy": [i64],
        "graph_launch": [i64, i64, ctypes.POINTER(u64), i32], "memcpy": [i64, i32, u64, u64],
        "stream_synchronize": [i64], "thread_start": [u64], "work": [u64], "write_ledger": [text],
    }.items():
        getattr(library, "sim_" + function).argtypes = arguments
    return library


# model


class Model:
    def __init__(self, name, arch):
        own = HERE / "models" / f"{name}-{arch}.json"
        path = pathlib.Path(name) if name.endswith(".json") else own if own.exists() else HERE / "models" / f"{name}.json"
        self.file = json.loads(path.read_text())
        self.names = self.file["kernels"]
        if self.file["arch"] != arch:
            for old, new in self.file["other_arch"][arch]:
                self.names = {key: name.replace(old, new) for key, name in self.names.items()}

    def sequence(self, phase, tp):
        phase = self.file[phase]

        def kernels(entries):
            return [(self.names[key], int(us * 1000 + 0.5), flags) for key, us, flags in entries if tp > 1 or "c" not in flags]

        forward = kernels(phase["head"])
        for layer in range(self.file["layers"]):
            forward += kernels(phase["layers"][layer % len(phase["layers"])])
        if phase["last"]:
            forward[-1] = (self.names[phase["last"]], *forward[-1][1:])
        return forward + kernels(phase["tail"]), kernels(phase["after"])


# plan


def random(seed, a, b, c):
    z = (seed * 0x9E3779B97F4A7C15 + a * 0xBF58476D1CE4E5B9 + b * 0x94D049BB133111EB + c * 0xD6E8FEB86659FD93) & WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


class Step:
    def __init__(self, number, decoding, prefilling, tokens, warmup):
        self.number, self.decoding, self.prefilling, self.tokens, self.warmup = number, decoding, prefilling, tokens, warmup

    def label(self, markers, bucket, eager):
        d, p, t = self.decoding, self.prefilling, self.tokens
        if markers == "none":
            return None
        if markers == "vllm":
            return f"execute_context_{p}({t})_generation_{d}({d})"
        if markers == "sglang":
            if p == 0:
                return f"step[DECODE bs={d}]"
            return f"step[MIXED bs={d + p}]" if d else f"step[EXTEND bs={p} toks={t}]"
        if p:
            return f"prefill[bs={p} tok={t} ctx=0]"
        padded = "" if bucket == d else f"/{bucket}"
        return f"{'eager_' if eager else ''}decode[bs={d}{padded} tok={d} p=0 d={d}]"


def steps(options):
    seed, batch, every = options.seed, max(options.batch, 1), options.prefill_every
    index = number = 0
    while options.steps == 0 or index < options.steps + options.warmup:
        warmup = index < options.warmup
        decoding = batch - random(seed, index, 1, 0) % (batch // 8 + 1)
        if every and index % every == 0:
            prefilling = 1 + random(seed, index, 2, 0) % 4
            tokens = prefilling * (256 + random(seed, index, 3, 0) % 1024)
            mixed = index // every % 2 == 1 and options.markers != "atom"
            yield Step(number, decoding if mixed else 0, prefilling, tokens, warmup)
            number += 1
        yield Step(number, decoding, 0, 0, warmup)
        number += 1
        index += 1


def durations(options, model, kernels, step, rank, bucket, offset):
    batch, prompt = model.file["batch"], model.file["prompt_tokens"]
    shard = int(1000 * options.tp**-0.75 + 0.5)
    for index, (name, ns, flags) in enumerate(kernels):
        if "g" in flags:
            if step.prefilling == 0:
                ns = ns * (3 * batch + 7 * bucket) // (10 * batch)
            else:
                ns = ns * max(step.tokens + step.decoding, 64) // prompt
        if "s" in flags:
            ns = ns * shard // 1000
        if step.warmup:
            ns = ns * 3 // 2
        for slow, factor in options.slow_kernel:
            if slow in name:
                ns = ns * factor // 1000
        of = 0 if "c" in flags else rank
        for straggler, factor in options.straggler:
            if "c" not in flags and straggler == str(of):
                ns = ns * factor // 1000
        yield ns * (980 + random(options.seed, step.number, of, offset + index + 16) % 41) // 1000


def add_waits(options, model, own, kernels, step, rank, bucket, offset):
    ranks = [list(durations(options, model, kernels, step, r, bucket, offset)) for r in range(options.tp)]
    since = [0] * len(ranks)
    for index, (_, _, flags) in enumerate(kernels):
        if "c" in flags:
            own[index] += max(since) - since[rank]
            since = [0] * len(ranks)
        else:
            since = [total + one[index] for total, one in zip(since, ranks)]


def pieces(forward, piecewise):
    if not piecewise:
        return [(0, len(forward), True)]
    found = []
    for index, (_, _, flags) in enumerate(forward):
        graph = "a" not in flags
        if found and found[-1][2] == graph:
            found[-1] = (found[-1][0], index + 1, graph)
        else:
            found.append((index, index + 1, graph))
    return found


# rank


class Rank:
    def __init__(self, sim, options, model, rank, device, together):
        self.sim, self.options, self.model, self.rank, self.together = sim, options, model, rank, together
        sim.sim_set_device(device)
        # Rust keeps the kernels sorted by their key, and so does this.
        names = [name for _, name in sorted(model.names.items())]
        module = sim.sim_module_load("\n".join(names).encode())
        self.handles = {name: sim.sim_module_get_function(module, name.encode()) for name in names}
        self.stream = sim.sim_stream_create()
        self.decode, self.prefill = model.sequence("decode", options.tp), model.sequence("prefill", options.tp)
        self.pieces = pieces(self.decode[0], options.mode == "piecewise")
        self.graphs = {}

    def serve(self):
        atom = self.options.markers == "atom"
        for number in range(2):
            dummy = Step(WORD - number, 1, 0, 0, True)
            self.marked("dummy_decode[bs=1]" if atom else None, lambda: self.eager(self.decode, dummy, 1))
        decoded, warm = 0, False
        for step in steps(self.options):
            if not step.warmup and not warm:
                warm = True
                if self.options.mode != "eager":
                    self.capture(atom)
            self.sim.sim_work(180_000)
            self.step(step)
            decoded += step.prefilling == 0 and not step.warmup
        return decoded

    def capture(self, atom):
        batch = max(self.options.batch, 1)
        for bucket in sorted({self.bucket(b) for b in range(batch - batch // 8, batch + 1)}):
            def one(bucket=bucket):
                self.graphs[bucket] = [self.capture_piece(*piece[:2]) for piece in self.pieces if piece[2]]
            self.marked(f"capture_graph_bs_{bucket}" if atom else None, one)

    def capture_piece(self, start, end):
        self.sim.sim_capture_begin(self.stream)
        for kernel in self.decode[0][start:end]:
            self.launch(kernel, kernel[1])
        graph = self.sim.sim_capture_end(self.stream)
        executable = self.sim.sim_graph_instantiate(graph)
        self.sim.sim_graph_destroy(graph)
        return executable

    def step(self, step):
        graphs = not step.warmup and step.prefilling == 0 and self.options.mode != "eager"
        bucket = self.bucket(step.decoding) if graphs else max(step.decoding, 1)

        def work():
            self.sim.sim_work(120_000)
            self.sim.sim_memcpy(self.stream, 2, 8 * bucket, 1_800)
            self.sim.sim_memcpy(self.stream, 2, 8 * bucket, 1_800)
            if graphs and bucket in self.graphs:
                self.replay(self.graphs[bucket], step, bucket)
            else:
                self.eager(self.prefill if step.prefilling else self.decode, step, bucket)
            self.sim.sim_memcpy(self.stream, 3, 8 * bucket, 2_200)
            self.sim.sim_stream_synchronize(self.stream)

        self.marked(step.label(self.options.markers, bucket, not graphs), work)

    def replay(self, executables, step, bucket):
        forward, after = self.decode
        times, executables = self.durations(forward, step, bucket, 0), iter(executables)
        for start, end, graph in self.pieces:
            if graph:
                part = (ctypes.c_uint64 * (end - start))(*times[start:end])
                self.sim.sim_graph_launch(next(executables), self.stream, part, end - start)
            else:
                self.launch_all(forward[start:end], times[start:end])
        self.launch_all(after, self.durations(after, step, bucket, len(forward)))

    def eager(self, sequence, step, bucket):
        forward, after = sequence
        self.launch_all(forward, self.durations(forward, step, bucket, 0))
        self.launch_all(after, self.durations(after, step, bucket, len(forward)))

    def durations(self, kernels, step, bucket, offset):
        own = list(durations(self.options, self.model, kernels, step, self.rank, bucket, offset))
        if not self.together and self.options.tp > 1:
            add_waits(self.options, self.model, own, kernels, step, self.rank, bucket, offset)
        return own

    def launch_all(self, kernels, times):
        for kernel, ns in zip(kernels, times):
            self.launch(kernel, ns)

    def launch(self, kernel, ns):
        name, _, flags = kernel
        if "c" in flags and self.together:
            self.sim.sim_launch_collective(self.handles[name], self.stream, ns, 1, self.options.tp)
        else:
            self.sim.sim_launch(self.handles[name], self.stream, ns)

    def marked(self, label, work):
        if label is not None:
            self.sim.roctxRangePushA(label.encode())
        work()
        if label is not None:
            self.sim.roctxRangePop()

    def bucket(self, batch):
        return min((bucket for bucket in self.model.file["buckets"] if bucket >= batch), default=batch)


# main


def run(options, own_rank):
    model = Model(options.model, options.arch)
    sim = load_simulator()
    sim.sim_realtime(int(options.realtime))
    if options.ledger:
        sim.sim_ledger(1)
    sim.sim_init(options.tp, options.arch.encode())
    sim.sim_get_device_count()
    sim.sim_get_device_properties(0)
    if own_rank is not None:
        decoded = Rank(sim, options, model, own_rank, 0, False).serve()
    elif options.tp == 1:
        decoded = Rank(sim, options, model, 0, 0, True).serve()
    else:
        decoded = serve_together(sim, options, model)
    if options.ledger:
        sim.sim_write_ledger(options.ledger.replace("%r", str(own_rank or 0)).encode())
    print(f"decode_server.py: {decoded} decode steps", flush=True)


def serve_together(sim, options, model):
    start, decoded = sim.sim_now(), [0] * options.tp

    def one(rank):
        sim.sim_thread_start(start)
        decoded[rank] = Rank(sim, options, model, rank, rank, True).serve()

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(options.tp)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return min(decoded)


def worker(options, rank):
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), ROCR_VISIBLE_DEVICES=str(rank), WORLD_SIZE=str(options.tp))
    run(options, rank)
    end(options)


def end(options):
    if options.end == "exit":
        sys.exit(0)
    if options.end == "_exit":
        os._exit(0)
    if options.end == "abort":
        os.abort()
    if options.end in ("kill", "term"):
        os.kill(os.getpid(), signal.SIGKILL if options.end == "kill" else signal.SIGTERM)
    while options.end == "hang":
        time.sleep(3600)


def main():
    options = parse()
    own_rank = int(os.environ["RANK"]) if "RANK" in os.environ else None
    if options.processes and own_rank is None:
        context = multiprocessing.get_context(options.start_method)
        ranks = [context.Process(target=worker, args=(options, rank)) for rank in range(options.tp)]
        for rank in ranks:
            rank.start()
        for rank in ranks:
            rank.join()
        sys.exit(any(rank.exitcode != 0 for rank in ranks))
    if own_rank is not None:
        options.tp = int(os.environ.get("WORLD_SIZE", options.tp))
    run(options, own_rank)
    end(options)


if __name__ == "__main__":
    main()
