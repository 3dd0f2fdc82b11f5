//! The labels and annotations by which comeback knows its own objects again.
//! Names of namespaces are made in `namespace`.

/// The field manager of every write.
pub const FIELD_MANAGER: &str = "comeback";
/// Label: the run's id.
pub const RUN: &str = "comeback.dev/run";
/// Label: the scenario's name, as far as a label value can hold it.
pub const SCENARIO: &str = "comeback.dev/scenario";
/// Label: the trial's index.
pub const TRIAL: &str = "comeback.dev/trial";
/// Label: this namespace holds the lease and the undo records of its run, and no trial.
pub const HOME: &str = "comeback.dev/home";
/// Label: the number of the undo record that this object holds (a part of).
pub const UNDO: &str = "comeback.dev/undo";
/// Annotation: which part of how many of an undo record this object holds.
pub const PART: &str = "comeback.dev/part";
/// Label: the pod from which conditions are measured.
pub const PROBE: &str = "comeback.dev/probe";
/// Label: the level of Pod Security that a namespace enforces (<https://kubernetes.io/docs/concepts/security/pod-security-admission/>).
pub const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";
/// Annotation: comeback's version.
pub const VERSION: &str = "comeback.dev/version";

/// Label: which shard of a submitted run this object holds something of, from 1 on.
pub const SHARD: &str = "comeback.dev/shard";
/// Label: what of a submitted run this object holds (`suite`, `attempt`, `piece`, `part`).
pub const HOLDS: &str = "comeback.dev/holds";
/// Annotation: the run of the pod that wrote this object.
pub const ATTEMPT: &str = "comeback.dev/attempt";

/// The run of one attempt at a shard of a submitted run: by its id everybody sees whose part it is.
#[must_use]
pub fn attempt_of(submission: &str, shard: u32, letters: &str) -> String {
    format!("{submission}-s{shard}-{letters}")
}

/// The submitted run that a run is a part of, if it is one.
#[must_use]
pub fn submission_of(run: &str) -> Option<&str> {
    let (rest, letters) = run.rsplit_once('-')?;
    let (submission, shard) = rest.rsplit_once("-s")?;
    let whole = |text: &str, known: fn(&u8) -> bool| !text.is_empty() && text.as_bytes().iter().all(known);
    (whole(shard, u8::is_ascii_digit) && whole(letters, u8::is_ascii_alphanumeric) && !submission.is_empty())
        .then_some(submission)
}

/// Whether a run is the one of this label value, or a part of it.
#[must_use]
pub fn is_of(of: &str, run: &str) -> bool {
    of == run || submission_of(of) == Some(run)
}

/// Text made fit for a DNS label: lower case letters, digits and inner hyphens, at most `longest` characters.
#[must_use]
pub fn dns_label(text: &str, longest: usize) -> String {
    let mut label = String::new();
    for c in text.chars() {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_alphanumeric() {
            label.push(c);
        } else if !label.is_empty() && !label.ends_with('-') {
            label.push('-');
        }
        if label.len() == longest {
            break;
        }
    }
    label.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_stay_readable() {
        assert_eq!(dns_label("Crash_loop[replicas=3]", 40), "crash-loop-replicas-3");
        assert_eq!(dns_label("--x--", 40), "x");
        assert_eq!(dns_label("abc-def", 4), "abc");
    }

    #[test]
    fn parts_of_a_submitted_run_are_known_by_their_ids() {
        let part = attempt_of("20261121-080639-x7k2p", 12, "abcde");
        assert_eq!(submission_of(&part), Some("20261121-080639-x7k2p"));
        for whole in ["20261121-080639-x7k2p", "a-s-b", "a-sx-b", "-s1-a", "a-s1-", "s1-a", ""] {
            assert_eq!(submission_of(whole), None, "{whole}");
        }
    }

    proptest! {
        #[test]
        fn any_text_becomes_a_label(text in ".*", longest in 1usize..63) {
            let label = dns_label(&text, longest);
            prop_assert!(label.len() <= longest);
            prop_assert!(label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
            prop_assert!(!label.starts_with('-') && !label.ends_with('-'));
        }
    }
}
