//! What is known to go wrong with a version of rocprofiler-sdk, and what to set.
//!
//! Each row was read in the issue that it names. Where the release that repairs a bug is not established, the row has no end:
//! a warning too many costs a glance, one too few a server.

use crate::capture::options::INTERPOSITION;

/// A version of rocprofiler-sdk: major, minor, patch.
type Version = (u32, u32, u32);

/// A bug that shows in these versions.
struct Bug {
    /// The first version that has it.
    since: Version,
    /// The first version that does not have it any more, where that is established.
    fixed: Option<Version>,
    /// The number of GPUs from which on it shows.
    gpus: usize,
    what: &'static str,
    /// What to set or to do.
    remedy: &'static str,
    /// Whether `ROCPROFILER_QUEUE_INTERPOSITION=0` keeps it away.
    inline_only: bool,
}

const BUGS: [Bug; 7] = [
    Bug {
        since: (1, 3, 2),
        fixed: None,
        gpus: 1,
        what: "starting a stopped dispatch context may hang the server, and a stop may leave an empty trace (rocm-systems \
               #11623, #10994)",
        remedy: "set ROCPROFILER_QUEUE_INTERPOSITION=0 where the server is started",
        inline_only: true,
    },
    Bug {
        since: (1, 3, 2),
        fixed: None,
        gpus: 5,
        what: "with RCCL over five GPUs or more in one process, tracing may hang (rocm-systems #10143)",
        remedy: "set ROCPROFILER_QUEUE_INTERPOSITION=0, or ROCPROFILER_ASYNC_SIGNAL_HANDLER_THREADS to at least GPUs times \
                 queues",
        inline_only: true,
    },
    Bug {
        since: (1, 3, 2),
        fixed: Some((1, 3, 5)),
        gpus: 1,
        what: "a server that torch.profiler traces may hang (vllm #54087); some vLLM images carry the repair",
        remedy: "use rocprofiler-sdk 1.3.5, or do not use both at once",
        inline_only: false,
    },
    Bug {
        since: (1, 1, 0),
        fixed: Some((1, 3, 0)),
        gpus: 1,
        what: "loading modules on several threads may deadlock (legacy-rocm-build #6577)",
        remedy: "use a newer rocprofiler-sdk if the server hangs while it compiles",
        inline_only: false,
    },
    Bug {
        since: (0, 4, 0),
        fixed: Some((1, 3, 0)),
        gpus: 1,
        what: "kernels that HIP 7.13 or later submits in extended dispatch packets are probably not reported",
        remedy: "use the rocprofiler-sdk of the same ROCm release as HIP",
        inline_only: false,
    },
    Bug {
        since: (1, 3, 2),
        fixed: Some((1, 3, 5)),
        gpus: 1,
        what: "release candidates of ROCm 7.14 leave most kernels of multi-stream graph replays out of torch.profiler's traces \
               (rocm-systems #8735); the tracer does not use that way",
        remedy: "set DEBUG_HIP_GRAPH_SEGMENT_SCHEDULING=0 for such traces",
        inline_only: false,
    },
    Bug {
        since: (1, 1, 0),
        fixed: Some((1, 4, 1)),
        gpus: 1,
        what: "HIP's own activity records, which torch.profiler may use, may give a graph's kernels the durations of others \
               (rocm-systems #10579); the tracer is probably not affected, as it pairs name and time per packet",
        remedy: "compare such a trace with the tracer's, or use ROCm 10.1",
        inline_only: false,
    },
];

/// What to know of this version with so many GPUs: each bug in words, and what to do. `value` looks a variable up.
pub(super) fn bugs(
    version: &str,
    gpus: usize,
    value: &dyn Fn(&str) -> Option<String>,
) -> Vec<(&'static str, &'static str)> {
    let Some(version) = parse(version) else { return Vec::new() };
    let is_older_path = value(INTERPOSITION).is_some_and(|value| value.trim() == "0");
    let shows = |bug: &&Bug| {
        bug.since <= version
            && bug.fixed.is_none_or(|fixed| version < fixed)
            && (bug.gpus == 1 || gpus >= bug.gpus)
            && !(bug.inline_only && is_older_path)
    };
    BUGS.iter().filter(shows).map(|bug| (bug.what, bug.remedy)).collect()
}

/// The three numbers of a version.
pub(super) fn parse(version: &str) -> Option<Version> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issues(version: &str, gpus: usize, interposition: Option<&str>) -> Vec<&'static str> {
        let value = |name: &str| interposition.filter(|_| name == INTERPOSITION).map(str::to_owned);
        let known = ["#11623", "#10143", "#54087", "#6577", "extended", "#8735", "#10579"];
        let found = bugs(version, gpus, &value);
        known.into_iter().filter(|issue| found.iter().any(|(what, _)| what.contains(issue))).collect()
    }

    #[test]
    fn each_version_is_told_its_own_bugs() {
        assert_eq!(issues("0.6.0", 8, None), ["extended"]);
        assert_eq!(issues("1.0.0", 8, None), ["extended"]);
        assert_eq!(issues("1.1.0", 8, None), ["#6577", "extended", "#10579"]);
        assert_eq!(issues("1.3.0", 8, None), ["#10579"]);
        assert_eq!(issues("1.3.2", 4, None), ["#11623", "#54087", "#8735", "#10579"]);
        assert_eq!(issues("1.3.5", 5, None), ["#11623", "#10143", "#10579"]);
        assert_eq!(issues("1.4.1", 1, None), ["#11623"]);
        assert_eq!(issues("unknown", 8, None), [""; 0]);
    }

    #[test]
    fn the_older_way_of_intercepting_dispatches_keeps_the_hangs_away() {
        assert_eq!(issues("1.3.5", 8, Some("0")), ["#10579"]);
        assert_eq!(issues("1.3.5", 8, Some("1")), issues("1.3.5", 8, None));
    }
}
