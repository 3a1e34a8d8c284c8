//! Commands that a page tells its readers to run, and whether they could.

#![allow(dead_code)]

use std::collections::HashMap;
use std::process::Command;

/// The blocks of `page` that are marked as `language`.
pub(crate) fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Every call of the program in code of `page`: blocks, indented lines and code within text, cut where the shell would.
pub(crate) fn calls(page: &str) -> Vec<String> {
    let page = page.replace("\\\n", " ");
    let mut found = Vec::new();
    let mut is_fenced = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if is_fenced || line.starts_with("    ") {
            found.extend(calls_of(line));
        } else {
            line.split('`').skip(1).step_by(2).for_each(|code| found.extend(calls_of(code)));
        }
    }
    found
}

fn calls_of(code: &str) -> Vec<String> {
    let code = code.split(" #").next().unwrap_or_default();
    let commands = code.split(['|', ';', '&', '>', '<']);
    let call = commands.filter_map(|command| {
        let (before, call) = command.split_once("profile-decode ")?;
        let is_program = before.is_empty() || before.ends_with([' ', '/', '(', '"']);
        let verb = call.split_whitespace().next()?;
        let is_verb = verb.len() > 2 && verb.bytes().all(|byte| byte.is_ascii_lowercase());
        (is_program && is_verb && !before.contains("docker") && !before.contains("mcp add")).then(|| call.to_owned())
    });
    call.collect()
}

/// Looks up verbs and options in the help of the program.
#[derive(Default)]
pub(crate) struct Helps(HashMap<String, String>);

impl Helps {
    /// How many options of `call` are in the help of its verb.
    ///
    /// # Panics
    /// If one is not, or there is no such verb.
    pub(crate) fn check(&mut self, call: &str) -> usize {
        let mut words = call.split_whitespace();
        let verb = words.next().expect("a verb");
        if verb == "help" {
            return 0;
        }
        let help = self.0.entry(verb.to_owned()).or_insert_with(|| {
            let command = Command::new(env!("CARGO_BIN_EXE_profile-decode")).args([verb, "--help"]).output().unwrap();
            assert!(command.status.success(), "{call}: there is no verb {verb}");
            String::from_utf8(command.stdout).unwrap()
        });
        // A command's own options follow its first word; those of the simulated server follow `--`.
        let ours = words.take_while(|word| !["vllm", "python", "--", "sh"].contains(word));
        let options: Vec<&str> = ours.filter(|word| word.starts_with('-') && *word != "-").collect();
        for option in &options {
            let option = option.split('=').next().unwrap();
            assert!(help.contains(option), "{call}: {verb} has no {option}");
        }
        options.len()
    }
}
