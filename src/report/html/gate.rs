//! The gate's table of the page: every objective, what was required and seen, and what to do.

use super::{escaped, tone};
use crate::measure::result::RunResult;
use crate::report::gate::{HEADERS, headline, rows};
use crate::report::style::mark;
use std::fmt::Write as _;

/// The section; empty where there is no gate.
pub(super) fn section(result: &RunResult) -> String {
    let Some(gate) = &result.gate else { return String::new() };
    let mut out = format!(
        "<section>\n<h2 class=\"{}\">{} Gate {}</h2>\n",
        tone(gate.outcome),
        mark(gate.outcome).0,
        escaped(&headline(gate))
    );
    if let Some(why) = gate.baseline.as_ref().and_then(|baseline| baseline.not_comparable.as_deref()) {
        let _ = writeln!(out, "<p class=\"doubt\">Nothing can be said by comparing: {}</p>", escaped(why));
    }
    out.push_str("<div class=\"wide\"><table>\n<thead><tr><th></th>");
    for header in HEADERS.iter().chain(&["WHAT TO DO"]) {
        let _ = write!(out, "<th>{}</th>", header.to_lowercase());
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows(gate) {
        let _ = writeln!(
            out,
            "<tr><td class=\"{}\">{}</td><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            tone(row.outcome),
            row.mark,
            escaped(&row.objective),
            escaped(&row.required),
            escaped(&row.observed),
            escaped(&row.interval),
            escaped(row.next.as_deref().unwrap_or("–"))
        );
    }
    out.push_str("</tbody>\n</table></div>\n</section>\n");
    out
}
