//! Streams, and the work that is put into them.

use std::sync::Mutex;

use super::capture::{self, What, handle};
use super::module::RUNTIME_KERNELS;
use super::{HIP_STATE, Stream, call, change, code, error, stream_of};
use crate::agent::machine;
use crate::kernel::{Kernel, Place};
use crate::registration::note_gpu_use;
use crate::thread::ThreadState;
use crate::timeline::{Collective, Item};
use crate::work::Work;
use crate::{clock, code_object, interposition, read, signal, timeline};

/// hipStreamCreateWithFlags on the current device. The first one of a device makes the runtime load its own code object.
#[unsafe(no_mangle)]
pub extern "C" fn sim_stream_create() -> i64 {
    call("hipStreamCreateWithFlags", &[], |_| {
        let machine = machine();
        let device = ThreadState::current().device.get();
        let agent = machine.agent_of(device);
        if !change(|hip| hip.runtime_objects.contains_key(&device)) {
            let own = code_object::load(device, agent, &RUNTIME_KERNELS, true, false);
            change(|hip| hip.runtime_objects.insert(device, own));
        }
        Ok(change(|hip| {
            // Between the queues of two devices the runtime takes one for itself.
            let first_of_device = !hip.streams.iter().any(|stream| stream.device == device);
            hip.next_queue += if first_of_device && !hip.streams.is_empty() { 2 } else { 1 };
            let id = hip.streams.len() as u64 + 1;
            let queue = hip.next_queue;
            hip.streams.push(Box::leak(Box::new(Stream {
                id,
                device,
                place: Place { device, agent, host_agent: machine.host_agent(), queue, stream: id },
                timeline: timeline::add_queue(GAP_NS),
                capture: Mutex::new(None),
            })));
            id as i64
        }))
    })
}

/// Between two kernels of a queue, ns.
const GAP_NS: u64 = 1_200;

/// hipStreamDestroy.
#[unsafe(no_mangle)]
pub extern "C" fn sim_stream_destroy(id: i64) -> i32 {
    code(call("hipStreamDestroy", &[handle(id)], |_| stream_of(id).map(|_| 0).ok_or(error::INVALID_HANDLE)))
}

/// Blocks of a launch that does not say how many, work-items of a block.
const GRID: u32 = 304;
const BLOCK: u32 = 256;

/// hipModuleLaunchKernel of a kernel that runs `duration_ns` (all ones: for ever) once it is its turn in the stream.
#[unsafe(no_mangle)]
pub extern "C" fn sim_launch(kernel: i64, stream: i64, duration_ns: u64) -> i32 {
    launch(kernel, stream, duration_ns, None, GRID)
}

/// As [`sim_launch`], of so many blocks.
#[unsafe(no_mangle)]
pub extern "C" fn sim_launch_blocks(kernel: i64, stream: i64, duration_ns: u64, blocks: u32) -> i32 {
    launch(kernel, stream, duration_ns, None, blocks)
}

/// As [`sim_launch`], for a kernel that is one rank's part of a collective: it starts when it is its turn, waits for the
/// other `ranks - 1` parts of the group's collective of the same number, and ends `duration_ns` after the last one came.
#[unsafe(no_mangle)]
pub extern "C" fn sim_launch_collective(kernel: i64, stream: i64, duration_ns: u64, group: i64, ranks: i32) -> i32 {
    let collective = Collective { group: group as u64, ranks: ranks.max(1) as u32 };
    launch(kernel, stream, duration_ns, Some(collective), GRID)
}

/// hipLaunchKernel by the address of a host stub, of so many blocks.
#[unsafe(no_mangle)]
pub extern "C" fn sim_launch_stub(stub: i64, stream: i64, duration_ns: u64, blocks: u32) -> i32 {
    let words =
        [stub as u64, u64::from(blocks) | 1 << 32, 1 | u64::from(BLOCK) << 32, 1 | 1 << 32, 0, 0, handle(stream)];
    code(call("hipLaunchKernel", &words, |_| {
        let kernel = code_object::kernel_of_stub(stub as u64).ok_or(error::INVALID_HANDLE)?;
        put(kernel, stream, duration_ns, None)
    }))
}

/// hipExtModuleLaunchKernel, which says work-items, not blocks.
#[unsafe(no_mangle)]
pub extern "C" fn sim_launch_ext(kernel: i64, stream: i64, duration_ns: u64, blocks: u32) -> i32 {
    let items = u64::from(blocks * BLOCK);
    let words = [kernel as u64, items | 1 << 32, 1 | u64::from(BLOCK) << 32, 1 | 1 << 32, 0, handle(stream)];
    code(call("hipExtModuleLaunchKernel", &words, |_| put(kernel as u64, stream, duration_ns, None)))
}

fn launch(kernel: i64, stream: i64, duration_ns: u64, collective: Option<Collective>, blocks: u32) -> i32 {
    let words =
        [kernel as u64, u64::from(blocks) | 1 << 32, 1 | u64::from(BLOCK) << 32, 1 | 1 << 32, 0, handle(stream)];
    code(call("hipModuleLaunchKernel", &words, |_| put(kernel as u64, stream, duration_ns, collective)))
}

fn put(kernel: u64, stream: i64, duration_ns: u64, collective: Option<Collective>) -> Result<i64, i32> {
    let kernel = code_object::kernel(kernel).ok_or(error::INVALID_HANDLE)?;
    let stream = stream_of(stream).ok_or(error::INVALID_HANDLE)?;
    if kernel.device != stream.device {
        return Err(error::INVALID_HANDLE);
    }
    let what = What::Kernel(kernel);
    if !capture::add(stream, what, duration_ns, collective) {
        run(
            stream,
            (stream.place.queue, stream.timeline),
            &[Ready { what, duration_ns, collective, node: None, queue: 0 }],
        );
    }
    Ok(0)
}

/// What is put into a queue now.
pub(super) struct Ready {
    pub(super) what: What,
    pub(super) duration_ns: u64,
    pub(super) collective: Option<Collective>,
    /// The node of its graph.
    pub(super) node: Option<u32>,
    /// Which of the queues of a replay.
    pub(super) queue: usize,
}

/// The nth queue of a replay, the first being that of the launch: its id, and its timeline.
pub(super) fn own_queue(stream: &Stream, nth: usize) -> (u64, usize) {
    let Some(own) = nth.checked_sub(1) else { return (stream.place.queue, stream.timeline) };
    change(|hip| {
        let queues = hip.own_queues.entry(stream.device).or_default();
        while queues.len() <= own {
            hip.next_queue += 1;
            queues.push((hip.next_queue, timeline::add_queue(GAP_NS)));
        }
        queues[own]
    })
}

/// A kernel of the runtime's own for this device.
fn runtime_kernel(device: usize, name: &str) -> Option<&'static Kernel> {
    let own = read(&HIP_STATE).as_ref().and_then(|hip| hip.runtime_objects.get(&device).copied())?;
    code_object::kernel(code_object::kernel_in(own, name)?)
}

/// How long the runtime's own kernels run, ns.
const FILL_NS: u64 = 5_900;

/// Puts work into a queue, one after another, as one batch; answers how much of it is traced.
pub(super) fn run(stream: &Stream, (queue, timeline): (u64, usize), ready: &[Ready]) -> usize {
    note_gpu_use();
    signal::throttle();
    interposition::pass();
    let place = Place { queue, ..stream.place };
    let mut items = Vec::with_capacity(ready.len());
    let node_before = ThreadState::current().node.get();
    for of in ready {
        ThreadState::current().node.set(of.node);
        let (name, packets) = match of.what {
            What::Kernel(_) => ("", 1),
            // The head and tail of what is not aligned take a kernel of their own.
            What::Fill(bytes) => ("__amd_rocclr_fillBufferAligned", 1 + usize::from(bytes % 16 != 0)),
            What::Copy => ("__amd_rocclr_copyBuffer", 1),
        };
        for _ in 0..packets {
            let kernel = match of.what {
                What::Kernel(kernel) => Some(kernel),
                What::Fill(_) | What::Copy => runtime_kernel(stream.device, name),
            };
            let Some(kernel) = kernel else { continue };
            let mut work = Work::kernel(kernel, place, clock::spend(clock::GRAPH_NODE_NS));
            work.enqueued();
            items.push(Item { work, duration_ns: of.duration_ns, collective: of.collective });
        }
    }
    ThreadState::current().node.set(node_before);
    let traced = items.iter().filter(|item| item.work.is_traced()).count();
    timeline::submit(timeline, items);
    traced
}

/// hipMemcpyAsync: host to device 2, device to host 3, device to device 4. Runs in the stream's order. What is captured is
/// done by a kernel of the runtime's.
#[unsafe(no_mangle)]
pub extern "C" fn sim_memcpy(stream_id: i64, operation: i32, bytes: u64, duration_ns: u64) -> i32 {
    code(call("hipMemcpyAsync", &[0, 0, bytes, operation as u64, handle(stream_id)], |_| {
        let stream = stream_of(stream_id).ok_or(error::INVALID_HANDLE)?;
        if !(1..=4).contains(&operation) {
            return Err(error::INVALID_VALUE);
        }
        if capture::add(stream, What::Copy, duration_ns, None) {
            return Ok(0);
        }
        note_gpu_use();
        let work = Work::copy(operation, bytes, stream.place, clock::now_ns());
        timeline::submit(stream.timeline, vec![Item { work, duration_ns, collective: None }]);
        Ok(0)
    }))
}

/// hipMemsetAsync, done by a kernel of the runtime's.
#[unsafe(no_mangle)]
pub extern "C" fn sim_memset(stream_id: i64, bytes: u64) -> i32 {
    code(call("hipMemsetAsync", &[0, 0, bytes, handle(stream_id)], |_| {
        let stream = stream_of(stream_id).ok_or(error::INVALID_HANDLE)?;
        let what = What::Fill(bytes);
        if !capture::add(stream, what, FILL_NS, None) {
            let queue = (stream.place.queue, stream.timeline);
            run(stream, queue, &[Ready { what, duration_ns: FILL_NS, collective: None, node: None, queue: 0 }]);
        }
        Ok(0)
    }))
}

/// hipStreamSynchronize: waits until the stream's work is done.
#[unsafe(no_mangle)]
pub extern "C" fn sim_stream_synchronize(id: i64) -> i32 {
    code(call("hipStreamSynchronize", &[handle(id)], |_| {
        let stream = stream_of(id).ok_or(error::INVALID_HANDLE)?;
        clock::advance_to(timeline::wait(&[stream.timeline]));
        Ok(0)
    }))
}

/// hipDeviceSynchronize: waits until the work of all streams of the current device is done.
#[unsafe(no_mangle)]
pub extern "C" fn sim_device_synchronize() -> i32 {
    code(call("hipDeviceSynchronize", &[], |_| {
        let device = ThreadState::current().device.get();
        let all = read(&HIP_STATE).as_ref().map(|hip| hip.streams.clone()).unwrap_or_default();
        let queues: Vec<usize> =
            all.iter().filter(|stream| stream.device == device).map(|stream| stream.timeline).collect();
        clock::advance_to(timeline::wait(&queues));
        Ok(0)
    }))
}
