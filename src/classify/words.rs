//! The words that an identifier is made of.
//!
//! Rules ask for words, never for substrings: `conv` is a word of `conv_fwd` and not of `convert_element`, `roll` is
//! none of `manual_unroll`. An identifier is split at underscores and changes of case into *units*
//! (`topkGatingSoftmax`: `topk`, `gating`, `softmax`). Beside each unit the rules see
//!
//! * what stands between two underscores as a whole (`i8gemm`, `w8a8`),
//! * the runs of letters in each unit that has digits (`f4gemm`: `f`, `gemm`), and
//! * each two neighbours joined, so that `rms_norm`, `RmsNorm` and `rmsnorm` are all `rmsnorm`.

/// How many bytes of an identifier, underscores left out, are looked at.
const READ_BYTES: usize = 256;
/// How many units of one identifier are looked at: names with more have long said what they are.
const MOST: usize = 48;

/// Calls `found` with every word of `identifier`, in lower case. A word may come more than once.
///
/// All words are slices of one buffer: the identifier in lower case with its underscores squeezed out, in which units
/// that are neighbours touch.
pub(super) fn each(identifier: &str, mut found: impl FnMut(&[u8])) {
    let mut text = [0_u8; READ_BYTES];
    let mut len = 0;
    let mut previous = None;
    let mut budget = MOST;
    for part in identifier.as_bytes().split(|&byte| byte == b'_') {
        let Some(room) = text.get_mut(len..len + part.len()) else { return };
        let (mut capitals, mut numbers) = (false, false);
        for (to, from) in room.iter_mut().zip(part) {
            *to = from.to_ascii_lowercase();
            capitals |= from.is_ascii_uppercase();
            numbers |= from.is_ascii_digit();
        }
        let start = len;
        len += part.len();
        let mut from = 0;
        while from < part.len() {
            if budget == 0 {
                return;
            }
            budget -= 1;
            let to = if capitals { unit_end(part, from) } else { part.len() };
            let unit = &text[start + from..start + to];
            found(unit);
            if numbers {
                digits(unit, &mut found);
            }
            if let Some(previous) = previous {
                found(&text[previous..start + to]);
            }
            previous = Some(start + from);
            if from > 0 && to == part.len() {
                found(&text[start..len]);
            }
            from = to;
        }
    }
}

/// Where the unit that begins at `from` ends: before a change of case (`topk|Gating`, `RMS|Norm`).
fn unit_end(part: &[u8], from: usize) -> usize {
    for at in from + 1..part.len() {
        let after_small = !part[at - 1].is_ascii_uppercase();
        let before_small = part.get(at + 1).is_some_and(u8::is_ascii_lowercase);
        if part[at].is_ascii_uppercase() && (after_small || before_small) {
            return at;
        }
    }
    part.len()
}

/// The runs of letters in `unit`, where digits part it.
fn digits(unit: &[u8], found: &mut impl FnMut(&[u8])) {
    if !unit.iter().any(u8::is_ascii_digit) {
        return;
    }
    for letters in unit.split(u8::is_ascii_digit) {
        if !letters.is_empty() {
            found(letters);
        }
    }
}

/// The parts of `text` between underscores, the empty ones too. Parts are a few bytes long: a search for single bytes that
/// is set up anew for each costs more than looking at them.
pub(super) fn parts(text: &str) -> Parts<'_> {
    Parts { rest: Some(text) }
}

/// What [`parts`] returns.
#[derive(Clone, Debug)]
pub(super) struct Parts<'a> {
    rest: Option<&'a str>,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        match rest.bytes().position(|byte| byte == b'_') {
            Some(at) => {
                self.rest = Some(&rest[at + 1..]);
                Some(&rest[..at])
            }
            None => self.rest.take(),
        }
    }
}

/// Splits a bare name into its stem and the compile-time constants that generators append in capitals
/// (`_gemm_a8w8_kernel` and `_BLOCK_SIZE_M_64_…`).
pub(super) fn stem_and_tail(name: &str) -> (&str, &str) {
    let mut small = false;
    let mut at = 0;
    for part in parts(name) {
        let (mut capitals, mut lower) = (0, false);
        for byte in part.bytes() {
            capitals += usize::from(byte.is_ascii_uppercase());
            lower |= byte.is_ascii_lowercase();
        }
        // One capital is a constant only with its value: `…_kernel_N_4096`, but not `chunk_A_kernel`.
        let valued = || name.as_bytes().get(at + part.len() + 1).is_some_and(u8::is_ascii_digit);
        if small && !lower && at > 0 && (capitals > 1 || (capitals == 1 && valued())) {
            return (&name[..at - 1], &name[at..]);
        }
        small |= lower;
        at += part.len() + 1;
    }
    (name, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(identifier: &str) -> Vec<String> {
        let mut words = Vec::new();
        each(identifier, |word| words.push(String::from_utf8_lossy(word).into_owned()));
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
