//! The picture of one trial: phases, pods, warnings, findings and actions on one time axis, as SVG.
//! What the marks are is decided in `measure::marks`.

use super::escaped;
use crate::measure::marks::{Lane, Mark, Marks, Tone};
use crate::measure::result::{ScenarioResult, Stamp, TrialResult};
use crate::report::{format, layout};
use std::fmt::Write as _;

const WIDTH: f64 = 960.0;
/// Where the time axis begins: left of it stand the names of the lanes.
const LEFT: f64 = 170.0;
const ROW: f64 = 22.0;
/// How many pods are drawn.
const PODS: usize = 8;
/// How many characters of a lane's name are shown.
const NAME: usize = 24;
/// The longest hover text, in characters.
const HOVER: usize = 300;

/// The picture.
pub(super) fn picture(scenario: &ScenarioResult, trial: &TrialResult, marks: &Marks) -> String {
    let stamps = &trial.stamps;
    let last = [&stamps.stable_from, &stamps.detected].into_iter().flatten().map(|stamp| stamp.at).fold(marks.end, f64::max);
    let scale = Scale { from: 0.0, to: last.max(1.0) };
    let mut pods: Vec<&str> = Vec::new();
    for mark in &marks.marks {
        if let Lane::Pod(name) = &mark.lane
            && !pods.contains(&name.as_str())
        {
            pods.push(name);
        }
    }
    let hidden = pods.len().saturating_sub(PODS);
    pods.truncate(PODS);
    let lanes = [("warnings", Lane::Warning), ("findings", Lane::Finding), ("actions", Lane::Action)];
    let lanes: Vec<_> = lanes.into_iter().filter(|(_, lane)| marks.marks.iter().any(|mark| mark.lane == *lane)).collect();
    let rows = 1 + pods.len() + lanes.len();
    #[expect(clippy::cast_precision_loss, reason = "a few rows")]
    let height = (rows as f64).mul_add(ROW, 30.0);
    let mut out = format!(
        "<div class=\"wide\"><svg role=\"img\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\"><title>{}</title>",
        escaped(&format!("trial {} of {} on a time axis of {}", trial.index, scenario.name, format::seconds(scale.to)))
    );
    out.push_str(&axis(&scale, height));
    let mut y = 4.0;
    out.push_str(&name("phases", y));
    out.push_str(&phases(scenario, trial, &scale, y, height));
    for pod in &pods {
        y += ROW;
        out.push_str(&name(pod, y));
        let own = |mark: &&Mark| matches!(&mark.lane, Lane::Pod(name) if name == pod);
        // Stretches first: moments lie on top of them.
        for mark in marks.marks.iter().filter(own).filter(|mark| mark.until.is_some()) {
            out.push_str(&stretch(mark, &scale, y));
        }
        for mark in marks.marks.iter().filter(own).filter(|mark| mark.until.is_none()) {
            out.push_str(&moment(mark, &scale, y));
        }
    }
    for (title, lane) in lanes {
        y += ROW;
        out.push_str(&name(title, y));
        for mark in marks.marks.iter().filter(|mark| mark.lane == lane) {
            out.push_str(&moment(mark, &scale, y));
        }
    }
    out.push_str("</svg></div>\n");
    if hidden + marks.left_out > 0 {
        let _ = writeln!(
            out,
            "<p class=\"note\">Not drawn: {}, {}. The timeline has them.</p>",
            format::count(hidden, "pod"),
            format::count(marks.left_out, "mark")
        );
    }
    out
}

struct Scale {
    from: f64,
    to: f64,
}

impl Scale {
    fn x(&self, at: f64) -> f64 {
        ((at.clamp(self.from, self.to) - self.from) / (self.to - self.from)).mul_add(WIDTH - LEFT - 10.0, LEFT)
    }
}

/// Whole numbers of seconds, minutes or hours, at most eight of them.
fn step(length: f64) -> f64 {
    const STEPS: [f64; 15] =
        [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0];
    STEPS.into_iter().find(|step| length / step <= 8.0).unwrap_or(86_400.0)
}

fn axis(scale: &Scale, height: f64) -> String {
    let mut out = String::new();
    let step = step(scale.to - scale.from);
    let mut at = scale.from;
    while at <= scale.to {
        let x = scale.x(at);
        let _ = write!(
            out,
            "<line class=\"axis\" stroke=\"#d1d9e0\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"2\" y2=\"{:.0}\"/><text x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
            height - 18.0,
            height - 5.0,
            format::seconds(at)
        );
        at += step;
    }
    out
}

fn name(text: &str, y: f64) -> String {
    let shown = if text.chars().count() > NAME { layout::tail(text, NAME) } else { text.to_owned() };
    format!("<text class=\"label\" x=\"0\" y=\"{:.0}\">{}</text>", y + 13.0, escaped(&shown))
}

/// Fault, broken, healing, held: the stretches between the stamps, and the RTO's line through all lanes.
fn phases(scenario: &ScenarioResult, trial: &TrialResult, scale: &Scale, y: f64, height: f64) -> String {
    let stamps = &trial.stamps;
    let at = |stamp: &Option<Stamp>| stamp.as_ref().map(|stamp| stamp.at);
    let mut out = String::new();
    let mut bar = |from: f64, to: f64, class: &str, color: &str, text: &str| {
        let title = format!("{text}: {} to {}", format::seconds(from), format::seconds(to));
        let _ = write!(
            out,
            "<rect class=\"{class}\" fill=\"{color}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"12\" rx=\"2\"><title>{}</title></rect>",
            scale.x(from),
            y + 3.0,
            (scale.x(to) - scale.x(from)).max(1.0),
            escaped(&title)
        );
        if scale.x(to) - scale.x(from) > 90.0 {
            let _ = write!(
                out,
                "<text class=\"on\" fill=\"#ffffff\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                scale.x(from) + 5.0,
                y + 13.0,
                escaped(text)
            );
        }
    };
    let requested = at(&stamps.requested);
    bar(scale.from, requested.unwrap_or(scale.to), "fill-neutral", "#59636e", "set up");
    if let Some(requested) = requested {
        let effective = at(&stamps.effective);
        bar(requested, effective.unwrap_or(scale.to), "fill-doubt", "#9a6700", "before the effect");
        if let Some(effective) = effective {
            let stable = at(&stamps.stable_from);
            bar(effective, stable.unwrap_or(scale.to), "fill-bad", "#cf222e", "broken");
            if let Some(stable) = stable {
                bar(stable, scale.to, "fill-good", "#1a7f37", "good and held");
            }
        }
    }
    let moments = [
        ("fault requested", &stamps.requested),
        ("effective", &stamps.effective),
        ("detected", &stamps.detected),
        ("first action", &stamps.first_action),
        ("stable from", &stamps.stable_from),
    ];
    for (text, stamp) in moments {
        let Some(stamp) = stamp else { continue };
        let title = format!(
            "{text}: {}{}",
            format::seconds(stamp.at),
            stamp.server.as_ref().map(|server| format!(" (server: {server})")).unwrap_or_default()
        );
        let _ = write!(
            out,
            "<line class=\"stamp\" stroke=\"#1f2328\" stroke-width=\"2\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1:.1}\" y2=\"{2:.1}\"><title>{3}</title></line>",
            scale.x(stamp.at),
            y,
            y + 18.0,
            escaped(&title)
        );
    }
    if let (Some(rto), Some(effective)) = (scenario.rto, at(&stamps.effective))
        && effective + rto <= scale.to
    {
        let _ = write!(
            out,
            "<line class=\"stroke-rto\" stroke=\"#cf222e\" stroke-dasharray=\"4 3\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"2\" y2=\"{1:.0}\"><title>RTO: {2} after the effect</title></line>",
            scale.x(effective + rto),
            height - 18.0,
            format::seconds(rto)
        );
    }
    out
}

const fn paint(tone: Tone) -> (&'static str, &'static str) {
    match tone {
        Tone::Good => ("fill-good", "#1a7f37"),
        Tone::Bad => ("fill-bad", "#cf222e"),
        Tone::Neutral => ("fill-neutral", "#59636e"),
    }
}

fn hover(mark: &Mark) -> String {
    let until = mark.until.map(|until| format!(" to {}", format::seconds(until))).unwrap_or_default();
    escaped(&layout::cut(&format!("{}{until}: {}", format::seconds(mark.at), mark.text), HOVER))
}

fn stretch(mark: &Mark, scale: &Scale, y: f64) -> String {
    let (class, color) = paint(mark.tone);
    let (from, to) = (scale.x(mark.at), scale.x(mark.until.unwrap_or(mark.at)));
    // Good stretches are tall, others low: readable without colour.
    let (top, tall) = if mark.tone == Tone::Good { (3.0, 12.0) } else { (6.0, 6.0) };
    format!(
        "<rect class=\"{class}\" fill=\"{color}\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall}\"><title>{}</title></rect>",
        y + top,
        (to - from).max(0.8),
        hover(mark)
    )
}

fn moment(mark: &Mark, scale: &Scale, y: f64) -> String {
    let (class, color) = match mark.lane {
        Lane::Finding | Lane::Action | Lane::Fault => ("point", "#0550ae"),
        Lane::Pod(_) | Lane::Warning => paint(mark.tone),
    };
    let x = scale.x(mark.at);
    format!(
        "<path class=\"{class}\" fill=\"{color}\" d=\"M{x:.1} {:.1}l5 10h-10z\"><title>{}</title></path>",
        y + 4.0,
        hover(mark)
    )
}
