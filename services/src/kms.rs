//! The key management server of identities over HTTPS. TS 33.180 Annex D.1, D.2. Tickets too: TS 33.328 Annex A.
//!
//! A UE proves by TLS who it is: with a key of the BSF, or with a certificate that says its IMSI. Its answers hold keys, and the
//! same connection keeps them from others.

use std::time::Duration;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use sidelink_network::identity::{Impi, Imsi};
use sidelink_network::kms::{Holder, Refused, Response};
use sidelink_network::kms_messages::MEDIA_TYPE;
use sidelink_network::mikey_ticket::{self, initial::Exchange};
use sidelink_network::pc3::MAX_OCTETS;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_openssl::SslStream;
use zeroize::Zeroizing;

use crate::http::{Limits, Reply, Site, body_of, document, media_type, plain, refuse};
use crate::runtime::{Address, KmsCommand};
use crate::tls::{CertificateServer, Peer, PskServer};

/// Where requests for tickets go. TS 33.328 Annex A.2.
const TICKETS: &str = "/keymanagement";

/// How long the server may take: longer than it waits for its store.
const PATIENCE: Duration = Duration::from_secs(10);

/// What both of its servers share.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) kms: Address<KmsCommand>,
    pub(crate) limits: Limits,
}

/// The server for UEs with a key of GBA.
pub(crate) struct KmsSite {
    pub(crate) tls: PskServer,
    pub(crate) desk: Desk,
}

/// The server for UEs with certificates.
pub(crate) struct CertifiedKmsSite {
    pub(crate) tls: CertificateServer,
    pub(crate) mnc_digits: usize,
    pub(crate) desk: Desk,
}

impl Site for KmsSite {
    type Stream = SslStream<TcpStream>;
    type Peer = Peer;

    async fn admit(&self, stream: TcpStream) -> Option<(Self::Stream, Peer)> {
        self.tls.accept(stream).await
    }

    fn lasts(&self, peer: &Peer) -> Duration {
        peer.lasts()
    }

    async fn answer(&self, peer: Peer, request: Request<Incoming>) -> Reply {
        self.desk.answer(peer.impi, request).await
    }
}

impl Site for CertifiedKmsSite {
    type Stream = SslStream<TcpStream>;
    type Peer = Impi;

    async fn admit(&self, stream: TcpStream) -> Option<(Self::Stream, Impi)> {
        let (stream, ue) = self.tls.accept(stream).await?;
        let impi = Imsi::new(&ue.to_string()).ok()?.impi(self.mnc_digits).ok()?;
        Some((stream, impi))
    }

    fn lasts(&self, _: &Impi) -> Duration {
        self.desk.limits.life
    }

    async fn answer(&self, peer: Impi, request: Request<Incoming>) -> Reply {
        self.desk.answer(peer, request).await
    }
}

impl Desk {
    async fn answer(&self, ue: Impi, request: Request<Incoming>) -> Reply {
        if request.method() != Method::POST {
            return plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "a key management server is asked by POST".to_owned(),
            );
        }
        if request.uri().path() == TICKETS {
            return self.answer_ticket(request).await;
        }
        let path = request.uri().path().to_owned();
        let content_type = media_type(request.headers());
        let body = match body_of(request.into_body(), MAX_OCTETS, self.limits.body).await {
            Ok(body) => body,
            Err(reply) => return reply,
        };
        let (sender, receiver) = oneshot::channel();
        let reply = Box::new(move |response: Response| _ = sender.send(response));
        let holder = Holder::Subscriber(ue);
        let command = KmsCommand::Request { holder, path, content_type, body, reply };
        self.ask(command, receiver).await
    }

    /// A message of MIKEY-TICKET in base64, and its answer likewise. TS 33.328 Annex A.2. It proves its sender itself: whom TLS
    /// has proven does not count.
    async fn answer_ticket(&self, request: Request<Incoming>) -> Reply {
        let query = request.uri().query().unwrap_or_default();
        let kinds = query.split('&').filter_map(|pair| pair.strip_prefix("requesttype="));
        let exchange = match kinds.collect::<Vec<_>>()[..] {
            ["ticketrequest"] => Exchange::Request,
            ["ticketresolve"] => Exchange::Resolve,
            _ => {
                let text = "requesttype must be ticketrequest or ticketresolve".to_owned();
                return plain(StatusCode::BAD_REQUEST, text);
            }
        };
        if media_type(request.headers()) != mikey_ticket::MEDIA_TYPE {
            let text = format!("send {}", mikey_ticket::MEDIA_TYPE);
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text);
        }
        let body = match body_of(request.into_body(), 2 * mikey_ticket::MAX_OCTETS, self.limits.body).await {
            Ok(body) => body,
            Err(reply) => return reply,
        };
        let text = std::str::from_utf8(&body).map(str::trim).unwrap_or_default();
        let Some(octets) = mikey_ticket::from_base64(text) else {
            return plain(StatusCode::BAD_REQUEST, "the body must be base64".to_owned());
        };
        let (sender, receiver) = oneshot::channel();
        let reply = Box::new(move |response: Response| _ = sender.send(response));
        self.ask(KmsCommand::Mikey { exchange, octets, reply }, receiver).await
    }

    async fn ask(&self, command: KmsCommand, receiver: oneshot::Receiver<Response>) -> Reply {
        if self.kms.send(command).is_err() {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "too many requests wait", 1);
        }
        match tokio::time::timeout(PATIENCE, receiver).await {
            Ok(Ok(response)) => reply_of(response),
            _ => refuse(StatusCode::SERVICE_UNAVAILABLE, "the key management server does not answer", 1),
        }
    }
}

fn reply_of(response: Response) -> Reply {
    let why = match response {
        Response::Document(body) => return document(body, MEDIA_TYPE),
        Response::Mikey(octets) => {
            let body = Zeroizing::new(mikey_ticket::to_base64(&octets));
            return document(body, mikey_ticket::MEDIA_TYPE);
        }
        Response::Refused(why) => why,
    };
    let text = why.to_string();
    match why {
        Refused::NoResource(_) => plain(StatusCode::NOT_FOUND, text),
        Refused::MediaType => plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text),
        Refused::Malformed(_) | Refused::NoTicketRequest(_) => plain(StatusCode::BAD_REQUEST, text),
        Refused::TooOften => refuse(StatusCode::TOO_MANY_REQUESTS, text, 10),
        _ => refuse(StatusCode::SERVICE_UNAVAILABLE, text, 1),
    }
}
