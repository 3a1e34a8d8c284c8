//! The ranks side by side.

use crate::output::Report;
use crate::output::ranks::{Across, Collectives, Evidence, RankSkew};
use crate::output::report::ScopeOf;
use crate::output::time::Distribution;

use super::time::cause_in_words;
use crate::render::document::{Align, Cell, Document, Table, Text};
use crate::render::text::{Unit, duration, integer, percent};

pub(super) fn ranks(report: &Report, document: &mut Document) {
    let Some(skew) = &report.rank_skew else { return };
    document.heading("Ranks");
    per_rank(report, skew, document);
    document.paragraph(who_waits(skew));
    if let Some(found) = &skew.collectives {
        kinds(found, document);
        document.paragraph(when_they_meet(skew, found));
    }
    if let Some(path) = &skew.critical_path {
        critical_path(report, path, document);
    }
}

fn per_rank(report: &Report, skew: &RankSkew, document: &mut Document) {
    let whole = report.scope.of == ScopeOf::Trace;
    let times = skew.per_rank.iter().flat_map(|row| [row.step_p50_ns, Some(per_step(row.gpu_time_ns, row.steps))]);
    let unit = Unit::for_largest(times.flatten().max().unwrap_or(0));
    let column = |title: &str| (format!("{title}{} ({})", if whole { "" } else { "/step" }, unit.name), Align::Right);
    let mut table = Table::new([
        ("Rank".to_owned(), Align::Right),
        ("Steps".to_owned(), Align::Right),
        (format!("Step p50 ({})", unit.name), Align::Right),
        column("GPU time"),
        column("Own GPU"),
        column("Own idle"),
        column("Waiting"),
        column("Transfer"),
        ("Last".to_owned(), Align::Right),
    ]);
    let last = |rank: u32| {
        let rows = skew.collectives.as_ref().map(|found| &found.last_arriver)?;
        rows.iter().find(|row| row.rank == rank).map(|row| integer(row.times))
    };
    let unknown = || "–".to_owned();
    for row in &skew.per_rank {
        let figure = |ns: Option<u64>| ns.map_or_else(unknown, |ns| unit.figure(ns));
        let each = |ns: Option<u64>, steps: u64| figure(ns.map(|ns| per_step(ns, steps)));
        let met = |ns: Option<u64>| each(ns, row.met_steps);
        table.row([
            row.rank.to_string().into(),
            integer(row.steps).into(),
            figure(row.step_p50_ns).into(),
            each(Some(row.gpu_time_ns), row.steps).into(),
            met(row.own_gpu_ns).into(),
            met(row.own_idle_ns).into(),
            met(row.wait_ns).into(),
            met(row.transfer_ns).into(),
            last(row.rank).unwrap_or_else(unknown).into(),
        ]);
    }
    document.table(table);
}

fn who_waits(skew: &RankSkew) -> Text {
    let mut text = String::new();
    if let Some(rank) = skew.slowest_rank {
        let why = if skew.collectives.is_some() { "the others wait for it" } else { "by its median step" };
        text += &format!("The slowest rank is {rank}: {why}. ");
    }
    match &skew.collectives {
        Some(found) => {
            let total = found.wait_ns + found.transfer_ns;
            let share = if total == 0 { 0.0 } else { found.wait_ns as f64 / total as f64 };
            text += &format!(
                "Of {} in {} collectives matched across the ranks, summed over the ranks, {} was waiting for the last rank to \
                 arrive",
                duration(total),
                integer(found.count),
                percent(share)
            );
            if let Some(last) = found.last_arriver.first().filter(|last| last.times > 0) {
                text += &format!(
                    "; rank {} was last in {} of its {}, {} later than the last but one in all",
                    last.rank,
                    integer(last.times),
                    integer(last.of),
                    duration(last.late_ns)
                );
            }
            text += ".";
            if found.undecided > 0 {
                text += &format!(
                    " In {} no rank is called the last: the two last came closer together than their clocks tell.",
                    integer(found.undecided)
                );
            }
        }
        None => text += "No collectives could be matched across the ranks.",
    }
    for row in &skew.stragglers {
        let more = row.own_ns_per_step as f64 / row.median_ns_per_step.max(1) as f64 - 1.0;
        text += &format!(
            " Rank {} is a straggler: from collective to collective it takes {} a step for its own, {} more than the median \
             rank{}.",
            row.rank,
            duration(row.own_ns_per_step),
            percent(more),
            own_parts(skew, row.rank)
        );
    }
    Text::plain(text)
}

/// What a rank's own time is made of.
fn own_parts(skew: &RankSkew, rank: u32) -> String {
    let row = skew.per_rank.iter().find(|row| row.rank == rank);
    let parts = row.and_then(|row| Some((row.own_gpu_ns?, row.own_idle_ns?, row.met_steps)));
    parts.map_or_else(String::new, |(gpu_ns, idle_ns, steps)| {
        let each = |ns| duration(per_step(ns, steps));
        format!(" (kernels for {}, an idle GPU for {})", each(gpu_ns), each(idle_ns))
    })
}

/// What the collectives are; one kind alone is told by the table of ranks.
fn kinds(found: &Collectives, document: &mut Document) {
    if found.by_kind.len() < 2 {
        return;
    }
    let unit = Unit::for_largest(found.by_kind.iter().map(|row| row.transfer.p99).max().unwrap_or(0));
    let mut table = Table::new([
        ("Collective".to_owned(), Align::Left),
        ("By".to_owned(), Align::Left),
        ("Count".to_owned(), Align::Right),
        ("Waiting".to_owned(), Align::Right),
        (format!("Transfer p50 ({})", unit.name), Align::Right),
        (format!("Transfer p99 ({})", unit.name), Align::Right),
    ]);
    for row in &found.by_kind {
        let total = (row.wait_ns + row.transfer_ns).max(1);
        table.row([
            row.collective.unwrap_or("–").into(),
            row.sub.clone().into(),
            integer(row.count).into(),
            percent(row.wait_ns as f64 / total as f64).into(),
            unit.figure(row.transfer.p50).into(),
            unit.figure(row.transfer.p99).into(),
        ]);
    }
    document.table(table);
}

/// Skew, what was not matched, groups and clocks.
fn when_they_meet(skew: &RankSkew, found: &Collectives) -> Text {
    let figures = |of: Distribution| format!("p50 {}, p99 {}", duration(of.p50), duration(of.p99));
    let mut text = String::from("From the first rank's arrival to the last one's: ");
    let first = found.start_skew.first_in_step.map(|of| format!("{} at the first collective of a step", figures(of)));
    let later = found.start_skew.later.map(|of| format!("{} at later ones", figures(of)));
    text += &[first, later].into_iter().flatten().collect::<Vec<_>>().join("; ");
    text += ".";
    if let Some(worst) = found.steps.iter().max_by_key(|step| step.later_ns).filter(|_| found.steps.len() > 1) {
        text +=
            &format!(" The most skewed step is {}, by {}.", worst.step, duration(worst.later_ns.max(worst.first_ns)));
    }
    if found.unmatched > 0 {
        text += &format!(
            " {} communication kernels have no counterpart on the other ranks, as at the edges of a trace: they are in \
             neither waiting nor transfer, and the other collectives of their steps are.",
            integer(found.unmatched)
        );
    }
    text += &who_meets(skew);
    if let Some(ends) = skew.clock.end_skew_ns {
        let basis = if skew.clock.shared { "The ranks share a clock" } else { "Clocks were aligned on these ends" };
        let doubt = skew.clock.per_rank.iter().filter_map(|row| row.uncertainty_ns).max().unwrap_or(0);
        text += &format!(
            " {basis}: they leave a collective within {} of each other (p50), so arrivals compare to within {}.",
            duration(ends.p50),
            duration(doubt)
        );
    }
    for row in skew.clock.per_rank.iter().filter(|_| !skew.clock.shared) {
        match (row.offset_ns, row.uncertainty_ns) {
            (Some(0), _) => {}
            (Some(ns), Some(uncertain)) => {
                let (by, way) = (duration(ns.unsigned_abs()), if ns > 0 { "ahead" } else { "behind" });
                text += &format!(" Rank {}'s clock is {by} {way}, give or take {}.", row.rank, duration(uncertain));
            }
            _ => text += &format!(" Nothing is known of rank {}'s clock, so it is compared with no other.", row.rank),
        }
    }
    Text::plain(text)
}

/// The groups, and how they are known.
fn who_meets(skew: &RankSkew) -> String {
    let of = |evidence: Evidence| -> Vec<String> {
        let groups = skew.groups.iter().zip(&skew.group_evidence).filter(|(_, of)| **of == evidence);
        groups.map(|(ranks, _)| ranks.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")).collect()
    };
    let mut text = String::new();
    let (told, guessed) = (of(Evidence::Told), of(Evidence::Guessed));
    if !told.is_empty() {
        text += &format!(" Ranks that meet, as their process groups say: {}.", told.join("; "));
    }
    if !guessed.is_empty() {
        let basis = "guessed from when they enter and leave collectives";
        text += &format!(" Ranks that meet, {basis}: {}.", guessed.join("; "));
    }
    text
}

fn critical_path(report: &Report, path: &Across, document: &mut Document) {
    document.subheading("Critical path across ranks");
    document.paragraph(Text::plain(
        "Wall time of a step along the rank that arrives last at each collective: what would have to get faster. Waiting \
         for other ranks is not on it.",
    ));
    let steps = path.steps.max(1);
    let unit = Unit::for_largest(path.wall_ns / steps);
    let mut table = Table::new([
        ("What".to_owned(), Align::Left),
        (format!("On the path/step ({})", unit.name), Align::Right),
        ("Share".to_owned(), Align::Right),
        (String::new(), Align::Left),
    ]);
    let mut row = |what: String, ns: u64, share: f64| {
        table.row([what.into(), unit.figure(ns / steps).into(), percent(share).into(), Cell::Bar(share)]);
    };
    for of in path.categories.iter().filter(|of| of.ns > 0) {
        row(report.title(of.name).to_owned(), of.ns, of.share);
    }
    for cause in path.idle.causes.iter().filter(|cause| cause.ns > 0) {
        let share = cause.ns as f64 / path.wall_ns.max(1) as f64;
        row(format!("Idle: {}", cause_in_words(cause.name)), cause.ns, share);
    }
    document.table(table);
    let on: Vec<String> = path
        .on_path
        .iter()
        .filter(|row| row.ns > 0)
        .map(|row| format!("rank {} for {}", row.rank, percent(row.share)))
        .collect();
    document.paragraph(Text::plain(format!(
        "The path is on {}, and changes rank {:.1} times a step.",
        on.join(", "),
        path.hops as f64 / steps as f64
    )));
}

fn per_step(ns: u64, steps: u64) -> u64 {
    ns / steps.max(1)
}
