//! The service-based interfaces over HTTP/2 with prior knowledge, and HTTP/1.1. TS 29.500 §5.2.
//!
//! Keys go in the clear, so only this machine is served, and who asks shows the token of the network's functions, in the place of one of
//! OAuth 2.0 (TS 29.500 §6.7.3).

use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use sidelink_network::sbi::{Cause, MAX_BODY, Problem, Request, Response};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::http::{Limits, Reply, Site, Version, body_of};
use crate::peers::Token;
use crate::runtime::{Address, SbiCommand};

/// How long an interface may take: longer than it waits for other functions.
const PATIENCE: Duration = Duration::from_secs(12);

/// Between two looks at what came of a connection.
const LOOK: Duration = Duration::from_millis(2);

/// What a connection of HTTP/2 begins with. RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The server of the interfaces.
pub(crate) struct Sbi {
    pub(crate) token: Token,
    pub(crate) functions: Address<SbiCommand>,
    pub(crate) limits: Limits,
}

/// A body that may hold keys.
struct Secret(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Secret {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Site for Sbi {
    type Stream = TcpStream;
    type Peer = Version;

    /// Looks at the first octets: they say which HTTP it is.
    async fn admit(&self, stream: TcpStream) -> Option<(TcpStream, Version)> {
        let mut first = [0; PREFACE.len()];
        loop {
            let seen = stream.peek(&mut first).await.ok().filter(|seen| *seen > 0)?;
            match first[..seen] == PREFACE[..seen] {
                true if seen == PREFACE.len() => return Some((stream, Version::Http2)),
                true => tokio::time::sleep(LOOK).await,
                false => return Some((stream, Version::Http1)),
            }
        }
    }

    fn lasts(&self, _: &Version) -> Duration {
        Duration::MAX
    }

    fn version(&self, peer: &Version) -> Version {
        *peer
    }

    async fn answer(&self, _: Version, request: http::Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let mut shown = head.headers.get_all(header::AUTHORIZATION).iter();
        let is_known = match (shown.next(), shown.next()) {
            (Some(field), None) => self.token.is_shown_by(field.as_bytes()),
            _ => false,
        };
        if !is_known {
            let detail = "show the token of this network: Authorization: Bearer ..";
            return reply_of(Problem::of_status(StatusCode::UNAUTHORIZED, detail).respond());
        }
        let body = match body_of(body, MAX_BODY, self.limits.body).await {
            Ok(body) => Zeroizing::new(body),
            Err(refused) => return refusal(refused.status()),
        };
        let request: Request = http::Request::from_parts(head, body);
        let (sender, receiver) = oneshot::channel();
        let reply = Box::new(move |response: Response| _ = sender.send(response));
        if self.functions.send(SbiCommand::Request { request, reply }).is_err() {
            return reply_of(Problem::new(Cause::NfCongestion, "too many requests wait").respond());
        }
        match tokio::time::timeout(PATIENCE, receiver).await {
            Ok(Ok(response)) => reply_of(response),
            _ => reply_of(Problem::new(Cause::UpstreamServerError, "the function does not answer").respond()),
        }
    }
}

/// A body that could not be read.
fn refusal(status: StatusCode) -> Reply {
    let problem = match status {
        StatusCode::BAD_REQUEST => Problem::new(Cause::InvalidMsgFormat, "the body is cut off or malformed"),
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::of_status(status, format!("the body is longer than {MAX_BODY} octets"))
        }
        status => Problem::of_status(status, "the body took too long"),
    };
    let mut reply = reply_of(problem.respond());
    // The rest of the body is not waited for; HTTP/2 has no such field, and leaves it out.
    reply.headers_mut().insert(header::CONNECTION, http::HeaderValue::from_static("close"));
    reply
}

fn reply_of(response: Response) -> Reply {
    response.map(|body| Full::new(Bytes::from_owner(Secret(body))))
}
