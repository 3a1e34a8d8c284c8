//! What SQLite may cost: steps of its virtual machine, time, bytes of a value, memory.
//!
//! A database is a program: its views compute rows, and a table of a few bytes may be a view that never ends. Steps are
//! counted first, so that the same file is read to the same row on every machine; texts that come out count as steps, for
//! a view makes gigabytes of them in few. A step may still be dear (`hex` of a million bytes, thrown away), so there is an
//! end to the time as well, which no real database comes near. All connections to one database share the count.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::limits::Limit;

use crate::ingest::Limits;
use crate::ingest::limits::Reached;

/// Steps between two looks at the count.
const STRIDE: u16 = 1_000;

/// Bytes of a text that count as one step.
const STEP_OF_TEXT: u64 = 16;

/// Bytes of the longest text that is taken from a database.
const LONGEST_VALUE: i32 = 4 << 20;

/// Bytes that SQLite may hold for all databases of this process, its caches included.
const MEMORY: i64 = 512 << 20;

/// What reading one database may cost, and has cost.
#[derive(Clone)]
pub(super) struct Cost {
    spent: Arc<Spent>,
    steps: u64,
    seconds: u64,
    until: Option<Instant>,
}

#[derive(Default)]
struct Spent {
    steps: AtomicU64,
    is_late: AtomicBool,
}

impl Cost {
    /// Nothing yet of what `limits` allow a database of `size` bytes, from now on.
    pub(super) fn begin(limits: &Limits, size: u64) -> Self {
        let seconds = limits.sqlite_seconds_of(size);
        let until = Instant::now().checked_add(Duration::from_secs(seconds));
        Self { spent: Arc::default(), steps: limits.sqlite_steps_of(size), seconds, until }
    }

    /// Has `connection` stop where a limit is reached.
    pub(super) fn bound(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST_VALUE)?;
        connection.pragma_update(None, "hard_heap_limit", MEMORY)?;
        let cost = self.clone();
        connection.progress_handler(STRIDE.into(), Some(move || cost.is_too_much(STRIDE.into())))
    }

    /// Counts a text of so many bytes that came out, and whether it is one too many.
    pub(super) fn text(&self, bytes: usize) -> bool {
        self.is_too_much(bytes as u64 / STEP_OF_TEXT)
    }

    fn is_too_much(&self, steps: u64) -> bool {
        let before = self.spent.steps.fetch_add(steps, Ordering::Relaxed);
        if self.until.is_some_and(|until| Instant::now() > until) {
            self.spent.is_late.store(true, Ordering::Relaxed);
        }
        before > self.steps || self.spent.is_late.load(Ordering::Relaxed)
    }

    /// Why the database was not read further, if that was it.
    pub(super) fn reached(&self) -> Option<String> {
        let reached = if self.spent.steps.load(Ordering::Relaxed) > self.steps {
            Reached { what: "steps of SQLite", limit: self.steps, name: "sqlite-steps" }
        } else if self.spent.is_late.load(Ordering::Relaxed) {
            Reached { what: "seconds of SQLite", limit: self.seconds, name: "sqlite-seconds" }
        } else {
            return None;
        };
        Some(reached.to_string())
    }
}
