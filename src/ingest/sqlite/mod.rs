//! SQLite databases: which tool wrote one, by its tables, and the readers.
//!
//! rocprofv3's rocpd and rocmProfileData's RPD share names (`rocpd_string`, `schema_version`) and nothing else: rocpd's
//! tables end in the guid of the process, RPD's do not.

mod cost;
mod database;
mod numbers;
mod rocpd;
mod rpd;

use std::path::Path;

use self::database::Database;
use super::chunks::Chunks;
use super::{Error, ErrorKind};
use crate::model::{Format, TraceBuilder};

/// Reads the database at `path`, of which `chunks` are the bytes.
///
/// # Errors
/// If it is of no known kind, damaged before anything could be read, or without GPU work.
pub(super) fn read(path: &Path, chunks: Chunks, builder: &mut TraceBuilder) -> Result<(), Error> {
    let database = Database::open(path, chunks, builder)?;
    let tables = database.tables()?;
    let has = |name: &str| tables.iter().any(|table| table.eq_ignore_ascii_case(name));
    let starts = |prefix: &str| tables.iter().any(|table| table.starts_with(prefix));
    if starts("rocpd_kernel_dispatch") {
        return rocpd::read(database, &tables, builder);
    }
    if has("rocpd_op") && has("rocpd_string") {
        let format = if rpd::is_rocm_trace_lite(&database) { Format::RocmTraceLite } else { Format::Rpd };
        return rpd::read(database, &tables, format, builder);
    }
    let refused = |message: &str, hint: &str| Err(Error::new(ErrorKind::UnknownFormat, path, message).hint(hint));
    if has("KERN") {
        return refused("a database of rocprof v1 is not read", "record again with rocprofv3 (ROCm 6.2 or later)");
    }
    if starts("CUPTI_ACTIVITY_KIND") {
        return refused("a database of Nsight Systems is not read", "only traces of AMD GPUs and of PyTorch are");
    }
    refused(
        "this SQLite database is no trace that profile-decode knows",
        "it reads rocprofv3's rocpd, RPD and rocm-trace-lite databases",
    )
}
