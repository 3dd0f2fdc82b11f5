//! The table of messages and their fields, read once from `fields.txt`; how that file is made stands in its first lines.
//! Decoding is the parent's.

use super::wire::WireError;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// How a value travels, and with it its form in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Bool,
    Int,
    Double,
    Bytes,
    Quantity,
    Time,
    Duration,
    IntOrString,
    Raw,
    /// A list that is a message of its own.
    Items(Box<Form>),
    Message(String),
}

/// One field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    number: u32,
    /// The name in JSON.
    pub(super) name: String,
    /// Its fields belong to the message around it.
    pub(super) inline: bool,
    /// Repeated.
    pub(super) list: bool,
    /// A map with texts as keys.
    pub(super) map: bool,
    pointer: bool,
    omitted_when_zero: bool,
    /// The value, the item of a list, the value of a map.
    pub(super) form: Form,
}

impl Field {
    /// Whether JSON shows this value: Go writes every field that is no pointer on the wire, zero or not.
    pub(super) fn shows(&self, value: &Value) -> bool {
        let zero = match value {
            Value::Null => return !self.omitted_when_zero && !self.pointer,
            Value::String(text) => text.is_empty(),
            Value::Bool(value) => !value,
            Value::Number(number) => number.as_f64() == Some(0.0),
            _ => false,
        };
        self.pointer || !self.omitted_when_zero || !zero
    }
}

/// The fields of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    fields: Vec<Field>,
}

impl Message {
    /// The field of a number.
    pub(super) fn field(&self, number: u32) -> Option<&Field> {
        self.fields.iter().find(|field| field.number == number)
    }
}

/// All messages, and which kind is which.
#[derive(Debug, Default)]
pub(super) struct Table {
    kinds: BTreeMap<(String, String), String>,
    messages: BTreeMap<String, Message>,
}

impl Table {
    /// The message of a kind. Options are the same in every group.
    pub(super) fn message_of(&self, api_version: &str, kind: &str) -> Option<&Message> {
        let find = |version: &str| self.kinds.get(&(version.to_owned(), kind.to_owned()));
        let options = kind.ends_with("Options").then(|| find("v1")).flatten();
        self.messages.get(find(api_version).or(options)?)
    }

    /// A message by its name.
    pub(super) fn message(&self, name: &str) -> Result<&Message, WireError> {
        self.messages.get(name).ok_or(WireError("a message is missing in the table"))
    }
}

/// The one table.
pub(super) fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| parse(include_str!("fields.txt")))
}

fn parse(text: &str) -> Table {
    let mut table = Table::default();
    let mut present = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["@", version, kind, message] => {
                table.kinds.insert(((*version).to_owned(), (*kind).to_owned()), (*message).to_owned());
            }
            ["=", message] => {
                (*message).clone_into(&mut present);
                table.messages.entry(present.clone()).or_default();
            }
            [number, name, flags, form] => {
                if let (Ok(number), Some(message)) = (number.parse(), table.messages.get_mut(&present)) {
                    message.fields.push(Field {
                        number,
                        name: (*name).to_owned(),
                        inline: *name == ".",
                        list: flags.contains("[]"),
                        map: flags.contains("{}"),
                        pointer: flags.contains('*'),
                        omitted_when_zero: flags.contains('?'),
                        form: form_of(form),
                    });
                }
            }
            _ => {}
        }
    }
    table
}

fn form_of(name: &str) -> Form {
    match name {
        "string" => Form::Text,
        "bool" => Form::Bool,
        "int" => Form::Int,
        "double" => Form::Double,
        "bytes" => Form::Bytes,
        "quantity" => Form::Quantity,
        "time" => Form::Time,
        "duration" => Form::Duration,
        "intOrString" => Form::IntOrString,
        "raw" => Form::Raw,
        other => match other.strip_prefix("items:") {
            Some(inner) => Form::Items(Box::new(form_of(inner))),
            None => Form::Message(other.to_owned()),
        },
    }
}
