//! The text format in which Prometheus reads metrics.
//! Which metrics there are is the siblings' business.

use std::collections::BTreeMap;
use std::fmt::Write;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only grows.
    Counter,
}

#[derive(Debug)]
struct Family {
    kind: Kind,
    lines: String,
}

/// Metrics on their way to a scraper, grouped by name.
#[derive(Debug, Default)]
pub struct Exposition {
    families: BTreeMap<&'static str, Family>,
}

impl Exposition {
    /// A gauge.
    pub fn gauge(&mut self, name: &'static str, labels: &[(&str, &str)], value: f64) {
        self.add(name, Kind::Gauge, labels, value);
    }

    /// A counter.
    pub fn counter(&mut self, name: &'static str, labels: &[(&str, &str)], value: f64) {
        self.add(name, Kind::Counter, labels, value);
    }

    /// One gauge for each of several states, of which at most one holds: `label` says which.
    pub fn states(&mut self, name: &'static str, labels: &[(&str, &str)], label: &str, states: &[&str], holds: &str) {
        for state in states {
            let labels: Vec<(&str, &str)> = labels.iter().copied().chain([(label, *state)]).collect();
            self.gauge(name, &labels, if *state == holds { 1.0 } else { 0.0 });
        }
    }

    fn add(&mut self, name: &'static str, kind: Kind, labels: &[(&str, &str)], value: f64) {
        let family = self.families.entry(name).or_insert_with(|| Family { kind, lines: String::new() });
        family.lines.push_str(name);
        for (n, (label, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            // A String takes everything.
            let _ = write!(family.lines, "{}{label}=\"{value}\"", if n == 0 { '{' } else { ',' });
        }
        let _ = writeln!(family.lines, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// The text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (name, family) in &self.families {
            let kind = match family.kind {
                Kind::Gauge => "gauge",
                Kind::Counter => "counter",
            };
            let _ = write!(text, "# TYPE {name} {kind}\n{}", family.lines);
        }
        text
    }
}
