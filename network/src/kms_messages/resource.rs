//! What a request is for: the path of its POST. TS 33.180 Annex D.2.3 to D.2.8.

use core::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::key_period::NTP_TO_UNIX;

use super::ROOT_PATH;
use super::values::Uri;
use crate::sbi::target::{decoded, encoded};

/// A resource of a key management server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Its certificate.
    Init,
    /// Keys of the client's identities, or of one, now or at a time.
    KeyProv {
        /// Of which identity; without one, of all.
        user: Option<Uri>,
        /// For when; without it, for now and soon.
        time: Option<UtcTime>,
    },
    /// Certificates of other servers, newer than those of a number.
    CertCache {
        /// The number of the cache that the client has.
        since: Option<u32>,
    },
    /// The certificate of a server.
    Cert {
        /// Which.
        kms: Uri,
    },
}

/// Why a path names no resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoResource {
    /// No such resource.
    Unknown,
    /// A resource of the text that is not here: lookup, redirect.
    Unsupported,
    /// An identity that is no percent-encoded URI.
    Uri,
    /// A time that is not 16 hexadecimal digits of NTP from 1970 on.
    Time,
}

impl fmt::Display for NoResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "there is no such resource: init, keyprov, certcache, cert",
            Self::Unsupported => "lookup and redirect are not done here",
            Self::Uri => "the identity must be a percent-encoded URI",
            Self::Time => "the time must be 16 hexadecimal digits: NTP in 64 bits, from 1970 on",
        })
    }
}

impl std::error::Error for NoResource {}

impl Resource {
    /// From a path.
    ///
    /// # Errors
    /// Why it is none.
    pub fn from_path(path: &str) -> Result<Self, NoResource> {
        let rest = path.strip_prefix(ROOT_PATH).ok_or(NoResource::Unknown)?;
        let mut segments = rest.split('/');
        let kind = segments.next().unwrap_or_default();
        let (first, second) = (segments.next(), segments.next());
        if segments.next().is_some() {
            return Err(NoResource::Unknown);
        }
        let uri = |segment: &str| decoded(segment).as_deref().and_then(Uri::new).ok_or(NoResource::Uri);
        match (kind, first, second) {
            ("init", None, None) => Ok(Self::Init),
            ("keyprov", None, None) => Ok(Self::KeyProv { user: None, time: None }),
            ("keyprov", Some(user), time) => {
                let time = time.map(|time| from_ntp(time).ok_or(NoResource::Time)).transpose()?;
                Ok(Self::KeyProv { user: Some(uri(user)?), time })
            }
            ("certcache", None, None) => Ok(Self::CertCache { since: None }),
            ("certcache", Some(number), None) => {
                let since = Some(number.parse().map_err(|_| NoResource::Unknown)?);
                Ok(Self::CertCache { since })
            }
            ("cert", Some(kms), None) => Ok(Self::Cert { kms: uri(kms)? }),
            ("lookup" | "redirect", ..) => Err(NoResource::Unsupported),
            _ => Err(NoResource::Unknown),
        }
    }

    /// To a path.
    pub fn to_path(&self) -> String {
        let rest = match self {
            Self::Init => "init".to_owned(),
            Self::KeyProv { user: None, .. } => "keyprov".to_owned(),
            Self::KeyProv { user: Some(user), time: None } => format!("keyprov/{}", encoded(user.as_str())),
            Self::KeyProv { user: Some(user), time: Some(time) } => {
                format!("keyprov/{}/{}", encoded(user.as_str()), to_ntp(*time))
            }
            Self::CertCache { since: None } => "certcache".to_owned(),
            Self::CertCache { since: Some(number) } => format!("certcache/{number}"),
            Self::Cert { kms } => format!("cert/{}", encoded(kms.as_str())),
        };
        format!("{ROOT_PATH}{rest}")
    }
}

/// NTP in 64 bits as 16 digits: seconds since 1900 in the first half. TS 33.180 Annex D.2.4.
fn from_ntp(text: &str) -> Option<UtcTime> {
    let mut octets = [0; 8];
    hex::decode_to_slice(text, &mut octets).ok()?;
    let seconds = (u64::from_be_bytes(octets) >> 32).checked_sub(NTP_TO_UNIX)?;
    Some(UtcTime::from_millis(seconds * 1000))
}

fn to_ntp(time: UtcTime) -> String {
    let seconds = (time.millis() / 1000 + NTP_TO_UNIX).min(u64::from(u32::MAX));
    format!("{:016X}", seconds << 32)
}
