//! The `sidelink` command.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    sidelink_flowgraphs::commands::main()
}
