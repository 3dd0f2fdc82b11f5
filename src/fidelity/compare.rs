//! The comparison of a recording's objects with many seeds of the simulation: sequences against every seed, times against
//! the range over all seeds. Who is whose counterpart is `counterpart`'s; events are compared in `events`.

use super::align::{Alignment, Allowed, align};
use super::counterpart;
use super::projection::Track;
use super::recording::Recording;
use super::report::{Pair, Report};
use super::tolerances::Tolerances;
use super::vocabulary;

/// Of one recorded object: what the seeds showed.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Its counterparts, one a seed that has one.
    others: Vec<Track>,
    /// Where and why seeds did not match.
    differing: Vec<(Option<f64>, String)>,
    /// Per recorded state: the times since the state before it, one a seed that matched so far.
    gaps: Vec<Vec<f64>>,
}

/// Compares all objects.
pub fn tracks(recorded: &Recording, tolerances: &Tolerances, real: &[Track], simulated: &[Vec<Track>], report: &mut Report) {
    let end = recorded.length - tolerances.end.slack;
    let real: Vec<Track> = real.iter().map(|track| tolerances.without_optional(&recorded.name, track)).collect();
    report.states += real.iter().map(|track| track.states.len()).sum::<usize>();
    let mut seen: Vec<Seen> =
        real.iter().map(|track| Seen { gaps: vec![Vec::new(); track.states.len()], ..Seen::default() }).collect();
    for (seed, others) in simulated.iter().enumerate() {
        let others: Vec<Track> = others.iter().map(|track| tolerances.without_optional(&recorded.name, track)).collect();
        let found = counterpart::all(&real, &others, tolerances, end);
        let mut paired = vec![false; others.len()];
        for ((track, seen), found) in real.iter().zip(&mut seen).zip(found) {
            let other = found.as_ref().and_then(|(place, _)| others.get(*place));
            match (&found, other) {
                (Some((place, alignment)), Some(other)) => {
                    paired[*place] = true;
                    note(track, other, alignment, seed, seen);
                }
                _ => seen.differing.push((Some(track.born), format!("seed {}: no simulated one of its age is left", seed + 1))),
            }
            if seed == 0 {
                report.pairs.push(Pair { recorded: Some(track.clone()), simulated: other.cloned() });
            }
        }
        if seed == 0 {
            let rest = others.iter().zip(&paired).filter(|(_, paired)| !**paired);
            report.pairs.extend(rest.map(|(track, _)| Pair { recorded: None, simulated: Some(track.clone()) }));
        }
    }
    let least = tolerances.least_matching(&recorded.name, simulated.len());
    counts(&real, simulated, least, end, report);
    for (index, (track, seen)) in real.iter().zip(&seen).enumerate() {
        let subject = format!("{} {}", track.kind, track.name);
        let by_chance = tolerances.is_aggregate(&track.kind)
            && seen.others.len() == simulated.len()
            && (!seen.differing.is_empty() && seen.differing.len() < simulated.len()
                || !agree(&seen.others, tolerances.passing(&track.kind), end));
        if by_chance {
            vocabulary::compare(track, &seen.others, tolerances, end, &subject, report);
            continue;
        }
        if let Some((at, first)) = seen.differing.first().filter(|_| simulated.len() - seen.differing.len() < least) {
            let text = format!("{} of {} seeds differ, first {first}", seen.differing.len(), simulated.len());
            report.diverges(&subject, *at, format!("object {index}: {text}"));
        }
        times(track, seen, tolerances, end, &subject, report);
    }
}

/// Whether all seeds show one sequence.
fn agree(others: &[Track], passing: f64, end: f64) -> bool {
    let Some((first, rest)) = others.split_first() else { return true };
    rest.iter().all(|other| align(&first.states, &other.states, Allowed { passing, end }).parted.is_none())
}

/// Every object must have its counterpart, and no more than that, in `least` seeds and more.
fn counts(real: &[Track], simulated: &[Vec<Track>], least: usize, end: f64, report: &mut Report) {
    let mut kinds: Vec<&str> = real.iter().chain(simulated.iter().flatten()).map(|track| track.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let count = |tracks: &[Track], until: f64| tracks.iter().filter(|track| track.kind == kind && track.born < until).count();
        let recorded = count(real, f64::INFINITY);
        // One that is born at the very end may be missing on the other side.
        let differs = |other: &[Track]| count(other, f64::INFINITY) < count(real, end) || recorded < count(other, end);
        let differing: Vec<_> = simulated.iter().enumerate().filter(|(_, other)| differs(other)).collect();
        if let Some((seed, other)) = differing.first().filter(|_| simulated.len() - differing.len() < least) {
            let text = format!("seed {}: {} {kind} instead of {recorded}", seed + 1, count(other, f64::INFINITY));
            report.diverges(kind, None, text);
        }
    }
}

fn note(track: &Track, other: &Track, alignment: &Alignment, seed: usize, seen: &mut Seen) {
    seen.others.push(other.clone());
    if let Some((step, place)) = alignment.parted {
        let show = |states: &[(f64, String)], index: usize| {
            states.get(index).map_or_else(|| "nothing more".to_owned(), |(at, state)| format!("{state} (at {at:.2}s)"))
        };
        let at = track.states.get(step).map(|(at, _)| *at).or(track.states.last().map(|(at, _)| *at));
        let texts = (show(&track.states, step), show(&other.states, place));
        let text = format!("seed {}, step {step}\n      recorded  {}\n      simulated {}", seed + 1, texts.0, texts.1);
        seen.differing.push((at, text));
    }
    for pair in alignment.equal.windows(2) {
        let [(row_before, before), (row, after)] = pair else { continue };
        if let (1, Some(gaps)) = (row - row_before, seen.gaps.get_mut(*row)) {
            gaps.push(other.states[*after].0 - other.states[*before].0);
        }
    }
}

fn times(track: &Track, seen: &Seen, tolerances: &Tolerances, end: f64, subject: &str, report: &mut Report) {
    for (step, pair) in track.states.windows(2).enumerate() {
        let [(from, before), (to, after)] = pair else { continue };
        let Some(gaps) = seen.gaps.get(step + 1).filter(|gaps| !gaps.is_empty()) else { continue };
        // Of the last steps only the seeds tell that were quick enough to reach them.
        if *to >= end {
            continue;
        }
        // Beside a state that may be left out, the neighbours are other ones in other seeds.
        let until = track.states.get(step + 2).map_or(f64::INFINITY, |(until, _)| *until);
        let passing = tolerances.passing(&track.kind);
        if passing > 0.0 && (to - from <= passing || until - to <= passing) {
            continue;
        }
        let gap = to - from;
        if !tolerances.range(gaps, &track.kind, before).contains(&gap) {
            let low = gaps.iter().copied().fold(f64::INFINITY, f64::min);
            let high = gaps.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let text = format!(
                "step {}: {gap:.2}s recorded, {low:.2} to {high:.2}s simulated\n      from {before}\n      to   {after}",
                step + 1
            );
            report.diverges(subject, Some(*to), text);
        }
    }
}
