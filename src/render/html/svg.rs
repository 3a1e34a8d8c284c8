//! Charts as SVG within the page. Colours are the page's, by class, so that they follow light and dark.

use maud::{Markup, html};

use crate::output::steps::Point;
use crate::render::chart::{Chart, Kind, Lengths, Part, Whole};
use crate::render::text::{duration, percent};
use crate::render::visible;

/// Width of a chart in its own units; the page scales it.
const WIDTH: f64 = 720.0;
/// Between a chart's rim and what is drawn.
const LEFT: f64 = 132.0;
const RIGHT: f64 = 96.0;
/// Height of a row of bars, and of the bar in it.
const ROW: f64 = 28.0;
const BAR: f64 = 18.0;
/// Height of a plot.
const PLOT: f64 = 130.0;
/// A point this many times as high as the middle of all is cut, so that the others are seen.
const CUT: u64 = 3;

/// A chart with what it says in words. `id` must be the chart's alone in the page.
pub(super) fn figure(chart: &Chart, id: &str) -> Markup {
    let (height, drawing) = match &chart.kind {
        Kind::Shares(wholes) => shares(wholes),
        Kind::Series(points) => series(points),
        Kind::Histogram(sides) => histogram(sides),
        Kind::Waterfall { base_ns, new_ns, changes } => waterfall(*base_ns, *new_ns, changes),
    };
    html! {
        figure {
            svg role="img" aria-labelledby=(id) viewBox=(format!("0 0 {WIDTH} {}", n(height))) {
                title id=(id) { (visible(&chart.title)) ". " (visible(&chart.note)) }
                (drawing)
            }
            figcaption {
                strong { (visible(&chart.title)) } ". " (visible(&chart.note))
                (legend(&chart.kind))
            }
        }
    }
}

/// The bar in a table that draws a share.
pub(super) fn bar(share: f64, label: &str) -> Markup {
    let width = n(100.0 * share.clamp(0.0, 1.0));
    html! {
        svg class="bar" role="img" aria-label=(label) viewBox="0 0 100 12" preserveAspectRatio="none" {
            rect width=(width) height="12" {}
        }
    }
}

/// Which colour is what, where position does not tell.
fn legend(kind: &Kind) -> Markup {
    let mut entries: Vec<(String, &str)> = Vec::new();
    match kind {
        Kind::Shares(wholes) => {
            for (part, share) in wholes.iter().flat_map(|whole| &whole.parts) {
                let entry = (format!("c-{}", part.name()), part.title());
                if *share > 0.0 && !entries.contains(&entry) {
                    entries.push(entry);
                }
            }
        }
        Kind::Histogram(sides) if sides.len() > 1 => {
            entries.extend(sides.iter().enumerate().map(|(at, side)| (side_class(at).to_owned(), side.name.as_str())));
        }
        _ => {}
    }
    html! {
        @if !entries.is_empty() {
            ul class="legend" {
                @for (class, title) in entries { li { span class=(format!("key {class}")) {} (visible(title)) } }
            }
        }
    }
}

fn side_class(at: usize) -> &'static str {
    if at == 0 { "c-base" } else { "c-new" }
}

fn shares(wholes: &[Whole]) -> (f64, Markup) {
    let drawing = html! {
        @for (at, whole) in wholes.iter().enumerate() {
            @let y = at as f64 * ROW;
            text x=(n(LEFT - 8.0)) y=(n(y + BAR - 4.0)) class="end" { (visible(&whole.name)) }
            @for (part, from, share) in laid_out(whole) {
                @let (x, width) = (LEFT + from * (WIDTH - LEFT), share * (WIDTH - LEFT));
                rect x=(n(x)) y=(n(y)) width=(n((width - 1.0).max(0.5))) height=(n(BAR)) class=(format!("c-{}", part.name())) {
                    title { (visible(&whole.name)) ": " (part.title()) " " (percent(share)) }
                }
            }
        }
    };
    (wholes.len() as f64 * ROW, drawing)
}

/// The parts of a bar, each with where it begins.
fn laid_out(whole: &Whole) -> Vec<(Part, f64, f64)> {
    let mut from = 0.0;
    let mut out = Vec::new();
    for &(part, share) in whole.parts.iter().filter(|(_, share)| *share > 0.0) {
        out.push((part, from, share));
        from += share;
    }
    out
}

fn series(points: &[Point]) -> (f64, Markup) {
    let mut middles: Vec<u64> = points.iter().map(|point| point.p50_ns).collect();
    middles.sort_unstable();
    let middle = middles.get(middles.len() / 2).copied().unwrap_or(0);
    let low = middles.first().copied().unwrap_or(0);
    let most = points.iter().map(|point| point.max_ns).max().unwrap_or(0);
    let high = most.min(middle.saturating_mul(CUT)).max(low + 1);
    let x = |at: usize| LEFT + (at as f64 + 0.5) / points.len().max(1) as f64 * (WIDTH - LEFT);
    let y = |ns: u64| 8.0 + PLOT * (1.0 - (ns.clamp(low, high) - low) as f64 / (high - low) as f64);
    let line: Vec<String> =
        points.iter().enumerate().map(|(at, p)| format!("{},{}", n(x(at)), n(y(p.p50_ns)))).collect();
    // Labels of values that lie close together would cover each other.
    let labels = [(high, true), (middle, y(middle) - y(high) > 16.0 && y(low) - y(middle) > 16.0), (low, true)];
    let drawing = html! {
        @for (ns, _) in labels.iter().filter(|(_, apart)| *apart) {
            line x1=(n(LEFT)) x2=(n(WIDTH)) y1=(n(y(*ns))) y2=(n(y(*ns))) class="grid" {}
            text x=(n(LEFT - 8.0)) y=(n(y(*ns) + 4.0)) class="end" { (duration(*ns)) }
        }
        @for (at, point) in points.iter().enumerate().filter(|(_, point)| point.max_ns > point.p50_ns) {
            line x1=(n(x(at))) x2=(n(x(at))) y1=(n(y(point.p50_ns))) y2=(n(y(point.max_ns))) class="whisker" {}
        }
        polyline points=(line.join(" ")) class="line" {}
        @for (at, point) in points.iter().enumerate().filter(|(_, point)| point.max_ns > high || points.len() == 1) {
            circle cx=(n(x(at))) cy=(n(y(point.max_ns))) r="3" class="dot" { title { (duration(point.max_ns)) } }
        }
    };
    (PLOT + 16.0, drawing)
}

fn histogram(sides: &[Lengths]) -> (f64, Markup) {
    let Some(bins) = sides.first().map(|side| &side.histogram) else { return (0.0, html! {}) };
    let count = bins.counts.len().max(1);
    let tops = sides.iter().map(|side| {
        let all = side.histogram.counts.iter().sum::<u64>() + side.histogram.above;
        side.histogram.counts.iter().max().copied().unwrap_or(0) as f64 / all.max(1) as f64
    });
    let top = tops.fold(f64::MIN_POSITIVE, f64::max);
    let plot = WIDTH - LEFT;
    let x_of_bin = |bin: usize| LEFT + bin as f64 / count as f64 * plot;
    let end_ns = bins.from_ns + bins.width_ns * count as u64;
    let x_of = |ns: u64| {
        LEFT + (ns.clamp(bins.from_ns, end_ns) - bins.from_ns) as f64 / (end_ns - bins.from_ns).max(1) as f64 * plot
    };
    let width = plot / count as f64;
    let base = 20.0 + PLOT;
    let drawing = html! {
        @for (at, side) in sides.iter().enumerate() {
            @let all = (side.histogram.counts.iter().sum::<u64>() + side.histogram.above).max(1);
            // Two runs share a bin, side by side: covered bars could not be told apart by those who see no colours.
            @let (thick, shift) = (width / sides.len() as f64, width / sides.len() as f64 * at as f64);
            @for (bin, steps) in side.histogram.counts.iter().enumerate().filter(|(_, steps)| **steps > 0) {
                @let height = *steps as f64 / all as f64 / top * PLOT;
                rect x=(n(x_of_bin(bin) + shift)) y=(n(base - height)) width=(n((thick - 0.5).max(0.5))) height=(n(height)) class=(if sides.len() == 1 { "c-new" } else { side_class(at) }) {
                    title {
                        (visible(&side.name)) " from " (duration(bins.from_ns + bins.width_ns * bin as u64)) " to "
                        (duration(bins.from_ns + bins.width_ns * (bin as u64 + 1))) ": " (steps) " of " (all) " steps"
                    }
                }
            }
        }
        @for (at, side) in sides.iter().enumerate() {
            @let x = x_of(side.p50_ns);
            line x1=(n(x)) x2=(n(x)) y1=(n(4.0 + 12.0 * at as f64)) y2=(n(base)) class="mark" {}
            // Away from the other's mark, and never over the rim.
            @let left = x > WIDTH - 150.0 || (sides.len() > 1 && side.p50_ns < sides[1 - at.min(1)].p50_ns && x > LEFT + 150.0);
            text x=(n(if left { x - 5.0 } else { x + 5.0 })) y=(n(14.0 + 12.0 * at as f64)) class=[left.then_some("end")] {
                (visible(&side.name)) " p50 " (duration(side.p50_ns))
            }
        }
        line x1=(n(LEFT)) x2=(n(WIDTH)) y1=(n(base)) y2=(n(base)) class="grid" {}
        text x=(n(LEFT)) y=(n(base + 16.0)) { (duration(bins.from_ns)) }
        text x=(n(WIDTH)) y=(n(base + 16.0)) class="end" { (duration(end_ns)) }
        text x=(n(LEFT - 8.0)) y=(n(base - PLOT + 12.0)) class="end" { (percent(top)) " of steps" }
    };
    (base + 22.0, drawing)
}

fn waterfall(base_ns: i64, new_ns: i64, changes: &[(String, i64)]) -> (f64, Markup) {
    let mut level = base_ns;
    let steps: Vec<(&str, i64, i64)> = changes
        .iter()
        .map(|(name, delta_ns)| {
            let from = level;
            level += delta_ns;
            (name.as_str(), from, level)
        })
        .collect();
    let levels = || steps.iter().flat_map(|(_, from, to)| [*from, *to]).chain([base_ns, new_ns]);
    let (low, high) = (levels().min().unwrap_or(0), levels().max().unwrap_or(1));
    let range = (high - low).max(1) as f64;
    let x = |ns: i64| LEFT + (ns - low) as f64 / range * (WIDTH - LEFT - RIGHT);
    let bottom = (steps.len() + 2) as f64 * ROW;
    let signed = |ns: i64| format!("{}{}", if ns < 0 { "−" } else { "+" }, duration(ns.unsigned_abs()));
    let end = |row: usize, name: &str, ns: i64| {
        let y = row as f64 * ROW;
        html! {
            text x=(n(LEFT - 8.0)) y=(n(y + BAR - 4.0)) class="end strong" { (name) }
            line x1=(n(x(ns))) x2=(n(x(ns))) y1=(n(y)) y2=(n(y + BAR)) class="mark" {}
            text x=(n(x(ns) + 6.0)) y=(n(y + BAR - 4.0)) class="strong" { (duration(ns.unsigned_abs())) }
        }
    };
    let drawing = html! {
        (end(0, "Base", base_ns))
        @for (at, (name, from, to)) in steps.iter().enumerate() {
            @let y = (at + 1) as f64 * ROW;
            @let (left, right) = (x(*from.min(to)), x(*from.max(to)));
            @let class = if to > from { "c-worse" } else { "c-better" };
            text x=(n(LEFT - 8.0)) y=(n(y + BAR - 4.0)) class="end" { (visible(name)) }
            line x1=(n(x(*from))) x2=(n(x(*from))) y1=(n(y - ROW + BAR)) y2=(n(y)) class="grid" {}
            rect x=(n(left)) y=(n(y)) width=(n((right - left).max(1.0))) height=(n(BAR)) class=(class) {}
            text x=(n(right + 6.0)) y=(n(y + BAR - 4.0)) { (signed(to - from)) }
        }
        (end(steps.len() + 1, "New", new_ns))
    };
    (bottom, drawing)
}

/// A coordinate, as short as it may be.
fn n(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}
