//! Security policies: SP. RFC 3830 §6.10, with the types that RFC 4771, RFC 7714 and TS 33.179 §E.2 add.

use super::Error;
use super::cursor::{Cursor, Writer};

/// Type of a parameter of a policy of SRTP. Absent ones have their default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SrtpParameter(pub u8);

impl SrtpParameter {
    /// Encryption algorithm: 0 none, 1 AES-CM, 2 AES-F8, 6 AES-GCM.
    pub const ENCRYPTION: Self = Self(0);
    /// Octets of the session key of encryption.
    pub const ENCRYPTION_KEY_LENGTH: Self = Self(1);
    /// Authentication algorithm: 0 none, 1 HMAC-SHA-1, 2 to 4 with a rollover counter (RFC 4771).
    pub const AUTHENTICATION: Self = Self(2);
    /// Octets of the session key of authentication.
    pub const AUTHENTICATION_KEY_LENGTH: Self = Self(3);
    /// Octets of the session salt.
    pub const SALT_LENGTH: Self = Self(4);
    /// Pseudo-random function: 0 AES-CM.
    pub const PRF: Self = Self(5);
    /// Key derivation rate.
    pub const KEY_DERIVATION_RATE: Self = Self(6);
    /// Whether SRTP is ciphered.
    pub const SRTP_ENCRYPTION: Self = Self(7);
    /// Whether SRTCP is ciphered.
    pub const SRTCP_ENCRYPTION: Self = Self(8);
    /// Order of forward error correction.
    pub const FEC_ORDER: Self = Self(9);
    /// Whether SRTP is authenticated.
    pub const SRTP_AUTHENTICATION: Self = Self(10);
    /// Octets of the tag.
    pub const TAG_LENGTH: Self = Self(11);
    /// Octets of the prefix.
    pub const PREFIX_LENGTH: Self = Self(12);
    /// Packets from one transmission of the rollover counter to the next. RFC 4771.
    pub const ROC_RATE: Self = Self(13);
    /// Octets of the tag of SRTP. TS 33.179 §E.2.
    pub const SRTP_TAG_LENGTH: Self = Self(18);
    /// Octets of the tag of SRTCP. TS 33.179 §E.2.
    pub const SRTCP_TAG_LENGTH: Self = Self(19);
    /// Octets of the tag of AEAD. RFC 7714 §14.3.
    pub const AEAD_TAG_LENGTH: Self = Self(20);

    /// The profile of a GMK that an empty CS ID map stands for. TS 33.179 §E.2.
    pub const GMK_PROFILE: [(Self, &'static [u8]); 10] = [
        (Self::ENCRYPTION, &[6]),
        (Self::ENCRYPTION_KEY_LENGTH, &[16]),
        (Self::AUTHENTICATION, &[4]),
        (Self::SALT_LENGTH, &[12]),
        (Self::PRF, &[0]),
        (Self::KEY_DERIVATION_RATE, &[0]),
        (Self::ROC_RATE, &[1]),
        (Self::SRTP_TAG_LENGTH, &[4]),
        (Self::SRTCP_TAG_LENGTH, &[0]),
        (Self::AEAD_TAG_LENGTH, &[16]),
    ];

    /// The profile of a PCK. TS 33.179 §E.3.
    pub const PCK_PROFILE: [(Self, &'static [u8]); 6] = [
        (Self::ENCRYPTION, &[6]),
        (Self::ENCRYPTION_KEY_LENGTH, &[16]),
        (Self::SALT_LENGTH, &[12]),
        (Self::PRF, &[0]),
        (Self::KEY_DERIVATION_RATE, &[0]),
        (Self::AEAD_TAG_LENGTH, &[16]),
    ];
}

/// A security policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy<'a> {
    /// Its number, which CS ID maps refer to.
    pub number: u8,
    /// Of which protocol; 0 is SRTP.
    pub protocol: u8,
    /// Types and values, each at most 255 octets. A type that nobody knows is carried.
    pub parameters: Vec<(SrtpParameter, &'a [u8])>,
}

impl<'a> Policy<'a> {
    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let [number, protocol] = cursor.take("SP of MIKEY")?;
        let mut inside = Cursor::new(cursor.long("SP of MIKEY")?);
        let mut parameters = Vec::new();
        while inside.left() > 0 {
            parameters.push((SrtpParameter(inside.octet("SP of MIKEY")?), inside.short("SP of MIKEY")?));
        }
        Ok(Self { number, protocol, parameters })
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        let len = self.parameters.iter().map(|(_, value)| 2 + value.len()).sum::<usize>();
        writer.limit("parameters of a policy of MIKEY", len, 0xffff);
        writer.put(&[self.number, self.protocol]);
        writer.put(&(len as u16).to_be_bytes());
        for (kind, value) in &self.parameters {
            writer.put(&[kind.0]);
            writer.short("parameter of a policy of MIKEY", value);
        }
    }
}
