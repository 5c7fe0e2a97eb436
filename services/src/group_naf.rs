//! The NAF of groups over HTTPS: TR 33.833 §6.3.2. The requests are ours: a POST of a message to `/`, the answer with another; an
//! empty POST to `/pushed`, the answer with a new key that nobody has asked for, or 204.
//!
//! A message proves its sender itself, and whom TLS has proven does not count for it; it counts for what waits.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use sidelink_network::group_naf::MEDIA_TYPE;
use sidelink_network::group_naf::message::MOST_OCTETS;
use sidelink_network::identity::Impi;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_openssl::SslStream;

use crate::http::{Limits, Reply, Site, body_of, media_type, plain, refuse};
use crate::runtime::{Address, GroupNafCommand};
use crate::tls::{Peer, PskServer};

/// Where new keys are taken that nobody has asked for.
pub(crate) const PUSHED: &str = "/pushed";

/// How long the NAF may take: longer than it waits for BSF and store.
const PATIENCE: Duration = Duration::from_secs(15);

/// The server of the NAF.
pub(crate) struct GroupNafSite {
    pub(crate) tls: PskServer,
    pub(crate) naf: Address<GroupNafCommand>,
    pub(crate) limits: Limits,
}

impl Site for GroupNafSite {
    type Stream = SslStream<TcpStream>;
    type Peer = Peer;

    async fn admit(&self, stream: TcpStream) -> Option<(Self::Stream, Peer)> {
        self.tls.accept(stream).await
    }

    fn lasts(&self, peer: &Peer) -> Duration {
        peer.lasts()
    }

    async fn answer(&self, peer: Peer, request: Request<Incoming>) -> Reply {
        if request.method() != Method::POST {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "a NAF of groups is asked by POST");
        }
        match request.uri().path() {
            "/" => self.message(request).await,
            PUSHED => self.pushed(peer.impi).await,
            _ => plain(StatusCode::NOT_FOUND, format!("a NAF of groups is at / and at {PUSHED}")),
        }
    }
}

impl GroupNafSite {
    async fn message(&self, request: Request<Incoming>) -> Reply {
        if media_type(request.headers()) != MEDIA_TYPE {
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("send {MEDIA_TYPE}"));
        }
        let octets = match body_of(request.into_body(), MOST_OCTETS, self.limits.body).await {
            Ok(octets) => octets,
            Err(reply) => return reply,
        };
        let (sender, receiver) = oneshot::channel();
        let reply = Box::new(move |octets: Vec<u8>| _ = sender.send(octets));
        match self.ask(GroupNafCommand::Request { octets, reply }, receiver).await {
            Ok(octets) => message(octets),
            Err(reply) => reply,
        }
    }

    async fn pushed(&self, ue: Impi) -> Reply {
        let (sender, receiver) = oneshot::channel();
        let reply = Box::new(move |octets: Option<Vec<u8>>| _ = sender.send(octets));
        match self.ask(GroupNafCommand::Take { ue, reply }, receiver).await {
            Ok(Some(octets)) => message(octets),
            Ok(None) => {
                let mut reply = Response::new(Full::default());
                *reply.status_mut() = StatusCode::NO_CONTENT;
                reply
            }
            Err(reply) => reply,
        }
    }

    async fn ask<T>(&self, command: GroupNafCommand, receiver: oneshot::Receiver<T>) -> Result<T, Reply> {
        if self.naf.send(command).is_err() {
            return Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "too many requests wait", 1));
        }
        match tokio::time::timeout(PATIENCE, receiver).await {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "the NAF of groups does not answer", 1)),
        }
    }
}

/// A message: a key in it is wrapped under one that the USIM alone can make.
fn message(octets: Vec<u8>) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(octets)));
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
