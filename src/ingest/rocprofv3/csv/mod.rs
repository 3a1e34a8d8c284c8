//! The CSV files that rocprofv3 writes: one set of files for each process.
//!
//! ```text
//!   12_kernel_trace.csv       what ran                          -> Dispatch
//!   12_hip_api_trace.csv      the calls, by correlation id      -> Launch
//!   12_marker_api_trace.csv   roctx ranges                      -> Range
//!   12_memory_copy_trace.csv  copies                            -> Copy
//!   12_agent_info.csv         the GPUs                          -> Rank
//! ```
//!
//! The kernel trace is what a user names; the others are found beside it by its name's beginning. What a table is, is
//! told by the names of its columns, whose order, case and number differ between versions. Correlation ids restart in
//! every process, so a file beside the trace counts only if it is of the same time.

mod rows;
mod siblings;
mod table;

use std::path::Path;

pub(in crate::ingest) use self::siblings::{is_sibling, prefix};

use self::rows::Rows;
use self::siblings::siblings;
use self::table::{Kind, Tables, kind_of};
use crate::ingest::chunks::Chunks;
use crate::ingest::limits::Limits;
use crate::ingest::{Error, ErrorKind, open};
use crate::model::{LossCause, TraceBuilder};

/// How far the time of a file beside the trace may lie from it: 60 seconds.
const SAME_RUN_NS: i64 = 60_000_000_000;

/// Reads the kernel trace at `path`, of which `chunks` are the bytes, and the files beside it.
///
/// # Errors
/// If it is another table, or there is nothing in it.
pub(in crate::ingest) fn read(path: &Path, chunks: Chunks, builder: &mut TraceBuilder) -> Result<(), Error> {
    let error = |kind, message: &str| Error::new(kind, path, message);
    let mut rows = Rows::new(chunks).ok_or_else(|| error(ErrorKind::Malformed, "the file has no header"))?;
    match kind_of(&rows) {
        Kind::Kernels => {}
        Kind::Refused(message, hint) => return Err(error(ErrorKind::UnknownFormat, message).hint(hint)),
        Kind::Calls | Kind::Copies | Kind::Agents => {
            return Err(error(ErrorKind::Empty, "this table of a rocprofv3 run holds no kernels")
                .hint("give its …_kernel_trace.csv: the other tables are found beside it"));
        }
    }
    let mark = builder.mark();
    let mut tables = Tables::new(path, builder);
    tables.kernels(&mut rows);
    report(path, &rows, tables.builder);
    let Some((first_ns, last_ns)) = tables.time() else {
        let cut = rows.cut_at.is_some() || rows.cut().is_some();
        builder.rollback(mark);
        return Err(if cut || rows.unreadable > 0 {
            error(ErrorKind::Malformed, "no row could be read")
        } else {
            error(ErrorKind::Empty, "the kernel trace has no rows").hint("did the process launch any kernel?")
        });
    };
    for sibling in siblings(path) {
        let (mut rows, kind) = match open_sibling(&sibling, rows.limits()) {
            Ok(Some(opened)) => opened,
            Ok(None) => continue,
            Err(error) => {
                tables.builder.warn("unreadable-sibling", error.to_string());
                continue;
            }
        };
        let before = tables.builder.mark();
        let time = tables.sibling(kind, &mut rows);
        let same_run = time.is_none_or(|(first, last)| {
            first <= last_ns.saturating_add(SAME_RUN_NS) && last >= first_ns.saturating_sub(SAME_RUN_NS)
        });
        if same_run {
            report(&sibling, &rows, tables.builder);
        } else {
            tables.builder.rollback(before);
            let text = format!("{}: of another time than {}, so not used", sibling.display(), path.display());
            tables.builder.warn("foreign-sibling", text);
        }
    }
    tables.finish();
    Ok(())
}

/// Counts what could not be read of a table.
fn report(path: &Path, rows: &Rows, builder: &mut TraceBuilder) {
    let path = path.display();
    if rows.unreadable > 0 {
        builder.loss(LossCause::Unreadable, rows.unreadable);
        builder.warn("unreadable-rows", format!("{path}: {} lines are no rows of the table", rows.unreadable));
    }
    match (rows.cut(), rows.cut_at) {
        (Some(reason), _) => builder.warn("cut-short", format!("{path}: {reason}; later rows are missing")),
        (None, Some(at)) => {
            builder.warn("cut-short", format!("{path}: the last line breaks off at byte {at}; later rows are missing"));
        }
        (None, None) if rows.unterminated => {
            builder.warn("cut-short", format!("{path}: the last line has no end; later rows may be missing"));
        }
        (None, None) => {}
    }
}

fn open_sibling(path: &Path, limits: Limits) -> Result<Option<(Rows, Kind)>, Error> {
    let Some(rows) = Rows::new(open::open(path, limits)?) else { return Ok(None) };
    let kind = kind_of(&rows);
    Ok(matches!(kind, Kind::Calls | Kind::Copies | Kind::Agents).then_some((rows, kind)))
}
