//! Who healed, where a controller tells of what it does by Events: they name whom nothing else names, and outweigh nothing.

use super::others::{Controller, RECOVER, first, run_with};
use comeback::measure::result::Who;
use comeback::scenario::Verdict;
use rstest::rstest;

const ANY: &str = "{ by: external }";
const OPERATOR: &str = "{ by: external, external: { manager: pool-operator } }";
const TALKER: &str = "{ by: external, external: { manager: talker } }";

#[rstest]
// A pod's deletion is signed by nobody.
#[case::nobody(ANY, false, None, Who::External, None)]
#[case::told(ANY, false, Some("pool-operator"), Who::External, Some("pool-operator"))]
#[case::not_told_of_him(OPERATOR, false, None, Who::Unknown, None)]
#[case::told_of_him(OPERATOR, false, Some("pool-operator"), Who::External, Some("pool-operator"))]
#[case::told_of_another(OPERATOR, false, Some("talker"), Who::Unknown, None)]
#[case::kubernetes_tells_of_itself(ANY, false, Some("kubelet"), Who::External, None)]
// What was written is signed: who only talks did not do it.
#[case::signed(ANY, true, Some("talker"), Who::External, Some("pool-operator"))]
#[case::only_talks(TALKER, true, Some("talker"), Who::Unknown, None)]
fn events_name_whom_nothing_else_names(
    #[case] heal: &str,
    #[case] writes: bool,
    #[case] tells: Option<&'static str>,
    #[case] who: Who,
    #[case] name: Option<&str>,
) {
    let folder = tempfile::tempdir().unwrap();
    let more = if writes { "" } else { ", for: 3m" };
    let trial = first(&run_with(folder.path(), heal, RECOVER, more, Some(Controller { writes, tells })));
    assert_eq!(trial.verdict, Verdict::Recovered, "{trial:#?}");
    let healed = trial.healed_by.unwrap();
    assert_eq!((healed.who, healed.name.as_deref()), (who, name), "{healed:#?}");
    let told =
        healed.evidence.iter().any(|text| text.contains("told of Pod pool-") && text.contains("Replacing: it crashed too often"));
    assert_eq!(told, tells.is_some_and(|teller| teller != "kubelet"), "{healed:#?}");
}
