//! rocpd, the database that rocprofv3 writes by default since ROCm 7.0.
//!
//! Every table's name ends in the guid of a process, so that databases of several ranks can be merged into one; views
//! of the plain names put them together again. The tables are read one process at a time, because ids repeat between
//! processes, and because the ready-made views join away rows with a NULL in them.
//!
//! ```text
//!   kernel_dispatch ── event_id ─> event.stack_id = event.stack_id <─ event_id ── region "hipGraphLaunch"
//! ```
//!
//! The column that is called `correlation_id` is 0 in all files seen (rocprofiler-sdk 1.0 to 1.1); the correlation id of
//! the SDK is in `stack_id`. A marker's text is in its event's `extdata`; its region is named after the API.

use std::collections::HashMap;

use rustc_hash::FxHashMap;

use super::database::{Database, integer, quoted, text};
use super::numbers::{Numbers, Query};
use crate::ingest::Error;
use crate::ingest::gpus::Gpus;
use crate::ingest::json::Raw;
use crate::ingest::launch::launch_call;
use crate::ingest::rocprofv3::{Agent, GraphExecs, describe, framework, is_marker_range};
use crate::model::{
    ConditionKind, CopyKind, Format, Launch, LaunchCall, Links, LossCause, NameId, Process, ProcessIdx, Range, Source,
    Span, TraceBuilder,
};

/// Reads the database, all processes that it holds.
///
/// # Errors
/// If there is no GPU work in it, or it is too damaged to tell.
pub(super) fn read(database: Database, tables: &[String], builder: &mut TraceBuilder) -> Result<(), Error> {
    const DISPATCHES: &str = "rocpd_kernel_dispatch";
    let mark = builder.mark();
    let source = builder.source(Source { path: database.path.display().to_string(), format: Format::Rocpd });
    let mut suffixes: Vec<&str> =
        tables.iter().filter_map(|table| table.strip_prefix(DISPATCHES)).filter(|suffix| !suffix.is_empty()).collect();
    if suffixes.is_empty() {
        // A database made by hand, with the plain names only.
        suffixes.push("");
    }
    for suffix in suffixes {
        let process = Process { source, pid: None, host: None, framework: None };
        let process = builder.process(process);
        let mut reader = Reader {
            database: &database,
            suffix,
            builder,
            process,
            gpus: Gpus::new(process),
            strings: FxHashMap::default(),
            kernels: FxHashMap::default(),
            nameless: 0,
            unreadable: 0,
            rank: (None, None),
        };
        reader.describe_process();
        reader.regions();
        reader.dispatches();
        reader.copies();
        reader.finish();
    }
    let added = builder.since(mark);
    let found = !added.dispatches.is_empty() || !added.copies.is_empty();
    if !found {
        builder.rollback(mark);
    }
    database.finish(found, builder)
}

struct Reader<'a> {
    database: &'a Database,
    suffix: &'a str,
    builder: &'a mut TraceBuilder,
    process: ProcessIdx,
    gpus: Gpus<i64>,
    strings: FxHashMap<i64, Text>,
    kernels: FxHashMap<i64, NameId>,
    /// Dispatches whose kernel symbol is missing.
    nameless: u64,
    unreadable: u64,
    /// Rank and number of ranks, as the process's launcher told it.
    rank: (Option<u32>, Option<u32>),
}

/// A string of the database, and what it means as a region's name or category.
#[derive(Clone, Copy)]
struct Text {
    call: Option<LaunchCall>,
    is_marker: bool,
    copy: CopyKind,
}

/// Rank and number of ranks in a process's environment, as torchrun, MPI or Slurm set them. A local rank counts only where
/// nothing else is said.
fn rank_of_environment(environment: &str) -> (Option<u32>, Option<u32>) {
    const RANKS: [&str; 6] = ["RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID", "LOCAL_RANK"];
    const WORLDS: [&str; 4] = ["WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS"];
    let environment = Raw::new(environment.as_bytes());
    let number = |name: &&str| environment.get(name).and_then(Raw::text)?.trim().parse().ok();
    (RANKS.iter().find_map(number), WORLDS.iter().find_map(number))
}

/// The release in a path like `/opt/rocm-7.1.1/lib`.
fn rocm_release(text: &str) -> Option<&str> {
    text.match_indices("/rocm-").find_map(|(at, word)| {
        let rest = &text[at + word.len()..];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        (rest[..end].matches('.').count() >= 1).then_some(&rest[..end])
    })
}

impl<'a> Reader<'a> {
    /// The table of this process.
    fn table(&self, name: &str) -> String {
        quoted(&format!("rocpd_{name}{}", self.suffix))
    }

    fn has_column(&self, table: &str, column: &str) -> bool {
        self.database.has_column(&format!("rocpd_{table}{}", self.suffix), column)
    }

    fn describe_process(&mut self) {
        let (mut pid, mut command, mut environment) = (None, None, None);
        let sql = format!("SELECT pid, command, environment FROM {}", self.table("info_process"));
        self.database.scan(&sql, |row| {
            pid = pid.or_else(|| u32::try_from(integer(row, 0)?).ok());
            command = command.take().or_else(|| text(row, 1).map(str::to_owned));
            environment = environment.take().or_else(|| text(row, 2).map(str::to_owned));
        });
        self.rank = environment.as_deref().map_or((None, None), rank_of_environment);
        // The tool that was preloaded lies in a directory that names the release.
        let release = environment.as_deref().and_then(rocm_release);
        release.into_iter().for_each(|release| self.builder.condition(ConditionKind::Rocm, release));
        if self.has_column("info_node", "release") {
            self.database.scan(&format!("SELECT release FROM {}", self.table("info_node")), |row| {
                text(row, 0).into_iter().for_each(|release| self.builder.condition(ConditionKind::Kernel, release));
            });
        }
        let mut host = None;
        self.database.scan(&format!("SELECT hostname FROM {}", self.table("info_node")), |row| {
            host = host.take().or_else(|| text(row, 0).map(str::to_owned));
        });
        let process = self.builder.process_mut(self.process);
        process.pid = pid;
        process.host = host;
        process.framework = command.as_deref().and_then(framework);
    }

    /// Launch calls and markers.
    fn regions(&mut self) {
        let mut threads = HashMap::new();
        self.database.scan(&format!("SELECT id, tid FROM {}", self.table("info_thread")), |row| {
            threads.extend(integer(row, 0).zip(integer(row, 1)));
        });
        let mut graphs = GraphExecs::default();
        let database = self.database;
        let message = format!("SELECT extdata FROM {} WHERE id = ?", self.table("event"));
        let sql = format!(
            "SELECT r.start, r.end, r.tid, r.name_id, r.event_id, e.stack_id, e.category_id \
             FROM {} r LEFT JOIN {} e ON e.id = r.event_id",
            self.table("region"),
            self.table("event"),
        );
        let query = Query { sql: &sql, table: &self.table("region"), alias: "r" };
        database.scan_numbers(&query, |row: Numbers<7>| {
            let number = |column| row.get(column);
            let is_marker = number(6).and_then(|id| self.string(id)).is_some_and(|category| category.is_marker);
            let call = number(3).and_then(|id| self.string(id)).and_then(|name| name.call);
            if !is_marker && call.is_none() {
                return;
            }
            let (Some(start_ns), Some(end_ns)) = (number(0), number(1)) else {
                self.unreadable += 1;
                return;
            };
            let span = Span::new(start_ns.min(end_ns), end_ns.max(start_ns));
            let tid = number(2).unwrap_or(0);
            let thread = threads.get(&tid).copied().unwrap_or(tid).cast_unsigned();
            let process = self.process;
            if is_marker {
                let extdata = number(4).and_then(|event| database.text(&message, event));
                let message = extdata.as_deref().and_then(|json| Raw::new(json.as_bytes()).get("message")?.text());
                if let Some(message) = message.filter(|_| span.duration_ns() > 0) {
                    let name = self.builder.names().intern(&message);
                    self.builder.range(Range { span, name, process, thread }, None);
                }
            } else if let Some(call) = call {
                if call == LaunchCall::Graph
                    && let Some(event) = number(4)
                {
                    graphs.launched(self.builder, event.cast_unsigned());
                }
                let correlation = number(5).filter(|&id| id != 0).map(i64::cast_unsigned);
                let launch = Launch { span, call, process, thread, graph: None, op: None, product: None };
                self.builder.launch(launch, correlation);
            }
        });
        if !graphs.is_empty() {
            let sql = format!("SELECT event_id, value FROM {} WHERE name = 'graphExec'", self.table("arg"));
            database.scan(&sql, |row| {
                if let (Some(event), Some(value)) = (integer(row, 0), text(row, 1)) {
                    graphs.is(self.builder, event.cast_unsigned(), value);
                }
            });
        }
    }

    fn dispatches(&mut self) {
        let database = self.database;
        let sql = format!(
            "SELECT d.start, d.end, d.kernel_id, d.agent_id, d.queue_id, d.stream_id, e.stack_id \
             FROM {} d LEFT JOIN {} e ON e.id = d.event_id",
            self.table("kernel_dispatch"),
            self.table("event"),
        );
        let query = Query { sql: &sql, table: &self.table("kernel_dispatch"), alias: "d" };
        let unreadable = database.scan_timed(&query, |start_ns, end_ns, row: Numbers<7>| {
            let number = |column| row.get(column);
            let name = self.kernel(number(2).unwrap_or(0));
            let (queue, stream) = (number(4).map(i64::cast_unsigned), number(5).map(i64::cast_unsigned));
            let stream = self.gpus.place(self.builder, number(3).unwrap_or(-1), stream, queue);
            let launch = number(6).filter(|&id| id != 0).map(i64::cast_unsigned);
            self.builder.dispatch(start_ns, end_ns, name, stream, Links { launch, ..Links::default() });
        });
        self.unreadable += unreadable;
    }

    fn copies(&mut self) {
        let database = self.database;
        let sql = format!(
            "SELECT c.start, c.end, c.name_id, c.src_agent_id, c.dst_agent_id, c.queue_id, c.stream_id, c.size, e.stack_id \
             FROM {} c LEFT JOIN {} e ON e.id = c.event_id",
            self.table("memory_copy"),
            self.table("event"),
        );
        let query = Query { sql: &sql, table: &self.table("memory_copy"), alias: "c" };
        let unreadable = database.scan_timed(&query, |start_ns, end_ns, row: Numbers<9>| {
            let number = |column| row.get(column);
            let kind = number(2).and_then(|id| self.string(id)).map_or(CopyKind::Unknown, |name| name.copy);
            let gpu = if kind == CopyKind::DeviceToHost { number(3) } else { number(4).or(number(3)) };
            let (queue, stream) = (number(5).map(i64::cast_unsigned), number(6).map(i64::cast_unsigned));
            let stream = self.gpus.place(self.builder, gpu.unwrap_or(-1), stream, queue);
            let bytes = number(7).and_then(|size| u64::try_from(size).ok());
            let launch = number(8).filter(|&id| id != 0).map(i64::cast_unsigned);
            self.builder.copy(start_ns, end_ns, kind, stream, bytes, launch);
        });
        self.unreadable += unreadable;
    }

    /// Fills in the GPUs and says what was lost.
    fn finish(mut self) {
        let mut agents = Vec::new();
        let sql = format!("SELECT id, type, logical_index, name, product_name FROM {}", self.table("info_agent"));
        self.database.scan(&sql, |row| {
            let owned = |column| text(row, column).filter(|text| !text.is_empty()).map(str::to_owned);
            agents.extend(integer(row, 0).map(|id| {
                let is_gpu = text(row, 1) == Some("GPU");
                Agent {
                    id,
                    device: integer(row, 2),
                    is_gpu,
                    arch: owned(3),
                    product: owned(4),
                    compute_units: None,
                    dies: None,
                }
            }));
        });
        if self.has_column("info_agent", "extdata") {
            self.database.scan(&format!("SELECT id, extdata FROM {}", self.table("info_agent")), |row| {
                let (Some(id), Some(more)) = (integer(row, 0), text(row, 1)) else { return };
                let number = |key| Raw::new(more.as_bytes()).get(key).and_then(Raw::integer);
                if let Some(agent) = agents.iter_mut().find(|agent| agent.id == id) {
                    (agent.compute_units, agent.dies) = (number("cu_count"), number("num_xcc"));
                }
            });
        }
        describe(self.builder, &mut self.gpus, &agents);
        if let [(_, rank)] = self.gpus.ranks() {
            let rank = self.builder.rank_mut(*rank);
            (rank.number, rank.world_size) = self.rank;
        }
        self.builder.loss(LossCause::Unreadable, self.unreadable);
        self.builder.loss(LossCause::UnknownSymbol, self.nameless);
    }

    fn kernel(&mut self, id: i64) -> NameId {
        if let Some(&name) = self.kernels.get(&id) {
            return name;
        }
        let symbols = self.table("info_kernel_symbol");
        let find = |column: &str| {
            let sql = format!("SELECT {column} FROM {symbols} WHERE id = ?");
            self.database.text(&sql, id).filter(|name| !name.is_empty())
        };
        let found = find("display_name").or_else(|| find("kernel_name"));
        let Some(found) = found else {
            self.nameless += 1;
            return self.builder.names().intern(&format!("kernel {id}"));
        };
        let name = self.builder.names().intern(&found);
        let uri = format!(
            "SELECT c.uri FROM {symbols} s JOIN {} c ON c.id = s.code_object_id WHERE s.id = ?",
            self.table("info_code_object")
        );
        if let Some(uri) = self.database.text(&uri, id).filter(|uri| !uri.is_empty()) {
            self.builder.code_object(name, &uri);
        }
        self.kernels.insert(id, name);
        name
    }

    fn string(&mut self, id: i64) -> Option<Text> {
        if let Some(&text) = self.strings.get(&id) {
            return Some(text);
        }
        let sql = format!("SELECT string FROM {} WHERE id = ?", self.table("string"));
        let string = self.database.text(&sql, id)?;
        let text = Text {
            call: launch_call(&string),
            is_marker: is_marker_range(&string),
            copy: crate::ingest::rocprofv3::copy_kind(&string),
        };
        self.strings.insert(id, text);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_launchers_variables_tell_the_rank() {
        let rank = rank_of_environment;
        assert_eq!(rank(r#"{"LOCAL_RANK":"1","RANK": "9","WORLD_SIZE":"16"}"#), (Some(9), Some(16)));
        assert_eq!(rank(r#"{"OMPI_COMM_WORLD_RANK":"3"}"#), (Some(3), None));
        assert_eq!(rank(r#"{"LOCAL_RANK":"1"}"#), (Some(1), None));
        assert_eq!(rank(r#"{"RANK":"","HOME":"/root"}"#), (None, None));
        assert_eq!(rank("RANK=3"), (None, None));
    }
}
