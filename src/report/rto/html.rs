//! The RTO report as one self-contained page, with the style and the rules of the run's page: no script, no network.

use super::{name, notes, target, trend};
use crate::history::rto::{RtoReport, RtoRow};
use crate::report::format::{interval, percent};
use crate::report::history::median;
use crate::report::html::{escaped, interval_bar};
use std::fmt::Write as _;

/// The page.
#[must_use]
pub fn html(report: &RtoReport) -> String {
    let since = report
        .since
        .as_deref()
        .map_or_else(|| "all runs".to_owned(), |since| format!("runs since {}", since.get(..10).unwrap_or(since)));
    let simulated =
        if report.environments.values().any(|one| one.simulated) { " <small>(simulated in part or whole)</small>" } else { "" };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>comeback: recovery time objectives</title>\n<style>\n{}</style>\n</head>\n\
         <body>\n<main>\n<header>\n<h1>Recovery time objectives{simulated}</h1>\n<p>{}</p>\n</header>\n",
        include_str!("../html/page.css"),
        escaped(&since)
    );
    section(&mut page, "By class", &report.classes);
    section(&mut page, "By scenario", &report.scenarios);
    page.push_str("<section>\n<h2>Environments</h2>\n<div class=\"wide\"><table>\n<tbody>\n");
    for (id, environment) in &report.environments {
        let _ = writeln!(page, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escaped(id), escaped(&environment.text));
    }
    let _ = write!(
        page,
        "</tbody>\n</table></div>\n<p class=\"note\">{}</p>\n</section>\n</main>\n</body>\n</html>\n",
        escaped(&notes(report))
    );
    page
}

fn section(page: &mut String, title: &str, rows: &[RtoRow]) {
    let _ = writeln!(page, "<section>\n<h2>{title}</h2>");
    if rows.is_empty() {
        page.push_str("<p>no trials in this time</p>\n</section>\n");
        return;
    }
    page.push_str(
        "<div class=\"wide\"><table>\n<thead><tr><th>class</th><th>scenario</th><th class=\"number\">RTO</th>\
         <th class=\"number\">detect</th><th class=\"number\">recover</th><th class=\"number\">within the RTO</th>\
         <th>interval</th><th>trend</th><th>last run</th><th>environment</th></tr></thead>\n<tbody>\n",
    );
    for row in rows {
        let rate = row.within_rto.as_ref().filter(|rate| rate.n > 0);
        let share = rate.map_or_else(
            || "–".to_owned(),
            |rate| format!("{} of {} ({})", rate.successes, rate.n, percent(rate.observed.unwrap_or(0.0))),
        );
        let bar = rate.map_or_else(String::new, |rate| format!("{}<br>{}", interval_bar(rate), escaped(&interval(rate))));
        let _ = writeln!(
            page,
            "<tr class=\"{}\"><td>{}</td><th scope=\"row\">{}</th><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td><td class=\"number\">{share}</td><td class=\"keep\">{bar}</td><td class=\"keep\">{}</td><td class=\"keep\">{}</td>\
             <td class=\"identity\">{}</td></tr>",
            if row.latest { "" } else { "faint" },
            escaped(&row.class),
            escaped(&name(row)),
            escaped(&target(row)),
            escaped(&median(row.detection.as_ref())),
            escaped(&median(row.recovery.as_ref())),
            escaped(&trend(row)),
            escaped(&row.last),
            escaped(&row.fingerprint),
        );
    }
    page.push_str("</tbody>\n</table></div>\n</section>\n");
}
