//! The thread that takes what the callbacks saw and writes it down.
//!
//! It is the only one that touches files, formats text or takes time. It polls: often while a window is open, seldom
//! otherwise, and at once when `finalize` asks for the end. What it has is on disk at most half a second later (see
//! [`recording`](crate::capture::write::recording)), so a killed server loses no more than that.
//!
//! When the window is full the completions of its last dispatches are still to come (they arrive after the launching
//! thread has long gone on), so it drains until every dispatch that was enqueued is accounted for, or two seconds
//! have passed and the rest is counted as lost. Meanwhile steps are still listened to, for a moment: what they take without
//! us is what those in the window are compared with.

mod lifetime;
mod serve;

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use self::lifetime::Closing;
use crate::capture::around::{self, Watch};
use crate::capture::graphs::GraphLog;
use crate::capture::marks::NewMark;
use crate::capture::message::{Call, Event, Inbox};
use crate::capture::options::Fault;
use crate::capture::tracer::Tracer;
use crate::capture::write::control::Control;
use crate::capture::write::objects::Objects;
use crate::capture::write::process;
use crate::capture::write::recording::Recording;
use crate::capture::write::reporter::Reporter;
use crate::capture::write::rundir::{self, RunDirectory};
use crate::capture::write::stuck::{self, ExitWatch};
use crate::capture::{fence, host};
use crate::wire::DispatchRecord;

/// Pause between looks at the channels while a window is open.
const POLL_OPEN: Duration = Duration::from_millis(1);
/// The same while there is nothing to record.
const POLL_IDLE: Duration = Duration::from_millis(20);
/// Pause between looks at who wants to know or to order something.
const SERVE_EVERY: Duration = Duration::from_millis(50);
/// How long dispatches are recorded blindly before they go to a file: in most servers a step shows itself before that.
const BLIND_IN_MEMORY: Duration = Duration::from_secs(2);
/// Most of them.
const BLIND_IN_MEMORY_AT_MOST: usize = 500_000;
/// Longest wait for completions when the process is about to end.
const LAST_DRAIN_AT_MOST: Duration = Duration::from_millis(500);
/// Longest wait for those that make reports when the process is about to end: in a container they end with it.
const REPORTS_AT_MOST: Duration = Duration::from_secs(15);
/// Dispatches taken from the channel at a time: a block of 256 KiB.
const BATCH: usize = 4096;

/// The aggregator's own state.
pub(in crate::capture) struct Aggregator {
    tracer: &'static Tracer,
    inbox: Inbox,
    batch: Vec<DispatchRecord>,
    calls: Vec<Call>,
    /// Every code object and symbol seen: each window's file names its kernels itself.
    code_objects: Vec<(u64, Box<str>)>,
    symbols: Vec<(u64, u64, Box<str>)>,
    /// The same of where captures of graphs launched.
    marks: Vec<NewMark>,
    objects: Objects,
    /// The same of graphs that can be replayed.
    graphs: GraphLog,
    remarks: Vec<(String, String)>,
    control: Control,
    served: Instant,
    /// Decode steps of warm-up and of recording, as the window at hand was ordered, and by whom.
    warmup: u32,
    steps: u32,
    armed_by: &'static str,
    /// Whether a window is awaited or open.
    armed: bool,
    /// Since when steps should have come.
    awaited: Option<Instant>,
    /// Where it records, from the first window on.
    directory: Option<RunDirectory>,
    /// The last that was said.
    said: Option<String>,
    /// Recorded blindly and not in a file yet, since when.
    blind: Vec<DispatchRecord>,
    blind_calls: Vec<Call>,
    blind_since: Option<Instant>,
    open: Option<Recording>,
    /// Who looks around for `open`, and the variables that it is told.
    watch: Option<Watch>,
    variables: Vec<(String, String)>,
    /// Recorded dispatches of `open` after which steps are looked for in them, if it is blind.
    look_at: u64,
    /// The thread that looks for them.
    look: Option<JoinHandle<u64>>,
    /// Records dropped at the channel before `open`: earlier losses are not its own.
    channel_full_before: u64,
    /// The same of launch calls and copies.
    calls_full_before: u64,
    closing: Option<Closing>,
    /// Since when only the tails of the last steps are awaited.
    spent: Option<Instant>,
    windows: u32,
    /// Whether the process is to be left alone until it is attached to again.
    is_detached: bool,
    /// Those that make reports.
    reporters: Vec<Reporter>,
    late: u64,
    exit: ExitWatch,
}

impl Aggregator {
    pub(in crate::capture) fn new(tracer: &'static Tracer, inbox: Inbox) -> Self {
        let options = &tracer.options;
        let remarks = options.problems.iter().map(|text| ("invalid-option".to_owned(), text.clone())).collect();
        let directory = rundir::expected(options, &process::identity(tracer.rank.number));
        Self {
            tracer,
            inbox,
            batch: Vec::with_capacity(BATCH),
            calls: Vec::with_capacity(BATCH),
            code_objects: Vec::new(),
            symbols: Vec::new(),
            marks: Vec::new(),
            objects: Objects::default(),
            graphs: GraphLog::default(),
            remarks,
            control: Control::new(&directory, !options.armed),
            served: Instant::now(),
            warmup: options.warmup,
            steps: options.steps,
            armed_by: "start",
            armed: options.armed,
            awaited: None,
            directory: None,
            said: None,
            blind: Vec::new(),
            blind_calls: Vec::new(),
            blind_since: None,
            open: None,
            watch: None,
            variables: if options.surroundings { around::variables(std::env::vars_os()) } else { Vec::new() },
            look_at: 0,
            look: None,
            channel_full_before: 0,
            calls_full_before: 0,
            closing: None,
            spent: None,
            windows: 0,
            is_detached: false,
            reporters: Vec::new(),
            late: 0,
            exit: ExitWatch::default(),
        }
    }

    /// The thread's life: until `finalize` asks for the end or the tracer is disarmed. An error of its own ends the
    /// first part; what was captured until then is written all the same.
    pub(in crate::capture) fn live(mut self) {
        host::block_signals();
        let stuck = fence::guard("the aggregator", None, || self.work());
        fence::guard("the aggregator's end", (), || self.end());
        self.tracer.set_done();
        if let Some(status) = stuck {
            fence::guard("the end of the process", (), || stuck::end_stuck(status));
        }
    }

    /// Works until the end; that may be the end of a process that hangs, with its exit status.
    fn work(&mut self) -> Option<i32> {
        while fence::enter(Fault::Aggregator) {
            let busy = self.take() | self.look_into_objects();
            self.watch_window();
            if self.served.elapsed() >= SERVE_EVERY {
                self.serve();
                self.watch_wait();
                self.watch_reports(Duration::ZERO);
                let stuck = self.exit.stuck(self.tracer);
                if stuck.is_some() {
                    let text = format!(
                        "{} kernels never ended; the process ends now, as it would have without a tracer",
                        self.tracer.gate.outstanding()
                    );
                    self.say(&text);
                    self.remarks.push(("completions-missing".to_owned(), text));
                    return stuck;
                }
            }
            if self.tracer.finishing() {
                break;
            }
            if !busy {
                std::thread::sleep(if self.open.is_some() { POLL_OPEN } else { POLL_IDLE });
            }
        }
        None
    }

    fn end(&mut self) {
        let ended = if self.tracer.window.lock().is_spent() { "window_full" } else { "exit" };
        self.tracer.stop();
        let begun = Instant::now();
        let gate = &self.tracer.gate;
        let outstanding = || gate.outstanding() + gate.outstanding_copies() > 0;
        while self.take() || (outstanding() && begun.elapsed() < LAST_DRAIN_AT_MOST) {
            std::thread::sleep(POLL_OPEN);
        }
        if self.open.is_none() {
            self.begin_blind();
        }
        let disarmed = fence::why_disarmed();
        if let Some(why) = &disarmed {
            self.remarks.push(("tracer-disarmed".to_owned(), format!("the tracer disarmed itself: {why}")));
        }
        if self.open.is_some() {
            let by = self.closing.take().map_or(ended, |closing| closing.by);
            self.close(if disarmed.is_some() { "disarmed" } else { by });
        } else if self.armed || self.windows == 0 {
            self.tell_why_nothing_was_recorded(disarmed.as_deref());
        }
        self.watch_reports(REPORTS_AT_MOST);
    }

    /// Takes what is in the channels now; false if that was nothing.
    fn take(&mut self) -> bool {
        self.batch.clear();
        self.batch.extend(self.inbox.dispatches.try_iter().take(BATCH));
        self.calls.clear();
        self.calls.extend(self.inbox.calls.try_iter().take(BATCH));
        let mut busy = !self.batch.is_empty() || !self.calls.is_empty();
        while let Ok(event) = self.inbox.events.try_recv() {
            busy = true;
            self.event(event);
        }
        self.record();
        if self.open.as_ref().is_some_and(Recording::is_due) {
            self.flush();
        }
        busy
    }

    /// Does one piece of what there is to do about code objects; false if there is none.
    fn look_into_objects(&mut self) -> bool {
        self.objects.work(&self.tracer.evidence, self.open.as_mut().map(|open| &mut open.encoder))
    }

    /// Records the batch at hand.
    fn record(&mut self) {
        if let Some(open) = &mut self.open {
            if let Some(opened_ns) = open.opened_ns {
                // Stragglers of what was recorded blindly before.
                self.batch.retain(|record| record.range != 0 || record.start_ns >= opened_ns);
                self.calls.retain(|call| call.may_be_of(opened_ns));
            }
            if let (Some(watch), Some(record)) = (&mut self.watch, self.batch.first()) {
                if let Some(agent) = self.tracer.agents.iter().find(|agent| agent.handle == record.agent) {
                    watch.uses(agent.node_id);
                }
                while let Some(part) = watch.part() {
                    open.encoder.environment(&part);
                }
            }
            open.dispatches(&self.batch, self.tracer.options.max_records);
            open.calls(&self.calls, self.tracer.options.max_records);
        } else if !(self.batch.is_empty() && self.calls.is_empty()) && self.tracer.window.lock().is_blind() {
            self.blind_since.get_or_insert_with(Instant::now);
            self.blind.extend_from_slice(&self.batch);
            self.blind_calls.extend_from_slice(&self.calls);
        } else if self.windows > 0 {
            // Before the first window only stragglers of a blind recording come, which was thrown away.
            self.late += self.batch.len() as u64;
        }
        let in_memory = self.blind.len() + self.blind_calls.len() < BLIND_IN_MEMORY_AT_MOST;
        if self.blind_since.is_some_and(|since| !in_memory || since.elapsed() >= BLIND_IN_MEMORY) {
            self.begin_blind();
        }
    }

    fn event(&mut self, event: Event) {
        let encoder = self.open.as_mut().map(|open| &mut open.encoder);
        match (event, encoder) {
            (Event::CodeObject { id, uri, image }, encoder) => {
                encoder.into_iter().for_each(|encoder| encoder.code_object(id, &uri));
                if self.tracer.options.code_objects > 0 {
                    self.objects.add(id, &uri, image);
                }
                self.code_objects.push((id, uri));
            }
            (Event::Symbol { kernel_id, code_object_id, name }, encoder) => {
                encoder.into_iter().for_each(|encoder| encoder.symbol(kernel_id, code_object_id, &name));
                self.symbols.push((kernel_id, code_object_id, name));
            }
            (Event::Mark(new), encoder) => {
                encoder.into_iter().for_each(|encoder| new.write(encoder));
                self.marks.push(new);
            }
            (Event::BlindLeft, _) => {
                self.tracer.turn_off();
                self.discard_blind();
            }
            (Event::GraphText(number, text), encoder) => self.graphs.text(number, text, encoder),
            (Event::Graph(graph), encoder) => self.graphs.graph(graph, encoder),
            (Event::GraphChange(change), encoder) => self.graphs.change(change, encoder),
            (Event::WindowOpened { at_ns }, _) => self.begin(Some(at_ns)),
            (Event::WindowFull, _) => {
                self.tracer.turn_off();
                self.begin_to_close("window_full");
            }
            (Event::RangeOpen { id, thread, start_ns, message }, Some(encoder)) => {
                encoder.range_open(id, thread, start_ns, &message);
            }
            (Event::RangeClose { id, end_ns }, Some(encoder)) => encoder.range_close(id, end_ns),
            (Event::RangeOpen { .. } | Event::RangeClose { .. }, None) => {}
            (Event::Attached, _) => self.attach(),
            (Event::Detached, _) => self.detach(),
            (Event::Remark(code, text), _) => self.remarks.push((code.to_owned(), text)),
        }
    }
}
