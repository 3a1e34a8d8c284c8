//! What was found against what is true.

use std::collections::{BTreeMap, HashMap};

use profile_decode::steps::{Detector, Phase, StepOptions, StepTable, find};

use super::{Drawn, Serving, Situation, View};

/// Sums over servers of one situation, seen by one producer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    pub servers: u32,
    pub steps: u32,
    /// Steps that do not begin and end where they do.
    pub wrong_boundaries: u32,
    /// Steps rightly cut whose phase is wrong.
    pub wrong_phases: u32,
    /// Of those, steps that say they do not know.
    pub open_phases: u32,
    /// Servers of which something is wrong, and nothing is said.
    pub silent: u32,
    /// Servers of which all is right, and doubt is cast.
    pub doubted: u32,
}

/// Of which true step each found step is the whole, on each rank: same first and same last launch.
fn whole(drawn: &Drawn, table: &StepTable) -> Vec<(u32, Option<Phase>)> {
    type Ends = (u32, u32);
    let widen = |ends: &mut Ends, at: u32| *ends = (ends.0.min(at), ends.1.max(at));
    let mut truth: BTreeMap<(usize, u32), Ends> = BTreeMap::new();
    let mut found: HashMap<usize, Ends> = HashMap::new();
    for (position, dispatch) in drawn.trace.dispatches.iter().enumerate() {
        let at = drawn.launched[position];
        if drawn.is_between[position] {
            continue;
        }
        let rank = drawn.trace.rank_of(dispatch.stream).index();
        if let Some(step) = drawn.truth[position] {
            widen(truth.entry((rank, step)).or_insert((at, at)), at);
        }
        if let Some(step) = table.of_dispatch[position] {
            widen(found.entry(step.index()).or_insert((at, at)), at);
        }
    }
    let by_ends: HashMap<(usize, Ends), Phase> = found
        .into_iter()
        .map(|(step, ends)| ((table.steps[step].rank.index(), ends), table.steps[step].phase))
        .collect();
    truth.into_iter().map(|((rank, step), ends)| (step, by_ends.get(&(rank, ends)).copied())).collect()
}

/// Whether a reader is told that steps may be wrong.
fn casts_doubt(table: &StepTable) -> bool {
    let is_unknown = table.steps.iter().any(|step| step.phase == Phase::Unknown);
    let tells_how = ["had not settled", "are of none", "Each replay of a graph"];
    let remarks = table.remarks.iter().any(|remark| !tells_how.iter().any(|how| remark.contains(how)));
    table.detector == Detector::None || is_unknown || table.confidence < 0.95 || remarks
}

fn is_right(drawn: &Drawn, truth: Phase, found: Phase) -> bool {
    let has_prompts = |phase| matches!(phase, Phase::Prefill | Phase::Mixed);
    truth == found || (drawn.is_one_attention && has_prompts(truth) && has_prompts(found))
}

impl Score {
    /// Adds a server; what is wrong is told.
    pub fn add(&mut self, serving: &Serving) -> Option<String> {
        let drawn = serving.draw();
        let table = find(&drawn.trace, &StepOptions::default());
        let steps = whole(&drawn, &table);
        let boundaries = steps.iter().filter(|(_, phase)| phase.is_none()).count() as u32;
        let spare = (table.steps.len() as u32).saturating_sub(steps.len() as u32);
        let cut = steps.iter().filter_map(|&(step, phase)| Some((step, drawn.phases[step as usize], phase?)));
        let wrong: Vec<_> = cut.filter(|&(_, truth, found)| !is_right(&drawn, truth, found)).collect();
        let open = wrong.iter().filter(|(_, _, found)| *found == Phase::Unknown).count() as u32;
        let (is_wrong, is_doubted) = (boundaries + spare > 0 || !wrong.is_empty(), casts_doubt(&table));
        self.servers += 1;
        self.steps += steps.len() as u32;
        self.wrong_boundaries += boundaries.max(spare);
        self.wrong_phases += wrong.len() as u32;
        self.open_phases += open;
        self.silent += u32::from(is_wrong && !is_doubted);
        self.doubted += u32::from(!is_wrong && is_doubted);
        (is_wrong || is_doubted).then(|| {
            let by = table.detector.name();
            let refused = table.refused.iter().map(|refusal| refusal.why.as_str()).collect::<Vec<_>>().join("; ");
            format!(
                "{serving:?}: by {by}, {} true, {} found, {boundaries} not whole, phases {:?}, confidence {:.3}, {:?}, {refused}",
                steps.len(),
                table.steps.len(),
                &wrong[..wrong.len().min(3)],
                table.confidence,
                table.remarks,
            )
        })
    }

    pub fn join(&mut self, other: &Self) {
        self.servers += other.servers;
        self.steps += other.steps;
        self.wrong_boundaries += other.wrong_boundaries;
        self.wrong_phases += other.wrong_phases;
        self.open_phases += other.open_phases;
        self.silent += other.silent;
        self.doubted += other.doubted;
    }
}

/// Scores of the first `servers` servers, by situation and view, and what is wrong.
pub fn score(servers: u64) -> (BTreeMap<(Situation, View), Score>, Vec<String>) {
    let (mut scores, mut told) = (BTreeMap::<_, Score>::new(), Vec::new());
    for serving in (0..servers).map(Serving::numbered) {
        told.extend(scores.entry((serving.situation, serving.view)).or_default().add(&serving));
    }
    (scores, told)
}
