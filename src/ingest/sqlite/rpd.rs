//! RPD, the database of rocmProfileData's `runTracer.sh`, and what rocm-trace-lite makes of its schema.
//!
//! ```text
//!   rocpd_api      id, pid, tid, start, end, apiName, args      -> Launch; UserMarker -> Range
//!   rocpd_api_ops  api_id, op_id                                   the link
//!   rocpd_op       id, gpuId, queueId, start, end, description, opType -> Dispatch, Copy
//! ```
//!
//! A kernel is an op of type `KernelExecution`, or `Task` if a graph replayed it: whoever filters on the former loses
//! the whole decode. The database's own views are no help: `kernel` leaves out replayed kernels, `top` merges rows that
//! look alike. Texts are numbers into `rocpd_string`, which also holds the arguments of every call, so only the wanted
//! ones are looked up.
//!
//! rocm-trace-lite keeps markers among the ops, on GPU -1, and unless told otherwise does not record graph replays.

use std::collections::HashMap;

use rustc_hash::FxHashMap;

use super::database::{Database, integer, text};
use super::numbers::{Numbers, Query};
use crate::ingest::Error;
use crate::ingest::gpus::Gpus;
use crate::ingest::launch::launch_call;
use crate::model::{
    ConditionKind, CopyKind, Format, Launch, LaunchCall, Links, LossCause, NameId, Process, ProcessIdx, Range, Source,
    SourceIdx, Span, TraceBuilder,
};

/// Whether the database is rocm-trace-lite's, by marks that it has left in all its versions.
pub(super) fn is_rocm_trace_lite(database: &Database) -> bool {
    let top = database.text("SELECT sql FROM sqlite_master WHERE name = ?", "top");
    database.has_column("rocpd_op", "roctxId") || top.is_some_and(|sql| sql.contains("TotalNs"))
}

/// Reads the whole database.
///
/// # Errors
/// If there is no GPU work in it, or it is too damaged to tell.
pub(super) fn read(
    database: Database,
    tables: &[String],
    format: Format,
    builder: &mut TraceBuilder,
) -> Result<(), Error> {
    let mark = builder.mark();
    let source = builder.source(Source { path: database.path.display().to_string(), format });
    let args = if tables.iter().any(|table| table == "rocpd_ustring") { "rocpd_ustring" } else { "rocpd_string" };
    let mut reader = Reader {
        database: &database,
        builder,
        source,
        args,
        texts: FxHashMap::default(),
        processes: Vec::new(),
        process_of_pid: FxHashMap::default(),
        process_of_api: None,
        unreadable: 0,
        passed: HashMap::new(),
    };
    let metadata = reader.metadata();
    reader.calls();
    let links = reader.links();
    reader.operations(&links, &metadata);
    reader.finish(&metadata, format);
    let added = builder.since(mark);
    let found = !added.dispatches.is_empty() || !added.copies.is_empty();
    if !found {
        builder.rollback(mark);
    }
    database.finish(found, builder)
}

struct Reader<'a> {
    database: &'a Database,
    builder: &'a mut TraceBuilder,
    source: SourceIdx,
    /// The table of argument texts.
    args: &'static str,
    texts: FxHashMap<i64, Text>,
    processes: Vec<Gpus<i64>>,
    /// Positions in `processes` by process id.
    process_of_pid: FxHashMap<i64, usize>,
    /// The process of each call, where there are several: (call, position in `processes`), sorted.
    process_of_api: Option<Vec<(i64, usize)>>,
    unreadable: u64,
    /// Types of ops that were passed over.
    passed: HashMap<String, u64>,
}

/// A string of the database, and what it means in the places where it may stand.
#[derive(Clone, Copy)]
struct Text {
    name: NameId,
    is_empty: bool,
    call: Option<LaunchCall>,
    is_marker: bool,
    operation: Operation,
}

/// What an op's type means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Kernel,
    Copy(CopyKind),
    /// Waiting, not work.
    Barrier,
    Marker,
    Unknown,
}

impl Operation {
    fn of(name: &str) -> Self {
        match name {
            "KernelExecution" | "Task" => Self::Kernel,
            "CopyHostToDevice" => Self::Copy(CopyKind::HostToDevice),
            "CopyDeviceToHost" => Self::Copy(CopyKind::DeviceToHost),
            "CopyDeviceToDevice" => Self::Copy(CopyKind::DeviceToDevice),
            "FillBuffer" => Self::Copy(CopyKind::Fill),
            "UserMarker" => Self::Marker,
            _ if name.starts_with("Copy") => Self::Copy(CopyKind::Unknown),
            _ if name.starts_with("Barrier") || name == "Marker" => Self::Barrier,
            _ => Self::Unknown,
        }
    }
}

impl Reader<'_> {
    fn metadata(&self) -> HashMap<String, String> {
        let mut tags = HashMap::new();
        self.database.scan("SELECT tag, value FROM rocpd_metadata", |row| {
            if let (Some(tag), Some(value)) = (text(row, 0), text(row, 1)) {
                tags.insert(tag.to_owned(), value.to_owned());
            }
        });
        tags
    }

    /// Launch calls and markers.
    fn calls(&mut self) {
        let database = self.database;
        let sql = "SELECT id, pid, tid, start, end, apiName_id, args_id FROM rocpd_api";
        let query = Query { sql, table: "rocpd_api", alias: "rocpd_api" };
        database.scan_numbers(&query, |row: Numbers<7>| {
            let number = |column| row.get(column);
            let Some(name) = number(5).and_then(|id| self.text(id)) else { return };
            if name.call.is_none() && !name.is_marker {
                return;
            }
            let (Some(id), Some(start_ns), Some(end_ns)) = (number(0), number(3), number(4)) else {
                self.unreadable += 1;
                return;
            };
            let process = self.process(number(1).unwrap_or(0));
            let thread = number(2).unwrap_or(0).cast_unsigned();
            let span = Span::new(start_ns.min(end_ns), end_ns.max(start_ns));
            if let Some(call) = name.call {
                let is_graph = call == LaunchCall::Graph;
                let graph = number(6).filter(|_| is_graph).and_then(|args| graph_exec(&self.argument(args)?));
                let launch = Launch { span, call, process, thread, graph, op: None, product: None };
                self.builder.launch(launch, Some(id.cast_unsigned()));
            } else if start_ns != end_ns
                && let Some(message) = number(6).and_then(|args| self.argument(args))
            {
                let name = self.builder.names().intern(&message);
                self.builder.range(Range { span, name, process, thread }, None);
            }
        });
        if self.processes.len() > 1 {
            let mut owners = Vec::new();
            database.scan("SELECT id, pid FROM rocpd_api", |row| {
                let owner = integer(row, 1).and_then(|pid| self.process_of_pid.get(&pid).copied());
                owners.extend(integer(row, 0).zip(owner));
            });
            owners.sort_unstable();
            self.process_of_api = Some(owners);
        }
    }

    /// (op, call) of every op that has a call, sorted.
    fn links(&self) -> Vec<(i64, i64)> {
        let mut links = Vec::new();
        let sql = "SELECT op_id, api_id FROM rocpd_api_ops";
        let query = Query { sql, table: "rocpd_api_ops", alias: "rocpd_api_ops" };
        self.database.scan_numbers(&query, |row: Numbers<2>| links.extend(row.get(0).zip(row.get(1))));
        if !links.is_sorted() {
            links.sort_unstable();
        }
        links
    }

    fn operations(&mut self, links: &[(i64, i64)], metadata: &HashMap<String, String>) {
        let database = self.database;
        let sizes = copy_sizes(database);
        let only = metadata.get("pid").and_then(|pid| pid.parse().ok()).unwrap_or(0);
        // Ops come in the order of their ids, mostly, and so do the links.
        let mut next = 0;
        let mut call_of = |op: i64| {
            if links.get(next).is_none_or(|link| link.0 != op) {
                next = links.partition_point(|link| link.0 < op);
            }
            let call = links.get(next).filter(|link| link.0 == op).map(|link| link.1);
            next += usize::from(call.is_some());
            call
        };
        let sql = "SELECT start, end, id, gpuId, queueId, description_id, opType_id FROM rocpd_op";
        let query = Query { sql, table: "rocpd_op", alias: "rocpd_op" };
        let unreadable = database.scan_timed(&query, |start_ns, end_ns, row: Numbers<7>| {
            let number = |column| row.get(column);
            let kind = number(6).and_then(|id| self.text(id));
            let description = number(5).and_then(|id| self.text(id)).filter(|text| !text.is_empty);
            let call = number(2).and_then(&mut call_of);
            let launch = call.map(i64::cast_unsigned);
            let queue = number(4).unwrap_or(0).cast_unsigned();
            let gpu = number(3).unwrap_or(0);
            match kind.map_or(Operation::Unknown, |kind| kind.operation) {
                Operation::Kernel => {
                    let Some(name) = description.or(kind) else { return };
                    let owner = self.owner(call, only);
                    let stream = self.processes[owner].stream(self.builder, gpu, queue);
                    let links = Links { launch, ..Links::default() };
                    self.builder.dispatch(start_ns, end_ns, name.name, stream, links);
                }
                Operation::Copy(kind) => {
                    let owner = self.owner(call, only);
                    let stream = self.processes[owner].stream(self.builder, gpu, queue);
                    let bytes = call.and_then(|call| sizes.get(&call).copied());
                    self.builder.copy(start_ns, end_ns, kind, stream, bytes, launch);
                }
                Operation::Marker if start_ns < end_ns => {
                    let Some(name) = description else { return };
                    let owner = self.owner(call, only);
                    let process = self.processes[owner].process();
                    let span = Span::new(start_ns, end_ns);
                    self.builder.range(Range { span, name: name.name, process, thread: 0 }, None);
                }
                Operation::Barrier | Operation::Marker => {}
                Operation::Unknown => {
                    let kind = kind.map_or("none", |kind| self.builder.names().get(kind.name));
                    *self.passed.entry(kind.to_owned()).or_default() += 1;
                }
            }
        });
        self.unreadable += unreadable;
    }

    /// The shader clock while the GPUs worked: the median, by time, of the readings that are at least half of the highest.
    fn clock(&mut self) {
        if !self.database.has_column("rocpd_monitor", "monitorType") {
            return;
        }
        let mut readings: Vec<(u64, i64)> = Vec::new();
        let sql = "SELECT value, end - start FROM rocpd_monitor WHERE monitorType = 'sclk'";
        self.database.scan(sql, |row| {
            let value =
                text(row, 0).and_then(|value| value.parse().ok()).or_else(|| u64::try_from(integer(row, 0)?).ok());
            readings.extend(value.zip(integer(row, 1)).filter(|(_, time)| *time > 0));
        });
        let highest = readings.iter().map(|(clock, _)| *clock).max().unwrap_or(0);
        readings.retain(|(clock, _)| *clock > 0 && clock * 2 >= highest);
        readings.sort_unstable();
        let half = readings.iter().map(|(_, time)| i128::from(*time)).sum::<i128>() / 2;
        let mut passed = 0;
        let middle = readings.iter().find(|(_, time)| {
            passed += i128::from(*time);
            passed >= half
        });
        if let Some((clock, _)) = middle {
            self.builder.condition(ConditionKind::ShaderClock, clock.to_string());
        }
    }

    /// Fills in the GPUs and says what was passed over.
    fn finish(mut self, metadata: &HashMap<String, String>, format: Format) {
        let path = self.database.path.display();
        for (gpu, rank) in self.processes.iter().flat_map(Gpus::ranks) {
            self.builder.rank_mut(*rank).device = Some(*gpu);
        }
        self.clock();
        self.builder.loss(LossCause::Unreadable, self.unreadable);
        let mut passed: Vec<_> = self.passed.into_iter().collect();
        passed.sort();
        for (kind, count) in passed {
            let text = format!("{path}: {count} operations of the unknown type {kind:?} were passed over");
            self.builder.warn("unknown-operations", text);
        }
        let sessions = metadata.get("session_count").and_then(|count| count.parse::<u32>().ok()).unwrap_or(1);
        if sessions > 1 && format == Format::Rpd {
            let text =
                format!("{path}: {sessions} sessions one after the other; the time between them is not idle time");
            self.builder.warn("several-sessions", text);
        }
        if format == Format::RocmTraceLite && !metadata.values().any(|value| value == "full") {
            let text = format!(
                "{path}: rocm-trace-lite records graph replays only in its full mode, so the kernels of decode may be missing"
            );
            self.builder.warn("no-graph-kernels", text);
        }
    }

    /// Position in `processes` of the process that made `call`.
    fn owner(&mut self, call: Option<i64>, fallback_pid: i64) -> usize {
        if let (Some(owners), Some(call)) = (&self.process_of_api, call)
            && let Ok(found) = owners.binary_search_by_key(&call, |owner| owner.0)
        {
            return owners[found].1;
        }
        if self.processes.is_empty() {
            self.process(fallback_pid);
        }
        0
    }

    /// The process `pid`, added if it is new.
    fn process(&mut self, pid: i64) -> ProcessIdx {
        if let Some(&known) = self.process_of_pid.get(&pid) {
            return self.processes[known].process();
        }
        let number = u32::try_from(pid).ok().filter(|&pid| pid != 0);
        let process = Process { source: self.source, pid: number, host: None, framework: None };
        let process = self.builder.process(process);
        self.process_of_pid.insert(pid, self.processes.len());
        self.processes.push(Gpus::new(process));
        process
    }

    /// The string `id`, looked up once.
    fn text(&mut self, id: i64) -> Option<Text> {
        if let Some(&text) = self.texts.get(&id) {
            return Some(text);
        }
        let string = self.database.text("SELECT string FROM rocpd_string WHERE id = ?", id)?;
        let text = Text {
            name: self.builder.names().intern(&string),
            is_empty: string.is_empty(),
            call: launch_call(&string),
            is_marker: string == "UserMarker",
            operation: Operation::of(&string),
        };
        self.texts.insert(id, text);
        Some(text)
    }

    /// The argument text `id`. Not kept: nearly every call has one of its own.
    fn argument(&self, id: i64) -> Option<String> {
        self.database.text(&format!("SELECT string FROM {} WHERE id = ?", self.args), id)
    }
}

/// Bytes moved, by call.
fn copy_sizes(database: &Database) -> HashMap<i64, u64> {
    let mut sizes = HashMap::new();
    let key = ["api_ptr_id", "api_id"].into_iter().find(|column| database.has_column("rocpd_copyapi", column));
    if let Some(key) = key {
        database.scan(&format!("SELECT {key}, size FROM rocpd_copyapi"), |row| {
            sizes.extend(integer(row, 0).zip(integer(row, 1).and_then(|size| u64::try_from(size).ok())));
        });
    }
    sizes
}

/// The executable graph in the arguments of a launch: `graphExec = 0x24922d90 | stream = 0x0`.
fn graph_exec(args: &str) -> Option<u64> {
    let value = args.split('|').find_map(|arg| arg.trim().strip_prefix("graphExec"))?;
    let digits = value.trim_start_matches([' ', '=']).strip_prefix("0x")?;
    let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
    u64::from_str_radix(&digits[..end], 16).ok()
}
