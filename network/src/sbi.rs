//! Service-based interfaces: the HTTP and JSON of the 5G core, in front of the machines of this crate. TS 29.500, TS 29.501.
//!
//! ```text
//! request -> target (path, method) -> body (media type, JSON, members) -> machine -> response
//!              400, 404, 405             413, 415, 400 with invalidParams      status, Location, body
//! ```
//!
//! - [`gba`], Nbsp_GBA of the BSF: TS 29.309
//! - [`ausf`], Nausf_UEAuthentication for remote UEs of relays: TS 29.509
//! - [`ddnmf`], N5g-ddnmf_Discovery of the ProSe Function: TS 29.555
//! - [`panf`], Npanf of the ProSe anchor function: TS 29.553
//! - [`pkmf`], Npkmf of the key management function: TS 29.559
//! - [`common`], types that they share: TS 29.571
//! - [`problem`], `ProblemDetails`: TS 29.571, TS 29.500
//!
//! The names, types and patterns are those of the OpenAPI documents of release 18 (of 2024-03). Each adapter is a machine: a request
//! goes in with a name, and its answer comes out under it when whoever was asked has answered.
//!
//! Not there: OAuth 2.0 (a driver may want a token), the headers of TS 29.500 §5.2.3 (`3gpp-Sbi-..`), redirects, feature negotiation,
//! callbacks.

pub mod ausf;
pub mod common;
pub mod ddnmf;
pub mod gba;
mod json;
pub mod panf;
mod pending;
pub mod pkmf;
pub mod problem;
pub(crate) mod target;

pub use json::{Fault, Invalid};
pub use problem::{Cause, Problem};
pub use target::Api;

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use zeroize::Zeroizing;

use json::Schema;

/// A request. Its body may hold keys.
pub type Request = http::Request<Zeroizing<Vec<u8>>>;

/// An answer. Its body may hold keys.
pub type Response = http::Response<Zeroizing<Vec<u8>>>;

/// Names a request: a number of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Octets of a body, at most. Ours.
pub const MAX_BODY: usize = 16 << 10;

/// Media type of documents.
pub const JSON: &str = "application/json";

/// Media type of problems.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Media type of documents with links. TS 29.501 §5.2.
pub const HAL_JSON: &str = "application/3gppHal+json";

/// Media type of changes. RFC 7396.
pub const MERGE_PATCH_JSON: &str = "application/merge-patch+json";

/// A request of these parts; none where they are none of HTTP.
pub fn request(method: &str, target: &str, media_type: &str, body: &[u8]) -> Option<Request> {
    let builder =
        http::Request::builder().method(method).uri(target).header(header::CONTENT_TYPE, media_type);
    builder.body(Zeroizing::new(body.to_vec())).ok()
}

/// Reads the body of a request, of this media type.
fn read<T: Schema>(request: &Request, media_type: &str) -> Result<T, Problem> {
    if request.body().len() > MAX_BODY {
        let detail = format!("the body is longer than {MAX_BODY} octets");
        return Err(Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    let mut fields = request.headers().get_all(header::CONTENT_TYPE).iter();
    let given = match (fields.next().map(HeaderValue::to_str), fields.next()) {
        (Some(Ok(value)), None) => value.split(';').next().unwrap_or_default().trim().to_owned(),
        _ => String::new(),
    };
    if !given.eq_ignore_ascii_case(media_type) {
        let detail = format!("the body must be {media_type}, and say so");
        return Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let read = json::document(request.body());
    read.map_err(|error| Problem::new(Cause::InvalidMsgFormat, error.to_string()))?.map_err(|faults| {
        // The document as a whole is no object.
        match &faults[..] {
            [only] if only.param.is_empty() => Problem::new(Cause::InvalidMsgFormat, only.reason.clone()),
            _ => Problem::members(faults),
        }
    })
}

/// An answer with a document.
fn respond(status: StatusCode, media_type: &'static str, document: &impl Serialize) -> Response {
    let mut response = Response::new(json::text(document));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 200 with a document.
fn ok(document: &impl Serialize) -> Response {
    respond(StatusCode::OK, JSON, document)
}

/// 204.
fn no_content() -> Response {
    let mut response = Response::new(Zeroizing::new(Vec::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// 201 with a document, which `location` names.
fn created(media_type: &'static str, location: &str, document: &impl Serialize) -> Response {
    let mut response = respond(StatusCode::CREATED, media_type, document);
    // A path of visible ASCII, which every part of it was made of.
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// As many random octets.
fn random<const N: usize>(rng: &mut dyn sidelink_wire::rng::Rng) -> [u8; N] {
    let mut octets = [0; N];
    for chunk in octets.chunks_mut(8) {
        chunk.copy_from_slice(&rng.next_u64().to_be_bytes()[..chunk.len()]);
    }
    octets
}

#[cfg(test)]
mod tests;
