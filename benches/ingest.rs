//! How fast traces are read: bytes of text a second, and rows of a database a second, beside what SQLite alone takes to add
//! up one column.
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
use rusqlite::Connection;

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

/// Kernels of a graph launch in a database.
const REPLAYED: usize = 400;

/// A rocpd database of `rows` kernels with the columns that rocprofv3 1.0 writes.
fn rocpd(path: &Path, rows: usize) {
    let guid = "00000797-e16d-716d-b3cc-a4a0629bb1d1";
    let of = |name: &str| format!("rocpd_{name}_{}", guid.replace('-', "_"));
    let (dispatch, event, region) = (of("kernel_dispatch"), of("event"), of("region"));
    let sql = format!(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
         CREATE TABLE {} (id INTEGER PRIMARY KEY, string TEXT);
         CREATE TABLE {} (id INTEGER PRIMARY KEY, hostname TEXT);
         CREATE TABLE {} (id INTEGER PRIMARY KEY, pid INTEGER, command TEXT, environment TEXT);
         CREATE TABLE {} (id INTEGER PRIMARY KEY, tid INTEGER);
         CREATE TABLE {} (id INTEGER PRIMARY KEY, type TEXT, logical_index INTEGER, name TEXT, product_name TEXT);
         CREATE TABLE {} (id INTEGER PRIMARY KEY, uri TEXT);
         CREATE TABLE {symbols} (id INTEGER PRIMARY KEY, code_object_id INTEGER, kernel_name TEXT, display_name TEXT);
         CREATE TABLE {} (id INTEGER PRIMARY KEY, event_id INTEGER, name TEXT, value TEXT);
         CREATE TABLE {} (id INTEGER PRIMARY KEY, start INTEGER, \"end\" INTEGER, name_id INTEGER, dst_agent_id INTEGER,
             src_agent_id INTEGER, size INTEGER, queue_id INTEGER, stream_id INTEGER, event_id INTEGER);
         CREATE TABLE {event} (id INTEGER PRIMARY KEY, guid TEXT, category_id INTEGER, stack_id INTEGER,
             parent_stack_id INTEGER, correlation_id INTEGER, call_stack JSONB, line_info JSONB, extdata JSONB);
         CREATE TABLE {region} (id INTEGER PRIMARY KEY, guid TEXT, nid INTEGER, pid INTEGER, tid INTEGER, start BIGINT,
             \"end\" BIGINT, name_id INTEGER, event_id INTEGER, extdata JSONB);
         CREATE TABLE {dispatch} (id INTEGER PRIMARY KEY, guid TEXT, nid INTEGER, pid INTEGER, tid INTEGER,
             agent_id INTEGER, kernel_id INTEGER, dispatch_id INTEGER, queue_id INTEGER, stream_id INTEGER, start BIGINT,
             \"end\" BIGINT, private_segment_size INTEGER, group_segment_size INTEGER, workgroup_size_x INTEGER,
             workgroup_size_y INTEGER, workgroup_size_z INTEGER, grid_size_x INTEGER, grid_size_y INTEGER,
             grid_size_z INTEGER, region_name_id INTEGER, event_id INTEGER, extdata JSONB);
         INSERT INTO {strings} VALUES (1, 'HIP_RUNTIME_API_EXT'), (2, 'KERNEL_DISPATCH'), (3, 'hipGraphLaunch');",
        of("string"),
        of("info_node"),
        of("info_process"),
        of("info_thread"),
        of("info_agent"),
        of("info_code_object"),
        of("arg"),
        of("memory_copy"),
        symbols = of("info_kernel_symbol"),
        strings = of("string"),
    );
    let mut connection = Connection::open(path).expect("a database");
    connection.execute_batch(&sql).expect("tables");
    let all = connection.transaction().expect("a transaction");
    {
        let mut symbols =
            all.prepare(&format!("INSERT INTO {} VALUES (?, 1, '', ?)", of("info_kernel_symbol"))).expect("SQL");
        for (id, name) in NAMES.iter().enumerate() {
            symbols.execute((id as i64 + 1, name)).expect("a symbol");
        }
        let mut events = all
            .prepare(&format!("INSERT INTO {event} VALUES (?, ?, ?, ?, 0, 0, '{{}}', '{{}}', '{{}}')"))
            .expect("SQL");
        let mut regions =
            all.prepare(&format!("INSERT INTO {region} VALUES (?, ?, 1, 77, 77, ?, ?, 3, ?, '{{}}')")).expect("SQL");
        let insert = format!(
            "INSERT INTO {dispatch} VALUES (?, ?, 1, 77, 77, 2, ?, ?, 1, 1, ?, ?, 0, 0, 256, 1, 1, 4096, 1, 1, 1, ?, '{{}}')"
        );
        let mut dispatches = all.prepare(&insert).expect("SQL");
        let mut id = 0_i64;
        for row in 0..rows as i64 {
            let start = 7_215_016_607_444 + row * 9_000;
            let stack = row / REPLAYED as i64 + 1;
            if row % REPLAYED as i64 == 0 {
                id += 1;
                events.execute((id, guid, 1, stack)).expect("an event");
                regions.execute((stack, guid, start - 9_000, start - 1_000, id)).expect("a region");
            }
            id += 1;
            events.execute((id, guid, 2, stack)).expect("an event");
            let kernel = row % NAMES.len() as i64 + 1;
            dispatches.execute((row + 1, guid, kernel, row, start, start + 7_519, id)).expect("a dispatch");
        }
    }
    all.commit().expect("a commit");
}

/// An RPD database of `rows` replayed kernels.
fn rpd(path: &Path, rows: usize) {
    let mut connection = Connection::open(path).expect("a database");
    connection
        .execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
             CREATE TABLE rocpd_string (id INTEGER PRIMARY KEY, string TEXT);
             CREATE TABLE rocpd_metadata (id INTEGER PRIMARY KEY, tag TEXT, value TEXT);
             CREATE TABLE rocpd_api (id INTEGER PRIMARY KEY, pid INTEGER, tid INTEGER, start INTEGER, \"end\" INTEGER,
                 apiName_id INTEGER, args_id INTEGER);
             CREATE TABLE rocpd_op (id INTEGER PRIMARY KEY, gpuId INTEGER, queueId INTEGER, sequenceId INTEGER,
                 start INTEGER, \"end\" INTEGER, description_id INTEGER, opType_id INTEGER);
             CREATE TABLE rocpd_api_ops (id INTEGER PRIMARY KEY, api_id INTEGER, op_id INTEGER);
             CREATE TABLE rocpd_copyapi (api_ptr_id INTEGER PRIMARY KEY, size INTEGER);
             INSERT INTO rocpd_string VALUES (1, 'Task'), (2, 'hipGraphLaunch'), (3, 'graphExec = 0xabc');",
        )
        .expect("tables");
    let all = connection.transaction().expect("a transaction");
    {
        let mut strings = all.prepare("INSERT INTO rocpd_string VALUES (?, ?)").expect("SQL");
        for (id, name) in NAMES.iter().enumerate() {
            strings.execute((id as i64 + 10, name)).expect("a string");
        }
        let mut calls = all.prepare("INSERT INTO rocpd_api VALUES (?, 77, 77, ?, ?, 2, 3)").expect("SQL");
        let mut ops = all.prepare("INSERT INTO rocpd_op VALUES (?, 2, 0, 0, ?, ?, ?, 1)").expect("SQL");
        let mut links = all.prepare("INSERT INTO rocpd_api_ops (api_id, op_id) VALUES (?, ?)").expect("SQL");
        for row in 0..rows as i64 {
            let start = 7_215_016_607_444 + row * 9_000;
            let call = row / REPLAYED as i64 + (1 << 32);
            if row % REPLAYED as i64 == 0 {
                calls.execute((call, start - 9_000, start - 1_000)).expect("a call");
            }
            ops.execute((row + 1, start, start + 7_519, row % NAMES.len() as i64 + 10)).expect("an op");
            links.execute((call, row + 1)).expect("a link");
        }
    }
    all.commit().expect("a commit");
}

/// Measures reading a database that `make` makes, or what SQLite alone takes to add up its kernels' times.
fn measure_database(bencher: Bencher, make: fn(&Path, usize), table: &str, alone: bool) {
    const ROWS: usize = 1_000_000;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("trace.db");
    make(&path, ROWS);
    let bencher = bencher.counter(ItemsCount::new(ROWS));
    if alone {
        let sql = format!("SELECT sum(\"end\" - start) FROM {table}");
        bencher.bench(|| {
            let connection = Connection::open(&path).expect("a database");
            connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).expect("a sum")
        });
    } else {
        bencher.bench(|| ingest::read(&[&path]).expect("a whole trace").dispatches.len());
    }
}

const ROCPD_TABLE: &str = "rocpd_kernel_dispatch_00000797_e16d_716d_b3cc_a4a0629bb1d1";

#[divan::bench(sample_count = 5, sample_size = 1)]
fn rocpd_read(bencher: Bencher) {
    measure_database(bencher, rocpd, ROCPD_TABLE, false);
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn rocpd_sum_alone(bencher: Bencher) {
    measure_database(bencher, rocpd, ROCPD_TABLE, true);
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn rpd_read(bencher: Bencher) {
    measure_database(bencher, rpd, "rocpd_op", false);
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn rpd_sum_alone(bencher: Bencher) {
    measure_database(bencher, rpd, "rocpd_op", true);
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
