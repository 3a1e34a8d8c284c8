//! The catalogue that comes with the program: names of public packages that tell less than their files do.
//!
//! An [`Index`] of vLLM, SGLang, flash-linear-attention, aiter, ATOM, TokenSpeed, FlyDSL, mori and DeepEP, of which only those
//! names were kept whose file tells what the name does not ([`Classifier::catalogue_of`](super::Classifier::catalogue_of)):
//! what they are for, or who makes them. It has facts only, package, version, file and name; what a file's kernels do is told
//! by the vocabulary of paths (`rules/sources.rules`) when a name is asked for. It is made again with
//!
//! ```text
//! profile-decode index --for-catalogue DIR... -o src/classify/rules/catalogue.idx
//! ```
//!
//! The packages that it was made of need not be those that a user runs: names of one common word (`_topk_kernel`) are left out,
//! as are those that several files have for different purposes, and those of which name and file disagree. An index of the
//! user's own installation is asked first.

use std::sync::{Arc, LazyLock};

use super::index::{Index, IndexedFile};
use super::name::Name;
use super::words;

/// Read once a process.
static BUILTIN: LazyLock<Arc<Index>> =
    // A test holds it to its format; a library that lives in other people's processes does not panic.
    LazyLock::new(|| Arc::new(Index::parse(include_str!("rules/catalogue.idx")).unwrap_or_default()));

/// The catalogue.
pub(super) fn builtin() -> Arc<Index> {
    Arc::clone(&BUILTIN)
}

/// Words that kernels of any trade have in their names.
const COMMON: [&str; 22] = [
    "kernel", "kernels", "fwd", "bwd", "forward", "backward", "fused", "triton", "gluon", "impl", "main", "stage1",
    "stage2", "v1", "v2", "v3", "bf16", "fp16", "fp8", "fp32", "small", "large",
];

/// The length from which a single word is no common one.
const LONG: usize = 12;

/// Whether a kernel of another package is hardly called `name` too: it has two words that are not common, or a long one.
pub(super) fn is_telling(name: &str) -> bool {
    let name = Name::parse(name);
    let parts = words::parts(words::stem_and_tail(name.base).0);
    let telling: Vec<&str> =
        parts.filter(|part| part.len() > 1 && !COMMON.contains(&part.to_ascii_lowercase().as_str())).collect();
    telling.len() > 1 || telling.first().is_some_and(|part| part.len() >= LONG)
}

/// `files` with only the kernels that `keep` says yes to.
pub(super) fn keeping(files: &[IndexedFile], mut keep: impl FnMut(&IndexedFile, &str) -> bool) -> Vec<IndexedFile> {
    let mut kept = files.to_vec();
    for (kept, file) in kept.iter_mut().zip(files) {
        kept.kernels.retain(|name| keep(file, name));
        kept.namespaces.retain(|_| !kept.kernels.is_empty());
    }
    kept.retain(|file| !file.kernels.is_empty());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::{Category, Classifier, Context};

    #[test]
    fn the_catalogue_reads_and_names_its_packages() {
        let index = Index::parse(include_str!("rules/catalogue.idx")).unwrap();
        assert!(index.names() > 300, "{}", index.names());
        assert!(index.files().iter().all(|file| !file.package.is_empty() && !file.file.starts_with('/')));
        assert!(index.files().iter().flat_map(|file| &file.kernels).all(|name| is_telling(name)));
    }

    #[test]
    fn a_name_of_common_words_is_nobodys() {
        for common in ["_topk_kernel", "kernel", "_fused_remap_kernel_v2", "main_kernel", "", "_a_b_kernel"] {
            assert!(!is_telling(common), "{common}");
        }
        for telling in ["_gather_rows_kernel", "_gemma4_router", "_complicatedword_kernel"] {
            assert!(is_telling(telling), "{telling}");
        }
    }

    #[test]
    fn the_catalogue_is_asked_last_and_only_where_it_was_asked_for() {
        let name = "_zork_blorp_kernel";
        let file = |path: &str| IndexedFile {
            package: "acme".into(),
            file: path.into(),
            kernels: vec![name.into()],
            ..IndexedFile::default()
        };
        let of = |classifier: &Classifier| classifier.classify(name, &Context::default()).category;
        let catalogue = Index::new(vec![file("acme/fused_moe/x.py")]);
        let classifier = Classifier::builtin();
        assert_eq!(of(&classifier), Category::Other);
        let classifier = classifier.knowing(catalogue);
        assert_eq!(of(&classifier), Category::Moe);
        let classifier = classifier.with_index(Index::new(vec![file("acme/attention/mla/x.py")]));
        assert_eq!(of(&classifier), Category::Attention);
    }

    #[test]
    fn only_what_a_file_tells_and_a_name_does_not_is_worth_a_line() {
        let file = |path: &str, kernels: &[&str]| IndexedFile {
            package: "acme".into(),
            file: path.into(),
            language: Some("triton".into()),
            kernels: kernels.iter().map(|&name| name.to_owned()).collect(),
            ..IndexedFile::default()
        };
        let files = [
            file(
                "acme/fused_moe/router/x.py",
                &["_zork_blorp_kernel", "_topk", "_both_sides_kernel", "_gemma_rmsnorm_kernel"],
            ),
            file("acme/attention/mla/x.py", &["_both_sides_kernel"]),
            file("acme/zork.py", &["_blorp_zork_kernel"]),
        ];
        let kept = Classifier::builtin().catalogue_of(&Index::new(files.to_vec()));
        let names: Vec<&str> = kept.files().iter().flat_map(|file| &file.kernels).map(String::as_str).collect();
        assert_eq!(names, ["_zork_blorp_kernel"]);
    }
}
