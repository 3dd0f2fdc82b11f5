//! A comparison for people's eyes: two timelines side by side. Text for terminals and HTML live in files of their own.

pub mod html;
pub mod terminal;

#[cfg(test)]
mod tests;
