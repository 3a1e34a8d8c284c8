//! What code objects tell while a server runs: names that say nothing are known by the files that they were written in, and
//! objects of any kind of damage harm nobody.

use serde_json::Value;

use crate::harness::{Run, Server, report};

/// A server whose names tell nothing, or less than the files: `kernel` stands in two modules, of which one runs.
const OPAQUE: &str = r#"
packages = "/home/ada/venv/lib/python3.12/site-packages/vllm/"
Gpu(["kernel\t" + packages + "distributed/custom_all_reduce.py"])
gpu = Gpu([
    "_kv_kernel\t" + packages + "v1/attention/ops/mla_decode.py",
    "kernel\t" + packages + "model_executor/layers/fused_moe/router/x.py",
    "_topk_step\t" + packages + "v1/sample/ops/y.py",
    "Cijk_gemm_MT16x16x256",
    "_no_file_kernel",
])
gpu.steps(20)
"#;

fn served(objects: &str, more: &[(&str, &str)]) -> Run {
    let server = Server::python(OPAQUE).steps(10, 5).env("ROCPROFILER_SIM_OBJECTS", objects);
    let run = more.iter().fold(server, |server, (name, value)| server.env(name, value)).run();
    run.succeeded();
    run
}

fn row<'a>(report: &'a Value, name: &str) -> &'a Value {
    let rows = report["kernels"].as_array().expect("a table");
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name} in {rows:#?}"))
}

fn warned(report: &Value) -> Vec<&str> {
    let warnings = report["warnings"].as_array().expect("a list");
    let about = warnings.iter().filter(|warning| warning["code"] == "code-objects-unread");
    about.filter_map(|warning| warning["text"].as_str()).collect()
}

/// Every dispatch of the window is there, whatever the objects are.
fn is_whole(report: &Value) {
    assert_eq!(report["steps"]["count"], 10, "{:#}", report["steps"]);
    assert_eq!(report["totals"]["dispatches"], 50);
    assert!(report["capture"]["dropped"].as_array().is_some_and(Vec::is_empty), "{:#}", report["capture"]);
}

/// Nothing but names decides.
fn goes_by_names(report: &Value) {
    assert_eq!(row(report, "kernel")["sub"], "unknown");
    assert_eq!(row(report, "kernel")["purpose_by"], "name");
}

#[test]
fn kernels_of_opaque_names_are_known_by_the_files_that_they_were_written_in() {
    for objects in ["", "dwarf5"] {
        let run = served(objects, &[]);
        let report = report(&run.output());
        is_whole(&report);
        for (name, category, file) in [
            ("_kv_kernel", "attention", "vllm/v1/attention/ops/mla_decode.py"),
            ("kernel", "moe", "vllm/model_executor/layers/fused_moe/router/x.py"),
            ("_topk_step", "other", "vllm/v1/sample/ops/y.py"),
        ] {
            let row = row(&report, name);
            assert_eq!(row["category"], category, "{row:#}");
            assert_eq!((&row["purpose_by"], &row["backend"]), (&"source".into(), &"triton".into()), "{row:#}");
            let origins = row["origins"].as_array().expect("origins");
            assert_eq!(origins.len(), 1, "the module that does not run tells nothing: {row:#}");
            let origin = &origins[0];
            assert_eq!(origin["source"], file, "{objects}");
            let told = [&origin["arch"], &origin["compiler"], &origin["vgprs"], &origin["lds_bytes"]];
            assert_eq!(told, [&Value::from("gfx942"), &"triton".into(), &24.into(), &4096.into()]);
        }
        assert_eq!(row(&report, "_topk_step")["sub"], "sampling");
        assert_eq!(row(&report, "Cijk_gemm_MT16x16x256")["purpose_by"], "name");
        assert_eq!(row(&report, "_no_file_kernel")["origins"][0].get("source"), None);
        assert_eq!(warned(&report), [""; 0]);
        assert_eq!(run.report_afterwards()["kernels"], report["kernels"], "live and from the file");
    }
}

#[test]
fn no_user_is_named() {
    let run = served("", &[]);
    let captures = run.files().into_iter().filter(|name| name.ends_with(".pdc"));
    for capture in captures {
        let bytes = std::fs::read(run.output().join(capture)).expect("a capture");
        assert!(!bytes.windows(3).any(|bytes| bytes == b"ada"), "a path of a user's stays out of the capture");
    }
}

#[test]
fn what_tells_nothing_or_is_gone_leaves_names() {
    for objects in ["compressed", "truncated", "looped", "huge", "32bit", "garbage", "gone"] {
        let report = report(&served(objects, &[]).output());
        is_whole(&report);
        goes_by_names(&report);
        assert_eq!(warned(&report).len(), usize::from(objects == "gone"), "{objects}: {:?}", warned(&report));
    }
}

#[test]
fn a_loader_that_claims_too_much_is_believed_no_further_than_the_memory_goes() {
    let report = report(&served("lying", &[]).output());
    is_whole(&report);
    assert_eq!(row(&report, "kernel")["category"], "moe");
}

#[test]
fn objects_in_files_are_read_there_and_their_neighbours_tell_the_language() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("3.glir"), "").expect("a file");
    let objects = format!("file:{}", directory.path().display());
    let report = report(&served(&objects, &[]).output());
    is_whole(&report);
    let row = row(&report, "kernel");
    assert_eq!((&row["category"], &row["purpose_by"]), (&"moe".into(), &"source".into()), "{row:#}");
    assert_eq!(row["backend"], "gluon", "{row:#}");
}

#[test]
fn with_the_variable_at_0_nothing_is_copied() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for objects in [String::new(), format!("file:{}", directory.path().display())] {
        let report = report(&served(&objects, &[("PROFILE_DECODE_CODE_OBJECTS", "0")]).output());
        is_whole(&report);
        goes_by_names(&report);
        assert_eq!(row(&report, "kernel").get("origins"), None);
        assert_eq!(warned(&report), [""; 0]);
    }
}
