//! The `comeback` binary.

fn main() {}
