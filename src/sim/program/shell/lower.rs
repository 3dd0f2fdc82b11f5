//! From the parser's tree to the interpreter's: what ash refuses becomes a syntax error, what is not simulated a named gap.
//! Words are taken apart in `word`.

use super::syntax::{Body, Command, Item, List, Pipeline, Position, Redirect, RedirectAction, Test, Word};
use super::word::{heredoc, lower_word, plain_word};
use brush_parser::SourceSpan;
use brush_parser::ast;
use brush_parser::ast::SourceLocation as _;
use std::sync::Arc;

/// Why a tree cannot be run: ash's message after `syntax error: `.
pub type Refusal = String;

/// Lowers a whole program.
pub fn program(program: &ast::Program) -> Result<List, Refusal> {
    let mut items = Vec::new();
    for command in &program.complete_commands {
        append(command, &mut items)?;
    }
    Ok(Arc::new(items))
}

fn append(list: &ast::CompoundList, items: &mut Vec<Item>) -> Result<(), Refusal> {
    for ast::CompoundListItem(and_or, separator) in &list.0 {
        let mut rest = Vec::new();
        for other in &and_or.additional {
            rest.push(match other {
                ast::AndOr::And(pipeline) => (true, lower_pipeline(pipeline)?),
                ast::AndOr::Or(pipeline) => (false, lower_pipeline(pipeline)?),
            });
        }
        let background = matches!(separator, ast::SeparatorOperator::Async);
        items.push(Item { first: lower_pipeline(&and_or.first)?, rest, background });
    }
    Ok(())
}

fn lower_list(list: &ast::CompoundList) -> Result<List, Refusal> {
    let mut items = Vec::new();
    append(list, &mut items)?;
    Ok(Arc::new(items))
}

fn lower_pipeline(pipeline: &ast::Pipeline) -> Result<Pipeline, Refusal> {
    let commands = pipeline.seq.iter().map(|command| command_of(command).map(Arc::new)).collect::<Result<_, _>>()?;
    Ok(Pipeline { negated: pipeline.bang, timed: pipeline.timed.is_some(), commands })
}

fn position(span: Option<&SourceSpan>) -> Position {
    span.map_or_else(Position::default, |span| Position { line: span.start.line, column: span.start.column })
}

fn command_of(command: &ast::Command) -> Result<Command, Refusal> {
    match command {
        ast::Command::Simple(simple) => lower_simple(simple),
        ast::Command::Compound(compound, redirects) => lower_compound(compound, redirects.as_ref()),
        ast::Command::Function(function) => {
            let ast::FunctionBody(body, redirects) = &function.body;
            let inner = lower_compound(body, redirects.as_ref())?;
            Ok(Command {
                position: position(function.fname.loc.as_ref()),
                body: Body::Function(function.fname.value.clone(), Arc::new(inner)),
                redirects: Vec::new(),
            })
        }
        ast::Command::ExtendedTest(test, redirects) => Ok(Command {
            body: Body::Test(lower_test(&test.expr)?),
            redirects: lower_redirects(redirects.as_ref())?,
            position: position(Some(&test.loc)),
        }),
    }
}

fn lower_simple(simple: &ast::SimpleCommand) -> Result<Command, Refusal> {
    let (mut assignments, mut words, mut redirects) = (Vec::new(), Vec::new(), Vec::new());
    for item in simple.prefix.iter().flat_map(|prefix| &prefix.0) {
        match item {
            ast::CommandPrefixOrSuffixItem::IoRedirect(redirect) => redirects.push(lower_redirect(redirect)?),
            ast::CommandPrefixOrSuffixItem::AssignmentWord(assignment, _) => {
                assignments.push(lower_assignment(assignment)?);
            }
            ast::CommandPrefixOrSuffixItem::Word(word) => words.push(lower_word(&word.value)?),
            ast::CommandPrefixOrSuffixItem::ProcessSubstitution(..) => return Err("unexpected \"(\"".to_owned()),
        }
    }
    if let Some(word) = &simple.word_or_name {
        words.push(lower_word(&word.value)?);
    }
    for item in simple.suffix.iter().flat_map(|suffix| &suffix.0) {
        match item {
            ast::CommandPrefixOrSuffixItem::IoRedirect(redirect) => redirects.push(lower_redirect(redirect)?),
            ast::CommandPrefixOrSuffixItem::AssignmentWord(assignment, word) => {
                if matches!(assignment.value, ast::AssignmentValue::Array(_)) {
                    return Err("unexpected \"(\"".to_owned());
                }
                words.push(lower_word(&word.value)?);
            }
            ast::CommandPrefixOrSuffixItem::Word(word) => words.push(lower_word(&word.value)?),
            ast::CommandPrefixOrSuffixItem::ProcessSubstitution(..) => return Err("unexpected \"(\"".to_owned()),
        }
    }
    let begins = simple.word_or_name.as_ref().and_then(|word| word.loc.clone()).or_else(|| simple.location());
    Ok(Command { body: Body::Simple { assignments, words }, redirects, position: position(begins.as_ref()) })
}

fn lower_assignment(assignment: &ast::Assignment) -> Result<(String, Word), Refusal> {
    let (ast::AssignmentName::VariableName(name), ast::AssignmentValue::Scalar(value)) = (&assignment.name, &assignment.value)
    else {
        return Err("unexpected \"(\"".to_owned());
    };
    // ash has no `+=`: the word is a command there.
    if assignment.append {
        return Ok((format!("{name}+"), lower_word(&value.value)?));
    }
    Ok((name.clone(), lower_word(&value.value)?))
}

fn lower_compound(compound: &ast::CompoundCommand, redirects: Option<&ast::RedirectList>) -> Result<Command, Refusal> {
    let body = match compound {
        ast::CompoundCommand::Arithmetic(_) => Body::Unsupported("(( )) as a command"),
        ast::CompoundCommand::ArithmeticForClause(_) => return Err("bad for loop variable".to_owned()),
        ast::CompoundCommand::BraceGroup(group) => Body::Group(lower_list(&group.list)?),
        ast::CompoundCommand::Subshell(subshell) => Body::Subshell(lower_list(&subshell.list)?),
        ast::CompoundCommand::ForClause(clause) => Body::For {
            name: clause.variable_name.clone(),
            words: clause
                .values
                .as_ref()
                .map(|words| words.iter().map(|word| lower_word(&word.value)).collect::<Result<Vec<_>, _>>())
                .transpose()?,
            body: lower_list(&clause.body.list)?,
        },
        ast::CompoundCommand::CaseClause(clause) => {
            let mut arms = Vec::new();
            for case in &clause.cases {
                if !matches!(case.post_action, ast::CaseItemPostAction::ExitCase) {
                    return Err("unexpected \";&\"".to_owned());
                }
                let patterns = case.patterns.iter().map(|word| lower_word(&word.value)).collect::<Result<Vec<_>, _>>()?;
                arms.push((patterns, case.cmd.as_ref().map(lower_list).transpose()?.unwrap_or_default()));
            }
            Body::Case { value: lower_word(&clause.value.value)?, arms }
        }
        ast::CompoundCommand::IfClause(clause) => {
            let mut branches = vec![(lower_list(&clause.condition)?, lower_list(&clause.then)?)];
            let mut otherwise = None;
            for part in clause.elses.iter().flatten() {
                let body = lower_list(&part.body)?;
                match &part.condition {
                    Some(condition) => branches.push((lower_list(condition)?, body)),
                    None => otherwise = Some(body),
                }
            }
            Body::If { branches, otherwise }
        }
        ast::CompoundCommand::WhileClause(ast::WhileOrUntilClauseCommand(condition, body, _)) => {
            Body::Loop { until: false, condition: lower_list(condition)?, body: lower_list(&body.list)? }
        }
        ast::CompoundCommand::UntilClause(ast::WhileOrUntilClauseCommand(condition, body, _)) => {
            Body::Loop { until: true, condition: lower_list(condition)?, body: lower_list(&body.list)? }
        }
        ast::CompoundCommand::Coprocess(_) => Body::Unsupported("coproc"),
    };
    let redirects = lower_redirects(redirects)?;
    Ok(Command { body, redirects, position: position(compound.location().as_ref()) })
}

fn lower_redirects(redirects: Option<&ast::RedirectList>) -> Result<Vec<Redirect>, Refusal> {
    redirects.into_iter().flat_map(|list| &list.0).map(lower_redirect).collect()
}

fn lower_redirect(redirect: &ast::IoRedirect) -> Result<Redirect, Refusal> {
    use ast::IoFileRedirectKind as Kind;
    let (number, action) = match redirect {
        ast::IoRedirect::File(number, kind, target) => {
            let word = match target {
                ast::IoFileRedirectTarget::Filename(word) | ast::IoFileRedirectTarget::Duplicate(word) => {
                    lower_word(&word.value)?
                }
                ast::IoFileRedirectTarget::Fd(number) => plain_word(&number.to_string()),
                ast::IoFileRedirectTarget::ProcessSubstitution(..) => return Err("unexpected redirection".to_owned()),
            };
            let action = match kind {
                Kind::Read => RedirectAction::Read(word),
                Kind::Write | Kind::Clobber => RedirectAction::Write(word),
                Kind::Append => RedirectAction::Append(word),
                Kind::ReadAndWrite => RedirectAction::ReadWrite(word),
                Kind::DuplicateInput => RedirectAction::Duplicate(word, false),
                Kind::DuplicateOutput => RedirectAction::Duplicate(word, true),
            };
            (*number, action)
        }
        ast::IoRedirect::HereDocument(number, document) => {
            let mut text = document.doc.value.clone();
            if document.remove_tabs {
                text = text.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect();
            }
            let word = if document.requires_expansion { heredoc(&text)? } else { plain_word(&text) };
            (*number, RedirectAction::Here(word))
        }
        ast::IoRedirect::HereString(..) => return Err("unexpected redirection".to_owned()),
        ast::IoRedirect::OutputAndError(word, append) => (None, RedirectAction::Both(lower_word(&word.value)?, *append)),
    };
    Ok(Redirect { number, action })
}

fn lower_test(expression: &ast::ExtendedTestExpr) -> Result<Test, Refusal> {
    Ok(match expression {
        ast::ExtendedTestExpr::And(left, right) => Test::And(Box::new(lower_test(left)?), Box::new(lower_test(right)?)),
        ast::ExtendedTestExpr::Or(left, right) => Test::Or(Box::new(lower_test(left)?), Box::new(lower_test(right)?)),
        ast::ExtendedTestExpr::Not(inner) => Test::Not(Box::new(lower_test(inner)?)),
        ast::ExtendedTestExpr::Parenthesized(inner) => lower_test(inner)?,
        ast::ExtendedTestExpr::UnaryTest(predicate, word) => Test::Unary(predicate.to_string(), lower_word(&word.value)?),
        ast::ExtendedTestExpr::BinaryTest(predicate, left, right) => {
            Test::Binary(predicate.to_string(), lower_word(&left.value)?, lower_word(&right.value)?)
        }
    })
}
