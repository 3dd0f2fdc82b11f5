//! The page as a reader and a browser meet it.

use super::*;
use crate::measure::marks::{Lane, Mark, Tone};
use crate::measure::result::Stamp;
use crate::report::fixture;

fn page(html: &Html, result: &RunResult) -> String {
    String::from_utf8(html.serialize(result).unwrap()).unwrap()
}

fn with_marks(result: &mut RunResult) -> Html {
    let trial = &mut result.scenarios[1].trials[2];
    let stamp = |at| Some(Stamp { at, earliest: at, server: None });
    trial.stamps.requested = stamp(10.0);
    trial.stamps.effective = stamp(14.0);
    trial.timeline = "timelines/drawn.jsonl".into();
    let mark = |at, until, lane, tone, text: &str| Mark { at, until, lane, tone, text: text.into() };
    let pod = || Lane::Pod("pool-6d5f7c9b8-4xk2p".into());
    let marks = vec![
        mark(2.0, Some(14.0), pod(), Tone::Good, "pool-6d5f7c9b8-4xk2p: Ready"),
        mark(14.0, Some(300.0), pod(), Tone::Bad, "not Ready, waiting: CrashLoopBackOff"),
        mark(15.0, None, pod(), Tone::Bad, "pool restarted, number 1, exit code 1 (Error)"),
        mark(16.0, None, Lane::Warning, Tone::Bad, "BackOff on <pool>: \"quoted\" & 'so'"),
        mark(20.0, None, Lane::Finding, Tone::Neutral, "config.bad-value on pod pool"),
        mark(22.0, None, Lane::Action, Tone::Neutral, "revertConfig on configmap pool"),
    ];
    Html { marks: [("timelines/drawn.jsonl".to_owned(), Marks { marks, left_out: 3, end: 300.0 })].into() }
}

#[test]
fn the_whole_page() {
    let mut result = fixture::run();
    let html = with_marks(&mut result);
    insta::assert_snapshot!("html", page(&html, &result));
}

/// A strict parser must accept it as XML, but for the doctype and the void elements.
#[test]
fn every_element_is_closed_and_nothing_foreign_is_markup() {
    let mut result = fixture::run();
    let html = with_marks(&mut result);
    result.gate = Some(fixture::gate());
    result.exit_reasons = vec![result.exit_reasons[0].clone(); 9];
    result.scenarios[1].name = "<script>alert(1)</script>".into();
    result.scenarios[1].trials[2].reason = "\"><img src=x onerror=alert(1)>".into();
    let page = page(&html, &result);
    assert!(page.contains("<summary>4 more reasons</summary>"), "{page}");
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    let mut open: Vec<&str> = Vec::new();
    for piece in page.split('<').skip(1) {
        let tag = piece.split('>').next().unwrap();
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if matches!(name, "!doctype" | "meta" | "link") || tag.ends_with('/') {
            continue;
        }
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "in {tag}");
        } else {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn the_table_of_a_gate() {
    let mut result = fixture::run();
    assert!(!page(&Html::default(), &result).contains("Gate"));
    result.gate = Some(fixture::gate());
    let page = page(&Html::default(), &result);
    let section = &page[page.find("✗ Gate failed").unwrap()..];
    let section = &section[..section.find("</section>").unwrap()];
    assert!(section.contains("shop-&lt;api&gt;: baseline") && !section.contains("<api>"), "{section}");
    assert!(section.contains("<td>median 20.5s, was 10.5s (p = 0.002)</td><td>+8s to +12.5s</td>"), "{section}");
}

#[test]
fn a_run_that_was_cut_off_never_reads_as_passed() {
    let mut result = fixture::run();
    result.complete = false;
    result.outcome = Outcome::Passed;
    let page = page(&Html::default(), &result);
    assert!(page.contains("comeback: incomplete") && !page.contains("comeback: passed"));
}

#[test]
fn a_thousand_trials_stay_below_five_megabytes_and_unexpected_ones_are_drawn_first() {
    let mut result = fixture::run();
    let html = with_marks(&mut result);
    let marks = html.marks["timelines/drawn.jsonl"].clone();
    let failed = result.scenarios[1].clone();
    let mut many = failed.clone();
    many.trials = (0..1000)
        .map(|index| TrialResult { index, timeline: format!("t{index}"), ..failed.trials[(index % 3) as usize].clone() })
        .collect();
    result.scenarios = vec![many];
    let marks = Marks { marks: marks.marks.into_iter().cycle().take(60).collect(), ..marks };
    let html = Html { marks: (0..1000).map(|index| (format!("t{index}"), marks.clone())).collect() };
    let page = page(&html, &result);
    assert!(page.len() < 5_000_000, "{}", page.len());
    let drawn = drawn(&result.scenarios[0]);
    let unexpected = drawn.iter().filter(|trial| !result.scenarios[0].expect.contains(&trial.verdict)).count();
    assert_eq!((unexpected, drawn.len()), (MOST_UNEXPECTED, MOST_UNEXPECTED + DRAWN));
    assert!(page.contains("880 more trials"), "the others are rows of a table");
}

/// A colour's luminance (WCAG 2.2, "relative luminance").
fn luminance(color: &str) -> f64 {
    let part = |from: usize| f64::from(u8::from_str_radix(&color[from..from + 2], 16).unwrap()) / 255.0;
    let linear = |value: f64| if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) };
    0.2126f64.mul_add(linear(part(1)), 0.7152f64.mul_add(linear(part(3)), 0.0722 * linear(part(5))))
}

fn contrast(a: &str, b: &str) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn text_and_marks_stand_out_from_the_paper_in_light_and_dark() {
    assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9 && (contrast("#777777", "#ffffff") - 4.48).abs() < 0.01);
    let style = include_str!("page.css");
    let schemes: Vec<BTreeMap<&str, &str>> = style
        .split(":root {")
        .skip(1)
        .map(|block| {
            let block = block.split('}').next().unwrap();
            block.split(';').filter_map(|line| line.trim().strip_prefix("--")?.split_once(": ")).collect()
        })
        .collect();
    assert_eq!(schemes.len(), 2, "light and dark");
    for scheme in schemes {
        for behind in ["paper", "panel"] {
            // Texts 4.5 to 1 (WCAG 2.2, 1.4.3); what is only drawn 3 to 1 (1.4.11).
            for (colors, least) in [(&["ink", "soft", "good", "bad", "doubt", "accent"][..], 4.5), (&["axis", "span"], 3.0)] {
                for color in colors {
                    let found = contrast(scheme[color], scheme[behind]);
                    assert!(found >= least, "{color} {} on {behind} {}: {found:.2}", scheme[color], scheme[behind]);
                }
            }
        }
    }
}
