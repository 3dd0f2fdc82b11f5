//! Tests of schedules: what is read, what is refused and in which words, and which time comes next.

use super::*;
use proptest::prelude::*;
use rstest::rstest;

fn next(schedule: &str, after: &str, zone: &str) -> String {
    let zone = time_zone(zone).unwrap();
    let next = Schedule::parse(schedule).unwrap().next(after.parse().unwrap(), &zone);
    next.map_or_else(|| "never".to_owned(), |at| at.to_string())
}

#[rstest]
#[case("* * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z")]
#[case("* * * * *", "2026-01-01T00:00:59.5Z", "2026-01-01T00:01:00Z")]
#[case("*/15 * * * *", "2026-01-01T00:45:00Z", "2026-01-01T01:00:00Z")]
#[case("5/20 3 * * *", "2026-01-01T03:05:00Z", "2026-01-01T03:25:00Z")]
#[case("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z")]
#[case("0 0 31 2 *", "2026-01-01T00:00:00Z", "never")]
#[case("30 8-10,22 * jan-mar MON", "2026-01-05T10:30:00Z", "2026-01-05T22:30:00Z")]
// A day of the month or a day of the week, when both are given; both, when one is a star.
#[case("0 0 13 * 5", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")]
#[case("0 0 13 * *", "2026-01-01T00:00:00Z", "2026-01-13T00:00:00Z")]
#[case("0 0 */2 * 5", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")]
#[case("@hourly", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z")]
#[case("@weekly", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z")]
#[case("@every 1m30s", "2026-01-01T00:00:00.7Z", "2026-01-01T00:01:30Z")]
fn the_next_time_follows(#[case] schedule: &str, #[case] after: &str, #[case] expected: &str) {
    assert_eq!(next(schedule, after, ""), expected);
}

#[rstest]
// 2:30 is skipped on the day when clocks go forward.
#[case("30 2 * * *", "2026-03-29T00:00:00Z", "2026-03-30T00:30:00Z")]
// 2:30 comes twice on the day when they go back.
#[case("30 2 * * *", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z")]
#[case("30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z")]
#[case("0 9 * * *", "2026-07-01T00:00:00Z", "2026-07-01T07:00:00Z")]
fn clocks_of_a_zone_count(#[case] schedule: &str, #[case] after: &str, #[case] expected: &str) {
    assert_eq!(next(schedule, after, "Europe/Berlin"), expected);
}

#[rstest]
#[case("* * * *", "expected exactly 5 fields, found 4: [* * * *]")]
#[case("0 0 0 * * *", "expected exactly 5 fields, found 6: [0 0 0 * * *]")]
#[case("60 * * * *", "end of range (60) above maximum (59): 60")]
#[case("* * 0 * *", "beginning of range (0) below minimum (1): 0")]
#[case("* * * * 7", "end of range (7) above maximum (6): 7")]
#[case("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1")]
#[case("*/0 * * * *", "step of range should be a positive number: */0")]
#[case("1-2-3 * * * *", "too many hyphens: 1-2-3")]
#[case("1/2/3 * * * *", "too many slashes: 1/2/3")]
#[case("x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax")]
#[case("@sometimes", "unrecognized descriptor: @sometimes")]
#[case("", "empty spec string")]
fn what_is_wrong_is_said(#[case] schedule: &str, #[case] expected: &str) {
    assert_eq!(Schedule::parse(schedule).unwrap_err(), expected);
}

#[test]
fn an_unknown_zone_is_refused() {
    assert_eq!(time_zone("Mars/Olympus").unwrap_err(), "unknown time zone Mars/Olympus");
}

proptest! {
    /// Whatever is written, nothing panics; what is read gives times that rise.
    #[test]
    fn times_rise(text in "[0-9*/,@a-z -]{0,20}|([0-9*]{1,2}(/[1-9])? ){4}[0-6*]", start in 0_i64..2_000_000_000) {
        if let Ok(schedule) = Schedule::parse(&text) {
            let after = Timestamp::from_second(start).unwrap();
            let zone = time_zone("America/New_York").unwrap();
            let first = schedule.next(after, &zone);
            prop_assert!(first.is_none_or(|first| first > after && first.as_second() % 60 == 0 || text.starts_with('@')));
        }
    }
}
