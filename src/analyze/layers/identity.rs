//! Which kernels of two builds or of two steps are the same one, and which could stand in for one another.
//!
//! Names carry what changes with every build, GPU and shape: macro tiles, architectures, hashes, generated numbers. Set
//! aside, what is left names the kernel's author and purpose:
//!
//! | as written | as compared |
//! |---|---|
//! | `Cijk_Alik_Bljk_BBS_BH_Bias_UserArgs_MT64x16x512_MI16x16x1_…_ISA942` | `cijk alik bljk bbs bh bias userargs` |
//! | `triton_red_fused_add_rms_norm_7`, `…_12` | `triton red fused add rms norm` |
//! | `_ZN5aiter24fmoe_bf16_pertokenFp8_g1u1_vs_silu_1tg_32x256E` | `aiter fmoe bf16 pertokenfp8 vs silu` |
//!
//! Data types stay: a kernel for FP8 in the place of one for BF16 is a replacement.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;

use rustc_hash::FxHashMap;

use crate::analyze::layers::fold::GAP;
use crate::classify::{Category, identifiers};

/// Identifiers of a name that are compared.
const IDENTIFIERS: usize = 12;

/// A kernel name as it is compared: see the module.
pub(crate) fn normal(name: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for identifier in identifiers(name).iter().take(IDENTIFIERS) {
        for word in identifier.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
            // From the macro tile on, a Tensile name lists tuning parameters only.
            if is_tile(word) && words.first().is_some_and(|first| first == "cijk") {
                break;
            }
            if tells(word) {
                words.push(word.to_ascii_lowercase());
            }
        }
    }
    if words.is_empty() { name.to_owned() } else { words.join(" ") }
}

/// Tensile's `MT64x16x512`.
fn is_tile(word: &str) -> bool {
    word.strip_prefix("MT").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether a word says what a kernel is, rather than how large, how built or for which GPU.
fn tells(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    if digits == 0 {
        return true;
    }
    is_type(word) || (digits == 1 && word.len() > 4 && !word.starts_with("gfx"))
}

/// Whether a word names a data type, alone (`bf16`, `e4m3`, `i8`) or with others (`a16w16`, `pertokenFp8`).
fn is_type(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let ends_in = |kind: &str, sizes: &[&str]| {
        lower.match_indices(kind).any(|(at, _)| {
            let size: String = lower[at + kind.len()..].chars().take_while(char::is_ascii_digit).collect();
            sizes.contains(&size.as_str())
        })
    };
    const SIZES: [&str; 6] = ["4", "6", "8", "16", "32", "64"];
    let weights = lower.starts_with('a') && ends_in("a", &SIZES) && ends_in("w", &SIZES);
    weights
        || ends_in("fp", &SIZES)
        || ends_in("bf", &["8", "16"])
        || ends_in("int", &SIZES)
        || ["f16", "f32", "f64", "f8", "f4", "i8", "u8", "e4m3", "e5m2"].iter().any(|kind| {
            lower == *kind || lower.strip_prefix(kind).is_some_and(|rest| matches!(rest, "fn" | "fnuz" | "fnu"))
        })
}

/// What is compared of a kernel.
#[derive(Clone, Debug)]
pub(crate) struct Identity<'a> {
    /// Its name, as [`normal`] writes it.
    pub(crate) normal: Cow<'a, str>,
    pub(crate) category: Category,
    pub(crate) sub: &'a str,
    pub(crate) backend: &'a str,
}

/// Kernels as letters of the sequences that steps run: those that are the same one have one letter.
#[derive(Debug)]
pub(crate) struct Alphabet<'a, K> {
    of_kernel: FxHashMap<K, u32>,
    of_identity: HashMap<(String, Category), u32>,
    /// Of each letter the first kernel that had it.
    letters: Vec<(K, Identity<'a>)>,
}

impl<'a, K: Copy + Eq + Hash> Alphabet<'a, K> {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { of_kernel: FxHashMap::default(), of_identity: HashMap::new(), letters: Vec::new() }
    }

    /// The letter of `kernel`, as the caller knows it.
    pub(crate) fn letter(&mut self, kernel: K, identity: impl FnOnce() -> Identity<'a>) -> u32 {
        if let Some(&letter) = self.of_kernel.get(&kernel) {
            return letter;
        }
        let identity = identity();
        let key = (identity.normal.clone().into_owned(), identity.category);
        let letter = *self.of_identity.entry(key).or_insert_with(|| {
            self.letters.push((kernel, identity));
            self.letters.len() as u32 - 1
        });
        self.of_kernel.insert(kernel, letter);
        letter
    }

    /// The first kernel that had the letter.
    pub(crate) fn kernel(&self, letter: u32) -> K {
        self.letters[letter as usize].0
    }

    /// The name that the letter stands for.
    pub(crate) fn normal(&self, letter: u32) -> &str {
        &self.letters[letter as usize].1.normal
    }

    /// The cost of taking one kernel for the other within one run: the same purpose under another name is a variant.
    pub(crate) fn cost(&self, a: u32, b: u32) -> Option<u32> {
        let identity = |letter: u32| &self.letters[letter as usize].1;
        if a == b { Some(0) } else { cost(identity(a), identity(b)).map(|cost| cost.max(1)) }
    }
}

/// The cost of taking one kernel for the other in an alignment; `None`: they do different things.
pub(crate) fn cost(a: &Identity<'_>, b: &Identity<'_>) -> Option<u32> {
    if a.normal == b.normal && a.category == b.category {
        return Some(0);
    }
    if a.category != b.category {
        return None;
    }
    let known = a.sub != "unknown" && b.sub != "unknown";
    match a.category {
        _ if a.sub == b.sub && known => Some(if a.backend == b.backend { 2 } else { 3 }),
        // "Other" holds norms, activations, sampling: of different kinds nothing is alike.
        Category::Other if known => None,
        // Kinds of attention and MoE are steps of one computation: taken for one another rather than left out.
        Category::Attention | Category::Moe if known => Some(2 * GAP - 2),
        _ => Some(GAP - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_architectures_hashes_and_generated_numbers_do_not_count() {
        for (a, b) in [
            (
                "Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_UserArgs_MT64x16x512_MI16x16x1_SN_LDSB1_ISA942",
                "Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_UserArgs_MT256x16x128_MI32x32x1_CMS_SN_ISA950_WGM8",
            ),
            ("triton_red_fused_add_rms_norm_7", "triton_red_fused_add_rms_norm_12"),
            ("_ZN5aiter39mla_a16w16_qh16_m16x4_n16x1_coex0_mask1E", "aiter::mla_a16w16_qh16_m32x1_n16x1_coex0_mask1"),
            ("_gemm_a16w16_kernel_BLOCK_M_16_gfx942.kd", "_gemm_a16w16_kernel_BLOCK_M_64_gfx950"),
            ("void foo::bar<4, 128>(int*)", "foo::bar<8, 64>(int*) [clone .kd]"),
        ] {
            assert_eq!(normal(a), normal(b), "{a}");
        }
    }

    #[test]
    fn purposes_stages_and_data_types_do_count() {
        for (a, b) in [
            ("moe_gemm1_kernel", "moe_gemm2_kernel"),
            ("_gemm_a16w16_kernel", "_gemm_a8w8_kernel"),
            ("rms_norm_bf16", "rms_norm_fp8"),
            ("aiter::mla_decode", "vllm::mla_decode"),
            ("fmoe_bf16_pertokenFp8_g1u1", "fmoe_bf16_pertokenInt8_g1u1"),
        ] {
            assert_ne!(normal(a), normal(b), "{a}");
        }
    }

    #[test]
    fn a_name_of_numbers_alone_stays_as_it_is() {
        assert_eq!(normal("12x34"), "12x34");
    }
}
