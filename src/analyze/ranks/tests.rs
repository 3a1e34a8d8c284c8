//! Servers with known groups: who meets whom, and for how long each rank waits.

use std::collections::{BTreeMap, BTreeSet};

use crate::analyze::testing::{Drawn, Row, trace_with_steps};
use crate::output::ranks::{Evidence, RankSkew};
use crate::steps::spread::spread;

/// What a rank does in a layer, in order.
#[derive(Clone, Copy)]
enum Does {
    /// Work of about so many ns, as (mean, by how much it differs).
    Works(i64, i64),
    /// A collective of these groups, by the name of its kernel; the transfer takes so long.
    Meets(&'static str, &'static [&'static [usize]], i64),
}
use Does::{Meets, Works};

struct Server {
    layer: &'static [Does],
    layers: usize,
    steps: usize,
    ranks: usize,
    /// How far apart the ranks of a group leave.
    exits_ns: i64,
    /// How far behind the others each rank begins.
    begins_ns: fn(usize) -> i64,
    /// By how much each rank's clock is ahead.
    clock_ns: fn(usize) -> i64,
    /// Calls (step, layer, rank) whose record is lost.
    lost: &'static [(usize, usize, usize)],
}

const TP_IN_EP: Server =
    Server { layer: &[], layers: 4, steps: 12, ranks: 4, exits_ns: 200, begins_ns: |_| 0, clock_ns: |_| 0, lost: &[] };

/// A server's trace, and the time that each rank waited in collectives.
struct Truth {
    drawn: Drawn,
    waits_ns: Vec<u64>,
    groups: BTreeSet<Vec<u32>>,
}

impl Server {
    /// Runs it: a collective ends on each rank when the last has come and the transfer is done.
    fn run(&self) -> Truth {
        let mut draw = 0_u64;
        let mut random = |of: i64| {
            draw += 1;
            if of == 0 { 0 } else { (spread(draw) % of as u64) as i64 }
        };
        let mut now: Vec<i64> = (0..self.ranks).map(|rank| 1_000_000 + (self.begins_ns)(rank)).collect();
        let mut waits_ns = vec![0; self.ranks];
        let mut groups = BTreeSet::new();
        let mut rows: Vec<Vec<Row>> = vec![Vec::new(); self.ranks];
        for step in 0..self.steps {
            let mut kernels: Vec<Vec<(&str, i64, i64)>> = vec![Vec::new(); self.ranks];
            for layer in 0..self.layers {
                for does in self.layer {
                    match *does {
                        Works(mean, differs) => {
                            for rank in 0..self.ranks {
                                let ends = now[rank] + mean + random(2 * differs) - differs;
                                kernels[rank].push(("gemm", now[rank], ends));
                                now[rank] = ends + 500;
                            }
                        }
                        Meets(name, of, transfer_ns) => {
                            for group in of {
                                groups.insert(group.iter().map(|&rank| rank as u32).collect());
                                let last = group.iter().map(|&rank| now[rank]).max().unwrap();
                                let is_lost = |rank: usize| self.lost.contains(&(step, layer, rank));
                                let whole = !group.iter().any(|&rank| is_lost(rank));
                                for &rank in *group {
                                    let ends = last + transfer_ns + random(self.exits_ns);
                                    if !is_lost(rank) {
                                        kernels[rank].push((name, now[rank], ends));
                                    }
                                    waits_ns[rank] += if whole { (last - now[rank]) as u64 } else { 0 };
                                    now[rank] = ends + 500;
                                }
                            }
                        }
                    }
                }
            }
            for (rank, kernels) in kernels.iter().enumerate() {
                let ahead = (self.clock_ns)(rank);
                let kernels: Vec<_> =
                    kernels.iter().map(|&(name, start, end)| (name, start + ahead, end + ahead)).collect();
                rows[rank].push(Row::decode(&kernels).on_rank(rank as u32));
                now[rank] += 2_000;
            }
        }
        let rows: Vec<Row> = rows.into_iter().flatten().collect();
        Truth { drawn: trace_with_steps(&rows), waits_ns, groups }
    }
}

fn waits(skew: &RankSkew) -> Vec<u64> {
    skew.per_rank.iter().map(|row| row.wait_ns.unwrap_or(0)).collect()
}

const PAIRS: &[&[usize]] = &[&[0, 1], &[2, 3]];
const ALL: &[&[usize]] = &[&[0, 1, 2, 3]];
const PAIRS_OF_8: &[&[usize]] = &[&[0, 1], &[2, 3], &[4, 5], &[6, 7]];
const FOURS: &[&[usize]] = &[&[0, 1, 2, 3], &[4, 5, 6, 7]];
const ALL_8: &[&[usize]] = &[&[0, 1, 2, 3, 4, 5, 6, 7]];
const EVERY_OTHER: &[&[usize]] = &[&[0, 2], &[1, 3]];

#[test]
fn ranks_are_in_as_many_groups_as_they_meet_in_and_waits_are_those_of_each() {
    let servers: [(&str, Server); 8] = [
        (
            "TP2 in EP4",
            Server {
                layer: &[
                    Works(20_000, 3_000),
                    Meets("reduce_sum", PAIRS, 8_000),
                    Works(5_000, 1_000),
                    Meets("reduce_exchange", ALL, 12_000),
                    Works(15_000, 4_000),
                    Meets("reduce_exchange", ALL, 12_000),
                ],
                ..TP_IN_EP
            },
        ),
        (
            "TP4 in EP8",
            Server {
                layer: &[
                    Works(20_000, 3_000),
                    Meets("reduce_sum", FOURS, 8_000),
                    Works(5_000, 1_000),
                    Meets("reduce_exchange", ALL_8, 12_000),
                ],
                ranks: 8,
                ..TP_IN_EP
            },
        ),
        (
            "TP2 in EP4 by kernels that do not say what they compute",
            Server {
                layer: &[
                    Works(20_000, 3_000),
                    Meets("reduce", PAIRS, 8_000),
                    Works(9_000, 3_000),
                    Meets("reduce", ALL, 9_000),
                ],
                ..TP_IN_EP
            },
        ),
        (
            "replicas of TP2 that do not meet",
            Server {
                layer: &[Works(20_000, 3_000), Meets("reduce_sum", PAIRS_OF_8, 8_000)],
                ranks: 8,
                begins_ns: |rank| (rank as i64 / 2) * 7_000,
                ..TP_IN_EP
            },
        ),
        (
            "every other rank",
            Server {
                layer: &[
                    Works(20_000, 3_000),
                    Meets("reduce_sum", EVERY_OTHER, 8_000),
                    Works(9_000, 3_000),
                    Meets("reduce_exchange", ALL, 9_000),
                ],
                ..TP_IN_EP
            },
        ),
        ("TP8", Server { layer: &[Works(20_000, 3_000), Meets("reduce_sum", ALL_8, 8_000)], ranks: 8, ..TP_IN_EP }),
        (
            "TP4 that leaves as far apart as it arrives",
            Server { layer: &[Works(20_000, 1_500), Meets("reduce_sum", ALL, 8_000)], exits_ns: 1_500, ..TP_IN_EP },
        ),
        (
            "a lost record takes out its collective and no other",
            Server {
                layer: &[
                    Works(20_000, 3_000),
                    Meets("reduce_sum", PAIRS, 8_000),
                    Works(9_000, 3_000),
                    Meets("reduce_sum", PAIRS, 9_000),
                ],
                lost: &[(0, 0, 1), (5, 2, 3), (11, 3, 0)],
                ..TP_IN_EP
            },
        ),
    ];
    for (what, server) in servers {
        let truth = server.run();
        let skew = truth.drawn.report().rank_skew.unwrap();
        assert_eq!(skew.groups.iter().cloned().collect::<BTreeSet<_>>(), truth.groups, "{what}");
        assert!(skew.group_evidence.iter().all(|evidence| *evidence == Evidence::Guessed), "{what}");
        assert_eq!(waits(&skew), truth.waits_ns, "{what}");
        let lost: usize = server.lost.len();
        // Each takes two calls out: of both the layer has, one rank's are lost, and the other's have no counterpart.
        assert_eq!(skew.collectives.unwrap().unmatched, 2 * lost as u64, "{what}");
    }
}

#[test]
fn stages_of_a_pipeline_meet_each_other_in_no_all_reduce() {
    // The second stage works on the batch before: both are busy at the same time.
    let server = Server {
        layer: &[Works(20_000, 3_000), Meets("reduce_sum", PAIRS, 8_000)],
        layers: 6,
        begins_ns: |rank| if rank < 2 { 0 } else { 13_000 },
        ..TP_IN_EP
    };
    let truth = server.run();
    let skew = truth.drawn.report().rank_skew.unwrap();
    assert_eq!(skew.groups, [[0, 1], [2, 3]]);
    assert_eq!(waits(&skew), truth.waits_ns);
}

#[test]
fn on_clocks_that_differ_waits_are_off_by_no_more_than_is_said() {
    let server = Server {
        layer: &[
            Works(20_000, 3_000),
            Meets("reduce_sum", PAIRS, 8_000),
            Works(9_000, 3_000),
            Meets("reduce_exchange", ALL, 9_000),
        ],
        clock_ns: |rank| if rank < 2 { 0 } else { 5_000_000 },
        ..TP_IN_EP
    };
    for hosts in [[Some("a"), Some("b")], [None, None]] {
        let mut truth = server.run();
        let process = truth.drawn.trace.processes[0].clone();
        truth.drawn.trace.processes.push(process);
        for (process, host) in truth.drawn.trace.processes.iter_mut().zip(hosts) {
            process.host = host.map(str::to_owned);
        }
        for rank in &mut truth.drawn.trace.ranks[2..] {
            rank.process = crate::model::ProcessIdx::new(1);
        }
        let skew = truth.drawn.report().rank_skew.unwrap();
        assert_eq!(skew.groups.iter().cloned().collect::<BTreeSet<_>>(), truth.groups, "{hosts:?}");
        for (row, true_ns) in skew.per_rank.iter().zip(&truth.waits_ns) {
            let clock = skew.clock.per_rank.iter().find(|clock| clock.rank == row.rank).unwrap();
            let doubt = clock.uncertainty_ns.unwrap();
            assert!(doubt > 0 && doubt < 400, "{doubt}");
            let collectives = (server.steps * server.layers * 2) as u64;
            assert!(row.wait_ns.unwrap().abs_diff(*true_ns) <= doubt * collectives, "{hosts:?} {row:?} {true_ns}");
            assert!(clock.offset_ns.unwrap().abs_diff((server.clock_ns)(row.rank as usize)) <= doubt);
        }
    }
}

#[test]
fn no_rank_is_called_last_by_less_than_ends_lie_apart() {
    let step = |rank: u32, at: i64, starts: i64, ends: i64| {
        Row::decode(&[("gemm", at, at + 1_000), ("reduce", at + starts, at + ends)]).on_rank(rank)
    };
    let rows = |lead: i64| -> Vec<Row> {
        let of_rank = |rank: u32| {
            (0..10_i64).map(move |i| {
                let starts = 1_100 + if rank == 1 { lead } else { 0 };
                step(rank, i * 10_000, starts, 5_000 + if rank == 1 { 300 } else { 0 })
            })
        };
        (0..2).flat_map(of_rank).collect()
    };
    let found = |lead: i64| trace_with_steps(&rows(lead)).report().rank_skew.unwrap();
    let near = found(200);
    let collectives = near.collectives.unwrap();
    assert_eq!((collectives.undecided, collectives.last_arriver[0].times, near.slowest_rank), (10, 0, None));
    assert!(collectives.steps.iter().all(|step| step.last.is_none()));
    assert_eq!(near.clock.per_rank[1].uncertainty_ns, Some(300));
    let far = found(900);
    let collectives = far.collectives.unwrap();
    assert_eq!((collectives.undecided, collectives.last_arriver[0].rank), (0, 1));
    assert_eq!((collectives.last_arriver[0].times, collectives.last_arriver[0].of), (10, 10));
    assert_eq!(far.slowest_rank, Some(1));
}

#[test]
fn a_ranks_own_time_is_per_step_that_it_was_measured_in() {
    //  replica 0: ranks 0 and 1; replica 1: ranks 2 and 3, of which rank 3's trace ends after half the steps
    let step =
        |rank: u32, at: i64| Row::decode(&[("gemm", at, at + 700), ("reduce", at + 700, at + 900)]).on_rank(rank);
    let rows: Vec<Row> = (0..4)
        .flat_map(|rank: u32| {
            let steps: i64 = if rank == 3 { 5 } else { 10 };
            (0..steps).map(move |i| step(rank, i * 1_000 + i64::from(rank / 2) * 450))
        })
        .collect();
    let skew = trace_with_steps(&rows).report().rank_skew.unwrap();
    assert_eq!(skew.groups, [[0, 1], [2, 3]]);
    assert_eq!(skew.stragglers, []);
    let measured: BTreeMap<u32, (u64, u64)> =
        skew.per_rank.iter().map(|row| (row.rank, (row.steps, row.met_steps))).collect();
    assert_eq!(measured[&2], (10, 5));
}
