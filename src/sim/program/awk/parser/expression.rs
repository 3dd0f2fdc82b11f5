//! awk expressions, by precedence climbing.
//! Statements are `parser`.

use super::{DEEPEST, Parsed, Parser, Problem};
use crate::sim::program::awk::lexer::Token;
use crate::sim::program::awk::syntax::{Expression, Place};

/// The level of concatenation, which has no operator.
pub(super) const CONCAT: u8 = 5;
const UNARY: u8 = 8;

impl Parser {
    pub(super) fn subscript(&mut self) -> Parsed<Expression> {
        let mut keys = vec![self.expression()?];
        while self.eat(",") {
            keys.push(self.expression()?);
        }
        self.expect("]")?;
        Ok(if keys.len() == 1 { keys.remove(0) } else { Expression::Subscript(keys) })
    }

    pub(super) fn expression(&mut self) -> Parsed<Expression> {
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
    pub(super) fn binary(&mut self, level: u8) -> Parsed<Expression> {
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
