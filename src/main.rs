//! The `comeback` binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    comeback::cli::main(std::env::args_os()).into()
}
