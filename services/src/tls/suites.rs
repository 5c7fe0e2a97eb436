//! Cipher suites with PSK. TS 33.210 §6.2.3: AEAD, and a key exchange that keeps old sessions secret when Ks_NAF gets out.

use std::fmt;

/// Ua security protocol identifier of TLS 1.3 with PSK. TS 33.220 Annex H.3; the clause of TS 33.222 that it names is of a later
/// release and was not read.
pub const TLS_13_PROTOCOL: [u8; 5] = [1, 0, 0, 0, 7];

/// Suites of TLS 1.3: a PSK of GBA has no hash of its own, which means SHA-256. RFC 8446 §4.2.11, from memory.
pub(super) const TLS_13_SUITES: &str = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";

/// A suite of TLS 1.2. TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256, which TS 33.210 §6.2.3 has too, OpenSSL 3 does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PskSuite {
    /// TLS_DHE_PSK_WITH_AES_128_GCM_SHA256, which every end has.
    DheAes128Gcm,
    /// TLS_DHE_PSK_WITH_AES_256_GCM_SHA384.
    DheAes256Gcm,
    /// TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256.
    EcdheChaCha20,
    /// TLS_DHE_PSK_WITH_CHACHA20_POLY1305_SHA256.
    DheChaCha20,
}

impl PskSuite {
    /// In the order in which a server prefers them.
    pub const ALL: [Self; 4] =
        [Self::DheAes128Gcm, Self::EcdheChaCha20, Self::DheAes256Gcm, Self::DheChaCha20];

    /// Its number, as IANA has it.
    pub const fn number(self) -> [u8; 2] {
        match self {
            Self::DheAes128Gcm => [0x00, 0xaa],
            Self::DheAes256Gcm => [0x00, 0xab],
            Self::EcdheChaCha20 => [0xcc, 0xac],
            Self::DheChaCha20 => [0xcc, 0xad],
        }
    }

    /// Its name in OpenSSL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DheAes128Gcm => "DHE-PSK-AES128-GCM-SHA256",
            Self::DheAes256Gcm => "DHE-PSK-AES256-GCM-SHA384",
            Self::EcdheChaCha20 => "ECDHE-PSK-CHACHA20-POLY1305",
            Self::DheChaCha20 => "DHE-PSK-CHACHA20-POLY1305",
        }
    }

    /// Ua security protocol identifier, which has the number in it. TS 33.220 Annex H.3.
    pub const fn protocol(self) -> [u8; 5] {
        let [a, b] = self.number();
        [1, 0, 1, a, b]
    }

    /// The preferred one of those that a ClientHello offers.
    pub(super) fn preferred(offered: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| offered.chunks_exact(2).any(|number| number == suite.number()))
    }

    /// All, as OpenSSL takes a list.
    pub(super) fn list() -> String {
        Self::ALL.map(Self::name).join(":")
    }
}

impl fmt::Display for PskSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
