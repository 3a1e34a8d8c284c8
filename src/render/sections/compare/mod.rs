//! What a comparison says, in which order: ten lines that answer it, then the tables behind them.

mod around;
mod changes;
mod choose;
mod kernels;
mod sides;
mod summary;
mod tail;
mod waterfall;
mod words;

use crate::output::Comparison;
use crate::output::comparison::{Measure, Verdict};
use crate::output::steps::Histogram;
use crate::render::chart::{Chart, Kind, Lengths};
use crate::render::document::{Document, Text};
use crate::render::text::several;

pub(in crate::render) use summary::summary;

/// Lays out `comparison`.
pub(in crate::render) fn document(comparison: &Comparison) -> Document {
    let verdict = match comparison.verdict {
        Verdict::Regressed => "regressed",
        Verdict::Improved => "improved",
        Verdict::Same => "no change",
        Verdict::NotComparable => "not comparable",
    };
    let mut document = Document { title: format!("Decode comparison: {verdict}"), blocks: Vec::new() };
    document.list(summary(comparison));
    lengths(comparison, &mut document);
    around::around(comparison, &mut document);
    changes::categories(comparison, &mut document);
    waterfall::waterfall(comparison, &mut document);
    tail::tail(comparison, &mut document);
    changes::batches(comparison, &mut document);
    changes::phases(comparison, &mut document);
    changes::ranks(comparison, &mut document);
    kernels::kernels(comparison, &mut document);
    changes::backends(comparison, &mut document);
    sides::sides(comparison, &mut document);
    how(comparison, &mut document);
    document
}

/// How often steps of each length occur on both sides.
fn lengths(comparison: &Comparison, document: &mut Document) {
    let step = &comparison.step;
    let [base, new] = &step.histograms[..] else { return };
    if step.measure == Measure::Trace {
        return;
    }
    let what = if step.measure == Measure::Itl { "from step to step" } else { "from first kernel to last" };
    let above = match base.above + new.above {
        0 => String::new(),
        above => format!(" ({} longer, not drawn)", several(above, "step")),
    };
    let side = |name: &str, p50_ns: u64, histogram: &Histogram| Lengths {
        name: name.to_owned(),
        p50_ns,
        histogram: histogram.clone(),
    };
    document.chart(Chart {
        title: "How long steps take".to_owned(),
        note: format!("Part of each side's steps by time {what}{above}"),
        kind: Kind::Histogram(vec![side("Base", step.base_p50_ns, base), side("New", step.new_p50_ns, new)]),
    });
}

fn how(comparison: &Comparison, document: &mut Document) {
    document.heading("How this was made");
    document.list(vec![
        Text::plain(format!("By {}.", comparison.made_by)),
        Text::plain(
            "Medians over decode steps; intervals from the order of the steps' times, wider by as much as neighbouring \
             steps resemble one another. Real is what exceeds the noise floor (99 % interval; halves of each side against each other; repeated runs where given) and what \
             chance does not explain among all rows of its table (Benjamini-Hochberg, 1 %).",
        ),
        Text::plain(
            "Kernels are matched by their place in the layer, then by name without tile sizes, architectures and build \
             suffixes, then by purpose.",
        ),
        Text::plain(
            "One run a side does not tell how much a run differs from the next: give several runs to have that counted \
             as noise.",
        ),
    ]);
}
