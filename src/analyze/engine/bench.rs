//! Results of benchmarks: time between tokens as clients saw it.
//!
//! | tool | its file | looked up in |
//! |---|---|---|
//! | `vllm bench serve --save-result` | an object with `median_itl_ms`, `itls` (with `--save-detailed`), `max_concurrency`, `date` | vLLM 0.33.0: benchmarks/serve.py |
//! | `sglang.bench_serving --output-file` | a line an object, with `median_itl_ms`, `max_concurrency`, `concurrency` | SGLang 0.5.23: benchmark/serving.py |
//! | GenAI-Perf | an object with `inter_token_latency`: `unit`, `avg`, `p50`, `p99`; `input_config` | genai-perf 0.0.16: export_data/json_exporter.py |

use serde_json::Value;
use thiserror::Error;

use super::clock::Stamp;
use crate::output::engine::Latency;

/// Why a file is no result of a benchmark.
#[derive(Debug, Error)]
#[error("it has none of the times between tokens that `vllm bench serve`, `sglang.bench_serving` and GenAI-Perf write")]
pub struct NoBench;

/// What a benchmark measured.
#[derive(Clone, PartialEq, Debug)]
pub struct Bench {
    pub(super) tool: &'static str,
    pub(super) concurrency: Option<f64>,
    pub(super) completed: Option<u64>,
    pub(super) itl: Option<Latency>,
    pub(super) tpot: Option<Latency>,
    /// When it ended, in local time, and how many seconds it took.
    pub(super) ended: Option<(Stamp, f64)>,
}

/// Reads a result; of several in one file the last.
///
/// # Errors
/// If it is none that is known.
pub fn parse(text: &str) -> Result<Bench, NoBench> {
    let whole = serde_json::from_str::<Value>(text).ok();
    let last = || text.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok());
    let value = whole.or_else(last).ok_or(NoBench)?;
    let bench = if value["inter_token_latency"].is_object() { genai(&value) } else { serving(&value) };
    bench.itl.or(bench.tpot).map(|_| ()).ok_or(NoBench)?;
    Ok(bench)
}

fn ms(value: &Value) -> Option<u64> {
    let ms = value.as_f64().filter(|ms| ms.is_finite() && (0.0..1e9).contains(ms))?;
    Some((ms * 1e6).round() as u64)
}

/// vLLM's and SGLang's, which stem from one script.
fn serving(value: &Value) -> Bench {
    let of = |name: &str| {
        let figure = |part: &str| ms(&value[format!("{part}_{name}_ms")]);
        let latency = Latency { mean_ns: figure("mean"), p50_ns: figure("median"), p99_ns: figure("p99") };
        (latency != Latency { mean_ns: None, p50_ns: None, p99_ns: None }).then_some(latency)
    };
    // vLLM's result says who was asked under `endpoint_type`, SGLang's which one measured `concurrency`.
    let is_sglang = value["concurrency"].is_number() || value["server_info"].is_object();
    let numbers = ["max_concurrency", "concurrency", "max_concurrent_requests"];
    let date = value["date"].as_str().and_then(date);
    Bench {
        tool: if is_sglang { "sglang" } else { "vllm" },
        concurrency: numbers.iter().find_map(|name| value[*name].as_f64().filter(|number| *number > 0.0)),
        completed: value["completed"].as_u64(),
        itl: listed(&value["itls"]).or_else(|| of("itl")),
        tpot: of("tpot"),
        ended: date.map(|ended| (ended, value["duration"].as_f64().unwrap_or(0.0))),
    }
}

/// The times themselves, in seconds, a list a request.
fn listed(itls: &Value) -> Option<Latency> {
    let lists = itls.as_array()?.iter().filter_map(Value::as_array);
    let seconds = lists.flatten().filter_map(Value::as_f64).filter(|seconds| (0.0..1e6).contains(seconds));
    let mut all: Vec<u64> = seconds.map(|seconds| (seconds * 1e9).round() as u64).collect();
    all.sort_unstable();
    let last = all.len().checked_sub(1)?;
    let mean = all.iter().map(|ns| u128::from(*ns)).sum::<u128>() / all.len() as u128;
    let at = |percent: usize| all.get((all.len() * percent).div_ceil(100).clamp(1, last + 1) - 1).copied();
    Some(Latency { mean_ns: u64::try_from(mean).ok(), p50_ns: at(50), p99_ns: at(99) })
}

fn genai(value: &Value) -> Bench {
    let latency = &value["inter_token_latency"];
    let scale = match latency["unit"].as_str() {
        Some("ns") => 1e-6,
        Some("us") => 1e-3,
        Some("sec" | "s") => 1e3,
        _ => 1.0,
    };
    let figure = |name: &str| latency[name].as_f64().and_then(|number| ms(&Value::from(number * scale)));
    let config = &value["input_config"];
    let stimulus = &config["perf_analyzer"]["stimulus"]["concurrency"];
    Bench {
        tool: "genai-perf",
        concurrency: config["concurrency"].as_f64().or(stimulus.as_f64()),
        completed: value["request_count"]["avg"].as_f64().map(|count| count as u64),
        itl: Some(Latency { mean_ns: figure("avg"), p50_ns: figure("p50"), p99_ns: figure("p99") }),
        tpot: None,
        ended: None,
    }
}

/// `20261130-200102`, in local time.
fn date(text: &str) -> Option<Stamp> {
    let (day, time) = text.split_once('-')?;
    let number = |text: &str, at: usize| text.get(at..at + 2)?.parse().ok();
    Stamp::new(Some((number(day, 4)?, number(day, 6)?)), number(time, 0)?, number(time, 2)?, number(time, 4)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_each_tool_are_read() {
        let vllm = parse(r#"{"date":"20261130-200102","endpoint_type":"vllm","duration":60.5,"completed":100,"max_concurrency":32,
            "mean_itl_ms":24.0,"median_itl_ms":23.4,"p99_itl_ms":31.0,"mean_tpot_ms":24.1,"median_tpot_ms":24.0,"p99_tpot_ms":27.0}"#).unwrap();
        assert_eq!((vllm.tool, vllm.concurrency, vllm.itl.unwrap().p50_ns), ("vllm", Some(32.0), Some(23_400_000)));
        assert_eq!(vllm.ended.unwrap().0, Stamp::new(Some((11, 30)), 20, 1, 2).unwrap());
        let listed = parse(r#"{"max_concurrency":2,"median_itl_ms":1,"itls":[[0.02,0.021],[],[0.03]]}"#).unwrap();
        assert_eq!(listed.itl.map(|itl| (itl.p50_ns, itl.p99_ns)), Some((Some(21_000_000), Some(30_000_000))));
        let sglang =
            parse("{\"median_itl_ms\": 9}\n{\"concurrency\":31.5,\"median_itl_ms\":8.0,\"completed\":5}\n").unwrap();
        assert_eq!((sglang.tool, sglang.concurrency, sglang.completed), ("sglang", Some(31.5), Some(5)));
        let genai = parse(r#"{"inter_token_latency":{"unit":"ms","avg":11.2,"p50":11.3,"p99":12.5},"input_config":{"concurrency":8}}"#).unwrap();
        assert_eq!(
            (genai.tool, genai.itl.unwrap().p99_ns, genai.concurrency),
            ("genai-perf", Some(12_500_000), Some(8.0))
        );
    }

    #[test]
    fn what_is_no_result_is_refused() {
        for text in
            ["", "[]", "{}", "{\"itls\": 7}", "null", "{\"median_itl_ms\":\"x\"}", "{\"inter_token_latency\":[]}"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
