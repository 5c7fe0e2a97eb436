//! What goes over the ways.

use sidelink_network::aka::Quintet;
use sidelink_network::bsf::{self, KeyMaterial, KeyRefusal};
use sidelink_network::hss;
use sidelink_network::identity::{BTid, Impi};
use sidelink_network::pc3::{Imsi, MEDIA_TYPE};
use sidelink_network::pkmf;
use sidelink_network::prose_function::{Answer, RequestId, Response};
use sidelink_security::keys::KsNaf;
use zeroize::Zeroizing;

/// A UE of the fabric, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UeId(pub(crate) usize);

/// The connection of TCP that a request over Ub takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    New,
    /// That of the request before.
    Kept,
}

/// A function that UEs reach over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    ProseFunction,
    Pkmf,
}

/// A request over PC3 or PC8, with the proof of who sends it.
#[derive(Debug)]
pub(crate) struct TlsRequest {
    pub(crate) to: Service,
    pub(crate) request: RequestId,
    /// Names the key.
    pub(crate) b_tid: BTid,
    /// The key as the UE has it: the ends of TLS-PSK meet where both have the same. It stands for the handshake.
    pub(crate) key: KsNaf,
    pub(crate) body: Zeroizing<String>,
}

/// The answer to a request over PC3 or PC8.
#[derive(Debug)]
pub(crate) enum TlsAnswer {
    /// The ProSe Function answers.
    Response(Response),
    /// The PKMF answers.
    Keys(pkmf::Response),
    /// Nobody knows the key, or the proof is wrong: the handshake fails, and the UE has to bootstrap.
    UnknownKey,
}

/// A message on its way.
#[derive(Debug)]
pub(crate) enum Message {
    UbRequest(UeId, Connection, bsf::Request),
    UbResponse(UeId, bsf::Response),
    /// The BSF wants a vector.
    VectorRequest {
        ticket: hss::Ticket,
        impi: Impi,
        resynchronisation: Option<hss::Resynchronisation>,
    },
    VectorAnswer {
        ticket: hss::Ticket,
        result: Result<Quintet, hss::Refusal>,
    },
    TlsRequest(UeId, TlsRequest),
    TlsAnswer(UeId, Service, RequestId, TlsAnswer),
    /// A datagram of the PKMF.
    Keys(UeId, Vec<u8>),
    /// A datagram to the PKMF.
    Verification(UeId, Vec<u8>),
    /// The ProSe Function sends a message of its own.
    Push(UeId, Zeroizing<String>),
    /// A function wants Ks_NAF.
    KeyRequest {
        by: Service,
        ticket: hss::Ticket,
        b_tid: BTid,
    },
    KeyAnswer {
        by: Service,
        ticket: hss::Ticket,
        result: Result<KeyMaterial, KeyRefusal>,
    },
    /// The ProSe Function wants a subscription.
    SubscriptionRequest(Imsi),
    SubscriptionAnswer(Imsi, Answer),
}

/// Returns the octets of an HTTP message: first line, header fields, empty line, body.
fn http_octets<'a>(first: usize, fields: impl Iterator<Item = (&'a str, usize)>, body: usize) -> usize {
    let fields: usize = fields.map(|(name, value)| name.len() + 2 + value + 2).sum();
    first + 2 + fields + 2 + body
}

fn fields(headers: &http::HeaderMap) -> impl Iterator<Item = (&str, usize)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.len()))
}

/// Returns the octets of a request over Ub.
pub(crate) fn request_octets(request: &bsf::Request) -> usize {
    let first = format!("{} {} HTTP/1.1", request.method(), request.uri()).len();
    http_octets(first, fields(request.headers()), request.body().len())
}

/// Returns the octets of an answer over Ub.
pub(crate) fn response_octets(response: &bsf::Response) -> usize {
    let status = response.status();
    let first = format!("HTTP/1.1 {}", status).len();
    let length = response.body().len().to_string().len();
    http_octets(first, fields(response.headers()).chain([("content-length", length)]), response.body().len())
}

/// Returns the octets of a request over PC3 or PC8 to `host`, within TLS.
pub(crate) fn post_octets(host: &str, body: &str) -> usize {
    let length = body.len().to_string().len();
    let fields = [("host", host.len()), ("content-type", MEDIA_TYPE.len()), ("content-length", length)];
    http_octets("POST / HTTP/1.1".len(), fields.into_iter(), body.len())
}

/// Returns the octets of its answer, within TLS.
pub(crate) fn answer_octets(body: Option<&str>) -> usize {
    let body = body.unwrap_or_default();
    let fields = [("content-type", MEDIA_TYPE.len()), ("content-length", body.len().to_string().len())];
    http_octets("HTTP/1.1 200 OK".len(), fields.into_iter(), body.len())
}
