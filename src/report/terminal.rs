//! The report for people: a table, what failed and why, the success rate, the headline. Pure text: width and colours are given.
//! Progress while the run goes on is in `progress`.

mod failures;
mod gate;
mod headline;
mod rates;
mod summary_table;
mod worst;

use super::exporter::{ExportError, Exporter};
use super::style::Palette;
use crate::measure::result::RunResult;

/// `--report terminal`.
#[derive(Clone, Debug)]
pub struct Terminal {
    /// Columns of the terminal.
    pub width: usize,
    /// Colours.
    pub palette: Palette,
    /// Failures and headline only.
    pub quiet: bool,
    /// Where timelines lie, as the user would write it; absent where nothing was saved.
    pub run_directory: Option<String>,
}

impl Exporter for Terminal {
    fn serialize(&self, result: &RunResult) -> Result<Vec<u8>, ExportError> {
        Ok(self.text(result).into_bytes())
    }
}

impl Terminal {
    /// The whole report.
    #[must_use]
    pub fn text(&self, result: &RunResult) -> String {
        let mut sections = Vec::new();
        if !self.quiet {
            sections.push(headline::title(self, result));
            sections.push(summary_table::table(self, result));
        }
        sections.push(failures::failures(self, result));
        if !self.quiet {
            sections.push(rates::rates(self, result));
            sections.push(super::lift::terminal(result, self.width, self.palette));
            sections.push(worst::worst(self, result));
        }
        sections.push(gate::gate(self, result));
        sections.push(headline::headline(self, result));
        sections.retain(|section| !section.is_empty());
        sections.join("\n")
    }
}

impl Terminal {
    /// The gate and the headline alone, for `comeback gate`.
    #[must_use]
    pub fn gate_text(&self, result: &RunResult) -> String {
        let mut sections = vec![headline::title(self, result), gate::gate(self, result), headline::headline(self, result)];
        sections.retain(|section| !section.is_empty());
        sections.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use proptest::prelude::*;

    fn terminal(width: usize) -> Terminal {
        Terminal {
            width,
            palette: Palette { colors: false },
            quiet: false,
            run_directory: Some(".comeback/runs/20261121-080639-x7k2p".into()),
        }
    }

    #[test]
    fn at_120_columns() {
        insta::assert_snapshot!("terminal_120", terminal(120).text(&fixture::run()));
    }

    #[test]
    fn at_80_columns() {
        insta::assert_snapshot!("terminal_80", terminal(80).text(&fixture::run()));
    }

    #[test]
    fn quiet_says_what_failed_and_the_headline() {
        insta::assert_snapshot!("terminal_quiet", Terminal { quiet: true, ..terminal(100) }.text(&fixture::run()));
    }

    #[test]
    fn the_gate_at_80_columns() {
        let mut result = fixture::run();
        result.gate = Some(fixture::gate());
        insta::assert_snapshot!("gate_80", terminal(80).gate_text(&result));
        let quiet = Terminal { quiet: true, ..terminal(80) }.text(&result);
        assert!(quiet.contains("✗ Gate failed") && !quiet.contains("class crash"), "{quiet}");
    }

    #[test]
    fn a_run_that_was_cut_off_never_reads_as_passed() {
        let mut result = fixture::run();
        result.complete = false;
        result.scenarios.truncate(1);
        let text = terminal(100).text(&result);
        assert!(text.contains("INCOMPLETE"), "{text}");
        assert!(!text.contains("PASSED"), "{text}");
    }

    #[test]
    fn nothing_untrusted_reaches_the_terminal_raw() {
        let text = terminal(100).text(&fixture::run());
        assert!(!text.contains(['\u{1b}', '\0']));
        let colored = Terminal { palette: Palette { colors: true }, ..terminal(100) }.text(&fixture::run());
        assert!(colored.contains("\u{1b}[31m"));
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(width in 72usize..200) {
            let text = terminal(width).text(&fixture::run());
            // A command to paste is never broken.
            let wide = text.lines().filter(|line| !line.contains("comeback run ")).find(|line| line.chars().count() > width);
            prop_assert_eq!(wide, None);
        }
    }
}
