//! How fast traces are read: bytes of text a second, and rows of a database a second.
//!
//! The inputs are made here, with the mix of events that a decode trace of a PyTorch server has: for each kernel of an
//! eager step a CPU operator with its shapes, a launch, a flow arrow and some Python frames; for each graph launch
//! hundreds of kernels. Run with `cargo bench --bench ingest`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use profile_decode::ingest;

fn main() {
    divan::main();
}

const NAMES: [&str; 4] = [
    "Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_UserArgs_MT32x32x256_MI16x16x1_SN_LDSB1_AFC1_AFEM1_AFEM1_ASEM1_CLR1_CADS0",
    "void vllm::rotary_embedding_kernel<c10::BFloat16, true>(long const*, c10::BFloat16*, c10::BFloat16*, int, long)",
    "kernel_unified_attention_3d",
    "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<int>, std::array<char*, 1ul> >(int)",
];

/// A Kineto trace of `steps` decode steps: `graph` kernels by a graph launch, `eager` by launches of their own.
fn kineto(steps: usize, graph: usize, eager: usize) -> String {
    let mut out = String::from("{\n  \"schemaVersion\": 1,\n  \"deviceProperties\": [],\n  \"traceEvents\": [\n");
    let mut ts = 6_520_618_853_487_683u64;
    let mut correlation = 1;
    let micros = |ns: u64| format!("{}.{:03}", ns / 1000, ns % 1000);
    let event = |out: &mut String, cat: &str, name: &str, pid: u64, ts: u64, dur: u64, args: &str| {
        let (ts, dur) = (micros(ts), micros(dur));
        let _ = write!(
            out,
            "  {{\n    \"ph\": \"X\", \"cat\": \"{cat}\", \"name\": \"{name}\", \"pid\": {pid}, \"tid\": {pid},\n    \
             \"ts\": {ts}, \"dur\": {dur},\n    \"args\": {{\n      {args}\n    }}\n  }},\n"
        );
    };
    for step in 0..steps {
        event(&mut out, "user_annotation", "execute_context_0(0)_generation_32(32)", 851, ts, 900_000, "\"Ev Idx\": 0");
        for i in 0..eager {
            let op = format!(
                "\"External id\": {correlation}, \"Record function id\": 0, \"Concrete Inputs\": [\"\", \"0\", \"0\", \"32\"], \
                 \"Input type\": [\"int\", \"Scalar\", \"Scalar\", \"Scalar\"], \"Input Strides\": [[72, 1], [], [], []], \
                 \"Input Dims\": [[1024, 72], [], [], []], \"Ev Idx\": {correlation}"
            );
            event(&mut out, "cpu_op", "aten::mm", 851, ts, 9_000, &op);
            for frame in
                ["vllm/model_executor/layers/linear.py(210): forward", "torch/nn/modules/module.py(1751): _call_impl"]
            {
                let args =
                    format!("\"Python parent id\": {i}, \"Python id\": {correlation}, \"Ev Idx\": {correlation}");
                event(&mut out, "python_function", frame, 851, ts, 10_000, &args);
            }
            let call = format!(
                "\"External id\": {correlation}, \"kernel\": \"{}\", \"cid\": 107, \"correlation\": {correlation}, \
                 \"grid\": [1, 1, 1], \"block\": [256, 1, 1], \"shared memory\": 0",
                NAMES[i % NAMES.len()]
            );
            event(&mut out, "cuda_runtime", "hipLaunchKernel", 851, ts + 1_000, 5_000, &call);
            let _ = write!(
                out,
                "  {{\n    \"ph\": \"s\", \"id\": {correlation}, \"pid\": 851, \"tid\": 851, \"ts\": {},\n    \
                 \"cat\": \"ac2g\", \"name\": \"ac2g\"\n  }},\n",
                micros(ts)
            );
            let args = format!(
                "\"External id\": {correlation}, \"device\": 2, \"stream\": 0, \"correlation\": {correlation}, \
                 \"kind\": \"Dispatch Kernel\", \"grid\": [1, 1, 1], \"block\": [256, 1, 1]"
            );
            event(&mut out, "kernel", NAMES[i % NAMES.len()], 2, ts + 20_000, 7_519, &args);
            correlation += 1;
            ts += 12_000;
        }
        let call = format!("\"stream\": \"0x0\", \"cid\": 91, \"correlation\": {correlation}");
        event(&mut out, "cuda_runtime", "hipGraphLaunch", 851, ts, 500_000, &call);
        for i in 0..graph {
            let args =
                format!("\"device\": 2, \"stream\": 0, \"correlation\": {correlation}, \"kind\": \"Dispatch Task\"");
            event(&mut out, "kernel", NAMES[(i + step) % NAMES.len()], 2, ts + 30_000, 8_119, &args);
            ts += 9_000;
        }
        correlation += 1;
    }
    out.truncate(out.len() - 2);
    out.push_str("\n  ],\n  \"traceName\": \"bench\",\n  \"displayTimeUnit\": \"ms\"\n}\n");
    out
}

/// A kernel trace of rocprofv3 with `rows` rows.
fn csv(rows: usize) -> String {
    let mut out = String::from(
        "\"Kind\",\"Agent_Id\",\"Queue_Id\",\"Stream_Id\",\"Thread_Id\",\"Dispatch_Id\",\"Kernel_Id\",\"Kernel_Name\",\
         \"Correlation_Id\",\"Start_Timestamp\",\"End_Timestamp\",\"LDS_Block_Size\",\"Scratch_Size\",\"VGPR_Count\",\
         \"Accum_VGPR_Count\",\"SGPR_Count\",\"Workgroup_Size_X\",\"Workgroup_Size_Y\",\"Workgroup_Size_Z\",\
         \"Grid_Size_X\",\"Grid_Size_Y\",\"Grid_Size_Z\"\n",
    );
    for i in 0..rows {
        let start = 7_215_016_607_444 + i * 9_000;
        let _ = writeln!(
            out,
            "\"KERNEL_DISPATCH\",\"Agent 1\",1,1,6417,{i},11,\"{}\",{},{start},{},0,0,4,4,16,64,1,1,64,1,1",
            NAMES[i % NAMES.len()],
            i / 400,
            start + 7_519
        );
    }
    out
}

/// Writes `text` to a file and measures reading it.
fn measure(bencher: Bencher, name: &str, bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).expect("a temporary file");
    let read = |path: &Path| ingest::read(&[path]).expect("a whole trace").dispatches.len();
    let dispatches = read(&path);
    let size = std::fs::metadata(&path).expect("a temporary file").len();
    bencher.counter(BytesCount::new(size)).counter(ItemsCount::new(dispatches)).bench(|| read(&path));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn kineto_graph(bencher: Bencher) {
    measure(bencher, "graph.json", kineto(400, 1500, 25).as_bytes());
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn kineto_eager(bencher: Bencher) {
    measure(bencher, "eager.json", kineto(100, 0, 1000).as_bytes());
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn kineto_gzip(bencher: Bencher) {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(kineto(400, 1500, 25).as_bytes()).expect("memory");
    measure(bencher, "graph.json.gz", &gzip.finish().expect("memory"));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn rocprofv3_csv(bencher: Bencher) {
    measure(bencher, "1_kernel_trace.csv", csv(500_000).as_bytes());
}
