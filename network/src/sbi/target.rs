//! Which resource a request is for. TS 29.501 §4.4.

use super::Request;
use super::problem::{Cause, Problem};

/// Segments of a path, at most.
const MOST_SEGMENTS: usize = 8;

macro_rules! apis {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// An interface, by the first segment of its paths.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Api {
            $($(#[$doc])* $name,)*
        }

        impl Api {
            /// The name in a path.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            fn of(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

apis! {
    /// Nbsp_GBA. TS 29.309.
    NbspGba = "nbsp-gba";
    /// Npanf_ProseKey. TS 29.553.
    NpanfProseKey = "npanf-prosekey";
    /// Npanf_ResolveRemoteUserId. TS 29.553.
    NpanfUserId = "npanf-userid";
    /// Nausf_UEAuthentication. TS 29.509.
    NausfAuth = "nausf-auth";
    /// Npkmf_Discovery. TS 29.559.
    NpkmfDiscovery = "npkmf-discovery";
    /// Npkmf_PKMFKeyRequest. TS 29.559.
    NpkmfKeyRequest = "npkmf-keyrequest";
    /// Npkmf_ResolveRemoteUserId. TS 29.559.
    NpkmfUserId = "npkmf-userid";
    /// N5g-ddnmf_Discovery. TS 29.555.
    DdnmfDiscovery = "n5g-ddnmf-disc";
}

impl Api {
    /// Which interface a request is for.
    ///
    /// # Errors
    /// No such interface, or another version than v1: 400.
    pub fn of_request(request: &Request) -> Result<Self, Problem> {
        let mut segments = request.uri().path().trim_start_matches('/').split('/');
        let (api, version) = (segments.next().unwrap_or_default(), segments.next());
        match (Self::of(api), version) {
            (Some(api), Some("v1")) => Ok(api),
            _ => Err(Problem::new(
                Cause::InvalidApi,
                "there is no such interface here, or not of this version",
            )),
        }
    }
}

/// The rest of a path, after interface and version.
pub(super) struct Target {
    segments: Vec<String>,
}

impl Target {
    /// Of a request.
    pub(super) fn of(request: &Request) -> Result<Self, Problem> {
        if let Some(query) = request.uri().query() {
            return Err(Problem::query(query.split(['=', '&']).next().unwrap_or_default()));
        }
        let mut segments = Vec::new();
        for segment in request.uri().path().split('/').skip(3) {
            if segments.len() == MOST_SEGMENTS {
                return Err(not_found());
            }
            segments.push(decoded(segment).ok_or_else(|| {
                Problem::new(
                    Cause::InvalidMsgFormat,
                    "the path is not percent-encoded UTF-8 without controls",
                )
            })?);
        }
        Ok(Self { segments })
    }

    /// The segments.
    pub(super) fn segments(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }
}

/// No such resource.
pub(super) fn not_found() -> Problem {
    Problem::new(Cause::ResourceUriStructureNotFound, "there is no such resource")
}

/// The method must be this one.
pub(super) fn method(request: &Request, only: &'static str) -> Result<(), Problem> {
    if request.method().as_str() == only { Ok(()) } else { Err(Problem::method(only)) }
}

/// It must be a POST.
pub(super) fn post(request: &Request) -> Result<(), Problem> {
    method(request, "POST")
}

/// RFC 3986 §2.1.
pub(crate) fn decoded(segment: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            octets.push(*first);
            continue;
        }
        let (digits, after) = after.split_at_checked(2)?;
        let mut octet = [0];
        hex::decode_to_slice(digits, &mut octet).ok()?;
        octets.push(octet[0]);
        rest = after;
    }
    String::from_utf8(octets).ok().filter(|text| !text.chars().any(char::is_control))
}

/// A segment as a path has it: what is no unreserved character is encoded. RFC 3986 §2.3.
pub(crate) fn encoded(segment: &str) -> String {
    let mut text = String::with_capacity(segment.len());
    for octet in segment.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~@".contains(&octet) {
            text.push(char::from(octet));
        } else {
            text.push_str(&format!("%{octet:02X}"));
        }
    }
    text
}
