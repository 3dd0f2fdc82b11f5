//! `comeback submit` on the served cluster, which runs no programs of ours: an image that cannot be had ends it honestly with nothing
//! left, and after a SIGKILL at any point `cleanup` finds and removes everything, roles of the whole cluster, too.

use crate::harness::{Ended, Harness};
use crate::scenarios::{SCENARIOS, write};
use crate::world::World;
use comeback::sim::random::Random;
use std::collections::BTreeSet;

const ROUNDS: u64 = 6;

#[test]
fn a_submitted_run_leaves_nothing_whatever_becomes_of_it() {
    let (seed, rounds) = crate::seed_and_rounds(ROUNDS);
    let world = World::start(20.0);
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), SCENARIOS, "one");
    let harness = Harness::new(folder.path(), &world, &[]);
    let before = world.snapshot(&BTreeSet::new());
    // In namespaces of others, and in its own: roles of both sorts.
    let scenarios = ["config", "own"];
    let whole = harness.submit(&scenarios, "registry.invalid/comeback:none", None);
    assert_eq!((whole.ended, whole.code), (Ended::ByItself, Some(3)), "{whole:?}");
    for said in ["registry.invalid/comeback:none", "ci/Dockerfile", "cannot start"] {
        assert!(whole.output.contains(said), "{said}: {}", whole.output);
    }
    assert_eq!(world.differences(&before, &BTreeSet::new()), [""; 0], "{whole:?}");
    let (random, mut killed) = (Random::new(seed), 0);
    for round in 0..rounds {
        let point = 1 + random.bits(&format!("round {round}"), "point", 0) % whole.sent;
        let run = harness.submit(&scenarios, "registry.invalid/comeback:none", Some(point));
        if run.ended == Ended::Killed {
            killed += 1;
            let cleanup = harness.cleanup(None);
            assert_eq!(cleanup.code, Some(0), "round {round}, point {point}: {cleanup:?}");
        }
        let differences = world.differences(&before, &BTreeSet::new());
        assert_eq!(differences, [""; 0], "round {round}, point {point}: {run:?}");
    }
    println!("{killed} of {rounds} killed");
    assert!(killed > 0, "nothing was killed: the test has shown nothing");
}
