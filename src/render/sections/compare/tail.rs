//! The slowest steps.

use crate::output::Comparison;
use crate::output::comparison::Flag;
use crate::render::document::{Align, Cell, Document, Table, Text};
use crate::render::text::{Unit, integer, percent, shorten};

use super::changes::changes;
use super::words::title;

/// Characters of a kernel name in the table.
const NAME_WIDTH: usize = 56;

pub(super) fn tail(comparison: &Comparison, document: &mut Document) {
    let tail = &comparison.tail;
    let rows = [("p90", &tail.p90), ("p99", &tail.p99)];
    let rows = rows.into_iter().filter(|(_, change)| change.base_ns_per_step > 0 || change.new_ns_per_step > 0);
    let rows: Vec<_> = rows.map(|(name, change)| (vec![Cell::from(name)], change)).collect();
    if rows.is_empty() {
        return;
    }
    document.heading("The slowest steps");
    changes(document, comparison, &[("Percentile", Align::Left)], rows.into_iter());
    let outliers = &tail.outliers;
    let sure = match (outliers.p_value, outliers.flag) {
        (None, _) => "too few steps to tell whether that is chance",
        (_, Flag::Regressed) => "more than chance explains",
        (_, Flag::Improved) => "fewer than chance explains",
        (_, Flag::Same) if outliers.real => "more than chance, but it costs next to nothing",
        (_, Flag::Same) => "chance explains it",
    };
    document.paragraph(Text::plain(format!(
        "Outliers are steps that take more than {:.1} times what their neighbours of the same batch take: {} of the base \
         ({}), {} of the new ({}); {sure}.",
        outliers.bound,
        integer(outliers.base_steps),
        percent(outliers.base_share),
        integer(outliers.new_steps),
        percent(outliers.new_share)
    )));
    if outliers.flag == Flag::Regressed {
        worst(comparison, document);
    }
}

/// The worst steps and what was slow in each.
fn worst(comparison: &Comparison, document: &mut Document) {
    let (steps, several_runs) = (&comparison.tail.outliers.steps, comparison.new.runs > 1);
    let unit = Unit::for_largest(steps.iter().map(|step| step.ns).max().unwrap_or(0));
    let mut table = Table::new([
        ("Step".to_owned(), Align::Right),
        (format!("Took ({})", unit.name), Align::Right),
        (format!("Usual ({})", unit.name), Align::Right),
        ("Slow by".to_owned(), Align::Left),
        (format!("That much ({})", unit.name), Align::Right),
        ("Kernel".to_owned(), Align::Left),
        ("Rank".to_owned(), Align::Right),
    ]);
    for step in steps {
        let number = if several_runs { format!("{} (run {})", step.number, step.run) } else { step.number.to_string() };
        let kernel =
            step.kernel.as_ref().map_or_else(|| Text::plain("–"), |name| Text::code(shorten(name, NAME_WIDTH)));
        table.row([
            number.into(),
            unit.figure(step.ns).into(),
            unit.figure(step.usual_ns).into(),
            title(comparison, step.part).into(),
            unit.figure(step.part_ns).into(),
            kernel.into(),
            step.rank.map_or_else(|| "–".to_owned(), |rank| rank.to_string()).into(),
        ]);
    }
    document.table(table);
}
