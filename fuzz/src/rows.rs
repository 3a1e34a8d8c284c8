//! Databases that are valid in their pages and wild in their rows.
//!
//! Bytes changed at random mostly break a page, and SQLite itself refuses it. So an input is a list of edits (rows that are
//! put in, changed and deleted, columns and tables that go) made in the open database, then a few bytes patched in its file.

use std::path::Path;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::{inputs, read_path};

/// A change of the database; tables, columns and rows are counted round.
#[derive(Arbitrary, Debug)]
enum Edit {
    Insert { table: u8, cells: Vec<Cell> },
    Update { table: u8, column: u8, row: u8, cell: Cell },
    Delete { table: u8, row: u8 },
    DropColumn { table: u8, column: u8 },
    DropTable { table: u8 },
}

/// A value: mostly small numbers, which are ids of rows that exist.
#[derive(Arbitrary, Debug)]
enum Cell {
    Id(u8),
    Time(u32),
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
    Null,
}

impl Cell {
    fn value(&self) -> Value {
        match self {
            Cell::Id(id) => Value::Integer((id % 32).into()),
            Cell::Time(at) => Value::Integer((*at).into()),
            Cell::Integer(integer) => Value::Integer(*integer),
            Cell::Real(real) => Value::Real(*real),
            Cell::Text(text) => Value::Text(text.clone()),
            Cell::Blob(bytes) => Value::Blob(bytes.clone()),
            Cell::Null => Value::Null,
        }
    }
}

/// What a target gets.
#[derive(Arbitrary, Debug)]
pub struct Edits {
    edits: Vec<Edit>,
    /// An offset in the file and the byte to put there.
    patches: Vec<(u16, u8)>,
}

/// A valid database, made once.
pub struct Template {
    bytes: Vec<u8>,
    tables: Vec<Table>,
}

struct Table {
    name: String,
    columns: Vec<String>,
}

impl Template {
    /// A rocpd database of two processes.
    pub fn rocpd() -> Self {
        Self::made(inputs::rocpd)
    }

    /// An RPD database.
    pub fn rpd() -> Self {
        Self::made(inputs::rpd)
    }

    fn made(make: fn(&Path)) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("made.db");
        make(&path);
        let connection = Connection::open(&path).expect("the database just made");
        let names = |sql: &str| -> Vec<String> {
            let mut statement = connection.prepare(sql).expect("a query of the schema");
            let rows = statement.query_map([], |row| row.get(0)).expect("names");
            rows.map(|name| name.expect("a name")).collect()
        };
        let tables = names("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .into_iter()
            .map(|name| Table { columns: names(&format!("SELECT name FROM pragma_table_info('{name}')")), name })
            .collect();
        drop(connection);
        Self { bytes: std::fs::read(&path).expect("the database just made"), tables }
    }

    /// Reads the template after these edits, and goes the way of a trace to its end.
    pub fn read(&self, Edits { edits, patches }: &Edits) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("edited.db");
        std::fs::write(&path, &self.bytes).expect("a temporary file");
        let connection = Connection::open(&path).expect("a valid database");
        connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN").expect("a transaction");
        // What SQLite refuses (a key that exists, the last column) leaves the database as it was.
        edits.iter().for_each(|edit| drop(self.apply(&connection, edit)));
        connection.execute_batch("COMMIT").expect("the end of the transaction");
        drop(connection);
        if !patches.is_empty() {
            let mut bytes = std::fs::read(&path).expect("the database just edited");
            let length = bytes.len();
            patches.iter().for_each(|&(at, byte)| bytes[at as usize % length] = byte);
            std::fs::write(&path, bytes).expect("a temporary file");
        }
        read_path(&path);
    }

    fn apply(&self, connection: &Connection, edit: &Edit) -> rusqlite::Result<usize> {
        let table = |index: &u8| &self.tables[*index as usize % self.tables.len()];
        let row = |name: &str, row: &u8| {
            format!("rowid = (SELECT rowid FROM {name} LIMIT 1 OFFSET {row} % max(1, (SELECT count(*) FROM {name})))")
        };
        match edit {
            Edit::Insert { table: index, cells } => {
                let Table { name, columns } = table(index);
                let marks = vec!["?"; columns.len()].join(", ");
                let cells = cells.iter().map(Cell::value).chain(std::iter::repeat(Value::Null)).take(columns.len());
                connection
                    .prepare_cached(&format!("INSERT INTO {name} VALUES ({marks})"))?
                    .execute(params_from_iter(cells))
            }
            Edit::Update { table: index, column, row: at, cell } => {
                let Table { name, columns } = table(index);
                let column = &columns[*column as usize % columns.len()];
                let sql = format!("UPDATE {name} SET \"{column}\" = ? WHERE {}", row(name, at));
                connection.execute(&sql, [cell.value()])
            }
            Edit::Delete { table: index, row: at } => {
                let name = &table(index).name;
                connection.execute(&format!("DELETE FROM {name} WHERE {}", row(name, at)), [])
            }
            Edit::DropColumn { table: index, column } => {
                let Table { name, columns } = table(index);
                let column = &columns[*column as usize % columns.len()];
                connection.execute(&format!("ALTER TABLE {name} DROP COLUMN \"{column}\""), [])
            }
            Edit::DropTable { table: index } => connection.execute(&format!("DROP TABLE {}", table(index).name), []),
        }
    }
}
