//! The data types that a name tells.
//!
//! Each generator has its own spelling: Tensile writes `BBS_BH`, aiter's Triton kernels `a8w8`, FlyDSL `afp8_wfp4`,
//! triton_kernels `bf16xbf16xmxfp4`, C++ templates name types. Where a name does not tell, the answer is nothing: an
//! index type or an accumulator is not what a kernel works on.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::name::{Form, Name, is_tensile, readable};
use super::verdict::Category;
use super::words;

/// The data types that a kernel works on: `bf16`, `fp8 x mxfp4` (activation and weight), `bf16/fp8` (in and out).
pub(super) fn dtype(name: &Name<'_>, category: Category) -> Option<String> {
    if is_tensile(name.base) {
        return tensile(name.base).map(str::to_owned);
    }
    let base = readable(name.base);
    if let Some(pair) = operands(base) {
        return Some(pair);
    }
    let told = told(base).or_else(|| cutlass(name));
    let types = template_dtypes(name, category);
    match (told, types) {
        (Some(told), None) => Some(told.to_owned()),
        // `scaled_fp8_quant_kernel<c10::Half>`: the template gives what goes in, the name what comes out.
        (Some(told @ ("fp8" | "int8" | "mxfp4" | "mxfp8")), Some(types)) if !types.contains('/') && types != told => {
            Some(format!("{types}/{told}"))
        }
        (_, types) => types,
    }
}

/// What a CUTLASS kernel works on, which its one entry function is told by a type of the operation's name.
fn cutlass(name: &Name<'_>) -> Option<&'static str> {
    let operation = name.inner.first().filter(|_| name.path.first() == Some(&"cutlass"))?;
    operation.starts_with("cutlass_").then(|| told(readable(operation))).flatten()
}

/// The type that weighs most among the words of an identifier. A flag that is off tells nothing: `use_int8_w8a16_0`.
fn told(base: &str) -> Option<&'static str> {
    let mut best: Option<(u8, &'static str)> = None;
    let mut parts = words::parts(base);
    while let Some(part) = parts.next() {
        let Some(found) = word_dtype(part) else { continue };
        let mut ahead = parts.clone();
        let next = ahead.next().unwrap_or("");
        let widths = next.starts_with(['w', 'a']) && next.bytes().any(|b| b.is_ascii_digit());
        let value = if widths { ahead.next().unwrap_or("") } else { next };
        if value != "0" && best.is_none_or(|best| found.0 >= best.0) {
            best = Some(found);
        }
    }
    best.map(|(_, text)| text)
}

/// Tensile's type code: the first letter is the input (`BBS`: bf16); in a post-reduction (`Cijk_SB_PostGSU4`) the
/// first is the accumulator and the second what comes out.
pub(super) fn tensile(base: &str) -> Option<&'static str> {
    let mut parts = words::parts(base).skip_while(|part| !part.ends_with("ijk")).skip(1);
    let first = parts.next()?;
    let is_layout = |part: &str| part.len() == 4 && part.starts_with('A') && part.ends_with(['k', 'l', 'i', 'j']);
    let code = if is_layout(first) { parts.nth(1)? } else { first };
    // `HH_F8HS`: FP16 in memory, FP8 in the product.
    let computed =
        parts.next().filter(|next| code.len() == 2 && next.starts_with(['F', 'B']) && next[1..].starts_with('8'));
    let code = computed.unwrap_or(code);
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

/// Activation and weight as `a8w8`, `afp4wfp4`, `afp8_wfp4`, or operand lists as `bf16xbf16xmxfp4`. FlyDSL's expert
/// products name both operands always (`afp4_wfp4`), and so do we; their FP4 is MXFP4.
fn operands(base: &str) -> Option<String> {
    let flydsl = base.starts_with("mfma_");
    let type_name = |text: &str| if flydsl && text == "fp4" { Some("fp4") } else { type_name(text) };
    let mut activation = None;
    for part in words::parts(base) {
        if let Some(weight) = activation.take()
            && let Some(text) = part.strip_prefix('w').and_then(type_name)
        {
            return Some(if flydsl { format!("{weight} x {text}") } else { pair(weight, text) });
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
    // Sizes are the commonest parts.
    if word.starts_with(|first: char| first.is_ascii_digit()) && word != "4bit" {
        return None;
    }
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
        "fp8" | "fp8gemm" | "f8" | "fp8fp8" | "e4m3e4m3" => (7, "fp8"),
        "i8gemm" | "int8" | "i8" => (7, "int8"),
        "int4" | "i4" | "4bit" | "gptq" | "awq" => (6, "int4"),
        // cuBLAS writes the operands as one word and what is stored and summed as the next: `bf16bf16_bf16f32`.
        "bf16" | "bfloat16" | "bf16gemm" | "bf16bf16" | "bf16f32" => (2, "bf16"),
        "fp16" | "f16" | "half" | "f16f16" | "f16f32" => (2, "fp16"),
        "f32" | "fp32" | "float" => (1, "fp32"),
        "f64" | "double" => (1, "fp64"),
        // TensorRT-LLM writes both operands as one word: `MxE2m1MxE4m3`.
        _ if lower.starts_with("mxe2m1") => (9, "mxfp4"),
        _ if lower.starts_with("mxe4m3") => (9, "mxfp8"),
        _ if lower.ends_with("mxfp4") || lower.ends_with("x32fp4") => (9, "mxfp4"),
        _ if lower.ends_with("fp8") => (7, "fp8"),
        _ if lower.ends_with("int8") => (7, "int8"),
        _ if lower.ends_with("noquantbf16") => (3, "bf16"),
        _ if lower.ends_with("noquantfp16") => (3, "fp16"),
        _ => return None,
    })
}

/// The types among template arguments: what a kernel reads and, where that differs, what it writes.
fn template_dtypes(name: &Name<'_>, category: Category) -> Option<String> {
    if name.form != Form::Function {
        return None;
    }
    let mut floats: [Option<&'static str>; 2] = [None; 2];
    let mut plain = None;
    let mut previous = "";
    let ck = name.path.first().is_some_and(|root| root.starts_with("ck"));
    let own = name.args.len() + name.inner.len().min(name.parameters);
    for (at, word) in name.args.iter().chain(&name.inner).take(32).enumerate() {
        if floats[1].is_some() {
            break;
        }
        // Composable Kernel's bf16 is a bare unsigned short.
        let bits = (previous == "unsigned" && *word == "short") || *word == "ushort";
        let scalar = if bits && ck { Some(Scalar::Narrow("bf16")) } else { scalar(word, previous) };
        previous = word;
        match scalar {
            Some(Scalar::Narrow(text)) if floats[0].is_none() => floats[0] = Some(text),
            Some(Scalar::Narrow(text)) if floats[1].is_none() && floats[0] != Some(text) => floats[1] = Some(text),
            Some(Scalar::Plain(text)) if plain.is_none() && at < own => plain = Some(text),
            _ => {}
        }
    }
    match floats {
        // CK Tile's problems name activation and weight, other templates what goes in and what comes out.
        [Some(first), Some(second)] if category == Category::Moe && name.path.first() == Some(&"ck_tile") => {
            Some(format!("{first} x {second}"))
        }
        [Some(first), Some(second)] => Some(format!("{first}/{second}")),
        [Some(first), None] => Some(first.to_owned()),
        // Integers are what data movers and ATen work on; elsewhere they are indices.
        _ => plain.filter(|text| category == Category::Other || !text.starts_with("int")).map(str::to_owned),
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
    // A mangled name says in one letter that it is unsigned, and an index: so must a demangled one.
    if previous == "unsigned" {
        return None;
    }
    SCALARS.get(word).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dtype_of(name: &str) -> Option<String> {
        dtype(&Name::parse(name), Category::Gemm)
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
            ("mfma_moe2_afp4_wfp4_bf16_cshuffle_t32x128x256", "fp4 x fp4"),
            ("_batched_gemm_afp4_wfp4_kernel", "mxfp4"),
            ("_matmul_ogs_NNT_bf16xfp8e4nvxmxfp4_16x128x256x1", "bf16 x fp8e4nv x mxfp4"),
            ("_ZN5aiter48fmoe_bf16_pertokenFp8_g1u1_vs_gelu_1tg_ps_32x128E", "fp8"),
            ("_ZN5aiter50fmoe_bf16_pertokenMXfp4_g1u1_vs_silu_1tg_ps_32x512E", "mxfp4"),
            ("_ZN5aiter19scaled_quant_kernelIDF16_DB8_EEvPT0_PKT_PKfi", "fp16/fp8"),
            ("bmm_Bfloat16_MxE2m1MxE4m3_Fp32_t128x16x256u2_s3_swiGlu_dynB_sm100f", "mxfp4"),
            ("void cutlass::Kernel2<cutlass_80_tensorop_bf16_s16816gemm_relu_bf16_64x64_64x6_tn_align8>(int)", "bf16"),
            ("void ck::kernel_gemm<ck::GridwiseGemm<unsigned short, unsigned short, float> >(int)", "bf16"),
            ("void vllm::rms_norm_kernel<c10::BFloat16>(c10::BFloat16*)", "bf16"),
        ] {
            assert_eq!(dtype_of(name).as_deref(), Some(expected), "{name}");
        }
        assert_eq!(dtype_of("fused_moe_kernel"), None);
    }
}
