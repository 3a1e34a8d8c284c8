//! What is launched after a step's range, and ranges within it.

use serde_json::Value;

use crate::harness::{Run, Server, report};

/// Servers whose steps have these kernels by part.
fn run(program: &str) -> (Run, Value) {
    let kernels = "gpu = Gpu(('Cijk_gemm_MT16x16x256', 'paged_attention_kernel', 'argmax_kernel', 'draft_kernel'))";
    let parts = "
push, pop = gpu.sim.roctxRangePushA, gpu.sim.roctxRangePop
def run(kernel): gpu.sim.sim_launch(gpu.kernels[kernel], gpu.stream, u(5_000))
";
    let run = Server::python(&format!("{kernels}\n{parts}\n{program}")).steps(8, 3).run();
    run.succeeded();
    let report = report(&run.output());
    (run, report)
}

/// How often each kernel ran in the steps that count.
fn counts(report: &Value) -> Vec<(String, u64)> {
    let row = |row: &Value| (row["name"].as_str().unwrap().to_owned(), row["count"].as_u64().unwrap());
    let mut counts: Vec<_> = report["kernels"].as_array().unwrap().iter().map(row).collect();
    counts.sort();
    counts
}

fn each(names: &[&str], count: u64) -> Vec<(String, u64)> {
    names.iter().map(|name| ((*name).to_owned(), count)).collect()
}

#[test]
fn the_tail_of_each_step_carries_what_is_launched_after_its_range_the_last_ones_too() {
    //  push  gemm attention  pop  argmax │ push gemm attention pop argmax │ …
    let (run, report) = run("
for _ in range(20):
    push(DECODE); run(0); run(1); pop(); run(2)
    gpu.sim.sim_stream_synchronize(gpu.stream)
");
    assert!(run.stderr().contains("8 decode steps recorded"), "{}", run.stderr());
    let steps = &report["steps"];
    assert_eq!((&steps["count"], &steps["detector"]), (&8.into(), &"marker".into()), "{steps:#}");
    assert_eq!(counts(&report), each(&["Cijk_gemm_MT16x16x256", "argmax_kernel", "paged_attention_kernel"], 8));
    assert_eq!(steps["tail"]["dispatches"], 8, "{:#}", steps["tail"]);
    // It closed at the start of the next range: nothing of that step was recorded.
    assert_eq!(report["totals"]["dispatches"], 24);
    assert_eq!(report["totals"]["outside_steps"]["dispatches"], 0);
    assert_eq!(report["capture"]["closed_by"], "window_full");
}

#[test]
fn the_last_steps_tail_is_waited_for_though_no_step_follows_but_not_for_long() {
    let (_, report) = run("
for _ in range(11):
    push(DECODE); run(0); run(1); pop(); run(2)
    gpu.sim.sim_stream_synchronize(gpu.stream)
time.sleep(3)
run(3)
time.sleep(1)
");
    assert_eq!(report["steps"]["count"], 8);
    assert_eq!(counts(&report), each(&["Cijk_gemm_MT16x16x256", "argmax_kernel", "paged_attention_kernel"], 8));
    assert_eq!(report["capture"]["closed_by"], "window_full");
}

#[test]
fn a_draft_within_a_decode_range_is_a_draft_and_what_is_around_it_is_the_steps() {
    //  decode[bs=16]{ gemm attention, draft[1/3 bs=16]{ draft } gemm }  argmax
    let (run, report) = run("
for _ in range(20):
    push(b'decode[bs=16 tok=16 p=0 d=16]'); run(0); run(1)
    for pass_ in (b'draft[1/2 bs=16]', b'draft[2/2 bs=16]'): push(pass_); run(3); pop()
    run(0); pop(); run(2)
    gpu.sim.sim_stream_synchronize(gpu.stream)
");
    assert!(run.stderr().contains("8 decode steps recorded"), "{}", run.stderr());
    let phase = |name: &str| {
        let rows = report["steps"]["by_phase"].as_array().unwrap();
        let row = rows.iter().find(|row| row["phase"] == name).unwrap_or_else(|| panic!("{rows:#?}"));
        (row["steps"].as_u64().unwrap(), row["dispatches"].as_u64().unwrap())
    };
    assert_eq!((phase("decode"), phase("draft")), ((8, 32), (16, 16)));
    assert_eq!(report["totals"]["outside_steps"]["dispatches"], 0);
}
