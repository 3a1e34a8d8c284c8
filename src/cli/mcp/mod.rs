//! `profile-decode mcp`: reports, comparisons and classes as tools for agents, over stdin and stdout.
//!
//! The Model Context Protocol of one version, [`rpc::VERSION`], over its stdio transport: a JSON-RPC message a line
//! (modelcontextprotocol.io/specification/2025-06-18, basic/transports, basic/lifecycle and server/tools).
//!
//! ```text
//!   stdin ─> rpc: a line of bounded length, a request ─> tools: which, with what ─┬─ roots: may that be read?
//!                                                                                ├─ input, pipeline, render: the answer
//!   stdout <─ rpc: a response <───── answer: the part that was asked for, of bounded size
//! ```
//!
//! Who asks is not trusted: an agent repeats what it read somewhere. So nothing is ever written, only what lies in the
//! directories given at start is read, and a request that is not understood is an error and not the end. One request is
//! answered at a time: clients that want more start the program twice.

mod answer;
mod roots;
mod rpc;
mod tools;

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args as Group;
use serde_json::{Value, json};

use super::args::EXIT_CODES;
use super::failure::Failure;
use super::reading::LimitArgs;
use super::rules::RulesArgs;
use super::{files, rules};
use roots::Roots;
use rpc::{Incoming, Refusal, Request};
use tools::Tools;

const EXAMPLES: &str = "\
Examples:
  profile-decode mcp --root /data/traces
  claude mcp add profile-decode -- profile-decode mcp --root \"$PWD\"

Speaks the Model Context Protocol 2025-06-18 on stdin and stdout until stdin ends.";

/// Serve reports, comparisons and classes to agents, as tools over stdin and stdout (Model Context Protocol).
#[derive(Group, Debug)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct McpArgs {
    /// Directory whose traces may be read, with all below it; may be given several times. Nothing else is read, links that
    /// lead out of it neither.
    #[arg(long = "root", value_name = "DIR", required = true)]
    roots: Vec<PathBuf>,

    #[command(flatten)]
    limits: LimitArgs,

    #[command(flatten)]
    rules: RulesArgs,
}

pub(super) fn run(args: &McpArgs) -> Result<ExitCode, Failure> {
    let roots = Roots::new(&args.roots)?;
    let tools = Tools { roots, limits: args.limits.limits(), classifier: rules::classifier(&args.rules)? };
    let mut server = Server { tools, is_initialized: false };
    let (mut stdin, mut stdout) = (io::stdin().lock(), io::stdout().lock());
    let served = rpc::serve(&mut stdin, &mut stdout, |incoming| server.answer(incoming));
    match served {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(files::stdout_failed(&error)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// A session with one client.
struct Server {
    tools: Tools,
    is_initialized: bool,
}

impl Server {
    /// The result of a request; `None` for what wants no answer.
    fn answer(&mut self, incoming: Incoming) -> Option<Result<Value, Refusal>> {
        let Incoming::Request(Request { method, params }) = incoming else { return None };
        Some(match method.as_str() {
            "initialize" => {
                self.is_initialized = true;
                Ok(self.initialized())
            }
            "ping" => Ok(json!({})),
            "tools/list" | "tools/call" if !self.is_initialized => {
                Err(Refusal::invalid("the session begins with `initialize`"))
            }
            "tools/list" => Ok(json!({"tools": tools::list()})),
            "tools/call" => self.call(&params),
            _ => Err(Refusal::unknown_method(&method)),
        })
    }

    fn initialized(&self) -> Value {
        let roots: Vec<String> = self.tools.roots.shown();
        json!({
            "protocolVersion": rpc::VERSION,
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "profile-decode", "version": env!("CARGO_PKG_VERSION")},
            "instructions": format!(
                "Reports where the decode time of LLM servers on AMD Instinct GPUs goes. Traces are read from {} and \
                 nowhere else; paths may be relative to it. Begin with `report`; figures come from answers, never from \
                 your own arithmetic.",
                roots.join(", ")
            ),
        })
    }

    /// Calls a tool. A panic of ours is told like any failure: the session goes on.
    fn call(&self, params: &Value) -> Result<Value, Refusal> {
        let called = panic::catch_unwind(AssertUnwindSafe(|| self.tools.call(params)));
        called.unwrap_or_else(|_| Ok(answer::failed("an error of profile-decode's own; stderr has more")))
    }
}
