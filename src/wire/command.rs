//! A command line without what is nobody's business.
//!
//! Engines take API keys, tokens, addresses with passwords and prompts as arguments, under names of their own and of
//! plugins, and a capture is a file that people send to each other. So everything is left out that is not known to be
//! harmless: the program, its module or script, the names of flags, and the values of those flags of vLLM, SGLang and ATOM
//! that say how the server is laid out.

use crate::model::secrets::{HIDDEN, is_like_a_key};

/// Flags whose values say how the server is laid out: numbers and short words.
const TOLD: [&str; 51] = [
    "attention-backend",
    "batch-size",
    "block-size",
    "chunked-prefill-size",
    "context-length",
    "cuda-graph-bs",
    "cuda-graph-max-bs",
    "cudagraph-capture-sizes",
    "cudagraph-mode",
    "data-parallel-size",
    "decode-attention-backend",
    "decode-context-parallel-size",
    "distributed-executor-backend",
    "dp",
    "dp-size",
    "dtype",
    "ep",
    "ep-size",
    "expert-parallel-size",
    "gpu-memory-utilization",
    "kv-cache-dtype",
    "level",
    "load-format",
    "max-model-len",
    "max-num-batched-tokens",
    "max-num-seqs",
    "max-running-requests",
    "mem-fraction-static",
    "moe-a2a-backend",
    "moe-runner-backend",
    "nnodes",
    "node-rank",
    "nproc-per-node",
    "num-speculative-tokens",
    "page-size",
    "pipeline-parallel-size",
    "pp",
    "pp-size",
    "prefill-attention-backend",
    "quantization",
    "sampling-backend",
    "schedule-policy",
    "scheduling-policy",
    "seed",
    "speculative-algorithm",
    "speculative-eagle-topk",
    "speculative-num-draft-tokens",
    "speculative-num-steps",
    "tensor-parallel-size",
    "tp",
    "tp-size",
];

/// Positions that say what a program shall do.
const VERBS: [&str; 5] = ["serve", "bench", "launch", "run", "api_server"];

/// Longest value that is told.
const LONGEST_VALUE: usize = 32;

/// `command` with everything left out that is not known to be harmless. What was left out once is left out still.
pub(super) fn masked(command: &[String]) -> Vec<String> {
    let mut out = Vec::with_capacity(command.len());
    let mut before: Option<&str> = None;
    for (at, argument) in command.iter().enumerate() {
        out.push(match before.take() {
            _ if at == 0 => file_of(argument),
            Some("-m") if is_module(argument) => argument.clone(),
            Some(flag) if is_told(flag) && is_plain(argument) => argument.clone(),
            _ if argument.starts_with('-') && argument.len() > 1 => flag_of(argument, &mut before),
            _ if VERBS.contains(&argument.as_str()) => argument.clone(),
            _ if at < 3 && argument.ends_with(".py") => file_of(argument),
            _ => HIDDEN.to_owned(),
        });
    }
    out
}

/// The name of a flag, with its value if it has a harmless one; a value that is still to come is of the flag `before`.
fn flag_of<'a>(argument: &'a str, before: &mut Option<&'a str>) -> String {
    let (flag, value) = match argument.split_once('=') {
        Some((flag, value)) => (flag, Some(value)),
        None => (argument, None),
    };
    let is_name = flag.starts_with("--") && flag[2..].bytes().all(|b| b.is_ascii_lowercase() || b"-_".contains(&b));
    let is_letter = flag.len() == 2 && flag.as_bytes()[1].is_ascii_alphabetic();
    if !(is_name || is_letter || is_told(flag)) {
        return HIDDEN.to_owned();
    }
    match value {
        Some(value) if is_told(flag) && is_plain(value) => argument.to_owned(),
        Some(_) => format!("{flag}={HIDDEN}"),
        None => {
            *before = Some(flag);
            flag.to_owned()
        }
    }
}

fn is_told(flag: &str) -> bool {
    let name = flag.trim_start_matches('-').replace('_', "-");
    flag.starts_with("--") && TOLD.contains(&name.as_str())
}

/// A number or a short word.
fn is_plain(value: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._,-".contains(&b);
    !value.is_empty()
        && value.len() <= LONGEST_VALUE
        && value.bytes().all(is_plain)
        && !value.starts_with('-')
        && !is_like_a_key(value)
}

fn is_module(name: &str) -> bool {
    name.len() <= 80 && name.bytes().all(|b| b.is_ascii_lowercase() || b"._".contains(&b))
}

/// The name of a program or script, without the folders around it; engines put names of their own there
/// (`VLLM::Worker_TP0`).
fn file_of(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_name = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b));
    if is_name { name.to_owned() } else { HIDDEN.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> String {
        let command: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let once = masked(&command);
        assert_eq!(masked(&once), once, "what is left out stays so, and nothing more");
        once.join(" ")
    }

    #[test]
    fn what_says_how_the_server_is_laid_out_stays() {
        assert_eq!(
            of("/home/ada/venv/bin/python3 -m sglang.launch_server --model-path /home/ada/m --tp 8 --dtype=bfloat16"),
            "python3 -m sglang.launch_server --model-path *** --tp 8 --dtype=bfloat16"
        );
        assert_eq!(of("vllm serve org/model --max_num_seqs 64"), "vllm serve *** --max_num_seqs 64");
        assert_eq!(of("VLLM::Worker_TP0"), "VLLM::Worker_TP0");
        assert_eq!(of("python /srv/serve.py --enforce-eager -q"), "python serve.py --enforce-eager -q");
    }

    #[test]
    fn no_secret_stays_wherever_it_stands() {
        let secrets = [
            "sk-abc123DEF456",
            "hf_AbCdEfGh",
            "AKIAIOSFODNN7EXAMPLE",
            "c2VjcmV0Cg==",
            "https://u:p4ss@host/x",
            "p4ss/word",
            "{\"key\":\"v1\"}",
            "0123456789abcdef0123456789abcdef0123",
            "mypassword",
            "Bearer:eyJhbGciOi",
        ];
        let places = [
            "vllm serve {}",
            "vllm serve m --api-key {}",
            "vllm serve m --api-key={}",
            "vllm serve m -k {}",
            "vllm serve m -k{}",
            "vllm serve m --{}",
            "env KEY={} vllm serve m",
            "python -c {}",
            "python x.py {}",
            "python -m {} x",
            "vllm serve --tp 8 {}",
            "vllm serve --hf-token {} --tp 8",
            "vllm serve -- {}",
            "vllm serve --x:{}",
        ];
        for secret in secrets {
            for place in places {
                // A password of small letters alone may be the name of a flag or of a module: nothing tells them apart.
                let is_name = secret == "mypassword" && (place.contains("--{}") || place.contains("-m {}"));
                let line = place.replace("{}", secret);
                assert!(is_name || !of(&line).contains(secret), "{line}: {}", of(&line));
            }
        }
    }
}
