//! Reading a database that may be compressed, unfinished or damaged, without ever writing beside it.
//!
//! A finished database is opened where it lies, read-only and immutable: no lock, no `-shm` file in a user's
//! directory. A writer that was killed leaves a `-wal` or `-journal` file without which the database is incomplete or
//! even wrong; then both are copied, and SQLite may recover the copy. A compressed one is unpacked. Copies have no name once
//! they are open, so none is left behind by whatever ends this process.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use rustix::fs::{AtFlags, CWD, linkat};
use tempfile::TempDir;

use super::cost::Cost;
use crate::door;
use crate::ingest::chunks::Chunks;
use crate::ingest::open::failure;
use crate::ingest::{Error, ErrorKind};
use crate::model::TraceBuilder;

/// An open database.
pub(super) struct Database {
    pub(super) path: PathBuf,
    connection: Connection,
    /// Whether it is read where it lies, so that there may be more connections to it.
    is_in_place: bool,
    /// The first fault of a scan, by which the rest of a table was lost.
    fault: RefCell<Option<String>>,
    /// How many texts SQLite could not give, and why the first of them.
    unread: RefCell<Option<(u64, String)>>,
    cost: Cost,
}

impl Database {
    /// Opens the database at `path`, of which `chunks` are the bytes.
    pub(super) fn open(path: &Path, mut chunks: Chunks, builder: &mut TraceBuilder) -> Result<Self, Error> {
        let io = |error: io::Error| failure(path, &error);
        let sidecar = SIDECARS.iter().any(|suffix| fs::metadata(with(path, suffix)).is_ok_and(|file| file.len() > 0));
        let is_in_place = !chunks.is_compressed() && !sidecar;
        let limits = chunks.limits();
        let (connection, size) = if is_in_place {
            (in_place(path), fs::metadata(path).map_err(io)?.len())
        } else {
            let (copy, size) = unpack(&mut chunks).map_err(io)?;
            if let Some(reason) = chunks.cut() {
                let text = format!("{}: {reason}; the database is read as far as it goes", path.display());
                builder.warn("cut-short", text);
            }
            let copied = Copied::begin(&copy).map_err(io)?;
            if sidecar && !chunks.is_compressed() {
                recover(path, &copied.path).map_err(io)?;
                let text = format!("{}: its writer did not finish; what it left was recovered", path.display());
                builder.warn("unfinished-database", text);
            }
            (copied.open(), size)
        };
        let mut connection = connection.map_err(|error| malformed(path, &error))?;
        let cost = Cost::begin(&limits, size);
        cost.bound(&mut connection).map_err(|error| malformed(path, &error))?;
        let (fault, unread) = Default::default();
        Ok(Self { path: path.to_owned(), connection, is_in_place, fault, unread, cost })
    }

    /// One more connection, for another thread; `None` where one must do.
    pub(super) fn another_connection(&self) -> Option<Connection> {
        let mut connection = self.is_in_place.then(|| in_place(&self.path).ok())??;
        self.cost.bound(&mut connection).ok()?;
        Some(connection)
    }

    /// Names of all tables and views.
    pub(super) fn tables(&self) -> Result<Vec<String>, Error> {
        let query = || -> rusqlite::Result<Vec<String>> {
            let sql = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')";
            self.connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
        };
        query().map_err(|error| match self.cost.reached() {
            Some(reached) => Error::new(ErrorKind::TooLarge, &self.path, reached),
            None => malformed(&self.path, &error),
        })
    }

    /// Whether `table` has `column`. Asked of the schema, because SQLite takes an unknown name in quotes for a text.
    pub(super) fn has_column(&self, table: &str, column: &str) -> bool {
        let sql = "SELECT 1 FROM pragma_table_info(?) WHERE name = ? COLLATE NOCASE";
        self.connection.query_row(sql, [table, column], |_| Ok(())).is_ok()
    }

    /// One text by a query with one parameter. What SQLite cannot give is counted.
    pub(super) fn text(&self, sql: &str, parameter: impl rusqlite::ToSql) -> Option<String> {
        let query = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row([parameter], |row| Ok(text(row, 0).map(str::to_owned)))
        };
        let found = query();
        if let Ok(Some(text)) = &found {
            // One beyond the limit is given all the same: it is there. The next query stops.
            let _ = self.cost.text(text.len());
        }
        found.unwrap_or_else(|error| {
            if error != rusqlite::Error::QueryReturnedNoRows {
                let mut unread = self.unread.borrow_mut();
                let why = || self.cost.reached().unwrap_or_else(|| error.to_string());
                unread.get_or_insert_with(|| (0, why())).0 += 1;
            }
            None
        })
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
            let columns = 0..rows.as_ref().map_or(0, |statement| statement.column_count());
            while let Some(row) = rows.next()? {
                take(row);
                let texts = columns.clone().map(|column| row.get_ref(column).ok()?.as_bytes().ok().map(<[u8]>::len));
                // Of rows without texts too: a row may be dear in few steps, and then this is what sees that time is up.
                if self.cost.text(texts.flatten().sum()) {
                    self.broke_off(String::new());
                    break;
                }
            }
            Ok(())
        };
        if let Err(error) = scan() {
            self.broke_off(error.to_string());
        }
    }

    /// Remembers the fault by which a scan ended.
    pub(super) fn broke_off(&self, fault: String) {
        self.fault.borrow_mut().get_or_insert(self.cost.reached().unwrap_or(fault));
    }

    /// Ends the reading: an error if nothing was `found`, else a warning if a scan broke off.
    pub(super) fn finish(self, found: bool, builder: &mut TraceBuilder) -> Result<(), Error> {
        if let Some((count, why)) = self.unread.into_inner() {
            let path = self.path.display();
            let text = format!("{path}: {count} texts (names, arguments) could not be read: {why}");
            builder.warn("unread-texts", text);
        }
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
            (Some(fault), false) if self.cost.reached().is_some() => {
                Err(Error::new(ErrorKind::TooLarge, &self.path, fault))
            }
            (Some(fault), false) => Err(Error::new(ErrorKind::Malformed, &self.path, format!("damaged: {fault}"))
                .hint("is the file whole? try sqlite3 FILE .recover")),
        }
    }
}

/// Writes the bytes of a database to a file without a name, which is gone with this process however it ends.
fn unpack(chunks: &mut Chunks) -> io::Result<(File, u64)> {
    let mut file = tempfile::tempfile()?;
    let size = io::copy(chunks, &mut file)?;
    Ok((file, size))
}

/// A copy of a database, under a name only until SQLite has opened it.
struct Copied {
    directory: TempDir,
    path: PathBuf,
}

impl Copied {
    /// Gives `file` a name.
    fn begin(file: &File) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("profile-decode-").tempdir()?;
        let path = directory.path().join("trace.db");
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        if linkat(CWD, &*unnamed, CWD, &path, AtFlags::SYMLINK_FOLLOW).is_err() {
            // A file system without unnamed files.
            io::copy(&mut File::open(unnamed)?, &mut File::create(&path)?)?;
        }
        Ok(Self { directory, path })
    }

    /// Opens it, has SQLite recover what is to be recovered, and takes the name away.
    fn open(self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        // What is wrong with the schema is told where it is asked for.
        let _ = connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()));
        drop(self.directory);
        Ok(connection)
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
        match door::open(&with(path, suffix)) {
            Ok(mut from) => drop(io::copy(&mut from, &mut File::create(with(copy, suffix))?)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("the {suffix} file beside it: {error}"))),
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
