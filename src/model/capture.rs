//! How our own tracer fared: what it was asked for, what it did, what it cost.

use serde::{Deserialize, Serialize};

/// How our own tracer fared.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct CaptureInfo {
    /// Version of the rocprofiler-sdk in the traced process, e.g. `1.0.0`.
    pub sdk_version: Option<String>,
    /// Whether the SDK's context for dispatches was `switched` for the window, or `kept` on all the time.
    pub dispatch_context: Option<String>,
    /// What armed the window: `start` or `trigger`.
    pub armed_by: String,
    /// Records that reached the aggregator.
    pub records: u64,
    /// Decode steps recorded before the window closed.
    pub steps_before_stop: u64,
    /// Decode steps let pass before recording.
    pub warmup_steps: u64,
    /// Whether everything was recorded for want of markers and graph launches, so that the warm-up is in the capture and
    /// more than was asked for may be.
    pub blind: bool,
    /// Decode steps asked for.
    pub steps_wanted: u32,
    /// Decode steps of warm-up asked for.
    pub warmup_wanted: u32,
    /// The marker pattern that it was made with, if not the known labels.
    pub marker: Option<String>,
    /// Why the window closed: `window_full`, `exit`, `timeout`, `disarmed`, or `unfinished` when the file just ends.
    pub closed_by: String,
    /// What the tracer measured of its own cost.
    pub overhead: Overhead,
}

impl CaptureInfo {
    /// The capture of a run of several processes: counts add up, costs are those of the worst, the fewest steps count.
    pub(super) fn join(self, other: CaptureInfo) -> CaptureInfo {
        let list = |mut a: String, b: String| {
            if !b.is_empty() && !a.split(", ").any(|known| known == b) {
                a = if a.is_empty() { b } else { format!("{a}, {b}") };
            }
            a
        };
        CaptureInfo {
            sdk_version: self.sdk_version.or(other.sdk_version),
            dispatch_context: self.dispatch_context.or(other.dispatch_context),
            armed_by: list(self.armed_by, other.armed_by),
            records: self.records + other.records,
            steps_before_stop: self.steps_before_stop.min(other.steps_before_stop),
            warmup_steps: self.warmup_steps.min(other.warmup_steps),
            blind: self.blind || other.blind,
            steps_wanted: self.steps_wanted.max(other.steps_wanted),
            warmup_wanted: self.warmup_wanted.max(other.warmup_wanted),
            marker: self.marker.or(other.marker),
            closed_by: list(self.closed_by, other.closed_by),
            overhead: self.overhead.worse(other.overhead),
        }
    }
}

impl Overhead {
    /// The larger of each.
    fn worse(self, other: Overhead) -> Overhead {
        Overhead {
            callback_p50_ns: self.callback_p50_ns.max(other.callback_p50_ns),
            callback_p99_ns: self.callback_p99_ns.max(other.callback_p99_ns),
            aggregator_cpu_ns: self.aggregator_cpu_ns.max(other.aggregator_cpu_ns),
            graph_launch_outside_p50_ns: self.graph_launch_outside_p50_ns.max(other.graph_launch_outside_p50_ns),
            graph_launch_inside_p50_ns: self.graph_launch_inside_p50_ns.max(other.graph_launch_inside_p50_ns),
            step_outside_p50_ns: self.step_outside_p50_ns.max(other.step_outside_p50_ns),
            step_inside_p50_ns: self.step_inside_p50_ns.max(other.step_inside_p50_ns),
        }
    }
}

/// What the tracer measured of its own cost. `None`: not measured in this run.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Overhead {
    /// Median time inside the dispatch-completion callback, sampled.
    pub callback_p50_ns: Option<u64>,
    /// 99th percentile of the same.
    pub callback_p99_ns: Option<u64>,
    /// CPU time of the aggregator thread.
    pub aggregator_cpu_ns: Option<u64>,
    /// Median time inside a graph launch call while no dispatch was recorded.
    pub graph_launch_outside_p50_ns: Option<u64>,
    /// The same while dispatches were recorded.
    pub graph_launch_inside_p50_ns: Option<u64>,
    /// Median time from one decode step's begin on the CPU to the next, before the window.
    pub step_outside_p50_ns: Option<u64>,
    /// The same in the window.
    pub step_inside_p50_ns: Option<u64>,
}
