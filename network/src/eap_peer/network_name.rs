//! Names of access networks. RFC 9048 §3.1.

/// Whether a name is that of the network that the UE is at: fields between colons are compared, up to the end of the shorter
/// name. An empty name is none.
pub fn matches(received: &str, own: &str) -> bool {
    !received.is_empty() && received.split(':').zip(own.split(':')).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn fields_are_compared_as_far_as_both_have_them() {
        for (received, own, is_same) in [
            ("WLAN", "WLAN", true),
            ("WLAN", "WLAN:home", true),
            ("WLAN:home:1", "WLAN:home", true),
            ("WLAN:other", "WLAN:home", false),
            ("WLAN", "HRPD", false),
            ("WLANX", "WLAN", false),
            ("wlan", "WLAN", false),
            ("", "WLAN", false),
            ("PROSE:000001", "PROSE:000002", false),
        ] {
            assert_eq!(matches(received, own), is_same, "{received} {own}");
        }
    }
}
