//! Layout of plain text: wrapping at words and hyphens, and a table that shrinks by wrapping, then by leaving columns out.
//! Knows nothing of results.

use super::style::{Palette, Tone};

/// Where lines may be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// After spaces: in sentences, so that names of pods stay whole.
    Words,
    /// After hyphens and slashes too: in narrow cells.
    Names,
}

/// Splits `text` into lines of at most `width` characters. A no-break space (U+00A0) never ends a line, and comes out as a space.
#[must_use]
pub fn wrap(text: &str, width: usize, at: Break) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for piece in pieces(text, at) {
        let mut piece: Vec<char> = piece.chars().collect();
        let visible = piece.iter().rposition(|c| *c != ' ').map_or(0, |last| last + 1);
        if used > 0 && used + visible > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        while piece.len() > width && visible > width {
            let rest = piece.split_off(width);
            lines.push(piece.into_iter().collect());
            piece = rest;
        }
        used += piece.len();
        line.extend(piece);
    }
    lines.push(line);
    lines.iter().map(|line| line.trim_end().replace('\u{a0}', " ")).collect()
}

/// The unbreakable pieces of a text, each with the separator that ends it.
fn pieces(text: &str, at: Break) -> impl Iterator<Item = &str> {
    text.split_inclusive(move |c| c == ' ' || at == Break::Names && matches!(c, '-' | '/'))
}

/// `text` wrapped behind `label`, continued under its own beginning.
#[must_use]
pub fn hanging(label: &str, text: &str, width: usize) -> String {
    let indent = label.chars().count();
    paragraph(indent, text, width).replacen(&" ".repeat(indent), label, 1)
}

/// `text` wrapped, with all its lines but the first further in than `indent`.
#[must_use]
pub fn outdented(indent: usize, text: &str, width: usize) -> String {
    paragraph(indent + 2, text, width).split_off(2)
}

fn paragraph(indent: usize, text: &str, width: usize) -> String {
    let lines = wrap(text, width.saturating_sub(indent).max(20), Break::Words);
    lines.iter().fold(String::new(), |out, line| out + &" ".repeat(indent) + line + "\n")
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading.
    pub header: &'static str,
    /// Numbers stand at the right.
    pub right: bool,
    /// Whether cells may be broken into lines.
    pub wraps: bool,
    /// The order in which columns are left out when the terminal is narrow, lowest first; `None`: never.
    pub leave_out: Option<u8>,
}

/// One cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// Its text.
    pub text: String,
    /// Its meaning.
    pub tone: Tone,
}

impl Cell {
    /// A cell.
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }
}

const GAP: usize = 2;

/// A table of at most `width` columns wherever its unbreakable pieces allow that.
#[must_use]
pub fn table(columns: &[Column], rows: &[Vec<Cell>], width: usize, palette: Palette) -> String {
    let (shown, widths) = fit(columns, rows, width);
    let mut out = String::new();
    let header: Vec<Cell> = columns.iter().map(|column| Cell::new(column.header, Tone::Strong)).collect();
    for row in std::iter::once(&header).chain(rows) {
        let cells: Vec<Vec<String>> = shown
            .iter()
            .zip(&widths)
            .map(|(index, width)| row.get(*index).map_or_else(Vec::new, |cell| wrap(&cell.text, *width, Break::Names)))
            .collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            let mut text = String::new();
            for ((index, width), lines) in shown.iter().zip(&widths).zip(&cells) {
                let part = lines.get(line).map_or("", String::as_str);
                let padding = " ".repeat(width.saturating_sub(part.chars().count()));
                let tone = row.get(*index).map_or(Tone::Plain, |cell| cell.tone);
                let painted = palette.paint(tone, part);
                if columns.get(*index).is_some_and(|column| column.right) {
                    text.push_str(&padding);
                    text.push_str(&painted);
                } else {
                    text.push_str(&painted);
                    text.push_str(&padding);
                }
                text.push_str(&" ".repeat(GAP));
            }
            out.push_str(text.trim_end());
            out.push('\n');
        }
    }
    out
}

/// Which columns are shown, and how wide each is.
fn fit(columns: &[Column], rows: &[Vec<Cell>], width: usize) -> (Vec<usize>, Vec<usize>) {
    let texts = |index: usize| rows.iter().filter_map(move |row| row.get(index)).map(|cell| cell.text.as_str());
    let natural: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            texts(index).map(|text| text.chars().count()).chain([column.header.chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let least: Vec<usize> = columns
        .iter()
        .enumerate()
        .zip(&natural)
        .map(|((index, column), natural)| {
            if !column.wraps {
                return *natural;
            }
            let longest =
                |text: &str| pieces(text, Break::Names).map(|piece| piece.trim_end().chars().count()).max().unwrap_or(0);
            // Narrower than this, a name is a column of syllables.
            texts(index).map(longest).chain([column.header.chars().count(), (*natural).min(14)]).max().unwrap_or(0)
        })
        .collect();
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let total = |shown: &[usize], widths: &[usize]| {
        shown.iter().filter_map(|index| widths.get(*index)).sum::<usize>() + GAP * shown.len().saturating_sub(1)
    };
    while total(&shown, &least) > width {
        let next = shown
            .iter()
            .filter_map(|index| columns.get(*index).and_then(|column| column.leave_out).map(|order| (order, *index)))
            .min();
        let Some((_, next)) = next else { break };
        shown.retain(|index| *index != next);
    }
    let mut widths = least.clone();
    let mut spare = width.saturating_sub(total(&shown, &least));
    for index in &shown {
        if let (Some(current), Some(natural)) = (widths.get_mut(*index), natural.get(*index)) {
            let more = natural.saturating_sub(*current).min(spare);
            *current += more;
            spare -= more;
        }
    }
    let widths = shown.iter().filter_map(|index| widths.get(*index).copied()).collect();
    (shown, widths)
}

/// At most `length` characters of `text`; a longer one ends with a mark.
#[must_use]
pub fn cut(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} more bytes)", &text[..end], text.len() - end),
    }
}

/// The last `length` characters of `text`, after a mark: the end of a pod's name is what tells pods apart.
#[must_use]
pub fn tail(text: &str, length: usize) -> String {
    let skipped = text.chars().count().saturating_sub(length.saturating_sub(1));
    format!("…{}", text.chars().skip(skipped).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wraps_after_spaces_and_hyphens() {
        assert_eq!(wrap("crash-after-config-change", 14, Break::Names), ["crash-after-", "config-change"]);
        assert_eq!(wrap("two words", 4, Break::Words), ["two", "word", "s"]);
        assert_eq!(wrap("in pod-a", 5, Break::Words), ["in", "pod-a"]);
        assert_eq!(wrap("1\u{a0}late, 1\u{a0}quiet", 9, Break::Names), ["1 late,", "1 quiet"]);
        assert_eq!(wrap("", 4, Break::Words), [""]);
    }

    #[test]
    fn continues_under_the_text() {
        assert_eq!(hanging("note: ", "one two three four five six", 26), "note: one two three four\n      five six\n");
        assert_eq!(outdented(2, "one two three four five six", 24), "  one two three four\n    five six\n");
    }

    #[test]
    fn leaves_columns_out_only_when_wrapping_does_not_help() {
        let columns = [
            Column { header: "NAME", right: false, wraps: true, leave_out: None },
            Column { header: "WHY", right: false, wraps: false, leave_out: Some(0) },
        ];
        let rows = [vec![Cell::new("a-long-name-of-words", Tone::Plain), Cell::new("because", Tone::Plain)]];
        let palette = Palette { colors: false };
        assert_eq!(table(&columns, &rows, 40, palette), "NAME                  WHY\na-long-name-of-words  because\n");
        assert_eq!(table(&columns, &rows, 24, palette), "NAME             WHY\na-long-name-of-  because\nwords\n");
        assert_eq!(table(&columns, &rows, 15, palette), "NAME\na-long-name-of-\nwords\n");
    }

    proptest! {
        #[test]
        fn wrapping_keeps_every_character_and_the_width(text in "[a-z /-]{0,60}", width in 1usize..30) {
            let lines = wrap(&text, width, Break::Names);
            prop_assert!(lines.iter().all(|line| line.chars().count() <= width));
            let kept: String = lines.concat().chars().filter(|c| *c != ' ').collect();
            let given: String = text.chars().filter(|c| *c != ' ').collect();
            prop_assert_eq!(kept, given);
        }
    }
}
