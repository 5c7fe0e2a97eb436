//! Octets and times in readable form: text for octets that are text, a date beside seconds.

use sidelink_recordings::UtcMicros;
use sidelink_wire::hex;

/// Least number of characters that count as text within other octets.
const FEWEST: usize = 6;

/// Largest number of octets of headers before a text.
const HEADERS: usize = 24;

/// Characters of a text that are shown.
const SHOWN: usize = 48;

/// Octets of an IPv4 header without options, and of a UDP header.
const IPV4: usize = 20;
const UDP: usize = 8;

/// Returns the text in `octets`, in quotation marks and shortened: a text that makes up half of them, or that follows
/// headers and reaches the end. Zeros at the end are padding. `None` if there is no text.
pub(crate) fn text(octets: &[u8]) -> Option<String> {
    let end = octets.iter().rposition(|octet| *octet != 0)? + 1;
    let body = &octets[..end];
    let run = longest_run(body);
    let (first, found) = (run.start, std::str::from_utf8(&body[run.clone()]).ok()?);
    let most = 2 * found.len() >= body.len() && found.len() >= FEWEST.min(body.len());
    let tail = run.end == end && first <= HEADERS && found.len() >= FEWEST;
    if !(most || tail) || !found.contains(|c: char| c.is_alphanumeric()) {
        return None;
    }
    Some(quoted(found))
}

/// Formats hexadecimal digits of the first `most` octets, and beside them the text of all of them.
pub(crate) fn hex_and_text(octets: &[u8], most: usize) -> String {
    let more = if octets.len() > most { ".." } else { "" };
    let digits = hex::of_bytes(&octets[..octets.len().min(most)]);
    match text(octets) {
        Some(text) => format!("{digits}{more} {text}"),
        None => format!("{digits}{more}"),
    }
}

/// Formats a payload: its text, or the content of an IPv4 packet of UDP, or hexadecimal digits of the first `most`
/// octets.
pub(crate) fn payload(octets: &[u8], most: usize) -> String {
    if let Some((header, inner)) = datagram(octets) {
        return format!("{header} {}", payload(inner, most));
    }
    match std::str::from_utf8(octets) {
        Ok(text) if !octets.is_empty() && !text.trim_end().chars().any(char::is_control) => {
            quoted(text.trim_end())
        }
        _ => hex_and_text(octets, most),
    }
}

/// Formats seconds since 1970 as `2026-11-29 01:25:16` (UTC).
pub(crate) fn date(seconds: u64) -> String {
    let text = UtcMicros(seconds.saturating_mul(1_000_000)).to_string();
    text.get(..19).unwrap_or(&text).replace('T', " ")
}

/// Formats Unix seconds with their date: `1795915516 (2026-11-29 01:25:16 UTC)`.
pub(crate) fn seconds_and_date(seconds: u64) -> String {
    format!("{seconds} ({} UTC)", date(seconds))
}

/// Returns addresses and ports of an IPv4 packet of UDP, and its payload.
fn datagram(packet: &[u8]) -> Option<(String, &[u8])> {
    let header = 4 * usize::from(packet.first()? & 0xf);
    if packet[0] >> 4 != 4 || header < IPV4 || *packet.get(9)? != 17 {
        return None;
    }
    let udp = packet.get(header..)?;
    let port = |at: usize| Some(u16::from_be_bytes([*udp.get(at)?, *udp.get(at + 1)?]));
    let inner = udp.get(UDP..usize::from(port(4)?))?;
    let ip = |at: usize| packet[at..at + 4].iter().map(u8::to_string).collect::<Vec<_>>().join(".");
    Some((format!("UDP {}:{} to {}:{}", ip(12), port(0)?, ip(16), port(2)?), inner))
}

/// Returns the longest part of `octets` that is text without control characters.
fn longest_run(octets: &[u8]) -> std::ops::Range<usize> {
    let (mut best, mut start, mut at) = (0..0, 0, 0);
    while at < octets.len() {
        let length = character(&octets[at..]);
        at += length.max(1);
        if length == 0 {
            start = at;
        } else if at - start > best.len() {
            best = start..at;
        }
    }
    best
}

/// Returns the octets of the character at the start of `octets`; 0 if there is none.
fn character(octets: &[u8]) -> usize {
    let longest = &octets[..octets.len().min(4)];
    let valid = match std::str::from_utf8(longest) {
        Ok(text) => text,
        Err(e) => std::str::from_utf8(&longest[..e.valid_up_to()]).unwrap_or(""),
    };
    valid.chars().next().filter(|c| !c.is_control()).map_or(0, char::len_utf8)
}

/// Puts text in quotation marks, without padding at its end; a long text is cut.
fn quoted(text: &str) -> String {
    let padding = text.len() - text.trim_end_matches('.').len();
    let text = if padding > 3 { text.trim_end_matches('.') } else { text };
    let cut: String = text.chars().take(SHOWN).collect();
    format!("{cut:?}{}", if cut.len() < text.len() || padding > 3 { ".." } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_found_where_it_is() {
        let code = [b"UE A is near".as_slice(), &[0; 11]].concat();
        assert_eq!(text(&code).as_deref(), Some("\"UE A is near\""));
        let block = [&[0x11, 0, 0, 0xa1, 0, 1, 0xa2, 1, 0, 0x01][..], b"alice to all 7", &[0; 40]].concat();
        assert_eq!(text(&block).as_deref(), Some("\"alice to all 7\""));
        assert_eq!(text("Grüße aus Köln".as_bytes()).as_deref(), Some("\"Grüße aus Köln\""));
        assert_eq!(text(b"hello......................").as_deref(), Some("\"hello\".."));
        for none in [
            &b""[..],
            &[0; 23],
            &[0x8c, 0x8f, 0x65, 0xca, 0x5f, 0x5f],
            b"\x3b\xea\xc5ab\x04\x1a\xe9",
            b"......",
        ] {
            assert_eq!(text(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_datagram_shows_what_it_carries() {
        let packet =
            hex::bytes("45000022000000000111a4720a2d00010a2d00ff13891389000e000068656c6c6f0a").unwrap();
        assert_eq!(payload(&packet, 16), "UDP 10.45.0.1:5001 to 10.45.0.255:5001 \"hello\"");
        assert_eq!(payload(b"alice to all 0", 16), "\"alice to all 0\"");
        assert_eq!(payload(&[1, 2, 3, 255], 2), "0102..");
    }

    #[test]
    fn seconds_have_a_date() {
        assert_eq!(seconds_and_date(1_795_915_516), "1795915516 (2026-11-29 01:25:16 UTC)");
        assert_eq!(date(0), "1970-01-01 00:00:00");
        let _ = date(u64::MAX);
    }

    proptest! {
        #[test]
        fn any_octets_are_shown(octets: Vec<u8>, most in 0_usize..40) {
            let _ = (hex_and_text(&octets, most), payload(&octets, most));
        }

        #[test]
        fn random_octets_are_seldom_text(octets in proptest::collection::vec(any::<u8>(), 64)) {
            prop_assert_eq!(text(&octets), None);
        }
    }
}
