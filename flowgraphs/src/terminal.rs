//! Colours, width and progress: only on a terminal. A reader that goes away is not an error.

use crate::config::ConfigError;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sidelink_recordings::Plain;
use std::io::{self, BufWriter, IsTerminal, Write};

/// Returns buffered standard output. Write errors come back as [`io::Error`]; `main` ends quietly on a broken pipe.
pub fn stdout() -> BufWriter<io::Stdout> {
    BufWriter::new(io::stdout())
}

/// Whether standard output shows colours: it is a terminal, and `NO_COLOR` is not set.
pub fn colours_on_stdout() -> bool {
    io::stdout().is_terminal() && wanted()
}

/// Whether standard error shows colours.
pub fn colours_on_stderr() -> bool {
    io::stderr().is_terminal() && wanted()
}

fn wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Returns the columns for text that fills the width: `COLUMNS` if it is set, otherwise 100.
pub fn width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok()).unwrap_or(100).clamp(40, 400)
}

/// Returns columns and lines of the terminal at standard output; `COLUMNS` and `LINES` take precedence over its own
/// report, and 80 x 24 is the default.
pub fn size() -> (usize, usize) {
    let variable = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<usize>().ok());
    let told =
        rustix::termios::tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    let (columns, lines) = told.map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()));
    (variable("COLUMNS").unwrap_or(columns).max(1), variable("LINES").unwrap_or(lines).max(1))
}

/// A colour or weight of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Headings.
    Bold,
    /// Errors.
    Red,
    /// Good results.
    Green,
    /// Warnings.
    Yellow,
    /// Names and numbers that stand out.
    Cyan,
    /// Less important text.
    Dim,
}

/// Returns `text` in `ink` if `colours` is set, otherwise unchanged.
pub fn paint(colours: bool, ink: Ink, text: &str) -> String {
    let code = match ink {
        Ink::Bold => 1,
        Ink::Dim => 2,
        Ink::Red => 31,
        Ink::Green => 32,
        Ink::Yellow => 33,
        Ink::Cyan => 36,
    };
    if colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Makes a progress bar on standard error for `total` steps, hidden without a terminal.
pub fn progress(total: u64, what: &str) -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(8)
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(total), target).with_message(what.to_owned());
    match ProgressStyle::with_template("{msg} [{bar:32}] {percent:>3} % {eta:>4}") {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

/// Formats an error and its causes, on one line. A cause that its effect contains already is left out. Text from files
/// or from the air is [`Plain`].
pub fn message(error: &anyhow::Error) -> String {
    let told = error.chain().fold(String::new(), |mut told, cause| {
        // errors of the key store are formatted for people here, and nowhere else
        let text = match cause.downcast_ref::<sidelink_store::Error>() {
            Some(error) => ConfigError::from(error.clone()).to_string(),
            None => cause.to_string(),
        };
        if !told.contains(&text) {
            told.push_str(if told.is_empty() { "" } else { ": " });
            told.push_str(&text);
        }
        told
    });
    let lines: Vec<String> = told.lines().map(|line| Plain(line).to_string()).collect();
    lines.join("\n")
}

/// Whether an error, or one of its causes, is a reader of the output that went away.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |e: &(dyn std::error::Error + 'static)| {
        e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(broken)
}

/// Writes `text` to standard output.
///
/// # Errors
/// The system's error.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let cause = || io::Error::other("no room");
        let e = anyhow::Error::new(cause()).context("cannot write: no room");
        assert_eq!(message(&e), "cannot write: no room");
        let e = anyhow::Error::new(cause()).context("cannot write");
        assert_eq!(message(&e), "cannot write: no room");
    }

    #[test]
    fn messages_do_not_command_the_terminal() {
        let e = anyhow::Error::new(io::Error::other("\u{1b}]0;mine\u{7}")).context("a\nb\u{9b}2J");
        assert_eq!(message(&e), "a\nb\\u{9b}2J: \\u{1b}]0;mine\\u{7}");
    }

    #[test]
    fn a_reader_that_went_away_is_recognised() {
        let e = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe)).context("while printing");
        assert!(is_broken_pipe(&e));
        assert!(!is_broken_pipe(&anyhow::anyhow!("no")));
    }

    #[test]
    fn paint_is_plain_without_a_terminal() {
        assert_eq!(paint(false, Ink::Red, "x"), "x");
        assert_eq!(paint(true, Ink::Red, "x"), "\x1b[31mx\x1b[0m");
    }
}
