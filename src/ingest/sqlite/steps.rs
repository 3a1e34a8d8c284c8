//! What SQLite may cost: steps of its virtual machine, bytes of a value, memory.
//!
//! A database is a program: its views compute rows, and a table of a few bytes may be a view that never ends. Steps are
//! counted rather than time, so that the same file is read to the same row on every machine. All connections to one
//! database share the count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use rusqlite::limits::Limit;

use crate::ingest::limits::Reached;

/// Steps between two looks at the count.
const STRIDE: u16 = 10_000;

/// Bytes of the longest text that is taken from a database.
const LONGEST_VALUE: i32 = 16 << 20;

/// Bytes that SQLite may hold for all databases of this process, its caches included.
const MEMORY: i64 = 512 << 20;

/// The steps that one database may take, and has taken.
#[derive(Clone)]
pub(super) struct Steps {
    taken: Arc<AtomicU64>,
    limit: u64,
}

impl Steps {
    /// None taken of `limit`.
    pub(super) fn new(limit: u64) -> Self {
        Self { taken: Arc::default(), limit }
    }

    /// Has `connection` stop where the limit is reached.
    pub(super) fn bound(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST_VALUE)?;
        connection.pragma_update(None, "hard_heap_limit", MEMORY)?;
        let steps = self.clone();
        let count = move || steps.taken.fetch_add(STRIDE.into(), Ordering::Relaxed) > steps.limit;
        connection.progress_handler(STRIDE.into(), Some(count))
    }

    /// Why the database was not read further, if that was it.
    pub(super) fn reached(&self) -> Option<String> {
        let reached = Reached { what: "steps of SQLite", limit: self.limit, name: "sqlite-steps" };
        (self.taken.load(Ordering::Relaxed) > self.limit).then(|| reached.to_string())
    }
}
