//! The committed bindings are what bindgen makes of the header. Run with `--features bindgen`; without it there is
//! nothing to compare with, and the test does not exist.
//!
//! After a change of the header, `ROCPROFILER_SYS_BLESS=1 cargo test -p rocprofiler-sys --features bindgen` rewrites
//! the committed file.
#![cfg(feature = "bindgen")]

/// Where the committed bindings are.
const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bindings.rs");

#[test]
fn committed_bindings_are_what_bindgen_makes_of_the_header() {
    let generated = include_str!(concat!(env!("OUT_DIR"), "/bindings.rs"));
    if std::env::var_os("ROCPROFILER_SYS_BLESS").is_some() {
        std::fs::write(COMMITTED, generated).expect("the source tree can be written");
        return;
    }
    let committed = std::fs::read_to_string(COMMITTED).expect("src/bindings.rs is there");
    let differing = committed.lines().zip(generated.lines()).position(|(ours, theirs)| ours != theirs);
    let line = differing.unwrap_or_else(|| committed.lines().count().min(generated.lines().count()));
    assert!(
        committed == generated,
        "src/bindings.rs has drifted from the header at line {}:\n  committed: {}\n  generated: {}\n\
         Set ROCPROFILER_SYS_BLESS=1 to rewrite it.",
        line + 1,
        committed.lines().nth(line).unwrap_or("(end)"),
        generated.lines().nth(line).unwrap_or("(end)"),
    );
}
