//! The comparison of a recording's objects with many seeds of the simulation: sequences against every seed, times against
//! the range over all seeds. Events are compared in `events`.

use super::align::{Alignment, Allowed, align};
use super::projection::Track;
use super::recording::Recording;
use super::report::{Pair, Report};
use super::tolerances::Tolerances;

/// Objects are counterparts only if they were born within so many seconds of each other.
const SAME_AGE: f64 = 3.0;

/// Of one recorded object: what the seeds showed.
#[derive(Clone, Debug)]
struct Seen {
    /// Why the n-th seed did not match.
    differing: Vec<(Option<f64>, String)>,
    /// Per recorded state: the times since the state before it, one a seed that matched.
    gaps: Vec<Vec<f64>>,
}

/// Compares all objects.
pub fn tracks(recorded: &Recording, tolerances: &Tolerances, real: &[Track], simulated: &[Vec<Track>], report: &mut Report) {
    let end = recorded.length - tolerances.end.slack;
    let real: Vec<Track> = real.iter().map(|track| tolerances.without_optional(track)).collect();
    report.states += real.iter().map(|track| track.states.len()).sum::<usize>();
    let mut seen: Vec<Seen> =
        real.iter().map(|track| Seen { differing: Vec::new(), gaps: vec![Vec::new(); track.states.len()] }).collect();
    for (seed, others) in simulated.iter().enumerate() {
        counts(&real, others, seed, end, report);
        let mut free: Vec<Option<Track>> = others.iter().map(|track| Some(tolerances.without_optional(track))).collect();
        for (track, seen) in real.iter().zip(&mut seen) {
            let allowed = Allowed { passing: tolerances.passing(&track.kind), end };
            let (place, alignment) = counterpart(track, &free, allowed);
            let other = place.and_then(|place| free.get_mut(place)?.take());
            match (&other, alignment) {
                (Some(other), Some(alignment)) => note(track, other, &alignment, seed, seen),
                _ => seen.differing.push((Some(track.born), format!("seed {}: no simulated one of its age is left", seed + 1))),
            }
            if seed == 0 {
                report.pairs.push(Pair { recorded: Some(track.clone()), simulated: other });
            }
        }
        if seed == 0 {
            let rest = free.into_iter().flatten().map(|track| Pair { recorded: None, simulated: Some(track) });
            report.pairs.extend(rest);
        }
    }
    let least = tolerances.least_matching(&recorded.name, simulated.len());
    for (index, (track, seen)) in real.iter().zip(&seen).enumerate() {
        let subject = format!("{} {}", track.kind, track.name);
        if let Some((at, first)) = seen.differing.first().filter(|_| simulated.len() - seen.differing.len() < least) {
            let text = format!("{} of {} seeds differ, first {first}", seen.differing.len(), simulated.len());
            report.diverges(&subject, *at, format!("object {index}: {text}"));
        }
        times(track, seen, tolerances, &subject, report);
    }
}

/// Every object must have its counterpart, and no more than that.
fn counts(real: &[Track], simulated: &[Track], seed: usize, end: f64, report: &mut Report) {
    let mut kinds: Vec<&str> = real.iter().chain(simulated).map(|track| track.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let count = |tracks: &[Track], until: f64| tracks.iter().filter(|track| track.kind == kind && track.born < until).count();
        let (recorded, other) = (count(real, f64::INFINITY), count(simulated, f64::INFINITY));
        // One that is born at the very end may be missing on the other side.
        if other < count(real, end) || recorded < count(simulated, end) {
            let text = format!("seed {}: {other} {kind} instead of {recorded}", seed + 1);
            let known = |divergence: &super::report::Divergence| divergence.subject == kind;
            if !report.divergences.iter().any(known) {
                report.diverges(kind, None, text);
            }
        }
    }
}

/// The first free object of the same kind, name and age whose sequence agrees; without one, the one that agrees longest.
/// Which of several pods of the same age meets which fate is chance: any counterpart of that age will do.
fn counterpart(track: &Track, free: &[Option<Track>], allowed: Allowed) -> (Option<usize>, Option<Alignment>) {
    let mut best: Option<(usize, Alignment)> = None;
    for (place, other) in free.iter().enumerate() {
        let Some(other) = other else { continue };
        if other.kind != track.kind || other.name != track.name || (other.born - track.born).abs() > SAME_AGE {
            continue;
        }
        let alignment = align(&track.states, &other.states, allowed);
        if alignment.parted.is_none() {
            return (Some(place), Some(alignment));
        }
        let further = best.as_ref().is_none_or(|(_, best)| best.parted < alignment.parted);
        if further {
            best = Some((place, alignment));
        }
    }
    best.map_or((None, None), |(place, alignment)| (Some(place), Some(alignment)))
}

fn note(track: &Track, other: &Track, alignment: &Alignment, seed: usize, seen: &mut Seen) {
    if let Some((step, place)) = alignment.parted {
        let show = |states: &[(f64, String)], index: usize| {
            states.get(index).map_or_else(|| "nothing more".to_owned(), |(at, state)| format!("{state} (at {at:.2}s)"))
        };
        let at = track.states.get(step).map(|(at, _)| *at).or(track.states.last().map(|(at, _)| *at));
        let texts = (show(&track.states, step), show(&other.states, place));
        seen.differing
            .push((at, format!("seed {}, step {step}\n      recorded  {}\n      simulated {}", seed + 1, texts.0, texts.1)));
        return;
    }
    for pair in alignment.equal.windows(2) {
        let [(row_before, before), (row, after)] = pair else { continue };
        if row - row_before == 1 {
            seen.gaps[*row].push(other.states[*after].0 - other.states[*before].0);
        }
    }
}

fn times(track: &Track, seen: &Seen, tolerances: &Tolerances, subject: &str, report: &mut Report) {
    for (step, pair) in track.states.windows(2).enumerate() {
        let [(from, before), (to, after)] = pair else { continue };
        let Some(gaps) = seen.gaps.get(step + 1).filter(|gaps| !gaps.is_empty()) else { continue };
        let slack = tolerances.slack(before).max(tolerances.passing(&track.kind));
        let (low, high) =
            gaps.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), gap| (low.min(*gap), high.max(*gap)));
        let gap = to - from;
        if !(low - slack..=high + slack).contains(&gap) {
            let text = format!(
                "step {}: {gap:.2}s recorded, {low:.2} to {high:.2}s simulated\n      from {before}\n      to   {after}",
                step + 1
            );
            report.diverges(subject, Some(*to), text);
        }
    }
}
