//! The `sidelink` command.

#![forbid(unsafe_code)]

use clap::Parser;
use sidelink_flowgraphs::commands::{self, Cli};
use sidelink_flowgraphs::terminal::{self, Ink, paint};
use std::process::ExitCode;
use tracing::level_filters::LevelFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.verbose);
    match commands::run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if terminal::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let prefix = paint(terminal::colours_on_stderr(), Ink::Red, "error:");
            eprintln!("{prefix} {}", terminal::message(&error));
            ExitCode::from(commands::exit_status(&error))
        }
    }
}

fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(terminal::colours_on_stderr())
        .with_target(verbose > 1)
        .without_time()
        .init();
}
