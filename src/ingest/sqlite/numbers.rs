//! Rows of whole numbers, scanned by several threads and given out in order.
//!
//! Most of what reading a database takes is SQLite's own: finding a row's columns and handing them over one by one. So two
//! threads scan the parts of a table in turns, each with a connection of its own, while the caller's thread makes the
//! trace of what they bring:
//!
//! ```text
//!   rowid      1……32,768 │ ……65,536 │ ……98,304 │ ……
//!   thread 0   ├ part 0 ─┤          ├ part 2 ──┤
//!   thread 1             ├ part 1 ──┤          ├ part 3 …
//!   caller        part 0, then part 1, then part 2, …
//! ```
//!
//! A thread is at most a part ahead, so memory is bounded whatever the table's size, and the rows come in the same order
//! as from one scan. The first fault in that order ends the scan, as it would there.
//!
//! Rejected: memory maps, which would save a copy of each page: a file that shrinks while it is read would kill the
//! process. Adding rows up in SQL: the trace is made of single rows.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rusqlite::{Connection, Row};

use super::database::{Database, integer};

/// Threads that scan. More than two wait for the one that makes the trace.
const THREADS: usize = 2;
/// Rows that are handed over together.
const BATCH: usize = 512;
/// Rowids of a part, unless there are so few rows among them that the parts would be too many.
const PART: i64 = 32_768;
const MOST_PARTS: i64 = 4_096;

/// The whole numbers of a row; other values are `None`, as are NULLs.
#[derive(Clone, Copy)]
pub(super) struct Numbers<const N: usize> {
    values: [i64; N],
    /// One bit a column.
    known: u16,
}

impl<const N: usize> Numbers<N> {
    fn of(row: &Row<'_>) -> Self {
        const { assert!(N <= 16) };
        let mut numbers = Self { values: [0; N], known: 0 };
        for column in 0..N {
            if let Some(value) = integer(row, column) {
                numbers.values[column] = value;
                numbers.known |= 1 << column;
            }
        }
        numbers
    }

    /// The number in a column.
    pub(super) fn get(&self, column: usize) -> Option<i64> {
        (self.known >> column & 1 == 1).then(|| self.values[column])
    }
}

/// What a scanning thread sends.
enum Message<const N: usize> {
    Rows(Vec<Numbers<N>>),
    /// A part is over, by a fault if one is given.
    End(Option<String>),
}

/// A table, and what is asked of it.
pub(super) struct Query<'a> {
    /// `SELECT … FROM …`, with `N` columns.
    pub(super) sql: &'a str,
    /// The table as it is named after `FROM`.
    pub(super) table: &'a str,
    /// What the query calls it.
    pub(super) alias: &'a str,
}

impl Database {
    /// Calls `take` with every row of `query`. A fault ends the scan and is remembered: rows before it are good.
    pub(super) fn scan_numbers<const N: usize>(&self, query: &Query<'_>, mut take: impl FnMut(Numbers<N>)) {
        let connections = || (0..THREADS).map(|_| self.another_connection()).collect::<Option<Vec<_>>>();
        match self.parts(query.table).and_then(|parts| Some((parts, connections()?))) {
            Some((parts, connections)) => self.scan_parts(query, &parts, connections, &mut take),
            None => self.scan(query.sql, |row| take(Numbers::of(row))),
        }
    }

    /// Calls `take` with the times and the row of every row of `query`, whose first two columns are start and end. Gives
    /// how many rows lack one of them.
    pub(super) fn scan_timed<const N: usize>(
        &self,
        query: &Query<'_>,
        mut take: impl FnMut(i64, i64, Numbers<N>),
    ) -> u64 {
        let mut unreadable = 0;
        self.scan_numbers(query, |row: Numbers<N>| match (row.get(0), row.get(1)) {
            (Some(start_ns), Some(end_ns)) => take(start_ns, end_ns, row),
            _ => unreadable += 1,
        });
        unreadable
    }

    /// First and last rowid of each part; `None` if the table is small, or not one that has rowids.
    fn parts(&self, table: &str) -> Option<Vec<(i64, i64)>> {
        if thread::available_parallelism().is_ok_and(|count| count.get() == 1) {
            return None;
        }
        let first = self.number(&format!("SELECT min(rowid) FROM {table}"))?;
        let last = self.number(&format!("SELECT max(rowid) FROM {table}"))?;
        let width = last.checked_sub(first)?;
        let step = PART.max(width / MOST_PARTS + 1);
        (width >= 2 * PART).then(|| {
            let begins = (0..=width / step).map(|part| first + part * step);
            begins.map(|begin| (begin, begin.saturating_add(step - 1).min(last))).collect()
        })
    }

    fn scan_parts<const N: usize>(
        &self,
        query: &Query<'_>,
        parts: &[(i64, i64)],
        connections: Vec<Connection>,
        take: &mut impl FnMut(Numbers<N>),
    ) {
        let sql = format!("{} WHERE {}.rowid BETWEEN ? AND ?", query.sql, query.alias);
        let sql = sql.as_str();
        let fault = thread::scope(|scope| {
            let threads = connections.len();
            let scans: Vec<Receiver<Message<N>>> = connections
                .into_iter()
                .enumerate()
                .map(|(number, connection)| {
                    let (sender, receiver) = sync_channel(PART as usize / BATCH);
                    let parts = parts.iter().skip(number).step_by(threads);
                    scope.spawn(move || parts.map_while(|&part| scan_part(&connection, sql, part, &sender)).count());
                    receiver
                })
                .collect();
            for part in 0..parts.len() {
                loop {
                    match scans[part % threads].recv() {
                        Ok(Message::Rows(rows)) => rows.into_iter().for_each(&mut *take),
                        Ok(Message::End(None)) => break,
                        Ok(Message::End(fault)) => return fault,
                        Err(_) => return Some("a thread that read it ended early".to_owned()),
                    }
                }
            }
            None
        });
        if let Some(fault) = fault {
            self.broke_off(fault);
        }
    }
}

/// Sends the rows of a part. `None` if nobody wants more.
fn scan_part<const N: usize>(
    connection: &Connection,
    sql: &str,
    part: (i64, i64),
    sender: &SyncSender<Message<N>>,
) -> Option<()> {
    let mut batch = Vec::with_capacity(BATCH);
    let mut is_wanted = true;
    let mut scan = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(part)?;
        while is_wanted && let Some(row) = rows.next()? {
            batch.push(Numbers::of(row));
            if batch.len() == BATCH {
                let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
                is_wanted = sender.send(Message::Rows(full)).is_ok();
            }
        }
        Ok(())
    };
    let fault = scan().err().map(|error| error.to_string());
    // Nothing behind a fault is asked for, but what came before it is good.
    let goes_on = is_wanted && fault.is_none();
    sender.send(Message::Rows(batch)).ok()?;
    sender.send(Message::End(fault)).ok()?;
    goes_on.then_some(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ingest::open;
    use crate::model::TraceBuilder;

    type Pairs = Vec<(Option<i64>, Option<i64>)>;

    /// Makes a database with a table of these rowids.
    fn make(path: &Path, rowids: impl Iterator<Item = i64>) {
        let mut connection = Connection::open(path).unwrap();
        connection.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, n)").unwrap();
        let all = connection.transaction().unwrap();
        for id in rowids {
            let sql = if id % 7 == 0 { "INSERT INTO t VALUES (?, NULL)" } else { "INSERT INTO t VALUES (?, 2.0 * ?1)" };
            all.prepare_cached(sql).unwrap().execute([id]).unwrap();
        }
        all.commit().unwrap();
    }

    /// What comes out of the table by a scan in parts and by a plain one, and whether each broke off.
    fn scans(path: &Path) -> [(Pairs, bool); 2] {
        let query = Query { sql: "SELECT a.id, a.n FROM t a", table: "t", alias: "a" };
        let scan = |in_parts: bool| {
            let mut builder = TraceBuilder::new();
            let database =
                Database::open(path, open::open(path, crate::ingest::Limits::default()).unwrap(), &mut builder)
                    .unwrap();
            let mut pairs = Pairs::new();
            if in_parts {
                database.scan_numbers(&query, |row: Numbers<2>| pairs.push((row.get(0), row.get(1))));
            } else {
                database.scan(query.sql, |row| pairs.push((integer(row, 0), integer(row, 1))));
            }
            database.finish(true, &mut builder).unwrap();
            (pairs, !builder.finish().warnings.is_empty())
        };
        [scan(true), scan(false)]
    }

    fn both(rowids: impl Iterator<Item = i64>) -> [Pairs; 2] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("numbers.db");
        make(&path, rowids);
        scans(&path).map(|(pairs, broke_off)| {
            assert!(!broke_off);
            pairs
        })
    }

    #[test]
    fn a_damaged_table_gives_the_rows_before_the_damage_in_parts_as_in_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("numbers.db");
        make(&path, 1..=300_000);
        let mut bytes = std::fs::read(&path).unwrap();
        // A page in the middle of the leaves, and nothing else, is overwritten.
        let page = bytes.len() / 4096 * 6 / 10 * 4096;
        bytes[page..page + 4096].fill(0xFF);
        std::fs::write(&path, &bytes).unwrap();
        let [(parts, parts_broke), (plain, plain_broke)] = scans(&path);
        assert!(parts_broke && plain_broke);
        assert!(parts.len() > 100_000 && parts.len() < 300_000, "{}", parts.len());
        assert_eq!(parts.len(), plain.len());
        assert!(parts == plain);
        // Without its end, the last rowid cannot be found: one scan reads what it can.
        std::fs::write(&path, &bytes[..page]).unwrap();
        let [(parts, parts_broke), (plain, _)] = scans(&path);
        assert!(parts_broke && parts == plain);
    }

    #[test]
    fn rows_come_in_the_order_of_one_scan_whatever_the_gaps_between_them() {
        for rowids in [1..=200_000_i64, 1..=3, -100_000..=100_000] {
            let [parts, plain] = both(rowids.clone());
            assert_eq!(parts.len(), rowids.count());
            assert_eq!(parts, plain);
        }
        let sparse = |id: i64| if id < 1_000 { i64::MIN / 4 + id } else { id * 1_000_003 };
        let [parts, plain] = both((0..5_000).map(sparse));
        assert_eq!((parts.len(), parts == plain), (5_000, true));
        for ends in [[i64::MIN, i64::MAX], [1, i64::MAX], [i64::MIN, -1]] {
            let [parts, plain] = both(ends.into_iter());
            assert_eq!((parts.len(), parts == plain), (2, true));
        }
    }
}
