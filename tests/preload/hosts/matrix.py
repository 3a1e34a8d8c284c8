"""The host of the fault matrix: matrix.py START SHAPE END.

START is how the process that uses the GPU comes to be: direct, fork or spawn. SHAPE is one GPU (1), four in one process
(4x1) or one in each of four (4). END is return, _exit, term or kill. Exits with 0 if every process ended as it should have.
"""

import multiprocessing
import subprocess

from gpu import *

STEPS = 30


def serve(rank, gpus, end):
    """Decodes on `gpus` GPUs at once, a thread each, then ends."""
    os.environ.update(RANK=str(rank))
    start = threading.Barrier(gpus)

    def one(device):
        gpu = Gpu(gpus=gpus, device=device)
        start.wait()
        gpu.steps(STEPS)

    threads = [threading.Thread(target=one, args=(device,)) for device in range(gpus)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    simulator().sim_write_ledger(os.environ["LEDGER"].replace("%r", str(rank)).encode())
    if end == "kill":
        flushed()
        killed_from_outside()
    if end == "term":
        os.kill(os.getpid(), signal.SIGTERM)
    if end == "_exit":
        os._exit(0)


def main(start, shape, end, rank=None):
    ranks, gpus = (4, 1) if shape == "4" else (1, int(shape[0]))
    if rank is not None:
        return serve(int(rank), gpus, end)
    if start == "direct":
        arguments = [sys.executable, __file__, start, shape, end]
        workers = [subprocess.Popen([*arguments, str(rank)]) for rank in range(ranks)]
        codes = [worker.wait() for worker in workers]
    else:
        context = multiprocessing.get_context(start)
        workers = [context.Process(target=serve, args=(rank, gpus, end)) for rank in range(ranks)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        codes = [worker.exitcode for worker in workers]
    expected = {"term": -signal.SIGTERM, "kill": -signal.SIGKILL}.get(end, 0)
    if any(code != expected for code in codes):
        sys.exit(f"the workers ended with {codes}, not with {expected}")


if __name__ == "__main__":
    main(*sys.argv[1:])
