//! From tokens to an awk program: rules, functions, statements. What is not simulated is told apart from what is wrong.
//! Expressions are `expression`.

mod expression;

use super::lexer::{Token, tokens};
use super::syntax::{Expression, Output, Pattern, Program, Statement};
use expression::CONCAT;

/// Why a program cannot run.
#[derive(Debug)]
pub enum Problem {
    /// The message.
    Syntax(String),
    /// A construct that is not simulated.
    NotSimulated(&'static str),
}

type Parsed<T> = Result<T, Problem>;

const DEEPEST: usize = 60;

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// In an unparenthesized `print`, `>` is a redirection.
    in_print: bool,
    /// In the head of `for (`, `in` is not an operator.
    no_in: bool,
}

/// Parses a program.
///
/// # Errors
/// See [`Problem`].
pub fn parse(text: &str) -> Parsed<Program> {
    let tokens = tokens(text).map_err(Problem::Syntax)?;
    let mut parser = Parser { tokens, at: 0, depth: 0, in_print: false, no_in: false };
    let mut program = Program::default();
    loop {
        parser.skip(true);
        match parser.peek().clone() {
            Token::End => return Ok(program),
            Token::Name(name) if name == "BEGIN" || name == "END" => {
                parser.at += 1;
                let body = parser.block()?;
                if name == "BEGIN" { program.begin.push(body) } else { program.end.push(body) }
            }
            Token::Name(name) if name == "function" || name == "func" => {
                parser.at += 1;
                let (Token::Function(name) | Token::Name(name)) = parser.next() else { return Err(parser.unexpected()) };
                parser.expect("(")?;
                let mut parameters = Vec::new();
                while let Token::Name(parameter) = parser.peek().clone() {
                    parser.at += 1;
                    parameters.push(parameter);
                    parser.eat(",");
                }
                parser.expect(")")?;
                parser.skip(false);
                let body = parser.block()?;
                program.functions.insert(name, (parameters, body));
            }
            Token::Operator("{") => {
                let body = parser.block()?;
                program.rules.push((Pattern::Always, Some(body)));
            }
            _ => {
                let first = parser.expression()?;
                let pattern = if parser.eat(",") { Pattern::Range(first, parser.expression()?) } else { Pattern::When(first) };
                let body = if *parser.peek() == Token::Operator("{") { Some(parser.block()?) } else { None };
                program.rules.push((pattern, body));
            }
        }
    }
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn eat(&mut self, operator: &str) -> bool {
        let found = matches!(self.peek(), Token::Operator(given) if *given == operator);
        self.at += usize::from(found);
        found
    }

    fn eat_name(&mut self, name: &str) -> bool {
        let found = matches!(self.peek(), Token::Name(given) | Token::Function(given) if given == name);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, operator: &str) -> Parsed<()> {
        if self.eat(operator) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> Problem {
        Problem::Syntax(match self.peek() {
            Token::End | Token::Newline => "Unexpected end of input".to_owned(),
            _ => "Unexpected token".to_owned(),
        })
    }

    fn skip(&mut self, semicolons: bool) {
        while *self.peek() == Token::Newline || (semicolons && *self.peek() == Token::Operator(";")) {
            self.at += 1;
        }
    }

    fn block(&mut self) -> Parsed<Vec<Statement>> {
        self.expect("{")?;
        let mut statements = Vec::new();
        loop {
            self.skip(true);
            if self.eat("}") {
                return Ok(statements);
            }
            statements.push(self.statement()?);
        }
    }

    fn body(&mut self) -> Parsed<Vec<Statement>> {
        self.skip(false);
        if self.eat(";") {
            return Ok(Vec::new());
        }
        Ok(vec![self.statement()?])
    }

    fn finish(&mut self) -> Parsed<()> {
        match self.peek() {
            Token::Operator(";") | Token::Newline => {
                self.at += 1;
                Ok(())
            }
            Token::Operator("}") | Token::End => Ok(()),
            _ => Err(self.unexpected()),
        }
    }

    fn statement(&mut self) -> Parsed<Statement> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Problem::NotSimulated("nesting deeper than 60"));
        }
        let statement = self.statement_inner();
        self.depth -= 1;
        statement
    }

    fn statement_inner(&mut self) -> Parsed<Statement> {
        if *self.peek() == Token::Operator("{") {
            return Ok(Statement::Block(self.block()?));
        }
        let word = match self.peek() {
            Token::Name(word) | Token::Function(word) => word.clone(),
            _ => String::new(),
        };
        match word.as_str() {
            "if" => {
                self.at += 1;
                let condition = self.condition()?;
                let then = self.body()?;
                let before = self.at;
                self.skip(true);
                if self.eat_name("else") {
                    return Ok(Statement::If(condition, then, self.body()?));
                }
                self.at = before;
                return Ok(Statement::If(condition, then, Vec::new()));
            }
            "while" => {
                self.at += 1;
                let condition = self.condition()?;
                return Ok(Statement::While(condition, self.body()?));
            }
            "do" => {
                self.at += 1;
                let body = self.body()?;
                self.skip(true);
                if !self.eat_name("while") {
                    return Err(self.unexpected());
                }
                let condition = self.condition()?;
                self.finish()?;
                return Ok(Statement::DoWhile(body, condition));
            }
            "for" => return self.for_statement(),
            _ => {}
        }
        let statement = self.simple()?;
        self.finish()?;
        Ok(statement)
    }

    fn condition(&mut self) -> Parsed<Expression> {
        self.expect("(")?;
        let condition = self.expression()?;
        self.expect(")")?;
        Ok(condition)
    }

    fn for_statement(&mut self) -> Parsed<Statement> {
        self.at += 1;
        self.expect("(")?;
        if let [Token::Name(variable), Token::Name(word), Token::Name(array), Token::Operator(")")] =
            self.tokens.get(self.at..self.at + 4).unwrap_or_default()
            && word == "in"
        {
            let (variable, array) = (variable.clone(), array.clone());
            self.at += 4;
            return Ok(Statement::ForIn(variable, array, self.body()?));
        }
        let first = if *self.peek() == Token::Operator(";") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(";")?;
        let condition = if *self.peek() == Token::Operator(";") { None } else { Some(self.expression()?) };
        self.expect(";")?;
        let step = if *self.peek() == Token::Operator(")") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(")")?;
        Ok(Statement::For(first, condition, step, self.body()?))
    }

    fn ends_statement(&self) -> bool {
        matches!(self.peek(), Token::Operator(";" | "}" | ")") | Token::Newline | Token::End)
    }

    fn optional(&mut self) -> Parsed<Option<Expression>> {
        if self.ends_statement() { Ok(None) } else { self.expression().map(Some) }
    }

    fn simple(&mut self) -> Parsed<Statement> {
        let word = match self.peek() {
            Token::Name(word) | Token::Function(word) => word.clone(),
            _ => String::new(),
        };
        if matches!(word.as_str(), "print" | "printf" | "next" | "nextfile" | "exit" | "break" | "continue" | "return" | "delete")
        {
            self.at += 1;
        }
        match word.as_str() {
            "print" | "printf" => self.print(word == "printf"),
            "next" => Ok(Statement::Next),
            "nextfile" => Err(Problem::NotSimulated("nextfile")),
            "break" => Ok(Statement::Break),
            "continue" => Ok(Statement::Continue),
            "exit" => Ok(Statement::Exit(self.optional()?)),
            "return" => Ok(Statement::Return(self.optional()?)),
            "delete" => {
                let Token::Name(array) = self.next() else { return Err(self.unexpected()) };
                let key = if self.eat("[") { Some(self.subscript()?) } else { None };
                Ok(Statement::Delete(array, key))
            }
            _ => Ok(Statement::Expression(self.expression()?)),
        }
    }

    fn print(&mut self, formatted: bool) -> Parsed<Statement> {
        let before = std::mem::replace(&mut self.in_print, true);
        let mut values = Vec::new();
        if !self.ends_statement() && *self.peek() != Token::Operator(">") {
            loop {
                values.push(self.expression()?);
                if !self.eat(",") {
                    break;
                }
                self.skip(false);
            }
        }
        // `print (a, b)`: the brackets are the print's.
        if let [Expression::Subscript(_)] = values.as_slice()
            && let Some(Expression::Subscript(inner)) = values.pop()
        {
            values = inner;
        }
        let append = *self.peek() == Token::Operator(">>");
        let output = if self.eat(">") || self.eat(">>") { Some(Output { file: self.binary(CONCAT)?, append }) } else { None };
        self.in_print = before;
        if *self.peek() == Token::Operator("|") {
            return Err(Problem::NotSimulated("output into a pipe"));
        }
        Ok(if formatted { Statement::Printf(values, output) } else { Statement::Print(values, output) })
    }
}
