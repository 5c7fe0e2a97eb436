//! Values of single fields. RFC 3830 §6.2 to §6.12, RFC 4738 §4.3, RFC 6043 §6, RFC 6509 §4.4, TS 33.180 §E.7.

use super::Error;
use super::cursor::{Cursor, Writer};

macro_rules! octets {
    ($($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $value:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub(super) const fn from_octet(octet: u8) -> Result<Self, Error> {
                match octet {
                    $($value => Ok(Self::$variant),)*
                    _ => Err(Error::Reserved { what: $what, value: octet as u32 }),
                }
            }

            pub(super) const fn octet(self) -> u8 {
                match self { $(Self::$variant => $value,)* }
            }
        }
    )*};
}

octets! {
    /// How keys are ciphered.
    Encryption, "encryption of MIKEY" {
        /// Not at all.
        Null = 0,
        /// AES in counter mode, 128 bits.
        AesCm128 = 1,
        /// AES key wrap, 128 bits.
        AesKw128 = 2,
        /// AES in counter mode, 256 bits. RFC 6043.
        AesCm256 = 3,
    }

    /// What a MAC is made with.
    MacAlgorithm, "MAC of MIKEY" {
        /// There is none.
        Null = 0,
        /// HMAC-SHA-1-160.
        HmacSha1 = 1,
        /// HMAC-SHA-256-256. RFC 6043.
        HmacSha256 = 2,
    }

    /// What an identity is.
    IdType, "ID type of MIKEY" {
        /// A network access identifier.
        Nai = 0,
        /// A URI.
        Uri = 1,
        /// Octets. RFC 6043.
        Octets = 2,
    }

    /// What was wrong with a message.
    ErrorNumber, "error of MIKEY" {
        /// Its authentication.
        Authentication = 0,
        /// Its timestamp.
        Timestamp = 1,
        /// The PRF is not there.
        Prf = 2,
        /// The MAC algorithm is not there.
        Mac = 3,
        /// The encryption is not there.
        Encryption = 4,
        /// The hash is not there.
        Hash = 5,
        /// The group is not there.
        Group = 6,
        /// The identity is not there.
        Id = 7,
        /// The certificate is not there.
        Certificate = 8,
        /// The policy type is not there.
        Policy = 9,
        /// Parameters of the policy are not there.
        PolicyParameters = 10,
        /// The data type is not there.
        DataType = 11,
        /// Something else.
        Unspecified = 12,
        /// The message type is not supported. RFC 4738.
        MessageType = 13,
        /// The ticket type is not supported. RFC 6043.
        Ticket = 14,
        /// The policy of the ticket is not accepted. RFC 6043.
        TicketPolicy = 15,
    }

    /// Role of an identity. RFC 6043 §6.6, RFC 6509 §4.4, TS 33.180 §E.7.
    IdRole, "role of an identity of MIKEY" {
        /// The initiator: IDRi.
        Initiator = 1,
        /// The responder: IDRr.
        Responder = 2,
        /// The key management server: IDRkms.
        Kms = 3,
        /// A pre-shared key: IDRpsk.
        PresharedKey = 4,
        /// An application: IDRapp.
        Application = 5,
        /// The key management server of the initiator: IDRkmsi.
        InitiatorKms = 6,
        /// The key management server of the responder: IDRkmsr.
        ResponderKms = 7,
        /// The initiator, as its hidden identity: IDRuidi.
        HiddenInitiator = 8,
        /// The responder, as its hidden identity: IDRuidr.
        HiddenResponder = 9,
    }

    /// Role of a timestamp. RFC 6043 §6.4.
    TimestampRole, "role of a timestamp of MIKEY" {
        /// When it was issued: TRi.
        Issue = 1,
        /// When validity begins: TRs.
        Start = 2,
        /// When validity ends: TRe.
        End = 3,
        /// How often keys are renewed: TRr.
        RekeyingInterval = 4,
    }

    /// Role of a RAND. RFC 6043 §6.8.
    RandRole, "role of a RAND of MIKEY" {
        /// Of the initiator: RANDRi.
        Initiator = 1,
        /// Of the responder: RANDRr.
        Responder = 2,
        /// Of the key management server: RANDRkms.
        Kms = 3,
    }

    /// What a signature is made with. RFC 3830 §6.5, RFC 6509 §4.3.
    SignatureType, "signature of MIKEY" {
        /// RSA, PKCS #1 version 1.5.
        RsaPkcs1 = 0,
        /// RSA, PSS.
        RsaPss = 1,
        /// ECCSI.
        Eccsi = 2,
    }

    /// What a certificate is. RFC 3830 §6.7.
    CertificateType, "certificate type of MIKEY" {
        /// X.509 version 3.
        X509 = 0,
        /// A URL of an X.509 certificate.
        X509Url = 1,
        /// X.509 version 3, for signatures alone.
        X509Signing = 2,
        /// X.509 version 3, for encryption alone.
        X509Encryption = 3,
    }

    /// Hash of certificates. RFC 3830 §6.8, RFC 6043 §6.2.
    HashAlgorithm, "hash of MIKEY" {
        /// SHA-1.
        Sha1 = 0,
        /// MD5.
        Md5 = 1,
        /// SHA-256. RFC 6043.
        Sha256 = 2,
    }

    /// Group of Diffie and Hellman. RFC 3830 §6.4.
    DhGroup, "DH group of MIKEY" {
        /// OAKLEY 5, 1536 bits.
        Oakley5 = 0,
        /// OAKLEY 1, 768 bits.
        Oakley1 = 1,
        /// OAKLEY 2, 1024 bits.
        Oakley2 = 2,
    }

    /// What may be done with an envelope key. RFC 3830 §6.3.
    EnvelopeCache, "cache indicator of MIKEY" {
        /// It serves one message.
        No = 0,
        /// It may serve again.
        Yes = 1,
        /// It may serve again for the same crypto session bundle.
        SameBundle = 2,
    }

    /// Parameters of SAKKE. RFC 6509 §4.2.
    SakkeParameters, "SAKKE parameters of MIKEY" {
        /// Set 1. RFC 6509 Appendix A.
        Set1 = 1,
    }

    /// How the identities of SAKKE are made. RFC 6509 §4.2, TS 33.180 §E.5.
    IdentifierScheme, "identifier scheme of SAKKE" {
        /// A telephone URI and a month. RFC 6509 §3.2.
        TelMonthly = 1,
        /// The hashed identity of TS 33.180 §F.2.
        HashedUid = 2,
    }
}

impl SignatureType {
    /// The number, 4 bits.
    pub const fn number(self) -> u8 {
        self.octet()
    }
}

impl HashAlgorithm {
    /// Length of a hash.
    pub const fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Md5 => 16,
            Self::Sha256 => 32,
        }
    }
}

impl DhGroup {
    /// Length of a public value.
    pub const fn octets(self) -> usize {
        match self {
            Self::Oakley5 => 192,
            Self::Oakley1 => 96,
            Self::Oakley2 => 128,
        }
    }
}

impl MacAlgorithm {
    /// Length of a MAC.
    pub const fn octets(self) -> usize {
        match self {
            Self::Null => 0,
            Self::HmacSha1 => 20,
            Self::HmacSha256 => 32,
        }
    }
}

/// A MAC with what it is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac<'a> {
    /// What it is made with.
    pub algorithm: MacAlgorithm,
    /// As many octets as [`MacAlgorithm::octets`] says.
    pub tag: &'a [u8],
}

impl<'a> Mac<'a> {
    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let algorithm = MacAlgorithm::from_octet(cursor.octet("MAC of MIKEY")?)?;
        Ok(Self { algorithm, tag: cursor.slice("MAC of MIKEY", algorithm.octets())? })
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        if self.tag.len() != self.algorithm.octets() {
            writer.refuse("a MAC of MIKEY of another length than its algorithm has");
        }
        writer.put(&[self.algorithm.octet()]);
        writer.put(self.tag);
    }
}

/// When a message was made, or its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timestamp {
    /// NTP in UTC, 64 bits.
    NtpUtc(u64),
    /// NTP, 64 bits.
    Ntp(u64),
    /// A counter.
    Counter(u32),
    /// NTP in UTC, seconds alone. RFC 6043.
    NtpUtc32(u32),
}

impl Timestamp {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Error> {
        let what = "timestamp of MIKEY";
        Ok(match cursor.octet(what)? {
            0 => Self::NtpUtc(u64::from_be_bytes(cursor.take(what)?)),
            1 => Self::Ntp(u64::from_be_bytes(cursor.take(what)?)),
            2 => Self::Counter(cursor.u32(what)?),
            3 => Self::NtpUtc32(cursor.u32(what)?),
            kind => return Err(Error::Reserved { what: "timestamp type of MIKEY", value: kind.into() }),
        })
    }

    /// As 64 bits, as it enters an IV: a counter behind zeros (RFC 3830 §6.6), seconds alone before them (RFC 6043 §6.3).
    pub const fn as_64_bits(self) -> u64 {
        match self {
            Self::NtpUtc(value) | Self::Ntp(value) => value,
            Self::Counter(value) => value as u64,
            Self::NtpUtc32(seconds) => (seconds as u64) << 32,
        }
    }

    /// Its octets as they are sent, 8 or 4.
    pub fn octets(self) -> Vec<u8> {
        match self {
            Self::NtpUtc(value) | Self::Ntp(value) => value.to_be_bytes().to_vec(),
            Self::Counter(value) | Self::NtpUtc32(value) => value.to_be_bytes().to_vec(),
        }
    }

    pub(super) fn write(self, writer: &mut Writer<'_>) {
        let kind = match self {
            Self::NtpUtc(_) => 0,
            Self::Ntp(_) => 1,
            Self::Counter(_) => 2,
            Self::NtpUtc32(_) => 3,
        };
        writer.put(&[kind]);
        writer.put(&self.octets());
    }
}
