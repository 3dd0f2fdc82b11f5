//! Whether what was observed is all that there was: fresh lists, and the stretches in which nothing could be seen.
//! What uncertainty means for a verdict is `measure`'s.

use super::Live;
use crate::observe::probe::pod;
use crate::observe::timeline::{Fact, Source};
use crate::observe::watch::{self, Seen};
use crate::scenario::duration::format;
use std::time::Duration;
use tokio::time::Instant;

/// A fresh list that takes longer than this tells of a server that gave no answers meanwhile.
const SLOW: Duration = Duration::from_secs(5);

impl Live<'_> {
    /// Lists everything watched afresh and records every difference to what the watches have shown, then that nothing was missed.
    /// False when that could not be done.
    pub(in crate::engine::trial) async fn confirm(&mut self) -> bool {
        let (client, namespace) = (self.session.client.clone(), self.namespace.clone());
        let watched = self.watching.iter().flat_map(|watching| &watching.kinds);
        // Events are lossy by nature: nothing is concluded from one that is missing.
        let kinds: Vec<_> = watched.filter(|kind| kind.resource.kind != "Event").cloned().collect();
        let pods = pod::observed_pods(&self.plan);
        let known = self.recorder.judge().index().versions();
        let asked = self.elapsed();
        let listings = match self.unless_stopped(watch::list(&client, &namespace, &kinds, pods.as_deref(), &known)).await {
            Some(Ok(listings)) => listings,
            Some(Err(error)) => {
                self.fail(&format!("the state could not be confirmed: {}", error.message));
                return false;
            }
            None => return false,
        };
        let missed: Vec<_> = listings.iter().flat_map(|listing| self.recorder.judge().index().missed(listing)).collect();
        if !missed.is_empty() {
            // A watch that has not shown what a list shows may have been silent since anything was last seen.
            self.blind(self.last_watched, "the watches, which did not show what a list did");
        } else if self.elapsed().saturating_sub(asked) > SLOW {
            self.blind(asked, "the server, which took long to answer a list");
        }
        // What is gone comes first in each kind: a successor must not hide that its predecessor was lost.
        for seen in missed {
            self.take(Some(seen.map_or_else(Seen::Gone, Seen::Object)));
        }
        self.record(Source::Watch, Fact::Confirmed);
        true
    }

    pub(super) fn blind(&mut self, since: Duration, what: &str) {
        self.record(Source::Watch, Fact::Blind { since, until: None, what: what.to_owned() });
    }

    /// Records the times in which the server gave no answers: watches do not show them. What ended before the trial began is
    /// not the trial's.
    pub(super) fn take_outages(&mut self, and_now: bool) {
        let Some(sight) = &self.sight else { return };
        let now = Instant::now();
        for (from, to) in sight.outages(self.outages_read, and_now) {
            self.outages_read = to;
            let elapsed = self.elapsed();
            let at = |moment: Instant| elapsed.saturating_sub(now.duration_since(moment));
            let what = format!("the server, which gave no answer for {}", format(to.duration_since(from)));
            self.record(Source::Watch, Fact::Blind { since: at(from), until: Some(at(to)), what });
        }
    }
}
