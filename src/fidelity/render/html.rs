//! The comparison as one HTML file without scripts and without anything to load.

use crate::fidelity::known::Sorted;
use crate::fidelity::recording::Recording;
use crate::fidelity::report::Report;
use crate::fidelity::timeline::{Mark, Moment, rows, title};
use crate::fidelity::tolerances::Tolerances;
use std::fmt::Write as _;

const STYLE: &str = "body{font:14px/1.4 system-ui,sans-serif;margin:2em auto;max-width:76em;padding:0 1em;color:#222;background:#fff}\
table{border-collapse:collapse;width:100%;margin:.5em 0 2em;table-layout:fixed}td,th{vertical-align:top;text-align:left;padding:.15em .5em;\
border-top:1px solid #ddd;overflow-wrap:anywhere}th:nth-child(odd),td.t{width:5.5em}td.t{text-align:right;font-variant-numeric:tabular-nums;\
color:#666}tr.passing td{color:#777}tr.parted td{background:#fde8e8}tr.first td{border-top:3px solid #c22}.bad{color:#a11}.good{color:#171}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}td,th{border-color:#333}td.t,tr.passing td{color:#999}\
tr.parted td{background:#411}.bad{color:#f99}.good{color:#9d9}}";

/// The page.
#[must_use]
pub fn render(report: &Report, sorted: &Sorted, recording: &Recording, tolerances: &Tolerances) -> String {
    let name = escape(&report.name);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name}: recorded and simulated</title>\
<meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\n<body>\n<h1>{name}</h1>\n"
    );
    let class = if report.divergences.is_empty() { "good" } else { "bad" };
    let _ = writeln!(out, "<p class=\"{class}\">{}</p>", escape(&report.summary()));
    let mut list = |heading: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let items: String = lines.iter().map(|line| format!("<li>{}</li>\n", escape(line))).collect();
            let _ = writeln!(out, "<h2>{heading}</h2>\n<ul>\n{items}</ul>");
        }
    };
    list("Divergences", sorted.new.iter().map(ToString::to_string).collect());
    list(
        "Known divergences",
        sorted.known.iter().map(|(divergence, reason)| format!("{divergence} (known: {reason})")).collect(),
    );
    for pair in &report.pairs {
        let _ = writeln!(out, "<h2>{}</h2>\n<table>", escape(&title(pair)));
        out.push_str("<tr><th></th><th>recorded</th><th></th><th>simulated, first seed</th></tr>\n");
        let mut parted = false;
        for row in rows(pair, recording, tolerances) {
            let class = match row.mark {
                Mark::Same => "same",
                Mark::Passing => "passing",
                Mark::Parted if parted => "parted",
                Mark::Parted => "parted first",
            };
            parted |= row.mark == Mark::Parted;
            let cells = [&row.recorded, &row.simulated].map(|moment| cells(moment.as_ref())).concat();
            let _ = writeln!(out, "<tr class=\"{class}\">{cells}</tr>");
        }
        out.push_str("</table>\n");
    }
    out + "</body></html>\n"
}

fn cells(moment: Option<&Moment>) -> String {
    moment.map_or_else(
        || "<td class=\"t\"></td><td></td>".to_owned(),
        |moment| format!("<td class=\"t\">{:.1}s</td><td>{}</td>", moment.at, escape(&moment.text)),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
