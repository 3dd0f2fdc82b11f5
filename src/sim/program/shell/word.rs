//! Words taken apart: quotes, parameters, substitutions.
//! Expanding the pieces is `expand`.

use super::lower::{self, Refusal};
use super::parse;
use super::syntax::{Operation, Parameter, Piece, Word};
use brush_parser::ParserOptions;
use brush_parser::word::{self as parsed, ParameterExpr, ParameterTestType, SpecialParameter, SubstringMatchKind, WordPiece};
use std::sync::Arc;

/// A word that is only quoted text.
pub fn plain_word(text: &str) -> Word {
    Arc::new(vec![Piece::Quoted(text.to_owned())])
}

/// A word as it stands in a command.
pub fn lower_word(text: &str) -> Result<Word, Refusal> {
    // The usual word has nothing special in it.
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+:,@%=".contains(&byte)) {
        return Ok(Arc::new(vec![Piece::Text(text.to_owned())]));
    }
    // No directory stack is so deep, and no user has such a name: the tilde stays. The parser panics at the number.
    let tilde = !(text.contains('~') && parse::has_long_number(&format!("{text}/"), |_| true));
    let options = ParserOptions { tilde_expansion_at_word_start: tilde, ..parse::options() };
    let pieces = parsed::parse(text, &options).map_err(|_| missing(text))?;
    Ok(Arc::new(lower_pieces(pieces, false)?))
}

/// Text in which only `$`, backquotes and backslashes are special: here-documents, arithmetic.
pub fn heredoc(text: &str) -> Result<Word, Refusal> {
    let pieces = parsed::parse_heredoc(text, &parse::options()).map_err(|_| missing(text))?;
    Ok(Arc::new(vec![Piece::Double(lower_pieces(pieces, true)?)]))
}

fn missing(text: &str) -> Refusal {
    if text.contains("${") { "missing '}'" } else { "unterminated quoted string" }.to_owned()
}

fn lower_pieces(pieces: Vec<parsed::WordPieceWithSource>, quoted: bool) -> Result<Vec<Piece>, Refusal> {
    pieces.into_iter().map(|piece| lower_piece(piece.piece, quoted)).collect()
}

fn lower_piece(piece: WordPiece, quoted: bool) -> Result<Piece, Refusal> {
    Ok(match piece {
        WordPiece::Text(text) if quoted => Piece::Quoted(text.replace("\\\n", "")),
        WordPiece::Text(text) => Piece::Text(text),
        WordPiece::SingleQuotedText(text) => Piece::Quoted(text),
        WordPiece::AnsiCQuotedText(text) => {
            Piece::Quoted(String::from_utf8_lossy(&crate::sim::program::command::format::unescape(&text).0).into_owned())
        }
        WordPiece::DoubleQuotedSequence(inner) | WordPiece::GettextDoubleQuotedSequence(inner) => {
            Piece::Double(lower_pieces(inner, true)?)
        }
        WordPiece::TildeExpansion(parsed::TildeExpr::Home) => Piece::Tilde(String::new()),
        WordPiece::TildeExpansion(parsed::TildeExpr::UserHome(user)) => Piece::Tilde(user),
        WordPiece::TildeExpansion(_) => Piece::Text("~".to_owned()),
        WordPiece::EscapeSequence(text) => {
            let rest = text.strip_prefix('\\').unwrap_or(&text);
            Piece::Quoted(if rest == "\n" { String::new() } else { rest.to_owned() })
        }
        WordPiece::CommandSubstitution(script) | WordPiece::BackquotedCommandSubstitution(script) => {
            let program = parse::whole(&script)?;
            Piece::Command(lower::program(&program)?)
        }
        WordPiece::ArithmeticExpression(expression) => {
            let text = expression.value;
            match brush_parser::arithmetic::parse(&text) {
                Ok(tree) if !text.contains(['$', '`', '"', '\'', '\\']) && !text.trim().is_empty() => {
                    Piece::Arithmetic(Box::new(tree))
                }
                _ => Piece::ExpandedArithmetic(heredoc(&text)?),
            }
        }
        WordPiece::ParameterExpansion(expression) => lower_parameter(expression, quoted)?,
    })
}

fn lower_name(parameter: parsed::Parameter) -> Option<Parameter> {
    Some(match parameter {
        parsed::Parameter::Positional(number) => Parameter::Positional(usize::try_from(number).unwrap_or(usize::MAX)),
        parsed::Parameter::Named(name) => Parameter::Variable(name),
        parsed::Parameter::NamedWithIndex { .. } | parsed::Parameter::NamedWithAllIndices { .. } => return None,
        parsed::Parameter::Special(special) => match special {
            SpecialParameter::AllPositionalParameters { concatenate } => Parameter::All(concatenate),
            SpecialParameter::PositionalParameterCount => Parameter::Count,
            SpecialParameter::LastExitStatus => Parameter::Status,
            SpecialParameter::CurrentOptionFlags => Parameter::Flags,
            SpecialParameter::ProcessId => Parameter::Pid,
            SpecialParameter::LastBackgroundProcessId => Parameter::LastBackground,
            SpecialParameter::ShellName => Parameter::Zero,
        },
    })
}

/// The word inside `${…}`: in double quotes, single quotes are ordinary characters.
fn inner(text: Option<&str>, quoted: bool) -> Result<Word, Refusal> {
    match text {
        None => Ok(Word::default()),
        Some(text) if quoted && !text.contains('"') => heredoc(text),
        Some(text) => lower_word(text),
    }
}

fn lower_parameter(expression: ParameterExpr, quoted: bool) -> Result<Piece, Refusal> {
    use ParameterExpr as Expr;
    let empty_counts = |test: ParameterTestType| matches!(test, ParameterTestType::UnsetOrNull);
    let pattern = |text: Option<String>| inner(text.as_deref(), false);
    let (name, operation) = match expression {
        Expr::Parameter { parameter, indirect: false } => (parameter, Operation::Plain),
        Expr::UseDefaultValues { parameter, indirect: false, test_type, default_value } => {
            (parameter, Operation::Default(empty_counts(test_type), inner(default_value.as_deref(), quoted)?))
        }
        Expr::AssignDefaultValues { parameter, indirect: false, test_type, default_value } => {
            (parameter, Operation::Assign(empty_counts(test_type), inner(default_value.as_deref(), quoted)?))
        }
        Expr::IndicateErrorIfNullOrUnset { parameter, indirect: false, test_type, error_message } => {
            let message = error_message.filter(|text| !text.is_empty()).map(|text| inner(Some(&text), quoted)).transpose()?;
            (parameter, Operation::Error(empty_counts(test_type), message))
        }
        Expr::UseAlternativeValue { parameter, indirect: false, test_type, alternative_value } => {
            (parameter, Operation::Alternative(empty_counts(test_type), inner(alternative_value.as_deref(), quoted)?))
        }
        Expr::ParameterLength { parameter, indirect: false } => (parameter, Operation::Length),
        Expr::RemoveSmallestPrefixPattern { parameter, indirect: false, pattern: text } => {
            (parameter, Operation::RemovePrefix(false, pattern(text)?))
        }
        Expr::RemoveLargestPrefixPattern { parameter, indirect: false, pattern: text } => {
            (parameter, Operation::RemovePrefix(true, pattern(text)?))
        }
        Expr::RemoveSmallestSuffixPattern { parameter, indirect: false, pattern: text } => {
            (parameter, Operation::RemoveSuffix(false, pattern(text)?))
        }
        Expr::RemoveLargestSuffixPattern { parameter, indirect: false, pattern: text } => {
            (parameter, Operation::RemoveSuffix(true, pattern(text)?))
        }
        Expr::Substring { parameter, indirect: false, offset, length } => {
            let length = length.map(|length| heredoc(&length.value)).transpose()?;
            (parameter, Operation::Substring(heredoc(&offset.value)?, length))
        }
        Expr::ReplaceSubstring { parameter, indirect: false, pattern: text, replacement, match_kind } => {
            let (all, text) = match match_kind {
                SubstringMatchKind::FirstOccurrence => (false, text),
                SubstringMatchKind::Anywhere => (true, text),
                // ash has no anchors: `#` and `%` belong to the pattern.
                SubstringMatchKind::Prefix => (false, format!("#{text}")),
                SubstringMatchKind::Suffix => (false, format!("%{text}")),
            };
            (parameter, Operation::Replace(all, pattern(Some(text))?, inner(replacement.as_deref(), quoted)?))
        }
        _ => return Ok(Piece::BadSubstitution),
    };
    Ok(lower_name(name).map_or(Piece::BadSubstitution, |name| Piece::Parameter(name, operation)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Found beside what fuzzing found: the parser panicked.
    #[test]
    fn a_tilde_before_a_long_number_is_only_a_tilde() {
        let word = lower_word("~+99999999999999999999999/\"x\"").unwrap();
        assert!(matches!(&word[0], Piece::Text(text) if text.starts_with('~')), "{word:?}");
        assert!(matches!(&lower_word("~/\"x\"").unwrap()[0], Piece::Tilde(_)));
    }
}
