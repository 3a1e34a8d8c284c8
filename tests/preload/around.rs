//! What stands around a server: found below a root that a test draws, compared, and without what is nobody's business.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{Run, Server};

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// An image: GPUs, packages, aiter with a tuned table of these rows, and three hundred packages more.
fn image(root: &Path, table: &str) {
    for node in 0..4 {
        let minor = 128 + node;
        write(
            root,
            &format!("sys/class/kfd/kfd/topology/nodes/{node}/properties"),
            &format!("drm_render_minor {minor}\n"),
        );
        let device = format!("sys/class/drm/renderD{minor}/device");
        write(root, &format!("{device}/current_compute_partition"), "SPX\n");
        for (name, value) in
            [("power1_cap", "750000000"), ("power1_average", "600000000"), ("freq1_input", "2100000000")]
        {
            write(root, &format!("{device}/hwmon/hwmon1/{name}"), value);
        }
    }
    write(root, "opt/rocm/.info/version", "7.0.0-38");
    let site = "opt/venv/lib/python3.12/site-packages";
    write(root, "proc/self/maps", &format!("7f00-7f01 r-xp 0 08:01 12  /{site}/torch/lib/libtorch_hip.so\n"));
    for (name, version) in [("torch", "2.9.0"), ("vllm", "0.33.0"), ("amd_aiter", "0.1.6"), ("triton", "3.5.0")] {
        write(
            root,
            &format!("{site}/{name}-{version}.dist-info/METADATA"),
            &format!("Name: {name}\nVersion: {version}\n"),
        );
    }
    for package in 0..300 {
        fs::create_dir_all(root.join(format!("{site}/package{package}-1.{package}.dist-info"))).unwrap();
    }
    write(root, &format!("{site}/aiter/configs/bf16_tuned_gemm.csv"), table);
    write(
        root,
        &format!("{site}/aiter/configs/a8w8_tuned_gemm.csv"),
        "gfx,cu_num,M,N,K,us,kernelName\ngfx942,304,1,2,3,4,k\n",
    );
}

/// The JSON of what the program writes.
fn program(arguments: &[&str], inputs: &[PathBuf]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_profile-decode"));
    let output = command.args(arguments).args(["--format", "json"]).args(inputs).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    crate::contract::parsed(&output.stdout)
}

fn fact<'a>(report: &'a Value, name: &str) -> Option<&'a Value> {
    report["surroundings"]["facts"].as_array()?.iter().find(|fact| fact["name"] == name)
}

fn served(root: &Path, more: &[&str]) -> Run {
    let arguments = [&["--model", "dense", "--steps", "60", "--prefill-every", "0"][..], more].concat();
    let run = Server::new(&arguments).steps(40, 10).env("PROFILE_DECODE_ROOT", root).run();
    run.succeeded();
    run
}

#[test]
fn two_images_that_differ_in_a_tuned_table_are_told_apart_by_its_rows_and_kernels() {
    let roots = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let head = "gfx,cu_num,M,N,K,us,kernelName\n";
    let other = "gfx942,304,64,512,7168,9.0,another_kernel\n";
    image(roots[1].path(), &format!("{head}{other}"));
    // Which GEMM takes longest is the model's affair.
    let clean = served(roots[1].path(), &[]).report_afterwards();
    let kernels = clean["kernels"].as_array().unwrap();
    let gemm = kernels.iter().find(|row| row["category"] == "gemm").unwrap()["name"].as_str().unwrap().to_owned();
    image(roots[0].path(), &format!("{head}gfx942,304,32,4096,7168,9.5,{gemm}\n{other}"));
    let slow = format!("{gemm}=1.5");
    let runs = [served(roots[0].path(), &[]), served(roots[1].path(), &["--slow-kernel", &slow])];
    let paths = runs.each_ref().map(Run::output);
    let report = runs[0].report_afterwards();
    assert_eq!(fact(&report, "amd-aiter").unwrap()["values"][0], "0.1.6", "{}", report["surroundings"]);
    assert_eq!(fact(&report, "power cap").unwrap()["values"][0], "750 W");

    let diff = program(&["diff"], &paths);
    let around = &diff["surroundings"];
    let differ = around["differ"].as_array().unwrap();
    assert_eq!((&differ[0]["kind"], &differ[0]["name"]), (&"tuned_table".into(), &"bf16_tuned_gemm.csv".into()));
    assert!(around["equal"].as_u64().unwrap() > 300, "{}", around["equal"]);
    let row = &around["tables"][0]["rows"][0];
    assert_eq!(row["shape"], serde_json::json!([32, 4096, 7168]));
    assert_eq!((row["base_kernel"].as_str(), row["new_kernel"].as_str()), (Some(&*gemm), None));
    let kernel = &diff["kernels"][usize::try_from(row["kernels"][0].as_u64().unwrap()).unwrap()];
    assert_eq!(kernel["new"][0], gemm.as_str());
    assert_eq!(row["delta_ns_per_step"], kernel["delta_ns"]);
    assert!(row["delta_ns_per_step"].as_i64().unwrap() > 0);

    let said = Command::new(env!("CARGO_BIN_EXE_profile-decode")).arg("diff").args(&paths).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let line = said.lines().find(|line| line.contains("Around the runs differ")).expect("the summary names it");
    assert!(line.contains("bf16\\_tuned\\_gemm.csv") || line.contains("bf16_tuned_gemm.csv"), "{line}");
    assert!(line.contains("M=32 N=4096 K=7168") && line.contains("a step"), "{line}");
}

#[test]
fn clocks_of_the_window_are_a_series_and_the_same_as_ever() {
    let root = tempfile::tempdir().unwrap();
    image(root.path(), "gfx,M,N,K,us,kernelName\n");
    let arguments = ["--model", "dense", "--steps", "60", "--realtime"];
    let run = Server::new(&arguments).steps(40, 5).env("PROFILE_DECODE_ROOT", root.path()).run();
    run.succeeded();
    let report = run.report_afterwards();
    let gpu = &report["surroundings"]["telemetry"][0];
    assert!(gpu["samples"].as_u64().unwrap() >= 2, "{}", report["surroundings"]);
    assert_eq!((gpu["clock_mhz"]["p50"].as_u64(), gpu["cap_w"]["last"].as_u64()), (Some(2100), Some(750)));
    assert!(!gpu["steps"].as_array().unwrap().is_empty(), "{gpu}");
    let took_ns = report["surroundings"]["took_ns"].as_u64().unwrap();
    assert!(took_ns < 80_000_000, "{took_ns}");
}

#[test]
fn nothing_is_looked_at_where_nothing_shall() {
    let run = Server::new(&["--model", "dense", "--steps", "30"]).steps(10, 5).env("PROFILE_DECODE_SURROUNDINGS", "0");
    let run = run.env("NCCL_DEBUG", "INFO").run();
    run.succeeded();
    let report = run.report_afterwards();
    assert!(fact(&report, "Linux").is_none() && fact(&report, "NCCL_DEBUG").is_none(), "{}", report["surroundings"]);
}

/// Secrets as they look, none of which may be in any file or output.
const SECRETS: [&str; 20] = [
    "sk-proj-4f9aK2bQ7xZ1",
    "hf_QwErTyUiOpAsDfGhJkLz",
    "AKIAIOSFODNN7EXAMPLE",
    "c2VjcmV0LXZhbHVlLWhlcmU=",
    "dXNlcjpwYXNzd29yZA==",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "eyJhbGciOiJIUzI1NiJ9.e30.abc",
    "0123456789abcdef0123456789abcdef",
    "https://ada:hunter2@registry.example/x",
    "postgres://svc:pw123@10.0.0.1/db",
    "/home/ada-lovelace/customer-x/model",
    "/Users/grace-hopper/keys/id_rsa",
    "/mnt/s3cr3t-bucket/weights.bin",
    "{\"api_key\":\"v-777\"}",
    "Bearer:abcdefghijklmnopqrstuvwxyz0123456789",
    "glpat-AbCdEfGhIjKlMnOp",
    "xoxb-123456789012-abcdef",
    "p4ss/w0rd+x",
    "name@company.example",
    "correct;horse battery|staple/9",
];

#[test]
fn of_forty_planted_secrets_none_is_in_any_file_or_output() {
    let root = tempfile::tempdir().unwrap();
    image(root.path(), "gfx,M,N,K,us,kernelName\n");
    let names = ["VLLM_API_KEY", "SGLANG_ADMIN_TOKEN", "NCCL_SECRET", "HSA_PASSWORD", "ATOM_CREDENTIAL"];
    let mut server =
        Server::new(&["--model", "dense", "--steps", "40"]).steps(20, 5).env("PROFILE_DECODE_ROOT", root.path());
    // By name, whatever the value; and by value, whatever the name.
    for (at, name) in names.iter().enumerate() {
        server = server.env(name, format!("plainword{at}plain"));
    }
    for (at, secret) in SECRETS.iter().enumerate() {
        server = server.env(&format!("VLLM_SETTING_{at}"), secret);
    }
    // What a launcher was given, read from the process above as engines' workers have it read.
    let words: Vec<String> = SECRETS.iter().map(|secret| format!("--x-{}\0{secret}", secret.len())).collect();
    let command = format!(
        "python3\0-m\0vllm.launch\0--api-key\0argsecret1\0-k\0argsecret2\0positional-secret-3\0{}\0",
        words.join("\0")
    );
    write(root.path(), "proc/self/cmdline", "VLLM::Worker_TP0\0");
    write(root.path(), "proc/self/stat", "7 (w) S 6 0 0");
    write(root.path(), "proc/6/cmdline", &command);
    let run = server.run();
    run.succeeded();
    let mut planted: Vec<String> = SECRETS.iter().map(|secret| (*secret).to_owned()).collect();
    planted.extend((0..names.len()).map(|at| format!("plainword{at}plain")));
    planted.extend(
        [
            "argsecret1",
            "argsecret2",
            "positional-secret-3",
            "hunter2",
            "pw123",
            "ada-lovelace",
            "grace-hopper",
            "customer-x",
        ]
        .map(str::to_owned),
    );
    planted.extend(
        ["v-777", "s3cr3t", "company.example", "horse battery", "registry.example", "Bearer", "svc"].map(str::to_owned),
    );
    assert!(planted.len() >= 40, "{}", planted.len());
    let mut written: Vec<(String, Vec<u8>)> =
        run.files().iter().map(|name| (name.clone(), fs::read(run.output().join(name)).unwrap())).collect();
    for format in ["markdown", "html", "json"] {
        for verb in [&["report"][..], &["diff"]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_profile-decode"));
            command.args(verb).args(["--format", format]).arg(run.output());
            if verb == ["diff"] {
                command.arg(run.output());
            }
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            written.push((format!("{verb:?} {format}"), [output.stdout, output.stderr].concat()));
        }
    }
    let baseline = run.output().join("baseline.json");
    let saved = Command::new(env!("CARGO_BIN_EXE_profile-decode"))
        .arg("diff")
        .arg(run.output())
        .arg("--save-baseline")
        .arg(&baseline)
        .status();
    assert!(saved.unwrap().success());
    written.push(("baseline".to_owned(), fs::read(baseline).unwrap()));
    written.push(("said".to_owned(), [run.output.stdout.clone(), run.output.stderr.clone()].concat()));
    assert!(written.len() > 8);
    for (file, bytes) in &written {
        let text = String::from_utf8_lossy(bytes);
        for secret in &planted {
            assert!(!text.contains(secret.as_str()), "{secret} is in {file}");
        }
    }
    // The names are told, so that a difference in them shows.
    let report = run.report_afterwards();
    assert_eq!(fact(&report, "VLLM_API_KEY").unwrap()["values"][0], "***");
    assert!(fact(&report, "api-key").is_some(), "{}", report["surroundings"]);
}

/// The time of day, as a log in vLLM's format has it.
fn stamp(ago: &str) -> String {
    let said = Command::new("date").args(["-d", ago, "+%m-%d %H:%M:%S"]).output().unwrap().stdout;
    String::from_utf8(said).unwrap().trim().to_owned()
}

#[test]
fn kernels_built_in_the_window_are_told_from_those_built_before() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::new(&["--model", "dense", "--steps", "60", "--realtime"]).steps(40, 5);
    let run = server.env("PROFILE_DECODE_ROOT", root.path()).run();
    run.succeeded();
    let line = |at: &str, text: &str| format!("(EngineCore pid=7) INFO {at} [x.py:1] {text}\n");
    let log = root.path().join("server.log");
    let built = "[aiter] [pid=9 pname=MainProcess] start build [";
    let text = [
        line(&stamp("2 hours ago"), "Using ROCM_AITER_FA backend out of potential backends: ['ROCM_AITER_FA']."),
        format!("{built}module_early] under /x\n"),
        line(&stamp("now"), "Avg generation throughput: 1.0 tokens/s"),
        format!("{built}module_late] under /x\n"),
        "\u{1b}[2J\u{202e}hostile\n".to_owned(),
        "[x] WARNING token=swordfish <script>alert(1)</script>\n".to_owned(),
    ];
    fs::write(&log, text.concat()).unwrap();
    let bench = root.path().join("bench.json");
    fs::write(&bench, r#"{"median_itl_ms": 1e5, "max_concurrency": 30, "completed": 5}"#).unwrap();
    let arguments = ["report", "--server-log", log.to_str().unwrap(), "--bench", bench.to_str().unwrap()];
    let report = program(&arguments, &[run.output()]);
    let told = &report["engine_log"];
    assert_eq!(
        (&told["lines"], &told["unknown"], &told["builds_in_window"]),
        (&6.into(), &2.into(), &1.into()),
        "{told}"
    );
    let builds: Vec<_> =
        told["builds"].as_array().unwrap().iter().map(|build| (&build["name"], &build["in_window"])).collect();
    assert_eq!(builds, [(&"module_late".into(), &true.into()), (&"module_early".into(), &false.into())]);
    assert_eq!(told["attention_backends"][0], "ROCM_AITER_FA");
    assert!(report["request"]["parts"]["gpu_step_ns"].as_u64().unwrap() > 0, "{}", report["request"]);
    for format in ["markdown", "html"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_profile-decode"));
        let said = command.args(arguments).args(["--format", format]).arg(run.output()).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(said.contains("module_late") || said.contains("module\\_late"), "{said}");
        assert!(!said.contains("swordfish") && !said.contains('\u{1b}'), "{format}");
        assert!(format == "markdown" || !said.contains("<script>alert"), "{format}");
    }
    let logs = ["diff", "--server-log", log.to_str().unwrap(), log.to_str().unwrap(), "--"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_profile-decode"));
    let said = command
        .args(["diff", "--format", "json"])
        .args(&logs[1..])
        .arg(run.output())
        .arg(run.output())
        .output()
        .unwrap();
    let diff = crate::contract::parsed(&said.stdout);
    assert_eq!(diff["surroundings"]["differ"].as_array().unwrap().len(), 0, "{}", diff["surroundings"]);
}
