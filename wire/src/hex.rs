//! Hexadecimal and single bits: most significant bit first, the last nibble padded with zeros.

/// Writes bits, one a byte, as hexadecimal digits.
pub fn of_bits(bits: &[u8]) -> String {
    let nibble =
        |four: &[u8]| (0..4).fold(0, |v, i| v << 1 | u32::from(four.get(i).copied().unwrap_or(0) & 1));
    bits.chunks(4).map(|four| char::from_digit(nibble(four), 16).unwrap_or('0')).collect()
}

/// Writes bytes as hexadecimal digits.
pub fn of_bytes(bytes: &[u8]) -> String {
    let digit = |v: u8| char::from_digit(u32::from(v), 16).unwrap_or('0');
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

/// Parses hexadecimal digits into bytes; blanks, colons and underscores between them are skipped. Returns `None` for
/// any other character and for an odd number of digits.
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().filter(|c| !matches!(c, ' ' | '_' | ':' | '\n' | '\t'));
    let nibbles: Vec<u8> = digits.map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    let pairs = nibbles.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    Some(pairs.map(|p| p[0] << 4 | p[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_odd_number_of_bits_is_padded_at_the_end() {
        assert_eq!(of_bits(&[1, 0, 1, 0, 1]), "a8");
        assert_eq!(of_bits(&[]), "");
        assert_eq!(bytes("0a:FF_0 1"), Some(vec![0x0a, 0xff, 0x01]));
        assert_eq!(bytes("0a0"), None);
        assert_eq!(bytes("0g"), None);
    }

    fn bits_of(bytes: &[u8]) -> Vec<u8> {
        bytes.iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1)).collect()
    }

    proptest! {
        #[test]
        fn bytes_come_back(raw: Vec<u8>) {
            prop_assert_eq!(bytes(&of_bytes(&raw)), Some(raw.clone()));
            prop_assert_eq!(of_bits(&bits_of(&raw)), of_bytes(&raw));
        }

        #[test]
        fn any_text_is_taken_or_refused(text: String) {
            let _ = bytes(&text);
        }
    }
}
