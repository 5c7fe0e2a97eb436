//! Problems: the answers to requests that are not served. TS 29.571 §5.2.4.1, TS 29.500 §5.2.7.2, RFC 9457.
//!
//! The table of TS 29.500 §5.2.7.2 was read in an older release; the causes of query parameters and optional IEs, those with status
//! 504, and the causes of single services are from memory.

use std::borrow::Cow;

use http::{HeaderValue, StatusCode, header};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::json::{self, Fault, Faults, Invalid};
use super::{PROBLEM_JSON, Response};

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $status:ident $text:literal;)*) => {
        /// `cause` of a problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Cause {
            $($(#[$doc])* $name,)*
        }

        impl Cause {
            /// As it stands in a document.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The status that it comes with.
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)*
                }
            }
        }
    };
}

causes! {
    /// No such interface or version here.
    InvalidApi = BAD_REQUEST "INVALID_API";
    /// The body is no JSON, or the request is malformed.
    InvalidMsgFormat = BAD_REQUEST "INVALID_MSG_FORMAT";
    /// A query parameter that is not known.
    InvalidQueryParam = BAD_REQUEST "INVALID_QUERY_PARAM";
    /// A mandatory member, or a part of the path, is not what it must be.
    MandatoryIeIncorrect = BAD_REQUEST "MANDATORY_IE_INCORRECT";
    /// An optional member is not what it must be.
    OptionalIeIncorrect = BAD_REQUEST "OPTIONAL_IE_INCORRECT";
    /// A mandatory member is missing.
    MandatoryIeMissing = BAD_REQUEST "MANDATORY_IE_MISSING";
    /// The request makes no sense here.
    UnspecifiedMsgFailure = BAD_REQUEST "UNSPECIFIED_MSG_FAILURE";
    /// What is to be changed may not be.
    ModificationNotAllowed = FORBIDDEN "MODIFICATION_NOT_ALLOWED";
    /// No such resource.
    ResourceUriStructureNotFound = NOT_FOUND "RESOURCE_URI_STRUCTURE_NOT_FOUND";
    /// Too many requests.
    NfCongestionRisk = TOO_MANY_REQUESTS "NF_CONGESTION_RISK";
    /// Our fault.
    SystemFailure = INTERNAL_SERVER_ERROR "SYSTEM_FAILURE";
    /// No room now.
    NfCongestion = SERVICE_UNAVAILABLE "NF_CONGESTION";
    /// Another function did not answer.
    UpstreamServerError = GATEWAY_TIMEOUT "UPSTREAM_SERVER_ERROR";
    /// No such subscriber. TS 29.509 §6.1.7.3.
    UserNotFound = NOT_FOUND "USER_NOT_FOUND";
    /// What is asked for is not kept here. TS 29.509 §6.1.7.3, TS 29.553 §6.1.7.3.
    ContextNotFound = NOT_FOUND "CONTEXT_NOT_FOUND";
    /// The UE has not been authenticated. TS 29.509 §6.1.7.3.
    AuthenticationRejected = FORBIDDEN "AUTHENTICATION_REJECTED";
    /// Not for this serving network. TS 29.509 §6.1.7.3.
    ServingNetworkNotAuthorized = FORBIDDEN "SERVING_NETWORK_NOT_AUTHORIZED";
    /// The HSS makes no vector. TS 29.509 §6.1.7.3.
    AvGenerationProblem = INTERNAL_SERVER_ERROR "AV_GENERATION_PROBLEM";
    /// A SUCI of a scheme that is not there. TS 29.509 §6.1.7.3.
    UnsupportedProtectionScheme = NOT_IMPLEMENTED "UNSUPPORTED_PROTECTION_SCHEME";
    /// What is asked for does not exist here. TS 29.500 §5.2.7.2.
    NotImplemented = NOT_IMPLEMENTED "UNSPECIFIED_NF_FAILURE";
    /// The UE may not use this ProSe service. TS 29.555 §6.1.7.3, TS 29.559 §6.1.7.3.
    ProseServiceUnauthorized = FORBIDDEN "PROSE_SERVICE_UNAUTHORIZED";
    /// The application is not authorised. TS 29.555 §6.1.7.3.
    UnauthorizedApplication = FORBIDDEN "UNAUTHORIZED_APPLICATION";
}

/// Why a request is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    cause: Option<Cause>,
    detail: Cow<'static, str>,
    invalid: Vec<Invalid>,
    /// Methods that are allowed, of a 405.
    allow: Option<&'static str>,
}

/// Seconds until another try has a chance, said with 429, 503 and 504.
const RETRY_AFTER: u64 = 1;

impl Problem {
    /// With a cause, and a sentence for people.
    pub fn new(cause: Cause, detail: impl Into<Cow<'static, str>>) -> Self {
        let status = cause.status();
        Self { status, cause: Some(cause), detail: detail.into(), invalid: Vec::new(), allow: None }
    }

    /// With a status alone, for which no cause is defined.
    pub fn of_status(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, cause: None, detail: detail.into(), invalid: Vec::new(), allow: None }
    }

    /// Another method than these.
    pub(super) fn method(allow: &'static str) -> Self {
        let detail = format!("this resource takes {allow}");
        Self { allow: Some(allow), ..Self::of_status(StatusCode::METHOD_NOT_ALLOWED, detail) }
    }

    /// Members that are wrong: the gravest gives the cause.
    pub(super) fn members(faults: Faults) -> Self {
        let cause = match faults.iter().map(|invalid| invalid.fault).max() {
            Some(Fault::Missing) => Cause::MandatoryIeMissing,
            Some(Fault::Optional) => Cause::OptionalIeIncorrect,
            Some(Fault::Mandatory) | None => Cause::MandatoryIeIncorrect,
        };
        Self { invalid: faults, ..Self::new(cause, "members of the body are missing or wrong") }
    }

    /// One member that is wrong, by its name.
    pub(super) fn member(cause: Cause, name: &str, reason: impl Into<Cow<'static, str>>) -> Self {
        let reason = reason.into();
        let invalid = Invalid { param: format!("/{name}"), reason: reason.clone(), fault: Fault::Mandatory };
        Self { invalid: vec![invalid], ..Self::new(cause, reason) }
    }

    /// A variable part of the path that is wrong. TS 29.571 §5.2.4.1: its name with the braces.
    pub(super) fn path(name: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        let reason = reason.into();
        let invalid =
            Invalid { param: format!("{{{name}}}"), reason: reason.clone(), fault: Fault::Mandatory };
        Self { invalid: vec![invalid], ..Self::new(Cause::MandatoryIeIncorrect, reason) }
    }

    /// A query, of which none is known here.
    pub(super) fn query(name: &str) -> Self {
        let name: String = name.chars().take(64).collect();
        let invalid =
            Invalid { param: format!("query {name}"), reason: "not known".into(), fault: Fault::Mandatory };
        let detail = "no resource here takes a query";
        Self { invalid: vec![invalid], ..Self::new(Cause::InvalidQueryParam, detail) }
    }

    /// The status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The cause, where there is one.
    pub const fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// What is wrong, by its place.
    pub fn invalid(&self) -> &[Invalid] {
        &self.invalid
    }

    /// As an answer.
    pub fn respond(&self) -> Response {
        let mut response = Response::new(json::text(self));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if matches!(self.status.as_u16(), 429 | 503 | 504) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("title", self.status.canonical_reason().unwrap_or("Error"))?;
        map.serialize_entry("status", &self.status.as_u16())?;
        map.serialize_entry("detail", &self.detail)?;
        if let Some(cause) = self.cause {
            map.serialize_entry("cause", cause.as_str())?;
        }
        if !self.invalid.is_empty() {
            map.serialize_entry("invalidParams", &self.invalid)?;
        }
        map.end()
    }
}

impl Serialize for Invalid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("param", &self.param)?;
        map.serialize_entry("reason", &self.reason)?;
        map.end()
    }
}
