//! The grids of about a second on which a kubelet looks: the runtime's relist and the poll of the work queue.
//! What is done at their instants lives in `worker`.

use std::time::Duration;
use tokio::time::Instant;

/// The work queue is polled by a ticker.
pub(super) const QUEUE_PERIOD: Duration = Duration::from_secs(1);
/// A relist begins a second after the end of the one before it; recordings of a quiet node show 5 ms for the listing itself.
pub(super) const RELIST_PERIOD: Duration = Duration::from_millis(1_005);

/// Statuses that differ from the API's are written again this often.
pub(super) const STATUS_PERIOD: Duration = Duration::from_secs(10);

/// Instants one period apart, from an origin on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    origin: Instant,
    period: Duration,
}

impl Grid {
    /// A grid whose first instant is `origin`.
    pub(super) const fn new(origin: Instant, period: Duration) -> Self {
        Self { origin, period }
    }

    /// The time from one instant to the next.
    pub(super) const fn period(&self) -> Duration {
        self.period
    }

    /// The first instant of the grid later than `at`.
    pub(super) fn after(&self, at: Instant) -> Instant {
        if at < self.origin {
            return self.origin;
        }
        let past = at.duration_since(self.origin).as_nanos() / self.period.as_nanos();
        self.origin + self.period * (u32::try_from(past).unwrap_or(u32::MAX - 1) + 1)
    }

    /// The first instant of the grid not earlier than `at`.
    pub(super) fn from(&self, at: Instant) -> Instant {
        at.checked_sub(Duration::from_nanos(1)).map_or(at, |before| self.after(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn instants_are_one_period_apart_and_never_in_the_past() {
        let origin = Instant::now() + Duration::from_millis(300);
        let grid = Grid::new(origin, RELIST_PERIOD);
        assert_eq!(grid.after(Instant::now()), origin);
        assert_eq!(grid.after(origin), origin + RELIST_PERIOD);
        assert_eq!(grid.from(origin), origin);
        assert_eq!(grid.after(origin + Duration::from_millis(1_006)), origin + 2 * RELIST_PERIOD);
    }
}
