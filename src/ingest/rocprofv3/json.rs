//! The JSON file that rocprofv3 writes: one object, or an array of one for each process.
//!
//! Records name kernels, calls and messages by numbers whose meaning stands in other parts of the object: kernel ids in
//! `kernel_symbols`, calls by kind and operation in `strings.buffer_records`, messages by correlation id in
//! `strings.marker_api`. rocprofv3 writes those parts first, so one pass is enough. Tools that sort keys put
//! `buffer_records` first; then the file is read twice, which costs time but no memory.
//!
//! Files reach gigabytes and a process has ten thousand kernel symbols of which it uses eighty, so records are taken one
//! at a time and names interned at their first use.

use std::collections::HashMap;
use std::path::Path;

use super::{Agent, describe, framework, pointer_value};
use crate::ingest::gpus::Gpus;
use crate::ingest::json::{Fault, Json, Raw, Unreadable};
use crate::ingest::launch::launch_call;
use crate::ingest::{Error, ErrorKind, open};
use crate::model::{
    CopyKind, Format, Launch, LaunchCall, Links, LossCause, NameId, Process, ProcessIdx, Range, Source, Span,
    TraceBuilder,
};

/// The key by which such a file is known.
pub(in crate::ingest) const KEY: &str = "rocprofiler-sdk-tool";

/// Reads the file at `path`, of which `json` stands at the value of [`KEY`].
///
/// # Errors
/// If there is no GPU work in it, or it is too damaged to tell.
pub(in crate::ingest) fn read(path: &Path, json: &mut Json, builder: &mut TraceBuilder) -> Result<(), Error> {
    let mark = builder.mark();
    let source = builder.source(Source { path: path.display().to_string(), format: Format::Rocprofv3Json });
    let mut file = File { builder, processes: Vec::new(), unreadable: Unreadable::default(), nameless: 0 };
    let add = |builder: &mut TraceBuilder| builder.process(Process { source, pid: None, host: None, framework: None });
    let mut read = file.all(json, &add);
    let mut cut = json.cut().map(str::to_owned);
    let mut offset = json.offset();
    if read.is_ok() && file.processes.iter().any(|process| process.deferred) {
        let mut again = Json::new(open::open(path, json.limits())?);
        read = again.enter(b'{').and_then(|()| seek(&mut again)).and_then(|()| file.all(&mut again, &add));
        cut = again.cut().map(str::to_owned);
        offset = again.offset();
    }
    let File { mut processes, unreadable, nameless, .. } = file;
    for process in &mut processes {
        describe(builder, &mut process.gpus, &process.agents);
    }
    let added = builder.since(mark);
    if added.dispatches.is_empty() && added.copies.is_empty() {
        builder.rollback(mark);
        let malformed = |message: &str, at| Err(Error::new(ErrorKind::Malformed, path, message).at(at));
        return match (read, unreadable.first) {
            (Err(_), _) => malformed("the file ends, or makes no sense any more, before its first dispatch", offset),
            (Ok(()), Some(at)) => malformed("no record of GPU work could be read", at),
            (Ok(()), None) => Err(Error::new(ErrorKind::Empty, path, "there are no dispatches in this file")
                .hint("record with rocprofv3 --kernel-trace")),
        };
    }
    let path = path.display();
    if let Err(fault) = read {
        let why = match (cut, fault) {
            (Some(reason), _) => reason,
            (None, Fault::Cut) => "it has no end".to_owned(),
            (None, _) => "what follows is not what rocprofv3 writes".to_owned(),
        };
        builder.warn("cut-short", format!("{path}: read up to byte {offset} only: {why}; later records are missing"));
    }
    if let Unreadable { count, first: Some(at) } = unreadable {
        builder.loss(LossCause::Unreadable, count);
        builder
            .warn("unreadable-records", format!("{path}: {count} records could not be read, the first at byte {at}"));
    }
    builder.loss(LossCause::UnknownSymbol, nameless);
    Ok(())
}

/// Goes to the value of [`KEY`].
fn seek(json: &mut Json) -> Result<(), Fault> {
    loop {
        match json.field()? {
            Some(key) if key == KEY => return Ok(()),
            Some(_) => json.skip()?,
            None => return Err(Fault::Bad),
        }
    }
}

struct File<'b> {
    builder: &'b mut TraceBuilder,
    processes: Vec<OfProcess>,
    unreadable: Unreadable,
    /// Dispatches whose kernel symbol is missing.
    nameless: u64,
}

/// What is known of one process.
struct OfProcess {
    process: ProcessIdx,
    gpus: Gpus<i64>,
    agents: Vec<Agent>,
    /// Kernel names by kernel id; interned at first use.
    symbols: HashMap<u64, Symbol>,
    code_objects: HashMap<u64, Box<str>>,
    /// By kind, by operation.
    calls: Vec<Vec<Option<LaunchCall>>>,
    /// Marker messages by correlation id.
    messages: HashMap<u64, NameId>,
    has_symbols: bool,
    has_strings: bool,
    /// Its records came before what they mean, so that they wait for a second reading.
    deferred: bool,
}

struct Symbol {
    name: Box<str>,
    code_object: u64,
    interned: Option<NameId>,
}

impl OfProcess {
    fn new(process: ProcessIdx) -> Self {
        Self {
            process,
            gpus: Gpus::new(process),
            agents: Vec::new(),
            symbols: HashMap::new(),
            code_objects: HashMap::new(),
            calls: Vec::new(),
            messages: HashMap::new(),
            has_symbols: false,
            has_strings: false,
            deferred: false,
        }
    }
}

impl File<'_> {
    /// Reads the value of [`KEY`].
    fn all(&mut self, json: &mut Json, add: &dyn Fn(&mut TraceBuilder) -> ProcessIdx) -> Result<(), Fault> {
        if json.peek() == Some(b'{') {
            return self.process(json, 0, add);
        }
        json.enter(b'[')?;
        let mut number = 0;
        while json.element()? {
            self.process(json, number, add)?;
            number += 1;
        }
        Ok(())
    }

    /// Reads one process's object. In a second reading only its records are of interest.
    fn process(
        &mut self,
        json: &mut Json,
        number: usize,
        add: &dyn Fn(&mut TraceBuilder) -> ProcessIdx,
    ) -> Result<(), Fault> {
        json.enter(b'{')?;
        let again = number < self.processes.len();
        let wanted = !again || self.processes[number].deferred;
        if !again {
            let process = add(self.builder);
            self.processes.push(OfProcess::new(process));
        }
        while let Some(key) = json.field()? {
            let of = &mut self.processes[number];
            let whole = of.has_strings && of.has_symbols;
            match key.as_str() {
                "buffer_records" if wanted && (again || whole) => self.records(json, number)?,
                "buffer_records" if wanted => {
                    of.deferred = true;
                    json.skip()?;
                }
                _ if again => json.skip()?,
                "metadata" => {
                    let metadata = value(json, |raw| of.process_facts(raw, self.builder))?;
                    metadata.unwrap_or_default();
                }
                "agents" => {
                    let agents = value(json, |raw| raw.elements().filter_map(agent).collect())?;
                    of.agents = agents.unwrap_or_default();
                }
                "strings" => {
                    of.strings(json, self.builder, &mut self.unreadable)?;
                    of.has_strings = true;
                }
                "code_objects" => json.elements(&mut self.unreadable, |element| {
                    let object = Raw::new(element);
                    let id = object.get("code_object_id").and_then(Raw::id);
                    let uri = object.get("uri").and_then(Raw::text).filter(|uri| !uri.is_empty());
                    of.code_objects.extend(id.zip(uri).map(|(id, uri)| (id, uri.into())));
                    true
                })?,
                "kernel_symbols" => {
                    json.elements(&mut self.unreadable, |element| {
                        of.symbols.extend(symbol(Raw::new(element)));
                        true
                    })?;
                    of.has_symbols = true;
                }
                _ => json.skip()?,
            }
        }
        Ok(())
    }

    fn records(&mut self, json: &mut Json, number: usize) -> Result<(), Fault> {
        json.enter(b'{')?;
        while let Some(key) = json.field()? {
            let Self { builder, processes, unreadable, nameless } = self;
            let of = &mut processes[number];
            match key.as_str() {
                "kernel_dispatch" => {
                    json.elements(unreadable, |element| of.dispatch(element, builder, nameless).is_some())?;
                }
                "hip_api" => json.elements(unreadable, |element| of.call(element, builder).is_some())?,
                "marker_api" => json.elements(unreadable, |element| of.marker(element, builder).is_some())?,
                "memory_copy" => json.elements(unreadable, |element| of.copy(element, builder).is_some())?,
                _ => json.skip()?,
            }
        }
        Ok(())
    }
}

/// What `take` makes of the value that comes next; `None` if it is too long to look at.
fn value<T>(json: &mut Json, take: impl FnOnce(Raw<'_>) -> T) -> Result<Option<T>, Fault> {
    match json.value_len() {
        Ok(length) => {
            let taken = take(Raw::new(&json.window()[..length]));
            json.consume(length);
            Ok(Some(taken))
        }
        Err(Fault::TooLong) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn agent(raw: Raw<'_>) -> Option<Agent> {
    let text = |name| raw.get(name).and_then(Raw::text).filter(|text| !text.is_empty()).map(|text| text.into_owned());
    Some(Agent {
        id: handle(raw.get("id")?)?.cast_signed(),
        device: raw.get("logical_node_id").or_else(|| raw.get("node_id")).and_then(Raw::integer),
        is_gpu: raw.get("type").and_then(Raw::integer) == Some(2),
        arch: text("name"),
        product: text("product_name"),
        compute_units: raw.get("cu_count").and_then(Raw::integer),
        dies: raw.get("num_xcc").and_then(Raw::integer),
    })
}

/// Kernel id and name. The list holds empty entries in between.
fn symbol(raw: Raw<'_>) -> Option<(u64, Symbol)> {
    let name = ["formatted_kernel_name", "demangled_kernel_name", "kernel_name"]
        .into_iter()
        .find_map(|key| raw.get(key).and_then(Raw::text).filter(|name| !name.is_empty()))?;
    let code_object = raw.get("code_object_id").and_then(Raw::id).unwrap_or(0);
    Some((raw.get("kernel_id")?.id()?, Symbol { name: name.into(), code_object, interned: None }))
}

/// The number in `{"handle": 7}`.
fn handle(raw: Raw<'_>) -> Option<u64> {
    raw.get("handle").and_then(Raw::id)
}

/// Fields that all records have.
#[derive(Default)]
struct Record<'a> {
    start_ns: Option<i64>,
    end_ns: Option<i64>,
    kind: Option<u64>,
    operation: Option<u64>,
    thread: u64,
    correlation: Option<u64>,
    stream: Option<u64>,
    /// What only some kinds have.
    dispatch_info: Option<Raw<'a>>,
    args: Option<Raw<'a>>,
    source: Option<u64>,
    destination: Option<u64>,
    bytes: Option<u64>,
}

impl<'a> Record<'a> {
    fn parse(element: &'a [u8]) -> Self {
        let mut record = Self::default();
        for (key, value) in Raw::new(element).fields() {
            match key {
                b"start_timestamp" => record.start_ns = value.integer(),
                b"end_timestamp" => record.end_ns = value.integer(),
                b"kind" => record.kind = value.id(),
                b"operation" => record.operation = value.id(),
                b"thread_id" => record.thread = value.id().unwrap_or(0),
                b"correlation_id" => record.correlation = value.get("internal").and_then(Raw::id).filter(|&id| id != 0),
                b"stream_id" => record.stream = handle(value),
                b"dispatch_info" => record.dispatch_info = Some(value),
                b"args" => record.args = Some(value),
                b"src_agent_id" => record.source = handle(value),
                b"dst_agent_id" => record.destination = handle(value),
                b"bytes" => record.bytes = value.id(),
                _ => {}
            }
        }
        record
    }

    fn span(&self) -> Option<Span> {
        let (start, end) = (self.start_ns?, self.end_ns?);
        Some(Span::new(start.min(end), end.max(start)))
    }
}

impl OfProcess {
    fn process_facts(&mut self, metadata: Raw<'_>, builder: &mut TraceBuilder) {
        let process = builder.process_mut(self.process);
        process.pid = metadata.get("pid").and_then(Raw::id).and_then(|pid| u32::try_from(pid).ok());
        let host = metadata.get("node").and_then(|node| node.get("hostname")?.text());
        process.host = host.map(|host| host.into_owned());
        let words = metadata.get("command").into_iter().flat_map(Raw::elements).filter_map(Raw::text);
        process.framework = framework(&words.collect::<Vec<_>>().join(" "));
    }

    fn strings(
        &mut self,
        json: &mut Json,
        builder: &mut TraceBuilder,
        unreadable: &mut Unreadable,
    ) -> Result<(), Fault> {
        json.enter(b'{')?;
        while let Some(key) = json.field()? {
            match key.as_str() {
                "buffer_records" => {
                    let calls = value(json, |raw| raw.elements().map(calls_of_kind).collect())?;
                    self.calls = calls.unwrap_or_default();
                }
                "marker_api" => json.elements(unreadable, |element| {
                    let entry = Raw::new(element);
                    let message = entry.get("value").and_then(Raw::text).map(|text| builder.names().intern(&text));
                    self.messages.extend(entry.get("key").and_then(Raw::id).zip(message));
                    true
                })?,
                _ => json.skip()?,
            }
        }
        Ok(())
    }

    fn dispatch(&mut self, element: &[u8], builder: &mut TraceBuilder, nameless: &mut u64) -> Option<()> {
        let record = Record::parse(element);
        let (start_ns, end_ns) = (record.start_ns?, record.end_ns?);
        let (mut kernel, mut agent, mut queue) = (None, None, None);
        for (key, value) in record.dispatch_info?.fields() {
            match key {
                b"kernel_id" => kernel = value.id(),
                b"agent_id" => agent = handle(value),
                b"queue_id" => queue = handle(value),
                _ => {}
            }
        }
        let name = self.kernel(kernel?, builder, nameless);
        let stream = self.gpus.place(builder, agent?.cast_signed(), record.stream, queue);
        builder.dispatch(start_ns, end_ns, name, stream, Links { launch: record.correlation, ..Links::default() });
        Some(())
    }

    fn kernel(&mut self, id: u64, builder: &mut TraceBuilder, nameless: &mut u64) -> NameId {
        let Some(symbol) = self.symbols.get_mut(&id) else {
            *nameless += 1;
            return builder.names().intern(&format!("kernel {id}"));
        };
        *symbol.interned.get_or_insert_with(|| {
            let name = builder.names().intern(&symbol.name);
            if let Some(uri) = self.code_objects.get(&symbol.code_object) {
                builder.code_object(name, uri);
            }
            name
        })
    }

    fn call(&mut self, element: &[u8], builder: &mut TraceBuilder) -> Option<()> {
        let record = Record::parse(element);
        let operations = self.calls.get(usize::try_from(record.kind?).ok()?)?;
        let Some(call) = *operations.get(usize::try_from(record.operation?).ok()?)? else { return Some(()) };
        let args = record.args.filter(|_| call == LaunchCall::Graph).into_iter().flat_map(Raw::elements);
        let graph = args
            .filter(|arg| arg.get("name").and_then(Raw::quoted) == Some(b"graphExec"))
            .find_map(|arg| pointer_value(&arg.get("value")?.text()?));
        let span = record.span()?;
        let launch =
            Launch { span, call, process: self.process, thread: record.thread, graph, op: None, product: None };
        builder.launch(launch, record.correlation);
        Some(())
    }

    /// A record without a message is no range but a call of the API, such as pausing the profiler.
    fn marker(&mut self, element: &[u8], builder: &mut TraceBuilder) -> Option<()> {
        let record = Record::parse(element);
        let span = record.span()?;
        let message = record.correlation.and_then(|id| self.messages.get(&id).copied());
        if let Some(name) = message.filter(|_| span.duration_ns() > 0) {
            builder.range(Range { span, name, process: self.process, thread: record.thread }, None);
        }
        Some(())
    }

    fn copy(&mut self, element: &[u8], builder: &mut TraceBuilder) -> Option<()> {
        let record = Record::parse(element);
        let (start_ns, end_ns) = (record.start_ns?, record.end_ns?);
        let is_gpu = |handle: u64| self.agents.iter().any(|agent| agent.is_gpu && agent.id == handle.cast_signed());
        let (from, to) = (record.source?, record.destination?);
        let kind = match (is_gpu(from), is_gpu(to)) {
            (false, true) => CopyKind::HostToDevice,
            (true, false) => CopyKind::DeviceToHost,
            (true, true) => CopyKind::DeviceToDevice,
            (false, false) => CopyKind::Unknown,
        };
        let gpu = if kind == CopyKind::DeviceToHost { from } else { to };
        let stream = self.gpus.place(builder, gpu.cast_signed(), record.stream, None);
        builder.copy(start_ns, end_ns, kind, stream, record.bytes, record.correlation);
        Some(())
    }
}

/// The launches among the operations of one kind of record.
fn calls_of_kind(entry: Raw<'_>) -> Vec<Option<LaunchCall>> {
    let operations = entry.get("operations").into_iter().flat_map(Raw::elements);
    operations.map(|name| launch_call(&name.text()?)).collect()
}
