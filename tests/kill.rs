//! The kill test: the harness is killed with SIGKILL at random points of random scenarios, then `comeback cleanup` finishes. Nothing
//! of ours is left, and everything of others is as before.
//!
//! A point is a number of bytes that the harness has sent to the server: every request, also one half sent, may be the last.
//! `COMEBACK_KILL_ROUNDS` is the number of rounds, `COMEBACK_KILL_SEED` the seed, which is printed. With `--ignored` the same on the kind
//! cluster whose context `COMEBACK_TEST_CONTEXT` names, where the machines of nodes are broken, too.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what cannot be started or asked fails the test")]

#[path = "kill/created.rs"]
mod created;
#[path = "kill/harness.rs"]
mod harness;
#[path = "kill/kind.rs"]
mod kind;
#[path = "kill/proxy.rs"]
mod proxy;
#[path = "kill/scenarios.rs"]
mod scenarios;
#[path = "kill/submitted.rs"]
mod submitted;
#[path = "kill/world.rs"]
mod world;

use comeback::sim::random::Random;
use harness::{Ended, Harness};
use scenarios::{MACHINES, SCENARIOS, Scenario, write};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use world::World;

/// Worlds side by side: a round is mostly waiting.
const WORLDS: u64 = 3;
/// Rounds of a usual `cargo test`.
const FEW: u64 = 6;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// What came of all rounds.
#[derive(Debug, Default)]
struct Tally {
    killed: u64,
    ended: u64,
    cleanups_killed: u64,
    wrong: Vec<String>,
}

/// Where rounds are played, and which scenarios.
struct Stage<'a> {
    world: World,
    scenarios: Vec<Scenario>,
    node: &'a str,
    variables: &'a [&'a str],
}

fn seed_and_rounds(few: u64) -> (u64, u64) {
    let rounds = number("COMEBACK_KILL_ROUNDS").unwrap_or(few);
    let seed = number("COMEBACK_KILL_SEED").unwrap_or_else(|| std::hash::RandomState::new().build_hasher().finish() % 1_000_000);
    println!("COMEBACK_KILL_SEED={seed} COMEBACK_KILL_ROUNDS={rounds}");
    (seed, rounds)
}

fn verify(seed: u64, tally: Mutex<Tally>) {
    let Tally { killed, ended, cleanups_killed, wrong } = tally.into_inner().unwrap();
    println!("{killed} runs killed, {ended} ended before; {cleanups_killed} clean-ups killed; {} wrong", wrong.len());
    assert!(wrong.is_empty(), "seed {seed}:\n{}", wrong.join("\n"));
    assert!(killed > 0, "no run was killed: the test has shown nothing");
}

#[test]
fn nothing_is_left_after_a_kill_and_a_cleanup() {
    let (seed, rounds) = seed_and_rounds(FEW);
    let next = AtomicU64::new(0);
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..WORLDS.min(rounds) {
            scope.spawn(|| {
                let stage = Stage { world: World::start(20.0), scenarios: SCENARIOS.to_vec(), node: "one", variables: &[] };
                play(seed, rounds, &next, &tally, &stage);
            });
        }
    });
    verify(seed, tally);
}

#[test]
#[ignore = "needs a kind cluster: COMEBACK_TEST_CONTEXT names its kubeconfig context"]
fn nothing_is_left_on_kind_after_a_kill_and_a_cleanup() {
    let (seed, rounds) = seed_and_rounds(FEW);
    let (next, tally) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    let cluster = kind::Cluster::of_context(&std::env::var("COMEBACK_TEST_CONTEXT").expect("set COMEBACK_TEST_CONTEXT"));
    let scenarios = [SCENARIOS, MACHINES].concat();
    let stage = Stage { world: cluster.world(), scenarios, node: &cluster.worker, variables: &["PATH", "DOCKER_HOST"] };
    play(seed, rounds, &next, &tally, &stage);
    cluster.clear();
    verify(seed, tally);
}

fn play(seed: u64, rounds: u64, next: &AtomicU64, tally: &Mutex<Tally>, stage: &Stage<'_>) {
    let Stage { world, scenarios, node, variables } = stage;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), scenarios, node);
    let harness = Harness::new(folder.path(), world, variables);
    let before = world.snapshot(&BTreeSet::new());
    let doomed: BTreeSet<_> = scenarios.iter().flat_map(|(_, doomed, _)| doomed.iter()).map(ToString::to_string).collect();
    // How much a whole run sends: within that lie the points.
    let whole = harness.run(&scenarios.iter().map(|scenario| scenario.0).collect::<Vec<_>>(), None);
    let mut found = world.differences(&before, &doomed);
    // A scenario that was not played would show nothing.
    let all_played = ["skipped", "aborted", "1 error"].iter().all(|verdict| !whole.output.contains(verdict));
    if whole.ended != Ended::ByItself || matches!(whole.code, Some(2 | 3 | 5 | 70) | None) || !all_played || !found.is_empty() {
        found.push(format!("the whole run: {whole:?}"));
        tally.lock().unwrap().wrong.extend(found);
        return;
    }
    loop {
        let round = next.fetch_add(1, Ordering::Relaxed);
        if round >= rounds {
            return;
        }
        one_round(Random::new(seed), round, (&harness, world, whole.sent), scenarios, tally);
    }
}

fn one_round(
    random: Random,
    round: u64,
    (harness, world, whole): (&Harness, &World, u64),
    scenarios: &[Scenario],
    tally: &Mutex<Tally>,
) {
    let draw = |purpose: &str, below: u64| random.bits(&format!("round {round}"), purpose, 0) % below.max(1);
    let first = usize::try_from(draw("scenario", scenarios.len() as u64)).unwrap();
    let count = 1 + usize::try_from(draw("count", 3)).unwrap();
    let chosen: Vec<_> = (0..count).map(|n| scenarios[(first + n) % scenarios.len()].0).collect();
    let doomed: BTreeSet<_> = scenarios
        .iter()
        .filter(|(name, ..)| chosen.contains(name))
        .flat_map(|(_, doomed, _)| doomed.iter())
        .map(ToString::to_string)
        .collect();
    let share = chosen.len() as u64;
    let before = world.snapshot(&doomed);
    // Most of the way lies in the requests of the beginning, which all scenarios share: half of the points are drawn from there.
    let below = if draw("early", 2) == 0 { whole / 4 } else { whole * share / scenarios.len() as u64 + whole / 4 };
    let point = 1 + draw("point", below);
    let run = harness.run(&chosen, Some(point));
    let mut wrong = Vec::new();
    let mut killed_cleanup = 0;
    match run.ended {
        Ended::Killed => {
            if draw("cleanup", 3) == 0 {
                let cleanup = harness.cleanup(Some(1 + draw("cleanup point", 20_000)));
                killed_cleanup = u64::from(cleanup.ended == Ended::Killed);
            }
            let cleanup = harness.cleanup(None);
            if cleanup.code != Some(0) {
                wrong.push(format!("cleanup: {cleanup:?}"));
            }
        }
        // A run that ended before cleans up after itself.
        Ended::ByItself if matches!(run.code, Some(5 | 70) | None) => wrong.push(format!("run: {run:?}")),
        Ended::ByItself => {}
    }
    wrong.extend(world.differences(&before, &doomed));
    let mut tally = tally.lock().unwrap();
    tally.killed += u64::from(run.ended == Ended::Killed);
    tally.ended += u64::from(run.ended == Ended::ByItself);
    tally.cleanups_killed += killed_cleanup;
    tally.wrong.extend(wrong.into_iter().map(|what| format!("round {round} ({}, point {point}): {what}", chosen.join(", "))));
}
