//! How fast an autoscaler may change a size: recommendations of the recent past, `spec.behavior`'s policies, and the limits
//! that hold without one. What size the metrics ask for is `calculator`'s.

use super::super::object::{integer, list, text};
use super::Sync;
use crate::json::At as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Without a behaviour the highest recommendation of so long ago holds.
const DOWNSCALE_WINDOW: i64 = 300;
/// Without a behaviour a size at most doubles, or becomes this.
const SCALE_UP_MINIMUM: i64 = 4;

/// What is remembered of one autoscaler's past.
#[derive(Debug, Default)]
pub(super) struct Memory {
    recommendations: Vec<(Timestamp, i64)>,
    ups: Vec<(Timestamp, i64)>,
    downs: Vec<(Timestamp, i64)>,
}

fn ago(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN)
}

impl Memory {
    /// The first thing that is remembered is the size found.
    pub(super) fn begin(&mut self, current: i64, now: Timestamp) {
        if self.recommendations.is_empty() {
            self.recommendations.push((now, current));
        }
    }

    /// Remembers a change of size; what is older than every policy's period is forgotten.
    pub(super) fn scaled(&mut self, autoscaler: &Value, before: i64, after: i64, now: Timestamp) {
        if !autoscaler.at("/spec/behavior").is_some_and(Value::is_object) {
            return;
        }
        let (direction, changes) = if after > before { ("scaleUp", &mut self.ups) } else { ("scaleDown", &mut self.downs) };
        let policies = list(autoscaler, &format!("/spec/behavior/{direction}/policies"));
        let longest = policies.iter().map(|policy| integer(policy, "/periodSeconds")).max().unwrap_or_default();
        changes.retain(|(at, _)| *at >= ago(now, longest));
        changes.push((now, (after - before).abs()));
    }

    /// The size at the beginning of a period.
    fn size_before(&self, current: i64, period: i64, now: Timestamp) -> i64 {
        let sum = |changes: &[(Timestamp, i64)]| -> i64 {
            changes.iter().filter(|(at, _)| *at > ago(now, period)).map(|(_, change)| change).sum()
        };
        current - sum(&self.ups) + sum(&self.downs)
    }

    /// The furthest size that a direction's policies allow.
    fn limit(&self, rules: &Value, current: i64, up: bool, now: Timestamp) -> i64 {
        let sizes = list(rules, "/policies").iter().map(|policy| {
            let (begun, value) = (self.size_before(current, integer(policy, "/periodSeconds"), now), integer(policy, "/value"));
            match (text(policy, "/type"), up) {
                ("Percent", true) => (begun * (100 + value) + 99).div_euclid(100),
                ("Percent", false) => (begun * (100 - value)).max(0) / 100,
                (_, true) => begun + value,
                (_, false) => begun - value,
            }
        });
        let furthest = match (text(rules, "/selectPolicy"), up) {
            ("Disabled", _) => None,
            ("Min", true) | ("Max", false) => sizes.min(),
            _ => sizes.max(),
        };
        let furthest = furthest.unwrap_or(current);
        if up { furthest.max(current) } else { furthest.min(current) }
    }
}

impl Sync<'_> {
    /// The size that is set in the end: stabilized, then limited; conditions tell of both.
    pub(super) fn normalize(&mut self, current: i64, proposed: i64, least: i64, most: i64, now: Timestamp) -> i64 {
        let has_behavior = self.autoscaler.at("/spec/behavior").is_some_and(Value::is_object);
        let (stabilized, reason) = if has_behavior {
            self.stabilize_by_behavior(current, proposed, now)
        } else {
            let cutoff = ago(now, DOWNSCALE_WINDOW);
            let recent = self.remembered.memory.recommendations.iter().filter(|(at, _)| *at >= cutoff).map(|(_, size)| *size);
            (recent.max().map_or(proposed, |highest| highest.max(proposed)), "ScaleDownStabilized")
        };
        let down = if has_behavior { self.window("scaleDown", DOWNSCALE_WINDOW) } else { DOWNSCALE_WINDOW };
        let longest = down.max(self.window("scaleUp", 0));
        let memory = &mut self.remembered.memory;
        memory.recommendations.retain(|(at, _)| *at >= ago(now, longest));
        memory.recommendations.push((now, proposed));
        let (reason, message) = match (stabilized == proposed, reason) {
            (true, _) => ("ReadyForNewScale", "recommended size matches current size"),
            (false, "ScaleUpStabilized") => {
                (reason, "recent recommendations were lower than current one, applying the lowest recent recommendation")
            }
            (false, _) => {
                (reason, "recent recommendations were higher than current one, applying the highest recent recommendation")
            }
        };
        self.note("AbleToScale", true, reason, message);
        let (size, reason, message) = self.limit(current, stabilized, least, most, has_behavior, now);
        self.note("ScalingLimited", size != stabilized, reason, message);
        size
    }

    fn window(&self, direction: &str, default: i64) -> i64 {
        let given = self.autoscaler.at(&format!("/spec/behavior/{direction}/stabilizationWindowSeconds"));
        given.and_then(Value::as_i64).unwrap_or(default)
    }

    fn stabilize_by_behavior(&self, current: i64, proposed: i64, now: Timestamp) -> (i64, &'static str) {
        let recent = |seconds: i64| {
            let memory = &self.remembered.memory;
            memory.recommendations.iter().filter(move |(at, _)| *at > ago(now, seconds)).map(|(_, size)| *size)
        };
        let up = recent(self.window("scaleUp", 0)).min().map_or(proposed, |lowest| lowest.min(proposed));
        let down = recent(self.window("scaleDown", DOWNSCALE_WINDOW)).max().map_or(proposed, |highest| highest.max(proposed));
        let reason = if proposed >= current { "ScaleUpStabilized" } else { "ScaleDownStabilized" };
        (current.max(up).min(down), reason)
    }

    fn limit(
        &self,
        current: i64,
        wanted: i64,
        least: i64,
        most: i64,
        has_behavior: bool,
        now: Timestamp,
    ) -> (i64, &'static str, &'static str) {
        const WITHIN: (&str, &str) = ("DesiredWithinRange", "the desired count is within the acceptable range");
        const TOO_MANY: (&str, &str) = ("TooManyReplicas", "the desired replica count is more than the maximum replica count");
        const TOO_FEW: (&str, &str) = ("TooFewReplicas", "the desired replica count is less than the minimum replica count");
        const UP: (&str, &str) = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate");
        const DOWN: (&str, &str) =
            ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate");
        let memory = &self.remembered.memory;
        let rules = |direction: &str| &self.autoscaler["spec"]["behavior"][direction];
        let (floor, ceiling) = if has_behavior {
            let down = memory.limit(rules("scaleDown"), current, false, now);
            let up = memory.limit(rules("scaleUp"), current, true, now);
            (
                if wanted < current { (least.max(down), if least < down { DOWN } else { TOO_FEW }) } else { (i64::MIN, TOO_FEW) },
                if wanted > current { (most.min(up), if most > up { UP } else { TOO_MANY }) } else { (i64::MAX, TOO_MANY) },
            )
        } else {
            let up = (2 * current).max(SCALE_UP_MINIMUM);
            ((least, TOO_FEW), (most.min(up), if most > up { UP } else { TOO_MANY }))
        };
        let (size, why) = if wanted < floor.0 {
            floor
        } else if wanted > ceiling.0 {
            ceiling
        } else {
            (wanted, WITHIN)
        };
        (size, why.0, why.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[rstest::rstest]
    #[case("Max", true, 15)]
    #[case("Min", true, 14)]
    #[case("Disabled", true, 10)]
    #[case("Max", false, 5)]
    #[case("Min", false, 6)]
    #[case("Disabled", false, 10)]
    fn the_policy_that_is_selected_limits(#[case] select: &str, #[case] up: bool, #[case] size: i64) {
        let policies = json!([
            {"type": "Pods", "value": 4, "periodSeconds": 60}, {"type": "Percent", "value": 50, "periodSeconds": 60},
        ]);
        let rules = json!({"selectPolicy": select, "policies": policies});
        assert_eq!(Memory::default().limit(&rules, 10, up, NOW), size);
    }

    #[rstest::rstest]
    #[case::within_the_period(30, 10)]
    #[case::before_it(61, 14)]
    fn earlier_changes_count_for_their_period(#[case] seconds: i64, #[case] size: i64) {
        let rules = json!({"selectPolicy": "Max", "policies": [{"type": "Pods", "value": 4, "periodSeconds": 60}]});
        let memory = Memory { ups: vec![(ago(NOW, seconds), 4)], ..Memory::default() };
        assert_eq!(memory.limit(&rules, 10, true, NOW), size);
    }
}
