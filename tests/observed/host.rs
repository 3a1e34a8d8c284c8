//! The programs of the transcripts, played on the simulator.

use std::process::exit;

use crate::simulator::Host;

/// The kernels that are launched, in this order, the first for 3 µs, each for 6 µs longer than the one before.
const LAUNCHED: [&str; 6] = [
    "Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_UserArgs_MT256x256x64_MI16x16x1_SN_LDSB1_AFC1_AFEM1_AFEM1_ASEM1_CLR1_CADS0_DTLA0_DTLB0_DTVA0_DTVB0_EPS0_FDSI0_GRPM1_GRVWA8_GRVWB8_GSUAMB_GLS0_ISA942_IU1_K1_LBSPPA512_LBSPPB512",
    "Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_UserArgs_MT16x16x512_MI16x16x1_SN_LDSB0_AFC0_GSUAMB_ISA942_WG16_4_4",
    "Cijk_Alik_Bljk_F8BS_BH_Bias_AS_SAB_SAV_UserArgs_MT128x128x128_MI16x16x1_SN_LDSB1_ISA942",
    "_ZN2ck27kernel_gemm_xdl_cshuffle_v3INS_55GridwiseGemmMultiD_ABScale_xdl_cshuffle_v3_b_preshuffleELb1ELNS_25InMemoryDataOperationEnumE0ELi2ELNS_10TailNumberE9EEEvNT_8ArgumentE",
    "_ZN2ck15kernel_moe_gemmINS_15GridwiseMoeGemmILi256ELi32ELi128EEELb1ELNS_25InMemoryDataOperationEnumE0ELi1EEEvNT_8ArgumentE",
    "_Z39paged_attention_ll4mi_QKV_mfma16_kernelI14__hip_bfloat16S0_LN4vllm18Fp8KVCacheDataTypeE0ES0_Li16ELi128ELi256ELb0ELi4EEvPKT_PKT0_S6_ifPKiS8_iPKfiiiPfS9_PT2_iSA_SA_",
];

fn duration_ns(index: usize) -> u64 {
    3_000 + 6_000 * index as u64
}

/// The names of the module that the transcripts' program loads, from the transcript that lists them; else what is launched.
fn module_names() -> Vec<String> {
    let listed = std::env::var("OBSERVED_KERNELS").ok().and_then(|path| std::fs::read_to_string(path).ok());
    let names = listed.iter().flat_map(|text| text.lines()).filter_map(|line| {
        let (_, symbol) = line.split_once("symbol id ")?;
        let name = symbol.split_once(' ')?.1.strip_suffix(".kd")?;
        (!name.starts_with("__amd_rocclr")).then(|| name.to_owned())
    });
    let names: Vec<String> = names.collect();
    if names.is_empty() { LAUNCHED.map(str::to_owned).to_vec() } else { names }
}

/// A device with its module, its kernels and its streams.
struct Device {
    index: i32,
    module: i64,
    kernels: Vec<i64>,
    streams: Vec<i64>,
}

impl Device {
    fn open(host: &Host, index: i32, streams: usize) -> Self {
        host.set_device(index);
        let names = module_names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let module = host.module_load(&names);
        let handles: Vec<i64> = names.iter().map(|name| host.function(module, name)).collect();
        let kernels = LAUNCHED.map(|launched| {
            handles[names.iter().position(|name| *name == launched).expect("launched kernels are loaded")]
        });
        Self { index, module, kernels: kernels.to_vec(), streams: (0..streams).map(|_| host.stream_create()).collect() }
    }

    fn launch(&self, host: &Host, count: usize) {
        for index in 0..count {
            let stream = self.streams[index % self.streams.len()];
            host.launch(self.kernels[index], stream, duration_ns(index));
        }
    }
}

fn steps(host: &Host, devices: &[Device], steps: usize, kernels: usize) {
    for step in 0..steps {
        host.push(&format!("decode[bs={step}]"));
        for device in devices {
            device.launch(host, kernels);
        }
        for device in devices {
            host.set_device(device.index);
            host.synchronize();
        }
        host.pop();
    }
}

/// Plays a scenario, to its end.
pub(crate) fn play(scenario: &str) {
    let host = Host::load();
    host.init(2, "gfx942");
    if let Some(capture) = scenario.strip_prefix("graph-").filter(|_| !scenario.starts_with("graph-3")) {
        return captures(&host, capture);
    }
    host.device_count();
    host.device_properties(0);
    let count = if scenario == "two-gpus-two-streams" { 2 } else { 1 };
    let devices: Vec<Device> = (0..count).map(|index| Device::open(&host, index, count as usize)).collect();
    let device = &devices[0];
    match scenario {
        "one-step" => steps(&host, &devices, 1, 2),
        "eager-2-steps" | "buffered" => steps(&host, &devices, 2, 4),
        "external-correlation" => steps(&host, &devices, 3, 3),
        "legacy-roctx" => steps(&host, &devices, 1, 2),
        "two-gpus-two-streams" => steps(&host, &devices, 2, 6),
        "threads" => {
            std::thread::scope(|scope| scope.spawn(|| steps(&host, &devices, 2, 4)).join()).expect("no panic");
        }
        "graph-3-replays" | "graph-3-replays-hip-api" => graph(&host, device),
        "marker-range-kind" => nested_ranges(&host, device),
        "swapped-and-zero-timestamps" => device.launch(&host, 6),
        _ => {
            device.launch(&host, 3);
            end(&host, scenario);
        }
    }
    host.set_device(0);
    host.synchronize();
    if scenario.starts_with("graph") {
        host.graph_exec_destroy(2);
    }
    for device in &devices {
        for stream in &device.streams {
            host.stream_destroy(*stream);
        }
    }
    for device in &devices {
        host.module_unload(device.module);
    }
}

fn graph(host: &Host, device: &Device) {
    let stream = device.streams[0];
    host.capture_begin(stream);
    device.launch(host, 4);
    let graph = host.capture_end(stream);
    let exec = host.graph_instantiate(graph);
    host.graph_destroy(graph);
    for step in 0..3 {
        host.push(&format!("decode[bs={step}]"));
        host.set_device(0);
        host.graph_launch(exec, stream, std::ptr::null(), 0);
        host.set_device(0);
        host.synchronize();
        host.pop();
    }
}

/// The kernels that the program of the captures launches, by the beginnings of their names.
const CAPTURED: [&str; 5] = [
    "Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_User",
    "_ZN2ck27kernel_gemm_xdl_cshuffle_v3INS_5",
    "_ZN2ck15kernel_moe_gemmINS_15GridwiseMoe",
    "_ZN2ck15kernel_moe_gemmINS_15GridwiseMoe",
    "_Z39paged_attention_ll4mi_QKV_mfma16_ker",
];
const F8: &str = "Cijk_Alik_Bljk_F8BS_BH_Bias_AS_SAB_SAV_U";
/// What it launches into the graph that the executable one is updated from.
const UPDATED: [&str; 5] = [
    "_Z35paged_attention_ll4mi_reduce_kernelI",
    "_ZN4vllm25rms_norm_static_fp8_quantIN3c1",
    "_ZN4vllm25fused_add_rms_norm_kernelIN3c1",
    "_ZN4vllm25fused_add_rms_norm_kernelIN3c1",
    "_ZN4vllm23rotary_embedding_kernelIN3c108",
];

/// The programs of the captures: one graph, replayed three times.
fn captures(host: &Host, scenario: &str) {
    let names = module_names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let module = host.module_load(&names);
    let handles: Vec<i64> = names.iter().map(|name| host.function(module, name)).collect();
    let kernel = |begin: &str| handles[names.iter().position(|name| name.starts_with(begin)).expect("it is loaded")];
    let (main, side) = (host.stream_create(), host.stream_create());
    (1..=2).for_each(|event| _ = host.event_create(event));
    (0..2).for_each(|_| _ = host.malloc(4096));
    let capture = |kernels: &[&str]| {
        host.capture_begin(main);
        kernels.iter().for_each(|name| _ = host.launch(kernel(name), main, 5_000));
        host.capture_end(main)
    };
    let marked = |range: &str, name: &str, stream: i64| {
        let has_markers = scenario.ends_with("markers");
        if has_markers {
            host.push(range);
        }
        host.launch(kernel(name), stream, 5_000);
        if has_markers {
            host.pop();
        }
    };
    let forks = scenario.starts_with("capture-fork");
    let graph = if forks {
        host.capture_begin(main);
        marked("embed", CAPTURED[0], main);
        host.event_record(1, main);
        host.stream_wait_event(side, 1);
        marked("layers.0.shared", CAPTURED[0], side);
        marked("layers.0.shared", F8, side);
        marked("layers.0.attn", CAPTURED[1], main);
        host.memset(main, 1003);
        host.memcpy(main, 4, 4096, 5_000);
        marked("layers.0.mlp", CAPTURED[2], main);
        marked("layers.1.mlp", CAPTURED[3], main);
        host.event_record(2, side);
        host.stream_wait_event(main, 2);
        marked("lm_head", CAPTURED[4], main);
        host.capture_end(main)
    } else {
        capture(&CAPTURED)
    };
    let exec = host.graph_instantiate(graph);
    let replay = || {
        host.graph_launch(exec, main, std::ptr::null(), 0);
        host.stream_synchronize(main);
    };
    (0..3).for_each(|_| replay());
    if scenario == "exec-update" {
        let other = capture(&UPDATED);
        host.graph_exec_update(exec, other);
        replay();
        host.graph_destroy(other);
    }
    host.graph_exec_destroy(exec);
    host.graph_destroy(graph);
}

fn nested_ranges(host: &Host, device: &Device) {
    for step in 0..2 {
        host.push(&format!("decode[bs={step}]"));
        host.push("attention");
        host.launch(device.kernels[0], device.streams[0], duration_ns(0));
        host.pop();
        host.push("mlp");
        host.launch(device.kernels[1], device.streams[0], duration_ns(1));
        host.launch(device.kernels[2], device.streams[0], duration_ns(2));
        host.pop();
        host.synchronize();
        host.pop();
    }
}

/// The ends of the scenarios `end-…` and `fork-child-…`. Those of a child come back in the parent.
fn end(host: &Host, scenario: &str) {
    host.synchronize();
    // SAFETY: ending the process, or this thread of a forked child, has no preconditions in this program.
    unsafe {
        match scenario {
            "end-exit" => exit(0),
            "end-_exit" | "end-_exit-interposed" => libc::_exit(0),
            "end-abort" => libc::abort(),
            "end-kill" => libc::kill(libc::getpid(), libc::SIGKILL),
            "end-segv" => {
                // As in a C program: Rust's own handler would return from a signal that is no fault.
                libc::signal(libc::SIGSEGV, libc::SIG_DFL);
                libc::raise(libc::SIGSEGV)
            }
            "end-term" => libc::raise(libc::SIGTERM),
            "fork-child-_exit" | "fork-child-exit" => {
                let child = libc::fork();
                if child == 0 {
                    if scenario == "fork-child-exit" { exit(0) } else { libc::_exit(0) }
                }
                let mut status = 0;
                libc::waitpid(child, &mut status, 0);
                let expected = if scenario == "fork-child-exit" { libc::SIGSEGV } else { 0 };
                assert_eq!(status & 0x7f, expected, "the child's end");
                0
            }
            other => panic!("there is no scenario {other}"),
        }
    };
}
