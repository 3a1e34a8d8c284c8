//! Reports of timelines that are known to the nanosecond: what they say, and how it is written.

#[path = "common/contract.rs"]
mod contract;

use profile_decode::analyze::{self, Options};
use profile_decode::classify::{Category, Classes, Confidence, Verdict};
use profile_decode::model::{LaunchCall, RankIdx, Span, Trace, TraceBuilder};
use profile_decode::output::Report;
use profile_decode::render;
use profile_decode::steps::{Batch, Detector, Phase, Step, StepIdx, StepTable, Tail};

fn verdict(name: &str) -> Verdict {
    let (category, sub, backend) = match name {
        "gemm_big" => (Category::Gemm, "hipblaslt", "hipblaslt"),
        "attention" => (Category::Attention, "mha_decode/paged", "asm"),
        "moe_stage1" => (Category::Moe, "expert_gemm", "ck"),
        "moe_sort" => (Category::Moe, "sort", "hip"),
        "all_reduce" => (Category::Allreduce, "custom/one-two-stage", "hip"),
        _ => return Verdict::unknown(),
    };
    Verdict {
        category,
        sub: Some(sub.into()),
        backend: backend.into(),
        rule: "drawn".into(),
        confidence: Confidence::High,
        backend_confidence: Confidence::High,
        ..Verdict::unknown()
    }
}

/// Two ranks, one warm-up step and two decode steps each; rank 1 comes 2 µs late to its all-reduce, which rank 0
/// waits for. Microseconds from the start of a step:
///
/// ```text
///   rank 0   gemm 0-10   attention 11-16   sort 16-17   stage1 17-30   all_reduce 30-36   odd 37-38
///   rank 1   gemm 0-12   attention 13-18   sort 18-19   stage1 19-32   all_reduce 32-36   odd 37-38
/// ```
fn two_ranks() -> (Trace, Classes, StepTable) {
    let mut draw = TraceBuilder::new().drawing();
    let mut steps = Vec::new();
    for rank in 0..2_u32 {
        if rank == 1 {
            draw.on_new_rank(1);
        }
        let late = i64::from(rank) * 2_000;
        for number in 0..3_u32 {
            let at = i64::from(number) * 50_000;
            let key = u64::from(rank * 10 + number);
            draw.launch(LaunchCall::Graph, at - 5_000, at - 1_000, key);
            for (name, begin, end) in [
                ("gemm_big", 0, 10_000 + late),
                ("attention", 11_000 + late, 16_000 + late),
                ("moe_sort", 16_000 + late, 17_000 + late),
                ("moe_stage1", 17_000 + late, 30_000 + late),
                ("all_reduce", 30_000 + late, 36_000),
                ("odd|name`with\u{1b}[31m<b>", 37_000, 38_000),
            ] {
                draw.kernel(name, at + begin, at + end, key);
            }
            steps.push(Step {
                number,
                rank: RankIdx::new(rank as usize),
                phase: Phase::Decode,
                batch: Batch { size: Some(6), graph_size: Some(8), tokens: None },
                label: None,
                cpu: None,
                gpu: Span::new(at, at + 38_000),
                dispatches: 6,
                gpu_time_ns: 36_000,
                tail: Tail::default(),
                warmup: number == 0,
            });
        }
    }
    let trace = draw.finish();
    let classes = Classes::new(trace.names.iter().map(|(_, name)| verdict(name)).collect());
    let of_dispatch = trace.dispatches.iter().map(|dispatch| {
        let rank = trace.rank_of(dispatch.stream);
        steps.iter().position(|step| step.rank == rank && step.gpu.contains(dispatch.span.start_ns)).map(StepIdx::new)
    });
    let of_dispatch = of_dispatch.collect();
    let table = StepTable::new(Detector::Marker, steps, of_dispatch);
    (trace, classes, table)
}

fn report() -> Report {
    let (trace, classes, table) = two_ranks();
    analyze::report(&trace, &classes, &table, &Options::default())
}

fn markdown(report: &Report) -> String {
    let mut out = Vec::new();
    render::markdown(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_markdown_report_of_two_ranks() {
    insta::assert_snapshot!(markdown(&report()), @r##"
    # Decode profile: gfx942, 2 ranks

    **MoE is 38.9 % of decode GPU time**, then GEMM 30.6 %, Attention 13.9 %, AllReduce 13.9 %; a step takes 50.000 µs to the next decode (median ITL), 38.000 µs on the GPU, and 20.5 % of its wall time does none of its work.

    The biggest single target is the MoE kernel `moe_stage1` (ck) with 36.1 % of the GPU time in 4 executions; no rule found a saving that it could put a bound on.

    **The capture is complete**: in 2 decode steps on 2 ranks no step has fewer kernels than its like, and 2.8 % of the GPU time is in kernels of unknown purpose.

    ## Step latency

    | Step (µs)                        |    p50 |    p90 |    p99 |   mean |    min |    max |   n |
    |:-------------------------------- | ------:| ------:| ------:| ------:| ------:| ------:| ---:|
    | Decode to decode (ITL)           | 50.000 | 50.000 | 50.000 | 50.000 | 50.000 | 50.000 |   2 |
    | On the GPU, first kernel to last | 38.000 | 38.000 | 38.000 | 38.000 | 38.000 | 38.000 |   4 |

    Whether a step is one token for each request, nothing in the trace tells: these are times of steps.

    ### By batch

    | Requests | Graph size | Steps | ITL p50 (µs) | GPU span p50 (µs) | GPU time mean (µs) |
    | --------:| ----------:| -----:| ------------:| -----------------:| ------------------:|
    |        6 |          8 |     2 |       50.000 |            38.000 |             36.000 |

    ## Where the time goes

    GPU time is the sum of kernel durations. Critical is wall time: each nanosecond goes to the one category that held the step up, or to idle.

    | Category     | GPU time |          | Critical | p50/step (µs) | p99/step (µs) | Dispatches/step |
    |:------------ | --------:|:-------- | --------:| -------------:| -------------:| ---------------:|
    | MoE          |   38.9 % | ███████▊ |   31.8 % |        14.000 |        14.000 |             2.0 |
    | GEMM         |   30.6 % | ██████▏  |   25.0 % |        10.000 |        12.000 |             1.0 |
    | Attention    |   13.9 % | ██▊      |   11.4 % |         5.000 |         5.000 |             1.0 |
    | AllReduce    |   13.9 % | ██▊      |    9.1 % |         4.000 |         6.000 |             1.0 |
    | Other        |    2.8 % | ▌        |    2.3 % |         1.000 |         1.000 |             1.0 |
    | Quantization |    0.0 % |          |    0.0 % |         0.000 |         0.000 |             0.0 |
    | Idle         |          |          |   20.5 % |               |               |                 |

    Idle is 9.000 µs a step: 4.500 µs between kernels already launched, 3.500 µs until the host launched the next kernel, 1.000 µs waiting for another rank.

    ### GEMM backends

    | Backend   |   Share |                      | GPU time/step (µs) | Dispatches/step |
    |:--------- | -------:|:-------------------- | ------------------:| ---------------:|
    | hipblaslt | 100.0 % | ████████████████████ |             11.000 |             1.0 |

    ### MoE backends

    | Backend |  Share |                     | GPU time/step (µs) | Dispatches/step |
    |:------- | ------:|:------------------- | ------------------:| ---------------:|
    | ck      | 92.9 % | ██████████████████▋ |             13.000 |             1.0 |
    | hip     |  7.1 % | █▍                  |              1.000 |             1.0 |

    ### MoE parts

    | Part        |  Share |                     | GPU time/step (µs) | Dispatches/step |
    |:----------- | ------:|:------------------- | ------------------:| ---------------:|
    | expert_gemm | 92.9 % | ██████████████████▋ |             13.000 |             1.0 |
    | sort        |  7.1 % | █▍                  |              1.000 |             1.0 |

    ### Attention

    | Part             |   Share |                      | GPU time/step (µs) | Dispatches/step |
    |:---------------- | -------:|:-------------------- | ------------------:| ---------------:|
    | mha_decode/paged | 100.0 % | ████████████████████ |              5.000 |             1.0 |

    ### Communication

    | Kind                 |   Share |                      | GPU time/step (µs) | Dispatches/step |
    |:-------------------- | -------:|:-------------------- | ------------------:| ---------------:|
    | custom/one-two-stage | 100.0 % | ████████████████████ |              5.000 |             1.0 |

    ## Top 5 kernels by total time

    |   # | Kernel       | Category  | Backend   |  Share |          | Count | Mean (µs) |
    | ---:|:------------ |:--------- |:--------- | ------:|:-------- | -----:| ---------:|
    |   1 | `moe_stage1` | MoE       | ck        | 36.1 % | ███████▎ |     4 |    13.000 |
    |   2 | `gemm_big`   | GEMM      | hipblaslt | 30.6 % | ██████▏  |     4 |    11.000 |
    |   3 | `all_reduce` | AllReduce | hip       | 13.9 % | ██▊      |     4 |     5.000 |
    |   4 | `attention`  | Attention | asm       | 13.9 % | ██▊      |     4 |     5.000 |
    |   5 | `moe_sort`   | MoE       | hip       |  2.8 % | ▌        |     4 |     1.000 |

    Most expensive single dispatch: `moe_stage1` (number 1 in the appendix), 13.000 µs, step 1, rank 0.

    ## Computed for nothing

    - Padding: 25.0 % of the places in graphs are empty.

    ## Ranks

    | Rank | Steps | Step p50 (µs) | GPU time/step (µs) | Own GPU/step (µs) | Own idle/step (µs) | Waiting/step (µs) | Transfer/step (µs) | Last |
    | ----:| -----:| -------------:| ------------------:| -----------------:| ------------------:| -----------------:| ------------------:| ----:|
    |    0 |     2 |        38.000 |             36.000 |            29.000 |              1.000 |             2.000 |              4.000 |    0 |
    |    1 |     2 |        38.000 |             36.000 |            31.000 |              1.000 |             0.000 |              4.000 |    2 |

    The slowest rank is 1: the others wait for it. Of 20.000 µs in 2 collectives matched across the ranks, summed over the ranks, 20.0 % was waiting for the last rank to arrive; rank 1 was last in 2 of its 2, 4.000 µs later than the last but one in all. Rank 1 is a straggler: from collective to collective it takes 32.000 µs a step for its own, 6.7 % more than the median rank (kernels for 31.000 µs, an idle GPU for 1.000 µs).

    From the first rank's arrival to the last one's: p50 2.000 µs, p99 2.000 µs at the first collective of a step. The most skewed step is 2, by 2.000 µs. Ranks that meet, guessed from when they enter and leave collectives: 0, 1. The ranks share a clock: they leave a collective within 0 ns of each other (p50), so arrivals compare to within 0 ns.

    ### Critical path across ranks

    Wall time of a step along the rank that arrives last at each collective: what would have to get faster. Waiting for other ranks is not on it.

    | What                                          | On the path/step (µs) |  Share |         |
    |:--------------------------------------------- | ---------------------:| ------:|:------- |
    | MoE                                           |                14.000 | 31.8 % | ██████▍ |
    | GEMM                                          |                12.000 | 27.3 % | █████▌  |
    | Attention                                     |                 5.000 | 11.4 % | ██▎     |
    | AllReduce                                     |                 4.000 |  9.1 % | █▉      |
    | Other                                         |                 1.000 |  2.3 % | ▌       |
    | Idle: between kernels already launched        |                 4.500 | 10.2 % | ██      |
    | Idle: until the host launched the next kernel |                 3.500 |  8.0 % | █▋      |

    The path is on rank 1 for 72.7 %, rank 0 for 27.3 %, and changes rank 1.0 times a step.

    ## Not in these figures

    | What    | Steps | Dispatches | GPU time (µs) | Of the trace |
    |:------- | -----:| ----------:| -------------:| ------------:|
    | warm-up |     1 |         12 |        72.000 |       33.3 % |

    ## Losses and warnings

    - No lost record was counted.

    ## How this was made

    - By profile-decode 0.1.0.
    - From capture `drawing`: rank 0 (gfx942), rank 1 (gfx942).
    - Steps by marker ranges; 2 decode steps counted, 1 decode step left out as warm-up.
    - Percentiles are by nearest rank, so each is a value that was measured. ITL is the time from a step's first kernel to the first kernel of the next decode step on the same rank; where a prefill, an empty step or a gap without work came between, there is none.

    ## Appendix: kernels

    |   # | Kernel                          | Category  | Kind                 | Backend   | Type | MFMA |  Share | Count | p50 (µs) | max (µs) |
    | ---:|:------------------------------- |:--------- |:-------------------- |:--------- |:---- |:---- | ------:| -----:| --------:| --------:|
    |   1 | `moe_stage1`                    | MoE       | expert_gemm          | ck        | –    | –    | 36.1 % |     4 |   13.000 |   13.000 |
    |   2 | `gemm_big`                      | GEMM      | hipblaslt            | hipblaslt | –    | –    | 30.6 % |     4 |   10.000 |   12.000 |
    |   3 | `all_reduce`                    | AllReduce | custom/one-two-stage | hip       | –    | –    | 13.9 % |     4 |    4.000 |    6.000 |
    |   4 | `attention`                     | Attention | mha_decode/paged     | asm       | –    | –    | 13.9 % |     4 |    5.000 |    5.000 |
    |   5 | `moe_sort`                      | MoE       | sort                 | hip       | –    | –    |  2.8 % |     4 |    1.000 |    1.000 |
    |   6 | ``odd\|name`with\u{1b}[31m<b>`` | Other     | unknown              | unknown   | –    | –    |  2.8 % |     4 |    1.000 |    1.000 |

    ### Kernels of unknown purpose

    1 names with 2.8 % of the GPU time, counted as Other.

    - ``odd|name`with\u{1b}[31m<b>``: 2.8 %, 4 launches, backend unknown, after `all_reduce`, before `gemm_big`
    "##);
}

#[test]
fn the_json_report_has_the_keys_of_its_schema() {
    let mut out = Vec::new();
    render::json(&report(), &mut out).unwrap();
    let json: serde_json::Value = contract::parsed(&out);
    let has = |at: &str, keys: &str| {
        let object = json.pointer(at).unwrap_or_else(|| panic!("{at}"));
        for key in keys.split_whitespace() {
            assert!(object.as_object().unwrap().contains_key(key), "{at}/{key}");
        }
    };
    has(
        "",
        "schema source ranks totals steps categories idle kernels top most_expensive unknown rank_skew advice capture",
    );
    has("", "warnings");
    has("/source/0", "path format gpu arch rank world_size host pid framework");
    has("/totals", "dispatches gpu_time_ns busy_ns wall_ns copies outside_steps");
    has("/totals/outside_steps", "dispatches gpu_time_ns");
    has("/steps", "detector marker warmup_skipped count phases batch itl_ns gpu_span_ns complete missing");
    has("/steps/phases", "decode prefill mixed draft dummy");
    has("/steps/batch/0", "size graph_size steps");
    has("/steps/itl_ns", "p50 p90 p99 mean min max");
    has("/steps/gpu_span_ns", "p50 p90 p99 mean min max");
    has("/categories/0", "name gpu_time_ns gpu_share critical_ns critical_share per_step_ns dispatches backends");
    has("/categories/0/per_step_ns", "p50 p90 p99");
    has("/categories/0/backends/0", "name gpu_time_ns share dispatches");
    has("/idle", "critical_ns critical_share causes");
    has("/idle/causes/0", "name ns");
    has(
        "/kernels/0",
        "name demangled category secondary backend dtype arch rule confidence count total_ns min_ns max_ns",
    );
    has("/kernels/0", "p50_ns share");
    has("/most_expensive", "name by ns step rank");
    has("/unknown", "gpu_share names");
    has("/rank_skew", "slowest_rank per_rank collectives groups group_evidence stragglers clock critical_path");
    has("/rank_skew/critical_path", "steps wall_ns categories idle on_path hops");
    has("/rank_skew/clock", "shared end_skew_ns per_rank");
    has("/rank_skew/collectives", "unmatched undecided by_kind start_skew steps");
    has(
        "/rank_skew/per_rank/0",
        "rank step_p50_ns critical_ns wait_ns transfer_ns own_ns own_gpu_ns own_idle_ns met_steps",
    );
    has("/rank_skew/collectives", "count wait_ns transfer_ns last_arriver");
    has("/rank_skew/collectives/last_arriver/0", "rank times of");
    assert_eq!(json["schema"], "profile-decode/report/1");
    assert_eq!(json["capture"], serde_json::Value::Null);
    assert_eq!(json["top"].as_array().unwrap().len(), 5);
}

#[test]
fn the_figures_are_those_that_were_drawn() {
    let report = report();
    assert_eq!((report.steps.count, report.steps.warmup_skipped), (2, 1));
    let of = |category| report.category(category).unwrap();
    let drawn = [
        (Category::Gemm, 2 * (10 + 12)),
        (Category::Attention, 2 * (5 + 5)),
        (Category::Moe, 2 * (14 + 14)),
        (Category::Allreduce, 2 * (6 + 4)),
        (Category::Other, 2 * (1 + 1)),
        (Category::Quantization, 0),
    ];
    for (category, us) in drawn {
        assert_eq!(of(category).gpu_time_ns, us * 1_000, "{category:?}");
        // Nothing overlaps: the two views of time agree, but that rank 0 waits 2 µs a step.
        let waits = if category == Category::Allreduce { 4 } else { 0 };
        assert_eq!(of(category).critical_ns, Some((us - waits) * 1_000), "{category:?}");
    }
    assert_eq!(of(Category::Gemm).per_step_ns.unwrap().p50, 10_000);
    assert_eq!(of(Category::Gemm).per_step_ns.unwrap().p90, 12_000);
    let itl = report.steps.itl_ns.unwrap();
    assert_eq!((itl.p50, itl.count), (50_000, 2));
    // Of the walls (50 + 38 µs a rank), kernels took 36 a step; 2 of these rank 0 waited.
    assert_eq!(report.idle.as_ref().unwrap().critical_ns, 2 * (88_000 - 72_000) + 4_000);
    let skew = report.rank_skew.as_ref().unwrap();
    assert_eq!(skew.slowest_rank, Some(1));
    let collectives = skew.collectives.as_ref().unwrap();
    assert_eq!((collectives.count, collectives.wait_ns, collectives.transfer_ns), (2, 4_000, 16_000));
}

#[test]
fn a_report_of_the_same_trace_is_the_same_report() {
    assert_eq!(markdown(&report()), markdown(&report()));
}

#[test]
fn the_html_report_says_what_the_markdown_report_says_and_shows_names_as_text() {
    let mut out = Vec::new();
    render::html(&report(), &mut out).unwrap();
    let html = String::from_utf8(out).unwrap();
    for heading in markdown(&report()).lines().filter_map(|line| line.strip_prefix("## ")) {
        assert!(html.contains(&format!(">{heading}</h2>")), "{heading}");
    }
    // The kernel that tries to be markup.
    assert!(html.contains("<code>odd|name`with\\u{1b}[31m&lt;b&gt;</code>"), "{html}");
    assert!(html.contains("<svg") && !html.contains("<script") && !html.contains("<b>"));
    assert!(html.len() < 64 << 10, "{}", html.len());
}
