//! Small traces of every format: the hand-made files of `tests/data/ingest`, and databases made here.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// A hand-made file.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ingest").join(name)
}

/// `bytes` gzipped.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Makes the database `path` by `sql`.
fn database(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// An RPD database: an eager kernel, a graph launch that replays two, a marker, a copy and a barrier.
pub(crate) fn rpd(path: &Path) {
    database(
        path,
        "CREATE TABLE rocpd_string (id INTEGER PRIMARY KEY, string TEXT);
         CREATE TABLE rocpd_metadata (id INTEGER PRIMARY KEY, tag TEXT, value TEXT);
         CREATE TABLE rocpd_api (id INTEGER PRIMARY KEY, pid INTEGER, tid INTEGER, start INTEGER, \"end\" INTEGER,
                                 apiName_id INTEGER, args_id INTEGER);
         CREATE TABLE rocpd_op (id INTEGER PRIMARY KEY, gpuId INTEGER, queueId INTEGER, sequenceId INTEGER,
                                completionSignal TEXT, start INTEGER, \"end\" INTEGER, description_id INTEGER,
                                opType_id INTEGER);
         CREATE TABLE rocpd_api_ops (id INTEGER PRIMARY KEY, api_id INTEGER, op_id INTEGER);
         CREATE TABLE rocpd_copyapi (api_ptr_id INTEGER PRIMARY KEY, size INTEGER);
         INSERT INTO rocpd_metadata (tag, value) VALUES ('schema_version', '2'), ('session_count', '1');
         INSERT INTO rocpd_string VALUES (1, 'KernelExecution'), (2, 'Task'), (3, 'CopyHostToDevice'), (4, ''),
             (5, 'gemm'), (6, 'attention'), (7, 'hipLaunchKernel'), (8, 'hipGraphLaunch'), (9, 'UserMarker'),
             (10, 'decode[bs=2 tok=2 d=2]'), (11, 'graphExec = 0xabc | stream = 0x0'), (12, 'hipMemcpyAsync'),
             (13, 'hipGetDevice'), (14, 'Barrier'), (15, 'Teleport');
         INSERT INTO rocpd_api VALUES (4294967297, 77, 78, 1000, 1500, 9, 10), (4294967298, 77, 78, 1010, 1020, 7, 4),
             (4294967299, 77, 78, 1100, 1200, 8, 11), (4294967300, 77, 78, 1300, 1350, 12, 4),
             (4294967301, 77, 78, 1400, 1401, 13, 4);
         INSERT INTO rocpd_op VALUES (101, 2, 0, 0, '', 2000, 2500, 5, 1), (102, 2, 0, 0, '', 2600, 2700, 6, 2),
             (103, 2, 1, 0, '', 2650, 2800, 5, 2), (104, 2, 0, 0, '', 1800, 1900, 4, 3),
             (105, 2, 0, 0, '', 2900, 2900, 4, 14), (106, 2, 0, 0, '', 3000, 3001, 4, 15);
         INSERT INTO rocpd_api_ops (api_id, op_id) VALUES (4294967298, 101), (4294967299, 102), (4294967299, 103),
             (4294967300, 104);
         INSERT INTO rocpd_copyapi VALUES (4294967300, 64);",
    );
}

/// A rocm-trace-lite database: kernels without calls, and a marker among the ops.
pub(crate) fn rocm_trace_lite(path: &Path) {
    database(
        path,
        "CREATE TABLE rocpd_string (id INTEGER PRIMARY KEY, string TEXT UNIQUE);
         CREATE TABLE rocpd_metadata (id INTEGER PRIMARY KEY, tag TEXT, value TEXT);
         CREATE TABLE rocpd_api (id INTEGER PRIMARY KEY, pid INTEGER, tid INTEGER, start INTEGER, \"end\" INTEGER,
                                 apiName_id INTEGER, args_id INTEGER);
         CREATE TABLE rocpd_op (id INTEGER PRIMARY KEY, gpuId INTEGER, queueId INTEGER, sequenceId INTEGER,
                                completionSignal TEXT, start INTEGER, \"end\" INTEGER, description_id INTEGER,
                                opType_id INTEGER, roctxId INTEGER);
         CREATE TABLE rocpd_api_ops (id INTEGER PRIMARY KEY, api_id INTEGER, op_id INTEGER);
         INSERT INTO rocpd_metadata (tag, value) VALUES ('pid', '77');
         INSERT INTO rocpd_string VALUES (1, 'KernelExecution'), (2, 'UserMarker'), (3, 'gemm'), (4, 'decode[bs=2]');
         INSERT INTO rocpd_op VALUES (1, 0, 5, 0, '5/64/64', 2000, 2500, 3, 1, NULL), (2, 0, 5, 0, NULL, 2600, 2700, NULL, 1, NULL),
             (3, -1, 0, 0, NULL, 1000, 1500, 4, 2, NULL);",
    );
}

/// A rocpd database of two processes without the plain-named views, as merging tools leave them.
pub(crate) fn rocpd(path: &Path) {
    let one = |suffix: &str, pid: u32, start: u32| {
        format!(
            "CREATE TABLE rocpd_string{suffix} (id INTEGER PRIMARY KEY, string TEXT);
             CREATE TABLE rocpd_info_node{suffix} (id INTEGER PRIMARY KEY, hostname TEXT);
             CREATE TABLE rocpd_info_process{suffix} (id INTEGER PRIMARY KEY, pid INTEGER, command TEXT, environment TEXT);
             CREATE TABLE rocpd_info_thread{suffix} (id INTEGER PRIMARY KEY, tid INTEGER);
             CREATE TABLE rocpd_info_agent{suffix} (id INTEGER PRIMARY KEY, type TEXT, logical_index INTEGER, name TEXT,
                                                    product_name TEXT);
             CREATE TABLE rocpd_info_code_object{suffix} (id INTEGER PRIMARY KEY, uri TEXT);
             CREATE TABLE rocpd_info_kernel_symbol{suffix} (id INTEGER PRIMARY KEY, code_object_id INTEGER,
                                                            kernel_name TEXT, display_name TEXT);
             CREATE TABLE rocpd_event{suffix} (id INTEGER PRIMARY KEY, category_id INTEGER, stack_id INTEGER,
                                               correlation_id INTEGER, extdata TEXT);
             CREATE TABLE rocpd_arg{suffix} (id INTEGER PRIMARY KEY, event_id INTEGER, name TEXT, value TEXT);
             CREATE TABLE rocpd_region{suffix} (id INTEGER PRIMARY KEY, tid INTEGER, start INTEGER, \"end\" INTEGER,
                                                name_id INTEGER, event_id INTEGER);
             CREATE TABLE rocpd_kernel_dispatch{suffix} (id INTEGER PRIMARY KEY, agent_id INTEGER, kernel_id INTEGER,
                 queue_id INTEGER, stream_id INTEGER, start INTEGER, \"end\" INTEGER, event_id INTEGER);
             CREATE TABLE rocpd_memory_copy{suffix} (id INTEGER PRIMARY KEY, start INTEGER, \"end\" INTEGER,
                 name_id INTEGER, dst_agent_id INTEGER, src_agent_id INTEGER, size INTEGER, queue_id INTEGER,
                 stream_id INTEGER, event_id INTEGER);
             INSERT INTO rocpd_string{suffix} VALUES (1, 'HIP_RUNTIME_API_EXT'), (2, 'MARKER_CORE_RANGE_API'),
                 (3, 'KERNEL_DISPATCH'), (4, 'hipGraphLaunch'), (5, 'roctxThreadRangeA'), (6, 'MEMORY_COPY_HOST_TO_DEVICE');
             INSERT INTO rocpd_info_node{suffix} VALUES (1, 'node7');
             INSERT INTO rocpd_info_process{suffix} VALUES ({pid}, {pid}, 'python -m vllm.entrypoints.openai.api_server', '{{}}');
             INSERT INTO rocpd_info_thread{suffix} VALUES (1, {pid});
             INSERT INTO rocpd_info_agent{suffix} VALUES (0, 'CPU', 0, 'AMD EPYC', 'AMD EPYC'),
                 (1, 'GPU', 1, 'gfx950', 'AMD Instinct MI355X');
             INSERT INTO rocpd_info_code_object{suffix} VALUES (1, 'file:///opt/kernels.co');
             INSERT INTO rocpd_info_kernel_symbol{suffix} VALUES (5, 1, '_Z4gemmv.kd', 'gemm()');
             INSERT INTO rocpd_event{suffix} VALUES (1, 2, 10, 0, '{{\"message\": \"decode[bs=2 tok=2 d=2]\"}}'),
                 (2, 1, 11, 0, '{{}}'), (3, 3, 11, 0, '{{}}'), (4, 3, 11, 0, '{{}}'), (5, 3, 12, 0, '{{}}');
             INSERT INTO rocpd_arg{suffix} (event_id, name, value) VALUES (2, 'graphExec', '0xabc');
             INSERT INTO rocpd_region{suffix} VALUES (1, 1, {start} + 0, {start} + 500, 5, 1),
                 (2, 1, {start} + 100, {start} + 200, 4, 2);
             INSERT INTO rocpd_kernel_dispatch{suffix} VALUES (1, 1, 5, 3, 9, {start} + 1000, {start} + 1500, 3),
                 (2, 1, 6, 3, NULL, {start} + 1600, {start} + 1700, 4);
             INSERT INTO rocpd_memory_copy{suffix} VALUES (1, {start} + 800, {start} + 900, 6, 1, 0, 64, NULL, 9, 5);"
        )
    };
    database(path, &(one("_0000006e_15ed_75ed", 77, 1000) + &one("_0000006e_15ee_75ee", 78, 1001)));
}
