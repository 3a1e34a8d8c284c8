//! aiter's tuned tables: for a shape on a GPU the kernel that won, and how long it took.
//!
//! Tables of different operators have different columns, and they grow; each is read by the names of its columns (aiter
//! 0.1, August 2026):
//!
//! ```text
//!   gfx,cu_num,M,N,K,bias,dtype,outdtype,scaleAB,bpreshuffle,libtype,solidx,splitK,us,kernelName,…      bf16_tuned_gemm.csv
//!   gfx,cu_num,M,N,K,q_dtype_w,libtype,kernelId,splitK,us,kernelName,…                 a8w8_bpreshuffle_tuned_gemm.csv
//!   cu_num,token,model_dim,inter_dim,expert,topk,…,us1,kernelName1,…,us2,kernelName2,…,us,…            tuned_fmoe.csv
//! ```
//!
//! Older tables lack `gfx`; then `cu_num` alone tells the GPU.

/// A row: a kernel, the shape that it won, and its time there.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// Architecture; `None` in older tables.
    pub arch: Option<String>,
    /// Compute units of the GPU.
    pub compute_units: Option<u32>,
    /// Rows of the product, or tokens.
    pub m: u32,
    /// How many products, their columns, and what they sum over; `None` for experts.
    pub product: Option<[u32; 3]>,
    /// Data type of the weights, as kernels' names have it (`bf16`, `fp8`), where the table tells one that is known here.
    pub dtype: Option<&'static str>,
    /// The kernel as the table names it: a symbol, or an id of the tuner.
    pub kernel: String,
    /// Its time.
    pub ns: u64,
}

/// The tables that the user gave.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Tables {
    /// Rows of all of them.
    pub entries: Vec<Entry>,
    /// Files that were read.
    pub files: u64,
    /// Rows in them that made no sense.
    pub unreadable: u64,
}

/// The rows of a table's text; `None` if it is no tuned table. Rows that make no sense are left out and counted.
#[must_use]
pub fn parse(text: &str) -> Option<(Vec<Entry>, u64)> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let headers = reader.headers().ok()?.clone();
    let column = |name: &str| headers.iter().position(|header| header == name);
    let m = column("M").or_else(|| column("token"))?;
    // Two stages have a time each; where there are none, the one time is of all.
    let stages: Vec<(usize, usize)> = [("kernelName", "us"), ("kernelName1", "us1"), ("kernelName2", "us2")]
        .iter()
        .filter_map(|(kernel, us)| Some((column(kernel)?, column(us)?)))
        .collect();
    if stages.is_empty() {
        return None;
    }
    let (arch, units) = (column("gfx"), column("cu_num"));
    let (batch, n, k) = (column("B"), column("N"), column("K"));
    let dtype = column("q_dtype_w").or_else(|| column("dtype"));
    let (mut entries, mut unreadable) = (Vec::new(), 0);
    for record in reader.records() {
        let Ok(record) = record else {
            unreadable += 1;
            continue;
        };
        let text = |column: Option<usize>| column.and_then(|at| record.get(at)).filter(|text| !text.is_empty());
        let Some(m) = text(Some(m)).and_then(|text| text.parse().ok()) else {
            unreadable += 1;
            continue;
        };
        let number = |column| text(column).and_then(|text| text.parse::<u32>().ok());
        let product = number(n).zip(number(k)).map(|(n, k)| [number(batch).unwrap_or(1), n, k]);
        for &(kernel, us) in &stages {
            let us = text(Some(us)).and_then(|text| text.parse::<f64>().ok()).filter(|us| us.is_finite() && *us > 0.0);
            // A stage that a fused kernel does without has no name, or no time.
            let (Some(kernel), Some(us)) = (text(Some(kernel)), us.filter(|us| *us < 1e9)) else { continue };
            entries.push(Entry {
                arch: text(arch).map(str::to_owned),
                compute_units: text(units).and_then(|text| text.parse().ok()),
                m,
                product,
                dtype: text(dtype).and_then(family),
                kernel: kernel.to_owned(),
                ns: (us * 1000.0).round() as u64,
            });
        }
    }
    Some((entries, unreadable))
}

/// A data type of PyTorch as kernels' names have it: `torch.float8_e4m3fnuz` is `fp8`.
fn family(dtype: &str) -> Option<&'static str> {
    let families = [
        ("bfloat16", "bf16"),
        ("float16", "fp16"),
        ("float8", "fp8"),
        ("float4", "fp4"),
        ("int8", "int8"),
        ("int4", "int4"),
    ];
    families.iter().find(|(name, _)| dtype.contains(name)).map(|(_, family)| *family)
}

/// What two spellings of one kernel have in common: the last identifier of its name, mangled, demangled or with `.kd`.
pub(crate) fn key(name: &str) -> &str {
    let name = name.strip_suffix(".kd").unwrap_or(name);
    if let Some(mut rest) = name.strip_prefix("_ZN").or_else(|| name.strip_prefix("_Z")) {
        let mut last = name;
        loop {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let Some(length) = rest[..digits].parse::<usize>().ok().filter(|length| *length > 0) else { break };
            let Some(identifier) = rest[digits..].get(..length) else { break };
            last = identifier;
            rest = &rest[digits + length..];
        }
        return last;
    }
    let head = &name[..name.find(['(', '<']).unwrap_or(name.len())];
    let head = head.strip_prefix("void ").unwrap_or(head);
    head.rsplit("::").next().unwrap_or(head).trim()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tables_are_read_by_the_names_of_their_columns() {
        let gemm = "gfx,cu_num,M,N,K,bias,libtype,solidx,splitK,us,kernelName,err_ratio\n\
                    gfx950,256,1,128,6144,False,asm,1,13,5.5249,_ZN5aiter39bf16gemm_fp32bf16_tn_32x64_splitk_cleanE,0.0\n";
        let (entries, unreadable) = parse(gemm).unwrap();
        assert_eq!((entries.len(), unreadable), (1, 0));
        assert_eq!(
            (entries[0].arch.as_deref(), entries[0].compute_units, entries[0].m),
            (Some("gfx950"), Some(256), 1)
        );
        assert_eq!((entries[0].product, entries[0].dtype), (Some([1, 128, 6144]), None));
        assert_eq!((entries[0].ns, key(&entries[0].kernel)), (5525, "bf16gemm_fp32bf16_tn_32x64_splitk_clean"));
    }

    #[test]
    fn batches_of_products_and_the_types_of_weights_are_read() {
        let table = "cu_num,B,M,N,K,q_dtype_w,us,kernelName\n80,16,1,512,128,torch.float8_e4m3fnuz,3.5,a\n";
        let (entries, _) = parse(table).unwrap();
        assert_eq!((entries[0].product, entries[0].dtype), (Some([16, 512, 128]), Some("fp8")));
    }

    #[test]
    fn the_stages_of_an_expert_kernel_have_a_time_each() {
        let moe = "cu_num,token,model_dim,expert,topk,us1,kernelName1,err1,us2,kernelName2,err2,us,run_1stage\n\
                   80,1024,4096,8,2,45.23,stage1,0,38.67,stage2,0,83.90,0\n\
                   80,2048,4096,8,2,45.23,fused,0,0,,0,45.23,1\n";
        let (entries, _) = parse(moe).unwrap();
        let seen: Vec<_> = entries.iter().map(|entry| (&*entry.kernel, entry.m, entry.ns)).collect();
        assert_eq!(seen, [("stage1", 1024, 45_230), ("stage2", 1024, 38_670), ("fused", 2048, 45_230)]);
    }

    #[test]
    fn other_tables_are_told_apart_and_senseless_rows_are_counted() {
        assert_eq!(parse("M,N,K\n1,2,3\n"), None);
        assert_eq!(parse(""), None);
        let (entries, unreadable) = parse("M,us,kernelName\nx,1.0,a\n4,nan,b\n8,2.5,c\n").unwrap();
        assert_eq!((entries.len(), unreadable), (1, 1));
    }

    #[test]
    fn one_kernel_in_all_spellings_has_one_key() {
        for name in [
            "_ZN5aiter24bf16gemm_bf16_tn_256x256E",
            "_ZN5aiter24bf16gemm_bf16_tn_256x256E.kd",
            "aiter::bf16gemm_bf16_tn_256x256",
            "void aiter::bf16gemm_bf16_tn_256x256<int, 3>(float*)",
            "bf16gemm_bf16_tn_256x256",
        ] {
            assert_eq!(key(name), "bf16gemm_bf16_tn_256x256", "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(M,us,kernelName\n)?.{0,200}") {
            let _ = parse(&text);
            let _ = key(&text);
            let _ = key(&format!("_ZN{text}"));
        }
    }
}
