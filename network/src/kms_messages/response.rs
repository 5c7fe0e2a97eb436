//! KmsResponse. TS 33.180 Annex D.3.

use core::fmt;

use super::values::{KmsCertificate, KmsKeySet, KmsTime, Number, Text, Uri};
use crate::pc3::Error;
use crate::pc3::element::Element;
use crate::pc3::fields::{Fields, Lexical, Value, records};
use crate::pc3::values::{choices, integer};

choices! {
    /// Why a client gets nothing. Ours: the text has no numbers.
    ErrorCode, "an error of this server, 1 to 12" {
        /// No such resource.
        NoResource = 1,
        /// The body is no KmsRequest.
        Malformed = 2,
        /// The request is for another server.
        OtherKms = 3,
        /// The request is for another resource than it was posted to.
        OtherUrl = 4,
        /// The client's clock is wrong, or its request is old.
        Clock = 5,
        /// The identity is not the client's.
        NotYours = 6,
        /// The identity was revoked.
        Revoked = 7,
        /// The period is over.
        PeriodOver = 8,
        /// The period is too far away.
        PeriodTooEarly = 9,
        /// No certificate of that server is known.
        NoCertificate = 10,
        /// The identity is no name that the server makes keys for.
        BadIdentity = 11,
        /// What is asked for is not done here.
        Unsupported = 12,
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoResource => "there is no such resource",
            Self::Malformed => "the body is no KmsRequest",
            Self::OtherKms => "the request names another key management server",
            Self::OtherUrl => "the request names another resource than it was posted to",
            Self::Clock => "the time of the request is not the server's: set the clock, then ask again",
            Self::NotYours => "the identity is not granted to this subscriber",
            Self::Revoked => "the identity was revoked",
            Self::PeriodOver => "the keys of this period are given out no more",
            Self::PeriodTooEarly => "the keys of this period are not given out yet",
            Self::NoCertificate => "no certificate of that key management server is known here",
            Self::BadIdentity => "the identity is no name that this server makes keys for",
            Self::Unsupported => "this key management server does not do that",
        })
    }
}

/// The number of an error: one of another server stands as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ErrorNumber(i64);

impl Lexical for ErrorNumber {
    const EXPECTED: &'static str = "an integer";

    fn from_text(text: &str) -> Option<Self> {
        integer(text).map(Self)
    }

    fn to_text(&self) -> String {
        self.0.to_string()
    }
}

/// An error, by number and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorInfo {
    /// ErrorCode.
    pub number: i64,
    /// ErrorMsg.
    pub text: Text,
}

impl ErrorInfo {
    /// What our server says.
    pub fn of(code: ErrorCode) -> Self {
        let text = Text::new(&code.to_string()).expect("the texts above are short");
        Self { number: integer(&code.to_text()).unwrap_or_default(), text }
    }

    /// Which error of our server's it is.
    pub fn code(&self) -> Option<ErrorCode> {
        ErrorCode::from_text(&self.number.to_string())
    }
}

impl Value for ErrorInfo {
    fn read(element: &Element) -> Result<Self, Error> {
        let mut fields = Fields::of(element)?;
        let number: ErrorNumber = fields.one("ErrorCode")?;
        let info = Self { number: number.0, text: fields.one("ErrorMsg")? };
        fields.finish()?;
        Ok(info)
    }

    fn write(&self, to: &mut Element) {
        to.one("ErrorCode", &ErrorNumber(self.number));
        to.one("ErrorMsg", &self.text);
    }
}

records! {
    /// A certificate with a signature, which is not checked.
    SignedKmsCertificate {
        /// The certificate.
        certificate: KmsCertificate = one "KmsCertificate",
    }

    /// Keys. TS 33.180 Annex D.3.1.
    KmsKeyProv {
        /// Version of the document, 1.0.0.
        version: Option<Text> = attribute "Version",
        /// Key sets.
        key_sets: Vec<KmsKeySet> = many "KmsKeySet",
    }

    /// Certificates of other servers.
    KmsCertCache {
        /// Version of the document, 1.0.0.
        version: Option<Text> = attribute "Version",
        /// Number of the cache: the higher, the newer.
        number: Option<Number> = attribute "CacheNum",
        /// With a signature.
        signed: Vec<SignedKmsCertificate> = many "SignedKmsCertificate",
        /// Without.
        certificates: Vec<KmsCertificate> = many "KmsCertificate",
    }

    /// KmsResponse.
    KmsResponse {
        /// Version of the document, 1.0.0.
        version: Option<Text> = attribute "Version",
        /// Who asked.
        user: Uri = one "UserUri",
        /// Who answers.
        kms: Uri = one "KmsUri",
        /// When.
        time: KmsTime = one "Time",
        /// The server, for people.
        kms_id: Option<Text> = maybe "KmsId",
        /// The resource that was posted to.
        url: Uri = one "ClientReqUrl",
        /// What was asked for.
        message: Option<KmsMessage> = maybe "KmsMessage",
        /// Or why there is nothing.
        error: Option<ErrorInfo> = maybe "KmsError",
    }
}

/// The server's own certificate.
#[derive(Debug)]
pub struct KmsInit {
    /// The certificate.
    pub certificate: KmsCertificate,
}

impl Value for KmsInit {
    fn read(element: &Element) -> Result<Self, Error> {
        let mut fields = Fields::of(element)?;
        let signed: Option<SignedKmsCertificate> = fields.maybe("SignedKmsCertificate")?;
        let certificate = match signed {
            Some(signed) => signed.certificate,
            None => fields.one("KmsCertificate")?,
        };
        fields.finish()?;
        Ok(Self { certificate })
    }

    fn write(&self, to: &mut Element) {
        to.attributes.push(("Version".to_owned(), "1.0.0".to_owned()));
        to.one("KmsCertificate", &self.certificate);
    }
}

/// What was asked for.
#[derive(Debug)]
pub enum KmsMessage {
    /// The server's certificate.
    Init(Box<KmsInit>),
    /// Keys.
    KeyProv(KmsKeyProv),
    /// Certificates of other servers.
    CertCache(KmsCertCache),
}

impl Value for KmsMessage {
    fn read(element: &Element) -> Result<Self, Error> {
        let expected = Error::value("one of KmsInit, KmsKeyProv, KmsCertCache");
        let [child] = &element.children[..] else { return Err(expected) };
        let name = child.name.as_str();
        let read = match name {
            "KmsInit" => KmsInit::read(child).map(|init| Self::Init(Box::new(init))),
            "KmsKeyProv" => KmsKeyProv::read(child).map(Self::KeyProv),
            "KmsCertCache" => KmsCertCache::read(child).map(Self::CertCache),
            _ => return Err(expected),
        };
        read.map_err(|e| e.within(name))
    }

    fn write(&self, to: &mut Element) {
        match self {
            Self::Init(message) => to.one("KmsInit", &**message),
            Self::KeyProv(message) => to.one("KmsKeyProv", message),
            Self::CertCache(message) => to.one("KmsCertCache", message),
        }
    }
}
