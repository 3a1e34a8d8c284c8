//! Which marker ranges a trace has.

use std::collections::{BTreeMap, BTreeSet};

use crate::analyze::time::stats::percentile;
use crate::model::{NameId, Trace};
use crate::output::markers::{MarkerRow, Markers, SCHEMA};
use crate::steps::labels::Labels;

/// What ranges of one row have together.
#[derive(Default)]
struct Alike {
    example: Option<NameId>,
    threads: BTreeSet<u64>,
    times: Vec<u64>,
}

/// The marker ranges of `trace`, and which of them are steps: by `pattern` if one is given (and is one), else by the known
/// labels.
#[must_use]
pub fn markers(trace: &Trace, pattern: Option<&str>) -> Markers {
    let labels = pattern.and_then(|pattern| Labels::custom(pattern).ok()).unwrap_or_default();
    let mut alike: BTreeMap<String, Alike> = BTreeMap::new();
    for range in &trace.ranges {
        let row = alike.entry(without_numbers(trace.names.get(range.name))).or_default();
        row.example.get_or_insert(range.name);
        row.threads.insert(range.thread);
        row.times.push(range.span.duration_ns());
    }
    let row = |(name, mut alike): (String, Alike)| {
        alike.times.sort_unstable();
        let example = alike.example.map_or("", |example| trace.names.get(example));
        let label = labels.parse(example);
        MarkerRow {
            name,
            example: example.to_owned(),
            count: alike.times.len() as u64,
            threads: alike.threads.into_iter().collect(),
            p50_ns: percentile(&alike.times, 50),
            label: label.map(|label| label.id),
            phase: label.map(|label| label.phase),
        }
    };
    let mut markers: Vec<MarkerRow> = alike.into_iter().map(row).collect();
    markers.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    Markers { schema: SCHEMA, ranges: trace.ranges.len() as u64, markers }
}

/// `text` with each number in it as a `#`.
fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_ascii_digit() {
            true if out.ends_with('#') => {}
            true => out.push('#'),
            false => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TraceBuilder;
    use crate::steps::Phase;

    #[test]
    fn ranges_that_differ_in_numbers_are_one_row_that_says_whether_it_is_a_step() {
        let mut draw = TraceBuilder::new().drawing();
        for step in 0..5_i64 {
            draw.range(&format!("step[DECODE bs={}]", step + 8), step * 100, step * 100 + 10 + step);
        }
        draw.range("sample", 50, 53).range("sample", 150, 157);
        let trace = draw.finish();
        let found = markers(&trace, None);
        let rows: Vec<_> = found.markers.iter().map(|row| (&*row.name, row.count, row.p50_ns, row.label)).collect();
        assert_eq!(rows, [("step[DECODE bs=#]", 5, 12, Some("sglang-decode")), ("sample", 2, 3, None)]);
        assert_eq!((found.ranges, &*found.markers[0].example), (7, "step[DECODE bs=8]"));
        let own = markers(&trace, Some("^sample"));
        assert_eq!((own.markers[0].label, own.markers[1].label), (None, Some("custom")));
        assert_eq!(own.markers[1].phase, Some(Phase::Decode));
    }
}
