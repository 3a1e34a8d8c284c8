//! The words that an identifier is made of.
//!
//! Rules ask for words, never for substrings: `conv` is a word of `conv_fwd` and not of `convert_element`, `roll` is
//! none of `manual_unroll`. An identifier is split at underscores and changes of case into *units*
//! (`topkGatingSoftmax`: `topk`, `gating`, `softmax`). Beside each unit the rules see
//!
//! * what stands between two underscores as a whole (`i8gemm`, `w8a8`),
//! * each unit split where digits begin and end (`f4gemm`: `f`, `4`, `gemm`), and
//! * each two neighbours joined, so that `rms_norm`, `RmsNorm` and `rmsnorm` are all `rmsnorm`.

/// Words longer than this are not words.
const LONGEST: usize = 48;
/// How many units of one identifier are looked at: names with more have long said what they are.
const MOST: usize = 48;

/// Calls `found` with every word of `identifier`, in lower case. A word may come more than once.
pub(super) fn each(identifier: &str, mut found: impl FnMut(&str)) {
    let mut previous = Word::default();
    let mut budget = MOST;
    for part in identifier.split('_') {
        let mut several = false;
        for unit in Units(part) {
            if budget == 0 {
                return;
            }
            budget -= 1;
            several |= unit.len() < part.len();
            let word = Word::of(unit);
            found(word.as_str());
            digits(unit, &mut found);
            if !previous.is_empty() {
                let mut joined = previous;
                joined.push(word.as_str());
                found(joined.as_str());
            }
            previous = word;
        }
        if several {
            found(Word::of(part).as_str());
        }
    }
}

/// The runs of letters and digits of `unit`, where there is more than one.
fn digits(unit: &str, found: &mut impl FnMut(&str)) {
    let bytes = unit.as_bytes();
    let mut from = 0;
    for at in 1..=bytes.len() {
        let ends = at == bytes.len() || bytes[at].is_ascii_digit() != bytes[at - 1].is_ascii_digit();
        if ends && (from > 0 || at < bytes.len()) && !bytes[from].is_ascii_digit() {
            found(Word::of(&unit[from..at]).as_str());
        }
        if ends {
            from = at;
        }
    }
}

/// Splits what stands between underscores at changes of case.
struct Units<'a>(&'a str);

impl<'a> Iterator for Units<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let bytes = self.0.as_bytes();
        if bytes.is_empty() {
            return None;
        }
        let mut end = bytes.len();
        for at in 1..bytes.len() {
            let after_small = !bytes[at - 1].is_ascii_uppercase();
            let before_small = bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
            if bytes[at].is_ascii_uppercase() && (after_small || before_small) {
                end = at;
                break;
            }
        }
        let (unit, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(unit)
    }
}

/// A lower-case word on the stack.
#[derive(Clone, Copy)]
pub(super) struct Word {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Default for Word {
    fn default() -> Self {
        Self { bytes: [0; LONGEST], len: 0 }
    }
}

impl Word {
    /// `text` in lower case, or nothing where it is too long to be a word.
    pub(super) fn of(text: &str) -> Self {
        let mut word = Self::default();
        word.push(text);
        word
    }

    fn push(&mut self, text: &str) {
        if self.len + text.len() > LONGEST {
            self.len = 0;
            return;
        }
        for (to, from) in self.bytes[self.len..].iter_mut().zip(text.bytes()) {
            *to = from.to_ascii_lowercase();
        }
        self.len += text.len();
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The word.
    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.len]).unwrap_or("")
    }
}

/// Splits a bare name into its stem and the compile-time constants that generators append in capitals
/// (`_gemm_a8w8_kernel` and `_BLOCK_SIZE_M_64_…`).
pub(super) fn stem_and_tail(name: &str) -> (&str, &str) {
    let mut small = false;
    let mut at = 0;
    for part in name.split('_') {
        let letters = part.bytes().filter(u8::is_ascii_alphabetic).count();
        let capitals = part.bytes().all(|b| !b.is_ascii_lowercase()) && letters > 0;
        let next = name.get(at + part.len() + 1..).unwrap_or("");
        // One capital is a constant only with its value: `…_kernel_N_4096`, but not `chunk_A_kernel`.
        let constant = letters > 1 || next.starts_with(|c: char| c.is_ascii_digit());
        if small && capitals && constant && at > 0 {
            return (&name[..at - 1], &name[at..]);
        }
        small |= part.bytes().any(|b| b.is_ascii_lowercase());
        at += part.len() + 1;
    }
    (name, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(identifier: &str) -> Vec<String> {
        let mut words = Vec::new();
        each(identifier, |word| words.push(word.to_owned()));
        words.sort();
        words.dedup();
        words
    }

    #[test]
    fn case_underscores_and_digits_split_and_neighbours_join() {
        for spelling in ["rms_norm", "RmsNorm", "RMSNorm", "fused_rmsnorm"] {
            assert!(words(spelling).contains(&"rmsnorm".to_owned()), "{spelling}: {:?}", words(spelling));
        }
        let found = words("topkGatingSoftmax");
        for word in ["topk", "gating", "softmax", "topkgating", "topkgatingsoftmax"] {
            assert!(found.contains(&word.to_owned()), "{found:?}");
        }
        assert!(words("f4gemm_bf16").contains(&"gemm".to_owned()));
        assert!(!words("elementwise_kernel_manual_unroll").contains(&"roll".to_owned()));
        assert!(!words("convert_element_type").contains(&"conv".to_owned()));
    }

    #[test]
    fn constants_in_capitals_are_no_part_of_the_stem() {
        assert_eq!(stem_and_tail("_gemm_a8w8_kernel_BLOCK_SIZE_M_64"), ("_gemm_a8w8_kernel", "BLOCK_SIZE_M_64"));
        assert_eq!(stem_and_tail("_fused_moe_kernel_gptq_awq_N_4096"), ("_fused_moe_kernel_gptq_awq", "N_4096"));
        assert_eq!(stem_and_tail("chunk_gla_fwd_A_kernel_intra"), ("chunk_gla_fwd_A_kernel_intra", ""));
        assert_eq!(stem_and_tail("PA_A16W8_BLK256_1TG"), ("PA_A16W8_BLK256_1TG", ""));
    }
}
