//! The binary: parse, run, turn the outcome into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    movie_bag::cli::run(std::env::args_os())
}
