//! What events tell of collectives: what they compute and for which process group.
//!
//! torch.distributed describes each of its collectives on the operator that starts it, `record_param_comms`, and Kineto
//! copies that to the kernels which the operator launched:
//!
//! ```text
//!   "Collective name": "allreduce", "Process Group Name": "2", "Group size": 4,
//!   "Process Group Ranks": "[0, 1, 2, 3]",    "[0, 1, …, 29, ...]" for more than thirty
//!   "Global rank start": 0, "Global rank stride": 1
//! ```
//!
//! `distributedInfo.pg_config` in the header lists all groups by name. A group's ranks are those that the header gives its
//! name, else the list if it is whole, else start and stride. Where a kernel says nothing, its operator is asked.

use std::collections::HashMap;

use crate::ingest::json::Raw;
use crate::model::{CollectiveCall, ProcessGroup, TraceBuilder};

/// The largest group that start and stride are believed for.
const MOST_RANKS: u64 = 1 << 16;

/// What the `args` of one event tell.
#[derive(Clone, Copy, Default)]
pub(super) struct Collective<'a> {
    pub(super) name: Option<Raw<'a>>,
    pub(super) group: Option<Raw<'a>>,
    pub(super) ranks: Option<Raw<'a>>,
    pub(super) size: Option<u64>,
    pub(super) start: Option<u64>,
    pub(super) stride: Option<u64>,
}

/// The same, kept.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
struct Kept {
    call: Option<CollectiveCall>,
    group: String,
    ranks: Option<Vec<u32>>,
    size: Option<u64>,
    start: Option<u64>,
    stride: Option<u64>,
}

/// The collectives of one file.
#[derive(Default, Debug)]
pub(super) struct Collectives<K> {
    kept: Vec<Kept>,
    places: HashMap<Kept, u32>,
    /// By operator.
    operators: HashMap<K, u32>,
    /// Numbers of dispatches, ascending.
    dispatches: Vec<(usize, u32)>,
}

impl Collective<'_> {
    fn keep(&self) -> Option<Kept> {
        let name = self.name?.text()?;
        let text = |raw: Raw<'_>| raw.text().map(std::borrow::Cow::into_owned).or_else(|| Some(raw.id()?.to_string()));
        let group = self.group.and_then(text).unwrap_or_default();
        let ranks = self.ranks.and_then(|ranks| numbers(ranks.bytes()));
        Some(Kept { call: call(&name), group, ranks, size: self.size, start: self.start, stride: self.stride })
    }
}

impl<K: std::hash::Hash + Eq> Collectives<K> {
    /// Takes in an operator.
    pub(super) fn operator(&mut self, key: K, collective: &Collective<'_>) {
        if let Some(kept) = collective.keep() {
            let place = self.place(kept);
            self.operators.insert(key, place);
        }
    }

    /// Takes in a kernel: dispatch `number`, of this operator.
    pub(super) fn kernel(&mut self, number: usize, operator: Option<K>, collective: &Collective<'_>) {
        let place = match collective.keep() {
            Some(kept) => Some(self.place(kept)),
            None if self.operators.is_empty() => None,
            None => operator.and_then(|operator| self.operators.get(&operator).copied()),
        };
        self.dispatches.extend(place.map(|place| (number, place)));
    }

    fn place(&mut self, kept: Kept) -> u32 {
        let next = self.kept.len() as u32;
        *self.places.entry(kept).or_insert_with_key(|kept| {
            self.kept.push(kept.clone());
            next
        })
    }

    /// Tells `builder` of all, and of the groups that the header knows.
    pub(super) fn tell(self, known: &[ProcessGroup], builder: &mut TraceBuilder) {
        for group in known.iter().filter(|group| group.ranks.len() > 1) {
            builder.group(group.clone());
        }
        let groups: Vec<_> =
            self.kept.iter().map(|kept| kept.process_group(known).map(|of| builder.group(of))).collect();
        for (number, place) in self.dispatches {
            builder.tell(number, self.kept[place as usize].call, groups[place as usize]);
        }
    }
}

impl Kept {
    fn process_group(&self, known: &[ProcessGroup]) -> Option<ProcessGroup> {
        let by_name = known.iter().find(|group| group.name == self.group && !self.group.is_empty());
        let listed = || self.ranks.clone().filter(|ranks| !ranks.is_empty() && self.is_size(ranks.len()));
        let strided = || {
            let (size, start, stride) = (self.size?, self.start?, self.stride?);
            let believed = (1..=MOST_RANKS).contains(&size) && (stride > 0 || size == 1);
            let rank = |nth: u64| u32::try_from(start.checked_add(nth.checked_mul(stride)?)?).ok();
            (0..size.min(MOST_RANKS)).map(rank).collect::<Option<Vec<u32>>>().filter(|_| believed)
        };
        let by_name = by_name.map(|group| group.ranks.clone()).filter(|ranks| self.is_size(ranks.len()));
        let mut ranks = by_name.or_else(listed).or_else(strided)?;
        ranks.sort_unstable();
        ranks.dedup();
        Some(ProcessGroup { name: self.group.clone(), ranks })
    }

    fn is_size(&self, ranks: usize) -> bool {
        self.size.is_none_or(|size| size == ranks as u64)
    }
}

/// The groups of `pg_config`; those whose ranks are not all listed are left out.
pub(super) fn groups(config: Raw<'_>) -> Vec<ProcessGroup> {
    let group = |of: Raw<'_>| {
        let mut ranks = numbers(of.get("ranks")?.bytes())?;
        ranks.sort_unstable();
        let size = of.get("pg_size").and_then(Raw::id);
        let name = of.get("pg_name")?.text()?.into_owned();
        size.is_none_or(|size| size == ranks.len() as u64).then_some(ProcessGroup { name, ranks })
    };
    config.elements().filter_map(group).collect()
}

/// The numbers of a list, written as one or as the text of one; `None` if it is cut short or of something else.
fn numbers(list: &[u8]) -> Option<Vec<u32>> {
    let list = std::str::from_utf8(list).ok()?;
    let list = list.trim_matches(['"', ' ', '[', ']']);
    if list.is_empty() {
        return Some(Vec::new());
    }
    list.split(',').map(|number| number.trim().parse().ok()).collect()
}

/// What torch.distributed's name for a collective means: `_allgather_base`, `allreduce_coalesced`, `ALLTOALL_BASE`.
fn call(name: &str) -> Option<CollectiveCall> {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let begins = |with: &str| letters.starts_with(with);
    Some(match () {
        () if begins("allreduce") => CollectiveCall::AllReduce,
        () if begins("allgather") => CollectiveCall::AllGather,
        () if begins("reducescatter") => CollectiveCall::ReduceScatter,
        () if begins("alltoall") => CollectiveCall::AllToAll,
        () if begins("broadcast") => CollectiveCall::Broadcast,
        () if begins("reduce") => CollectiveCall::Reduce,
        () if begins("gather") => CollectiveCall::Gather,
        () if begins("scatter") => CollectiveCall::Scatter,
        () if begins("barrier") => CollectiveCall::Barrier,
        () if begins("send") || begins("recv") || begins("pointtopoint") => CollectiveCall::SendRecv,
        () => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(args: &str) -> Kept {
        let args = Raw::new(args.as_bytes());
        let id = |key| args.get(key).and_then(Raw::id);
        let collective = Collective {
            name: args.get("Collective name"),
            group: args.get("Process Group Name"),
            ranks: args.get("Process Group Ranks"),
            size: id("Group size"),
            start: id("Global rank start"),
            stride: id("Global rank stride"),
        };
        collective.keep().unwrap()
    }

    #[test]
    fn a_groups_ranks_are_those_of_its_name_else_the_whole_list_else_start_and_stride() {
        let known = groups(Raw::new(
            br#"[{"pg_name": "7", "pg_size": 2, "ranks": [5, 1]}, {"pg_name": "8", "pg_size": 9, "ranks": [0]}]"#,
        ));
        assert_eq!(known, [ProcessGroup { name: "7".to_owned(), ranks: vec![1, 5] }]);
        let ranks = |args: &str| kept(args).process_group(&known).map(|group| group.ranks);
        let cut = r#""Collective name": "allreduce", "Process Group Ranks": "[0, 2, ...]""#;
        for (args, expected) in [
            (format!(r#"{{{cut}, "Process Group Name": "7", "Group size": 2}}"#), Some(vec![1, 5])),
            (format!(r#"{{{cut}, "Process Group Name": "7", "Group size": 3}}"#), None),
            (
                format!(r#"{{{cut}, "Group size": 3, "Global rank start": 0, "Global rank stride": 2}}"#),
                Some(vec![0, 2, 4]),
            ),
            (
                r#"{"Collective name": "send", "Process Group Ranks": "[3, 0]", "Group size": 2}"#.into(),
                Some(vec![0, 3]),
            ),
            (r#"{"Collective name": "wait", "Process Group Ranks": "[]", "Group size": 1}"#.into(), None),
        ] {
            assert_eq!(ranks(&args), expected, "{args}");
        }
    }

    #[test]
    fn collectives_are_known_by_all_their_names() {
        for (name, expected) in [
            ("allreduce_coalesced", Some(CollectiveCall::AllReduce)),
            ("_allgather_base", Some(CollectiveCall::AllGather)),
            ("_reduce_scatter_base", Some(CollectiveCall::ReduceScatter)),
            ("all_to_allv", Some(CollectiveCall::AllToAll)),
            ("reduce", Some(CollectiveCall::Reduce)),
            ("recv", Some(CollectiveCall::SendRecv)),
            ("wait", None),
        ] {
            assert_eq!(call(name), expected, "{name}");
        }
    }
}
