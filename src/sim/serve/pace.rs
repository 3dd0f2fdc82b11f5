//! How far simulated time may go: never ahead of the speed asked for, and honest when it cannot keep up.
//! Arithmetic alone; the clocks are read by `simulation`.

use std::time::{Duration, Instant};

/// How often an idle simulation is brought up to date, in real time.
const IDLE: Duration = Duration::from_millis(5);
/// How often, while requests wait for their answers.
const BUSY: Duration = Duration::from_micros(500);
/// How much real time is made up for at most when the simulation was late. What is more is lost: a burst of simulated time
/// would look to clients like a cluster that runs faster than was asked for.
const LATEST: Duration = Duration::from_millis(250);
/// The longest step, in real time: between steps requests are taken in.
const STEP: Duration = Duration::from_millis(20);
/// A stretch of being late is over when nothing was lost for this long.
const CALM: Duration = Duration::from_secs(2);
/// The timers' resolution.
const TICK: Duration = Duration::from_millis(1);

/// The pace of one served simulation.
#[derive(Clone, Debug)]
pub struct Pace {
    speed: f64,
    /// A moment in real time, and the simulated time that belongs to it.
    anchor: (Instant, Duration),
    reached: Duration,
    lost: Duration,
    last_loss: Option<Instant>,
    /// What was lost in the present stretch.
    stretch: Duration,
    told: bool,
}

impl Pace {
    /// Simulated time zero is `now`; a second of real time is worth `speed` simulated seconds.
    #[must_use]
    pub fn new(speed: f64, now: Instant) -> Self {
        Self {
            speed,
            anchor: (now, Duration::ZERO),
            reached: Duration::ZERO,
            lost: Duration::ZERO,
            last_loss: None,
            stretch: Duration::ZERO,
            told: false,
        }
    }

    /// The simulated time that was reached.
    #[must_use]
    pub const fn reached(&self) -> Duration {
        self.reached
    }

    /// Simulated time that was given up because the simulation could not keep up.
    #[must_use]
    pub const fn lost(&self) -> Duration {
        self.lost
    }

    /// The simulated time up to which the simulation may run now, in whole milliseconds; `None` when there is nothing to do
    /// yet. Not more than one step of it.
    #[must_use]
    pub fn next(&self, now: Instant) -> Option<Duration> {
        let step = self.reached + STEP.mul_f64(self.speed).max(TICK);
        let target = whole(self.allowed(now).min(step));
        (target > self.reached).then_some(target)
    }

    /// How long the simulation may rest: until its next step is due.
    #[must_use]
    pub fn rest(&self, now: Instant, busy: bool) -> Duration {
        let rest = if busy { BUSY } else { IDLE };
        let allowed = self.allowed(now);
        let due = whole(self.reached) + TICK;
        rest.max(due.saturating_sub(allowed).div_f64(self.speed)).min(Duration::from_secs(1))
    }

    /// The simulation has run up to `target`. Says true when it has begun to be late, once per stretch.
    pub fn ran(&mut self, target: Duration, now: Instant) -> bool {
        self.reached = target;
        let behind = self.allowed(now).saturating_sub(target);
        let bearable = LATEST.mul_f64(self.speed);
        if behind <= bearable {
            return false;
        }
        self.lost += behind.saturating_sub(bearable);
        self.anchor = (now, target + bearable);
        if self.last_loss.is_none_or(|last| now.duration_since(last) > CALM) {
            (self.stretch, self.told) = (Duration::ZERO, false);
        }
        self.last_loss = Some(now);
        self.stretch += behind.saturating_sub(bearable);
        // A hiccup of the machine is no news.
        let tells = !self.told && self.stretch >= bearable;
        self.told |= tells;
        tells
    }

    fn allowed(&self, now: Instant) -> Duration {
        self.anchor.1 + now.saturating_duration_since(self.anchor.0).mul_f64(self.speed)
    }
}

fn whole(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Some instant; only differences matter.
    #[expect(clippy::disallowed_methods, reason = "a fixed point to add to")]
    fn zero() -> Instant {
        Instant::now()
    }

    proptest! {
        #[test]
        fn never_ahead_and_never_faster_than_asked(
            speed in 0.1_f64..1000.0,
            // Real time that passes before a step, and that the step takes, in microseconds.
            steps in prop::collection::vec((0_u64..400_000, 0_u64..600_000), 1..60),
        ) {
            let begun = zero();
            let (mut pace, mut now) = (Pace::new(speed, begun), begun);
            let bearable = LATEST.mul_f64(speed);
            let mut seen: Vec<(Duration, Duration)> = vec![(Duration::ZERO, Duration::ZERO)];
            for (rest, work) in steps {
                now += Duration::from_micros(rest);
                if let Some(target) = pace.next(now) {
                    let real = now - begun;
                    prop_assert!(target.as_secs_f64() <= real.as_secs_f64() * speed + 1e-6);
                    for (then, simulated) in &seen {
                        let allowed = real.checked_sub(*then).unwrap().mul_f64(speed) + bearable + Duration::from_millis(1);
                        prop_assert!(target.checked_sub(*simulated).unwrap() <= allowed, "{simulated:?} to {target:?} in {:?}", real.checked_sub(*then).unwrap());
                    }
                    now += Duration::from_micros(work);
                    pace.ran(target, now);
                    seen.push((now - begun, target));
                }
            }
            prop_assert!(pace.reached().as_secs_f64() + pace.lost().as_secs_f64() <= (now - begun).as_secs_f64() * speed + 1e-6);
        }
    }

    #[test]
    fn keeps_the_speed_when_it_can() {
        let begun = zero();
        let mut pace = Pace::new(10.0, begun);
        for millis in (5..=1_000).step_by(5) {
            let now = begun + Duration::from_millis(millis);
            while let Some(target) = pace.next(now) {
                assert!(!pace.ran(target, now));
            }
        }
        assert_eq!((pace.reached(), pace.lost()), (Duration::from_secs(10), Duration::ZERO));
    }

    #[test]
    fn says_once_per_stretch_that_it_is_late() {
        let begun = zero();
        let mut pace = Pace::new(1.0, begun);
        let at = |millis| begun + Duration::from_millis(millis);
        assert!(pace.ran(pace.next(at(100)).unwrap(), at(1_000)), "0.02 s took a second");
        assert_eq!(pace.lost(), Duration::from_millis(730));
        assert!(!pace.ran(pace.next(at(1_000)).unwrap(), at(2_000)), "still the same stretch");
        while let Some(target) = pace.next(at(2_000)) {
            assert!(!pace.ran(target, at(2_000)));
        }
        assert!(pace.ran(pace.next(at(2_100)).unwrap(), at(5_000)), "another stretch");
    }
}
