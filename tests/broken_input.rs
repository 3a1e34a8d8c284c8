//! Broken input: a clear error, or what could be read and a warning. Never a panic, and never a part that looks whole.

mod common;

#[path = "common/inputs.rs"]
mod inputs;

use std::path::Path;
use std::sync::OnceLock;

use inputs::{data, gzip};
use profile_decode::ingest::{self, Error, ErrorKind};
use profile_decode::model::Trace;
use proptest::prelude::*;

/// Reads `bytes` from a file called `name`.
fn read(name: &str, bytes: &[u8]) -> Result<Trace, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    ingest::read(&[path])
}

fn error(name: &str, bytes: &[u8]) -> Error {
    match read(name, bytes) {
        Err(error) => error,
        Ok(trace) => panic!("{name} was read: {} dispatches", trace.dispatches.len()),
    }
}

fn has_warning(trace: &Trace, code: &str) -> bool {
    trace.warnings.iter().any(|warning| warning.code == code)
}

#[test]
fn what_is_no_trace_is_refused_with_its_kind_and_advice() {
    use ErrorKind::{Empty, Malformed, UnknownFormat};
    let stats = b"\"Name\",\"Calls\",\"TotalDurationNs\",\"AverageNs\"\n\"k\",1,2,3\n".as_slice();
    let counters = b"\"Kernel_Name\",\"Counter_Name\",\"Start_Timestamp\",\"End_Timestamp\"\n".as_slice();
    let header = b"\"Kind\",\"Kernel_Name\",\"Correlation_Id\",\"Start_Timestamp\",\"End_Timestamp\"\n".as_slice();
    let chrome = br#"[ {}, {"ph":"X","name":"k","pid":"1","ts":"5","dur":"1","args":{"desc":"k"}} ]"#.as_slice();
    let rocprof = br#"{"traceEvents":[{"ph":"X","name":"k","pid":"1","ts":"5","dur":"1","args":{"BeginNs":"5"}}]}"#;
    let compute =
        b"Dispatch_ID,GPU_ID,Kernel_Name,SQ_WAIT_ANY,TCC_EA0_WRREQ[0],Start_Timestamp,End_Timestamp\n".as_slice();
    let tar = [&[b'a'; 257][..], b"ustar\x0000", &[0; 248]].concat();
    let cases: [(&str, &[u8], ErrorKind, &str); 20] = [
        ("pmc_perf.csv", compute, UnknownFormat, "counters"),
        ("traces.tar.gz", &gzip(&tar), UnknownFormat, "tar archive"),
        ("a.nsys-rep", b"NVIDIA Tegra Profiler Report 2024", UnknownFormat, "Nsight"),
        ("empty.json", b"", Malformed, "empty"),
        ("spaces.json", b" \n ", Malformed, "empty"),
        ("text.json", b"hello, this is a note", UnknownFormat, "knows"),
        ("object.json", b"{\"a\": 1}", UnknownFormat, "traceEvents"),
        ("no_events.json", b"{\"traceEvents\": []}", Empty, "no GPU work"),
        ("broken.json", b"{\"traceEvents\" [", Malformed, "JSON"),
        ("cut_header.json", b"{\"schemaVersion\": 1, \"devi", Malformed, "before its first event"),
        ("program", b"\x7FELF\x02\x01\x01", UnknownFormat, "program"),
        ("a.zip", b"PK\x03\x04....", UnknownFormat, "zip"),
        ("a.json.zst", b"\x28\xB5\x2F\xFD....", UnknownFormat, "zstd"),
        ("a.pftrace", b"\x0A\x02ab\x0A\x02cd", UnknownFormat, "Perfetto"),
        ("kernel_stats.csv", stats, UnknownFormat, "sums"),
        ("counters.csv", counters, UnknownFormat, "counters"),
        ("1_kernel_trace.csv", header, Empty, "no rows"),
        ("rpd.json", chrome, UnknownFormat, "RPD"),
        ("rocprof.json", rocprof, UnknownFormat, "rocprof v1"),
        ("half.gz", &gzip(b"{\"traceEvents\": []}")[..12], Malformed, "ends early"),
    ];
    for (name, bytes, kind, message) in cases {
        let error = error(name, bytes);
        assert_eq!(error.kind, kind, "{name}: {error}");
        assert!(error.to_string().contains(message), "{name}: {error}");
        assert!(error.to_string().contains(name), "{name}: {error}");
        if matches!(kind, UnknownFormat | Empty) && name != "object.json" {
            assert!(error.hint.is_some(), "{name}: {error}");
        }
    }
}

#[test]
fn a_missing_path_and_a_directory_without_traces_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    let missing = ingest::read(&[directory.path().join("missing.json")]).unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
    let empty = ingest::read(&[directory.path()]).unwrap_err();
    assert_eq!(empty.kind, ErrorKind::UnknownFormat);
    // What a file is says more than that there is nothing in it.
    std::fs::write(directory.path().join("1_agent_info.csv"), b"\"Node_Id\",\"Agent_Type\"\n1,\"GPU\"\n").unwrap();
    std::fs::write(directory.path().join("notes.txt"), b"nothing of interest").unwrap();
    std::fs::write(directory.path().join("results.csv"), b"\"Index\",\"KernelName\",\"BeginNs\"\n").unwrap();
    let refused = ingest::read(&[directory.path()]).unwrap_err();
    assert!(refused.to_string().contains("rocprof v1"), "{refused}");
    std::fs::remove_file(directory.path().join("results.csv")).unwrap();
    std::fs::write(directory.path().join("rank0.json"), b"{\"traceEvents\": [{\"ph\": ").unwrap();
    let broken = ingest::read(&[directory.path()]).unwrap_err();
    assert!(broken.to_string().contains("rank0.json"), "{broken}");
}

#[test]
fn a_broken_rank_in_a_directory_is_said_while_the_others_are_read() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::copy(data("kineto.json"), directory.path().join("rank0.json")).unwrap();
    std::fs::write(directory.path().join("rank1.json.gz"), &gzip(&[b' '; 100])[..5]).unwrap();
    let trace = ingest::read(&[directory.path()]).unwrap();
    assert_eq!(trace.ranks.len(), 1);
    assert!(has_warning(&trace, "unreadable-file"), "{:?}", trace.warnings);
}

#[test]
fn a_truncated_gzip_gives_what_it_holds_and_says_where_it_was_cut() {
    let mut text = std::fs::read_to_string(data("kineto.json")).unwrap();
    let kernel = text.lines().find(|line| line.contains("rmsnorm")).unwrap().to_owned();
    let many: String = (0..2000).map(|i| kernel.replace("123.000", &format!("{}.000", 200 + i)) + "\n").collect();
    text = text.replace(&kernel, &(kernel.clone() + "\n" + &many));
    let whole = gzip(text.as_bytes());
    assert_eq!(read("rank0.json", &whole).unwrap().dispatches.len(), 2003);
    let trace = read("rank0.json.gz", &whole[..whole.len() * 2 / 3]).unwrap();
    assert!((10..2003).contains(&trace.dispatches.len()), "{}", trace.dispatches.len());
    let cut = trace.warnings.iter().find(|warning| warning.code == "cut-short").unwrap();
    assert!(cut.text.contains("byte") && cut.text.contains("ends early"), "{}", cut.text);
}

#[test]
fn gzip_members_bom_and_windows_line_ends_make_no_difference() {
    let text = std::fs::read(data("kineto.json")).unwrap();
    let plain = read("a.json", &text).unwrap();
    let members = [gzip(&text[..500]), gzip(&text[500..])].concat();
    let bom = [b"\xEF\xBB\xBF", &text[..]].concat();
    let windows = String::from_utf8(text).unwrap().replace('\n', "\r\n");
    for variant in [&members[..], &bom, windows.as_bytes()] {
        let trace = read("a.json", variant).unwrap();
        assert_eq!(trace.dispatches, plain.dispatches);
        assert!(trace.warnings.is_empty(), "{:?}", trace.warnings);
    }
    let csv = std::fs::read_to_string(data("77_kernel_trace.csv")).unwrap();
    let windows = ["\u{FEFF}", &csv.replace('\n', "\r\n")].concat();
    let (plain, windows) = (read("a.csv", csv.as_bytes()).unwrap(), read("a.csv", windows.as_bytes()).unwrap());
    assert_eq!(plain.dispatches, windows.dispatches);
}

#[test]
fn a_name_with_unescaped_quotes_costs_one_event_which_is_counted() {
    let text = std::fs::read_to_string(data("kineto.json")).unwrap();
    for bad in ["say \"hi\" now", "5\" disk", "a \\"] {
        let broken = text.replace("linear.py(210): \\\"forward\\\"", bad);
        assert_ne!(broken, text);
        let trace = read("a.json", broken.as_bytes()).unwrap();
        assert_eq!(trace.dispatches.len(), 3, "{bad}: {:?}", trace.warnings);
        assert_eq!(trace.launches.len(), 2, "{bad}");
    }
    let broken = text.replace("paged_attention", "paged \"attention");
    let trace = read("a.json", broken.as_bytes()).unwrap();
    assert_eq!(trace.dispatches.len(), 2);
    assert_eq!(trace.losses[0].count, 1);
    assert!(has_warning(&trace, "unreadable-events"));
}

#[test]
fn the_shared_odd_files_are_read_as_far_as_they_go() {
    let Some(shared) = common::shared() else { return };
    let edge = |name: &str| ingest::read(&[shared.join("traces/dev/edge_derived").join(name)]);
    for (name, kernels, warning) in [
        ("bare_array_no_envelope.json", 562, None),
        ("gzip_content_named.json", 562, None),
        ("partial_last_line_kernel_trace.csv", 300, Some("cut-short")),
    ] {
        let trace = edge(name).unwrap();
        assert_eq!(trace.dispatches.len(), kernels, "{name}");
        assert_eq!(trace.warnings.first().map(|warning| warning.code), warning, "{name}: {:?}", trace.warnings);
    }
    for name in ["truncated_at_60pct.json", "truncated_at_60pct.json.gz"] {
        let trace = edge(name).unwrap();
        assert!((1..562).contains(&trace.dispatches.len()), "{name}");
        assert!(has_warning(&trace, "cut-short"), "{name}");
    }
    assert_eq!(edge("empty.csv").unwrap_err().kind, ErrorKind::Malformed);
    assert_eq!(edge("header_only_kernel_trace.csv").unwrap_err().kind, ErrorKind::Empty);
    match edge("truncated_rocpd.db") {
        Ok(trace) => assert!(has_warning(&trace, "cut-short"), "{:?}", trace.warnings),
        Err(error) => assert_eq!(error.kind, ErrorKind::Malformed, "{error}"),
    }
}

/// A file: its name, its bytes, how many dispatches it holds, and how many warnings it deserves when it is whole.
type File = (&'static str, Vec<u8>, usize, usize);

/// One valid file of each format.
fn valid() -> &'static [File] {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(make_valid)
}

fn make_valid() -> Vec<File> {
    let database = |make: fn(&Path)| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("made.db");
        make(&path);
        std::fs::read(path).unwrap()
    };
    let text = |name: &str| std::fs::read(data(name)).unwrap();
    let kineto = text("kineto.json");
    vec![
        ("a.json.gz", gzip(&kineto), 3, 0),
        ("a.json", kineto, 3, 0),
        ("fused.json", text("fused.json"), 2, 1),
        ("77_results.json", text("rocprofv3.json"), 2, 0),
        ("77_kernel_trace.csv", text("77_kernel_trace.csv"), 2, 0),
        ("a.rpd", database(inputs::rpd), 3, 1),
        ("a.rpd.gz", gzip(&database(inputs::rpd)), 3, 1),
        ("rtl.db", database(inputs::rocm_trace_lite), 2, 1),
        ("77_results.db", database(inputs::rocpd), 4, 0),
    ]
}

#[test]
fn valid_inputs_of_the_following_properties_are_valid() {
    for (name, bytes, dispatches, warnings) in valid() {
        let trace = read(name, bytes).unwrap();
        assert_eq!((trace.dispatches.len(), trace.warnings.len()), (*dispatches, *warnings), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_prefix_of_a_valid_trace_is_an_error_or_says_that_it_is_one(share in 0.0f64..1.0) {
        for (name, bytes, dispatches, warnings) in valid() {
            let length = (bytes.len() as f64 * share) as usize;
            let Ok(trace) = read(name, &bytes[..length]) else { continue };
            // A table that ends with a whole line cannot be told from a whole one.
            let at_line_end = name.ends_with(".csv") && bytes[length - 1] == b'\n';
            let silent = trace.warnings.len() <= *warnings && !has_warning(&trace, "cut-short");
            prop_assert!(
                !silent || at_line_end || trace.dispatches.len() == *dispatches,
                "{} cut at {} gave {} dispatches without a word", name, length, trace.dispatches.len()
            );
        }
    }

    #[test]
    fn damage_anywhere_never_panics(places in proptest::collection::vec((0.0f64..1.0, any::<u8>()), 1..8)) {
        for (name, bytes, ..) in valid() {
            let mut bytes = bytes.clone();
            for (share, byte) in &places {
                let at = (bytes.len() as f64 * share) as usize;
                bytes[at] = *byte;
            }
            let _ = read(name, &bytes);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), start in 0usize..6) {
        let starts: [&[u8]; 6] =
            [b"", b"{\"traceEvents\":[", b"SQLite format 3\0", b"\x1F\x8B\x08\0", b"{\"rocprofiler-sdk-tool\":[{", b"Kernel_Name,Start_Timestamp,End_Timestamp\n"];
        let _ = read("noise", &[starts[start], &bytes].concat());
    }
}

#[cfg(unix)]
#[test]
fn an_error_about_a_path_that_is_no_utf8_is_json_all_the_same() {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::OsStr::from_bytes(b"/nowhere/\xff\xfe.json");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_profile-decode"))
        .args(["report", "--format", "json"])
        .arg(path)
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["error"]["kind"], "not_found");
    assert!(json["error"]["path"].as_str().unwrap().starts_with("/nowhere/"));
}
