//! The header fields of HTTP Digest AKA on Ub. TS 24.109 §4.2, Annex A; RFC 3310 and RFC 7616 from memory.
//!
//! Names and values are quoted strings or tokens. A value with a backslash is refused: no value here needs an escape, and
//! the two ends would not agree whether the digest is over the escaped one.

use std::fmt;

use base64ct::{Base64, Encoding};
use sidelink_wire::hex;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::aka::{Autn, Auts, Rand};

/// Octets of a header field, at most.
pub const MAX_FIELD: usize = 4096;

/// Parameters of a header field, at most.
const MAX_PARAMETERS: usize = 32;

/// A header field that is not understood: the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Longer than [`MAX_FIELD`], or more than 32 parameters.
    TooLong,
    /// Not the scheme `Digest`.
    Scheme,
    /// Not `name=value`, separated by commas, in printable ASCII.
    Syntax,
    /// A parameter stands there twice.
    Twice,
    /// A parameter is missing.
    Missing(&'static str),
    /// A parameter has a value that it cannot have.
    Value(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the header field is longer than {MAX_FIELD} octets or 32 parameters"),
            Self::Scheme => f.write_str("the header field is not of the scheme Digest"),
            Self::Syntax => f.write_str("the header field is not a list of name=value"),
            Self::Twice => f.write_str("a parameter stands twice in the header field"),
            Self::Missing(name) => write!(f, "the parameter {name} is missing"),
            Self::Value(name) => write!(f, "the parameter {name} has a value that it cannot have"),
        }
    }
}

impl std::error::Error for Error {}

/// Hash of the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// AKAv1-MD5. RFC 3310, as TS 24.109 §4.2 has it.
    AkaV1Md5,
    /// SHA-256 (RFC 7616) in the place of MD5. The name is ours: TS 24.109 of release 16 knows MD5 alone.
    AkaV1Sha256,
}

impl Algorithm {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AkaV1Md5 => "AKAv1-MD5",
            Self::AkaV1Sha256 => "AKAv1-SHA-256",
        }
    }

    fn parse(name: &str) -> Result<Self, Error> {
        [Self::AkaV1Md5, Self::AkaV1Sha256]
            .into_iter()
            .find(|a| a.name().eq_ignore_ascii_case(name))
            .ok_or(Error::Value("algorithm"))
    }

    /// Hash of parts with colons between them, as hexadecimal digits.
    fn hash(self, parts: &[&[u8]]) -> Zeroizing<String> {
        match self {
            Self::AkaV1Md5 => hash::<md5::Md5>(parts),
            Self::AkaV1Sha256 => hash::<sha2::Sha256>(parts),
        }
    }
}

fn hash<D: sha2::Digest>(parts: &[&[u8]]) -> Zeroizing<String> {
    let mut running = D::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            running.update(b":");
        }
        running.update(part);
    }
    Zeroizing::new(hex::of_bytes(&running.finalize()))
}

/// What a digest is over, the password apart.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Hash.
    pub algorithm: Algorithm,
    /// Private identity.
    pub username: &'a str,
    /// Name of the BSF.
    pub realm: &'a str,
    /// As it stands in the header field.
    pub nonce: &'a str,
    /// As it stands in the header field.
    pub cnonce: &'a str,
    /// As it stands in the header field.
    pub uri: &'a str,
}

/// Which message a digest protects.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a> {
    /// `response` of a request by GET, whose body this is.
    Request(&'a [u8]),
    /// `rspauth` of the answer, whose body this is.
    Answer(&'a [u8]),
}

/// Number of the request under a nonce: there is one alone.
pub const NC: &str = "00000001";

/// Quality of protection. TS 24.109 §4.2.
pub const QOP: &str = "auth-int";

impl Exchange<'_> {
    /// The digest under RES, or under nothing with an AUTS (RFC 3310 §3.4). RFC 7616 §3.4.1.
    pub fn digest(&self, password: &[u8], of: Of<'_>) -> Zeroizing<String> {
        let h = |parts: &[&[u8]]| self.algorithm.hash(parts);
        let a1 = h(&[self.username.as_bytes(), self.realm.as_bytes(), password]);
        let (method, body): (&[u8], _) = match of {
            Of::Request(body) => (b"GET", body),
            Of::Answer(body) => (b"", body),
        };
        let a2 = h(&[method, self.uri.as_bytes(), h(&[body]).as_bytes()]);
        let (nonce, cnonce) = (self.nonce.as_bytes(), self.cnonce.as_bytes());
        h(&[a1.as_bytes(), nonce, NC.as_bytes(), cnonce, QOP.as_bytes(), a2.as_bytes()])
    }

    /// Whether `claimed` is the digest, in constant time.
    pub fn verify(&self, password: &[u8], of: Of<'_>, claimed: &str) -> bool {
        let expected = self.digest(password, of);
        claimed.to_ascii_lowercase().as_bytes().ct_eq(expected.as_bytes()).into()
    }
}

/// The nonce of a challenge: base64(RAND || AUTN || data of the server). RFC 3310 §3.2.
pub fn nonce(rand: Rand, autn: Autn) -> String {
    Base64::encode_string(&[rand.0, autn.0].concat())
}

/// RAND and AUTN of a nonce.
pub fn challenge_of(nonce: &str) -> Result<(Rand, Autn), Error> {
    let octets = Base64::decode_vec(nonce).map_err(|_| Error::Value("nonce"))?;
    match (octets.first_chunk(), octets.get(16..).and_then(|rest| rest.first_chunk())) {
        (Some(rand), Some(autn)) => Ok((Rand(*rand), Autn(*autn))),
        _ => Err(Error::Value("nonce")),
    }
}

/// `WWW-Authenticate` of a BSF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Name of the BSF.
    pub realm: String,
    /// See [`nonce`].
    pub nonce: String,
    /// Hash.
    pub algorithm: Algorithm,
    /// To hand back, where the BSF says so.
    pub opaque: Option<String>,
}

impl Challenge {
    /// From the value of a header field.
    pub fn parse(field: &[u8]) -> Result<Self, Error> {
        let parameters = Parameters::parse_digest(field)?;
        if !parameters.required("qop")?.split(',').any(|qop| qop.trim().eq_ignore_ascii_case(QOP)) {
            return Err(Error::Value("qop"));
        }
        Ok(Self {
            realm: parameters.required("realm")?.to_owned(),
            nonce: parameters.required("nonce")?.to_owned(),
            algorithm: Algorithm::parse(parameters.required("algorithm")?)?,
            opaque: parameters.get("opaque").map(str::to_owned),
        })
    }

    /// The value of the header field.
    pub fn emit(&self) -> String {
        let mut out = format!(
            "Digest realm=\"{}\", nonce=\"{}\", algorithm={}, qop=\"{QOP}\"",
            self.realm,
            self.nonce,
            self.algorithm.name()
        );
        if let Some(opaque) = &self.opaque {
            out.push_str(&format!(", opaque=\"{opaque}\""));
        }
        out
    }
}

/// `Authorization` of a UE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// Private identity.
    pub username: String,
    /// Name of the BSF.
    pub realm: String,
    /// The request.
    pub uri: String,
    /// What it answers; nothing in the first request, whose nonce is empty.
    pub answer: Option<Answer>,
}

/// Answer to a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Nonce of the challenge.
    pub nonce: String,
    /// The UE's own nonce.
    pub cnonce: String,
    /// Hash.
    pub algorithm: Algorithm,
    /// The digest.
    pub response: String,
    /// As the challenge had it.
    pub opaque: Option<String>,
    /// SQN is not fresh.
    pub auts: Option<Auts>,
}

impl Authorization {
    /// From the value of a header field.
    pub fn parse(field: &[u8]) -> Result<Self, Error> {
        let parameters = Parameters::parse_digest(field)?;
        let nonce = parameters.required("nonce")?;
        let answer = if nonce.is_empty() { None } else { Some(Answer::parse(&parameters, nonce)?) };
        Ok(Self {
            username: parameters.required("username")?.to_owned(),
            realm: parameters.required("realm")?.to_owned(),
            uri: parameters.required("uri")?.to_owned(),
            answer,
        })
    }

    /// The value of the header field.
    pub fn emit(&self) -> String {
        let mut out =
            format!("Digest username=\"{}\", realm=\"{}\", uri=\"{}\"", self.username, self.realm, self.uri);
        let Some(answer) = &self.answer else {
            out.push_str(", nonce=\"\", response=\"\"");
            return out;
        };
        out.push_str(&format!(
            ", nonce=\"{}\", qop={QOP}, nc={NC}, cnonce=\"{}\", response=\"{}\", algorithm={}",
            answer.nonce,
            answer.cnonce,
            answer.response,
            answer.algorithm.name()
        ));
        if let Some(opaque) = &answer.opaque {
            out.push_str(&format!(", opaque=\"{opaque}\""));
        }
        if let Some(auts) = &answer.auts {
            out.push_str(&format!(", auts=\"{}\"", Base64::encode_string(&auts.0)));
        }
        out
    }

    /// What the digest of an answer is over.
    pub fn exchange<'a>(&'a self, answer: &'a Answer) -> Exchange<'a> {
        Exchange {
            algorithm: answer.algorithm,
            username: &self.username,
            realm: &self.realm,
            nonce: &answer.nonce,
            cnonce: &answer.cnonce,
            uri: &self.uri,
        }
    }
}

impl Answer {
    fn parse(parameters: &Parameters<'_>, nonce: &str) -> Result<Self, Error> {
        if !parameters.required("qop")?.eq_ignore_ascii_case(QOP) {
            return Err(Error::Value("qop"));
        }
        if parameters.required("nc")? != NC {
            return Err(Error::Value("nc"));
        }
        let auts = parameters.get("auts").map(|text| {
            let octets = Base64::decode_vec(text).map_err(|_| Error::Value("auts"))?;
            <[u8; 14]>::try_from(octets).map(Auts).map_err(|_| Error::Value("auts"))
        });
        Ok(Self {
            nonce: nonce.to_owned(),
            cnonce: parameters.required("cnonce")?.to_owned(),
            algorithm: Algorithm::parse(parameters.required("algorithm")?)?,
            response: parameters.required("response")?.to_owned(),
            opaque: parameters.get("opaque").map(str::to_owned),
            auts: auts.transpose()?,
        })
    }
}

/// `Authentication-Info` of a BSF, by which the UE knows that the answer is the BSF's.
pub fn emit_authentication_info(rspauth: &str, cnonce: &str) -> String {
    format!("qop={QOP}, rspauth=\"{rspauth}\", cnonce=\"{cnonce}\", nc={NC}")
}

/// `rspauth` of an `Authentication-Info`. What else stands there is under this digest.
pub fn parse_rspauth(field: &[u8]) -> Result<String, Error> {
    Ok(Parameters::parse(text(field)?)?.required("rspauth")?.to_owned())
}

fn text(field: &[u8]) -> Result<&str, Error> {
    if field.len() > MAX_FIELD {
        return Err(Error::TooLong);
    }
    match std::str::from_utf8(field) {
        Ok(text) if text.bytes().all(|b| (b' '..=b'~').contains(&b) || b == b'\t') => Ok(text),
        _ => Err(Error::Syntax),
    }
}

/// `name=value, ..`
struct Parameters<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Parameters<'a> {
    fn parse_digest(field: &'a [u8]) -> Result<Self, Error> {
        match text(field)?.split_at_checked(7) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("Digest ") => Self::parse(rest),
            _ => Err(Error::Scheme),
        }
    }

    fn parse(mut rest: &'a str) -> Result<Self, Error> {
        let mut found: Vec<(&str, &str)> = Vec::new();
        loop {
            let (name, behind) = rest.split_once('=').ok_or(Error::Syntax)?;
            let (name, behind) = (name.trim(), behind.trim_start());
            let (value, behind) = match behind.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').ok_or(Error::Syntax)?,
                None => {
                    let (token, behind) = behind.split_at(behind.find(',').unwrap_or(behind.len()));
                    (token.trim_end(), behind)
                }
            };
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                return Err(Error::Syntax);
            }
            if value.contains(['\\', '"']) {
                return Err(Error::Syntax);
            }
            if found.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                return Err(Error::Twice);
            }
            if found.len() == MAX_PARAMETERS {
                return Err(Error::TooLong);
            }
            found.push((name, value));
            match behind.trim_start().strip_prefix(',') {
                Some(next) => rest = next,
                None if behind.trim().is_empty() => return Ok(Self(found)),
                None => return Err(Error::Syntax),
            }
        }
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    fn required(&self, name: &'static str) -> Result<&'a str, Error> {
        self.get(name).ok_or(Error::Missing(name))
    }
}

#[cfg(test)]
mod tests;
