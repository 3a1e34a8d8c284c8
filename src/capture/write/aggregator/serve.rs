//! The aggregator's answers to whoever asks or orders, and what it says of its own accord.

use std::time::Instant;

use super::Aggregator;
use super::lifetime::DETACHED;
use crate::capture::write::control::{self, Control, Order, Refused, Reply, Request};
use crate::capture::write::recording::Recording;
use crate::capture::{fence, host};

impl Aggregator {
    /// Answers and obeys whoever asked since the last time.
    pub(super) fn serve(&mut self) {
        self.served = Instant::now();
        // A capture has ended, and no other has begun at once.
        self.tracer.listen_to_captures();
        if self.tracer.take_order() {
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

    fn say_outcome(&mut self, who: &str, outcome: Result<Reply, Refused>) {
        match outcome {
            Ok(Reply { error: None, .. }) => self.say(&format!("a window was ordered by {who}")),
            Ok(Reply { error: Some(why), .. }) => self.say(&format!("no window was ordered by {who}: {why}")),
            Err(why) => self.say(&format!("no window was ordered by {who}: {why}")),
        }
    }

    fn handle(&mut self, request: Request) -> Reply {
        let error = match request {
            Request::Status => None,
            Request::Trigger(order) => self.order(order).err().map(|why| why.to_string()),
        };
        Reply { error, status: self.where_it_stands() }
    }

    /// The process is attached to. What the first time takes, `initialize` has done.
    pub(super) fn attach(&mut self) {
        if !std::mem::take(&mut self.is_detached) {
            self.tracer.set_settled();
            return;
        }
        let mut begun = self.tracer.start().map_err(Refused::from);
        if self.tracer.options.armed {
            begun = begun.and_then(|()| self.order(Order::default()));
        }
        if let Err(why) = begun {
            self.say(&format!("no window is awaited: {why}"));
        }
        self.tracer.set_settled();
    }

    /// The process is to be left alone: what was recorded is written.
    pub(super) fn detach(&mut self) {
        self.is_detached = true;
        self.armed = false;
        self.tracer.stop_all();
        match self.open {
            Some(_) => self.begin_to_close(DETACHED),
            None => self.tracer.set_settled(),
        }
    }

    /// Awaits another window.
    fn order(&mut self, order: Order) -> Result<(), Refused> {
        if self.is_detached {
            return Err(Refused::Detached);
        }
        if self.armed {
            return Err(Refused::Busy(self.where_it_stands().state));
        }
        let options = &self.tracer.options;
        self.warmup = order.warmup.unwrap_or(options.warmup);
        self.steps = order.steps.unwrap_or(options.steps).max(1);
        self.armed_by = "trigger";
        self.tracer.arm(self.warmup, self.steps)?;
        self.armed = true;
        self.awaited = Some(Instant::now());
        Ok(())
    }

    fn where_it_stands(&self) -> control::Status {
        let (warmup_steps, steps) = self.tracer.window.lock().progress();
        let state = match (&self.open, &self.closing) {
            _ if fence::why_disarmed().is_some() => "disarmed",
            (Some(_), Some(_)) => "draining",
            (Some(_), None) => "recording",
            (None, _) if self.armed => "waiting",
            (None, _) if !self.reporters.is_empty() => "reporting",
            (None, _) => "idle",
        };
        control::Status {
            pid: std::process::id(),
            state: state.to_owned(),
            window: self.windows,
            warmup_steps,
            steps,
            steps_wanted: self.steps,
            context: self.tracer.gate.manner().name().to_owned(),
            records: self.open.as_ref().map_or(0, Recording::records),
            dropped: self.tracer.meter.channel_full.get(),
            said: self.said.clone(),
            directory: self.directory.as_ref().map(|directory| directory.path.clone()),
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        if !self.tracer.options.quiet {
            host::say(text);
        }
        self.said = Some(text.to_owned());
    }

    /// Says what must be heard.
    pub(super) fn insist(&mut self, text: &str) {
        host::say(text);
        self.said = Some(text.to_owned());
    }
}
