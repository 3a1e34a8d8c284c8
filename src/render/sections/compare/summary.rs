//! The answer in ten lines.

use crate::classify::Category;
use crate::output::Comparison;
use crate::output::comparison::{BatchChange, Change, Comparability, Fate, Flag, KernelChange, Measure};
use crate::render::document::{Text, Tone};
use crate::render::text::{duration, percent, several};

use super::choose;
use super::words::{names, noise, range, relative, signed, signed_or_none, title};

/// Lines of the summary.
const LINES: usize = 10;

/// The answer in at most ten lines.
pub(in crate::render) fn summary(comparison: &Comparison) -> Vec<Text> {
    let mut lines = vec![step_line(comparison), comparable_line(comparison)];
    lines.extend(super::around::line(comparison));
    lines.extend(mix_line(comparison));
    lines.extend(path_line(comparison));
    lines.extend(tail_lines(comparison));
    lines.extend(comparison.hints.iter().map(|hint| Text::plain(format!("Mind: {}.", hint.text))));
    for row in comparison.categories.iter().filter(|row| row.change.flag != Flag::Same) {
        lines.push(change_line(row.title, &row.change));
    }
    if comparison.idle.flag != Flag::Same {
        lines.push(change_line("Idle time", &comparison.idle));
    }
    // Where all ranks changed, the categories say it.
    let flagged = || comparison.ranks.iter().filter(|row| row.change.flag != Flag::Same);
    if flagged().count() < comparison.ranks.len() {
        lines.extend(flagged().map(|row| change_line(&format!("Rank {} by itself", row.rank), &row.change)));
    }
    lines.extend(batch_lines(comparison));
    lines.extend(backend_line(comparison));
    let flagged: Vec<&KernelChange> = comparison.kernels.iter().filter(|row| row.change.flag != Flag::Same).collect();
    let room = LINES.saturating_sub(lines.len());
    let shown = if flagged.len() > room { room.saturating_sub(1) } else { flagged.len() };
    lines.extend(flagged.iter().take(shown).map(|row| kernel_line(comparison, row)));
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
        signed_or_none(step.delta_ns),
        relative(step.delta_share)
    ));
    let sure = match (step.interval, step.real) {
        _ if step.delta_ns.is_none() => "; they did other work.".to_owned(),
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
        "Of this, {} comes of other batches or contexts; the same work changed by {}{}.",
        signed(mix.shift_ns),
        signed_or_none(mix.same_work.delta_ns),
        relative(mix.same_work.delta_share)
    )))
}

/// What explains the step's change; nothing where the change is noise.
fn path_line(comparison: &Comparison) -> Option<Text> {
    if comparison.step.interval.is_some() && !comparison.step.real {
        return None;
    }
    let parts = choose::parts(&comparison.waterfall).into_iter();
    let parts: Vec<String> =
        parts.map(|row| format!("{} {}", title(comparison, row.name), signed(row.delta_ns))).collect();
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
                comparison.title(category),
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

/// The slowest steps, where they changed.
fn tail_lines(comparison: &Comparison) -> Vec<Text> {
    let tail = &comparison.tail;
    let percentiles = [("The 90th percentile", &tail.p90), ("The 99th percentile", &tail.p99)];
    let flagged = percentiles.into_iter().filter(|(_, change)| change.flag != Flag::Same);
    let mut lines: Vec<Text> = flagged.map(|(what, change)| change_line(what, change)).collect();
    let outliers = &tail.outliers;
    if outliers.flag != Flag::Same {
        let (tone, verb) = verb(outliers.flag);
        let worst = outliers.steps.first().filter(|_| outliers.flag == Flag::Regressed);
        let worst = worst.map_or_else(String::new, |step| {
            let rank = step.rank.map_or_else(String::new, |rank| format!(" on rank {rank}"));
            format!("; the worst is step {}{rank}, by {}", step.number, title(comparison, step.part))
        });
        let text = format!(
            ": {} of the steps take more than {:.1} times what their neighbours take, in the base {}{worst}.",
            percent(outliers.new_share),
            outliers.bound,
            percent(outliers.base_share)
        );
        lines.push(Text::default().and_verdict(tone, format!("The tail {verb}")).and(text));
    }
    lines
}

/// Batches that changed, where the step as a whole does not say it.
fn batch_lines(comparison: &Comparison) -> Vec<Text> {
    if comparison.step.flag != Flag::Same {
        return Vec::new();
    }
    let flagged = comparison.batches.iter().filter(|row| row.change.flag != Flag::Same);
    let line = |row: &BatchChange| {
        let what = row.size.map_or_else(|| "The step".to_owned(), |size| format!("The step of batch {size}"));
        change_line(&what, &row.change)
    };
    flagged.map(line).collect()
}

fn verb(flag: Flag) -> (Tone, &'static str) {
    if flag == Flag::Regressed { (Tone::Worse, "regressed") } else { (Tone::Better, "improved") }
}

fn change_line(what: &str, change: &Change) -> Text {
    let (tone, verb) = verb(change.flag);
    Text::default().and_verdict(tone, format!("{what} {verb}")).and(format!(
        ": {} to {} a step, {}{}.",
        duration(change.base_ns_per_step),
        duration(change.new_ns_per_step),
        signed_or_none(change.delta_ns),
        relative(change.delta_share)
    ))
}

fn kernel_line(comparison: &Comparison, row: &KernelChange) -> Text {
    let role = row.role.as_ref().map_or_else(String::new, |role| format!("{role}, "));
    let text = Text::plain(format!("{role}{} ", comparison.title(row.category)));
    let text = match row.fate {
        Fate::Replaced => names(text, &row.base).and(" replaced by ").and_text(names(Text::default(), &row.new)),
        Fate::Added => names(text.and("added: "), &row.new),
        Fate::Removed => names(text.and("removed: "), &row.base),
        Fate::Same => names(text, &row.new),
    };
    text.and(format!(": {}{}.", signed_or_none(row.change.delta_ns), relative(row.change.delta_share)))
}
