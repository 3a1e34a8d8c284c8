//! The labels held against the shared corpus of 3,522 names, and against the kernels of real traces by their time.
//!
//! Skipped, visibly, where the shared facts are absent; `tests/classify.rs` holds a set of our own that never skips.

#![allow(
    clippy::print_stdout,
    reason = "the confusion table and what was skipped are for the reader of the test's output"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use profile_decode::classify::{Classifier, Confidence, Context, Verdict};

mod common;

/// A labelled name.
struct Row {
    name: String,
    category: String,
    sub: String,
    backend: String,
    certain: bool,
    /// The kernel that it is a spelling of, and how it was spelt.
    id: String,
    form: String,
    /// Where it is defined: `repository:path`.
    provenance: String,
    /// Other labels that count as right.
    arguable: Vec<String>,
}

fn corpus(file: &str) -> Option<Vec<Row>> {
    let text = std::fs::read_to_string(common::shared()?.join("kernels").join(file)).expect("the corpus can be read");
    let rows = text.lines().skip(1).map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let arguable = ["arguable:", "also:"].into_iter().flat_map(|mark| columns[9].split(mark).skip(1));
        Row {
            name: columns[0].to_owned(),
            category: columns[1].to_owned(),
            sub: columns[2].to_owned(),
            backend: columns[3].to_owned(),
            certain: columns[8] == "certain",
            id: columns[10].to_owned(),
            form: columns[11].to_owned(),
            provenance: columns[7].to_owned(),
            arguable: arguable.map(|rest| rest.split(';').next().unwrap_or("").trim().to_owned()).collect(),
        }
    });
    Some(rows.collect())
}

fn classify(name: &str) -> Verdict {
    thread_local!(static CLASSIFIER: Classifier = Classifier::builtin());
    CLASSIFIER.with(|classifier| classifier.classify(name, &Context::default()))
}

impl Row {
    fn category_right(&self, verdict: &Verdict) -> bool {
        verdict.category.name() == self.category || self.arguably(verdict.category.name())
    }

    fn sub_right(&self, verdict: &Verdict) -> bool {
        let sub = verdict.sub.as_deref().unwrap_or("");
        sub == self.sub || (!sub.is_empty() && self.arguably(sub)) || verdict.category.name() != self.category
    }

    /// The file that defines it, where that is known.
    fn source(&self) -> Option<&str> {
        self.provenance.split_once(':').map(|(_, path)| path).filter(|path| path.contains('/'))
    }

    fn arguably(&self, label: &str) -> bool {
        self.arguable.iter().any(|arguable| arguable.contains(label))
    }
}

#[test]
fn the_shared_corpus_is_labelled_right() {
    let Some(rows) = corpus("dev.tsv") else { return };
    let mut confusion: BTreeMap<(String, String), usize> = BTreeMap::new();
    let (mut category, mut backend, mut sub, mut certain) = (0, 0, 0, 0);
    let mut cells: BTreeMap<(String, String, String), (usize, usize)> = BTreeMap::new();
    let mut wrong = String::new();
    for row in &rows {
        let verdict = classify(&row.name);
        let category_right = row.category_right(&verdict);
        let backend_right = verdict.backend == row.backend;
        let sub_right = category_right && row.sub_right(&verdict);
        category += usize::from(category_right);
        backend += usize::from(backend_right);
        certain += usize::from(row.certain);
        sub += usize::from(row.certain && sub_right);
        *confusion.entry((row.category.clone(), verdict.category.name().to_owned())).or_default() += 1;
        let cell = cells.entry((row.category.clone(), row.sub.clone(), row.backend.clone())).or_default();
        cell.0 += usize::from(category_right && backend_right && sub_right);
        cell.1 += 1;
        if !(category_right && backend_right && (sub_right || !row.certain)) {
            let got = format!("{}/{} [{}]", verdict.category.name(), verdict.sub.unwrap_or_default(), verdict.backend);
            let name: String = row.name.chars().take(100).collect();
            let _ = writeln!(
                wrong,
                "{name}\n    want {}/{} [{}], got {got} by {}",
                row.category, row.sub, row.backend, verdict.rule
            );
        }
    }
    print_confusion(&confusion);
    let share = |right: usize, of: usize| right as f64 / of as f64;
    let macro_average = cells.values().map(|&(right, of)| share(right, of)).sum::<f64>() / cells.len() as f64;
    let (category, backend, sub) = (share(category, rows.len()), share(backend, rows.len()), share(sub, certain));
    println!("category {category:.4}, backend {backend:.4}, sub {sub:.4} of {} names", rows.len());
    println!("all three, averaged over {} cells: {macro_average:.4}", cells.len());
    print!("{wrong}");
    assert!(category >= 0.995 && backend >= 0.99 && sub >= 0.98, "category {category}, backend {backend}, sub {sub}");
    assert!(macro_average >= 0.98, "averaged over cells: {macro_average}");
}

fn print_confusion(confusion: &BTreeMap<(String, String), usize>) {
    let names: BTreeSet<&String> = confusion.keys().flat_map(|(want, got)| [want, got]).collect();
    print!("{:>14}", "want \\ got");
    for got in &names {
        print!("{got:>14}");
    }
    println!();
    for want in &names {
        print!("{want:>14}");
        for got in &names {
            print!("{:>14}", confusion.get(&((*want).clone(), (*got).clone())).copied().unwrap_or(0));
        }
        println!();
    }
}

/// Mangled, demangled, with `.kd` and with `[clone …]`: rows of one id are one kernel.
#[test]
fn the_spellings_of_one_kernel_get_one_verdict() {
    let Some(rows) = corpus("dev.tsv") else { return };
    let mut kernels: BTreeMap<&str, Vec<(&str, Verdict)>> = BTreeMap::new();
    // What a tool cut off is not known from what is left.
    for row in rows.iter().filter(|row| !matches!(row.form.as_str(), "prefix" | "truncated")) {
        let verdict = Verdict { rule: "".into(), confidence: Confidence::Low, ..classify(&row.name) };
        kernels.entry(&row.id).or_default().push((&row.name, verdict));
    }
    let several: Vec<_> = kernels.values().filter(|spellings| spellings.len() > 1).collect();
    assert!(several.len() > 500, "{} kernels in several spellings", several.len());
    for spellings in several {
        for (name, verdict) in spellings {
            assert_eq!(*verdict, spellings[0].1, "{name}\nand\n{}", spellings[0].0);
        }
    }
}

/// How names fared.
#[derive(Clone, Copy, Default)]
struct Fate {
    right: usize,
    unknown: usize,
    wrong: usize,
}

impl Fate {
    fn add(&mut self, row: &Row, verdict: &Verdict) {
        if verdict.is_unknown() {
            self.unknown += 1;
        } else if row.category_right(verdict) {
            self.right += 1;
        } else {
            self.wrong += 1;
        }
    }

    /// Which shares are right, unknown, wrong.
    fn shares(self) -> [f64; 3] {
        let all = (self.right + self.unknown + self.wrong).max(1) as f64;
        [self.right, self.unknown, self.wrong].map(|names| names as f64 / all)
    }
}

/// How the newer names fare, with the file that defines them or without: certain rows, arguable rows, and of the certain
/// rows the shares whose backend and whose sub are right.
fn newer(rows: &[&Row], with_source: bool) -> (Fate, Fate, f64, f64) {
    let classifier = Classifier::builtin();
    let (mut certain, mut arguable, mut backend, mut sub, mut count) = (Fate::default(), Fate::default(), 0, 0, 0);
    for row in rows {
        let context = Context { source: row.source().filter(|_| with_source), ..Context::default() };
        let verdict = classifier.classify(&row.name, &context);
        if row.certain {
            certain.add(row, &verdict);
            count += 1;
            backend += usize::from(verdict.backend == row.backend);
            sub += usize::from(row.category_right(&verdict) && row.sub_right(&verdict));
        } else {
            arguable.add(row, &verdict);
        }
    }
    let share = |right: usize| right as f64 / f64::from(count);
    (certain, arguable, share(backend), share(sub))
}

/// Names of the autumn of 2026, by themselves and with the path of the file that defines them.
#[test]
fn newer_names_are_labelled_right_and_better_with_their_file() {
    let Some(rows) = corpus("dev-2026-11.tsv") else { return };
    let all: Vec<&Row> = rows.iter().collect();
    let with_file: Vec<&Row> = rows.iter().filter(|row| row.source().is_some()).collect();
    let mut told = Vec::new();
    for (what, rows, with_source) in [("by name", &all, false), ("with the file", &with_file, true)] {
        let (certain, arguable, backend, sub) = newer(rows, with_source);
        let [right, unknown, wrong] = certain.shares();
        println!("{what}: certain right {right:.3}, unknown {unknown:.3}, wrong {wrong:.3} of {}", rows.len());
        println!("    backend {backend:.3}, sub {sub:.3}; arguable wrong {:.3}", arguable.shares()[2]);
        told.push((certain.shares(), arguable.shares()[2], backend, sub));
    }
    let [([right, _, wrong], arguable, _, sub), ([file_right, _, file_wrong], _, file_backend, file_sub)] = told[..]
    else {
        panic!("two kinds of evidence");
    };
    assert!(right >= 0.93 && wrong <= 0.015 && arguable <= 0.05 && sub >= 0.85, "by name");
    assert!(file_right >= 0.98 && file_wrong <= 0.005 && file_backend >= 0.97 && file_sub >= 0.85, "with the file");
}

/// What the catalogue adds to names alone, its hits apart. Its packages are those that the names are from, so this tells that it
/// finds them and reads them right, not how it does on others.
#[test]
fn the_catalogue_tells_of_names_that_tell_nothing() {
    let Some(rows) = corpus("dev-2026-11.tsv") else { return };
    let classifier = Classifier::builtin().with_catalogue();
    let (mut hits, mut others, mut backend) = (Fate::default(), Fate::default(), 0);
    let certain: Vec<&Row> = rows.iter().filter(|row| row.certain).collect();
    for row in &certain {
        let verdict = classifier.classify(&row.name, &Context::default());
        let fate = if verdict.rule.contains("by catalogue") { &mut hits } else { &mut others };
        fate.add(row, &verdict);
        backend += usize::from(verdict.backend == row.backend);
    }
    for (what, fate) in [("hits", hits), ("others", others)] {
        println!("catalogue, {what}: right {}, unknown {}, wrong {}", fate.right, fate.unknown, fate.wrong);
    }
    let backend = backend as f64 / certain.len() as f64;
    println!("catalogue: backend {backend:.3}");
    assert!(hits.right > 10 && hits.wrong * 50 <= hits.right, "hits");
    assert!(others.wrong as f64 / certain.len() as f64 <= 0.015 && backend >= 0.95, "others");
}

/// Each repository's rules are dropped in turn and its names asked again: they stand for a repository that nobody has
/// looked at.
#[test]
fn the_names_of_a_repository_without_its_rules_are_rather_unknown_than_wrong() {
    let Some(rows) = corpus("dev-2026-11.tsv") else { return };
    let builtin = Classifier::builtin();
    let mut all = [Fate::default(); 2];
    println!("{:<12}{:>24}{:>24}", "repository", "name: right ? wrong", "file: right ? wrong");
    for repository in
        ["vllm", "sglang", "aiter", "ATOM", "FlyDSL", "tokenspeed", "flash-linear-attention", "ggml", "Primus"]
    {
        let word = if repository == "flash-linear-attention" { "FLA" } else { repository };
        let dropped = |rule: &profile_decode::classify::Rule| {
            rule.source.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|part| part == word.to_lowercase())
        };
        let without = builtin.retaining(|rule| !dropped(rule));
        let mut fates = [Fate::default(); 2];
        for row in rows.iter().filter(|row| row.certain && row.provenance.contains(repository)) {
            for (at, source) in [None, row.source()].into_iter().enumerate() {
                fates[at].add(row, &without.classify(&row.name, &Context { source, ..Context::default() }));
            }
        }
        print!("{repository:<12.12}");
        for (all, fate) in all.iter_mut().zip(fates) {
            print!("{:>12}{:>6}{:>6}", fate.right, fate.unknown, fate.wrong);
            all.right += fate.right;
            all.unknown += fate.unknown;
            all.wrong += fate.wrong;
        }
        println!();
    }
    for (what, fate) in ["by name", "with the file"].into_iter().zip(all) {
        let [right, unknown, wrong] = fate.shares();
        println!("{what}: right {right:.3}, unknown {unknown:.3}, wrong {wrong:.3}");
        assert!(wrong <= 0.02 && right >= 0.85, "{what}");
    }
}

/// Each rule is dropped in turn and the names that it decided are asked again: they stand for kernels that nobody has
/// written a rule for. Right is best, unknown is honest, wrong is what a reader would believe.
#[test]
fn a_name_without_its_rule_is_rather_unknown_than_wrong() {
    let Some(rows) = corpus("dev.tsv") else { return };
    let builtin = Classifier::builtin();
    let mut decided: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in &rows {
        let rule = classify(&row.name).rule.split(", ").next().unwrap_or_default().to_owned();
        decided.entry(rule).or_default().push(row);
    }
    let mut families: BTreeMap<&str, Fate> = BTreeMap::new();
    for (rule, rows) in &decided {
        let without = builtin.retaining(|kept| kept.id != *rule);
        let fate = families.entry(rule.split('.').next().unwrap_or(rule)).or_default();
        for row in rows {
            fate.add(row, &without.classify(&row.name, &Context::default()));
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
    println!("{:<14}{:>8}{:>8}{:>8}", "all", all.right, all.unknown, all.wrong);
    let share = |names: usize| names as f64 / rows.len() as f64;
    assert!(share(all.wrong) < 0.05, "{} of {} are wrong without their rule", all.wrong, rows.len());
    assert!(share(all.right) > 0.65, "{} of {} are right without their rule", all.right, rows.len());
}

#[test]
fn every_pitfall_is_avoided() {
    let Some(rows) = corpus("dev.tsv") else { return };
    let shared = common::shared().expect("the corpus is there");
    let pitfalls = std::fs::read_to_string(shared.join("kernels/pitfalls.tsv")).expect("the pitfalls can be read");
    let mut count = 0;
    for name in pitfalls.lines().skip(1).filter_map(|line| line.split('\t').next()) {
        let row = rows.iter().find(|row| row.name == name).expect("each pitfall is a row of the corpus");
        let verdict = classify(name);
        let right = row.category_right(&verdict) && row.sub_right(&verdict) && verdict.backend == row.backend;
        assert!(right, "{name}: want {}/{} [{}], got {verdict:?}", row.category, row.sub, row.backend);
        count += 1;
    }
    assert!(count >= 40, "{count} pitfalls");
}

#[test]
fn hardly_any_gpu_time_of_the_server_traces_is_unknown() {
    let Some(shared) = common::shared() else { return };
    for trace in [
        "kineto_vllm_decode_full_mi300x/graph_execution.json.gz",
        "kineto_sglang_prefilldecode_mi300x/sglang_Qwen3-8B_prefilldecode.json.gz",
        "rpd_vllm_decode_mi300x/mytrace.rpd.gz",
    ] {
        let path = shared.join("traces/truth/dev").join(format!("{trace}.oracle.json"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let truth: serde_json::Value = serde_json::from_str(&text).expect("the truth is JSON");
        let kernels = truth["per_kernel"].as_array().expect("per_kernel is a list");
        let times = kernels.iter().map(|kernel| {
            (kernel["name"].as_str().expect("a name").to_owned(), kernel["total_ns"].as_f64().expect("a time"))
        });
        assert_known(trace, times);
    }
    // `rocprofv3 --stats`: Name, Calls, TotalDurationNs, …, names quoted.
    let stats = shared.join("traces/dev/rocprofv3_stats_vllm_qwen3vl_decode/44371_kernel_stats.csv");
    let text = std::fs::read_to_string(stats).expect("the stats can be read");
    let times = text.lines().skip(1).map(|line| {
        let (name, rest) = line.strip_prefix('"').and_then(|line| line.split_once("\",")).expect("a quoted name");
        (name.to_owned(), rest.split(',').nth(1).and_then(|ns| ns.parse().ok()).expect("a total"))
    });
    assert_known("rocprofv3_stats_vllm_qwen3vl_decode", times);
}

fn assert_known(trace: &str, times: impl Iterator<Item = (String, f64)>) {
    let (mut total, mut unknown, mut names) = (0.0, 0.0, Vec::new());
    for (name, ns) in times {
        total += ns;
        if classify(&name).is_unknown() {
            unknown += ns;
            names.push(name);
        }
    }
    println!("{trace}: {:.3} % of GPU time unknown {names:?}", unknown / total * 100.0);
    assert!(total > 0.0 && unknown / total < 0.005, "{trace}: {names:?}");
}
