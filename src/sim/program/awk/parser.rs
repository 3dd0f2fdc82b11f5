//! From tokens to an awk program, by precedence climbing.
//! What is valid awk and not simulated is told apart from what is wrong.

use super::lexer::{Token, tokens};
use super::syntax::{Expression, Output, Pattern, Place, Program, Statement};

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

    fn subscript(&mut self) -> Parsed<Expression> {
        let mut keys = vec![self.expression()?];
        while self.eat(",") {
            keys.push(self.expression()?);
        }
        self.expect("]")?;
        Ok(if keys.len() == 1 { keys.remove(0) } else { Expression::Subscript(keys) })
    }

    fn expression(&mut self) -> Parsed<Expression> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Problem::NotSimulated("nesting deeper than 60"));
        }
        let result = self.assignment();
        self.depth -= 1;
        result
    }

    fn assignment(&mut self) -> Parsed<Expression> {
        let left = self.conditional()?;
        let Token::Operator(operator) = *self.peek() else { return Ok(left) };
        if !matches!(operator, "=" | "+=" | "-=" | "*=" | "/=" | "%=" | "^=") {
            return Ok(left);
        }
        let Expression::Place(place) = left else { return Err(self.unexpected()) };
        self.at += 1;
        self.skip(false);
        let right = Box::new(self.expression()?);
        Ok(match operator {
            "=" => Expression::Assign(place, right),
            other => Expression::Update(place, other.chars().next().unwrap_or('+'), right),
        })
    }

    fn conditional(&mut self) -> Parsed<Expression> {
        let condition = self.binary(0)?;
        if !self.eat("?") {
            return Ok(condition);
        }
        self.skip(false);
        let yes = self.expression()?;
        self.skip(false);
        self.expect(":")?;
        self.skip(false);
        let no = self.expression()?;
        Ok(Expression::Conditional(Box::new(condition), Box::new(yes), Box::new(no)))
    }

    /// Binary operators of at least this level.
    fn binary(&mut self, level: u8) -> Parsed<Expression> {
        let mut left = if level < UNARY { self.binary(level + 1)? } else { return self.unary() };
        loop {
            let operator = match self.peek() {
                Token::Operator(operator) => *operator,
                Token::Name(name) if name == "in" && !self.no_in => "in",
                _ => "",
            };
            let fits = match level {
                0 => operator == "||",
                1 => operator == "&&",
                2 => operator == "in",
                3 => matches!(operator, "~" | "!~"),
                4 => matches!(operator, "<" | "<=" | "==" | "!=" | ">=") || (operator == ">" && !self.in_print),
                CONCAT => self.begins_operand(),
                6 => matches!(operator, "+" | "-"),
                _ => matches!(operator, "*" | "/" | "%"),
            };
            if !fits {
                if operator == "|"
                    && level == 4
                    && matches!(self.tokens.get(self.at + 1), Some(Token::Name(name)) if name == "getline")
                {
                    return Err(Problem::NotSimulated("getline"));
                }
                return Ok(left);
            }
            if level != CONCAT {
                self.at += 1;
                self.skip(false);
            }
            if level == 2 {
                let Token::Name(array) = self.next() else { return Err(self.unexpected()) };
                left = Expression::In(Box::new(left), array);
                continue;
            }
            let right = Box::new(self.binary(level + 1)?);
            let first = Box::new(left);
            left = match level {
                0 => Expression::Or(first, right),
                1 => Expression::And(first, right),
                3 => Expression::Match(operator == "~", first, right),
                4 => Expression::Compare(operator, first, right),
                CONCAT => Expression::Concat(first, right),
                _ => Expression::Arithmetic(operator.chars().next().unwrap_or('+'), first, right),
            };
        }
    }

    fn begins_operand(&self) -> bool {
        match self.peek() {
            Token::Number(_) | Token::Text(_) | Token::Function(_) => true,
            Token::Name(name) => name != "in",
            Token::Operator(operator) => {
                matches!(*operator, "(" | "$" | "!" | "-" | "+" | "++" | "--") && !matches!(*operator, "-" | "+")
            }
            Token::Regex(_) | Token::Newline | Token::End => false,
        }
    }

    fn unary(&mut self) -> Parsed<Expression> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Problem::NotSimulated("nesting deeper than 60"));
        }
        let result = if self.eat("!") {
            Expression::Not(Box::new(self.unary()?))
        } else if self.eat("-") {
            Expression::Negate(Box::new(self.unary()?))
        } else if self.eat("+") {
            Expression::Plus(Box::new(self.unary()?))
        } else {
            let base = self.primary()?;
            if self.eat("^") { Expression::Arithmetic('^', Box::new(base), Box::new(self.unary()?)) } else { base }
        };
        self.depth -= 1;
        Ok(result)
    }

    fn primary(&mut self) -> Parsed<Expression> {
        let step = if self.eat("++") {
            Some(1.0)
        } else if self.eat("--") {
            Some(-1.0)
        } else {
            None
        };
        if let Some(step) = step {
            let Expression::Place(place) = self.operand()? else { return Err(self.unexpected()) };
            return Ok(Expression::Step(place, true, step));
        }
        match self.operand()? {
            Expression::Place(place) if self.eat("++") => Ok(Expression::Step(place, false, 1.0)),
            Expression::Place(place) if self.eat("--") => Ok(Expression::Step(place, false, -1.0)),
            other => Ok(other),
        }
    }

    fn operand(&mut self) -> Parsed<Expression> {
        match self.next() {
            Token::Number(number) => Ok(Expression::Number(number)),
            Token::Text(text) => Ok(Expression::Text(text)),
            Token::Regex(regex) => Ok(Expression::Regex(regex)),
            Token::Operator("$") => {
                let inner = self.primary()?;
                Ok(Expression::Place(Place::Field(Box::new(inner))))
            }
            Token::Operator("(") => {
                let (print, no_in) = (std::mem::take(&mut self.in_print), std::mem::take(&mut self.no_in));
                let mut values = vec![self.expression()?];
                while self.eat(",") {
                    self.skip(false);
                    values.push(self.expression()?);
                }
                self.expect(")")?;
                (self.in_print, self.no_in) = (print, no_in);
                if values.len() > 1 {
                    return Ok(Expression::Subscript(values));
                }
                // A place in brackets is a value: `(x)++` is not awk.
                Ok(match values.remove(0) {
                    Expression::Place(place) => Expression::Place(place),
                    other => other,
                })
            }
            Token::Function(name) => {
                self.expect("(")?;
                let print = std::mem::take(&mut self.in_print);
                let mut arguments = Vec::new();
                while !self.eat(")") {
                    arguments.push(self.expression()?);
                    if !self.eat(",") {
                        self.expect(")")?;
                        break;
                    }
                    self.skip(false);
                }
                self.in_print = print;
                Ok(Expression::Call(name, arguments))
            }
            Token::Name(name) if name == "getline" => Err(Problem::NotSimulated("getline")),
            Token::Name(name) if name == "length" => Ok(Expression::Call(name, Vec::new())),
            Token::Name(name) => {
                if self.eat("[") {
                    let print = std::mem::take(&mut self.in_print);
                    let key = self.subscript()?;
                    self.in_print = print;
                    return Ok(Expression::Place(Place::Element(name, Box::new(key))));
                }
                Ok(Expression::Place(Place::Variable(name)))
            }
            _ => {
                self.at -= 1;
                Err(self.unexpected())
            }
        }
    }
}

const CONCAT: u8 = 5;
const UNARY: u8 = 8;
