//! Buffered tracing.
//!
//! One callback thread serves the buffers of all tools, as the SDK's default one does. A buffer that reaches its watermark
//! is handed to it; a flush waits until the thread is done with the buffer. Both policies keep all records.

use std::ffi::c_void;
use std::sync::{Condvar, Mutex};

use rocprofiler_sys::bindings as c;

use crate::lock;
use crate::version::Status;

const CATEGORY_TRACING: u32 = 1;

/// `rocprofiler_buffer_tracing_cb_t`.
pub type Callback = unsafe extern "C" fn(u64, u64, *mut *mut c::rocprofiler_record_header_t, usize, *mut c_void, u64);

/// A record, of whichever kind: none has more than 24 words.
type Record = [u64; 24];

struct Buffer {
    context: u64,
    watermark: usize,
    callback: Callback,
    data: *mut c_void,
    records: Vec<(usize, Record)>,
    /// Bytes of the records.
    filled: usize,
    /// Flushes asked for, and flushes done.
    asked: u64,
    done: u64,
    destroyed: bool,
}

// SAFETY: `data` is the tool's, which promised by registering it that the callback thread may use it.
unsafe impl Send for Buffer {}

static BUFFERS: Mutex<Vec<Buffer>> = Mutex::new(Vec::new());
static ASKED: Condvar = Condvar::new();
static DONE: Condvar = Condvar::new();

/// Makes a buffer. Handles are positions from 1 on.
pub fn create(context: u64, watermark: usize, callback: Callback, data: *mut c_void) -> u64 {
    start_thread();
    let mut buffers = lock(&BUFFERS);
    buffers.push(Buffer {
        context,
        watermark,
        callback,
        data,
        records: Vec::new(),
        filled: 0,
        asked: 0,
        done: 0,
        destroyed: false,
    });
    buffers.len() as u64
}

/// Starts the callback thread if it is not there yet.
pub fn start_thread() {
    static START: std::sync::Once = std::sync::Once::new();
    START.call_once(|| {
        crate::internal_threads::around_creation(|| {
            if std::thread::Builder::new().name("sim-buffers".to_owned()).spawn(run).is_err() {
                crate::fatal("cannot start the callback thread");
            }
        });
    });
}

/// Whether a handle belongs to a buffer.
pub fn exists(handle: u64) -> bool {
    lock(&BUFFERS).get((handle as usize).wrapping_sub(1)).is_some_and(|buffer| !buffer.destroyed)
}

/// Adds a record of a kind, of which the library writes `size` bytes.
pub fn emplace<T: Copy>(handle: u64, kind: usize, size: u64, record: &T) {
    const { assert!(size_of::<T>() <= size_of::<Record>()) };
    let mut words: Record = [0; 24];
    // SAFETY: the record is plain data that fits, and the words are new.
    unsafe { std::ptr::from_ref(record).cast::<u8>().copy_to(words.as_mut_ptr().cast(), size_of::<T>()) };
    let mut buffers = lock(&BUFFERS);
    let Some(buffer) = buffers.get_mut(handle as usize - 1).filter(|buffer| !buffer.destroyed) else { return };
    buffer.records.push((kind, words));
    buffer.filled += size as usize;
    if buffer.filled >= buffer.watermark {
        buffer.asked += 1;
        ASKED.notify_one();
    }
}

/// Hands all records of a buffer to its callback and waits until that has returned.
pub fn flush(handle: u64) -> Result<(), Status> {
    let index = (handle as usize).wrapping_sub(1);
    let mut buffers = lock(&BUFFERS);
    let buffer = buffers.get_mut(index).filter(|buffer| !buffer.destroyed).ok_or(Status::BufferNotFound)?;
    buffer.asked += 1;
    let asked = buffer.asked;
    ASKED.notify_one();
    while buffers[index].done < asked {
        buffers = DONE.wait(buffers).unwrap_or_else(std::sync::PoisonError::into_inner);
    }
    Ok(())
}

/// Destroys a buffer and the records in it.
pub fn destroy(handle: u64) -> Result<(), Status> {
    let mut buffers = lock(&BUFFERS);
    let buffer = buffers.get_mut((handle as usize).wrapping_sub(1)).filter(|buffer| !buffer.destroyed);
    let buffer = buffer.ok_or(Status::BufferNotFound)?;
    buffer.destroyed = true;
    buffer.records.clear();
    Ok(())
}

fn run() {
    let mut buffers = lock(&BUFFERS);
    loop {
        let Some(index) = buffers.iter().position(|buffer| buffer.done < buffer.asked) else {
            buffers = ASKED.wait(buffers).unwrap_or_else(std::sync::PoisonError::into_inner);
            continue;
        };
        let buffer = &mut buffers[index];
        let asked = buffer.asked;
        let (context, callback, data) = (buffer.context, buffer.callback, SendPointer(buffer.data));
        buffer.filled = 0;
        let mut records = std::mem::take(&mut buffer.records);
        drop(buffers);
        let mut headers: Vec<c::rocprofiler_record_header_t> = records
            .iter_mut()
            .map(|(kind, record)| c::rocprofiler_record_header_t {
                category: CATEGORY_TRACING,
                kind: *kind as u32,
                payload: record.as_mut_ptr().cast(),
            })
            .collect();
        let mut pointers: Vec<*mut c::rocprofiler_record_header_t> =
            headers.iter_mut().map(std::ptr::from_mut).collect();
        if !pointers.is_empty() {
            // SAFETY: the tool registered this function with this signature; headers and records outlive the call.
            unsafe { callback(context, index as u64 + 1, pointers.as_mut_ptr(), pointers.len(), data.0, 0) };
        }
        buffers = lock(&BUFFERS);
        buffers[index].done = asked;
        DONE.notify_all();
    }
}

struct SendPointer(*mut c_void);
