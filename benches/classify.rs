//! How many distinct names a second one core classifies.
//!
//! `cargo bench --bench classify`. The names are those of `tests/data/kernels.tsv`; where the shared corpus of labelled
//! names is present (`../shared`, or `PROFILE_DECODE_SHARED`), its 3,500 names are measured too: they are the lengths
//! and spellings of real traces.

use divan::counter::ItemsCount;
use profile_decode::classify::{Classifier, Context};

#[path = "../tests/common/mod.rs"]
mod common;

fn main() {
    divan::main();
}

fn own() -> Vec<String> {
    column(include_str!("../tests/data/kernels.tsv"))
}

fn column(table: &str) -> Vec<String> {
    table.lines().skip(1).filter_map(|line| line.split('\t').next()).map(str::to_owned).collect()
}

fn classify_all(bencher: divan::Bencher<'_, '_>, classifier: &Classifier, names: &[String]) {
    let context = Context::default();
    bencher.counter(ItemsCount::new(names.len())).bench_local(|| {
        for name in names {
            divan::black_box(classifier.classify(divan::black_box(name), &context));
        }
    });
}

#[divan::bench]
fn own_set(bencher: divan::Bencher<'_, '_>) {
    classify_all(bencher, &Classifier::builtin(), &own());
}

#[divan::bench]
fn shared_corpus(bencher: divan::Bencher<'_, '_>) {
    let Some(shared) = common::shared() else { return };
    let table = std::fs::read_to_string(shared.join("kernels/dev.tsv")).expect("the corpus can be read");
    classify_all(bencher, &Classifier::builtin(), &column(&table));
}

/// The same with the look-up in the catalogue, as the program does it.
#[divan::bench]
fn shared_corpus_with_catalogue(bencher: divan::Bencher<'_, '_>) {
    let Some(shared) = common::shared() else { return };
    let table = std::fs::read_to_string(shared.join("kernels/dev.tsv")).expect("the corpus can be read");
    classify_all(bencher, &Classifier::builtin().with_catalogue(), &column(&table));
}

/// What a report pays for the catalogue, read once a process.
#[divan::bench]
fn take_the_catalogue() -> Classifier {
    Classifier::builtin().with_catalogue()
}

/// What a server's first report pays for the table.
#[divan::bench]
fn compile_the_rules() -> Classifier {
    Classifier::builtin()
}
