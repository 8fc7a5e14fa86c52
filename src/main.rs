//! The `callbox` program: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    callbox::cli::main()
}
