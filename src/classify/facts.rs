//! What else a name tells: data types, architecture, instruction shape, tile, split-K, the collective.
//!
//! These are read off the spelling alone, each generator having its own: Tensile writes `BBS_BH`, `MT256x224x64` and
//! `MI16x16x1`, aiter's Triton kernels `a8w8` and `BLOCK_SIZE_M_64`, FlyDSL `afp8_wfp4` and `t32x128x256`, triton_kernels
//! `bf16xbf16xmxfp4_16x128x256x1`, C++ templates name types. Where a name does not tell, the answer is nothing.

use std::borrow::Cow;
use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::name::{Form, Name};
use super::verdict::{Category, Traits};

/// How many bytes of the base identifier are read; Tensile's names go on for hundreds after all is said.
const READ_BYTES: usize = 384;

/// The data types that a kernel works on: `bf16`, `fp8 x mxfp4` (activation and weight), `bf16/fp8` (in and out).
pub(super) fn dtype(name: &Name<'_>) -> Option<String> {
    if is_tensile(name.base) {
        return tensile_dtype(name.base).map(str::to_owned);
    }
    let base = readable(name.base);
    if let Some(pair) = operands(base) {
        return Some(pair);
    }
    let told = base.split('_').filter_map(word_dtype).max_by_key(|(rank, _)| *rank).map(|(_, text)| text);
    let types = template_dtypes(name);
    match (told, types) {
        (Some(told), None) => Some(told.to_owned()),
        // `scaled_fp8_quant_kernel<c10::Half>`: the template gives what goes in, the name what comes out.
        (Some(told @ ("fp8" | "int8" | "mxfp4" | "mxfp8")), Some(types)) if !types.contains('/') && types != told => {
            Some(format!("{types}/{told}"))
        }
        (_, types) => types,
    }
}

/// The part of an identifier that is read for facts.
fn readable(base: &str) -> &str {
    &base[..base.floor_char_boundary(READ_BYTES)]
}

fn is_tensile(base: &str) -> bool {
    let tail = base.strip_prefix("CustomGSUs_").or_else(|| base.strip_prefix("Custom_")).unwrap_or(base);
    tail.starts_with("Cijk_") || tail.starts_with("Dijk_")
}

/// Tensile's type code: the first letter is the input (`BBS`: bf16); in a post-reduction (`Cijk_SB_PostGSU4`) the
/// first is the accumulator and the second what comes out.
fn tensile_dtype(base: &str) -> Option<&'static str> {
    let mut parts = base.split('_').skip_while(|part| !part.ends_with("ijk")).skip(1);
    let first = parts.next()?;
    let is_layout = |part: &str| part.len() == 4 && part.starts_with('A') && part.ends_with(['k', 'l', 'i', 'j']);
    let code = if is_layout(first) { parts.nth(1)? } else { first };
    let code = match code.as_bytes() {
        [b'S' | b'D' | b'I', rest @ ..] if !is_layout(first) && !rest.is_empty() && rest != b"8" => &code[1..],
        _ => code,
    };
    Some(match code.as_bytes() {
        [b'F' | b'B', b'8', ..] | [b'H' | b'B', b'F', b'8', ..] => "fp8",
        [b'F', b'4', ..] => "mxfp4",
        [b'I', b'8', ..] => "int8",
        [b'I', ..] => "int32",
        [b'B', ..] => "bf16",
        [b'H', ..] => "fp16",
        [b'S' | b'X', ..] => "fp32",
        [b'D', ..] => "fp64",
        _ => return None,
    })
}

/// Activation and weight as `a8w8`, `afp4wfp4`, `afp8_wfp4`, or operand lists as `bf16xbf16xmxfp4`.
fn operands(base: &str) -> Option<String> {
    let mut activation = None;
    for part in base.split('_') {
        if let Some(weight) = activation.take()
            && let Some(text) = part.strip_prefix('w').and_then(type_name)
        {
            return Some(pair(weight, text));
        }
        match part.as_bytes() {
            [b'a' | b'A', b'0'..=b'9' | b'f' | b'b' | b'i', ..] => {
                let rest = part[1..].to_ascii_lowercase();
                if let Some((a, w)) = rest.split_once('w')
                    && let (Some(a), Some(w)) = (type_name(a), type_name(w))
                {
                    return Some(pair(a, w));
                }
                activation = type_name(&rest);
            }
            [b'b' | b'f' | b'm' | b'u' | b'i', ..] if part.contains('x') => {
                if let Some(list) = listed_types(part) {
                    return Some(list.join(" x "));
                }
            }
            _ => {}
        }
    }
    None
}

fn pair(a: &'static str, w: &'static str) -> String {
    if a == w { a.to_owned() } else { format!("{a} x {w}") }
}

/// `16`, `8`, `4`, or a type by name.
fn type_name(text: &str) -> Option<&'static str> {
    Some(match text {
        "16" => "bf16",
        "8" => "fp8",
        "4" => "mxfp4",
        other => return type_name_long(other),
    })
}

fn type_name_long(text: &str) -> Option<&'static str> {
    Some(match text {
        "bf16" => "bf16",
        "fp16" | "f16" => "fp16",
        "fp8" | "f8" => "fp8",
        "fp4" | "f4" | "mxfp4" => "mxfp4",
        "int8" | "i8" => "int8",
        "int4" | "i4" => "int4",
        _ => return None,
    })
}

/// The operands that triton_kernels lists (`bf16xfp8e4nvxmxfp4`), kept as written. The `x` of `mxfp4` parts nothing.
fn listed_types(text: &str) -> Option<Vec<&str>> {
    let mut list = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let from = if rest.starts_with("mx") { 2 } else { 0 };
        let end = rest[from..].find('x').map_or(rest.len(), |at| from + at);
        let known = matches!(&rest[..end], "bf16" | "fp16" | "fp32" | "mxfp4" | "mxfp8" | "uint8" | "int8")
            || (rest.starts_with("fp8e") && end <= 8);
        if !known {
            return None;
        }
        list.push(&rest[..end]);
        rest = rest.get(end + 1..).unwrap_or("");
    }
    (list.len() > 1).then_some(list)
}

/// The type that one word of an identifier tells, and how much it weighs against others: `fmoe_bf16_pertokenFp8` is
/// an FP8 kernel with bf16 in and out.
fn word_dtype(word: &str) -> Option<(u8, &'static str)> {
    let digit = word.bytes().any(|byte| byte.is_ascii_digit());
    if !digit && !matches!(word, "half" | "float" | "double" | "gptq" | "awq") {
        return None;
    }
    // Longer words tell no type.
    let mut buffer = [0_u8; 32];
    let lower = buffer.get_mut(..word.len())?;
    lower.copy_from_slice(word.as_bytes());
    lower.make_ascii_lowercase();
    let lower = str::from_utf8(lower).ok()?;
    Some(match lower {
        "f4gemm" | "fp4" | "mxfp4" | "fp4x2" => (9, "mxfp4"),
        "mxfp8" => (9, "mxfp8"),
        "nvfp4" => (9, "nvfp4"),
        "fp6" => (8, "fp6"),
        "fp8" | "fp8gemm" | "f8" | "fp8fp8" => (7, "fp8"),
        "i8gemm" | "int8" | "i8" => (7, "int8"),
        "int4" | "i4" | "4bit" | "gptq" | "awq" => (6, "int4"),
        "bf16" | "bf16gemm" => (2, "bf16"),
        "fp16" | "f16" | "half" => (2, "fp16"),
        "f32" | "fp32" | "float" => (1, "fp32"),
        "f64" | "double" => (1, "fp64"),
        _ if lower.ends_with("mxfp4") || lower.ends_with("x32fp4") => (9, "mxfp4"),
        _ if lower.ends_with("fp8") => (7, "fp8"),
        _ if lower.ends_with("int8") => (7, "int8"),
        _ if lower.ends_with("noquantbf16") => (3, "bf16"),
        _ if lower.ends_with("noquantfp16") => (3, "fp16"),
        _ => return None,
    })
}

/// The types among template arguments: what a kernel reads and, where that differs, what it writes.
fn template_dtypes(name: &Name<'_>) -> Option<String> {
    if name.form != Form::Function {
        return None;
    }
    let mut floats: [Option<&'static str>; 2] = [None; 2];
    let mut plain = None;
    let mut previous = "";
    for word in name.args.iter().chain(&name.inner).take(32) {
        if floats[1].is_some() {
            break;
        }
        let scalar = scalar(word, previous);
        previous = word;
        match scalar {
            Some(Scalar::Narrow(text)) if floats[0].is_none() => floats[0] = Some(text),
            Some(Scalar::Narrow(text)) if floats[1].is_none() && floats[0] != Some(text) => floats[1] = Some(text),
            Some(Scalar::Plain(text)) if plain.is_none() => plain = Some(text),
            _ => {}
        }
    }
    match floats {
        [Some(first), Some(second)] => Some(format!("{first}/{second}")),
        [Some(first), None] => Some(first.to_owned()),
        _ => plain.map(str::to_owned),
    }
}

#[derive(Clone, Copy)]
enum Scalar {
    /// 16 bits or fewer: says what a kernel is about.
    Narrow(&'static str),
    /// May be an accumulator, a scale or an index.
    Plain(&'static str),
}

/// Types by the last part of their name.
static SCALARS: LazyLock<FxHashMap<&'static str, Scalar>> = LazyLock::new(|| {
    let narrow = [
        ("bf16", &["__bf16", "BFloat16", "bfloat16_t", "__hip_bfloat16", "hip_bfloat16", "bhalf_t"][..]),
        ("fp16", &["_Float16", "Half", "__half", "half", "half_t"]),
        ("fp8", &["fp8bits", "_BitInt", "f8_t", "fp8_t", "f8_fnuz_t", "f8_ocp_t", "bf8_t", "bf8_fnuz_t", "bf8_ocp_t"]),
        ("fp8", &["Float8_e4m3fn", "Float8_e4m3fnuz", "Float8_e5m2", "Float8_e5m2fnuz", "__hip_fp8_e4m3"]),
        ("fp8", &["__hip_fp8_e4m3_fnuz", "__hip_fp8_e5m2", "__hip_fp8_e5m2_fnuz", "fp8e4m3", "float8_e4m3_t"]),
        ("int8", &["int8", "int8_t"]),
        ("mxfp4", &["fp4_t", "fp4x2", "fp4x2_t", "pk_fp4_t", "f4x2_pk_t", "pk_float4_e2m1_t"]),
    ];
    let plain = [("float", "fp32"), ("double", "fp64"), ("long", "int64"), ("int", "int32")];
    let narrow = narrow.iter().flat_map(|(text, words)| words.iter().map(|word| (*word, Scalar::Narrow(text))));
    narrow.chain(plain.map(|(word, text)| (word, Scalar::Plain(text)))).collect()
});

fn scalar(word: &str, previous: &str) -> Option<Scalar> {
    // The demangler writes int8_t as `signed char`.
    if word == "char" && previous == "signed" {
        return Some(Scalar::Narrow("int8"));
    }
    SCALARS.get(word).copied()
}

/// The architecture that a name gives away: it says so, or it uses types or instructions that only one has.
pub(super) fn arch(name: &Name<'_>) -> Option<Cow<'static, str>> {
    let text = super::name::head(name.text);
    let bytes = text.as_bytes();
    if let Some(at) = GFX.find(bytes) {
        let digits: String = text[at + 3..].chars().take_while(char::is_ascii_hexdigit).take(4).collect();
        // `gfx950E`: the `E` closes a mangled name.
        let digits = digits.trim_end_matches('E');
        if digits.len() >= 3 {
            return Some(Cow::Owned(format!("gfx{digits}")));
        }
    }
    for (isa, arch) in [(&ISA942, "gfx942"), (&ISA950, "gfx950")] {
        if is_tensile(name.base) && isa.find(name.base.as_bytes()).is_some() {
            return Some(Cow::Borrowed(arch));
        }
    }
    let compiled = name.form != Form::Bare;
    let types = name.inner.iter().chain(&name.args).find_map(|word| {
        let fnuz = word.ends_with("fnuz") || word.ends_with("fnuz_t");
        let new = word.starts_with("pk_f") || matches!(*word, "Float8_e4m3fn" | "fp4_t" | "fp4x2" | "f8_ocp_t");
        if fnuz { Some("gfx942") } else { new.then_some("gfx950") }
    });
    if is_tensile(name.base) {
        return only_gfx950(name).then_some(Cow::Borrowed("gfx950"));
    }
    let base = name.base.as_bytes();
    let marks = MARKS.iter().find(|mark| (compiled || mark.anywhere) && mark.text.find(base).is_some());
    marks.map(|mark| mark.arch).or(types).map(Cow::Borrowed)
}

/// A piece of a base identifier that gives an architecture away.
struct Mark {
    text: memchr::memmem::Finder<'static>,
    arch: &'static str,
    /// Whether it does so in names of Triton kernels too, which emulate what the hardware lacks.
    anywhere: bool,
}

/// FNUZ types and MIOpen's gtcx3 are of gfx942; OCP types and matrix instructions on FP4 came with gfx950.
static MARKS: LazyLock<Vec<Mark>> = LazyLock::new(|| {
    [
        ("fnuz", "gfx942", true),
        ("gtcx3", "gfx942", true),
        ("mi35x", "gfx950", true),
        ("_ocp", "gfx950", true),
        ("MXfp4", "gfx950", false),
        ("f4gemm", "gfx950", false),
    ]
    .into_iter()
    .map(|(text, arch, anywhere)| Mark { text: memchr::memmem::Finder::new(text), arch, anywhere })
    .collect()
});

/// Searches for `gfx942` and kin.
static GFX: LazyLock<memchr::memmem::Finder<'static>> = LazyLock::new(|| memchr::memmem::Finder::new("gfx"));

/// Whether a 16-bit matrix instruction has the doubled K of gfx950 (16x16x32, 32x32x16).
fn only_gfx950(name: &Name<'_>) -> bool {
    if !is_tensile(name.base) || !matches!(tensile_dtype(name.base), Some("bf16" | "fp16")) {
        return false;
    }
    matches!(mfma(name.base), Some([16, 16, k]) if k >= 32) || matches!(mfma(name.base), Some([32, 32, k]) if k >= 16)
}

/// How a kernel was built.
pub(super) fn traits(name: &Name<'_>, category: Category) -> Traits {
    let base = readable(name.base);
    let mut traits = Traits::default();
    match category {
        Category::Allreduce => traits.collective = collective(name),
        Category::Gemm | Category::Moe | Category::Attention if is_tensile(base) => {
            traits.tile = tensile_part(base, &MACRO_TILE, dimensions::<3>);
            traits.mfma = mfma(base);
            traits.split_k = base.contains("PostGSU")
                || tensile_part(base, &SPLIT, |number| number.parse::<u32>().ok()).is_some_and(|factor| factor > 1);
            traits.stream_k =
                tensile_part(base, &STREAM, |number| number.parse::<u32>().ok()).is_some_and(|mode| mode > 0);
        }
        Category::Gemm | Category::Moe | Category::Attention => {
            traits.tile = tile(base);
            (traits.split_k, traits.stream_k) = splits(base);
        }
        Category::Quantization | Category::Other => {}
    }
    traits
}

/// Whether K is split and whether work is dealt out by Stream-K, in names other than Tensile's.
fn splits(base: &str) -> (bool, bool) {
    let (mut split, mut stream, mut ogs) = (None, false, false);
    let mut previous = "";
    for part in base.split('_') {
        let after = |word: &str| previous.eq_ignore_ascii_case(word);
        if previous == "KSPLIT" {
            split = part.parse::<u32>().ok().map(|factor| factor > 1).or(split);
        } else if let Some(factor) = number_after(part, "SPK") {
            split = Some(factor > 1);
        } else if let Some([.., factor]) = dimensions::<4>(part).filter(|_| ogs) {
            // triton_kernels: `…_16x128x256x4`, the last being the split.
            split = Some(factor > 1);
        } else if ends_with_ignoring_case(part, "splitk") || (part.eq_ignore_ascii_case("k") && after("split")) {
            split = split.or(Some(true));
        } else if ends_with_ignoring_case(part, "streamk") || (part.eq_ignore_ascii_case("k") && after("stream")) {
            stream = true;
        }
        ogs |= part == "ogs";
        previous = part;
    }
    (split.unwrap_or(false), stream)
}

fn ends_with_ignoring_case(text: &str, ending: &str) -> bool {
    let (text, ending) = (text.as_bytes(), ending.as_bytes());
    text.len() >= ending.len() && text[text.len() - ending.len()..].eq_ignore_ascii_case(ending)
}

/// The number that follows `prefix` in `part`, if nothing else does.
fn number_after(part: &str, prefix: &str) -> Option<u32> {
    part.strip_prefix(prefix)?.parse().ok()
}

/// The matrix instruction of a Tensile name. hipBLASLt gives M, N and the number of blocks, rocBLAS K before that.
fn instruction(shape: &str) -> Option<[u32; 3]> {
    match dimensions::<4>(shape) {
        Some([m, n, k, _]) => Some([m, n, k]),
        None => dimensions::<3>(shape).map(|[m, n, _]| [m, n, 0]),
    }
}

fn mfma(base: &str) -> Option<[u32; 3]> {
    tensile_part(base, &INSTRUCTION, instruction)
}

type Searcher = LazyLock<memchr::memmem::Finder<'static>>;

/// Tensile's names have a hundred parts: searched for, not split.
static MACRO_TILE: Searcher = LazyLock::new(|| memchr::memmem::Finder::new("_MT"));
static INSTRUCTION: Searcher = LazyLock::new(|| memchr::memmem::Finder::new("_MI"));
static SPLIT: Searcher = LazyLock::new(|| memchr::memmem::Finder::new("_GSU"));
static ISA942: Searcher = LazyLock::new(|| memchr::memmem::Finder::new("ISA942"));
static ISA950: Searcher = LazyLock::new(|| memchr::memmem::Finder::new("ISA950"));
static STREAM: Searcher = LazyLock::new(|| memchr::memmem::Finder::new("_SK"));

/// What the first part of a Tensile name says that begins with the tag searched for and that `read` understands.
fn tensile_part<T>(base: &str, tag: &Searcher, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    tag.find_iter(base.as_bytes()).find_map(|at| {
        let rest = &base[at + tag.needle().len()..];
        read(&rest[..rest.find('_').unwrap_or(rest.len())])
    })
}

/// The macro tile.
fn tile(base: &str) -> Option<[u32; 3]> {
    if base.contains("BLOCK") {
        return blocks(base);
    }
    let mut last = None;
    for part in base.split('_') {
        match part.as_bytes() {
            [b't', b'0'..=b'9', ..] => {
                if let Some(tagged) = dimensions::<3>(&part[1..]) {
                    return Some(tagged);
                }
            }
            [b'0'..=b'9', ..] if part.contains('x') => {
                let three = dimensions::<3>(part).or_else(|| dimensions::<4>(part).map(|[m, n, k, _]| [m, n, k]));
                let shape = three.or_else(|| dimensions::<2>(part).map(|[m, n]| [m, n, 0]));
                last = shape.filter(|[m, n, _]| *m >= 8 && *n >= 8).or(last);
            }
            _ => {}
        }
    }
    last
}

/// `BLOCK_SIZE_M_64_BLOCK_SIZE_N_128_BLOCK_SIZE_K_64`, `BLOCK_M_64_…`.
fn blocks(base: &str) -> Option<[u32; 3]> {
    let mut found = [None; 3];
    let (mut third, mut second, mut first) = ("", "", "");
    for part in base.split('_') {
        let slot = match first {
            "M" => Some(0),
            "N" => Some(1),
            "K" => Some(2),
            _ => None,
        };
        let tagged = second == "BLOCK" || (second == "SIZE" && third == "BLOCK");
        if let Some(slot) = slot.filter(|&slot| tagged && found[slot].is_none()) {
            found[slot] = part.parse().ok();
            if found.iter().all(Option::is_some) {
                break;
            }
        }
        (third, second, first) = (second, first, part);
    }
    Some([found[0]?, found[1]?, found[2].unwrap_or(0)])
}

/// `N` numbers parted by `x`, and nothing else.
fn dimensions<const N: usize>(text: &str) -> Option<[u32; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split('x');
    for number in &mut numbers {
        let part = parts.next()?;
        *number = part.parse().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit()))?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Which collective a communication kernel performs.
fn collective(name: &Name<'_>) -> Option<&'static str> {
    let mut found = None;
    super::words::each(readable(name.base), |word| {
        let this = match word {
            b"allreduce" | b"crossdevicereduce" | b"crossdevice" | b"localdevice" | b"twoshot" => "all_reduce",
            b"allgather" => "all_gather",
            b"reducescatter" => "reduce_scatter",
            b"alltoall" | b"all2all" | b"epdispatch" | b"epcombine" | b"alltoallpivot" => "all_to_all",
            b"broadcast" => "broadcast",
            b"sendrecv" => "send_recv",
            b"reduce" => "reduce",
            _ => return,
        };
        // `reduce` is a word of `all_reduce` too: the longer name wins.
        if found.is_none() || found == Some("reduce") {
            found = Some(this);
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dtype_of(name: &str) -> Option<String> {
        dtype(&Name::parse(name))
    }

    #[test]
    fn data_types_are_read_in_every_dialect() {
        for (name, expected) in [
            ("Cijk_Alik_Bljk_BBS_BH_MT32x32x256_MI16x16x1", "bf16"),
            ("Cijk_Alik_Bljk_F8HS_BH_BiasSH", "fp8"),
            ("Cijk_SH_PostGSU2_VW4", "fp16"),
            ("_gemm_a8w8_blockscale_kernel", "fp8"),
            ("_gemm_a16wfp4_kernel_BLOCK_SIZE_M_4", "bf16 x mxfp4"),
            ("mfma_moe1_silu_mul_abf16_wint4_bf16_t16x16x128_pm1", "bf16 x int4"),
            ("_matmul_ogs_NNT_bf16xfp8e4nvxmxfp4_16x128x256x1", "bf16 x fp8e4nv x mxfp4"),
            ("_ZN5aiter48fmoe_bf16_pertokenFp8_g1u1_vs_gelu_1tg_ps_32x128E", "fp8"),
            ("_ZN5aiter50fmoe_bf16_pertokenMXfp4_g1u1_vs_silu_1tg_ps_32x512E", "mxfp4"),
            ("_ZN5aiter19scaled_quant_kernelIDF16_DB8_EEvPT0_PKT_PKfi", "fp16/fp8"),
            ("void vllm::rms_norm_kernel<c10::BFloat16>(c10::BFloat16*)", "bf16"),
        ] {
            assert_eq!(dtype_of(name).as_deref(), Some(expected), "{name}");
        }
        assert_eq!(dtype_of("fused_moe_kernel"), None);
    }

    #[test]
    fn an_architecture_is_told_only_where_the_name_gives_it_away() {
        let arch_of = |name: &str| arch(&Name::parse(name)).map(Cow::into_owned);
        for (name, expected) in [
            ("_ZN5aiter37fmha_fwd_hd128_fp8_causal_group_gfx950E", Some("gfx950")),
            ("Cijk_Alik_Bljk_BBS_BH_MT64x64x64_ISA942_SN", Some("gfx942")),
            ("EpCombineAll_fp8_fnuz", Some("gfx942")),
            ("EpCombineAll_fp8_ocp", Some("gfx950")),
            ("Cijk_Alik_Bljk_BBS_BH_MT64x64x64_MI16x16x32x1_SN_1LDSB0", Some("gfx950")),
            ("Cijk_Alik_Bljk_BBS_BH_MT64x64x64_MI16x16x16x1_SN_1LDSB0", None),
            ("Cijk_Alik_Bljk_F8BS_BH_MT64x64x64_MI16x16x32x1_SN_1LDSB0", None),
            ("fused_moe_kernel", None),
        ] {
            assert_eq!(arch_of(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn tiles_splits_and_collectives_are_read() {
        let of = |name: &str| traits(&Name::parse(name), Category::Gemm);
        let tensile = of("Cijk_Alik_Bljk_BBS_BH_UserArgs_MT256x224x64_MI16x16x1_SN_SK3_WG32_8_1");
        assert_eq!((tensile.tile, tensile.mfma, tensile.stream_k), (Some([256, 224, 64]), Some([16, 16, 0]), true));
        assert!(of("Cijk_SB_PostGSU4_VW4").split_k);
        assert!(of("hgemm_bf16_16x64x128x3_SPK4_W1x4x1").split_k);
        assert!(!of("_gemm_a8w8_kernel_BLOCK_SIZE_M_64_BLOCK_SIZE_N_128_BLOCK_SIZE_K_32_NUM_KSPLIT_1").split_k);
        let triton = of("_gemm_a8w8_kernel_BLOCK_SIZE_M_64_BLOCK_SIZE_N_128_BLOCK_SIZE_K_32_NUM_KSPLIT_4");
        assert_eq!((triton.tile, triton.split_k), (Some([64, 128, 32]), true));
        let comm = |name: &str| traits(&Name::parse(name), Category::Allreduce).collective;
        assert_eq!(
            comm("ncclDevKernel_AllReduce_Sum_f32_RING_LL(ncclDevKernelArgsStorage<4096ul>)"),
            Some("all_reduce")
        );
        assert_eq!(comm("ncclDevKernel_Generic_4(ncclDevKernelArgsStorage<4096ul>)"), None);
        assert_eq!(comm("EpDispatchIntraNodeKernel_bf16"), Some("all_to_all"));
        assert_eq!(comm("void vllm::cross_device_reduce_2stage<__half, 8>(int)"), Some("all_reduce"));
    }
}
