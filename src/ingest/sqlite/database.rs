//! Reading a database that may be compressed, unfinished or damaged, without ever writing beside it.
//!
//! A finished database is opened where it lies, read-only and immutable: no lock, no `-shm` file in a user's
//! directory. A writer that was killed leaves a `-wal` or `-journal` file without which the database is incomplete or
//! even wrong; then both are copied to a temporary directory, where SQLite may recover them. A compressed one is
//! unpacked there.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use tempfile::TempDir;

use super::super::chunks::Chunks;
use super::super::open::failure;
use super::super::{Error, ErrorKind};
use crate::model::TraceBuilder;

/// An open database.
pub(super) struct Database {
    pub(super) path: PathBuf,
    connection: Connection,
    /// Whether it is read where it lies, so that there may be more connections to it.
    is_in_place: bool,
    /// The first fault of a scan, by which the rest of a table was lost.
    fault: RefCell<Option<String>>,
    _unpacked: Option<TempDir>,
}

impl Database {
    /// Opens the database at `path`, of which `chunks` are the bytes.
    pub(super) fn open(path: &Path, mut chunks: Chunks, builder: &mut TraceBuilder) -> Result<Self, Error> {
        let io = |error: io::Error| failure(path, &error);
        let sidecar = SIDECARS.iter().any(|suffix| fs::metadata(with(path, suffix)).is_ok_and(|file| file.len() > 0));
        let compressed = chunks.is_compressed();
        let (connection, unpacked) = if compressed || sidecar {
            let directory = tempfile::Builder::new().prefix("profile-decode-").tempdir().map_err(io)?;
            let copy = directory.path().join("trace.db");
            io::copy(&mut chunks, &mut File::create(&copy).map_err(io)?).map_err(io)?;
            if let Some(reason) = chunks.cut() {
                let text = format!("{}: {reason}; the database is read as far as it goes", path.display());
                builder.warn("cut-short", text);
            }
            if !compressed {
                recover(path, &copy).map_err(io)?;
                let text = format!("{}: its writer did not finish; what it left was recovered", path.display());
                builder.warn("unfinished-database", text);
            }
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            (Connection::open_with_flags(&copy, flags), Some(directory))
        } else {
            (in_place(path), None)
        };
        let connection = connection.map_err(|error| malformed(path, &error))?;
        let is_in_place = unpacked.is_none();
        Ok(Self { path: path.to_owned(), connection, is_in_place, fault: RefCell::new(None), _unpacked: unpacked })
    }

    /// One more connection, for another thread; `None` where one must do.
    pub(super) fn another_connection(&self) -> Option<Connection> {
        self.is_in_place.then(|| in_place(&self.path).ok())?
    }

    /// Names of all tables and views.
    pub(super) fn tables(&self) -> Result<Vec<String>, Error> {
        let query = || -> rusqlite::Result<Vec<String>> {
            let sql = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')";
            self.connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
        };
        query().map_err(|error| malformed(&self.path, &error))
    }

    /// Whether `table` has `column`. Asked of the schema, because SQLite takes an unknown name in quotes for a text.
    pub(super) fn has_column(&self, table: &str, column: &str) -> bool {
        let sql = "SELECT 1 FROM pragma_table_info(?) WHERE name = ? COLLATE NOCASE";
        self.connection.query_row(sql, [table, column], |_| Ok(())).is_ok()
    }

    /// One text by a query with one parameter.
    pub(super) fn text(&self, sql: &str, parameter: impl rusqlite::ToSql) -> Option<String> {
        let mut statement = self.connection.prepare_cached(sql).ok()?;
        statement.query_row([parameter], |row| Ok(text(row, 0).map(str::to_owned))).ok().flatten()
    }

    /// One whole number by a query.
    pub(super) fn number(&self, sql: &str) -> Option<i64> {
        self.connection.query_row(sql, [], |row| Ok(integer(row, 0))).ok().flatten()
    }

    /// Calls `take` with every row of `sql`. A fault ends the scan and is remembered: rows before it are good.
    pub(super) fn scan(&self, sql: &str, mut take: impl FnMut(&Row<'_>)) {
        let mut scan = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare(sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                take(row);
            }
            Ok(())
        };
        if let Err(error) = scan() {
            self.broke_off(error.to_string());
        }
    }

    /// Remembers the fault by which a scan ended.
    pub(super) fn broke_off(&self, fault: String) {
        self.fault.borrow_mut().get_or_insert(fault);
    }

    /// Ends the reading: an error if nothing was `found`, else a warning if a scan broke off.
    pub(super) fn finish(self, found: bool, builder: &mut TraceBuilder) -> Result<(), Error> {
        match (self.fault.into_inner(), found) {
            (None, true) => Ok(()),
            (None, false) => Err(Error::new(ErrorKind::Empty, &self.path, "there is no GPU work in this database")
                .hint("was the process traced the one that runs the model?")),
            (Some(fault), true) => {
                let text =
                    format!("{}: damaged ({fault}); only what comes before the damage was read", self.path.display());
                builder.warn("cut-short", text);
                Ok(())
            }
            (Some(fault), false) => Err(Error::new(ErrorKind::Malformed, &self.path, format!("damaged: {fault}"))
                .hint("is the file whole? try sqlite3 FILE .recover")),
        }
    }
}

/// Files that SQLite keeps beside a database while it is written.
const SIDECARS: [&str; 2] = ["-wal", "-journal"];

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Puts what SQLite needs to recover `path` beside its `copy`.
fn recover(path: &Path, copy: &Path) -> io::Result<()> {
    for suffix in SIDECARS {
        match fs::copy(with(path, suffix), with(copy, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn malformed(path: &Path, error: &rusqlite::Error) -> Error {
    Error::new(ErrorKind::Malformed, path, format!("not a readable SQLite database: {error}"))
        .hint("is the file whole? try sqlite3 FILE .recover")
}

fn in_place(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(immutable_uri(path), flags)
}

/// `file:` URI of `path`, every byte with a meaning in URIs escaped.
fn immutable_uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' => uri.push(byte.into()),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?mode=ro&immutable=1"
}

/// An identifier for use in SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A whole number, whatever type the column gave it.
pub(super) fn integer(row: &Row<'_>, column: usize) -> Option<i64> {
    match row.get_ref(column).ok()? {
        ValueRef::Integer(number) => Some(number),
        ValueRef::Real(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(number as i64),
        ValueRef::Text(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
        _ => None,
    }
}

/// A text, if the column holds one that is UTF-8.
pub(super) fn text<'a>(row: &'a Row<'_>, column: usize) -> Option<&'a str> {
    row.get_ref(column).ok()?.as_str().ok()
}
