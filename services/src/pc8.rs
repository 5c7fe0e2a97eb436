//! PC8 over HTTPS: a POST of a KEY_REQUEST, the PKMF's answer. TS 33.303 §6.2.3.3.2.2.
//!
//! The request URI is ours, `/`: the clauses that were read name none.

use std::net::IpAddr;
use std::time::Duration;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use sidelink_network::identity::Impi;
use sidelink_network::pc3::MAX_OCTETS;
use sidelink_network::pc8::MEDIA_TYPE;
use sidelink_network::pkmf::{Refused, Response};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_openssl::SslStream;

use crate::http::{Limits, Reply, Site, body_of, check_target, document, media_type, plain, refuse};
use crate::runtime::{Address, PkmfCommand};
use crate::tls::PskServer;

/// How long the PKMF may take: longer than it waits for its store.
const PATIENCE: Duration = Duration::from_secs(10);

/// The PKMF's server.
pub(crate) struct Pc8 {
    pub(crate) tls: PskServer,
    pub(crate) pkmf: Address<PkmfCommand>,
    pub(crate) limits: Limits,
}

/// Who asks, and from where.
#[derive(Clone)]
pub(crate) struct Asker {
    ue: Impi,
    address: IpAddr,
    lasts: Duration,
}

impl Site for Pc8 {
    type Stream = SslStream<TcpStream>;
    type Peer = Asker;

    async fn admit(&self, stream: TcpStream) -> Option<(Self::Stream, Asker)> {
        let address = stream.peer_addr().ok()?.ip().to_canonical();
        let (stream, peer) = self.tls.accept(stream).await?;
        let lasts = peer.lasts();
        Some((stream, Asker { ue: peer.impi, address, lasts }))
    }

    fn lasts(&self, peer: &Asker) -> Duration {
        peer.lasts
    }

    async fn answer(&self, peer: Asker, request: Request<Incoming>) -> Reply {
        if let Err(reply) = check_target("PC8", request.method(), request.uri().path()) {
            return *reply;
        }
        let content_type = media_type(request.headers());
        let body = match body_of(request.into_body(), MAX_OCTETS, self.limits.body).await {
            Ok(body) => body,
            Err(reply) => return reply,
        };
        let (sender, receiver) = oneshot::channel();
        let reply = Box::new(move |response: Response| _ = sender.send(response));
        let Asker { ue, address, .. } = peer;
        let command = PkmfCommand::Request { ue, address, content_type, body, reply };
        if self.pkmf.send(command).is_err() {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "too many requests wait", 1);
        }
        match tokio::time::timeout(PATIENCE, receiver).await {
            Ok(Ok(response)) => reply_of(response),
            _ => refuse(StatusCode::SERVICE_UNAVAILABLE, "the key management function does not answer", 1),
        }
    }
}

fn reply_of(response: Response) -> Reply {
    let why = match response {
        Response::Message(body) => return document(body, MEDIA_TYPE),
        Response::Refused(why) => why,
    };
    let text = why.to_string();
    match why {
        Refused::MediaType => plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text),
        Refused::Malformed(_) | Refused::Unexpected => plain(StatusCode::BAD_REQUEST, text),
        Refused::TooOften => refuse(StatusCode::TOO_MANY_REQUESTS, text, 10),
        _ => refuse(StatusCode::SERVICE_UNAVAILABLE, text, 1),
    }
}
