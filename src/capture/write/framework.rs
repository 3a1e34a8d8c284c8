//! Which serving framework this process is of.
//!
//! Its command line tells for servers that are started by name, and for the workers of vLLM and SGLang, which rename
//! themselves (`VLLM::Worker_TP0`, `sglang::scheduler_TP0`). A worker that was spawned under a plain `python -c` is told
//! by the framework's own extension modules among the libraries that are loaded.

use std::fs;

use crate::ingest::framework_of_command;

/// Directories that hold a framework's extension modules, and whose they are.
const MODULES: [(&str, &str); 3] = [("vllm", "vllm"), ("sglang", "sglang"), ("sgl_kernel", "sglang")];

/// The framework of this process, whose command line is `command`.
pub(super) fn of_process(command: &[String]) -> Option<String> {
    // File names later in the command line are arguments: models and the like may have a framework in their name.
    let start = &command[..command.len().min(3)];
    framework_of_command(&start.join(" "))
        .or_else(|| of_libraries(&fs::read_to_string("/proc/self/maps").unwrap_or_default()))
}

fn of_libraries(maps: &str) -> Option<String> {
    maps.lines().find_map(|line| {
        let path = &line[line.find('/')?..];
        let (directory, file) = path.rsplit_once('/')?;
        let directory = directory.rsplit('/').next()?;
        let (_, framework) = MODULES.iter().find(|(module, _)| *module == directory && file.contains(".so"))?;
        Some((*framework).to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Option<String> {
        of_process(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_command_line_tells_and_a_models_name_does_not() {
        assert_eq!(command(&["python3", "-m", "sglang.launch_server", "--tp", "8"]).as_deref(), Some("sglang"));
        assert_eq!(command(&["VLLM::Worker_TP0"]).as_deref(), Some("vllm"));
        assert_eq!(command(&["python3", "serve.py", "--model", "my/vllm-model"]), None);
    }

    #[test]
    fn a_loaded_extension_module_tells() {
        let line = |path: &str| format!("7f00-7f01 r-xp 00000000 08:01 12   {path}\n");
        let maps = line("/usr/lib/libc.so.6") + &line("/opt/venv/lib/site-packages/vllm/_C.abi3.so");
        assert_eq!(of_libraries(&maps).as_deref(), Some("vllm"));
        assert_eq!(of_libraries(&line("/sgl/sgl_kernel/common_ops.abi3.so")).as_deref(), Some("sglang"));
        assert_eq!(of_libraries(&line("/models/vllm/weights.safetensors")), None);
        assert_eq!(of_libraries("7f00-7f01 rw-p 00000000 00:00 0\n"), None);
    }
}
