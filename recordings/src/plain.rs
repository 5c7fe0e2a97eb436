//! Text from a file, for a terminal: characters that control the terminal are escaped.

use std::fmt::{self, Write as _};

/// Displays its content with control characters escaped as `\u{1b}`, since a terminal obeys them. Line ends, and
/// characters that change the direction of text, are escaped as well.
pub struct Plain<T>(pub T);

impl<T: fmt::Display> fmt::Display for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// Writes text with escapes as in [`Plain`].
pub(crate) struct Escaping<'a, 'f>(pub(crate) &'a mut fmt::Formatter<'f>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| {
            if commands(c) { write!(self.0, "{}", c.escape_debug()) } else { self.0.write_char(c) }
        })
    }
}

/// Whether a character controls the terminal: controls (C0, C1), line separators, direction marks and overrides.
fn commands(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commands_a_terminal_is_written_out() {
        for (text, shown) in [
            ("\u{1b}]0;mine\u{7}", r"\u{1b}]0;mine\u{7}"),
            ("\u{1b}[2J", r"\u{1b}[2J"),
            ("a\nb\rc\td", r"a\nb\rc\td"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("x\u{202e}y\u{2066}z\u{200f}", r"x\u{202e}y\u{2066}z\u{200f}"),
            ("Grüße \"aus\" c:\\Köln, 東京", "Grüße \"aus\" c:\\Köln, 東京"),
        ] {
            assert_eq!(Plain(text).to_string(), shown);
        }
    }
}
