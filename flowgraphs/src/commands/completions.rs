//! `sidelink completions` and `sidelink man`: the command line for shells and for `man`.

use super::Cli;
use crate::terminal;
use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::path::PathBuf;

/// Arguments of `sidelink completions`.
#[derive(Debug, Args)]
#[command(
    after_help = "bash: sidelink completions bash > ~/.local/share/bash-completion/completions/sidelink"
)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Arguments of `sidelink man`.
#[derive(Debug, Args)]
#[command(after_help = "Read it: sidelink man | man -l -\nInstall: sidelink man -w ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Write a page for each sub-command into this folder.
    #[arg(short, long, value_name = "FOLDER")]
    pub write: Option<PathBuf>,
}

/// Prints the completions.
///
/// # Errors
/// Errors of the writer.
pub fn print(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sidelink", &mut text);
    Ok(terminal::print(&String::from_utf8_lossy(&text))?)
}

/// Prints the page of the whole program, or writes one for each sub-command.
///
/// # Errors
/// Errors of the writer, with the folder.
pub fn man(args: &ManArgs) -> anyhow::Result<()> {
    let Some(folder) = &args.write else {
        let mut text = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut text)?;
        return Ok(terminal::print(&String::from_utf8_lossy(&text))?);
    };
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .with_context(|| format!("cannot write manual pages into {}: name another folder", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shell_knows_every_sub_command() {
        for shell in Shell::value_variants() {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "sidelink", &mut text);
            let text = String::from_utf8(text).unwrap();
            for name in Cli::command().get_subcommands().map(clap::Command::get_name) {
                assert!(text.contains(name), "{shell}: {name}");
            }
        }
    }
}
