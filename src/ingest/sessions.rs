//! Which of the files that were named are one run.
//!
//! ```text
//!   rank 0   ├─ 10:00 ─┤                 ├─ 11:00 ─┤
//!   rank 1   ├─ 10:00 ─┤                 ├─ 11:00 ─┤      one directory, two sessions: ranks 0 and 1, not 0 to 3
//! ```
//!
//! Within a run a rank number does not come twice. Where it does, either two files are readings of one recording (a
//! merged trace beside those of each rank), which shows in their dispatches, or the files are of several sessions, and
//! those belong together that were recorded at the same time. Files that tell no rank numbers are told apart by time
//! alone. Traces of which neither ranks nor kernels go together are no run at all, and are refused.
//!
//! Files of different hosts are never told apart by time: their clocks need not agree.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{Error, ErrorKind};
use crate::model::{Format, NameId, Rank, RankIdx, Span, Trace};

/// Times of one recording differ by no more than this between its readings, which may round to microseconds.
const ROUNDING_NS: i64 = 1_000;
/// Part of a reading's dispatches that another must hold for both to be of one recording: some cut the ends.
const SAME_RECORDING: f64 = 0.99;
/// Part of the kernel names of the trace with fewer that two sessions of one server share at least.
const SAME_SERVER: f64 = 0.5;

/// One GPU's part of a file.
#[derive(Clone, Debug)]
pub(super) struct GpuPart {
    number: Option<u32>,
    world_size: Option<u32>,
    /// From the first start to the last end.
    span: Span,
    /// Start and end of each dispatch, sorted; empty if no other GPU has this number.
    times: Vec<Span>,
    names: HashSet<NameId>,
}

/// What one file holds.
#[derive(Clone, Debug)]
pub(super) struct FilePart {
    pub(super) path: PathBuf,
    host: Option<String>,
    gpus: Vec<GpuPart>,
}

impl FilePart {
    /// The part of `path`, whose dispatches stand at `positions` of the trace that is read.
    fn new(path: PathBuf, positions: Range<usize>, trace: &Trace, repeated: &HashSet<u32>) -> Self {
        let mut gpus: BTreeMap<RankIdx, GpuPart> = BTreeMap::new();
        for dispatch in &trace.dispatches[positions] {
            let at = trace.rank_of(dispatch.stream);
            let gpu = gpus.entry(at).or_insert_with(|| {
                let rank = &trace.ranks[at.index()];
                let Rank { number, world_size, .. } = *rank;
                GpuPart { number, world_size, span: dispatch.span, times: Vec::new(), names: HashSet::new() }
            });
            gpu.span = gpu.span.hull(dispatch.span);
            gpu.names.insert(dispatch.name);
            if gpu.number.is_some_and(|number| repeated.contains(&number)) {
                gpu.times.push(dispatch.span);
            }
        }
        let host = gpus.keys().next().and_then(|&at| {
            let process = trace.ranks[at.index()].process;
            trace.processes[process.index()].host.clone()
        });
        let mut gpus: Vec<GpuPart> = gpus.into_values().collect();
        gpus.iter_mut().for_each(|gpu| gpu.times.sort_unstable());
        Self { path, host, gpus }
    }

    /// Dispatches of ranks that come again.
    fn dispatches(&self) -> usize {
        self.gpus.iter().map(|gpu| gpu.times.len()).sum()
    }

    fn span(&self) -> Option<Span> {
        self.gpus.iter().map(|gpu| gpu.span).reduce(Span::hull)
    }

    fn numbers(&self) -> impl Iterator<Item = u32> {
        self.gpus.iter().filter_map(|gpu| gpu.number)
    }

    /// Whether both files say that their clock is that of another host.
    fn is_elsewhere(&self, other: &Self) -> bool {
        self.host.is_some() && other.host.is_some() && self.host != other.host
    }
}

impl GpuPart {
    /// Whether all that is told of this GPU is told of `other` too, and both are the same rank.
    fn is_reading_of(&self, other: &Self) -> bool {
        if self.number.is_none() || self.number != other.number || self.times.is_empty() {
            return false;
        }
        let is_there = |span: &&Span| {
            let from = other.times.partition_point(|twin| twin.start_ns < span.start_ns - ROUNDING_NS);
            let near = other.times[from..].iter().take_while(|twin| twin.start_ns <= span.start_ns + ROUNDING_NS);
            { near }.any(|twin| twin.end_ns.abs_diff(span.end_ns) <= 2 * ROUNDING_NS as u64)
        };
        let there = self.times.iter().filter(is_there).count();
        there as f64 >= self.times.len() as f64 * SAME_RECORDING
    }
}

/// Files that were recorded together.
#[derive(Clone, Debug)]
struct Session {
    /// Positions of the files.
    files: Vec<usize>,
    span: Span,
}

impl Session {
    fn numbers(&self, files: &[FilePart]) -> BTreeSet<u32> {
        self.files.iter().flat_map(|&file| files[file].numbers()).collect()
    }

    /// Whether all ranks are there that the files say there were.
    fn is_complete(&self, files: &[FilePart]) -> bool {
        self.world_size(files).is_none_or(|size| self.numbers(files).len() >= size as usize)
    }

    /// How many ranks there were, as the files say.
    fn world_size(&self, files: &[FilePart]) -> Option<u32> {
        self.files.iter().flat_map(|&file| &files[file].gpus).filter_map(|gpu| gpu.world_size).max()
    }

    /// How many GPUs.
    fn size(&self, files: &[FilePart]) -> usize {
        self.files.iter().map(|&file| files[file].gpus.len()).sum()
    }

    fn names(&self, files: &[FilePart]) -> HashSet<NameId> {
        self.files.iter().flat_map(|&file| &files[file].gpus).flat_map(|gpu| gpu.names.iter().copied()).collect()
    }
}

/// The parts of `files`, each with the positions of its dispatches in `trace`; `None` if nothing speaks against their
/// being one run: each GPU is a rank of its own, or all are captures of ours, whose directory is that of one run.
fn parts(files: &[(PathBuf, Range<usize>)], trace: &Trace) -> Option<Vec<FilePart>> {
    let mut numbers = HashSet::new();
    let repeats = |rank: &Rank| rank.number.filter(|&number| !numbers.insert(number));
    let repeated: HashSet<u32> = trace.ranks.iter().filter_map(repeats).collect();
    let some_unnumbered = trace.ranks.iter().any(|rank| rank.number.is_none());
    let part = |(path, at): &(PathBuf, Range<usize>)| FilePart::new(path.clone(), at.clone(), trace, &repeated);
    let captured = trace.sources.iter().all(|source| source.format == Format::Capture);
    let doubtful = files.len() > 1 && !captured && (some_unnumbered || !repeated.is_empty());
    doubtful.then(|| files.iter().map(part).collect())
}

/// What to leave out so that one run is left, and what to say of it.
#[derive(Default, Debug)]
pub(super) struct Choice {
    pub(super) left_out: HashSet<PathBuf>,
    /// Code and text of each warning.
    pub(super) warnings: Vec<(&'static str, String)>,
}

/// Chooses one run among `files`, each with the positions of its dispatches in `trace`: the session with the number
/// `wanted`, counted from 1 in the order of time, else the newest of those with all their ranks.
///
/// # Errors
/// If there is no session of that number, or the files are no run.
pub(super) fn choose(files: &[(PathBuf, Range<usize>)], trace: &Trace, wanted: Option<usize>) -> Result<Choice, Error> {
    match (parts(files, trace), wanted) {
        (Some(parts), _) => choose_among(&parts, wanted),
        (None, None | Some(1)) => Ok(Choice::default()),
        (None, Some(wanted)) => Err(no_session(files.first().map(|(path, _)| path), wanted, 1)),
    }
}

fn no_session(path: Option<&PathBuf>, wanted: usize, there_are: usize) -> Error {
    let message = format!("there is no session {wanted}: the inputs hold {there_are}");
    Error::new(ErrorKind::SeveralRuns, path.map_or(Path::new(""), PathBuf::as_path), message)
}

fn choose_among(files: &[FilePart], wanted: Option<usize>) -> Result<Choice, Error> {
    let mut choice = Choice::default();
    let repeats = other_readings(files);
    for (&file, &of) in &repeats {
        let (path, of) = (&files[file].path, &files[of].path);
        choice.left_out.insert(path.clone());
        let text = format!("{}: holds what {} holds already; not counted twice", path.display(), of.display());
        choice.warnings.push(("same-twice", text));
    }
    let sessions = sessions(files, &|file| repeats.contains_key(&file));
    if let [first, .., last] = &sessions[..]
        && !are_of_one_server(files, &sessions)
    {
        let (first, last) = (&files[first.files[0]].path, &files[last.files[0]].path);
        let list: Vec<String> = files.iter().map(|file| file.path.display().to_string()).collect();
        let message = format!("{} traces that are not ranks of one run: {}", files.len(), list.join(", "));
        let hint = format!("give one of them; compare two: profile-decode diff {} {}", first.display(), last.display());
        return Err(Error::new(ErrorKind::SeveralRuns, first, message).hint(hint));
    }
    let chosen = match wanted {
        Some(wanted) => {
            let found = wanted.checked_sub(1).filter(|&at| at < sessions.len());
            found.ok_or_else(|| no_session(files.first().map(|file| &file.path), wanted, sessions.len()))?
        }
        None => newest_complete(files, &sessions),
    };
    if sessions.len() > 1 {
        choice.leave_out_others(files, &sessions, chosen);
    }
    Ok(choice)
}

impl Choice {
    fn leave_out_others(&mut self, files: &[FilePart], sessions: &[Session], chosen: usize) {
        let mut others = Vec::new();
        for (at, session) in sessions.iter().enumerate().filter(|(at, _)| *at != chosen) {
            self.left_out.extend(session.files.iter().map(|&file| files[file].path.clone()));
            others.push(format!("session {} ({})", at + 1, extent(files, session)));
        }
        let session = &sessions[chosen];
        let complete = if session.is_complete(files) { "" } else { ", not complete" };
        let text = format!(
            "the inputs hold {} sessions, since rank numbers or times do not go together; reported is session {} \
             ({}{complete}); left out: {}; --session N picks another",
            sessions.len(),
            chosen + 1,
            extent(files, session),
            others.join(", "),
        );
        self.warnings.push(("other-sessions", text));
    }
}

/// What a session is made of, in words.
fn extent(files: &[FilePart], session: &Session) -> String {
    let name = |&file: &usize| files[file].path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let gpus = session.size(files);
    let more = if session.files.len() > 1 { " and others" } else { "" };
    format!("{gpus} GPU{}: {}{more}", if gpus == 1 { "" } else { "s" }, name(&session.files[0]))
}

/// Files that are other readings of what other files hold, each with one of those.
///
/// Merged traces go first, since those of single ranks say more of them, then the smaller.
fn other_readings(files: &[FilePart]) -> BTreeMap<usize, usize> {
    let mut order: Vec<usize> = (0..files.len()).filter(|&file| !files[file].gpus.is_empty()).collect();
    order.sort_by_key(|&file| (files[file].gpus.len() == 1, files[file].dispatches(), Reverse(file)));
    let mut repeats = BTreeMap::new();
    for &file in &order {
        let kept = || order.iter().copied().filter(|&other| other != file && !repeats.contains_key(&other));
        let twin = |gpu: &GpuPart| kept().find(|&other| files[other].gpus.iter().any(|twin| gpu.is_reading_of(twin)));
        let twins: Option<Vec<usize>> = files[file].gpus.iter().map(twin).collect();
        repeats.extend(twins.and_then(|twins| twins.first().map(|&of| (file, of))));
    }
    repeats
}

/// The sessions in the order of time.
fn sessions(files: &[FilePart], is_left_out: &impl Fn(usize) -> bool) -> Vec<Session> {
    let mut order: Vec<(Span, usize)> = Vec::new();
    for (at, file) in files.iter().enumerate().filter(|&(at, _)| !is_left_out(at)) {
        order.extend(file.span().map(|span| (span, at)));
    }
    order.sort_unstable();
    let ranks_repeat = {
        let mut seen = BTreeSet::new();
        !order.iter().flat_map(|&(_, at)| files[at].numbers()).all(|number| seen.insert(number))
    };
    let all_numbered = order.iter().all(|&(_, at)| files[at].gpus.iter().all(|gpu| gpu.number.is_some()));
    let mut sessions: Vec<Session> = Vec::new();
    if all_numbered && !ranks_repeat {
        // Ranks of one run need not have been recorded at the same moment.
        sessions.extend(
            order
                .iter()
                .map(|&(span, _)| span)
                .reduce(Span::hull)
                .map(|span| Session { files: order.iter().map(|&(_, at)| at).collect(), span }),
        );
    } else {
        for &(span, at) in &order {
            let fitting = sessions.iter_mut().filter(|session| files[at].goes_with(session, span, files));
            match fitting.max_by_key(|session| files[at].nearness(session, span, files)) {
                Some(session) => {
                    session.files.push(at);
                    session.span = session.span.hull(span);
                }
                None => sessions.push(Session { files: vec![at], span }),
            }
        }
    }
    sessions
}

impl FilePart {
    /// Whether this file, which covers `span`, may be of `session`: at the same time, and no rank of it twice.
    fn goes_with(&self, session: &Session, span: Span, files: &[FilePart]) -> bool {
        let numbers = session.numbers(files);
        let overlaps = span.start_ns <= session.span.end_ns && session.span.start_ns <= span.end_ns;
        let elsewhere = session.files.iter().all(|&file| files[file].is_elsewhere(self));
        (overlaps || elsewhere) && !self.numbers().any(|number| numbers.contains(&number))
    }

    /// How well this file, which covers `span`, goes with `session`: tenths of the time that they share, then how much
    /// of the path.
    fn nearness(&self, session: &Session, span: Span, files: &[FilePart]) -> (u64, usize) {
        let start_ns = span.start_ns.max(session.span.start_ns);
        let shared = Span::new(start_ns, span.end_ns.min(session.span.end_ns).max(start_ns)).duration_ns();
        let tenths = (shared as f64 / span.hull(session.span).duration_ns().max(1) as f64 * 10.0).round() as u64;
        let path = |file: &Self| file.path.to_string_lossy().into_owned();
        let (own, theirs) = (path(self), path(&files[session.files[0]]));
        (tenths, own.bytes().zip(theirs.bytes()).take_while(|(own, theirs)| own == theirs).count())
    }
}

/// Whether the sessions run the same kernels, mostly.
fn are_of_one_server(files: &[FilePart], sessions: &[Session]) -> bool {
    let names: Vec<HashSet<NameId>> = sessions.iter().map(|session| session.names(files)).collect();
    let has_ranks = sessions.iter().all(|session| session.world_size(files).is_some_and(|size| size > 1));
    has_ranks
        || names.windows(2).all(|pair| {
            let shared = pair[0].intersection(&pair[1]).count();
            let fewer = pair[0].len().min(pair[1].len());
            shared as f64 >= fewer as f64 * SAME_SERVER
        })
}

/// The last session with all its ranks, else the last of those with most.
fn newest_complete(files: &[FilePart], sessions: &[Session]) -> usize {
    let rank = |&at: &usize| (sessions[at].is_complete(files), sessions[at].size(files), at);
    (0..sessions.len()).max_by_key(rank).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of one rank whose kernel `name` runs every 10 µs, ten times.
    fn file(path: &str, rank: Option<u32>, world_size: Option<u32>, start_ns: i64, name: usize) -> FilePart {
        let times: Vec<Span> = (0..10).map(|at| start_ns + at * 10_000).map(|at| Span::new(at, at + 50)).collect();
        let span = times.iter().copied().reduce(Span::hull).unwrap();
        let mut names = crate::model::Names::default();
        let name = (0..=name).map(|at| names.intern(&format!("kernel{at}"))).last().unwrap();
        let gpu = GpuPart { number: rank, world_size, span, times, names: HashSet::from([name]) };
        FilePart { path: path.into(), host: None, gpus: vec![gpu] }
    }

    fn left_out(files: &[FilePart], wanted: Option<usize>) -> Vec<String> {
        let choice = choose_among(files, wanted).unwrap();
        let mut paths: Vec<String> = choice.left_out.iter().map(|path| path.display().to_string()).collect();
        paths.sort();
        paths
    }

    #[test]
    fn ranks_of_one_run_go_together_whenever_they_were_recorded() {
        let files = [file("a", Some(0), Some(2), 0, 0), file("b", Some(1), Some(2), 900_000, 0)];
        assert!(left_out(&files, None).is_empty());
    }

    #[test]
    fn of_two_sessions_the_newest_with_all_ranks_is_chosen_unless_another_is_asked_for() {
        let hour = 3_600_000_000_000;
        let mut files = vec![
            file("1.rank0", Some(0), Some(2), 0, 0),
            file("1.rank1", Some(1), Some(2), 20, 0),
            file("2.rank0", Some(0), Some(2), hour, 0),
            file("2.rank1", Some(1), Some(2), hour + 20, 0),
        ];
        assert_eq!(left_out(&files, None), ["1.rank0", "1.rank1"]);
        assert_eq!(left_out(&files, Some(1)), ["2.rank0", "2.rank1"]);
        files.pop();
        assert_eq!(left_out(&files, None), ["2.rank0"], "it has one rank of two");
        let error = choose_among(&files, Some(3)).unwrap_err();
        assert_eq!(error.message, "there is no session 3: the inputs hold 2");
    }

    #[test]
    fn sessions_on_clocks_that_begin_at_zero_are_told_apart_by_their_paths() {
        let files = [
            file("prefill/rank0", Some(0), Some(2), 0, 0),
            file("decode/rank0", Some(0), Some(2), 4_000, 0),
            file("decode/rank1", Some(1), Some(2), 4_010, 0),
            file("prefill/rank1", Some(1), Some(2), 10, 0),
        ];
        assert_eq!(left_out(&files, Some(1)), ["decode/rank0", "decode/rank1"]);
        assert_eq!(left_out(&files, Some(2)), ["prefill/rank0", "prefill/rank1"]);
    }

    #[test]
    fn a_merged_trace_beside_those_of_its_ranks_is_the_same_recording() {
        let (a, b) = (file("rank0", Some(0), Some(2), 0, 0), file("rank1", Some(1), Some(2), 30, 0));
        let mut merged = a.clone();
        merged.path = "merged".into();
        merged.gpus.push(b.gpus[0].clone());
        let mut part = merged.clone();
        part.path = "collectives".into();
        part.gpus.iter_mut().for_each(|gpu| gpu.times.truncate(3));
        assert_eq!(left_out(&[merged.clone(), a.clone(), part.clone(), b], None), ["collectives", "merged"]);
        assert_eq!(left_out(&[merged, a, part], None), ["collectives", "rank0"], "rank 1 is in the merged trace alone");
    }

    #[test]
    fn traces_without_ranks_that_share_neither_time_nor_kernels_are_no_run() {
        let files = [file("a.json", None, None, 0, 0), file("b.json", None, None, 900_000, 1)];
        let error = choose_among(&files, None).unwrap_err();
        assert_eq!((error.kind, error.path.to_str()), (ErrorKind::SeveralRuns, Some("a.json")));
        assert!(error.message.ends_with("not ranks of one run: a.json, b.json"), "{}", error.message);
    }

    #[test]
    fn files_without_ranks_that_were_recorded_together_are_one_run() {
        let files = [file("77.csv", None, None, 0, 0), file("78.csv", None, None, 500, 0)];
        assert!(left_out(&files, None).is_empty());
        let mut files = [file("77.csv", None, None, 0, 0), file("78.csv", None, None, 900_000, 0)];
        assert_eq!(left_out(&files, None), ["77.csv"], "an hour apart they are two sessions of one server");
        files[0].host = Some("a".to_owned());
        files[1].host = Some("b".to_owned());
        assert!(left_out(&files, None).is_empty(), "the clocks of two hosts do not compare");
    }
}
