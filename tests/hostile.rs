//! Inputs made to cost more than they weigh, or to be more than they seem: one table, asked by every verb.
//!
//! Each is answered, by a report or by an error that says why; what was expected of it stands in the table. That an answer
//! comes at all is the claim: without limits these take hours, or all memory.

#[path = "common/inputs.rs"]
#[allow(dead_code, reason = "each test file uses its own part")]
mod inputs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;

/// A hostile input.
struct Hostile {
    file: &'static str,
    make: fn(&Path),
    /// What the report, its warnings or the error must contain.
    says: &'static str,
    /// Exit code of `report`.
    code: i32,
}

const TABLE: [Hostile; 11] = [
    Hostile { file: "lines_kernel_trace.csv", make: lines_that_are_no_rows, says: "\"dispatches\": 1,", code: 0 },
    Hostile { file: "row_kernel_trace.csv.gz", make: row_without_end, says: "--limit row=", code: 0 },
    Hostile { file: "packed.db.gz", make: database_that_unpacks_without_end, says: "--limit unpacked=", code: 0 },
    Hostile { file: "recursive.db", make: recursive_view, says: "--limit sqlite-steps=", code: 0 },
    Hostile { file: "nothing.db", make: view_that_yields_nothing, says: "--limit sqlite-steps=", code: 65 },
    Hostile { file: "text.db", make: text_without_end, says: "unread-texts", code: 0 },
    Hostile { file: "texts.db", make: texts_without_end, says: "--limit sqlite-steps=", code: 0 },
    Hostile { file: "dear.db", make: rows_that_are_dear, says: "--limit sqlite-seconds=", code: 0 },
    Hostile { file: "ranks.json", make: many_gpus, says: "--limit ranks=", code: 65 },
    Hostile { file: "times.json", make: times_that_cannot_be, says: "impossible-times", code: 0 },
    Hostile { file: "pipe.json", make: pipe, says: "the file is empty", code: 65 },
];

const HEADER: &str =
    "\"Kind\",\"Agent_Id\",\"Queue_Id\",\"Kernel_Name\",\"Correlation_Id\",\"Start_Timestamp\",\"End_Timestamp\"\n";

fn lines_that_are_no_rows(path: &Path) {
    let bad = "\"KERNEL_DISPATCH\",\"Agent 1\",1,\"k\",x\n".repeat(100_000);
    fs::write(path, format!("{HEADER}\"KERNEL_DISPATCH\",\"Agent 1\",1,\"k\",1,100,200\n{bad}")).unwrap();
}

fn row_without_end(path: &Path) {
    let mut text = format!("{HEADER}\"KERNEL_DISPATCH\",\"Agent 1\",1,\"k\",1,100,200\n\"").into_bytes();
    text.resize(text.len() + (20 << 20), b'x');
    fs::write(path, inputs::gzip(&text)).unwrap();
}

fn database_that_unpacks_without_end(path: &Path) {
    let plain = path.with_extension("plain");
    inputs::rpd(&plain);
    let mut bytes = fs::read(&plain).unwrap();
    fs::remove_file(plain).unwrap();
    bytes.resize(64 << 20, 0);
    fs::write(path, inputs::gzip(&bytes)).unwrap();
}

/// An RPD database whose ops are what `select` computes, from numbers `x` of a table `n`.
fn computed(path: &Path, select: &str) {
    inputs::rpd(path);
    let sql = format!(
        "DROP TABLE rocpd_op; CREATE TABLE n (x INTEGER);
         WITH RECURSIVE r (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r LIMIT 1000) INSERT INTO n SELECT x FROM r;
         CREATE VIEW rocpd_op AS {select};"
    );
    Connection::open(path).unwrap().execute_batch(&sql).unwrap();
}

const OP: &str = "1 id, 2 gpuId, 0 queueId, 0 sequenceId, '' completionSignal, 10 * x start, 10 * x + 5 \"end\", \
                  5 description_id, 1 opType_id";

fn recursive_view(path: &Path) {
    computed(path, &format!("WITH RECURSIVE r (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT {OP} FROM r"));
}

fn view_that_yields_nothing(path: &Path) {
    let op = OP.replace("* x", "* a.x");
    computed(path, &format!("SELECT {op} FROM n a, n b, n c, n d WHERE a.x + b.x + c.x + d.x < 0"));
}

/// Ops of the kernels `1…1000`, whose names are what `text` computes of `id`.
fn named(path: &Path, text: &str) {
    computed(path, &format!("SELECT {} FROM n", OP.replace("5 description_id", "x + 100 description_id")));
    let sql = format!(
        "ALTER TABLE rocpd_string RENAME TO kept;
         CREATE VIEW rocpd_string AS SELECT id, string FROM kept UNION ALL SELECT x + 100 id, {text} FROM n;"
    );
    Connection::open(path).unwrap().execute_batch(&sql).unwrap();
}

fn text_without_end(path: &Path) {
    named(path, "printf('%.900000000c', 'x')");
}

fn texts_without_end(path: &Path) {
    named(path, "hex(zeroblob(1000000)) || x");
}

fn rows_that_are_dear(path: &Path) {
    let op = OP
        .replace("* x", "* a.x")
        .replace("5 description_id", "length(hex(zeroblob(2000000 + a.x - a.x))) description_id");
    computed(path, &format!("SELECT {op} FROM n a, n b"));
}

/// A PyTorch trace of these kernels: start and duration in microseconds, and GPU.
fn kineto(path: &Path, kernels: impl Iterator<Item = (u64, u64, u64)>) {
    let event = |(at, duration, gpu)| {
        format!(
            "{{\"ph\": \"X\", \"cat\": \"kernel\", \"name\": \"k\", \"pid\": {gpu}, \"tid\": 7, \"ts\": {at}, \
             \"dur\": {duration}, \"args\": {{\"device\": {gpu}, \"stream\": 7, \"correlation\": {at}}}}}"
        )
    };
    let events: Vec<String> = kernels.map(event).collect();
    fs::write(path, format!("{{\"traceEvents\": [{}]}}", events.join(","))).unwrap();
}

fn many_gpus(path: &Path) {
    kineto(path, (0..20_000).map(|gpu| (10 * gpu, 5, gpu)));
}

fn times_that_cannot_be(path: &Path) {
    let genuine = (0..50).map(|at| (10 * at, 5, 0));
    kineto(path, genuine.chain((1..4).map(|_| (0, 9_223_372_036_854_775, 0))));
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Limits that small inputs reach.
const LIMITS: &str = "unpacked=8M,row=1M,sqlite-steps=300k,sqlite-seconds=5";

/// Exit code, and all that was written.
fn run(arguments: &[&str], inputs: &[&Path]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_profile-decode"));
    let output = command.args(arguments).args(inputs).env("PROFILE_DECODE_LIMITS", LIMITS).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code().expect("it was not killed"), text.into_owned())
}

#[test]
fn every_verb_answers_every_hostile_input() {
    let directory = tempfile::tempdir().unwrap();
    for Hostile { file, make, says, code } in TABLE {
        let path: PathBuf = directory.path().join(file);
        make(&path);
        let (got, text) = run(&["report", "--format", "json"], &[&path]);
        assert!(got == code && text.contains(says), "{file}: {got}: {}", &text[..text.len().min(2_000)]);
        for verb in [&["report", "--format", "markdown"][..], &["export", "--format", "perfetto"], &["diff"]] {
            let inputs = if verb[0] == "diff" { vec![&*path, &*path] } else { vec![&*path] };
            let (got, text) = run(verb, &inputs);
            let is_right = if code == 0 { matches!(got, 0 | 3) } else { got == code };
            assert!(is_right, "{verb:?} {file}: {got}: {}", &text[..text.len().min(2_000)]);
        }
    }
}

#[test]
fn a_device_is_refused_wherever_a_file_can_be_named() {
    let trace = inputs::data("kineto.json");
    let zero = Path::new("/dev/zero");
    for (arguments, inputs) in [
        (&["report"][..], vec![zero]),
        (&["report", "--rules", "/dev/zero"], vec![&*trace]),
        (&["report", "--model-config", "/dev/zero"], vec![&*trace]),
        (&["diff", "--baseline", "/dev/zero"], vec![&*trace]),
    ] {
        let (code, text) = run(arguments, &inputs);
        assert!(code == 66 && text.contains("not a regular file"), "{arguments:?}: {code}: {text}");
    }
}
