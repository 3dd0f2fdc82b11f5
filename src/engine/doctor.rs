//! What a run would meet on a cluster, asked before anything is changed: clock, permissions, images, admission, quotas. Asks and
//! tries dry runs only. Which scenarios a cluster lacks something for is told by the command line.

mod admission;
mod image_stream;
mod images;

use super::permission::{self, Permission};
use super::preflight;
use crate::cluster::Cluster;
use crate::cluster::request::{RequestError, retried};
use crate::cluster::{ClusterError, TrialContext};
use crate::scenario::Plan;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How far the server's clock may be from ours, beyond the second that its header is cut to.
const CLOCKS_WITHIN: f64 = 2.0;
const ASK_WITHIN: Duration = Duration::from_secs(10);

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Good,
    /// Worth knowing; nothing is refused for it.
    Doubt,
    /// A run would be refused, or could not measure.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at, in a word or two.
    pub name: &'static str,
    /// How bad it is.
    pub grade: Grade,
    /// What was found.
    pub found: String,
    /// What to do about it; empty where nothing is to be done.
    pub remedy: String,
}

impl Check {
    fn new(name: &'static str, grade: Grade, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, grade, found: found.into(), remedy: remedy.into() }
    }
}

/// Looks at a cluster with the eyes of these plans. Blocking.
///
/// # Errors
/// The cluster cannot be connected to.
pub fn examine(cluster: &dyn Cluster, plans: &[Arc<Plan>], allowed: &[String]) -> Result<Vec<Check>, ClusterError> {
    let plans: Vec<&Plan> = plans.iter().map(AsRef::as_ref).collect();
    crate::cluster::block_on(async {
        let session =
            cluster.open(&TrialContext { seed: 0, images: BTreeMap::new(), nodes: 1, ..TrialContext::default() }).await?;
        let client = &session.client;
        let mut checks = vec![clock(client).await];
        checks.push(permissions(client, permission::needed(&plans, allowed, cluster.node_pods().is_some())).await);
        checks.extend(node_access(cluster, &plans));
        checks.extend(images::check(client, &plans).await);
        checks.extend(admission::check(client, &plans).await);
        Ok(checks)
    })?
}

/// What the start of a run tells beside what it refuses: problems with a remedy. Blocking.
#[must_use]
pub fn warnings(cluster: &dyn Cluster, plans: &[Arc<Plan>]) -> Vec<String> {
    let plans: Vec<&Plan> = plans.iter().map(AsRef::as_ref).collect();
    let checks = crate::cluster::block_on(async {
        let context = TrialContext { seed: 0, images: BTreeMap::new(), nodes: 1, ..TrialContext::default() };
        let Ok(session) = cluster.open(&context).await else { return Vec::new() };
        let mut checks = vec![clock(&session.client).await];
        checks.extend(images::check(&session.client, &plans).await);
        checks.extend(admission::quotas_of(&session.client, &plans).await);
        checks
    });
    let troubles = checks.unwrap_or_default().into_iter().filter(|check| check.grade > Grade::Good && !check.remedy.is_empty());
    troubles.map(|check| format!("{}: {}; {}", check.name, check.found, check.remedy)).collect()
}

/// What a run would do on nodes that nothing but a pod reaches.
fn node_access(cluster: &dyn Cluster, plans: &[&Plan]) -> Option<Check> {
    let image = cluster.node_pods().filter(|_| plans.iter().any(|plan| permission::reaches_machines(plan)))?;
    let found =
        format!("nodes are broken by short-lived privileged pods ({image}) in the run's own namespace, and mend themselves");
    Some(Check::new("node access", Grade::Doubt, found, ""))
}

/// The server's clock against ours, by the header of an answer.
async fn clock(client: &kube::Client) -> Check {
    const NAME: &str = "clock";
    let what = "asking for the server's time";
    let asked = retried(what, ASK_WITHIN, || async {
        let request = http::Request::get("/version").body(kube::client::Body::empty()).map_err(kube::Error::HttpError)?;
        let before = wall_clock();
        let answer = client.send(request).await?;
        let date = answer.headers().get(http::header::DATE).and_then(|date| date.to_str().ok()).map(ToOwned::to_owned);
        Ok((before, date, wall_clock()))
    })
    .await;
    match asked {
        Ok((before, Some(date), after)) => offset(before, &date, after)
            .map_or_else(|| Check::new(NAME, Grade::Doubt, format!("the server's time cannot be read ({date})"), ""), judged),
        Ok((_, None, _)) => Check::new(NAME, Grade::Doubt, "the server does not tell its time", ""),
        Err(error) => Check::new(NAME, Grade::Bad, error.to_string(), "see whether the server is healthy"),
    }
}

fn judged(offset: f64) -> Check {
    if offset.abs() <= CLOCKS_WITHIN {
        return Check::new("clock", Grade::Good, "the server's clock agrees with this one", "");
    }
    let which = if offset > 0.0 { "ahead of" } else { "behind" };
    let found = format!("the server's clock is {:.0} s {which} this one", offset.abs());
    Check::new(
        "clock",
        Grade::Doubt,
        found,
        "set both by NTP: durations are measured by one clock, but server stamps would mislead",
    )
}

/// By how many seconds the server is ahead, at least; its header is cut to whole seconds.
fn offset(before: Timestamp, date: &str, after: Timestamp) -> Option<f64> {
    let told = DateTimeParser::new().parse_timestamp(date).ok()?;
    let seconds = |a: Timestamp, b: Timestamp| a.duration_since(b).as_secs_f64();
    let (least, most) = (seconds(told, after), seconds(told, before) + 1.0);
    Some(if least > 0.0 {
        least
    } else if most < 0.0 {
        most
    } else {
        0.0
    })
}

#[expect(clippy::disallowed_methods, reason = "the wall clock itself is what is looked at")]
fn wall_clock() -> Timestamp {
    Timestamp::now()
}

async fn permissions(client: &kube::Client, needed: Vec<Permission>) -> Check {
    const NAME: &str = "permissions";
    let needed = match preflight::of_user(client, needed).await {
        Ok(needed) => needed,
        Err(error) => {
            return Check::new(NAME, Grade::Bad, error.to_string(), "see whether the server answers SelfSubjectAccessReviews");
        }
    };
    let in_projects = needed.iter().any(|one| one.resource == "projectrequests");
    match preflight::missing(client, &needed).await {
        Ok(missing) if missing.is_empty() && in_projects => {
            let found = "no namespace may be created: each is asked for as a project (projectrequests); what is needed inside is asked when a run begins";
            Check::new(NAME, Grade::Good, found, "")
        }
        Ok(missing) if missing.is_empty() => Check::new(NAME, Grade::Good, format!("all {} that are needed", needed.len()), ""),
        Ok(missing) => {
            let list: Vec<_> = missing.iter().map(ToString::to_string).collect();
            let found = format!("{} of {} are missing: {}", missing.len(), needed.len(), list.join("; "));
            Check::new(NAME, Grade::Bad, found, "`comeback rbac PATH...` prints the role; an administrator applies and binds it")
        }
        Err(error) => Check::new(NAME, Grade::Bad, error.to_string(), "see whether the server answers SelfSubjectAccessReviews"),
    }
}

/// What the server said, where it is worth a line.
fn said(error: &RequestError) -> String {
    error.message.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("Thu, 01 Jan 2026 00:00:10 GMT", 0.0)]
    #[case("Thu, 01 Jan 2026 00:00:09 GMT", 0.0)]
    #[case("Thu, 01 Jan 2026 00:00:40 GMT", 29.0)]
    #[case("Wed, 31 Dec 2025 23:59:10 GMT", -59.0)]
    fn a_header_is_cut_to_seconds(#[case] date: &str, #[case] is: f64) {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let found = offset(at("2026-01-01T00:00:10Z"), date, at("2026-01-01T00:00:11Z")).unwrap();
        assert!((found - is).abs() < 0.001, "{found}");
    }

    #[test]
    fn a_wrong_clock_is_told_with_its_remedy() {
        assert_eq!(judged(1.0).grade, Grade::Good);
        let wrong = judged(-59.0);
        assert_eq!(wrong.found, "the server's clock is 59 s behind this one");
        assert!(wrong.grade == Grade::Doubt && wrong.remedy.contains("NTP"));
    }
}
