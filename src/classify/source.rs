//! What the file says that a kernel's source stands in.
//!
//! A name may say nothing (`_kv_kernel`, `kernel`) or use a word of another trade (`topk` in a sampler). The file knows
//! its domain: `vllm/model_executor/layers/fused_moe/router/x.py` holds what routes tokens to experts. The words that tell
//! domains are data (`rules/sources.rules`), with what the kernels of each may be: a name refines its domain, and is
//! overruled where it says what no kernel of the domain does. Where neither speaks, the file's own name is read as if it
//! were a kernel's.

use std::collections::HashMap;
use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::mistake::{Mistake, RuleError};
use super::table::{self, Purpose};
use super::verdict::Category;
use super::words;
use crate::model::in_package;

/// The domains that come with the program.
static BUILTIN: LazyLock<Vocabulary> =
    // A test holds the table to its own language; a library that lives in other people's processes does not panic.
    LazyLock::new(|| parse(include_str!("rules/sources.rules")).unwrap_or_default());

/// How many parts of a path are read, the file's name first: what stands further out is the package or the user's folder.
const PARTS: usize = 5;

/// What a family of files holds.
#[derive(Debug)]
pub(super) struct Domain {
    pub(super) name: String,
    /// What its kernels are where their names tell nothing.
    pub(super) purpose: Purpose,
    keep: Vec<Kept>,
    translations: Vec<(Kept, Purpose)>,
}

/// A category, or one kind of it; `None` is anything.
#[derive(Debug)]
struct Kept {
    category: Option<Category>,
    sub: Option<String>,
}

impl Kept {
    fn holds(&self, purpose: &Purpose) -> bool {
        self.category.is_none_or(|category| category == purpose.category)
            && self.sub.as_ref().is_none_or(|sub| *sub == purpose.sub)
    }
}

/// What becomes of that which a name says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Judged<'a> {
    /// Kernels of the domain do that.
    Kept,
    /// In the domain the same word means this.
    Means(&'a Purpose),
    /// No kernel of the domain does that.
    Foreign,
}

impl Domain {
    /// What `purpose`, told by a name, is in this domain.
    pub(super) fn judge(&self, purpose: &Purpose) -> Judged<'_> {
        if let Some((_, meant)) = self.translations.iter().find(|(from, _)| from.holds(purpose)) {
            return Judged::Means(meant);
        }
        if self.keep.iter().any(|kept| kept.holds(purpose)) { Judged::Kept } else { Judged::Foreign }
    }
}

#[derive(Default, Debug)]
struct Vocabulary {
    domains: Vec<Domain>,
    /// The first domain that a word tells.
    words: FxHashMap<Box<[u8]>, usize>,
}

/// The domain that `path` tells, if any.
pub(super) fn domain(path: &str) -> Option<&'static Domain> {
    let vocabulary = &*BUILTIN;
    parts(path).find_map(|part| {
        let mut first: Option<usize> = None;
        words::each(part, |word| {
            if let Some(&domain) = vocabulary.words.get(word) {
                first = Some(first.map_or(domain, |first| first.min(domain)));
            }
        });
        vocabulary.domains.get(first?)
    })
}

/// The parts of a path, the innermost first, without the file's extension.
pub(super) fn parts(path: &str) -> impl Iterator<Item = &str> {
    let own = in_package(path).unwrap_or(path);
    let mut parts = own.rsplit('/').filter(|part| !part.is_empty());
    let file = parts.next().map(|file| file.split('.').next().unwrap_or(file));
    file.into_iter().chain(parts).take(PARTS)
}

/// Who writes such files, by extension and folder; `None` where several do.
pub(super) fn backend(path: &str) -> Option<&'static str> {
    let says = |word: &str| parts(path).any(|part| part.to_ascii_lowercase().contains(word));
    let extension = path.rsplit('/').next()?.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        // tokenspeed-kernel-amd holds Gluon and hardly any Triton: 62 of 66 kernels.
        "py" if path.contains("tokenspeed_kernel_amd/") => Some("gluon"),
        "py" => [("flydsl", "flydsl"), ("gluon", "gluon"), ("tilelang", "tilelang"), ("triton", "triton")]
            .into_iter()
            .find(|(word, _)| says(word))
            .map(|(_, backend)| backend),
        "cu" | "cuh" | "hip" | "hpp" | "cpp" | "h" => Some("hip"),
        "s" | "S" | "co" => Some("asm"),
        _ => None,
    }
}

/// Reads a table of domains; the first mistake otherwise.
fn parse(text: &str) -> Result<Vocabulary, RuleError> {
    let mut vocabulary = Vocabulary::default();
    let mut names = HashMap::new();
    for (index, raw) in text.lines().enumerate() {
        let line = raw.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = |mistake: Mistake| RuleError { line: index + 1, mistake };
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if let Some(first) = names.insert(name.to_owned(), index + 1) {
                return Err(at(Mistake::SameId { id: name.to_owned(), first }));
            }
            let purpose = Purpose { category: Category::Other, sub: String::new(), secondary: None };
            vocabulary.domains.push(Domain {
                name: name.to_owned(),
                purpose,
                keep: Vec::new(),
                translations: Vec::new(),
            });
            continue;
        }
        let (key, value) = line.split_once(char::is_whitespace).ok_or_else(|| at(Mistake::NoValue(line.to_owned())))?;
        let number = vocabulary.domains.len().checked_sub(1).ok_or_else(|| at(Mistake::NoRule(key.to_owned())))?;
        let domain = &mut vocabulary.domains[number];
        match key {
            "path" => {
                for word in value.split_whitespace() {
                    vocabulary.words.entry(word.as_bytes().into()).or_insert(number);
                }
            }
            "is" => domain.purpose = table::purpose_of(value.trim()).map_err(at)?,
            "keep" => {
                for kept in value.split_whitespace() {
                    domain.keep.push(kept_of(kept).map_err(at)?);
                }
            }
            "as" => {
                let (from, to) = value.trim().split_once(char::is_whitespace).ok_or_else(|| at(Mistake::As))?;
                let to = table::purpose_of(to.trim()).map_err(at)?;
                domain.translations.push((kept_of(from).map_err(at)?, to));
            }
            _ => return Err(at(Mistake::UnknownKey { key: key.to_owned(), known: "path, is, keep, as" })),
        }
    }
    Ok(vocabulary)
}

fn kept_of(text: &str) -> Result<Kept, Mistake> {
    if text == "*" {
        return Ok(Kept { category: None, sub: None });
    }
    let (category, sub) = match text.split_once('/') {
        Some((category, sub)) => (category, Some(sub.to_owned())),
        None => (text, None),
    };
    Ok(Kept { category: Some(table::category_of(category)?), sub })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_domains_reads_without_a_mistake_and_each_tells_a_kind() {
        let vocabulary = parse(include_str!("rules/sources.rules")).unwrap();
        assert!(vocabulary.domains.len() > 10);
        for domain in &vocabulary.domains {
            assert!(!domain.purpose.sub.is_empty() && !domain.keep.is_empty(), "{}", domain.name);
            assert!(vocabulary.words.values().any(|&at| vocabulary.domains[at].name == domain.name), "{}", domain.name);
            assert_ne!(domain.judge(&domain.purpose), Judged::Foreign, "{}", domain.name);
        }
        assert!(parse("is gemm/=").is_err() && parse("[a]\nkeep zork").is_err() && parse("[a]\n[a]").is_err());
    }

    #[test]
    fn the_innermost_part_of_a_path_that_tells_a_domain_decides() {
        for (path, name) in [
            ("vllm/model_executor/layers/fused_moe/router/x.py", Some("router")),
            ("vllm/model_executor/layers/fused_moe/utils.py", Some("moe")),
            ("/usr/lib/python3.12/site-packages/vllm/v1/sample/rejection_sampler.py", Some("sampling")),
            ("python/sglang/srt/layers/attention/fla/chunk.py", Some("ssm")),
            ("python/sglang/srt/layers/attention/dsa/indexer.py", Some("indexer")),
            ("vllm/distributed/kv_transfer/kv_connector/v1/x.py", Some("kv")),
            ("csrc/custom_all_reduce.cuh", Some("comm")),
            ("x/y/z.py", None),
            ("", None),
        ] {
            assert_eq!(domain(path).map(|domain| domain.name.as_str()), name, "{path}");
        }
    }
}
