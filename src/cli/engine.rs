//! Reading the engine's log and a benchmark's result.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use crate::analyze::engine::bench::{self, Bench};
use crate::analyze::engine::log::{LINE, Log};
use crate::door;

use super::failure::{Failure, Kind};
use super::files;

/// The most of a log that is read: bytes and lines.
const BYTES: u64 = 1 << 30;
const LINES: u64 = 8_000_000;

/// The engine's log in `path`, as much of it as is read of one.
pub(super) fn log(path: &Path) -> Result<Log, Failure> {
    let failed = |error: std::io::Error| {
        let kind = if error.kind() == std::io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Io };
        Failure::new(kind, format!("the log cannot be read: {error}")).at(path)
    };
    let mut input = BufReader::with_capacity(1 << 20, door::open_stream(path).map_err(failed)?.take(BYTES));
    let mut log = Log::default();
    let mut line = Vec::new();
    for _ in 0..LINES {
        line.clear();
        // A line may be as long as the file: what is beyond a bound is passed over.
        let bound = (LINE * 4) as u64;
        if input.by_ref().take(bound).read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(log);
        }
        if line.last() != Some(&b'\n') && line.len() as u64 == bound {
            input.skip_until(b'\n').map_err(failed)?;
        }
        log.line(String::from_utf8_lossy(&line).trim_end());
    }
    log.is_cut();
    Ok(log)
}

/// The benchmark's result in `path`.
pub(super) fn bench(path: &Path) -> Result<Bench, Failure> {
    bench::parse(&files::text(path)?).map_err(|error| {
        let hint = "`vllm bench serve --save-result`, `sglang.bench_serving --output-file` and GenAI-Perf write one";
        Failure::new(Kind::Malformed, error.to_string()).at(path).hint(hint)
    })
}
