//! What the GPUs were doing, by rank and by step.

use crate::analyze::scope::Scope;
use crate::analyze::time::stats::share;
use crate::model::{GpuSample, RankIdx};
use crate::output::around::{GpuTelemetry, Reading, StepReading};
use crate::steps::Step;

/// How far from the middle of a step somebody may have looked.
const NEAR_NS: i64 = 150_000_000;
/// Steps that are listed.
const LISTED: usize = 2_000;
/// Steps below which slow ones are not told from others.
const FEWEST: usize = 20;

/// What each GPU was doing; none where nothing was read.
pub(super) fn telemetry(scope: &Scope<'_>) -> Vec<GpuTelemetry> {
    let trace = scope.trace;
    let of_rank = |(at, rank): (usize, &crate::model::Rank)| {
        let mut samples: Vec<&GpuSample> = trace.around.samples.iter().collect();
        samples.retain(|sample| sample.process == rank.process && Some(sample.device) == rank.device);
        samples.sort_by_key(|sample| sample.at_ns);
        let at = RankIdx::new(at);
        let steps = scope.steps().map(|(_, step)| step).filter(|step| step.rank == at).collect::<Vec<_>>();
        (!samples.is_empty()).then(|| of_gpu(scope.rank_number(at), &samples, &steps))
    };
    trace.ranks.iter().enumerate().filter_map(of_rank).collect()
}

fn of_gpu(rank: u32, samples: &[&GpuSample], steps: &[&Step]) -> GpuTelemetry {
    let reading = |of: fn(&GpuSample) -> Option<u32>| reading(samples.iter().filter_map(|sample| of(sample)).collect());
    let throttled: Vec<bool> = samples.iter().filter_map(|sample| sample.read.throttled).collect();
    let is_throttled = throttled.iter().filter(|throttled| **throttled).count() as u64;
    let near: Vec<(&Step, &GpuSample)> =
        steps.iter().filter_map(|step| Some((*step, nearest(samples, step)?))).collect();
    let (slow, other) = by_speed(&near);
    let row = |(step, sample): &(&Step, &GpuSample)| StepReading {
        step: step.number,
        clock_mhz: sample.read.clock_mhz,
        power_w: sample.read.power_w,
    };
    GpuTelemetry {
        rank,
        samples: samples.len() as u64,
        clock_mhz: reading(|sample| sample.read.clock_mhz),
        power_w: reading(|sample| sample.read.power_w),
        cap_w: reading(|sample| sample.read.cap_w),
        hotspot_c: reading(|sample| sample.read.hotspot_c),
        throttled_share: (!throttled.is_empty()).then(|| share(is_throttled, throttled.len() as u64)),
        steps: near.iter().take(LISTED).map(row).collect(),
        slow_steps_clock_mhz: slow,
        other_steps_clock_mhz: other,
    }
}

fn reading(values: Vec<u32>) -> Option<Reading> {
    let (&first, &last) = (values.first()?, values.last()?);
    let mut sorted = values;
    sorted.sort_unstable();
    let p50 = sorted[(sorted.len() - 1) / 2];
    Some(Reading { first, last, min: sorted[0], p50, max: sorted[sorted.len() - 1] })
}

/// The look that is nearest to the middle of a step, if it is near.
fn nearest<'a>(samples: &[&'a GpuSample], step: &Step) -> Option<&'a GpuSample> {
    let middle = step.gpu.start_ns + (step.gpu.end_ns - step.gpu.start_ns) / 2;
    let after = samples.partition_point(|sample| sample.at_ns < middle);
    let around = samples[after.saturating_sub(1)..].iter().take(2).copied();
    around.min_by_key(|sample| (sample.at_ns - middle).abs()).filter(|sample| (sample.at_ns - middle).abs() <= NEAR_NS)
}

/// Median clock at the slowest tenth of the steps, and at the others.
fn by_speed(near: &[(&Step, &GpuSample)]) -> (Option<u32>, Option<u32>) {
    if near.len() < FEWEST {
        return (None, None);
    }
    let mut sorted: Vec<(u64, Option<u32>)> =
        near.iter().map(|(step, sample)| (step.gpu.duration_ns(), sample.read.clock_mhz)).collect();
    sorted.sort_unstable();
    let (other, slow) = sorted.split_at(sorted.len() - sorted.len() / 10);
    let median =
        |part: &[(u64, Option<u32>)]| reading(part.iter().filter_map(|(_, clock)| *clock).collect()).map(|all| all.p50);
    (median(slow), median(other))
}

#[cfg(test)]
mod tests {
    use crate::analyze::testing::{Row, trace_with_steps};
    use crate::model::{GpuSample, GpuState, ProcessIdx};

    /// Thirty steps of 1 ms each 10 ms; the last three take three times as long, at half the clock.
    #[test]
    fn slow_steps_are_told_from_a_slow_clock() {
        let steps: Vec<Row> = (0..30_i64)
            .map(|step| {
                Row::decode(&[(
                    "gemm",
                    step * 10_000_000,
                    step * 10_000_000 + if step < 27 { 1 } else { 3 } * 1_000_000,
                )])
            })
            .collect();
        let mut drawn = trace_with_steps(&steps);
        let device = drawn.trace.ranks[0].device.unwrap_or(0);
        drawn.trace.ranks[0].device = Some(device);
        drawn.trace.around.samples = (0..30_i64)
            .map(|at| GpuSample {
                process: ProcessIdx::new(0),
                device,
                at_ns: at * 10_000_000,
                read: GpuState { clock_mhz: Some(if at < 27 { 2100 } else { 1050 }), ..GpuState::default() },
            })
            .collect();
        let scope = drawn.scope();
        let found = &super::telemetry(&scope)[0];
        assert_eq!((found.slow_steps_clock_mhz, found.other_steps_clock_mhz), (Some(1050), Some(2100)));
        assert_eq!((found.samples, found.steps.len(), found.power_w, found.throttled_share), (30, 30, None, None));
        assert_eq!(found.clock_mhz.map(|clock| (clock.first, clock.last, clock.p50)), Some((2100, 1050, 2100)));
    }
}
