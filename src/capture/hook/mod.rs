//! What runs on the host's threads: the SDK's calls into us, the functions that we stand in front of, the process's end.
//!
//! Nothing here touches files. It counts, copies and hands on; [`write`](super::write) does the rest.

mod attach;
mod callbacks;
mod entry;
mod exits;
mod gateway;
mod graphs;
mod markers;
mod python;
mod roctx;
