//! Who sent what when: a sequence diagram as text or SVG.

use crate::experiments::metrics::messages::Message;
use std::fmt::Write;
use std::path::Path;

/// Points from message to message in the drawing.
const STEP: usize = 34;
const LEFT: usize = 150;
const RIGHT: usize = 560;

/// How it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Lines of characters.
    Text,
    /// A drawing.
    Svg,
}

impl Format {
    /// By the extension of a file: `.svg`, or text.
    pub(crate) fn of(path: Option<&Path>) -> Self {
        match path.and_then(Path::extension) {
            Some(extension) if extension == "svg" => Self::Svg,
            _ => Self::Text,
        }
    }
}

/// Returns the drawing.
pub(crate) fn draw(messages: &[Message], format: Format) -> String {
    match format {
        Format::Text => text(messages),
        Format::Svg => svg(messages),
    }
}

fn text(messages: &[Message]) -> String {
    let mut out = format!("{:>9}  {:<8}{:^52}{:>8}\n", "ms", "UE_1", "", "UE_2");
    for m in messages {
        let what = format!(" {} ({}) ", m.name, m.spent.l3_octets);
        let arrow = if m.from == 0 { format!("{what:->50}>") } else { format!("<{what:-<50}") };
        let _ = writeln!(out, "{:>9}  |{arrow:^66}|", m.at_ms);
    }
    out
}

fn svg(messages: &[Message]) -> String {
    let height = 80 + STEP * messages.len();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"700\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"700\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (x, name) in [(LEFT, "UE_1"), (RIGHT, "UE_2")] {
        let _ = writeln!(
            out,
            "<text x=\"{x}\" y=\"26\" text-anchor=\"middle\" font-weight=\"bold\">{name}</text>"
        );
        let _ =
            writeln!(out, "<line x1=\"{x}\" y1=\"36\" x2=\"{x}\" y2=\"{}\" stroke=\"#888\"/>", height - 16);
    }
    for (i, m) in messages.iter().enumerate() {
        let y = 64 + STEP * i;
        let (from, to) = if m.from == 0 { (LEFT, RIGHT) } else { (RIGHT, LEFT) };
        let tip = if m.from == 0 { to - 8 } else { to + 8 };
        let _ = writeln!(out, "<text x=\"70\" y=\"{}\" text-anchor=\"end\">{} ms</text>", y + 4, m.at_ms);
        let _ = writeln!(out, "<line x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\" stroke=\"#1f5a96\"/>");
        let _ =
            writeln!(out, "<polygon points=\"{to},{y} {tip},{} {tip},{}\" fill=\"#1f5a96\"/>", y - 4, y + 4);
        let name = &m.name;
        let middle = (LEFT + RIGHT) / 2;
        let _ = writeln!(
            out,
            "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{name}, {} octets</text>",
            y - 5,
            m.spent.l3_octets
        );
    }
    out.push_str("</svg>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::metrics::messages::{Phase, Spent};
    use sidelink_wire::pc5_signalling::MessageType;

    #[test]
    fn every_message_has_its_arrow() {
        let message = |at_ms, from, message| Message {
            at_ms,
            on_air_ms: None,
            heard_ms: None,
            from,
            message,
            name: message.to_string(),
            phase: Phase::SetUp,
            attempt: 1,
            spent: Spent { l3_octets: 37, ..Spent::default() },
            heard_cpu_us: 0.0,
            heard_durable_writes: 0,
        };
        let all = [
            message(0, 0, MessageType::CommunicationRequest),
            message(40, 1, MessageType::SecurityModeCommand),
            message(80, 0, MessageType::SecurityModeComplete),
            message(120, 1, MessageType::CommunicationAccept),
        ];
        let text = text(&all);
        assert_eq!(text.lines().count(), 5);
        assert!(text.contains("DIRECT_COMMUNICATION_REQUEST (37)"), "{text}");
        let svg = svg(&all);
        assert_eq!(svg.matches("<polygon").count(), 4);
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    }
}
