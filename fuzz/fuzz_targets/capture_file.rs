//! The reader of our own captures, on frames that are whole and wild in what they hold, and on any bytes as frames.

#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use profile_decode::model::LaunchCall;
use profile_decode::wire::{Agent, CopyRecord, DispatchRecord, Encoder, LaunchRecord, Meta, Status, VERSION};
use profile_decode_fuzz::read;

/// A frame; ids are small, so that frames speak of the same things.
#[derive(Arbitrary, Debug)]
enum Frame {
    Agent(u8),
    CodeObject(u8, String),
    Symbol(u8, u8, String),
    Dispatches(Vec<[u8; 4]>, Times),
    Copies(Vec<[u8; 4]>, Times),
    Launches(Vec<[u8; 4]>, Times),
    RangeOpen(u8, u8, u32, String),
    RangeClose(u8, u32),
    Status(u64, u64),
    End(u64),
    /// Any kind with any payload.
    Any(u8, Vec<u8>),
    /// Bytes that are no frame.
    Noise(Vec<u8>),
}

/// When the first of the records starts, what each takes, and how far they lie apart.
#[derive(Arbitrary, Debug, Clone, Copy)]
struct Times {
    first: u64,
    takes: u32,
    apart: u16,
}

impl Times {
    fn of(self, index: usize) -> (u64, u64) {
        let start = self.first.wrapping_add(index as u64 * u64::from(self.apart));
        (start, start.wrapping_add(self.takes.into()))
    }
}

/// The records that `make` makes of four ids and two times.
fn records<T>(rows: &[[u8; 4]], times: Times, make: fn([u64; 4], (u64, u64)) -> T) -> Vec<T> {
    rows.iter().enumerate().map(|(index, ids)| make(ids.map(u64::from), times.of(index))).collect()
}

fn dispatch([kernel_id, agent, range, correlation]: [u64; 4], (start_ns, end_ns): (u64, u64)) -> DispatchRecord {
    DispatchRecord { start_ns, end_ns, dispatch_id: start_ns, kernel_id, agent, queue: 1, range, correlation }
}

fn copy([direction, destination, range, correlation]: [u64; 4], (start_ns, end_ns): (u64, u64)) -> CopyRecord {
    CopyRecord { start_ns, end_ns, bytes: end_ns, direction, destination, source: 0, range, correlation }
}

fn launch([correlation, thread, graph, call]: [u64; 4], (start_ns, end_ns): (u64, u64)) -> LaunchRecord {
    let call = [LaunchCall::Graph, LaunchCall::Kernel, LaunchCall::Memory][call as usize % 3];
    LaunchRecord { start_ns, end_ns, correlation, thread, graph, call }
}

fn put(encoder: &mut Encoder, frame: &Frame) {
    match frame {
        Frame::Agent(handle) => {
            encoder.agent(&Agent { handle: (*handle).into(), arch: "gfx942".into(), ..Agent::default() });
        }
        Frame::CodeObject(id, uri) => encoder.code_object((*id).into(), uri),
        Frame::Symbol(kernel, object, name) => encoder.symbol((*kernel).into(), (*object).into(), name),
        Frame::Dispatches(rows, times) => encoder.dispatches(&records(rows, *times, dispatch)),
        Frame::Copies(rows, times) => encoder.copies(&records(rows, *times, copy)),
        Frame::Launches(rows, times) => encoder.launches(&records(rows, *times, launch)),
        Frame::RangeOpen(id, thread, start, message) => {
            encoder.range_open((*id).into(), (*thread).into(), (*start).into(), message);
        }
        Frame::RangeClose(id, end) => encoder.range_close((*id).into(), (*end).into()),
        Frame::Status(records, steps) => {
            encoder.status(&Status { records: *records, steps: *steps, ..Status::default() });
        }
        Frame::End(records) => encoder.end(&Status { records: *records, ..Status::default() }),
        Frame::Any(kind, payload) => {
            encoder.buffer.extend_from_slice(&u32::from(*kind % 32).to_le_bytes());
            encoder.buffer.extend_from_slice(&u32::try_from(payload.len()).expect("a short payload").to_le_bytes());
            encoder.buffer.extend_from_slice(payload);
        }
        Frame::Noise(bytes) => encoder.buffer.extend_from_slice(bytes),
    }
}

fuzz_target!(|frames: Vec<Frame>| {
    let mut encoder = Encoder::default();
    encoder.begin(&Meta { version: VERSION, ..Meta::default() });
    encoder.agent(&Agent { handle: 0, arch: "gfx950".into(), ..Agent::default() });
    frames.iter().for_each(|frame| put(&mut encoder, frame));
    read("a.pdc", &encoder.buffer);
});
