//! Serving engines as they are, drawn as traces with what is true of them: one situation a server.
//!
//! Where [`Server`](crate::server) varies one kind of server in everything that noise and models may do, this varies the
//! *kind*: what is marked, what is replayed, who else launches, and how much of it the producer records.
//!
//! ```text
//!   engine      which kernels a pass launches, and whether a graph replays them
//!   situation   which passes follow one another, and what is marked
//!   draw        when they run, and what a producer sees of it
//! ```

#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod draw;
pub mod engine;
pub mod score;
pub mod situation;

use profile_decode::model::Trace;
use profile_decode::steps::Phase;

pub use draw::View;
pub use situation::Situation;

/// A trace and what is true of it.
pub struct Drawn {
    pub trace: Trace,
    /// The true step of each dispatch.
    pub truth: Vec<Option<u32>>,
    /// Where each dispatch stands in the order of launches.
    pub launched: Vec<u32>,
    /// What each true step is.
    pub phases: Vec<Phase>,
    /// Where each dispatch is small work between two steps, and no pause tells where it belongs.
    pub is_between: Vec<bool>,
    /// Kernels tell prompts, but not whether tokens are generated beside them.
    pub is_one_attention: bool,
}

/// One of the servers that there are: the same for the same seed.
#[derive(Clone, Copy, Debug)]
pub struct Serving {
    pub seed: u64,
    pub situation: Situation,
    pub view: View,
}

impl Serving {
    /// The server of this number: situations and views take turns.
    pub fn numbered(number: u64) -> Self {
        let all: Vec<(Situation, View)> = Situation::ALL
            .into_iter()
            .flat_map(|situation| situation.views().iter().map(move |&view| (situation, view)))
            .collect();
        let (situation, view) = all[number as usize % all.len()];
        Self { seed: number, situation, view }
    }

    pub fn draw(&self) -> Drawn {
        let mut random = crate::server::Random::new(self.seed);
        let engine = engine::Engine::any(&mut random, self.situation);
        let passes = situation::passes(&engine, self.situation, &mut random);
        draw::draw(self, &engine, passes, &mut random)
    }
}
