//! The aggregator's part in a window's life: begin its file, see that it is over, drain, end it, make the report.
//!
//! ```text
//!   ordered ──> awaited ──first step after the warm-up──> open ──full, too long, too much──> closing ──drained──> idle
//!                  │                                                                            │
//!                  └─ no step within the time that was given ─> idle        capture ended, report made, all stopped
//! ```

use std::io;
use std::time::{Duration, Instant};

use super::{Aggregator, BATCH};
use crate::capture::around::{Known, Watch};
use crate::capture::graphs::Missed;
use crate::capture::report::{self, Made};
use crate::capture::write::recording::Recording;
use crate::capture::write::reporter::{self, Outcome};
use crate::capture::write::rundir::{self, Identity, RunDirectory};
use crate::capture::write::{framework, process};
use crate::capture::{fence, host, marks};
use crate::model::LossCause;
use crate::wire::{Meta, VERSION};

/// Most dispatches that are recorded blindly.
const BLIND_AT_MOST: u64 = 4_000_000;
/// Dispatches recorded blindly after which steps are looked for in them, for the first time; then at twice as many.
const BLIND_LOOK_AFTER: u64 = 8_192;
/// Longest wait for completions once the window is full.
const DRAIN_AT_MOST: Duration = Duration::from_secs(2);
/// Longest time that code objects are looked into when a window is closed.
const OBJECTS_AT_MOST: Duration = Duration::from_millis(500);
/// Longest wait, after the last step of a window, for the next one to show that the last one's tail is over.
const TAIL_AT_MOST: Duration = Duration::from_millis(250);
/// What closes a window whose file cannot be written, and the code of the remark.
const OUTPUT_FAILED: &str = "output_failed";
const OUTPUT_FAILED_CODE: &str = "output-failed";
/// What closes a window whose process is to be left alone.
pub(super) const DETACHED: &str = "detached";
/// Decode steps after the window that are waited for, to compare, and the longest wait for them.
const STEPS_AFTER: u64 = 20;
const STEPS_AFTER_AT_MOST: Duration = Duration::from_secs(1);

/// A window that is over and whose last completions are awaited.
pub(super) struct Closing {
    /// What closed it, as it will say in the capture file.
    pub(super) by: &'static str,
    since: Instant,
    /// Decode steps after a window whose time had been taken until then.
    steps_after: u64,
}

impl Aggregator {
    /// Puts what was recorded blindly into a file of its own.
    pub(super) fn begin_blind(&mut self) {
        self.blind_since = None;
        let records = std::mem::take(&mut self.blind);
        let calls = std::mem::take(&mut self.blind_calls);
        if records.is_empty() {
            return;
        }
        self.begin(None);
        let max_records = self.tracer.options.max_records;
        if let Some(open) = &mut self.open {
            records.chunks(BATCH).for_each(|block| open.dispatches(block, max_records));
            calls.chunks(BATCH).for_each(|block| open.calls(block, max_records));
        }
    }

    /// Throws away what was recorded blindly.
    pub(super) fn discard_blind(&mut self) {
        self.blind = Vec::new();
        self.blind_calls = Vec::new();
        self.blind_since = None;
        if let Some(open) = self.open.take_if(|open| open.is_blind()) {
            self.windows -= 1;
            if let Err(error) = open.discard() {
                self.remarks.push((OUTPUT_FAILED_CODE.to_owned(), error.to_string()));
            }
        }
    }

    pub(super) fn begin_to_close(&mut self, by: &'static str) {
        if self.open.is_some() && self.closing.is_none() {
            self.closing = Some(Closing { by, since: Instant::now(), steps_after: self.tracer.meter.steps_after() });
        }
    }

    /// Closes the window when its time has come.
    pub(super) fn watch_window(&mut self) {
        let Some(open) = &self.open else { return };
        let Some(closing) = &self.closing else {
            if let Some(by) = self.is_over() {
                self.tracer.stop_recording();
                self.begin_to_close(by);
            }
            return;
        };
        let meter = &self.tracer.meter;
        let gate = &self.tracer.gate;
        let all_came = gate.outstanding() == 0 && gate.outstanding_copies() == 0;
        let drained = all_came || closing.since.elapsed() >= DRAIN_AT_MOST;
        // Without steps, and on a disk that is full, there is nothing to compare.
        let goes_on = ![OUTPUT_FAILED, DETACHED].contains(&closing.by);
        let comparable = !open.is_blind() && goes_on && self.tracer.window.lock().progress().1 > 0;
        let compared = meter.steps_after() - closing.steps_after >= STEPS_AFTER;
        if drained && (!comparable || compared || closing.since.elapsed() >= STEPS_AFTER_AT_MOST) {
            let by = closing.by;
            self.tracer.stop();
            // Completions are counted after they were sent: once all are counted, one more look takes the last of them.
            while self.take() {}
            self.closing = None;
            self.close(by);
            if self.is_detached {
                self.tracer.set_settled();
            }
        }
    }

    /// What ends the open window, if anything does but its being full.
    fn is_over(&mut self) -> Option<&'static str> {
        let (open, options) = (self.open.as_ref()?, &self.tracer.options);
        let most = if open.is_blind() { options.max_records.min(BLIND_AT_MOST) } else { options.max_records };
        if options.timeout.is_some_and(|timeout| open.opened.elapsed() >= timeout) {
            return Some("timeout");
        }
        if open.records() >= most {
            return Some("record_bound");
        }
        if !self.tracer.window.lock().is_spent() {
            self.spent = None;
        } else if self.spent.get_or_insert_with(Instant::now).elapsed() >= TAIL_AT_MOST {
            return Some("window_full");
        }
        self.sees_enough().then_some("window_full")
    }

    /// Gives up a window for which no step comes. One that is awaited from the start has time until the server decodes.
    pub(super) fn watch_wait(&mut self) {
        let Some(timeout) = self.tracer.options.timeout.filter(|_| self.armed && self.open.is_none()) else { return };
        let (warmup_steps, _) = self.tracer.window.lock().progress();
        if self.awaited.is_none() && warmup_steps > 0 {
            self.awaited = Some(Instant::now());
        }
        if self.awaited.is_some_and(|since| since.elapsed() >= timeout) {
            self.tracer.stop();
            self.armed = false;
            let text = format!("no window was recorded within {} s: {}", timeout.as_secs(), self.why_not_open());
            self.say(&text);
        }
    }

    /// Why an awaited window has not opened yet.
    fn why_not_open(&self) -> String {
        let ((seen, _), warmup) = (self.tracer.window.lock().progress(), self.warmup);
        match seen {
            0 => "no decode step was seen (no marker that is known, no graph launch)".to_owned(),
            seen => format!("{seen} decode steps were seen, the first {warmup} are warm-up"),
        }
    }

    /// Whether there are as many decode steps as wanted among what was recorded blindly. Looking takes time in which the
    /// channel would overflow, so a thread of its own looks.
    fn sees_enough(&mut self) -> bool {
        let Some(open) = self.open.as_ref().filter(|open| open.is_blind()) else { return false };
        if self.look.is_none() && open.records() >= self.look_at {
            let path = open.path.clone();
            self.look_at *= 2;
            self.flush();
            let options = &self.tracer.options;
            let look = move || fence::guard("the search for steps", 0, || report::decode_steps(&path, options));
            self.look = std::thread::Builder::new().name("profile-decode".into()).spawn(look).ok();
        }
        let seen = self.look.take_if(|look| look.is_finished()).and_then(|look| look.join().ok());
        seen.is_some_and(|seen| seen >= u64::from(self.warmup) + u64::from(self.steps))
    }

    /// The file of the next window, in the directory of this run.
    fn begin_recording(&mut self, identity: &Identity, opened_ns: Option<u64>) -> io::Result<Recording> {
        let directory = match self.directory.take().filter(RunDirectory::is_there) {
            Some(directory) => directory,
            None => rundir::open(&self.tracer.options, identity)?,
        };
        self.control.watch(&directory.path);
        let window = self.windows + 1;
        let recording = Recording::begin(&directory.path, identity.pid, window, opened_ns, self.tracer.sees_ends);
        self.directory = Some(directory);
        recording
    }

    /// Begins the file of a window that opened then, or of what is recorded blindly.
    pub(super) fn begin(&mut self, opened_ns: Option<u64>) {
        let tracer = self.tracer;
        let identity = process::identity(tracer.rank.number);
        let mut recording = match self.begin_recording(&identity, opened_ns) {
            Ok(recording) => recording,
            Err(error) => {
                self.insist(&format!("nothing is recorded: {}: {error}", tracer.options.output));
                tracer.stop();
                self.armed = false;
                return;
            }
        };
        self.windows += 1;
        let command = process::command();
        let boottime_ns = host::boottime_ns();
        let encoder = &mut recording.encoder;
        encoder.begin(&Meta {
            version: VERSION,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            pid: identity.pid,
            host: Some(identity.host),
            framework: framework::of_process(&command),
            command,
            sdk_version: Some(tracer.sdk.version().to_string()),
            armed_by: self.armed_by.to_owned(),
            rank: tracer.rank.number,
            world_size: tracer.rank.world_size,
            window: self.windows,
            blind: opened_ns.is_none(),
            steps: self.steps,
            warmup: self.warmup,
            marker: tracer.options.marker.clone(),
            context: Some(tracer.gate.manner().name().to_owned()),
            realtime_offset_ns: host::clock_ns(libc::CLOCK_REALTIME) as i64 - boottime_ns as i64,
        });
        for agent in &tracer.agents {
            encoder.agent(agent);
        }
        for (id, uri) in &self.code_objects {
            encoder.code_object(*id, uri);
        }
        for (kernel_id, code_object_id, name) in &self.symbols {
            encoder.symbol(*kernel_id, *code_object_id, name);
        }
        for mark in &self.marks {
            mark.write(encoder);
        }
        self.objects.begin();
        self.graphs.write(encoder);
        self.channel_full_before = tracer.meter.channel_full.get();
        self.calls_full_before = tracer.meter.calls_full.get();
        self.look_at = BLIND_LOOK_AFTER;
        self.look = None;
        self.closing = None;
        self.open = Some(recording);
        self.watch = tracer.options.surroundings.then(|| self.known()).and_then(Watch::begin);
        // Whose capture it is goes to disk at once.
        self.flush();
    }

    /// What is known of the process before anybody looks around.
    fn known(&self) -> Known {
        let (root, agents) = (self.tracer.options.root.clone(), self.tracer.agents.clone());
        Known { root, variables: self.variables.clone(), agents }
    }

    /// Puts everything on disk.
    pub(super) fn flush(&mut self) {
        self.update_status();
        let flushed = self.open.as_mut().map_or(Ok(()), Recording::flush);
        self.told_of(flushed);
    }

    /// Brings the open window's status up to date.
    fn update_status(&mut self) {
        let Some(open) = &mut self.open else { return };
        let tracer = self.tracer;
        let status = &mut open.status;
        (status.warmup_steps, status.steps) = tracer.window.lock().progress();
        status.overhead = tracer.meter.overhead();
        status.overhead.aggregator_cpu_ns = Some(host::thread_cpu_ns());
        status.remarks.clone_from(&self.remarks);
        let dropped = tracer.meter.calls_full.get() - self.calls_full_before + open.calls_lost;
        if dropped > 0 {
            let text =
                format!("{dropped} launch calls and copies were not recorded: some idle time has no known cause");
            status.remarks.push(("calls-missing".to_owned(), text));
        }
        let refused = marks::refused();
        if refused > 0 {
            let text = format!(
                "{refused} modules and operators were entered during captures of graphs that were too many, too deep or too \
                 long to keep: what they launched belongs to what was around them"
            );
            status.remarks.push(("modules-missing".to_owned(), text));
        }
        status.remarks.extend(graphs_missing(tracer.captures.missed()));
        open.set_loss(LossCause::ChannelFull, tracer.meter.channel_full.get() - self.channel_full_before);
        open.set_loss(LossCause::Late, self.late + tracer.gate.stale());
    }

    /// Ends the recording if the file could not be written.
    fn told_of(&mut self, written: io::Result<()>) {
        let (Err(error), Some(open)) = (written, &self.open) else { return };
        let text = format!("{}: {error}; recording stops here", open.path.display());
        self.insist(&text);
        self.remarks.push((OUTPUT_FAILED_CODE.to_owned(), text));
        self.tracer.stop();
        self.begin_to_close(OUTPUT_FAILED);
    }

    /// Writes what code objects tell that is not in the window's file yet, as far as there is time for it.
    fn finish_objects(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < OBJECTS_AT_MOST && self.look_into_objects() {}
        let evidence = &self.tracer.evidence;
        let counts = [
            (self.objects.left() as u64, "were not looked into in time"),
            (evidence.refused.get(), "were more than PROFILE_DECODE_CODE_OBJECTS allows to copy"),
            (evidence.unreadable.get(), "could not be read"),
        ];
        let told = counts.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}"));
        let told: Vec<String> = told.collect();
        if let (false, Some(open)) = (told.is_empty(), &mut self.open) {
            let text = format!("code objects tell less of their kernels than they could: {}", told.join(", "));
            open.status.remarks.push(("code-objects-unread".to_owned(), text));
        }
    }

    /// Ends the window's file and makes the report over all captures of the run.
    pub(super) fn close(&mut self, closed_by: &str) {
        self.update_status();
        self.finish_objects();
        let (missing, copies) = (self.tracer.gate.outstanding(), self.tracer.gate.outstanding_copies());
        let Some(mut open) = self.open.take() else { return };
        if copies > 0 {
            let text = format!("{copies} copies did not end while the window was being closed");
            open.status.remarks.push(("completions-missing".to_owned(), text));
        }
        for part in self.watch.take().map_or_else(Vec::new, Watch::end) {
            open.encoder.environment(&part);
        }
        self.armed = false;
        self.awaited = None;
        closed_by.clone_into(&mut open.status.closed_by);
        open.set_loss(LossCause::NoCompletion, missing);
        let ended = open.end();
        let (records, mut steps) = (open.records(), open.status.steps);
        if let Err(error) = &ended {
            let lost = match open.lost(LossCause::Unwritten) {
                0 => String::new(),
                lost => format!("; {lost} dispatches could not be written"),
            };
            self.insist(&format!("{}: {error}{lost}", open.path.display()));
        }
        if open.is_blind() {
            steps = report::decode_steps(&open.path, &self.tracer.options);
            // Whoever names the steps may have misspelt them, and can make the report anew.
            if steps == 0 && self.tracer.options.marker.is_none() {
                let _ = open.discard();
                self.say(&format!("nothing is kept of {records} dispatches: {}", why_no_steps()));
                return;
            }
        }
        let Some(directory) = self.directory.as_ref().map(|directory| directory.path.clone()) else { return };
        let own = open.path.clone();
        drop(open);
        let (tracer, window) = (self.tracer, self.windows);
        match reporter::publish(&directory, window, &own, &tracer.options, tracer.finishing()) {
            Ok(Outcome::Made(made)) => self.tell_of_report(Ok(made)),
            Err(error) => self.tell_of_report(Err(error)),
            Ok(Outcome::Started(reporter)) => self.reporters.push(reporter),
            Ok(Outcome::Left(why)) => {
                self.say(&format!("{steps} decode steps recorded, in {}: {why}", directory.display()));
            }
        }
    }

    fn tell_of_report(&mut self, made: io::Result<Made>) {
        match made {
            Ok(made) => self.say(&format!("{} recorded, see {}", made.steps, made.path.display())),
            Err(error) => {
                let directory = self.directory.as_ref().map_or_else(String::new, |of| of.path.display().to_string());
                self.insist(&format!("{directory}: no report: {error}"));
            }
        }
    }

    /// Tells of reports that others have made, waiting for each at most as long as `bound`.
    pub(super) fn watch_reports(&mut self, bound: Duration) {
        for mut reporter in std::mem::take(&mut self.reporters) {
            match reporter.wait(bound) {
                Some(made) => self.tell_of_report(made),
                None => self.reporters.push(reporter),
            }
        }
    }

    pub(super) fn tell_why_nothing_was_recorded(&mut self, disarmed: Option<&str>) {
        match disarmed {
            Some(why) => self.insist(&format!("nothing was recorded: the tracer disarmed itself: {why}")),
            None if self.armed && !self.symbols.is_empty() => {
                let what = if self.windows == 0 { "nothing" } else { "nothing of the window ordered last" };
                self.say(&format!("{what} was recorded: {}", self.why_not_open()));
            }
            None => {}
        }
        for (_, text) in std::mem::take(&mut self.remarks) {
            self.say(&text);
        }
    }
}

/// What could not be kept or named of captured graphs, for the report.
fn graphs_missing(missed: Missed) -> Option<(String, String)> {
    let Missed { graphs, nodes, unnamed } = missed;
    let mut parts = Vec::new();
    if graphs > 0 {
        let text = format!("{graphs} captured graphs with {nodes} nodes were not kept for want of room");
        parts.push(format!("{text}: what their replays did is not known"));
    }
    if unnamed > 0 {
        parts.push(format!("{unnamed} launches were captured whose kernels have no known name"));
    }
    (!parts.is_empty()).then(|| ("graphs-missing".to_owned(), parts.join("; ")))
}

fn why_no_steps() -> String {
    match fence::why_disarmed() {
        Some(why) => format!("the tracer disarmed itself: {why}"),
        None => "there is no step to be seen in them, neither by markers (see PROFILE_DECODE_MARKER), nor by graph \
                 launches, nor by a pattern of kernels"
            .to_owned(),
    }
}
