//! Profiles by name: which release is imitated, how fast, with which cgroups.
//! What a profile changes is said by `profile`.

use super::{Cgroup, Latencies, Profile, Version};
use std::fmt;
use std::str::FromStr;

/// A named pace and release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Name {
    #[default]
    V1_36,
    V1_34,
    Instant,
}

/// The value of `--profile`: a name, a version of cgroups, or both with a comma.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProfileChoice {
    name: Name,
    cgroup: Cgroup,
}

impl ProfileChoice {
    /// The profile that it names.
    #[must_use]
    pub fn profile(&self) -> Profile {
        let base = Profile { cgroup: self.cgroup, ..Profile::default() };
        match self.name {
            Name::V1_36 => base,
            Name::V1_34 => Profile { name: "1.34", version: Version::V1_34, ..base },
            Name::Instant => Profile { name: "instant", latencies: Latencies::none(), ..base },
        }
    }
}

impl FromStr for ProfileChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut choice = Self::default();
        for part in text.split(',') {
            match part.trim() {
                "1.36" => choice.name = Name::V1_36,
                "1.34" => choice.name = Name::V1_34,
                "instant" => choice.name = Name::Instant,
                "cgroup-v1" => choice.cgroup = Cgroup::V1,
                "cgroup-v2" => choice.cgroup = Cgroup::V2,
                other => {
                    return Err(format!(
                        "unknown profile {other:?}: expected 1.36, 1.34 or instant, and cgroup-v1 or cgroup-v2 after a comma"
                    ));
                }
            }
        }
        Ok(choice)
    }
}

impl fmt::Display for ProfileChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cgroup = if self.cgroup == Cgroup::V1 { "cgroup-v1" } else { "cgroup-v2" };
        write!(f, "{},{cgroup}", self.profile().name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("1.36", "1.36,cgroup-v2")]
    #[case("1.34,cgroup-v1", "1.34,cgroup-v1")]
    #[case("cgroup-v1", "1.36,cgroup-v1")]
    #[case("instant", "instant,cgroup-v2")]
    fn names_are_read(#[case] text: &str, #[case] shown: &str) {
        let choice: ProfileChoice = text.parse().unwrap();
        assert_eq!(choice.to_string(), shown);
        let profile = choice.profile();
        assert_eq!(profile.version == Version::V1_34, text.starts_with("1.34"));
        assert_eq!(profile.latencies.sandbox.is_zero(), text == "instant");
    }

    #[test]
    fn others_are_refused() {
        assert!("1.35".parse::<ProfileChoice>().is_err());
        assert!("".parse::<ProfileChoice>().is_err());
    }
}
