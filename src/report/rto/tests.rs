//! The three looks of the RTO report, of the same cells.

use super::*;
use crate::history::rto::report;
use crate::history::trend::tests::cell;
use crate::measure::result::Fingerprint;
use crate::report::style::Palette;

/// Two scenarios, one of which moved to another cluster, and one with a name that is no text for a page.
fn made() -> RtoReport {
    let mut cells = vec![
        cell("pod-deleted", "0f", 2960, 12, 25.0),
        cell("pod-deleted", "1a", 2961, 20, 5.0),
        cell("pod-deleted", "1a", 2962, 10, 35.0),
        cell("=oom<script>alert(1)</script>", "1a", 2962, 20, 4.0),
    ];
    if let Some(sample) = cells[2].recoveries.last_mut() {
        (sample.value, sample.censored) = (300.0, true);
    }
    let of = |version: &str, simulated| Fingerprint { kubernetes: version.into(), nodes: 3, simulated, ..Fingerprint::default() };
    report(&cells, &[("0f".into(), of("v1.35.4", false)), ("1a".into(), of("v1.36.2", false))], Some(1_793_620_800_000_000))
}

#[test]
fn the_table_fits_eighty_columns() {
    let text = terminal(&made(), Page { width: 80, palette: Palette { colors: false } });
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!("rto_80", text);
    insta::assert_snapshot!("rto_140", terminal(&made(), Page { width: 140, palette: Palette { colors: false } }));
}

#[test]
fn the_page_is_whole_and_nothing_in_it_is_markup_of_others() {
    let page = html(&made());
    assert!(!page.contains("<script"), "{page}");
    assert!(page.contains("pod-deleted") && page.contains("before a change of environment") && page.ends_with("</html>\n"));
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn every_csv_row_has_every_column_and_no_cell_is_a_formula() {
    let bytes = csv(&made()).unwrap();
    let mut reader = ::csv::Reader::from_reader(bytes.as_slice());
    let rows: Vec<::csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.iter().all(|cell| !cell.starts_with('='))));
    let latest: Vec<_> = rows
        .iter()
        .filter(|row| &row[1] == "pod-deleted")
        .map(|row| (row[3].to_owned(), row[11].to_owned(), row[20].to_owned()))
        .collect();
    assert_eq!(
        latest,
        [("true".to_owned(), "30".to_owned(), "worse".to_owned()), ("false".to_owned(), "12".to_owned(), "tooFew".to_owned())]
    );
}
