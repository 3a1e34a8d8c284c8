//! What else a name tells: architecture, instruction shape, tile, split-K, the collective.
//!
//! These are read off the spelling alone, each generator having its own: Tensile writes `MT256x224x64` and `MI16x16x1`,
//! aiter's Triton kernels `BLOCK_SIZE_M_64`, FlyDSL `t32x128x256`, triton_kernels `16x128x256x1`. Where a name does not
//! tell, the answer is nothing.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::dtype;
use super::name::{Form, Name, is_tensile, readable};
use super::verdict::{Category, Traits};
use super::words;

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
    let told = if is_tensile(name.base) {
        let isa = [(&ISA942, "gfx942"), (&ISA950, "gfx950")];
        isa.into_iter().find(|(isa, _)| isa.find(name.base.as_bytes()).is_some()).map(|(_, arch)| arch)
    } else {
        let compiled = name.form != Form::Bare;
        let base = name.base.as_bytes();
        let mark = MARKS.iter().find(|mark| (compiled || mark.anywhere) && mark.text.find(base).is_some());
        mark.map(|mark| mark.arch).or_else(|| name.inner.iter().chain(&name.args).find_map(|word| type_arch(word)))
    };
    told.or_else(|| only_gfx950(name).then_some("gfx950")).map(Cow::Borrowed)
}

/// The architecture whose compilers alone have a type: FNUZ is gfx942's FP8, OCP's FP8 and FP4 came with gfx950.
fn type_arch(word: &str) -> Option<&'static str> {
    match word.as_bytes() {
        [.., b'f', b'n', b'u', b'z'] | [.., b'f', b'n', b'u', b'z', b'_', b't'] => Some("gfx942"),
        [b'p', b'k', b'_', b'f', ..] => Some("gfx950"),
        b"Float8_e4m3fn" | b"fp4_t" | b"fp4x2" | b"f8_ocp_t" => Some("gfx950"),
        _ => None,
    }
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

/// Whether the matrix instruction is one that gfx950 brought: it doubled the K of the 16-bit ones (16x16x32, 32x32x16) and
/// quadrupled or doubled that of the 8-bit ones (16x16x128, 16x16x64, 32x32x64, 32x32x32).
fn only_gfx950(name: &Name<'_>) -> bool {
    let Some([m, n, k]) = mfma(readable(name.base)) else { return false };
    let dtype = dtype::dtype(name, Category::Gemm);
    let half = matches!(dtype.as_deref(), Some("bf16" | "fp16"));
    match (m, n) {
        (16, 16) => k >= if half { 32 } else { 64 },
        (32, 32) => k >= if half { 16 } else { 32 },
        _ => false,
    }
}

/// How a kernel was built.
pub(super) fn traits(name: &Name<'_>, category: Category) -> Traits {
    let base = readable(name.base);
    let mut traits = Traits { mfma: mfma(base), ..Traits::default() };
    match category {
        Category::Allreduce => traits.collective = collective(name),
        Category::Gemm | Category::Moe | Category::Attention if is_tensile(base) => {
            traits.tile = tensile_part(base, &MACRO_TILE, dimensions::<3>);
            traits.split_k = base.contains("PostGSU")
                || tensile_part(base, &SPLIT, |number| number.parse::<u32>().ok()).is_some_and(|factor| factor > 1);
            traits.stream_k =
                tensile_part(base, &STREAM, |number| number.parse::<u32>().ok()).is_some_and(|mode| mode > 0);
        }
        Category::Gemm | Category::Moe | Category::Attention if name.path.first() == Some(&"ck_tile") => {
            (traits.tile, traits.mfma) = ck_tile(super::name::head(name.text));
            traits.stream_k = base.contains("StreamK");
            traits.split_k = base.contains("SplitK");
        }
        Category::Gemm | Category::Moe | Category::Attention => {
            traits.tile = tile(base);
            (traits.split_k, traits.stream_k) = splits(base);
        }
        Category::Quantization | Category::Other => {}
    }
    traits
}

/// The macro tile of a CK Tile kernel and the shape of its matrix instruction, which are the first and the third of the
/// sequences of numbers that make up its shape (`sequence<128, 128, 64>`, the waves, `sequence<32, 32, 16>`). The last
/// number of the third may be several instructions' K, so that is left open.
fn ck_tile(text: &str) -> (Option<[u32; 3]>, Option<[u32; 3]>) {
    let mangled = text.starts_with("_Z");
    let Some(mut at) = SEQUENCE.find(text.as_bytes()) else { return (None, None) };
    let opening: &Searcher = if mangled { &SEQUENCE_MANGLED } else { &SEQUENCE };
    let mut read = [None; 3];
    for slot in &mut read {
        let Some(found) = opening.find(&text.as_bytes()[at..]) else { break };
        at += found + opening.needle().len();
        *slot = first_three(&text[at..]);
    }
    let [tile, _, wave] = read;
    (tile, wave.filter(|[m, n, _]| matches!((m, n), (4 | 16 | 32 | 64, 4 | 16 | 32 | 64))).map(|[m, n, _]| [m, n, 0]))
}

/// The three numbers that `text` begins with, whatever letters and signs stand between: `<128, 128, 64>`, `Li128ELi128E…`.
fn first_three(text: &str) -> Option<[u32; 3]> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let mut next = || numbers.next()?.parse().ok();
    Some([next()?, next()?, next()?])
}

/// Whether K is split and whether work is dealt out by Stream-K, in names other than Tensile's.
fn splits(base: &str) -> (bool, bool) {
    let (mut split, mut stream, mut ogs) = (None, false, false);
    let mut previous = "";
    for part in words::parts(base) {
        let after = |word: &str| previous.eq_ignore_ascii_case(word);
        if previous == "KSPLIT" {
            split = part.parse::<u32>().ok().map(|factor| factor > 1).or(split);
        } else if let Some(factor) = number_after(part, "SPK") {
            split = Some(factor > 1);
        } else if ogs && let Some([.., factor]) = dimensions::<4>(part) {
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

/// The shape of the matrix instruction. Tensile writes it after `MI`: hipBLASLt M, N and the number of blocks, rocBLAS K
/// before that. Others name the instruction: `mfma16x16x32`, `mfma_32x32x16`, `wmma_16x16x16`.
fn mfma(base: &str) -> Option<[u32; 3]> {
    if is_tensile(base) {
        return tensile_part(base, &INSTRUCTION, |shape| match dimensions::<4>(shape) {
            Some([m, n, k, _]) => Some([m, n, k]),
            None => dimensions::<3>(shape).map(|[m, n, _]| [m, n, 0]),
        });
    }
    let found = [&MFMA, &WMMA].into_iter().find_map(|tag| Some(tag.find(base.as_bytes())? + tag.needle().len()));
    let after = &base[found?..];
    dimensions::<3>(words::parts(after.strip_prefix('_').unwrap_or(after)).next()?)
}

type Searcher = LazyLock<memchr::memmem::Finder<'static>>;

static SEQUENCE: Searcher = LazyLock::new(|| memchr::memmem::Finder::new("sequence"));
/// A pack of integers in a mangled name; the class before it may be a substitution.
static SEQUENCE_MANGLED: Searcher = LazyLock::new(|| memchr::memmem::Finder::new("IJLi"));
static MFMA: Searcher = LazyLock::new(|| memchr::memmem::Finder::new("mfma"));
static WMMA: Searcher = LazyLock::new(|| memchr::memmem::Finder::new("wmma"));
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
        read(&rest[..memchr::memchr(b'_', rest.as_bytes()).unwrap_or(rest.len())])
    })
}

/// The macro tile.
fn tile(base: &str) -> Option<[u32; 3]> {
    if base.contains("BLOCK") {
        return blocks(base);
    }
    let mut last = None;
    for part in words::parts(base) {
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
    for part in words::parts(base) {
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
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
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
    words::each(readable(name.base), |word| {
        let this = match word {
            b"allreduce" | b"crossdevicereduce" | b"crossdevice" | b"localdevice" | b"twoshot" => "all_reduce",
            b"allgather" => "all_gather",
            b"reducescatter" => "reduce_scatter",
            b"alltoall" | b"toall" | b"all2all" | b"a2a" | b"alltoallpivot" => "all_to_all",
            // Of tokens to their experts and back.
            b"dispatch" | b"combine" => "all_to_all",
            b"broadcast" => "broadcast",
            b"sendrecv" | b"send" | b"recv" => "send_recv",
            b"barrier" | b"barrierall" => "barrier",
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
            ("Cijk_Alik_Bljk_F8BS_BH_MT64x64x128_MI16x16x128x1_SN_1LDSB0", Some("gfx950")),
            ("gdn_fwd_h_mfma32x32x16_bf16", Some("gfx950")),
            ("gdn_fwd_h_mfma_16x16x16_bf16", None),
            ("void k<c10::Float8_e4m3fnuz>(int)", Some("gfx942")),
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
        for tiled in [
            "void ck_tile::kentry<2, ck_tile::FlatmmKernel<ck_tile::TileGemmShape<ck_tile::sequence<16, 128, 256>, \
             ck_tile::sequence<1, 4, 1>, ck_tile::sequence<16, 16, 32> > > >(int)",
            "_ZN7ck_tile6kentryILi2ENS_12FlatmmKernelINS_13TileGemmShapeINS_8sequenceIJLi16ELi128ELi256EEEENS3_IJLi1ELi4ELi1EEE\
             ENS3_IJLi16ELi16ELi32EEEEEEEEEvi",
        ] {
            let tiled = of(tiled);
            assert_eq!((tiled.tile, tiled.mfma), (Some([16, 128, 256]), Some([16, 16, 0])));
        }
        let comm = |name: &str| traits(&Name::parse(name), Category::Allreduce).collective;
        assert_eq!(
            comm("ncclDevKernel_AllReduce_Sum_f32_RING_LL(ncclDevKernelArgsStorage<4096ul>)"),
            Some("all_reduce")
        );
        assert_eq!(comm("ncclDevKernel_Generic_4(ncclDevKernelArgsStorage<4096ul>)"), None);
        for experts in ["EpDispatchIntraNodeKernel_bf16", "ep_dispatch_intranode_0", "all_to_all_kernel"] {
            assert_eq!(comm(experts), Some("all_to_all"), "{experts}");
        }
        assert_eq!(comm("ncclDevKernel_SendRecv(ncclDevKernelArgsStorage<4096ul>)"), Some("send_recv"));
        assert_eq!(comm("ncclDevKernel_Broadcast_RING_LL(ncclDevKernelArgsStorage<4096ul>)"), Some("broadcast"));
        assert_eq!(comm("void deep_ep::internode_ll::combine<3, 10, 7168, 9>(void*, void*, int*)"), Some("all_to_all"));
        assert_eq!(comm("void vllm::cross_device_reduce_2stage<__half, 8>(int)"), Some("all_reduce"));
    }
}
