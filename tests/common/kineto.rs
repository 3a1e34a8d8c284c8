//! PyTorch profiler traces, drawn.

#![allow(dead_code)]

use std::path::Path;

use serde_json::{Value, json};

/// A trace of one rank that grows event by event. Times are microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Kineto {
    rank: u32,
    world_size: u32,
    groups: Vec<Value>,
    events: Vec<Value>,
}

impl Kineto {
    /// An empty trace of a rank.
    pub(crate) fn of_rank(rank: u32, world_size: u32) -> Self {
        Self { rank, world_size, groups: Vec::new(), events: Vec::new() }
    }

    /// A marker range.
    pub(crate) fn range(&mut self, name: &str, ts: f64, dur: f64) -> &mut Self {
        self.event("user_annotation", name, (1, 1), (ts, dur), json!({}))
    }

    /// A runtime call.
    pub(crate) fn call(&mut self, name: &str, ts: f64, dur: f64, correlation: u64) -> &mut Self {
        self.event("cuda_runtime", name, (1, 1), (ts, dur), json!({"correlation": correlation}))
    }

    /// A kernel on stream 0.
    pub(crate) fn kernel(&mut self, name: &str, ts: f64, dur: f64, correlation: u64) -> &mut Self {
        let args = json!({"device": 0, "stream": 0, "correlation": correlation});
        self.event("kernel", name, (2, 0), (ts, dur), args)
    }

    /// An operator of this id, with the sizes and types of its inputs, and a launch of `kernel` by it while a graph is
    /// captured.
    pub(crate) fn captured(
        &mut self,
        op: &str,
        inputs: &[(&[u64], &str)],
        kernel: &str,
        ts: f64,
        id: u64,
    ) -> &mut Self {
        let sizes: Vec<&[u64]> = inputs.iter().map(|(sizes, _)| *sizes).collect();
        let types: Vec<&str> = inputs.iter().map(|(_, dtype)| *dtype).collect();
        let args = json!({"External id": id, "Input Dims": sizes, "Input type": types});
        self.event("cpu_op", op, (1, 1), (ts, 4.0), args);
        let args = json!({"External id": id, "correlation": 100_000 + id, "kernel": kernel});
        self.event("cuda_runtime", "hipModuleLaunchKernel", (1, 1), (ts + 1.0, 2.0), args)
    }

    /// A process group that the header tells of.
    pub(crate) fn group(&mut self, name: &str, ranks: &[u32]) -> &mut Self {
        self.groups.push(json!({"pg_name": name, "pg_desc": "undefined", "pg_size": ranks.len(), "ranks": ranks}));
        self
    }

    /// A kernel on stream 1 that says which collective it is: what it computes, and the name and ranks of its group.
    pub(crate) fn collective(&mut self, call: &str, group: (&str, &[u32]), ts: f64, dur: f64, id: u64) -> &mut Self {
        let args = json!({"device": 0, "stream": 1, "correlation": id, "External id": id, "Collective name": call,
                          "Process Group Name": group.0, "Group size": group.1.len(),
                          "Process Group Ranks": format!("{:?}", group.1)});
        self.event("kernel", "ncclDevKernel_Generic(ncclDevKernelArgsStorage<4096ul>)", (2, 1), (ts, dur), args)
    }

    fn event(&mut self, cat: &str, name: &str, (pid, tid): (u32, u32), time: (f64, f64), args: Value) -> &mut Self {
        let event = json!({"ph": "X", "cat": cat, "name": name, "pid": pid, "tid": tid, "ts": time.0, "dur": time.1,
                           "args": args});
        self.events.push(event);
        self
    }

    /// Writes it as a file.
    pub(crate) fn write(&self, path: &Path) {
        let trace = json!({
            "schemaVersion": 1,
            "deviceProperties": [{"id": 0, "name": "AMD Instinct MI300X", "computeMajor": 9, "computeMinor": 4}],
            "baseTimeNanoseconds": 0,
            "distributedInfo": {"backend": "nccl", "rank": self.rank, "world_size": self.world_size,
                                "pg_config": self.groups},
            "traceEvents": self.events,
        });
        std::fs::write(path, trace.to_string()).unwrap();
    }
}
