//! What reading may cost: one budget for all readers.
//!
//! A small file must not cost much: one that unpacks without end, a row without end, a database that computes its rows.
//! Each limit has a default far above what real traces need, a name by which it can be set, and a message that tells
//! that name. What was read before a limit counts, as with a file that is cut short; only where nothing sensible could
//! be shown of the part is it an error.

use std::fmt;

/// The most that may be read. [`Default`] gives the usual limits; [`set`](Self::set) changes one by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// `unpacked`: bytes that a compressed file may unpack to. `None`: 256 MiB, or 100 times the file's size if that is
    /// more.
    pub unpacked: Option<u64>,
    /// `row`: bytes of one row, event or frame.
    pub row: u64,
    /// `records`: dispatches, copies, calls and ranges.
    pub records: u64,
    /// `names`: distinct names.
    pub names: u64,
    /// `ranks`: GPUs of a run.
    pub ranks: u64,
    /// `sqlite-steps`: steps of SQLite's virtual machine for one database. `None`: 20 million, or 16 for each byte of the
    /// database if that is more.
    pub sqlite_steps: Option<u64>,
    /// `sqlite-seconds`: time in which one database must be read. `None`: 60, or one for each 4 MiB of the database if that
    /// is more.
    pub sqlite_seconds: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked: None,
            row: 64 << 20,
            records: 1 << 28,
            names: 1 << 20,
            ranks: 1024,
            sqlite_steps: None,
            sqlite_seconds: None,
        }
    }
}

/// Why a limit cannot be set.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text:?} is no limit: NAME=NUMBER, with k, M or G behind the number if need be; names are {}", NAMES.join(", "))]
pub struct LimitError {
    text: String,
}

const NAMES: [&str; 7] = ["unpacked", "row", "records", "names", "ranks", "sqlite-steps", "sqlite-seconds"];

impl Limits {
    /// Sets a limit by its name, as in `row=128M`.
    ///
    /// # Errors
    /// If there is no such limit, or the number is none.
    pub fn set(&mut self, text: &str) -> Result<(), LimitError> {
        let wrong = || LimitError { text: text.to_owned() };
        let (name, number) = text.split_once('=').ok_or_else(wrong)?;
        let number = number_of(number).ok_or_else(wrong)?;
        match name {
            "unpacked" => self.unpacked = Some(number),
            "row" => self.row = number,
            "records" => self.records = number,
            "names" => self.names = number,
            "ranks" => self.ranks = number,
            "sqlite-steps" => self.sqlite_steps = Some(number),
            "sqlite-seconds" => self.sqlite_seconds = Some(number),
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// Bytes that a compressed file of `size` bytes may unpack to.
    pub(super) fn unpacked_of(&self, size: u64) -> u64 {
        self.unpacked.unwrap_or_else(|| size.saturating_mul(100).max(256 << 20))
    }

    /// Steps that SQLite may take for a database of `size` bytes.
    pub(super) fn sqlite_steps_of(&self, size: u64) -> u64 {
        self.sqlite_steps.unwrap_or_else(|| size.saturating_mul(16).max(20_000_000))
    }

    /// Seconds in which a database of `size` bytes must be read.
    pub(super) fn sqlite_seconds_of(&self, size: u64) -> u64 {
        self.sqlite_seconds.unwrap_or_else(|| (size / (4 << 20)).max(60))
    }
}

/// A number with a unit of 1024 behind it, or none.
fn number_of(text: &str) -> Option<u64> {
    let (digits, shift) = match text.strip_suffix(['k', 'M', 'G']) {
        Some(digits) if text.ends_with('k') => (digits, 10),
        Some(digits) if text.ends_with('M') => (digits, 20),
        Some(digits) => (digits, 30),
        None => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// A limit that was reached: what there is too much of, and the limit's name.
pub(super) struct Reached {
    pub(super) what: &'static str,
    pub(super) limit: u64,
    pub(super) name: &'static str,
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, limit, name } = self;
        write!(f, "more than {limit} {what}, the limit (--limit {name}=N sets another)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_set_by_its_name_and_nothing_else_is_taken_for_one() {
        let mut limits = Limits::default();
        for text in ["row=2M", "ranks=5", "unpacked=1G", "sqlite-steps=7k"] {
            limits.set(text).unwrap();
        }
        assert_eq!((limits.row, limits.ranks), (2 << 20, 5));
        assert_eq!((limits.unpacked_of(1), limits.sqlite_steps_of(1 << 40)), (1 << 30, 7 << 10));
        for text in ["rows=2", "row", "row=", "row=-1", "row=2T", "row=99999999999G"] {
            assert!(limits.set(text).is_err(), "{text}");
        }
    }
}
