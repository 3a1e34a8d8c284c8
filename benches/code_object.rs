//! What a code object of a megabyte costs: the copy that the load callback makes, and the reading on our own thread.
//!
//! `cargo bench --bench code_object`. Objects are written as compilers write them: one kernel of Triton's with a megabyte of
//! code, and 400 kernels of a library with lines: names of 216 characters, and 64,000 rows.

use divan::Bencher;
use profile_decode::code_object::{Image, kernels};

#[path = "../rocprofiler-sys/simulator/src/elf.rs"]
#[allow(unreachable_pub, reason = "it is the simulator's")]
mod elf;

use elf::Object;

const SOURCE: &str = "/usr/lib/python3/site-packages/vllm/model_executor/layers/fused_moe/router/x.py";

fn main() {
    divan::main();
}

/// One kernel, a megabyte of code with a row of lines for each eight bytes of the first part of it.
fn triton() -> Vec<u8> {
    Object { kernels: &[("_kv_kernel", Some(SOURCE))], code: 1_000_000, rows: 16_384, ..Object::default() }.bytes()
}

/// Many kernels, with 160 rows each.
fn library() -> Vec<u8> {
    let names: Vec<String> = (0..400).map(|at| format!("_ZN4acme{at:03}{}EvPfS_i", "x".repeat(200))).collect();
    let kernels: Vec<(&str, Option<&str>)> = names.iter().map(|name| (name.as_str(), Some(SOURCE))).collect();
    Object { kernels: &kernels, code: 1024, rows: 160, ..Object::default() }.bytes()
}

fn take(bytes: &[u8]) -> Image {
    let mut read = |offset: u64, buffer: &mut [u8]| {
        let held = bytes.get(offset as usize..).and_then(|rest| rest.get(..buffer.len()));
        held.map(|held| buffer.copy_from_slice(held)).is_some()
    };
    Image::take(bytes.len() as u64, 4 << 20, &mut read).expect("an object")
}

#[divan::bench(args = ["triton", "library"])]
fn copy(bencher: Bencher<'_, '_>, what: &str) {
    let bytes = if what == "triton" { triton() } else { library() };
    bencher.counter(divan::counter::BytesCount::new(bytes.len())).bench_local(|| take(&bytes));
}

#[divan::bench(args = ["triton", "library"])]
fn read(bencher: Bencher<'_, '_>, what: &str) {
    let bytes = if what == "triton" { triton() } else { library() };
    let image = take(&bytes);
    assert!(kernels(&image).iter().all(|(_, origin)| origin.source.as_deref() == Some(SOURCE)));
    bencher.counter(divan::counter::BytesCount::new(bytes.len())).bench_local(|| kernels(&image));
}
