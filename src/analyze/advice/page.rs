//! What all rules say, and where their switches were looked up: docs/advice.md.

use std::fmt::Write as _;

use crate::analyze::advice::evidence::Framework;
use crate::analyze::advice::rules;
use crate::analyze::advice::switches::SWITCHES;

/// The page, as markdown.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# What advice there is\n\n\
         Written by `profile-decode advice`. A report gives of each rule only the ways that can help: for the engine and the\n\
         GPU that the trace tells of, and for the kernels that were found.\n\n\
         `{share}` is the share of the wall time, `{it}` what was found. *Speaks from* is the share of the wall time from\n\
         which on a rule speaks; with fewer than five steps it takes twice that.\n\n",
    );
    for rule in rules::all() {
        let _ = writeln!(page, "## {}\n\n{}.\n", rule.id, rule.title);
        let _ = writeln!(
            page,
            "- Speaks from: {:.0} %. Saves at most what is lost, if {}.",
            rule.threshold * 100.0,
            rule.bound
        );
        for way in rule.ways {
            let engine = way.engine.map_or("any engine", Framework::title);
            let archs = if way.archs.is_empty() { String::new() } else { format!(", {}", way.archs.join(", ")) };
            let _ = writeln!(page, "- Do ({engine}{archs}): {}", way.text);
        }
        let _ = writeln!(page, "- Check: {}", rule.verify);
        if !rule.yields_to.is_empty() {
            let _ = writeln!(page, "- Leaves to others what these claim: {}.", rule.yields_to.join(", "));
        }
        page.push('\n');
    }
    page.push_str(
        "## Switches\n\n\
         Where each flag, variable, file and value was looked up. `tools/check-advice` looks them up again in newer\n\
         checkouts.\n\n\
         | name | default | looked up in | file or page |\n|---|---|---|---|\n",
    );
    for switch in SWITCHES {
        let (name, default) = (switch.name, switch.default);
        let _ = writeln!(page, "| `{name}` | {default} | {} | {} |", switch.project.checked(), switch.file);
    }
    page
}
