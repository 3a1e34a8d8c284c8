//! The thread that takes what the callbacks saw and writes it down.
//!
//! It is the only one that touches files, formats text or takes time. It polls: often while a window is open, seldom
//! otherwise, and at once when `finalize` asks for the end. What it has is on disk at most [`FLUSH_EVERY`] later, so a
//! killed server loses no more than that.
//!
//! When the window is full the completions of its last dispatches are still to come (they arrive after the launching
//! thread has long gone on), so it drains until every dispatch that was enqueued is accounted for, or [`DRAIN_AT_MOST`]
//! has passed and the rest is counted as lost.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::control::{self, Control, Order, Reply, Request};
use super::host;
use super::message::{Event, Inbox};
use super::options::Fault;
use super::tracer::Tracer;
use super::{exits, fence, report, rundir};
use crate::ingest::capture_file::{DispatchRecord, Encoder, Meta, Status, VERSION};
use crate::model::{Loss, LossCause};

/// Longest time that records wait before they are on disk.
const FLUSH_EVERY: Duration = Duration::from_millis(500);
/// Pause between looks at the channels while a window is open.
const POLL_OPEN: Duration = Duration::from_millis(1);
/// The same while there is nothing to record.
const POLL_IDLE: Duration = Duration::from_millis(20);
/// Pause between looks at who wants to know or to order something.
const SERVE_EVERY: Duration = Duration::from_millis(50);
/// How long dispatches are recorded blindly before they go to a file: in most servers a step shows itself before that.
const BLIND_IN_MEMORY: Duration = Duration::from_secs(2);
/// Most dispatches that are recorded blindly, in memory and in all.
const BLIND_IN_MEMORY_AT_MOST: usize = 500_000;
const BLIND_AT_MOST: u64 = 4_000_000;
/// Dispatches recorded blindly after which steps are looked for in them, for the first time; then at twice as many.
const BLIND_LOOK_AFTER: u64 = 8_192;
/// Longest wait for completions once the window is full.
const DRAIN_AT_MOST: Duration = Duration::from_secs(2);
/// The same when the process is about to end.
const LAST_DRAIN_AT_MOST: Duration = Duration::from_millis(500);
/// Dispatches taken from the channel at a time: a block of 256 KiB.
const BATCH: usize = 4096;
/// Bytes that are written out without waiting for the clock.
const WRITE_AT: usize = 1 << 20;

/// A window that is being written.
struct Open {
    directory: PathBuf,
    path: PathBuf,
    file: File,
    /// Everything is recorded, and steps are looked for in it once there are so many records.
    look_at: Option<u64>,
    opened: Instant,
    /// The same on the clock of the records.
    opened_ns: u64,
    status: Status,
    /// `channel_full` when it was opened: earlier losses are not its own.
    channel_full_before: u64,
    failed: bool,
}

/// The aggregator's own state.
pub(super) struct Aggregator {
    tracer: &'static Tracer,
    inbox: Inbox,
    encoder: Encoder,
    batch: Vec<DispatchRecord>,
    /// Every code object and symbol seen: each window's file names its kernels itself.
    code_objects: Vec<(u64, Box<str>)>,
    symbols: Vec<(u64, u64, Box<str>)>,
    remarks: Vec<(String, String)>,
    control: Control,
    served: Instant,
    /// Decode steps of warm-up and of recording, as the window at hand was ordered, and by whom.
    warmup: u32,
    steps: u32,
    armed_by: &'static str,
    /// Whether a window is awaited or open.
    armed: bool,
    directory: Option<PathBuf>,
    /// Recorded blindly and not in a file yet, since when.
    blind: Vec<DispatchRecord>,
    blind_since: Option<Instant>,
    open: Option<Open>,
    /// When the window was found full: draining since then.
    full_since: Option<Instant>,
    windows: u32,
    late: u64,
    flushed: Instant,
}

impl Aggregator {
    pub(super) fn new(tracer: &'static Tracer, inbox: Inbox) -> Self {
        let options = &tracer.options;
        let remarks = options.problems.iter().map(|text| ("invalid-option".to_owned(), text.clone())).collect();
        let directory = rundir::expected(options, &host::identity(tracer.rank.number));
        Self {
            tracer,
            inbox,
            encoder: Encoder::default(),
            batch: Vec::with_capacity(BATCH),
            code_objects: Vec::new(),
            symbols: Vec::new(),
            remarks,
            control: Control::new(&directory, !options.armed),
            served: Instant::now(),
            warmup: options.warmup,
            steps: options.steps,
            armed_by: "start",
            armed: options.armed,
            directory: None,
            blind: Vec::new(),
            blind_since: None,
            open: None,
            full_since: None,
            windows: 0,
            late: 0,
            flushed: Instant::now(),
        }
    }

    /// The thread's life: until `finalize` asks for the end or the tracer is disarmed. An error of its own ends the
    /// first part; what was captured until then is written all the same.
    pub(super) fn live(mut self) {
        host::block_signals();
        fence::guard("the aggregator", (), || self.work());
        fence::guard("the aggregator's end", (), || self.end());
        self.tracer.set_done();
    }

    fn work(&mut self) {
        while fence::enter(Fault::Aggregator) {
            let busy = self.take();
            self.watch_window();
            if self.served.elapsed() >= SERVE_EVERY {
                self.serve();
            }
            if self.tracer.finishing() {
                break;
            }
            if !busy {
                std::thread::sleep(if self.open.is_some() { POLL_OPEN } else { POLL_IDLE });
            }
        }
    }

    fn end(&mut self) {
        self.tracer.stop();
        let begun = Instant::now();
        while self.take() || (self.tracer.meter.outstanding() > 0 && begun.elapsed() < LAST_DRAIN_AT_MOST) {
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
            self.close(if disarmed.is_some() { "disarmed" } else { "exit" });
        } else if self.windows == 0 {
            self.tell_why_nothing_was_recorded(disarmed.as_deref());
        }
    }

    /// Takes what is in the channels now; false if that was nothing.
    fn take(&mut self) -> bool {
        self.batch.clear();
        self.batch.extend(self.inbox.dispatches.try_iter().take(BATCH));
        let mut busy = !self.batch.is_empty();
        while let Ok(event) = self.inbox.events.try_recv() {
            busy = true;
            self.event(event);
        }
        self.record();
        let due = self.flushed.elapsed() >= FLUSH_EVERY;
        if self.encoder.buffer.len() >= WRITE_AT || due {
            self.flush();
        }
        busy
    }

    /// Records the batch at hand.
    fn record(&mut self) {
        if let Some(open) = &mut self.open {
            // Stragglers of what was recorded blindly before.
            self.batch.retain(|record| record.range != 0 || record.start_ns >= open.opened_ns);
            let room = self.tracer.options.max_records.saturating_sub(open.status.records);
            let kept = self.batch.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            self.encoder.dispatches(&self.batch[..kept]);
            open.status.records += kept as u64;
            add_loss(&mut open.status.losses, LossCause::MemoryBound, (self.batch.len() - kept) as u64);
        } else if !self.batch.is_empty() && self.tracer.window.lock().is_blind() {
            self.blind_since.get_or_insert_with(Instant::now);
            self.blind.extend_from_slice(&self.batch);
        } else {
            self.late += self.batch.len() as u64;
        }
        let in_memory = self.blind.len() < BLIND_IN_MEMORY_AT_MOST;
        if self.blind_since.is_some_and(|since| !in_memory || since.elapsed() >= BLIND_IN_MEMORY) {
            self.begin_blind();
        }
    }

    /// Puts what was recorded blindly into a file of its own.
    fn begin_blind(&mut self) {
        self.blind_since = None;
        let records = std::mem::take(&mut self.blind);
        if records.is_empty() {
            return;
        }
        self.begin(None);
        if let Some(open) = &mut self.open {
            for block in records.chunks(BATCH) {
                self.encoder.dispatches(block);
            }
            open.status.records += records.len() as u64;
        }
    }

    /// Throws away what was recorded blindly.
    fn discard_blind(&mut self) {
        self.blind = Vec::new();
        self.blind_since = None;
        if self.open.as_ref().is_some_and(|open| open.look_at.is_some())
            && let Some(open) = self.open.take()
        {
            self.encoder.buffer.clear();
            self.windows -= 1;
            if let Err(error) = std::fs::remove_file(&open.path) {
                let text = format!("{} could not be removed: {error}", open.path.display());
                self.remarks.push(("output-failed".to_owned(), text));
            }
        }
    }

    fn event(&mut self, event: Event) {
        let writing = self.open.is_some();
        match event {
            Event::CodeObject { id, uri } => {
                if writing {
                    self.encoder.code_object(id, &uri);
                }
                self.code_objects.push((id, uri));
            }
            Event::Symbol { kernel_id, code_object_id, name } => {
                if writing {
                    self.encoder.symbol(kernel_id, code_object_id, &name);
                }
                self.symbols.push((kernel_id, code_object_id, name));
            }
            Event::BlindLeft => self.discard_blind(),
            Event::WindowOpened { at_ns } => self.begin(Some(at_ns)),
            Event::WindowFull => self.full_since = Some(Instant::now()),
            Event::RangeOpen { id, thread, start_ns, message } if writing => {
                self.encoder.range_open(id, thread, start_ns, &message);
            }
            Event::RangeClose { id, end_ns } if writing => self.encoder.range_close(id, end_ns),
            Event::Launch(launch) if writing => self.encoder.launch(&launch),
            Event::RangeOpen { .. } | Event::RangeClose { .. } | Event::Launch(_) => {}
            Event::Remark(code, text) => self.remarks.push((code.to_owned(), text)),
        }
    }

    /// Closes the window when its time has come.
    fn watch_window(&mut self) {
        let Some(open) = &self.open else {
            self.full_since = None;
            return;
        };
        let options = &self.tracer.options;
        let late = options.timeout.is_some_and(|timeout| open.opened.elapsed() >= timeout);
        let most = if open.look_at.is_some() { options.max_records.min(BLIND_AT_MOST) } else { options.max_records };
        let bound = open.status.records >= most;
        let is_over = late || bound || (self.full_since.is_none() && self.sees_enough());
        match self.full_since {
            None if is_over => {
                self.tracer.stop();
                self.full_since = Some(Instant::now());
            }
            Some(since) if self.tracer.meter.outstanding() == 0 || since.elapsed() >= DRAIN_AT_MOST => {
                // Completions are counted before they are sent: one more look takes the last of them.
                while self.take() {}
                self.close(if bound {
                    "record_bound"
                } else if late {
                    "timeout"
                } else {
                    "window_full"
                });
                self.full_since = None;
            }
            _ => {}
        }
    }

    /// Answers and obeys whoever asked since the last time.
    fn serve(&mut self) {
        self.served = Instant::now();
        if exits::take_order() {
            let reply = self.handle(Request::Trigger(Order::default()));
            self.say_outcome("the signal", Ok(reply));
        }
        // Handling needs the whole aggregator, the control among it.
        let mut control = std::mem::replace(&mut self.control, Control::none());
        let from_file = control.serve(|request| self.handle(request));
        self.control = control;
        if let Some(outcome) = from_file {
            self.say_outcome("the trigger file", outcome);
        }
    }

    fn say_outcome(&self, who: &str, outcome: Result<Reply, String>) {
        match outcome {
            Ok(Reply { error: None, .. }) => self.say(&format!("a window was ordered by {who}")),
            Ok(Reply { error: Some(why), .. }) | Err(why) => {
                self.say(&format!("no window was ordered by {who}: {why}"))
            }
        }
    }

    fn handle(&mut self, request: Request) -> Reply {
        let error = match request {
            Request::Status => None,
            Request::Trigger(order) => self.order(order).err(),
        };
        Reply { error, status: self.where_it_stands() }
    }

    /// Awaits another window.
    fn order(&mut self, order: Order) -> Result<(), String> {
        if self.armed {
            return Err(format!("a window is {} already", self.where_it_stands().state));
        }
        let options = &self.tracer.options;
        self.warmup = order.warmup.unwrap_or(options.warmup);
        self.steps = order.steps.unwrap_or(options.steps).max(1);
        self.armed_by = "trigger";
        self.tracer.arm(self.warmup, self.steps).map_err(|error| error.to_string())?;
        self.armed = true;
        Ok(())
    }

    fn where_it_stands(&self) -> control::Status {
        let (warmup_steps, steps) = self.tracer.window.lock().progress();
        let state = match (&self.open, self.full_since) {
            _ if fence::why_disarmed().is_some() => "disarmed",
            (Some(_), Some(_)) => "draining",
            (Some(_), None) => "recording",
            (None, _) if self.armed => "waiting",
            (None, _) => "idle",
        };
        control::Status {
            pid: std::process::id(),
            state: state.to_owned(),
            window: self.windows,
            warmup_steps,
            steps,
            steps_wanted: self.steps,
            records: self.open.as_ref().map_or(0, |open| open.status.records),
            dropped: self.tracer.meter.channel_full.get(),
            directory: self.directory.clone(),
        }
    }

    /// Whether there are as many decode steps as wanted among what was recorded blindly.
    fn sees_enough(&mut self) -> bool {
        let Some(open) = &mut self.open else { return false };
        let Some(look_at) = open.look_at.filter(|&look_at| open.status.records >= look_at) else { return false };
        open.look_at = Some(look_at * 2);
        let path = open.path.clone();
        self.flush();
        report::decode_steps(&path, &self.tracer.options) >= u64::from(self.warmup) + u64::from(self.steps)
    }

    /// Begins the file of a window that opened then, or of what is recorded blindly.
    fn begin(&mut self, opened_ns: Option<u64>) {
        let tracer = self.tracer;
        self.windows += 1;
        let identity = host::identity(tracer.rank.number);
        let made = rundir::open(&tracer.options, &identity).and_then(|directory| {
            let (path, file) = rundir::create_capture(&directory, self.windows, identity.pid)?;
            Ok((directory, path, file))
        });
        let (directory, path, file) = match made {
            Ok(made) => made,
            Err(error) => {
                host::say(&format!("nothing is recorded: {}: {error}", tracer.options.output));
                tracer.stop();
                self.armed = false;
                return;
            }
        };
        self.directory = Some(directory.clone());
        let boottime_ns = host::boottime_ns();
        self.encoder.buffer.clear();
        self.encoder.begin(&Meta {
            version: VERSION,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            pid: identity.pid,
            host: Some(identity.host),
            command: host::command(),
            sdk_version: Some(tracer.sdk.version().to_string()),
            armed_by: self.armed_by.to_owned(),
            rank: tracer.rank.number,
            world_size: tracer.rank.world_size,
            framework: None,
            window: self.windows,
            blind: opened_ns.is_none(),
            steps: self.steps,
            warmup: self.warmup,
            marker: tracer.options.marker.clone(),
            realtime_offset_ns: host::clock_ns(libc::CLOCK_REALTIME) as i64 - boottime_ns as i64,
        });
        for agent in &tracer.agents {
            self.encoder.agent(agent);
        }
        for (id, uri) in &self.code_objects {
            self.encoder.code_object(*id, uri);
        }
        for (kernel_id, code_object_id, name) in &self.symbols {
            self.encoder.symbol(*kernel_id, *code_object_id, name);
        }
        let channel_full_before = tracer.meter.channel_full.get();
        let status = Status::default();
        let opened = Instant::now();
        // Whose capture it is goes to disk at once.
        self.flushed = opened.checked_sub(FLUSH_EVERY).unwrap_or(opened);
        let look_at = opened_ns.is_none().then_some(BLIND_LOOK_AFTER);
        let opened_ns = opened_ns.unwrap_or(0);
        self.open = Some(Open {
            directory,
            path,
            file,
            look_at,
            opened,
            opened_ns,
            status,
            channel_full_before,
            failed: false,
        });
    }

    /// Brings the status up to date and puts everything on disk.
    fn flush(&mut self) {
        self.flushed = Instant::now();
        if self.open.is_none() {
            return;
        }
        let status = self.status();
        self.encoder.status(&status);
        self.write();
    }

    fn status(&mut self) -> Status {
        let tracer = self.tracer;
        let (warmup_steps, steps) = tracer.window.lock().progress();
        let Some(open) = &mut self.open else { return Status::default() };
        let status = &mut open.status;
        status.steps = steps;
        status.warmup_steps = warmup_steps;
        status.overhead = tracer.meter.overhead();
        status.overhead.aggregator_cpu_ns = Some(host::thread_cpu_ns());
        status.remarks.clone_from(&self.remarks);
        let full = tracer.meter.channel_full.get() - open.channel_full_before;
        set_loss(&mut status.losses, LossCause::ChannelFull, full);
        set_loss(&mut status.losses, LossCause::Late, self.late);
        status.clone()
    }

    fn write(&mut self) {
        let Some(open) = &mut self.open else { return };
        if !open.failed
            && let Err(error) = open.file.write_all(&self.encoder.buffer)
        {
            open.failed = true;
            host::say(&format!("{}: {error}; recording stops here", open.directory.display()));
            self.remarks
                .push(("output-failed".to_owned(), format!("the capture file could not be written on: {error}")));
            self.tracer.stop();
        }
        self.encoder.buffer.clear();
    }

    /// Ends the window's file and makes the report over all captures of the run.
    fn close(&mut self, closed_by: &str) {
        let mut status = self.status();
        closed_by.clone_into(&mut status.closed_by);
        let missing = self.tracer.meter.outstanding();
        set_loss(&mut status.losses, LossCause::NoCompletion, missing);
        self.encoder.end(&status);
        self.write();
        let Some(open) = self.open.take() else { return };
        self.armed = false;
        let records = status.records;
        if open.look_at.is_some() {
            status.steps = report::decode_steps(&open.path, &self.tracer.options);
            if status.steps == 0 {
                let _ = std::fs::remove_file(&open.path);
                let why = fence::why_disarmed().map_or_else(
                    || {
                        "there is no step to be seen in them, neither by markers (see PROFILE_DECODE_MARKER), nor by graph \
                         launches, nor by a pattern of kernels"
                            .to_owned()
                    },
                    |why| format!("the tracer disarmed itself: {why}"),
                );
                self.say(&format!("nothing is kept of {records} dispatches: {why}"));
                return;
            }
        }
        match report::make(&open.directory, self.windows, &self.tracer.options) {
            Ok(path) => self.say(&format!("{} decode steps recorded, see {}", status.steps, path.display())),
            Err(error) => host::say(&format!("{}: no report: {error}", open.directory.display())),
        }
    }

    fn tell_why_nothing_was_recorded(&self, disarmed: Option<&str>) {
        let (warmup_steps, _) = self.tracer.window.lock().progress();
        let warmup = self.warmup;
        if let Some(why) = disarmed {
            host::say(&format!("nothing was recorded: the tracer disarmed itself: {why}"));
        } else if warmup_steps > 0 {
            self.say(&format!(
                "nothing was recorded: {warmup_steps} decode steps were seen, the first {warmup} are warm-up"
            ));
        } else if self.armed && !self.symbols.is_empty() {
            self.say("nothing was recorded: no decode step was seen (no marker that is known, no graph launch)");
        }
        for (_, text) in &self.remarks {
            self.say(text);
        }
    }

    fn say(&self, text: &str) {
        if !self.tracer.options.quiet {
            host::say(text);
        }
    }
}

fn add_loss(losses: &mut Vec<Loss>, cause: LossCause, count: u64) {
    let before = losses.iter().find(|loss| loss.cause == cause).map_or(0, |loss| loss.count);
    set_loss(losses, cause, before + count);
}

fn set_loss(losses: &mut Vec<Loss>, cause: LossCause, count: u64) {
    match losses.iter_mut().find(|loss| loss.cause == cause) {
        Some(loss) => loss.count = count,
        None if count > 0 => losses.push(Loss { cause, count }),
        None => {}
    }
}
