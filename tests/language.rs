//! The scenario language as users meet it: the shipped files load, and each invalid file gives exactly its diagnostics.

use comeback::scenario::{LoadOptions, load};

#[test]
fn every_shipped_scenario_loads_without_a_warning() {
    let loaded = load(&[], &LoadOptions::default()).unwrap();
    assert!(loaded.warnings.is_empty(), "{:#?}", loaded.warnings);
    assert!(loaded.plans.iter().any(|plan| plan.name == "crashy-app"));
}
