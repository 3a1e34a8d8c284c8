//! What the engine's log and its users' benchmark tell.

use crate::output::Report;
use crate::output::engine::{LogBuild, LogText};
use crate::render::document::{Align, Cell, Document, Table, Text};
use crate::render::text::{duration, integer, percent, several, shorten};

use super::kernel;

/// Rows, builds and texts that are shown.
const SHOWN: usize = 8;
/// Characters of a text.
const WIDTH: usize = 120;

/// The clients' time between tokens, and where it goes.
pub(super) fn request(report: &Report, document: &mut Document) {
    let Some(view) = &report.request else { return };
    document.heading("As clients saw it");
    if let Some(why) = &view.not_joined {
        document.paragraph(Text::plain(format!("The benchmark is not held against the steps: {why}.")));
    }
    if let Some(parts) = &view.parts {
        let outside = if parts.outside_ns < 0 { "−" } else { "" };
        let mut text = Text::default().and_strong(format!("ITL {}", duration(parts.itl_ns))).and(format!(
            " = {} GPU step + {} between steps + {outside}{} outside of them (scheduling, detokenization, network).",
            duration(parts.gpu_step_ns),
            duration(parts.between_steps_ns),
            duration(parts.outside_ns.unsigned_abs()),
        ));
        if let Some(share) = parts.p99_gpu_share {
            text =
                text.and(format!(" The GPU's slowest steps are {} of the clients' 99th percentile.", percent(share)));
        }
        document.paragraph(text);
    }
    let mut table =
        Table::new([("", Align::Left), ("Mean", Align::Right), ("Median", Align::Right), ("p99", Align::Right)]);
    for (name, latency) in [("ITL", view.itl), ("TPOT", view.tpot)] {
        let Some(latency) = latency else { continue };
        let figure = |ns: Option<u64>| Cell::from(ns.map_or_else(|| "–".to_owned(), duration));
        table.row([name.into(), figure(latency.mean_ns), figure(latency.p50_ns), figure(latency.p99_ns)]);
    }
    document.table(table);
}

/// What the log tells.
pub(super) fn log(report: &Report, document: &mut Document) {
    let Some(log) = &report.engine_log else { return };
    document.heading("The engine's log");
    let mut items = Vec::new();
    let mut item = |text: String| items.push(Text::plain(text));
    match log.builds_in_window {
        Some(0) => item("No kernel was built in the window.".to_owned()),
        Some(count) => item(format!("Built in the window: {}.", named(&log.builds, count))),
        None if !log.builds.is_empty() => {
            item(format!("{} built; whether in the window is not known.", several(log.builds.len() as u64, "kernel")));
        }
        None => {}
    }
    if !log.attention_backends.is_empty() {
        item(format!("Attention backend: {}.", log.attention_backends.join(", ")));
    }
    if let Some(most) = log.captured_sizes.last() {
        item(format!("Graphs captured for {}, up to {most}.", several(log.captured_sizes.len() as u64, "size")));
    }
    if let Some(acceptance) = &log.acceptance {
        let (rate, tokens) = (percent(acceptance.rate), acceptance.tokens_a_step);
        item(format!("Drafted tokens accepted: {rate}; {tokens:.2} tokens a step for a request."));
    }
    if let Some(tokens) = log.kv_cache_tokens {
        item(format!("The KV cache holds {} tokens.", integer(tokens)));
    }
    texts("Fallback", &log.fallbacks, &mut items);
    texts("Warning", &log.warnings, &mut items);
    let cut = if log.cut { "; the log goes on" } else { "" };
    let (lines, unknown) = (several(log.lines, "line"), integer(log.unknown));
    items.push(Text::plain(format!("{lines} read, {unknown} of them tell nothing that is known here{cut}.")));
    document.list(items);
    if log.untuned.is_empty() {
        return;
    }
    document.subheading("Shapes in no tuned table");
    let mut table = Table::new([
        ("Shape", Align::Left),
        ("Table", Align::Left),
        ("Role", Align::Left),
        ("Kernel", Align::Left),
        ("Of the wall time", Align::Right),
    ]);
    for row in log.untuned.iter().take(SHOWN) {
        let [m, n, k] = row.shape;
        table.row([
            Cell::from(format!("M={m} N={n} K={k}")),
            row.table.clone().unwrap_or_else(|| "–".to_owned()).into(),
            row.role.clone().unwrap_or_else(|| "–".to_owned()).into(),
            row.kernels.first().map_or_else(|| Text::plain("–"), |name| kernel(report, name)).into(),
            row.critical_share.map_or_else(|| "–".to_owned(), percent).into(),
        ]);
    }
    document.table(table);
    if let more @ 1.. = log.untuned.len().saturating_sub(SHOWN) {
        document.paragraph(Text::plain(format!("And {more} more; the JSON report lists all.")));
    }
}

fn named(builds: &[LogBuild], count: u64) -> String {
    let within: Vec<String> = builds
        .iter()
        .filter(|build| build.in_window == Some(true))
        .take(SHOWN)
        .map(|build| {
            build.seconds.map_or_else(|| build.name.clone(), |seconds| format!("{} ({seconds:.1} s)", build.name))
        })
        .collect();
    let more = match count.saturating_sub(within.len() as u64) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", within.join(", "))
}

fn texts(what: &str, rows: &[LogText], items: &mut Vec<Text>) {
    for row in rows.iter().take(SHOWN) {
        let times = if row.count == 1 { String::new() } else { format!(" ({} times)", row.count) };
        items.push(Text::plain(format!("{what}: ")).and_code(shorten(&row.text, WIDTH)).and(format!("{times}.")));
    }
}
