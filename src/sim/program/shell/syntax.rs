//! The shell program as the interpreter walks it: lowered once from the parser's tree, words already in pieces.
//! Only data; how it is made is `lower`, what it does is `execute` and `expand`.

use brush_parser::ast::ArithmeticExpr;
use std::fmt;
use std::sync::Arc;

/// A place in the script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// From 1; 0 if unknown.
    pub line: usize,
    /// From 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

/// Commands in sequence.
pub type List = Arc<Vec<Item>>;

/// An and-or list and whether it runs in the background.
#[derive(Debug)]
pub struct Item {
    /// The first pipeline.
    pub first: Pipeline,
    /// The others, `true` after `&&`, `false` after `||`.
    pub rest: Vec<(bool, Pipeline)>,
    /// Whether `&` follows.
    pub background: bool,
}

/// Commands connected by pipes.
#[derive(Debug)]
pub struct Pipeline {
    /// Whether `!` stands before it.
    pub negated: bool,
    /// Whether `time` stands before it.
    pub timed: bool,
    /// At least one command.
    pub commands: Vec<Arc<Command>>,
}

/// One command with its redirections.
#[derive(Debug)]
pub struct Command {
    /// What it does.
    pub body: Body,
    /// Its redirections, in order.
    pub redirects: Vec<Redirect>,
    /// Where it begins.
    pub position: Position,
}

/// The kinds of commands.
#[derive(Debug)]
pub enum Body {
    /// Assignments and words.
    Simple {
        /// `name=value` before the words.
        assignments: Vec<(String, Word)>,
        /// Command and arguments.
        words: Vec<Word>,
    },
    /// `{ }`.
    Group(List),
    /// `( )`.
    Subshell(List),
    /// `for`.
    For {
        /// The variable.
        name: String,
        /// The words after `in`; `None` means `"$@"`.
        words: Option<Vec<Word>>,
        /// The loop's body.
        body: List,
    },
    /// `case`.
    Case {
        /// What is compared.
        value: Word,
        /// Patterns and commands.
        arms: Vec<(Vec<Word>, List)>,
    },
    /// `if` and `elif` with their bodies, and `else`.
    If {
        /// Conditions and bodies.
        branches: Vec<(List, List)>,
        /// The `else` body.
        otherwise: Option<List>,
    },
    /// `while` and `until`.
    Loop {
        /// Whether it is `until`.
        until: bool,
        /// The condition.
        condition: List,
        /// The body.
        body: List,
    },
    /// A function definition.
    Function(String, Arc<Command>),
    /// `[[ ]]`.
    Test(Test),
    /// A construct that is not simulated, by its name.
    Unsupported(&'static str),
}

/// A `[[ ]]` expression.
#[derive(Debug)]
pub enum Test {
    /// Both.
    And(Box<Test>, Box<Test>),
    /// Either.
    Or(Box<Test>, Box<Test>),
    /// Not.
    Not(Box<Test>),
    /// An operator of `test` and a word.
    Unary(String, Word),
    /// Two words; the right one is a pattern for `==`, `=`, `!=`, a regular expression for `=~`.
    Binary(String, Word, Word),
}

/// A redirection.
#[derive(Debug)]
pub struct Redirect {
    /// The descriptor, if one is written.
    pub number: Option<i32>,
    /// What happens to it.
    pub action: RedirectAction,
}

/// What a redirection does.
#[derive(Debug)]
pub enum RedirectAction {
    /// `<`.
    Read(Word),
    /// `>` and `>|`.
    Write(Word),
    /// `>>`.
    Append(Word),
    /// `<>`.
    ReadWrite(Word),
    /// `&>`, `&>>` (true).
    Both(Word, bool),
    /// `<&` and `>&` (true: output).
    Duplicate(Word, bool),
    /// `<<`: its text, expanded.
    Here(Word),
}

/// A word in its pieces.
pub type Word = Arc<Vec<Piece>>;

/// A piece of a word.
#[derive(Debug)]
pub enum Piece {
    /// Unquoted text.
    Text(String),
    /// Quoted text.
    Quoted(String),
    /// A double-quoted sequence.
    Double(Vec<Piece>),
    /// `~` and a user name.
    Tilde(String),
    /// A parameter and what is done with it.
    Parameter(Parameter, Operation),
    /// `$( )` or backquotes.
    Command(List),
    /// `$(( ))` without anything to expand.
    Arithmetic(Box<ArithmeticExpr>),
    /// `$(( ))` that is expanded first.
    ExpandedArithmetic(Word),
    /// `${…}` that ash refuses.
    BadSubstitution,
}

/// What `$` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// A variable.
    Variable(String),
    /// `$1` and so on.
    Positional(usize),
    /// `$@`, or `$*` (true).
    All(bool),
    /// `$#`.
    Count,
    /// `$?`.
    Status,
    /// `$-`.
    Flags,
    /// `$$`.
    Pid,
    /// `$!`.
    LastBackground,
    /// `$0`.
    Zero,
}

/// What is done with a parameter; `bool` in the first four: `:` was written (empty counts as unset).
#[derive(Debug)]
pub enum Operation {
    /// Its value.
    Plain,
    /// `${x:-w}`.
    Default(bool, Word),
    /// `${x:=w}`.
    Assign(bool, Word),
    /// `${x:?w}`.
    Error(bool, Option<Word>),
    /// `${x:+w}`.
    Alternative(bool, Word),
    /// `${#x}`.
    Length,
    /// `${x#p}`, `${x##p}` (true).
    RemovePrefix(bool, Word),
    /// `${x%p}`, `${x%%p}` (true).
    RemoveSuffix(bool, Word),
    /// `${x:o:l}`.
    Substring(Word, Option<Word>),
    /// `${x/p/r}`, `${x//p/r}` (true).
    Replace(bool, Word, Word),
}
