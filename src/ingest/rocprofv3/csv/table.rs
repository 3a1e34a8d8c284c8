//! The tables of one process, from rows to the model.

use std::collections::HashMap;
use std::path::Path;

use super::rows::Rows;
use super::siblings::prefix;
use crate::ingest::gpus::Gpus;
use crate::ingest::launch::launch_call;
use crate::ingest::rocprofv3::{Agent, copy_kind, describe, is_marker_range};
use crate::model::{
    CopyKind, Format, Launch, Links, LossCause, Process, Range, Source, SourceIdx, Span, StreamIdx, TraceBuilder,
};

/// What a table holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Kernels,
    /// API calls or markers: the rows say which.
    Calls,
    Copies,
    Agents,
    /// Not a table that is read; why, and what to do.
    Refused(&'static str, &'static str),
}

/// Tells a table by its columns.
pub(super) fn kind_of(rows: &Rows) -> Kind {
    let has = |columns: &[&str]| columns.iter().all(|name| rows.column(name).is_some());
    if has(&["counter_name"]) || has(&["kernel_name"]) && rows.columns().any(is_counter) {
        Kind::Refused(
            "performance counters are no trace: collecting them runs kernels one at a time",
            "record with rocprofv3 --kernel-trace, without --pmc",
        )
    } else if has(&["kernel_name", "start_timestamp", "end_timestamp"]) {
        Kind::Kernels
    } else if has(&["function", "domain", "start_timestamp", "end_timestamp"]) {
        Kind::Calls
    } else if has(&["direction", "start_timestamp", "end_timestamp"]) {
        Kind::Copies
    } else if has(&["node_id", "agent_type"]) {
        Kind::Agents
    } else if has(&["totaldurationns"]) {
        Kind::Refused(
            "these are sums over a whole run, without a timeline",
            "record with rocprofv3 --kernel-trace and give its …_kernel_trace.csv",
        )
    } else if has(&["kernelname"]) {
        Kind::Refused("a table of rocprof v1 or v2 is not read", "record again with rocprofv3 (ROCm 6.2 or later)")
    } else {
        Kind::Refused("this CSV is no trace that profile-decode knows", "it reads rocprofv3's …_kernel_trace.csv")
    }
}

/// Whether a column is that of a hardware counter, as rocprofiler-compute names them: by the block that counts.
fn is_counter(column: &str) -> bool {
    const BLOCKS: [&str; 12] =
        ["sq_", "sqc_", "tcc_", "tcp_", "ta_", "td_", "tca_", "grbm_", "cpc_", "cpf_", "spi_", "gpubusy"];
    BLOCKS.iter().any(|block| column.starts_with(block))
}

/// Columns that tables share.
struct Columns {
    guid: Option<usize>,
    start: Option<usize>,
    end: Option<usize>,
    correlation: Option<usize>,
    stream: Option<usize>,
    queue: Option<usize>,
}

impl Columns {
    /// Finds them, and tells `rows` their shape. `free` is the column of free text.
    fn of(rows: &mut Rows, free: Option<usize>) -> Self {
        let columns = Self {
            guid: rows.column("guid"),
            start: rows.column("start_timestamp"),
            end: rows.column("end_timestamp"),
            correlation: rows.column("correlation_id"),
            stream: rows.column("stream_id"),
            queue: rows.column("queue_id"),
        };
        rows.shape(free, &[columns.start, columns.end, columns.correlation]);
        columns
    }

    /// Goes to the next row that has a start and an end; those that lack one are counted.
    fn advance(&self, rows: &mut Rows, unreadable: &mut u64) -> Option<(i64, i64)> {
        while rows.advance() {
            match rows.number(self.start).zip(rows.number(self.end)) {
                Some(times) => return Some(times),
                None => *unreadable += 1,
            }
        }
        None
    }

    /// The correlation id; copies carried 0 before ROCm 6.4, which is nobody's.
    fn correlation(&self, rows: &Rows) -> Option<u64> {
        rows.number(self.correlation).filter(|&id| id != 0).map(i64::cast_unsigned)
    }

    /// Where the record of a row ran.
    fn place(&self, rows: &Rows, gpus: &mut Gpus<i64>, gpu: i64, builder: &mut TraceBuilder) -> StreamIdx {
        let number = |column| rows.number(column).map(i64::cast_unsigned);
        gpus.place(builder, gpu, number(self.stream), number(self.queue))
    }
}

/// The tables of a run, as far as they were read.
pub(super) struct Tables<'b> {
    pub(super) builder: &'b mut TraceBuilder,
    source: SourceIdx,
    pid_of_name: Option<u32>,
    /// In the order in which they are met.
    processes: Vec<Gpus<i64>>,
    /// Positions in `processes` by guid, which only tables converted from rocpd have; they may hold several processes.
    by_guid: HashMap<String, usize>,
    agents: Vec<Agent>,
    first_ns: i64,
    last_ns: i64,
    unreadable: u64,
}

impl<'b> Tables<'b> {
    /// No table of the kernel trace at `path` yet.
    pub(super) fn new(path: &Path, builder: &'b mut TraceBuilder) -> Self {
        let source = builder.source(Source { path: path.display().to_string(), format: Format::Rocprofv3Csv });
        let pid = prefix(path).and_then(|prefix| prefix.trim_end_matches('_').parse().ok());
        Self {
            builder,
            source,
            pid_of_name: pid,
            processes: Vec::new(),
            by_guid: HashMap::new(),
            agents: Vec::new(),
            first_ns: i64::MAX,
            last_ns: i64::MIN,
            unreadable: 0,
        }
    }

    /// When the kernels ran, if there were any.
    pub(super) fn time(&self) -> Option<(i64, i64)> {
        (self.first_ns <= self.last_ns).then_some((self.first_ns, self.last_ns))
    }

    /// Reads the kernel trace.
    pub(super) fn kernels(&mut self, rows: &mut Rows) {
        let name = rows.column("kernel_name");
        let agent = rows.column("agent_id");
        let columns = Columns::of(rows, name);
        while let Some((start_ns, end_ns)) = columns.advance(rows, &mut self.unreadable) {
            self.first_ns = self.first_ns.min(start_ns);
            self.last_ns = self.last_ns.max(end_ns);
            let process = self.process(rows, columns.guid);
            let gpu = rows.last_number(agent).unwrap_or(-1);
            let stream = columns.place(rows, &mut self.processes[process], gpu, self.builder);
            let name = self.builder.names().intern(&rows.text(name.unwrap_or(0)));
            let links = Links { launch: columns.correlation(rows), ..Links::default() };
            self.builder.dispatch(start_ns, end_ns, name, stream, links);
        }
    }

    /// Reads another table and gives the time that its records span.
    pub(super) fn sibling(&mut self, kind: Kind, rows: &mut Rows) -> Option<(i64, i64)> {
        match kind {
            Kind::Calls => self.calls(rows),
            Kind::Copies => self.copies(rows),
            Kind::Agents => {
                self.agents(rows);
                None
            }
            Kind::Kernels | Kind::Refused(..) => None,
        }
    }

    fn calls(&mut self, rows: &mut Rows) -> Option<(i64, i64)> {
        let (domain, function) = (rows.column("domain"), rows.column("function"));
        let (pid, tid) = (rows.column("process_id"), rows.column("thread_id"));
        let columns = Columns::of(rows, function);
        let mut time = None;
        while let Some((start_ns, end_ns)) = columns.advance(rows, &mut self.unreadable) {
            widen(&mut time, start_ns, end_ns);
            let span = Span::new(start_ns.min(end_ns), end_ns.max(start_ns));
            let owner = self.process(rows, columns.guid);
            let process = self.processes[owner].process();
            let known = &mut self.builder.process_mut(process).pid;
            *known = known.or_else(|| u32::try_from(rows.number(pid)?).ok());
            let thread = rows.number(tid).unwrap_or(0).cast_unsigned();
            let text = rows.text(function.unwrap_or(0));
            if is_marker_range(&rows.text(domain.unwrap_or(0))) {
                // A mark is a point in time, not a range.
                if span.duration_ns() > 0 {
                    let name = self.builder.names().intern(&text);
                    self.builder.range(Range { span, name, process, thread }, None);
                }
            } else if let Some(call) = launch_call(&text) {
                let launch = Launch { span, call, process, thread, graph: None, op: None, product: None };
                self.builder.launch(launch, columns.correlation(rows));
            }
        }
        time
    }

    fn copies(&mut self, rows: &mut Rows) -> Option<(i64, i64)> {
        let direction = rows.column("direction");
        let (from, to) = (rows.column("source_agent_id"), rows.column("destination_agent_id"));
        let columns = Columns::of(rows, None);
        let mut time = None;
        while let Some((start_ns, end_ns)) = columns.advance(rows, &mut self.unreadable) {
            widen(&mut time, start_ns, end_ns);
            let kind = copy_kind(&rows.text(direction.unwrap_or(0)));
            let gpu = if kind == CopyKind::DeviceToHost { from } else { to };
            let process = self.process(rows, columns.guid);
            let gpu = rows.last_number(gpu).unwrap_or(-1);
            let stream = columns.place(rows, &mut self.processes[process], gpu, self.builder);
            self.builder.copy(start_ns, end_ns, kind, stream, None, columns.correlation(rows));
        }
        time
    }

    fn agents(&mut self, rows: &mut Rows) {
        let (node, logical) = (rows.column("node_id"), rows.column("logical_node_id"));
        let (kind, name, product) = (rows.column("agent_type"), rows.column("name"), rows.column("product_name"));
        let (units, dies) = (rows.column("cu_count"), rows.column("num_xcc"));
        while rows.advance() {
            let Some(id) = rows.number(logical).or_else(|| rows.number(node)) else { continue };
            let owned = |column: Option<usize>| column.map(|column| rows.text(column).into_owned());
            let is_gpu = owned(kind).as_deref() == Some("GPU");
            let filled = |column| owned(column).filter(|text| !text.is_empty());
            self.agents.push(Agent {
                id,
                device: Some(id),
                is_gpu,
                arch: filled(name),
                product: filled(product),
                compute_units: rows.number(units),
                dies: rows.number(dies),
            });
        }
    }

    /// Fills in the GPUs.
    pub(super) fn finish(mut self) {
        for gpus in &mut self.processes {
            describe(self.builder, gpus, &self.agents);
        }
        self.builder.loss(LossCause::Unreadable, self.unreadable);
    }

    /// Position in `processes` of the process of the current row, added if it is new.
    fn process(&mut self, rows: &Rows, guid: Option<usize>) -> usize {
        let guid = guid.map_or("".into(), |column| rows.text(column));
        if let Some(&known) = self.by_guid.get(&*guid) {
            return known;
        }
        // Tables without guids go with the only process that those with guids told of.
        if guid.is_empty() && !self.processes.is_empty() {
            return 0;
        }
        let process = Process { source: self.source, pid: self.pid_of_name, host: None, framework: None };
        let process = self.builder.process(process);
        self.by_guid.insert(guid.into_owned(), self.processes.len());
        self.processes.push(Gpus::new(process));
        self.processes.len() - 1
    }
}

fn widen(time: &mut Option<(i64, i64)>, start_ns: i64, end_ns: i64) {
    let (first, last) = time.unwrap_or((start_ns, end_ns));
    *time = Some((first.min(start_ns), last.max(end_ns)));
}
