//! What both the host's threads and our own ask of the operating system.

use std::borrow::Cow;
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Nanoseconds of `clock`, 0 if the kernel does not have it.
pub(super) fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a live timespec that the call fills in.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut time) } != 0;
    if failed { 0 } else { time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64 }
}

/// Nanoseconds of the clock that rocprofiler-sdk's timestamps are of (rocprofiler-sdk 0.4 to 1.0).
pub(super) fn boottime_ns() -> u64 {
    clock_ns(libc::CLOCK_BOOTTIME)
}

/// The kernel driver's list of GPUs under `root`, if it is there and nothing of it can be read. Single nodes that cannot be
/// are those of GPUs that the container was not given.
pub(super) fn unreadable_topology(root: &Path) -> Option<PathBuf> {
    let nodes = root.join("sys/class/kfd/kfd/topology/nodes");
    match fs::read_dir(&nodes) {
        Ok(entries) => {
            let properties: Vec<PathBuf> = entries.flatten().map(|node| node.path().join("properties")).collect();
            let is_dark = !properties.is_empty() && properties.iter().all(|path| fs::read(path).is_err());
            is_dark.then_some(nodes)
        }
        Err(error) => (error.kind() != io::ErrorKind::NotFound).then_some(nodes),
    }
}

/// The file of the library, or the program, that `address` belongs to.
pub(super) fn library_of(address: *const c_void) -> Option<PathBuf> {
    // SAFETY: an all-zero Dl_info is valid storage; dladdr takes any address and gives the name of a loaded file, which
    // lives as long as that is loaded.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(address, &raw mut info) == 0 || info.dli_fname.is_null() {
            return None;
        }
        Some(PathBuf::from(OsStr::from_bytes(CStr::from_ptr(info.dli_fname).to_bytes())))
    }
}

/// The file that this code is in.
pub(super) fn own_library() -> Option<PathBuf> {
    library_of(own_library as *const c_void)
}

/// Whether a call of the function `name` by the host, or by a library that comes after us, reaches this library's.
pub(super) fn is_ours(name: &CStr) -> bool {
    // SAFETY: the name is a C string, and what is found is only looked at.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    !found.is_null() && library_of(found) == own_library()
}

/// Keeps the host's signals away from the calling thread, `SIGPIPE` of our own writes among them.
pub(super) fn block_signals() {
    // SAFETY: an all-zero sigset is valid storage for sigfillset, which fills it before it is used; the mask changes
    // for this thread alone.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
    }
}

/// Longest wait for room in stderr, which may be a pipe that nobody reads.
const STDERR_PATIENCE_MS: c_int = 200;

/// Writes a line to stderr and does not care whether anybody reads it. Only for the aggregator's thread, where
/// `SIGPIPE` is blocked.
pub(super) fn say(text: &str) {
    let mut stderr = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one live pollfd, as is said.
    let ready = unsafe { libc::poll(&raw mut stderr, 1, STDERR_PATIENCE_MS) };
    if ready > 0 && stderr.revents & libc::POLLOUT != 0 {
        // A pipe that can be written to has room for `PIPE_BUF` bytes: no more of them, so that this never blocks.
        // Paths and messages may hold what a terminal would obey.
        let text: String = text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
        let line: String = format!("profile-decode: {text}").chars().take(libc::PIPE_BUF / 4 - 1).collect();
        let _ = io::Write::write_all(&mut io::stderr(), format!("{line}\n").as_bytes());
    }
}

/// [`say`], from a thread of the host's: `SIGPIPE` is blocked while the line is written, and one that came of it is taken
/// back.
pub(super) fn say_aside(text: &str) {
    // SAFETY: zeroed signal sets are valid storage, filled before they are used; the mask is put back as it was.
    unsafe {
        let mut pipe: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut pipe);
        libc::sigaddset(&raw mut pipe, libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const pipe, &raw mut before);
        say(text);
        if libc::sigismember(&raw const before, libc::SIGPIPE) == 0 {
            let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            libc::sigtimedwait(&raw const pipe, std::ptr::null_mut(), &raw const none);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
    }
}

/// CPU time of the calling thread.
pub(super) fn thread_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// The calling thread, as the SDK names threads.
pub(super) fn thread_id() -> u64 {
    // By the system call: glibc has the function from 2.30 on, and a library bound at its start would not load before.
    // SAFETY: gettid takes nothing and cannot fail.
    unsafe { libc::syscall(libc::SYS_gettid) as u64 }
}

/// A C string, empty for null; what is not UTF-8 is replaced. It allocates for nothing else.
///
/// # Safety
/// `text` must be null or a C string that lives as long as the result.
pub(super) unsafe fn text<'a>(text: *const c_char) -> Cow<'a, str> {
    if text.is_null() {
        return Cow::Borrowed("");
    }
    // SAFETY: the caller holds that it is a string that lives.
    unsafe { CStr::from_ptr(text) }.to_string_lossy()
}

/// The bytes of a C string; none for null.
///
/// # Safety
/// As of [`text`].
pub(super) unsafe fn bytes<'a>(text: *const c_char) -> &'a [u8] {
    if text.is_null() {
        return &[];
    }
    // SAFETY: the caller holds that it is a string that lives.
    unsafe { CStr::from_ptr(text) }.to_bytes()
}

/// Fills `buffer` with what this process has at `address`; false where it has not that much. The system copies, so an address
/// that is none, or is not any more, is an error and no fault.
pub(super) fn read_memory(address: u64, buffer: &mut [u8]) -> bool {
    let length = buffer.len();
    let own = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: length };
    let from = libc::iovec { iov_base: address as *mut c_void, iov_len: length };
    // SAFETY: one live iovec each; `own` is the caller's buffer, and what `from` names is checked by the system.
    let read = unsafe { libc::process_vm_readv(libc::getpid(), &raw const own, 1, &raw const from, 1, 0) };
    usize::try_from(read).is_ok_and(|read| read == length)
}

/// Asks to be told of forks, in the child.
pub(super) fn at_fork(child: extern "C" fn()) {
    // SAFETY: `child` is a function of this library, which is never unloaded once it is a tool, and async-signal-safe.
    unsafe {
        libc::pthread_atfork(None, None, Some(std::mem::transmute::<extern "C" fn(), unsafe extern "C" fn()>(child)))
    };
}

unsafe extern "C" {
    fn fflush(stream: *mut c_void) -> c_int;
}

/// Writes what the host has in its streams, as exit itself would have done next.
pub(super) fn flush_streams() {
    // SAFETY: a null stream flushes all of them.
    unsafe { fflush(std::ptr::null_mut()) };
}

/// Ends the process without running anything more of it.
pub(super) fn end_now(status: c_int) -> ! {
    loop {
        // SAFETY: exit_group takes an integer and does not return.
        unsafe { libc::syscall(libc::SYS_exit_group, status) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topology_is_dark_where_none_of_its_nodes_can_be_read() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(unreadable_topology(root.path()), None, "a machine without a GPU");
        let nodes = root.path().join("sys/class/kfd/kfd/topology/nodes");
        // Not even root reads a directory as a file.
        fs::create_dir_all(nodes.join("0/properties")).unwrap();
        assert_eq!(unreadable_topology(root.path()), Some(nodes.clone()));
        fs::create_dir_all(nodes.join("1")).unwrap();
        fs::write(nodes.join("1/properties"), "cpu_cores_count 1\n").unwrap();
        assert_eq!(unreadable_topology(root.path()), None, "a container that was given one GPU");
    }

    #[test]
    #[cfg_attr(miri, ignore = "asks the system")]
    fn memory_that_is_not_there_is_an_error_and_no_fault() {
        let there = *b"something";
        let mut buffer = [0; 9];
        assert!(read_memory(there.as_ptr() as u64, &mut buffer));
        assert_eq!(buffer, there);
        assert!(
            !read_memory(0, &mut buffer) && !read_memory(8, &mut buffer) && !read_memory(u64::MAX - 2, &mut buffer)
        );
    }

    #[test]
    fn the_code_knows_the_file_that_it_is_in() {
        assert_eq!(own_library().map(fs::canonicalize).unwrap().unwrap(), fs::canonicalize("/proc/self/exe").unwrap());
    }
}
