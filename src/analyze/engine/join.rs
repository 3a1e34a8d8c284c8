//! The log and the benchmark beside the report: by shape, by time, by batch.

use std::cmp::Reverse;

use super::bench::Bench;
use super::clock::{Stamp, window};
use super::log::Log;
use crate::analyze::gemm::tuned::looked_up;
use crate::analyze::scope::Scope;
use crate::output::Report;
use crate::output::engine::{Acceptance, EngineLog, ItlParts, LogBuild, LogShape, LogText, RequestView};
use crate::output::gemm::ProductRow;

/// Texts and builds that are listed.
const LISTED: usize = 50;
/// Seconds by which a log's times may be off: they are whole seconds.
const GRACE: i64 = 2;
/// The same of a benchmark's begin, which does not tell what it did before.
const BENCH_GRACE: i64 = 60;
/// How far the batch of the steps may be off what a benchmark kept in flight.
const BATCHES_DIFFER: f64 = 0.3;

/// The time of the steps, or of the whole trace.
fn span(scope: &Scope<'_>) -> Option<(Stamp, Stamp)> {
    let dispatches = &scope.trace.dispatches;
    let begin = dispatches.first()?.span.start_ns;
    let end = dispatches.iter().map(|dispatch| dispatch.span.end_ns).max()?;
    window(&scope.trace.around, begin, end)
}

/// What the log tells of this run.
pub(crate) fn engine_log(report: &Report, scope: &Scope<'_>, log: &Log) -> EngineLog {
    let span = span(scope);
    let mut untuned: Vec<LogShape> = log
        .untuned
        .iter()
        .map(|((shape, table), count)| {
            let (row, role) = (product(report, *shape), role(report, *shape));
            LogShape {
                shape: *shape,
                table: table.clone(),
                count: *count,
                kernels: row
                    .map_or_else(Vec::new, |row| row.kernels.iter().map(|kernel| kernel.name.clone()).collect()),
                role,
                gpu_time_ns: row.map(|row| row.gpu_time_ns),
                critical_share: row.and_then(|row| row.critical_share),
            }
        })
        .collect();
    untuned.sort_by_key(|row| (Reverse(row.gpu_time_ns), row.shape));
    let build = |build: &super::log::Build| LogBuild {
        name: build.name.clone(),
        by: build.by.to_owned(),
        seconds: build.seconds,
        in_window: build.begun.zip(span).map(|(begun, span)| begun.is_in(span, GRACE)),
    };
    let mut builds: Vec<LogBuild> = log.builds.iter().map(build).collect();
    let known = builds.iter().any(|build| build.in_window.is_some()) || (span.is_some() && builds.is_empty());
    let in_window = builds.iter().filter(|build| build.in_window == Some(true)).count() as u64;
    builds.sort_by_key(|build| Reverse(build.in_window));
    builds.truncate(LISTED);
    let texts = |texts: &std::collections::BTreeMap<String, u64>| {
        let mut rows: Vec<LogText> =
            texts.iter().map(|(text, count)| LogText { text: text.clone(), count: *count }).collect();
        rows.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
        rows.truncate(LISTED);
        rows
    };
    let times = log.accepted.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| log.accepted.iter().map(of).sum::<f64>() / times;
    EngineLog {
        lines: log.lines,
        unknown: log.unknown,
        cut: log.cut,
        untuned,
        builds,
        builds_in_window: known.then_some(in_window),
        captured_sizes: log.captured.clone(),
        attention_backends: log.attention.clone(),
        fallbacks: texts(&log.fallbacks),
        warnings: texts(&log.warnings),
        acceptance: (times > 0.0).then(|| Acceptance { rate: mean(|row| row.0), tokens_a_step: mean(|row| row.1) }),
        kv_cache_tokens: log.kv_tokens,
    }
}

/// The product of the steps that was looked up as `shape`.
fn product(report: &Report, [m, n, k]: [u32; 3]) -> Option<&ProductRow> {
    let shapes = &report.products.as_ref()?.shapes;
    let is = |row: &&ProductRow| {
        row.shape.n == n && row.shape.k == k && (row.shape.m == m || looked_up(m).contains(&row.shape.m))
    };
    shapes.iter().filter(is).max_by_key(|row| (row.shape.m == m, row.gpu_time_ns))
}

fn role(report: &Report, [m, n, k]: [u32; 3]) -> Option<String> {
    let rows = &report.roofline.as_ref()?.rows;
    let is = |shape: crate::model::Product| shape.n == n && shape.k == k && shape.m == m;
    rows.iter().find(|row| row.product.is_some_and(is))?.role.clone()
}

/// What the benchmark saw, taken apart by the steps if they are of the same run.
pub(crate) fn request(report: &Report, scope: &Scope<'_>, bench: &Bench) -> RequestView {
    let parts = parts(report, scope, bench);
    RequestView {
        tool: bench.tool,
        concurrency: bench.concurrency,
        completed: bench.completed,
        itl: bench.itl,
        tpot: bench.tpot,
        parts: parts.as_ref().ok().copied(),
        not_joined: parts.err().map(|why| why.to_string()),
    }
}

/// The parts of the clients' time between tokens, or why there are none.
fn parts(report: &Report, scope: &Scope<'_>, bench: &Bench) -> Result<ItlParts, NotJoined> {
    let steps = &report.steps;
    let (Some(gpu), Some(_)) = (steps.gpu_span_ns, (steps.count > 0).then_some(())) else {
        return Err(NotJoined::NoSteps);
    };
    let itl_ns = bench.itl.and_then(|itl| itl.p50_ns).or(bench.tpot.and_then(|tpot| tpot.p50_ns));
    let Some(itl_ns) = itl_ns else { return Err(NotJoined::NoMedian) };
    if let (Some((ended, seconds)), Some((begin, _))) = (bench.ended, span(scope)) {
        let from = Stamp { second: ended.second, ..ended };
        if !begin.is_in((before(from, seconds), ended), BENCH_GRACE) {
            return Err(NotJoined::OtherTime);
        }
    }
    let sizes = steps.batch.iter().filter_map(|row| Some((f64::from(row.size?), row.steps)));
    let (sum, count) = sizes.fold((0.0, 0), |(sum, all), (size, count)| (sum + size * count as f64, all + count));
    if let (Some(concurrency), true) = (bench.concurrency, count > 0) {
        // Data-parallel replicas share what is in flight; steps are of one of them.
        let batch = sum / count as f64;
        if (batch - concurrency).abs() > BATCHES_DIFFER * concurrency.max(batch) {
            return Err(NotJoined::OtherBatch { concurrency, batch });
        }
    }
    let period = steps.itl_ns.map_or(gpu.p50, |itl| itl.p50);
    if gpu.p50 as f64 > 1.2 * itl_ns as f64 {
        return Err(NotJoined::LongerSteps);
    }
    let p99 = bench.itl.and_then(|itl| itl.p99_ns).filter(|ns| *ns > 0);
    Ok(ItlParts {
        itl_ns,
        gpu_step_ns: gpu.p50,
        between_steps_ns: period.saturating_sub(gpu.p50),
        outside_ns: itl_ns as i64 - gpu.p50.max(period) as i64,
        p99_gpu_share: p99.map(|ns| gpu.p99 as f64 / ns as f64),
    })
}

/// Why a benchmark and the steps are not joined.
#[derive(Debug, thiserror::Error)]
enum NotJoined {
    #[error("there are no decode steps to hold it against")]
    NoSteps,
    #[error("it tells no median")]
    NoMedian,
    #[error("it ran at another time than the window was recorded")]
    OtherTime,
    #[error("it kept {concurrency:.0} requests in flight, and the steps have {batch:.0}")]
    OtherBatch { concurrency: f64, batch: f64 },
    #[error(
        "a step takes longer on the GPU than the clients' time between tokens: another run, or several tokens a step"
    )]
    LongerSteps,
}

/// Some seconds earlier, within a day.
fn before(stamp: Stamp, seconds: f64) -> Stamp {
    let seconds = seconds.clamp(0.0, f64::from(stamp.second)) as u32;
    Stamp { second: stamp.second - seconds, ..stamp }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::engine::bench;
    use crate::analyze::testing::{Row, trace_with_steps};
    use crate::model::Product;
    use crate::steps::Batch;

    /// Ten steps for 30 requests, each 1 ms after the other: a product takes 600 µs, attention 200 µs.
    fn drawn() -> crate::analyze::testing::Drawn {
        let rows: Vec<Row> = (0..10_i64)
            .map(|step| {
                let at = step * 1_000_000;
                let mut row = Row::decode(&[("gemm", at, at + 600_000), ("attention", at + 600_000, at + 800_000)]);
                row.batch = Batch { size: Some(30), graph_size: Some(32), tokens: None };
                row.kernels[0].launched_ns = Some(at - 1_000);
                row.kernels[0].product = Some(Product { batch: 1, m: 32, n: 4096, k: 7168 });
                row
            })
            .collect();
        trace_with_steps(&rows)
    }

    #[test]
    fn a_shape_in_no_table_is_joined_to_the_kernels_that_have_it() {
        let drawn = drawn();
        let mut log = Log::default();
        log.line(
            "[aiter] shape is M:30, N:4096, K:7168, not found tuned config in /x/a_tuned.csv, will use default config!",
        );
        log.line(
            "[aiter] shape is M:30, N:1, K:7168, not found tuned config in /x/a_tuned.csv, will use default config!",
        );
        let told = engine_log(&drawn.report(), &drawn.scope(), &log);
        let rows: Vec<_> = told.untuned.iter().map(|row| (row.shape, row.kernels.len(), row.gpu_time_ns)).collect();
        assert_eq!(rows, [([30, 4096, 7168], 1, Some(6_000_000)), ([30, 1, 7168], 0, None)]);
        assert_eq!((told.builds_in_window, told.acceptance), (None, None));
    }

    #[test]
    fn a_time_between_tokens_is_taken_apart_and_one_of_another_batch_is_not() {
        let drawn = drawn();
        let view = |text: &str| request(&drawn.report(), &drawn.scope(), &bench::parse(text).unwrap());
        let parts = view(r#"{"median_itl_ms":1.3,"p99_itl_ms":1.6,"max_concurrency":32}"#).parts.unwrap();
        assert_eq!((parts.gpu_step_ns, parts.between_steps_ns, parts.outside_ns), (800_000, 200_000, 300_000));
        assert_eq!(parts.itl_ns as i64, (parts.gpu_step_ns + parts.between_steps_ns) as i64 + parts.outside_ns);
        assert_eq!(parts.p99_gpu_share, Some(0.5));
        let other = view(r#"{"median_itl_ms":1.3,"max_concurrency":128}"#);
        assert!(other.parts.is_none() && other.not_joined.unwrap().contains("128"));
        let faster = view(r#"{"median_itl_ms":0.3,"max_concurrency":32}"#);
        assert!(faster.parts.is_none() && faster.not_joined.unwrap().contains("longer"));
    }
}
