//! Certificates of servers and key sets of users, with their parameters. TS 33.180 Annex D.3.2.2, D.3.3.2.

use core::fmt;
use core::str::FromStr;

use base64ct::{Base64, Encoding};
use sidelink_security::counter::UtcTime;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::pc3::Error;
use crate::pc3::element::Element;
use crate::pc3::fields::{Fields, Lexical, Value, records};

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $range:expr, $fits:expr, $expected:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// From its text; none where it is no such thing.
            pub fn new(text: &str) -> Option<Self> {
                let fits: fn(char) -> bool = $fits;
                let good = ($range).contains(&text.len()) && text.chars().all(fits);
                good.then(|| Self(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Lexical for $name {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Option<Self> {
                Self::new(text.trim())
            }

            fn to_text(&self) -> String {
                self.0.clone()
            }
        }
    )*};
}

texts! {
    /// An `xs:anyURI`: of a user, a group, a device, a server, a resource.
    Uri: 1..=512, |c| !c.is_control() && c != ' ', "a URI of 1 to 512 octets without spaces";
    /// An `xs:string` for people.
    Text: 0..=512, |c| !c.is_control(), "at most 512 octets of text";
}

/// An `xs:integer` from 0 on: a period and its number, an offset, the number of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(pub u32);

impl Lexical for Number {
    const EXPECTED: &'static str = "an integer, 0 to 4294967295";

    fn from_text(text: &str) -> Option<Self> {
        u32::from_str(text.trim()).ok().map(Self)
    }

    fn to_text(&self) -> String {
        self.0.to_string()
    }
}

/// An `xs:dateTime`. One without a zone, as in the examples of the text, is UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KmsTime(pub UtcTime);

impl Lexical for KmsTime {
    const EXPECTED: &'static str = "a dateTime, from 1970 to 2106";

    fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        UtcTime::from_text(text).or_else(|| UtcTime::from_text(&format!("{text}Z"))).map(Self)
    }

    fn to_text(&self) -> String {
        self.0.to_text()
    }
}

/// How the octets that keys are made for follow from a URI. TS 33.180 Annex D.3.2.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdFormat {
    /// Month and tel URI, RFC 6509 §3.2; its UserKeyPeriod is passed over. Ours: the text has no number for it.
    TelMonth,
    /// TS 33.180 Annex F.2.1.
    HashedUid,
}

impl Lexical for IdFormat {
    const EXPECTED: &'static str = "2 (TS 33.180 Annex F.2.1), or 1 (RFC 6509)";

    fn from_text(text: &str) -> Option<Self> {
        match text.trim() {
            "1" => Some(Self::TelMonth),
            "2" => Some(Self::HashedUid),
            _ => None,
        }
    }

    fn to_text(&self) -> String {
        match self {
            Self::TelMonth => "1",
            Self::HashedUid => "2",
        }
        .to_owned()
    }
}

/// Whose certificate it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Of the server that gives it.
    Root,
    /// Of another.
    External,
}

impl Lexical for Role {
    const EXPECTED: &'static str = "Root or External";

    fn from_text(text: &str) -> Option<Self> {
        match text.trim() {
            "Root" => Some(Self::Root),
            "External" => Some(Self::External),
            _ => None,
        }
    }

    fn to_text(&self) -> String {
        match self {
            Self::Root => "Root",
            Self::External => "External",
        }
        .to_owned()
    }
}

/// The octets that a key set is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserId(pub Vec<u8>);

/// Most octets of one: RFC 6508 takes an integer below q.
const MAX_USER_ID: usize = 127;

impl Lexical for UserId {
    const EXPECTED: &'static str = "1 to 127 octets in base64, or 32 in hexadecimal digits";

    fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        // 64 digits are base64 of 48 octets too, which no UID has.
        let digits = Some(text).filter(|text| text.len() == 64).and_then(|text| hex::decode(text).ok());
        let octets = digits.or_else(|| Base64::decode_vec(text).ok())?;
        (1..=MAX_USER_ID).contains(&octets.len()).then_some(Self(octets))
    }

    fn to_text(&self) -> String {
        Base64::encode_string(&self.0)
    }
}

/// A key or point of so many octets in `xs:hexBinary`: wiped, not shown by `Debug`, compared in constant time.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct KeyOctets<const N: usize>(pub [u8; N]);

impl<const N: usize> fmt::Debug for KeyOctets<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyOctets({N} octets, redacted)")
    }
}

impl<const N: usize> PartialEq for KeyOctets<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl<const N: usize> Eq for KeyOctets<N> {}

impl<const N: usize> Value for KeyOctets<N> {
    fn read(element: &Element) -> Result<Self, Error> {
        const EXPECTED: &str =
            "hexBinary of the length of its key; a key under a transport key is not taken here";
        let text = element.text.trim();
        let mut octets = Zeroizing::new([0; N]);
        let fits = element.children.is_empty() && hex::decode_to_slice(text, &mut *octets).is_ok();
        if fits { Ok(Self(*octets)) } else { Err(Error::value(EXPECTED)) }
    }

    fn write(&self, to: &mut Element) {
        to.text = hex::encode_upper(self.0).into();
    }
}

/// A [`KeyOctets`] in an element of an abstract type, which says that it is no encrypted one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyContent<const N: usize>(KeyOctets<N>);

impl<const N: usize> Value for KeyContent<N> {
    fn read(element: &Element) -> Result<Self, Error> {
        KeyOctets::read(element).map(Self)
    }

    fn write(&self, to: &mut Element) {
        to.attributes.push(("xsi:type".to_owned(), "KeyContentType".to_owned()));
        self.0.write(to);
    }
}

records! {
    /// Domains of a certificate.
    Domains {
        /// The domains.
        domains: Vec<Uri> = some "KmsDomain",
    }

    /// What is needed to write to the users of a server, and to check what they sign. TS 33.180 Annex D.3.2.2.
    KmsCertificate {
        /// Version of its type.
        version: Option<Text> = attribute "Version",
        /// Whose it is.
        role: Option<Role> = attribute "Role",
        /// Its own name.
        cert: Option<Uri> = maybe "CertUri",
        /// The server.
        kms: Uri = one "KmsUri",
        /// Who issues it, for people.
        issuer: Option<Text> = maybe "Issuer",
        /// When it begins to count.
        from: Option<KmsTime> = maybe "ValidFrom",
        /// When it ends.
        until: Option<KmsTime> = maybe "ValidTo",
        /// Whether it counts no more.
        revoked: Option<bool> = maybe "Revoked",
        /// How users are named.
        id_format: IdFormat = one "UserIdFormat",
        /// Length of a period, seconds.
        period: Number = one "UserKeyPeriod",
        /// Start of period 0, seconds after the first of 1900.
        offset: Number = one "UserKeyOffset",
        /// Z_T.
        z: KeyOctets<257> = one "PubEncKey",
        /// KPAK.
        kpak: KeyOctets<65> = one "PubAuthKey",
        /// Parameter set of SAKKE and ECCSI.
        parameter_set: Option<Number> = maybe "ParameterSet",
        /// Domains whose users it is for.
        domains: Option<Domains> = maybe "KmsDomainList",
    }
}

/// Keys of a user for a period. TS 33.180 Annex D.3.3.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsKeySet {
    /// The server.
    pub kms: Uri,
    /// The certificate that they are checked with.
    pub cert: Option<Uri>,
    /// Who issues them, for people.
    pub issuer: Option<Text>,
    /// Whose they are.
    pub user: Uri,
    /// The octets that they are for.
    pub user_id: UserId,
    /// When they begin to count.
    pub from: Option<KmsTime>,
    /// When they end.
    pub until: Option<KmsTime>,
    /// Number of the period.
    pub period: Number,
    /// Whether they count no more.
    pub revoked: Option<bool>,
    /// RSK.
    pub rsk: KeyOctets<257>,
    /// SSK.
    pub ssk: KeyOctets<32>,
    /// PVT.
    pub pvt: KeyOctets<65>,
}

impl Value for KmsKeySet {
    fn read(element: &Element) -> Result<Self, Error> {
        let mut fields = Fields::of(element)?;
        let key_set = Self {
            kms: fields.one("KmsUri")?,
            cert: fields.maybe("CertUri")?,
            issuer: fields.maybe("Issuer")?,
            user: fields.one("UserUri")?,
            user_id: fields.one("UserID")?,
            from: fields.maybe("ValidFrom")?,
            until: fields.maybe("ValidTo")?,
            period: fields.one("KeyPeriodNo")?,
            revoked: fields.maybe("Revoked")?,
            rsk: fields.one::<KeyContent<257>>("UserDecryptKey")?.0,
            ssk: fields.one::<KeyContent<32>>("UserSigningKeySSK")?.0,
            pvt: fields.one::<KeyContent<65>>("UserPubTokenPVT")?.0,
        };
        fields.finish()?;
        Ok(key_set)
    }

    fn write(&self, to: &mut Element) {
        to.attributes.push(("Version".to_owned(), "1.1.0".to_owned()));
        to.one("KmsUri", &self.kms);
        to.maybe("CertUri", &self.cert);
        to.maybe("Issuer", &self.issuer);
        to.one("UserUri", &self.user);
        to.one("UserID", &self.user_id);
        to.maybe("ValidFrom", &self.from);
        to.maybe("ValidTo", &self.until);
        to.one("KeyPeriodNo", &self.period);
        to.maybe("Revoked", &self.revoked);
        to.one("UserDecryptKey", &KeyContent(self.rsk.clone()));
        to.one("UserSigningKeySSK", &KeyContent(self.ssk.clone()));
        to.one("UserPubTokenPVT", &KeyContent(self.pvt.clone()));
    }
}
