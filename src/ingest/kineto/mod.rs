//! Kineto: the Chrome JSON that the PyTorch profiler writes, and what tools make of it.
//!
//! # What the file says
//! An object whose `traceEvents` holds everything and whose other keys, before or after it in any order, describe the
//! run; or a bare array of events. Times are decimal microseconds since `baseTimeNanoseconds`; without that key, since
//! the epoch or boot. They become integer nanoseconds digit by digit, never through floating point.
//!
//! ```text
//!  CPU   user_annotation  ├──────────── execute_context_0(0)_generation_32(32) ─────────┤     -> Range
//!        cpu_op              ├─ aten::mm ─┤  (External id 7, shapes of its inputs)            -> Product
//!        cuda_runtime          ├hipLaunchKernel┤ (External id 7, correlation 41)              -> Launch, op aten::mm
//!  GPU   kernel                                     ├─ Cijk_… ─┤ (correlation 41)             -> Dispatch
//!        gpu_user_annotation                        ├──────────┤ drawn by Kineto, not measured: never work
//! ```
//!
//! # Several ranks in one file
//! TraceLens fuses ranks and notes the rank in `args.rank` beside `args.pid_raw`; SGLang merges ranks and writes it into
//! the process id, `"[TP03-DP00] 251"`. Either way correlation and process ids of different ranks may collide, so each
//! rank becomes a process of its own. A file without such notes is one process, whatever process ids its events carry.
//!
//! # What is left out
//! CPU operators (but for their names and products on launches), Python frames, flow arrows, and runtime calls that enqueue nothing.

mod collective;
mod event;
mod header;
mod product;
mod reader;
mod recorded;

pub(super) use header::numbered;
pub(super) use reader::Reader;

use std::path::Path;

use super::json::{Fault, Json};
use super::{Error, ErrorKind};

/// What the top level of a JSON file turned out to be.
pub(super) enum Top {
    /// It was a trace of Chrome events, all of which went to the [`Reader`].
    Events,
    /// The text stands at the value of the key by which another reader knows its format.
    Other,
}

/// Reads a JSON text from its first byte, until its end or until the key `other` comes.
///
/// # Errors
/// If it is no trace. Faults after the first event are warnings, since what came before them is good.
pub(super) fn read(json: &mut Json, path: &Path, reader: &mut Reader<'_>, other: &str) -> Result<Top, Error> {
    let malformed = |json: &Json, what: &str| Error::new(ErrorKind::Malformed, path, what).at(json.offset());
    if json.peek() == Some(b'[') {
        reader.events(json);
        return Ok(Top::Events);
    }
    if json.enter(b'{').is_err() {
        return Err(malformed(json, "expected a JSON object or array"));
    }
    let mut events = false;
    loop {
        let step = match json.field() {
            Ok(None) => break,
            Ok(Some(key)) if key == other => return Ok(Top::Other),
            Ok(Some(key)) if key == "traceEvents" => {
                events = true;
                if reader.events(json) { Ok(()) } else { break }
            }
            Ok(Some(key)) if header::WANTED.contains(&key.as_str()) => json.value_len().map(|length| {
                reader.header.take(&key, &json.window()[..length]);
                json.consume(length);
            }),
            Ok(Some(_)) => json.skip(),
            Err(fault) => Err(fault),
        };
        match step {
            Ok(()) | Err(Fault::TooLong) => {}
            Err(fault) if events => {
                reader.unfinished(json, fault);
                break;
            }
            Err(Fault::Cut) => {
                let reason = json.cut().map_or_else(String::new, |reason| format!(": {reason}"));
                return Err(malformed(json, &format!("the file ends before its first event{reason}")));
            }
            Err(Fault::Bad) => return Err(malformed(json, "this is not JSON")),
        }
    }
    if !events {
        return Err(Error::new(ErrorKind::UnknownFormat, path, "a JSON object without traceEvents is no trace"));
    }
    Ok(Top::Events)
}
