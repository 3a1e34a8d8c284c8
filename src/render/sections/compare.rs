//! What a comparison says, in which order: ten lines that answer it, then the tables behind them.

use crate::classify::Category;
use crate::model::ConditionKind;
use crate::output::Comparison;
use crate::output::comparison::{
    Change, Comparability, Fate, Flag, KernelChange, Measure, Reason, SideRow, Verdict, WaterfallRow,
};
use crate::output::steps::Histogram;

use super::super::chart::{Chart, Kind, Lengths};
use super::super::document::{Align, Cell, Document, Table, Text, Tone};
use super::super::text::{Unit, duration, integer, percent, several, shorten};

/// Characters of a kernel name in a table.
const NAME_WIDTH: usize = 56;
/// Kernels in the table; those that are flagged are there in any case.
const KERNELS: usize = 25;
/// Kernels in the table at most, unless flagged: as many as explain the change.
const KERNELS_AT_MOST: usize = 60;
/// Lines of the summary.
const LINES: usize = 10;

/// Lays out `comparison`.
pub(in super::super) fn document(comparison: &Comparison) -> Document {
    let verdict = match comparison.verdict {
        Verdict::Regressed => "regressed",
        Verdict::Improved => "improved",
        Verdict::Same => "no change",
        Verdict::NotComparable => "not comparable",
    };
    let mut document = Document { title: format!("Decode comparison: {verdict}"), blocks: Vec::new() };
    document.list(summary(comparison));
    lengths(comparison, &mut document);
    categories(comparison, &mut document);
    waterfall(comparison, &mut document);
    batches(comparison, &mut document);
    phases(comparison, &mut document);
    ranks(comparison, &mut document);
    kernels(comparison, &mut document);
    backends(comparison, &mut document);
    sides(comparison, &mut document);
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

/// The answer in at most ten lines.
pub(in super::super) fn summary(comparison: &Comparison) -> Vec<Text> {
    let mut lines = vec![step_line(comparison), comparable_line(comparison)];
    lines.extend(mix_line(comparison));
    lines.extend(path_line(comparison));
    lines.extend(comparison.hints.iter().map(|hint| Text::plain(format!("Mind: {}.", hint.text))));
    for row in comparison.categories.iter().filter(|row| row.change.flag != Flag::Same) {
        lines.push(change_line(row.name.title(), &row.change));
    }
    if comparison.idle.flag != Flag::Same {
        lines.push(change_line("Idle time", &comparison.idle));
    }
    // Where all ranks changed, the categories say it.
    let flagged = || comparison.ranks.iter().filter(|row| row.change.flag != Flag::Same);
    if flagged().count() < comparison.ranks.len() {
        lines.extend(flagged().map(|row| change_line(&format!("Rank {} by itself", row.rank), &row.change)));
    }
    lines.extend(backend_line(comparison));
    let flagged: Vec<&KernelChange> = comparison.kernels.iter().filter(|row| row.change.flag != Flag::Same).collect();
    let room = LINES.saturating_sub(lines.len());
    let shown = if flagged.len() > room { room.saturating_sub(1) } else { flagged.len() };
    lines.extend(flagged.iter().take(shown).map(|row| kernel_line(row)));
    if flagged.len() > shown {
        let more = several((flagged.len() - shown) as u64, "more kernel");
        lines.push(Text::plain(format!("{more} changed by more than the threshold.")));
    }
    lines.truncate(LINES);
    lines
}

fn step_line(comparison: &Comparison) -> Text {
    let step = &comparison.step;
    let what = match step.measure {
        Measure::Itl => "A decode step takes",
        Measure::GpuSpan => "A decode step takes, from its first kernel to its last,",
        Measure::Trace => "The whole trace takes",
    };
    let (is, was) = (duration(step.new_p50_ns), duration(step.base_p50_ns));
    let text = Text::default().and_strong(format!(
        "{what} {is}, in the base {was}: {}{}",
        signed(step.delta_ns),
        relative(step.delta_share)
    ));
    let sure = match (step.interval, step.real) {
        (None, _) => "; too few steps to tell change from noise.".to_owned(),
        (Some(interval), true) => format!("; real ({} with 95 % confidence).", range(interval)),
        (Some(_), false) => format!("; within the noise ({}).", noise(step.noise_floor_ns)),
    };
    text.and(sure)
}

fn comparable_line(comparison: &Comparison) -> Text {
    let reasons = &comparison.comparable.reasons;
    let more = match reasons.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" ({} below)", several(more as u64, "more reason")),
    };
    match (comparison.comparable.verdict, reasons.first()) {
        (Comparability::Yes, _) | (_, None) => {
            Text::plain("The two are comparable: nothing that is known speaks against it.")
        }
        (Comparability::WithCare, Some(reason)) => Text::plain(format!("Compare with care: {}{more}.", reason.text)),
        (Comparability::No, Some(reason)) => {
            Text::default().and_strong("Not comparable").and(format!(": {}{more}.", reason.text))
        }
    }
}

fn mix_line(comparison: &Comparison) -> Option<Text> {
    let mix = comparison.mix.as_ref()?;
    Some(Text::plain(format!(
        "Of this, {} comes of other batches; the same work changed by {}{}.",
        signed(mix.shift_ns),
        signed(mix.same_work.delta_ns),
        relative(mix.same_work.delta_share)
    )))
}

/// How much of `whole` explains it: what is left of it is small change.
fn explain(whole: u64) -> u64 {
    whole - whole / 20
}

/// The rows of the waterfall that explain the step's change, the largest first.
fn path_line(comparison: &Comparison) -> Option<Text> {
    if comparison.step.interval.is_some() && !comparison.step.real {
        return None;
    }
    let whole = explain(comparison.waterfall.iter().map(|row| row.delta_ns.unsigned_abs()).sum());
    let mut rows: Vec<&WaterfallRow> = comparison.waterfall.iter().filter(|row| row.delta_ns != 0).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.delta_ns.unsigned_abs()));
    let mut explained = 0;
    let mut parts = Vec::new();
    for row in rows {
        if explained >= whole {
            break;
        }
        explained += row.delta_ns.unsigned_abs();
        parts.push(format!("{} {}", title(row.name), signed(row.delta_ns)));
    }
    (!parts.is_empty()).then(|| Text::plain(format!("On the critical path: {}.", parts.join(", "))))
}

/// Categories whose main backend is another now.
fn backend_line(comparison: &Comparison) -> Option<Text> {
    let moved = Category::ALL.into_iter().filter_map(|category| {
        let rows = || comparison.backends.iter().filter(move |row| row.category == category);
        let was = rows().max_by(|a, b| a.base_share.total_cmp(&b.base_share)).filter(|row| row.base_share > 0.0)?;
        let is = rows().max_by(|a, b| a.new_share.total_cmp(&b.new_share)).filter(|row| row.new_share > 0.0)?;
        (was.backend != is.backend).then(|| {
            let part = |share: f64| percent(share).replace(".0 %", " %");
            format!(
                "{} from {} ({}) to {} ({})",
                category.title(),
                was.backend,
                part(was.base_share),
                is.backend,
                part(is.new_share)
            )
        })
    });
    let moved: Vec<String> = moved.collect();
    (!moved.is_empty()).then(|| Text::plain(format!("Backends moved: {}.", moved.join("; "))))
}

fn change_line(what: &str, change: &Change) -> Text {
    let (tone, verb) =
        if change.flag == Flag::Regressed { (Tone::Worse, "regressed") } else { (Tone::Better, "improved") };
    Text::default().and_verdict(tone, format!("{what} {verb}")).and(format!(
        ": {} to {} a step, {}{}.",
        duration(change.base_ns_per_step),
        duration(change.new_ns_per_step),
        signed(change.delta_ns),
        relative(change.delta_share)
    ))
}

fn kernel_line(row: &KernelChange) -> Text {
    let role = row.role.as_ref().map_or_else(String::new, |role| format!("{role}, "));
    let text = Text::plain(format!("{role}{} ", row.category.title()));
    let text = match row.fate {
        Fate::Replaced => names(text, &row.base).and(" replaced by ").and_text(names(Text::default(), &row.new)),
        Fate::Added => names(text.and("added: "), &row.new),
        Fate::Removed => names(text.and("removed: "), &row.base),
        Fate::Same => names(text, &row.new),
    };
    text.and(format!(": {}{}.", signed(row.change.delta_ns), relative(row.change.delta_share)))
}

fn names(text: Text, names: &[String]) -> Text {
    let text = match names.first() {
        Some(first) => text.and_code(shorten(first, NAME_WIDTH)),
        None => text.and("nothing"),
    };
    if names.len() > 1 { text.and(format!(" and {} more", names.len() - 1)) } else { text }
}

fn title(name: &str) -> String {
    let category = Category::ALL.into_iter().find(|category| category.name() == name);
    match (category, name) {
        (Some(category), _) => category.title().to_owned(),
        (None, "idle") => "Idle".to_owned(),
        (None, name) => name.replace('_', " "),
    }
}

/// A difference with its sign.
fn signed(ns: i64) -> String {
    let sign = if ns < 0 { "−" } else { "+" };
    format!("{sign}{}", duration(ns.unsigned_abs()))
}

/// A relative difference with its sign, in brackets.
fn relative(share: Option<f64>) -> String {
    share.map_or_else(String::new, |share| format!(" ({})", signed_percent(share)))
}

fn signed_percent(share: f64) -> String {
    let sign = if share < 0.0 { "−" } else { "+" };
    format!("{sign}{}", percent(share.abs()).replace(">99.9", "100.0"))
}

fn range([low, high]: [i64; 2]) -> String {
    format!("{} to {}", signed(low), signed(high))
}

fn noise(floor: Option<u64>) -> String {
    floor.map_or_else(|| "not known".to_owned(), |ns| format!("up to ±{} without any change", duration(ns)))
}

/// Columns of every table of changes, after those that say what changed.
fn columns(unit: Unit) -> Vec<(String, Align)> {
    vec![
        (format!("Base ({}/step)", unit.name), Align::Right),
        (format!("New ({}/step)", unit.name), Align::Right),
        (format!("Change ({})", unit.name), Align::Right),
        ("Change".to_owned(), Align::Right),
        (format!("95 % interval ({})", unit.name), Align::Right),
        ("Verdict".to_owned(), Align::Left),
    ]
}

fn cells(change: &Change, unit: Unit, threshold: f64) -> Vec<Cell> {
    let figure = |ns: i64| {
        let sign = if ns < 0 { "−" } else { "+" };
        format!("{sign}{}", unit.figure(ns.unsigned_abs()))
    };
    let verdict = match change.flag {
        Flag::Regressed => Text::default().and_verdict(Tone::Worse, "▲ regressed"),
        Flag::Improved => Text::default().and_verdict(Tone::Better, "▼ improved"),
        Flag::Same if change.delta_ns == 0 => Text::plain("same"),
        Flag::Same if change.interval.is_none() && change.delta_share.is_none_or(|share| share.abs() > threshold) => {
            Text::plain("over the threshold, unproven")
        }
        Flag::Same if change.interval.is_none() => Text::plain("unproven"),
        Flag::Same if change.real => Text::plain("real, small"),
        Flag::Same => Text::plain("noise"),
    };
    vec![
        unit.figure(change.base_ns_per_step).into(),
        unit.figure(change.new_ns_per_step).into(),
        figure(change.delta_ns).into(),
        change.delta_share.map_or_else(|| "–".to_owned(), signed_percent).into(),
        change
            .interval
            .map_or_else(|| "–".to_owned(), |[low, high]| format!("{} … {}", figure(low), figure(high)))
            .into(),
        verdict.into(),
    ]
}

/// A table of changes.
fn changes<'c>(
    document: &mut Document,
    comparison: &Comparison,
    what: &[(&str, Align)],
    rows: impl Iterator<Item = (Vec<Cell>, &'c Change)>,
) {
    let rows: Vec<(Vec<Cell>, &Change)> = rows.collect();
    let largest = rows.iter().map(|(_, change)| change.base_ns_per_step.max(change.new_ns_per_step)).max();
    let unit = Unit::for_largest(largest.unwrap_or(0));
    let what = what.iter().map(|(title, align)| ((*title).to_owned(), *align));
    let mut table = Table::new(what.chain(columns(unit)));
    for (mut row, change) in rows {
        row.extend(cells(change, unit, comparison.threshold));
        table.row(row);
    }
    document.table(table);
}

fn categories(comparison: &Comparison, document: &mut Document) {
    document.heading("Categories");
    let rows = comparison.categories.iter().map(|row| (row.name.title().to_owned(), &row.change));
    let rows = rows
        .chain([("Idle".to_owned(), &comparison.idle)])
        .chain(comparison.wait.iter().map(|wait| ("Waiting for peers".to_owned(), wait)))
        .filter(|(_, change)| change.base_ns_per_step > 0 || change.new_ns_per_step > 0)
        .map(|(name, change)| (vec![name.into()], change));
    changes(document, comparison, &[("Category", Align::Left)], rows);
    let per_rank = if comparison.new.ranks > 1 {
        ", mean of the ranks, without the time that ranks wait for one another"
    } else {
        ""
    };
    document.paragraph(Text::plain(format!(
        "GPU time of a step by category{per_rank}; idle is wall time in which none of its kernels ran. Flagged is what \
         changed by more than {} and {} a step, and by more than noise explains.",
        percent(comparison.threshold),
        duration(comparison.min_impact_ns)
    )));
}

fn waterfall(comparison: &Comparison, document: &mut Document) {
    document.heading("Where the step's change comes from");
    let step = &comparison.step;
    let changes: Vec<(String, i64)> = comparison
        .waterfall
        .iter()
        .filter(|row| row.delta_ns != 0)
        .map(|row| (title(row.name), row.delta_ns))
        .collect();
    if !changes.is_empty() {
        document.chart(Chart {
            title: "From the base's step to the new".to_owned(),
            note: "What each part adds to the median step or takes off it; the scale does not begin at zero".to_owned(),
            kind: Kind::Waterfall { base_ns: step.base_p50_ns as i64, new_ns: step.new_p50_ns as i64, changes },
        });
    }
    let unit = Unit::for_largest(step.base_p50_ns.max(step.new_p50_ns));
    let plain = |ns: i64| {
        if ns < 0 { format!("−{}", unit.figure(ns.unsigned_abs())) } else { unit.figure(ns.unsigned_abs()) }
    };
    let figure = |ns: i64| if ns < 0 { plain(ns) } else { format!("+{}", plain(ns)) };
    let mut table = Table::new([
        ("On the critical path".to_owned(), Align::Left),
        (format!("Base ({})", unit.name), Align::Right),
        (format!("New ({})", unit.name), Align::Right),
        (format!("Change ({})", unit.name), Align::Right),
    ]);
    for row in comparison.waterfall.iter().filter(|row| row.base_ns != 0 || row.new_ns != 0) {
        table.row([
            title(row.name).into(),
            plain(row.base_ns).into(),
            plain(row.new_ns).into(),
            figure(row.delta_ns).into(),
        ]);
    }
    table.row([
        Text::default().and_strong("Step").into(),
        plain(step.base_p50_ns as i64).into(),
        plain(step.new_p50_ns as i64).into(),
        Text::default().and_strong(figure(step.delta_ns)).into(),
    ]);
    document.table(table);
    document.paragraph(Text::plain(format!(
        "What a typical step (the middle half of all) waits for, so the rows sum to the median step. p90: {} to {}; p99: {} to {}.",
        duration(step.base_p90_ns),
        duration(step.new_p90_ns),
        duration(step.base_p99_ns),
        duration(step.new_p99_ns)
    )));
}

fn batches(comparison: &Comparison, document: &mut Document) {
    if comparison.mix.is_none() || comparison.batches.is_empty() {
        return;
    }
    document.heading("By batch");
    let size = |size: Option<u32>| size.map_or_else(|| "–".to_owned(), |size| size.to_string());
    let rows = comparison.batches.iter().map(|row| {
        let steps = format!("{} / {}", integer(row.base_steps), integer(row.new_steps));
        (vec![size(row.size).into(), size(row.graph_size).into(), steps.into()], &row.change)
    });
    let what = [("Batch", Align::Right), ("Graph", Align::Right), ("Steps", Align::Right)];
    changes(document, comparison, &what, rows);
}

fn phases(comparison: &Comparison, document: &mut Document) {
    if comparison.phases.is_empty() {
        return;
    }
    document.heading("By phase");
    let rows = comparison.phases.iter().map(|row| {
        let steps = format!("{} / {}", integer(row.base_steps), integer(row.new_steps));
        let shares = format!("{} / {}", percent(row.base_share), percent(row.new_share));
        (vec![row.phase.clone().into(), steps.into(), shares.into()], &row.change)
    });
    let what = [("Phase", Align::Left), ("Steps", Align::Right), ("Of all steps", Align::Right)];
    changes(document, comparison, &what, rows);
    document.paragraph(Text::plain(
        "From a step's first kernel to its last. Decode steps alone are in all other tables and decide the verdict; the \
         other phases compete with them for the GPU.",
    ));
}

fn ranks(comparison: &Comparison, document: &mut Document) {
    if comparison.ranks.is_empty() {
        return;
    }
    document.heading("By rank");
    let rows = comparison.ranks.iter().map(|row| (vec![row.rank.to_string().into()], &row.change));
    changes(document, comparison, &[("Rank", Align::Right)], rows);
    document.paragraph(Text::plain("Each rank's own work: GPU time without waiting for the others."));
}

fn kernels(comparison: &Comparison, document: &mut Document) {
    if comparison.kernels.is_empty() {
        return;
    }
    document.heading("Kernels");
    let moved = |rows: &[KernelChange]| -> u64 { rows.iter().map(|row| row.change.delta_ns.unsigned_abs()).sum() };
    let whole = moved(&comparison.kernels);
    let mut explained = 0;
    let needed = comparison.kernels.iter().take_while(|row| {
        let goes_on = explained < explain(whole);
        explained += row.change.delta_ns.unsigned_abs();
        goes_on
    });
    let many = needed.count().clamp(KERNELS, KERNELS_AT_MOST);
    let is_shown = |(at, row): &(usize, &KernelChange)| *at < many || row.change.flag != Flag::Same;
    let shown: Vec<&KernelChange> =
        comparison.kernels.iter().enumerate().filter(is_shown).map(|(_, row)| row).collect();
    let rows = shown.iter().map(|row| {
        let fate = match row.fate {
            Fate::Same => "same",
            Fate::Replaced => "replaced",
            Fate::Added => "added",
            Fate::Removed => "removed",
        };
        let arch = if row.per_arch { ", per arch" } else { "" };
        let dtype = match (&row.base_dtype, &row.new_dtype) {
            (Some(was), Some(is)) if was != is => format!(", {was} → {is}"),
            _ => String::new(),
        };
        let fate = format!("{fate}{arch}{dtype}");
        let count = |count: f64| if count.fract() < 0.05 { format!("{count:.0}") } else { format!("{count:.1}") };
        let counts = format!("{} / {}", count(row.base_count), count(row.new_count));
        let backends = match (&row.base_backend, &row.new_backend) {
            (Some(was), Some(is)) if was != is => format!("{was} → {is}"),
            (_, Some(one)) | (Some(one), None) => one.clone(),
            (None, None) => "–".to_owned(),
        };
        let name = match row.fate {
            Fate::Replaced => names(names(Text::default(), &row.base).and(" → "), &row.new),
            Fate::Removed => names(Text::default(), &row.base),
            Fate::Same | Fate::Added => names(Text::default(), &row.new),
        };
        let role = row.role.clone().unwrap_or_else(|| row.category.title().to_owned());
        (vec![role.into(), name.into(), backends.into(), fate.into(), counts.into()], &row.change)
    });
    let what = [
        ("Role", Align::Left),
        ("Kernel", Align::Left),
        ("Backend", Align::Left),
        ("Match", Align::Left),
        ("Per step", Align::Right),
    ];
    changes(document, comparison, &what, rows);
    let rest = comparison.kernels.len() - shown.len();
    if rest > 0 {
        let of_shown: u64 = shown.iter().map(|row| row.change.delta_ns.unsigned_abs()).sum();
        document.paragraph(Text::plain(format!(
            "These are {} of what kernels changed by; {} more changed less and are in the JSON.",
            percent(of_shown as f64 / whole.max(1) as f64),
            integer(rest as u64)
        )));
    }
}

fn backends(comparison: &Comparison, document: &mut Document) {
    let shifted: Vec<_> =
        comparison.backends.iter().filter(|row| (row.base_share - row.new_share).abs() >= 0.01).collect();
    if shifted.is_empty() {
        return;
    }
    document.heading("Backends that shifted");
    let unit =
        Unit::for_largest(shifted.iter().map(|row| row.base_ns_per_step.max(row.new_ns_per_step)).max().unwrap_or(0));
    let mut table = Table::new([
        ("Category".to_owned(), Align::Left),
        ("Backend".to_owned(), Align::Left),
        ("Base".to_owned(), Align::Right),
        ("New".to_owned(), Align::Right),
        (format!("Base ({}/step)", unit.name), Align::Right),
        (format!("New ({}/step)", unit.name), Align::Right),
    ]);
    for row in shifted {
        table.row([
            row.category.title().into(),
            row.backend.clone().into(),
            percent(row.base_share).into(),
            percent(row.new_share).into(),
            unit.figure(row.base_ns_per_step).into(),
            unit.figure(row.new_ns_per_step).into(),
        ]);
    }
    document.table(table);
    document.paragraph(Text::plain("Shares of the category's GPU time; mean time of a step on one rank."));
}

fn sides(comparison: &Comparison, document: &mut Document) {
    document.heading("What was compared");
    let reason = |reason: &Reason| {
        let weight = match reason.verdict {
            Comparability::No => "no",
            Comparability::WithCare => "with care",
            Comparability::Yes => "yes",
        };
        Text::code(reason.code).and(format!(" ({weight}): {}.", reason.text))
    };
    document.list(comparison.comparable.reasons.iter().map(reason).collect());
    let (base, new) = (&comparison.base, &comparison.new);
    let mut table = Table::new([("", Align::Left), ("Base", Align::Left), ("New", Align::Left)]);
    let list = |list: &[String]| if list.is_empty() { "–".to_owned() } else { list.join(", ") };
    let mut row = |what: &str, of: &dyn Fn(&SideRow) -> String| {
        table.row([what.into(), of(base).into(), of(new).into()]);
    };
    row("Decode steps", &|side| integer(side.steps));
    row("Runs", &|side| side.runs.to_string());
    row("Ranks", &|side| side.ranks.to_string());
    row("GPU", &|side| list(&side.gpus));
    row("Architecture", &|side| list(&side.archs));
    row("Framework", &|side| list(&side.frameworks));
    for kind in kinds(comparison) {
        row(&sentence(kind.title()), &|side| {
            let of_kind = side.conditions.iter().filter(|condition| condition.kind == kind);
            list(&of_kind.map(|condition| condition.value.clone()).collect::<Vec<_>>())
        });
    }
    row("Layers", &|side| side.layers.map_or_else(|| "–".to_owned(), |layers| layers.to_string()));
    row("Kernels a step", &|side| format!("{:.1}", side.dispatches_per_step));
    row("Launched by graphs", &|side| side.graph_share.map_or_else(|| "–".to_owned(), percent));
    document.table(table);
    let inputs = |name: &str, side: &SideRow| {
        let text = Text::plain(format!("{name}: "));
        let mut inputs = side.inputs.iter().filter(|path| !path.is_empty());
        let first = inputs.next().cloned().unwrap_or_default();
        inputs.fold(text.and_code(first), |text, path| text.and(", ").and_code(path.clone()))
    };
    document.list(vec![inputs("Base", base), inputs("New", new)]);
}

/// The conditions that either side tells.
fn kinds(comparison: &Comparison) -> Vec<ConditionKind> {
    let conditions = comparison.base.conditions.iter().chain(&comparison.new.conditions);
    let mut kinds: Vec<ConditionKind> = conditions.map(|condition| condition.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// `text` with a capital.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn how(comparison: &Comparison, document: &mut Document) {
    document.heading("How this was made");
    document.list(vec![
        Text::plain(format!("By {}.", comparison.made_by)),
        Text::plain(
            "Medians over decode steps; intervals by resampling blocks of neighbouring steps. Real is what exceeds the \
             noise floor (99 % interval; halves of each side against each other; repeated runs where given) and what \
             chance does not explain among all rows of its table (Benjamini-Hochberg, 5 %).",
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
