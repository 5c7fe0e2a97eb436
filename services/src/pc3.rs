//! PC3 over HTTPS: a POST of a message, the ProSe Function's answer. TS 24.334 §6.1, §11.2.2. Configurations too, by their own
//! media type, where the ProSe Function has one.
//!
//! The request URI is ours, `/`: the clauses that were read name none.
//!
//! Nobody reaches the ProSe Function, and with it the HSS over PC4a, who has not proven by TLS that it has a key of the BSF
//! ([`Pc3::admit`]); the handshake itself asks the BSF alone. Above some load a UE is asked for work first
//! ([`sidelink_network::puzzle`]): challenge and solution are header fields, our own.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderValue};
use http::{Method, Request, Response as HttpResponse, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use sidelink_network::configuration;
use sidelink_network::pc3::{MAX_OCTETS, MEDIA_TYPE};
use sidelink_network::prose_function::{Refused, Response};
use sidelink_network::public_keys;
use sidelink_network::puzzle::{CHALLENGE_FIELD, Challenge, SOLUTION_FIELD};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_openssl::SslStream;

use crate::configuration::Desk;
use crate::http::{Limits, Reply, Site, body_of, check_target, document, media_type, plain, refuse};
use crate::runtime::{Address, ProseCommand};
use crate::tls::{Peer, PskServer};

/// As IANA registers the media type of TS 24.334 §11.2.2.
pub const REGISTERED_MEDIA_TYPE: &str = "application/vnd.3gpp-prose+xml";

/// Where requests about public keys of signed discovery go: ours.
pub(crate) const PUBLIC_KEYS_PATH: &str = "/public-keys";

/// How long the ProSe Function may take: longer than it waits for HSS and store.
const PATIENCE: Duration = Duration::from_secs(10);

/// The ProSe Function's server.
pub(crate) struct Pc3 {
    pub(crate) tls: PskServer,
    pub(crate) prose_function: Address<ProseCommand>,
    pub(crate) configuration: Option<Arc<Desk>>,
    pub(crate) limits: Limits,
}

impl Site for Pc3 {
    type Stream = SslStream<TcpStream>;
    type Peer = Peer;

    async fn admit(&self, stream: TcpStream) -> Option<(Self::Stream, Peer)> {
        self.tls.accept(stream).await
    }

    fn lasts(&self, peer: &Peer) -> Duration {
        peer.lasts()
    }

    async fn answer(&self, peer: Peer, request: Request<Incoming>) -> Reply {
        let desk = self.configuration.as_ref().filter(|_| is_of_configurations(request.headers()));
        if let Some(desk) = desk {
            return desk.answer(peer.ue, request, self.limits.body).await;
        }
        let interface = match request.uri().path() {
            PUBLIC_KEYS_PATH => Interface::PublicKeys,
            _ => Interface::Pc3,
        };
        if let Err(reply) = check(interface, request.method(), request.uri().path(), request.headers()) {
            return *reply;
        }
        let solution = solution(request.headers());
        let body = match body_of(request.into_body(), MAX_OCTETS, self.limits.body).await {
            Ok(body) => body,
            Err(reply) => return reply,
        };
        let (sender, receiver) = oneshot::channel();
        let reply = Box::new(move |response: Response| _ = sender.send(response));
        let ue = peer.ue;
        let command = match interface {
            Interface::Pc3 => ProseCommand::Message { ue, solution, body, reply },
            Interface::PublicKeys => ProseCommand::PublicKeys { ue, solution, body, reply },
        };
        if self.prose_function.send(command).is_err() {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "too many requests wait", 1);
        }
        match tokio::time::timeout(PATIENCE, receiver).await {
            Ok(Ok(response)) => reply_of(interface, response),
            _ => refuse(StatusCode::SERVICE_UNAVAILABLE, "the ProSe Function does not answer", 1),
        }
    }
}

fn is_of_configurations(headers: &HeaderMap) -> bool {
    media_type(headers) == configuration::MEDIA_TYPE
}

/// What a request is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Interface {
    Pc3,
    PublicKeys,
}

/// What can be said before the body.
fn check(interface: Interface, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Box<Reply>> {
    let media_type = media_type(headers);
    if interface == Interface::PublicKeys {
        check_target("PC3", method, "/")?;
        if media_type != public_keys::MEDIA_TYPE {
            let text = format!("send {}", public_keys::MEDIA_TYPE);
            return Err(Box::new(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)));
        }
        return Ok(());
    }
    check_target("PC3", method, path)?;
    if media_type != MEDIA_TYPE && media_type != REGISTERED_MEDIA_TYPE {
        let text = format!("send {MEDIA_TYPE} or {REGISTERED_MEDIA_TYPE}");
        return Err(Box::new(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)));
    }
    Ok(())
}

/// The solution of a puzzle; one that cannot be read is none.
fn solution(headers: &HeaderMap) -> Option<String> {
    headers.get(SOLUTION_FIELD)?.to_str().ok().map(str::to_owned)
}

/// 503 and a moment: who does not know puzzles comes again later.
fn puzzle(challenge: &Challenge, text: String) -> Reply {
    let mut reply = refuse(StatusCode::SERVICE_UNAVAILABLE, text, 10);
    if let Ok(field) = HeaderValue::from_str(&challenge.to_string()) {
        reply.headers_mut().insert(CHALLENGE_FIELD, field);
    }
    reply
}

fn reply_of(interface: Interface, response: Response) -> Reply {
    let media_type = match interface {
        Interface::Pc3 => MEDIA_TYPE,
        Interface::PublicKeys => public_keys::MEDIA_TYPE,
    };
    match response {
        Response::Message(body) => document(body, media_type),
        Response::Accepted => {
            let mut reply = HttpResponse::new(Full::default());
            *reply.status_mut() = StatusCode::NO_CONTENT;
            reply
        }
        Response::Refused(why) => {
            let text = why.to_string();
            match why {
                Refused::Malformed(_) | Refused::Unexpected => plain(StatusCode::BAD_REQUEST, text),
                Refused::NoEpcLevel => plain(StatusCode::NOT_IMPLEMENTED, text),
                Refused::NoSubscription => plain(StatusCode::FORBIDDEN, text),
                Refused::Puzzle(challenge) => puzzle(&challenge, text),
                Refused::TooMany { wait } => {
                    refuse(StatusCode::TOO_MANY_REQUESTS, text, wait.div_ceil(1000).max(1))
                }
                _ => refuse(StatusCode::SERVICE_UNAVAILABLE, text, 1),
            }
        }
    }
}
