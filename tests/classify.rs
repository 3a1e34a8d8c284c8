//! The labels of kernel names, from outside: our own labelled set, and bad input.

use std::time::{Duration, Instant};

use profile_decode::classify::{Classifier, Confidence, Context};
use proptest::prelude::*;

/// Names written from what the libraries' sources and traces say of their naming, both architectures, every backend.
/// Columns: name, category, sub, backend, and where the name tells them dtype and arch.
const KERNELS: &str = include_str!("data/kernels.tsv");

#[test]
fn every_kernel_of_our_own_set_is_labelled_right() {
    let classifier = Classifier::builtin();
    let mut wrong = String::new();
    let mut count = 0;
    for line in KERNELS.lines().skip(1) {
        let [name, category, sub, backend, dtype, arch] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("six columns: {line}");
        };
        let verdict = classifier.classify(name, &Context::default());
        let same = verdict.category.name() == category
            && verdict.sub.as_deref() == Some(sub)
            && verdict.backend == backend
            && (dtype.is_empty() || verdict.dtype.as_deref() == Some(dtype))
            && (arch.is_empty() || verdict.arch.as_deref() == Some(arch));
        if !same {
            wrong += &format!(
                "{name}\n  want {category}/{sub} [{backend}] {dtype} {arch}\n  got  {}/{} [{}] {} {} by {}\n",
                verdict.category.name(),
                verdict.sub.as_deref().unwrap_or("-"),
                verdict.backend,
                verdict.dtype.as_deref().unwrap_or("-"),
                verdict.arch.as_deref().unwrap_or("-"),
                verdict.rule
            );
        }
        count += 1;
    }
    assert!(count >= 250, "{count} names are too few");
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn pathological_names_take_bounded_time() {
    let classifier = Classifier::builtin();
    let mebibyte = 1 << 20;
    let nested = |depth: usize| format!("void f<{}int{}>(int)", "a<".repeat(depth), ">".repeat(depth));
    let mangled = |depth: usize| format!("_Z1f{}i{}v", "I1a".repeat(depth), "E".repeat(depth));
    let names = [
        "a".repeat(mebibyte),
        "_".repeat(mebibyte),
        "a_".repeat(mebibyte / 2),
        "aB".repeat(mebibyte / 2),
        "1".repeat(mebibyte),
        "<".repeat(mebibyte),
        "(".repeat(mebibyte),
        "::".repeat(mebibyte / 2),
        "é".repeat(mebibyte / 2),
        format!("_ZN{}E", "1a".repeat(mebibyte / 2)),
        format!("_Z{}", "9".repeat(mebibyte)),
        format!("_ZN{}", "S_".repeat(mebibyte / 2)),
        format!("_Z1f{}", "PK".repeat(mebibyte / 2)),
        format!("_Z1fI{}EvT_", "Li1E".repeat(mebibyte / 4)),
        format!("Cijk_{}", "MT16x16x16_".repeat(mebibyte / 11)),
        nested(10_000),
        mangled(10_000),
        // Each level names the one before twice: a demangler that prints substitutions grows as 2^n.
        format!("_Z1f{}", (0..60).map(|_| "S_I").collect::<String>()),
        format!("_Z1fI1aE{}", "St4pairIS_S0_E".repeat(1000)),
        "[clone ".repeat(mebibyte / 7),
        "...".repeat(mebibyte / 3),
    ];
    for name in &names {
        let start = Instant::now();
        let verdict = classifier.classify(name, &Context::default());
        let explained = classifier.explain(name, &Context::default());
        let took = start.elapsed();
        assert_eq!(verdict, explained.verdict);
        assert!(took < Duration::from_millis(500), "{took:?} for {}…", &name[..name.floor_char_boundary(24)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_classified_without_panic(text in any::<String>()) {
        let _ = Classifier::builtin().classify(&text, &Context::default());
    }

    #[test]
    fn any_bytes_are_classified_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Classifier::builtin().explain(&String::from_utf8_lossy(&bytes), &Context::default());
    }

    /// Text made of what names are made of reaches further into the readers than random text does.
    #[test]
    fn any_heap_of_name_parts_is_classified_without_panic(
        parts in proptest::collection::vec(prop_oneof![
            "_Z|_ZN|_ZL|N|E|I|J|L|X|S_|S1_|St|T_|Tn|Li|Lb1E|DF16b|DF16_|DB8_|u6__bf16|Ul|Z|A16_|Dp|Dv4_",
            "[0-9]{1,4}", "[a-zA-Z_]{1,8}", "<|>|::|\\(|\\)|, | |\\(anonymous namespace\\)|\\{lambda#1\\}|é",
            "kentry|Cijk_|MI16x16|MT16x16x|x|_BLOCK_SIZE_M_|a8w8|gfx|\\.kd|\\.\\.\\.| \\[clone \\.kd\\]|SK|GSU"
        ], 0..40)
    ) {
        let name = parts.concat();
        let verdict = Classifier::builtin().classify(&name, &Context::default());
        // The verdict is a function of the name and the context.
        prop_assert_eq!(verdict, Classifier::builtin().classify(&name, &Context::default()));
    }

    /// A cut name may be known less well than the whole, but cutting never panics.
    #[test]
    fn every_prefix_of_a_name_is_classified_without_panic(line in 1_usize..250, cut in 0_usize..400) {
        let name = KERNELS.lines().nth(line).and_then(|line| line.split('\t').next()).unwrap_or("");
        let prefix = &name[..name.floor_char_boundary(cut)];
        let cut = Classifier::builtin().classify(&format!("{prefix}..."), &Context::default());
        prop_assert!(cut.confidence <= Confidence::Medium);
    }
}
