//! What of names and values is nobody's business, outside of the command line.
//!
//! A variable's name may say that its value is a secret, and its value may be one whatever the name says. So a value is
//! told only if it is of a kind that holds none: a number, a short word, or the name of a file, and if it does not look
//! like a key. Folders are left out: they hold the names of people, customers and models.

/// What stands for what is left out.
pub(crate) const HIDDEN: &str = "***";

/// Words in the names of things whose values are secrets.
const SECRET: [&str; 14] = [
    "key",
    "token",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "credential",
    "auth",
    "cookie",
    "session",
    "private",
    "signature",
    "license",
    "cert",
];

/// What the keys of well-known services begin with.
const KEYS: [&str; 12] =
    ["sk-", "sk_", "pk_", "hf_", "ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "akia", "eyj", "xox"];

/// Longest word, and longest run of letters and digits in one that may be no key.
const LONGEST_WORD: usize = 48;
const LONGEST_RUN: usize = 20;

/// Endings of files whose names are told.
const FILES: [&str; 7] = [".csv", ".json", ".co", ".so", ".hsaco", ".txt", ".yaml"];

/// Whether the value of what is called `name` may be told at all.
pub(crate) fn is_public(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    // `tokens`, `keys` and the like count things: they are no secrets; their values are numbers, which are told.
    !words.into_iter().any(|word| SECRET.iter().any(|secret| word == *secret || word.ends_with(secret)))
}

/// `value` of what is called `name`, without what may be a secret.
pub(crate) fn shown(name: &str, value: &str) -> String {
    if value.is_empty() || value == HIDDEN {
        return value.to_owned();
    }
    if !is_public(name) {
        return HIDDEN.to_owned();
    }
    let separators = [',', ';'];
    let part = |part: &str| match part.contains('/') {
        true => file_of(part),
        false if is_word(part) => part.to_owned(),
        false => HIDDEN.to_owned(),
    };
    // Words with spaces between them, or many, are prose, perhaps a prompt or a phrase to pass by.
    if value.len() > 256 || value.contains(char::is_whitespace) || value.split(separators).count() > 32 {
        return HIDDEN.to_owned();
    }
    let mut out = String::new();
    let mut rest = value;
    while let Some(at) = rest.find(separators) {
        out.push_str(&part(&rest[..at]));
        out.push_str(&rest[at..=at]);
        rest = &rest[at + 1..];
    }
    out.push_str(&part(rest));
    out
}

/// A number or a short word that does not look like a key.
fn is_word(word: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-+=:%*".contains(&b);
    word.len() <= LONGEST_WORD && word.bytes().all(is_plain) && !is_like_a_key(word)
}

/// Whether `word` looks like a key: begins like one, or has a long run of letters and digits, or one that mixes them as
/// nothing does that people write.
pub(crate) fn is_like_a_key(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    if KEYS.iter().any(|start| lower.starts_with(start)) {
        return true;
    }
    let is_key = |run: &str| {
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        let turns = run.as_bytes().windows(2).filter(|two| two[0].is_ascii_digit() != two[1].is_ascii_digit()).count();
        let has = |is: fn(&u8) -> bool| run.bytes().any(|b| is(&b));
        let both = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
        let mixed = digits > 0 && digits < run.len();
        let is_long = run.len() > if mixed { LONGEST_RUN } else { 2 * LONGEST_RUN };
        is_long || (mixed && run.len() >= 10 && (both || (turns >= 4 && digits >= 4)))
    };
    word.split(|c: char| !c.is_ascii_alphanumeric()).any(is_key) || word.ends_with("==")
}

/// The name of a file, if its ending is one of those that hold none.
fn file_of(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = FILES.iter().find_map(|end| name.strip_suffix(end));
    match stem {
        Some(stem) if !path.contains("://") && is_word(stem) => format!("…/{name}"),
        _ => HIDDEN.to_owned(),
    }
}

/// Prose without what may be a secret: keys, addresses, folders, what stands after the name of a secret, and long quotes.
pub(crate) fn prose(text: &str) -> String {
    let mut hide_next = false;
    let word = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let (name, value) = word.split_once(['=', ':']).unwrap_or((word, ""));
        let is_path = word.matches('/').count() > 1 || word.starts_with(['/', '~']);
        let is_named = !is_path && !is_public(name);
        let hidden = std::mem::replace(&mut hide_next, is_named && value.is_empty());
        let is_secret = hidden || is_like_a_key(bare) || word.contains('@') || word.contains("://");
        match () {
            () if is_secret => HIDDEN.to_owned(),
            () if is_named && !value.is_empty() => format!("{name}={HIDDEN}"),
            () if is_path => file_of(bare),
            () => word.to_owned(),
        }
    };
    let words: Vec<String> = text.split_whitespace().map(word).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_told() {
        for (name, value) in [
            ("VLLM_ROCM_USE_AITER", "1"),
            ("NCCL_DEBUG", "INFO"),
            ("HIP_VISIBLE_DEVICES", "0,1,2,3"),
            ("VLLM_ATTENTION_BACKEND", "ROCM_AITER_FA"),
            ("PYTORCH_HIP_ALLOC_CONF", "expandable_segments:True"),
            ("VLLM_MAX_TOKENS_PER_EXPERT_FP4_MOE", "163840"),
            ("NCCL_SOCKET_IFNAME", "eth0"),
        ] {
            assert_eq!(shown(name, value), value, "{name}");
        }
        let tables = "/app/aiter/configs/bf16_tuned_gemm.csv";
        assert_eq!(shown("AITER_CONFIG_GEMM_BF16", tables), "…/bf16_tuned_gemm.csv");
    }

    #[test]
    fn prose_keeps_its_words_and_loses_its_secrets() {
        assert_eq!(
            prose("FlyDSL not available, will fall back to CK/CKTile"),
            "FlyDSL not available, will fall back to CK/CKTile"
        );
        assert_eq!(prose("api_key=swordfish token: swordfish ok"), "api_key=*** token: *** ok");
        assert_eq!(
            prose("reading /home/ada/secret/x.safetensors as sk-123abc at https://a.b/c"),
            "reading *** as *** at ***"
        );
    }

    #[test]
    fn secrets_are_not() {
        for name in
            ["VLLM_API_KEY", "SGLANG_ADMIN_TOKEN", "ATOM_PASSWORD", "HSA_CREDENTIAL", "NCCL_AUTH", "VLLM_APIKEY"]
        {
            assert_eq!(shown(name, "plain"), HIDDEN, "{name}");
        }
        for value in [
            "sk-abc123",
            "hf_AbCdEfGhIj",
            "https://ada:pw@host/x",
            "/home/ada/customer-x/model",
            "c2VjcmV0LXZhbHVlCg==",
            "0123456789abcdef0123456789abcdef",
            "{\"a\":\"b\"}",
            "u:p@host",
            "a1b2c3d4e5",
        ] {
            assert_eq!(shown("VLLM_SOMETHING", value), HIDDEN, "{value}");
        }
        assert_eq!(shown("VLLM_SOMETHING", ""), "");
    }
}
