//! The bytes of code objects, as good or as bad as `ROCPROFILER_SIM_OBJECTS` asks for, and the memory that they are in.
//!
//! | value | what the objects are |
//! |---|---|
//! | | as Triton 3.9 writes them, in memory that is gone when the callback has returned |
//! | `dwarf5` | the same with lines of DWARF 5 |
//! | `gluon` | compiled by a compiler that calls itself so |
//! | `compressed` | the sections of lines say that they are compressed |
//! | `truncated` | cut in the middle of a section |
//! | `looped` | each section is the whole file, and so holds all the others |
//! | `huge` | each section claims a terabyte |
//! | `32bit` | of the wrong class |
//! | `garbage` | what lines are told from is noise |
//! | `lying` | the loader claims a gigabyte, most of which is not there |
//! | `gone` | the memory is not there any more when the callback comes |
//! | `file:DIRECTORY` | in files of this directory, each behind 4096 bytes of something else |

use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use rocprofiler_sys::bindings as c;

use crate::elf::Object;

const NAME: &str = "ROCPROFILER_SIM_OBJECTS";
const KINDS: [&str; 10] =
    ["", "dwarf5", "compressed", "truncated", "looped", "huge", "32bit", "garbage", "lying", "gone"];
/// Where an object begins in a file of ours.
const IN_FILE: u64 = 4096;

fn kind() -> &'static str {
    static KIND: OnceLock<String> = OnceLock::new();
    KIND.get_or_init(|| {
        let kind = std::env::var(NAME).unwrap_or_default();
        if !KINDS.contains(&kind.as_str()) && !kind.starts_with("file:") {
            crate::fatal(&format!("{NAME}={kind} is none of {}, file:DIRECTORY", KINDS.join(", ")));
        }
        kind
    })
}

/// An object with these kernels, and the files that they were written in.
pub(crate) fn bytes(arch: &str, kernels: &[(&str, Option<&str>)]) -> Vec<u8> {
    let object = Object {
        arch,
        kernels,
        dwarf: if kind() == "dwarf5" { 5 } else { 4 },
        compressed: kind() == "compressed",
        ..Object::default()
    };
    let mut bytes = object.bytes();
    match kind() {
        "truncated" => bytes.truncate(bytes.len() / 2),
        "32bit" => bytes[4] = 1,
        "looped" => {
            let whole = bytes.len() as u64;
            each_section(&mut bytes, |offset, size| (*offset, *size) = (0, whole));
        }
        "huge" => each_section(&mut bytes, |_, size| *size = 1 << 40),
        "garbage" => {
            let mut noise = Vec::new();
            each_section(&mut bytes, |offset, size| noise.push(*offset as usize..(*offset + *size) as usize));
            // Header, note, code, and at the end symbols and names stay.
            let last = noise.len().saturating_sub(3);
            for range in noise.drain(..last).skip(3) {
                bytes[range].iter_mut().enumerate().for_each(|(at, byte)| *byte ^= (at as u8).wrapping_mul(167) | 1);
            }
        }
        _ => {}
    }
    bytes
}

/// Changes where sections are and how long.
fn each_section(bytes: &mut [u8], mut change: impl FnMut(&mut u64, &mut u64)) {
    let word = |bytes: &[u8], at: usize| {
        u64::from_le_bytes(std::array::from_fn(|byte| bytes.get(at + byte).copied().unwrap_or(0)))
    };
    let table = word(bytes, 0x28) as usize;
    for header in (table..bytes.len()).step_by(64) {
        let (mut offset, mut size) = (word(bytes, header + 24), word(bytes, header + 32));
        change(&mut offset, &mut size);
        bytes[header + 24..header + 32].copy_from_slice(&offset.to_le_bytes());
        bytes[header + 32..header + 40].copy_from_slice(&size.to_le_bytes());
    }
}

/// Where the bytes of an object are while it is told.
#[derive(Debug)]
pub(crate) struct Place {
    address: usize,
    length: usize,
    claimed: u64,
    pub(crate) storage: u32,
    pub(crate) uri: String,
}

impl Place {
    /// Puts an object into memory of its own, or into a file.
    pub(crate) fn new(id: u64, bytes: &[u8]) -> Self {
        if let Some(directory) = kind().strip_prefix("file:") {
            let path = format!("{directory}/{id}.hsaco");
            let written = std::fs::File::create(&path).and_then(|file| file.write_all_at(bytes, IN_FILE));
            if let Err(error) = written {
                crate::fatal(&format!("{path}: {error}"));
            }
            let uri = format!("file://{path}#offset={IN_FILE}&size={}", bytes.len());
            let storage = c::ROCPROFILER_CODE_OBJECT_STORAGE_TYPE_FILE;
            return Self { address: 0, length: 0, claimed: 0, storage, uri };
        }
        let length = bytes.len().max(1);
        let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping of the kernel's choice.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), length, access, flags, -1, 0) };
        if address == libc::MAP_FAILED {
            crate::fatal("no memory for a code object");
        }
        // SAFETY: the mapping is new, and as long as the bytes.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), address.cast(), bytes.len()) };
        let claimed = if kind() == "lying" { 1 << 30 } else { length as u64 };
        let uri = format!("memory://{}#offset={:#x}&size={claimed}", crate::thread::getpid(), address as usize);
        let storage = c::ROCPROFILER_CODE_OBJECT_STORAGE_TYPE_MEMORY;
        let place = Self { address: address as usize, length, claimed, storage, uri };
        if kind() == "gone" {
            place.free();
        }
        place
    }

    /// Address and size, as the loader tells them.
    pub(crate) fn memory(&self) -> (u64, u64) {
        (self.address as u64, self.claimed)
    }

    /// Gives the memory back: whoever kept the address finds nothing there.
    pub(crate) fn free(&self) {
        if self.length > 0 {
            // SAFETY: the mapping is `new`'s, and nobody of ours reads it. Where it is gone already this does nothing.
            unsafe { libc::munmap(self.address as *mut libc::c_void, self.length) };
        }
    }
}
