//! Machines that are drawn as trees of files.

use super::*;
use crate::model::FactKind;
use std::fs;
use std::path::Path;

fn write(root: &Path, path: &str, text: impl AsRef<[u8]>) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A machine with one GPU and an image with vLLM, PyTorch and aiter.
fn machine(root: &Path) {
    write(root, "/sys/class/kfd/kfd/topology/nodes/1/properties", "cpu_cores_count 0\ndrm_render_minor 128\n");
    let device = "/sys/class/drm/renderD128/device";
    write(root, &format!("{device}/current_compute_partition"), "SPX\n");
    write(root, &format!("{device}/pp_dpm_sclk"), "0: 132Mhz\n1: 1200Mhz *\n2: 2100Mhz\n");
    let sensors = [
        ("power1_cap", "750000000"),
        ("power1_average", "612000000"),
        ("freq1_input", "1200000000"),
        ("temp2_input", "71000"),
    ];
    for (name, value) in sensors {
        write(root, &format!("{device}/hwmon/hwmon3/{name}"), format!("{value}\n"));
    }
    let mut metrics = vec![0_u8; 256];
    metrics[..4].copy_from_slice(&[0, 1, 1, 5]);
    metrics[104] = 1;
    write(root, &format!("{device}/gpu_metrics"), metrics);
    write(root, "/opt/rocm/.info/version", "7.0.0-38\n");
    write(root, "/proc/sys/kernel/osrelease", "6.8.0-60-generic\n");
    let id = "0123456789abcdef".repeat(4);
    write(root, "/proc/self/cgroup", format!("0::/system.slice/docker-{id}.scope\n"));
    write(
        root,
        "/proc/self/mountinfo",
        "1 0 0:50 / / rw - overlay overlay rw,lowerdir=/l/INIT:/l/B:/l/A,upperdir=/u\n",
    );
    let site = "/opt/venv/lib/python3.12/site-packages";
    write(root, "/proc/self/maps", format!("7f00-7f01 r-xp 0 08:01 12  {site}/torch/lib/libtorch_hip.so\n"));
    write(root, &format!("{site}/torch-2.9.0+rocm7.0.dist-info/METADATA"), "Name: torch\nVersion: 2.9.0+rocm7.0\n\n");
    write(
        root,
        &format!("{site}/torch/version.py"),
        "__version__ = '2.9.0'\nhip: str = '7.0.51831'\ngit_version = 'deadbeef12'\n",
    );
    write(root, &format!("{site}/vllm-0.33.0.dist-info/METADATA"), "Name: vllm\nVersion: 0.33.0\n\n");
    write(root, &format!("{site}/numpy-2.1.0.dist-info/METADATA"), "Name: numpy\nVersion: 2.1.0\n\n");
    write(root, &format!("{site}/amd_aiter-0.1.6.dist-info/METADATA"), "Name: amd-aiter\nVersion: 0.1.6\n\n");
    let url = r#"{"url": "file:///app/aiter", "dir_info": {"editable": true}}"#;
    write(root, &format!("{site}/amd_aiter-0.1.6.dist-info/direct_url.json"), url);
    write(root, "/app/aiter/.git/HEAD", "ref: refs/heads/main\n");
    write(
        root,
        "/app/aiter/.git/packed-refs",
        "# pack-refs\ne4048607a535ace3a2b51ded31b1c8c2d45c0879 refs/heads/main\n",
    );
    write(root, "/app/aiter/aiter/configs/bf16_tuned_gemm.csv", TABLE);
    write(root, "/app/aiter/aiter/configs/bf16_untuned_gemm.csv", "M,N,K\n1,2,3\n");
    for name in ["a.co", "b.co"] {
        write(root, &format!("/app/aiter/hsa/gfx942/mla/{name}"), "code");
        write(root, &format!("/app/aiter/hsa/gfx950/mla/{name}"), "code");
    }
}

const TABLE: &str = "gfx,cu_num,M,N,K,us,kernelName\n\
                     gfx942,304,32,4096,7168,9.5,gemm_a\n\
                     gfx950,256,32,4096,7168,7.5,gemm_b\n\
                     gfx942,304,16384,4096,7168,90,gemm_c\n";

fn known(root: &Path) -> Known {
    let agent = Agent { node_id: 1, arch: "gfx942".to_owned(), compute_units: 304, ..Agent::default() };
    Known {
        root: root.to_owned(),
        variables: vec![("VLLM_ROCM_USE_AITER".to_owned(), "1".to_owned())],
        agents: vec![agent],
    }
}

fn facts(around: &Around, kind: FactKind) -> Vec<(&str, &str)> {
    around.facts.iter().filter(|fact| fact.kind == kind).map(|fact| (&*fact.name, &*fact.value)).collect()
}

#[test]
fn what_stands_around_a_process_is_found() {
    let root = tempfile::tempdir().unwrap();
    machine(root.path());
    let around = search(&known(root.path()), Duration::from_secs(10));
    assert_eq!(facts(&around, FactKind::Partition), [("compute partition", "SPX")]);
    assert_eq!(facts(&around, FactKind::GpuLimit), [("highest shader clock", "2100 MHz"), ("power cap", "750 W")]);
    assert_eq!(facts(&around, FactKind::KernelPackage), [("amd-aiter", "0.1.6"), ("torch", "2.9.0+rocm7.0")]);
    assert_eq!(facts(&around, FactKind::Commit), [("amd-aiter", "e4048607a535"), ("torch", "deadbeef12")]);
    assert_eq!(facts(&around, FactKind::Engine), [("vllm", "0.33.0")]);
    assert_eq!(facts(&around, FactKind::Package), [("numpy", "2.1.0")]);
    assert_eq!(facts(&around, FactKind::Rocm), [("HIP of PyTorch", "7.0.51831"), ("ROCm", "7.0.0")]);
    assert_eq!(facts(&around, FactKind::Driver), [("Linux", "6.8.0-60-generic")]);
    assert_eq!(facts(&around, FactKind::Variable), [("VLLM_ROCM_USE_AITER", "1")]);
    let objects = facts(&around, FactKind::CodeObjects);
    assert_eq!((objects.len(), objects[0].0, &objects[0].1[..8]), (1, "gfx942/mla", "2 files,"));
    let image = facts(&around, FactKind::Image);
    assert_eq!((image[0], image[1].0, &image[1].1[..2]), (("container id", "0123456789ab"), "image layers", "2,"));
    let [table] = &around.tables[..] else { panic!("{:?}", around.tables) };
    assert_eq!((table.name.as_str(), table.rows, table.cut), ("bf16_tuned_gemm.csv", 3, false));
    assert_eq!((&table.kernels[..], &table.shapes[..]), (&["gemm_a".to_owned()][..], &[([32, 4096, 7168], 0)][..]));
    assert!(!around.cut && around.took_ns.is_some());
}

#[test]
fn what_a_gpu_is_doing_is_read_and_what_is_missing_is_not_made_up() {
    let root = tempfile::tempdir().unwrap();
    machine(root.path());
    let looker = Looker::new(root.path(), Duration::from_secs(10));
    let agents = known(root.path()).agents;
    let read = gpus::find(&looker, &agents)[0].sample(&looker, 7).unwrap().read;
    assert_eq!(
        (read.clock_mhz, read.power_w, read.cap_w, read.hotspot_c),
        (Some(1200), Some(612), Some(750), Some(71))
    );
    assert_eq!(read.throttled, Some(true));
    for (file, text) in
        [("hwmon/hwmon3/freq1_input", "fast"), ("gpu_metrics", ""), ("hwmon/hwmon3/power1_average", "-1")]
    {
        write(root.path(), &format!("/sys/class/drm/renderD128/device/{file}"), text);
    }
    let read = gpus::find(&looker, &agents)[0].sample(&looker, 7).unwrap().read;
    assert_eq!((read.clock_mhz, read.power_w, read.cap_w, read.throttled), (None, None, Some(750), None));
    fs::remove_dir_all(root.path().join("sys/class/drm")).unwrap();
    assert!(gpus::find(&looker, &agents)[0].sample(&looker, 7).is_none());
}

#[test]
fn any_file_may_be_missing_or_make_no_sense() {
    let root = tempfile::tempdir().unwrap();
    let empty = search(&known(root.path()), Duration::from_secs(10));
    assert_eq!(empty.facts.len(), 1, "{:?}", empty.facts);
    machine(root.path());
    let mut files = Vec::new();
    let mut folders = vec![root.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    for file in files {
        let text = fs::read(&file).unwrap();
        for garbage in [&b"\xff\xfe\0\0{[\n,,,="[..], b"", &text[..text.len() / 2]] {
            fs::write(&file, garbage).unwrap();
            search(&known(root.path()), Duration::from_secs(10));
        }
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        search(&known(root.path()), Duration::from_secs(10));
        fs::remove_dir(&file).unwrap();
        fs::write(&file, text).unwrap();
    }
}

#[test]
fn no_time_is_no_search_and_says_so() {
    let root = tempfile::tempdir().unwrap();
    machine(root.path());
    let around = search(&known(root.path()), Duration::ZERO);
    assert!(around.cut && around.tables.is_empty(), "{around:?}");
}

#[test]
fn only_variables_of_the_list_are_told() {
    let all = [
        ("VLLM_USE_V1", "1"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("HF_TOKEN", "y"),
        ("PATH", "/bin"),
        ("HSA_NO_SCRATCH_RECLAIM", "1"),
    ];
    let told = variables(all.into_iter().map(|(name, value)| (name.into(), value.into())));
    let names: Vec<&str> = told.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["HSA_NO_SCRATCH_RECLAIM", "VLLM_USE_V1"]);
}
