//! The awk program as it is run.
//! Only data.

use std::collections::BTreeMap;

/// A whole program.
#[derive(Debug, Default)]
pub struct Program {
    /// `BEGIN` actions.
    pub begin: Vec<Vec<Statement>>,
    /// Patterns with their actions (`None`: print the line).
    pub rules: Vec<(Pattern, Option<Vec<Statement>>)>,
    /// `END` actions.
    pub end: Vec<Vec<Statement>>,
    /// User functions: parameters and body.
    pub functions: BTreeMap<String, (Vec<String>, Vec<Statement>)>,
}

/// When a rule applies.
#[derive(Debug)]
pub enum Pattern {
    /// Always.
    Always,
    /// When true.
    When(Expression),
    /// From one to another.
    Range(Expression, Expression),
}

/// A statement.
#[derive(Debug)]
pub enum Statement {
    Expression(Expression),
    Print(Vec<Expression>, Option<Output>),
    Printf(Vec<Expression>, Option<Output>),
    If(Expression, Vec<Statement>, Vec<Statement>),
    While(Expression, Vec<Statement>),
    DoWhile(Vec<Statement>, Expression),
    For(Option<Box<Statement>>, Option<Expression>, Option<Box<Statement>>, Vec<Statement>),
    ForIn(String, String, Vec<Statement>),
    Block(Vec<Statement>),
    Delete(String, Option<Expression>),
    Next,
    Exit(Option<Expression>),
    Break,
    Continue,
    Return(Option<Expression>),
}

/// Where `print` writes: the file, and whether it appends.
#[derive(Debug)]
pub struct Output {
    pub file: Expression,
    pub append: bool,
}

/// An expression.
#[derive(Debug)]
pub enum Expression {
    Number(f64),
    Text(String),
    Regex(String),
    Place(Place),
    Assign(Place, Box<Expression>),
    Update(Place, char, Box<Expression>),
    /// `true`: the new value is the result; the step.
    Step(Place, bool, f64),
    Not(Box<Expression>),
    Negate(Box<Expression>),
    Plus(Box<Expression>),
    Arithmetic(char, Box<Expression>, Box<Expression>),
    Compare(&'static str, Box<Expression>, Box<Expression>),
    Match(bool, Box<Expression>, Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Conditional(Box<Expression>, Box<Expression>, Box<Expression>),
    Concat(Box<Expression>, Box<Expression>),
    In(Box<Expression>, String),
    Call(String, Vec<Expression>),
    /// Several values as one subscript.
    Subscript(Vec<Expression>),
}

/// What can be assigned to.
#[derive(Debug)]
pub enum Place {
    Variable(String),
    Field(Box<Expression>),
    Element(String, Box<Expression>),
}
