//! Every switch in a text is one that was looked up.

use std::collections::BTreeSet;

use crate::analyze::advice::rules;
use crate::analyze::advice::switches::{SWITCHES, find, names};

/// Names of this program, which the texts use too.
const OURS: [&str; 5] = ["--explain", "--format", "--list-rules", "--rules", "PROFILE_DECODE_MAX_RECORDS"];

#[test]
fn every_name_in_a_text_was_looked_up_and_no_other() {
    let mut used = BTreeSet::new();
    for rule in rules::all() {
        for way in rule.ways {
            for name in names(way.text).filter(|name| !OURS.contains(name)) {
                let switch = find(name, way.engine);
                assert!(switch.is_some(), "{}: {name} is in no row of switches.rs", rule.id);
                used.extend(switch.map(|switch| (switch.project, switch.name)));
            }
        }
    }
    let known: BTreeSet<_> = SWITCHES.iter().map(|switch| (switch.project, switch.name)).collect();
    assert_eq!(known.len(), SWITCHES.len(), "a name has two rows");
    let unused: Vec<_> = known.difference(&used).collect();
    assert!(unused.is_empty(), "no text names {unused:?}");
}
