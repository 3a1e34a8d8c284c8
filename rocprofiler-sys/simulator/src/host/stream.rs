//! Streams, and the work that is put into them.

use std::sync::Mutex;

use super::module::RUNTIME_KERNELS;
use super::{HIP_STATE, Node, Stream, call, change, code, error, stream_of};
use crate::agent::machine;
use crate::kernel::Place;
use crate::registration::note_gpu_use;
use crate::thread::ThreadState;
use crate::timeline::{Collective, Item};
use crate::work::Work;
use crate::{clock, code_object, interposition, lock, read, signal, timeline};

/// hipStreamCreateWithFlags on the current device. The first one of a device makes the runtime load its own code object.
#[unsafe(no_mangle)]
pub extern "C" fn sim_stream_create() -> i64 {
    call("hipStreamCreateWithFlags", &[], |_| {
        let machine = machine();
        let device = ThreadState::current().device.get();
        let agent = machine.agent_of(device);
        if !change(|hip| hip.runtime_objects.contains_key(&device)) {
            let own = code_object::load(device, agent, &RUNTIME_KERNELS, true);
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
    code(call("hipStreamDestroy", &[id as u64], |_| stream_of(id).map(|_| 0).ok_or(error::INVALID_HANDLE)))
}

/// hipModuleLaunchKernel of a kernel that runs `duration_ns` (all ones: for ever) once it is its turn in the stream.
#[unsafe(no_mangle)]
pub extern "C" fn sim_launch(kernel: i64, stream: i64, duration_ns: u64) -> i32 {
    launch(kernel, stream, duration_ns, None)
}

/// As [`sim_launch`], for a kernel that is one rank's part of a collective: it starts when it is its turn, waits for the
/// other `ranks - 1` parts of the group's collective of the same number, and ends `duration_ns` after the last one came.
#[unsafe(no_mangle)]
pub extern "C" fn sim_launch_collective(kernel: i64, stream: i64, duration_ns: u64, group: i64, ranks: i32) -> i32 {
    launch(kernel, stream, duration_ns, Some(Collective { group: group as u64, ranks: ranks.max(1) as u32 }))
}

fn launch(kernel: i64, id: i64, duration_ns: u64, collective: Option<Collective>) -> i32 {
    code(call("hipModuleLaunchKernel", &[kernel as u64, 0, 0, 0, 0, 0, 0, 0, id as u64], |_| {
        let kernel = code_object::kernel(kernel as u64).ok_or(error::INVALID_HANDLE)?;
        let stream = stream_of(id).ok_or(error::INVALID_HANDLE)?;
        if kernel.device != stream.device {
            return Err(error::INVALID_HANDLE);
        }
        let node = Node { kernel, duration_ns, collective };
        if let Some(nodes) = lock(&stream.capture).as_mut() {
            nodes.push(node);
            return Ok(0);
        }
        run(stream, &[node], &[]);
        Ok(0)
    }))
}

/// Puts kernels into a stream's queue, one after another, as one batch; answers how many of them are traced.
pub(super) fn run(stream: &Stream, nodes: &[Node], durations: &[u64]) -> usize {
    note_gpu_use();
    signal::throttle();
    interposition::pass();
    let mut items = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let mut work = Work::kernel(node.kernel, stream.place, clock::spend(clock::GRAPH_NODE_NS));
        work.enqueued();
        let duration_ns = durations.get(index).copied().unwrap_or(node.duration_ns);
        items.push(Item { work, duration_ns, collective: node.collective });
    }
    let traced = items.iter().filter(|item| item.work.is_traced()).count();
    timeline::submit(stream.timeline, items);
    traced
}

/// hipMemcpyAsync: host to device 2, device to host 3, device to device 4. Runs in the stream's order.
#[unsafe(no_mangle)]
pub extern "C" fn sim_memcpy(stream_id: i64, operation: i32, bytes: u64, duration_ns: u64) -> i32 {
    code(call("hipMemcpyAsync", &[0, 0, bytes, operation as u64, stream_id as u64], |_| {
        let stream = stream_of(stream_id).ok_or(error::INVALID_HANDLE)?;
        if !(1..=4).contains(&operation) {
            return Err(error::INVALID_VALUE);
        }
        note_gpu_use();
        let work = Work::copy(operation, bytes, stream.place, clock::now_ns());
        timeline::submit(stream.timeline, vec![Item { work, duration_ns, collective: None }]);
        Ok(0)
    }))
}

/// hipStreamSynchronize: waits until the stream's work is done.
#[unsafe(no_mangle)]
pub extern "C" fn sim_stream_synchronize(id: i64) -> i32 {
    code(call("hipStreamSynchronize", &[id as u64], |_| {
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
