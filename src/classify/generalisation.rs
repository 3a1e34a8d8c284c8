//! What becomes of names whose rule is taken away: they stand for kernels that nobody has written a rule for.
//!
//! Each rule is dropped in turn and the names of the shared corpus that it decided are asked again. Right is best, unknown
//! is honest, wrong is what a reader would believe. Skipped, visibly, where the shared corpus is absent.

#![allow(clippy::print_stdout, reason = "the table is for the reader of the test's output")]

use std::collections::BTreeMap;

use super::{Classifier, Context, TABLE};

#[path = "../../tests/common/mod.rs"]
mod common;

/// A name, its category and the categories that count as right too.
type Labelled<'a> = (&'a str, &'a str, &'a str);

/// How the names of a family fared.
#[derive(Clone, Copy, Default)]
struct Fate {
    right: usize,
    unknown: usize,
    wrong: usize,
}

#[test]
fn a_name_without_its_rule_is_rather_unknown_than_wrong() {
    let Some(shared) = common::shared() else {
        println!("skipped: the shared corpus is absent");
        return;
    };
    let text = std::fs::read_to_string(shared.join("kernels/dev.tsv")).expect("the corpus can be read");
    let rows = text.lines().skip(1).map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        (columns[0], columns[1], columns[9].split_once("arguable:").map_or("", |(_, rest)| rest))
    });
    let builtin = Classifier::builtin();
    let mut decided: BTreeMap<String, Vec<Labelled<'_>>> = BTreeMap::new();
    for row in rows {
        let rule = builtin.classify(row.0, &Context::default()).rule.split(", ").next().unwrap_or("").to_owned();
        decided.entry(rule).or_default().push(row);
    }
    let mut families: BTreeMap<&str, Fate> = BTreeMap::new();
    for (rule, names) in &decided {
        let without = Classifier::of(TABLE.0.iter().filter(|other| other.id != *rule).cloned().collect());
        let fate = families.entry(rule.split('.').next().unwrap_or(rule)).or_default();
        for (name, category, arguable) in names {
            let verdict = without.classify(name, &Context::default());
            if verdict.is_unknown() {
                fate.unknown += 1;
            } else if verdict.category.name() == *category || arguable.contains(verdict.category.name()) {
                fate.right += 1;
            } else {
                fate.wrong += 1;
            }
        }
    }
    println!("{:<14}{:>8}{:>8}{:>8}", "rule's family", "right", "unknown", "wrong");
    let mut all = Fate::default();
    for (family, fate) in &families {
        println!("{family:<14}{:>8}{:>8}{:>8}", fate.right, fate.unknown, fate.wrong);
        all.right += fate.right;
        all.unknown += fate.unknown;
        all.wrong += fate.wrong;
    }
    let names = (all.right + all.unknown + all.wrong) as f64;
    println!("{:<14}{:>8}{:>8}{:>8}", "all", all.right, all.unknown, all.wrong);
    assert!(all.wrong as f64 / names < 0.05, "{} of {names} are wrong without their rule", all.wrong);
    assert!(all.right as f64 / names > 0.6, "{} of {names} are right without their rule", all.right);
}
