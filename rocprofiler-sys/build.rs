//! With the feature `bindgen`, generates the bindings from `include/rocprofiler_sdk_min.h` into the build directory,
//! where `tests/bindings.rs` compares them with the committed `src/bindings.rs`.
//!
//! Users build with the committed file and need no libclang. Nothing is ever written into the source tree.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=include/rocprofiler_sdk_min.h");
    #[cfg(feature = "bindgen")]
    generate();
}

#[cfg(feature = "bindgen")]
fn generate() {
    let out = std::path::PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("bindings.rs");
    bindgen::Builder::default()
        .header("include/rocprofiler_sdk_min.h")
        .allowlist_item("(rocprofiler|ROCPROFILER|roctx|hip).*")
        // An enumeration of C holds whatever a newer library puts there: a Rust enum would make that undefined.
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .derive_default(true)
        .layout_tests(true)
        .use_core()
        .disable_header_comment()
        .raw_line("// Generated from include/rocprofiler_sdk_min.h by bindgen; see tests/bindings.rs for how.")
        .rust_edition(bindgen::RustEdition::Edition2024)
        .formatter(bindgen::Formatter::Prettyplease)
        .generate()
        .expect("libclang reads the header (is libclang-14-dev or newer installed?)")
        .write_to_file(out)
        .expect("the build directory can be written");
}
