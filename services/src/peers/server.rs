//! The end that is asked.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sidelink_network::prose_function::Answer;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::Token;
use super::messages::{
    EapAnswer, EapRequest, KeyAnswer, KeyRequest, SubscriptionAnswer, SubscriptionRequest, VectorAnswer,
    VectorRequest,
};
use super::pushes::{PushAnswer, PushRequest};
use crate::http::{Limits, Reply, Secret, Site, body_of, plain, refuse};
use crate::runtime::{Address, Asked, BsfCommand, HssCommand};
use crate::store::{subscription_text, ue_of};

/// Octets of a request, at most.
const MAX_OCTETS: usize = 4096;

/// How long a function may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// Functions that other processes ask.
pub(crate) struct PeerServer {
    pub(crate) token: Token,
    pub(crate) hss: Option<Address<HssCommand>>,
    pub(crate) bsf: Option<Address<BsfCommand>>,
    pub(crate) limits: Limits,
}

impl Site for PeerServer {
    type Stream = TcpStream;
    type Peer = ();

    async fn admit(&self, stream: TcpStream) -> Option<(TcpStream, ())> {
        Some((stream, ()))
    }

    fn lasts(&self, (): &()) -> Duration {
        Duration::MAX
    }

    async fn answer(&self, (): (), request: Request<Incoming>) -> Reply {
        let field = request.headers().get(header::AUTHORIZATION);
        if !field.is_some_and(|field| self.token.is_shown_by(field.as_bytes())) {
            return plain(StatusCode::UNAUTHORIZED, "show the token of this network");
        }
        if request.method() != Method::POST {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "POST a request");
        }
        let (head, body) = request.into_parts();
        let body = match body_of(body, MAX_OCTETS, self.limits.body).await {
            Ok(body) => body,
            Err(reply) => return reply,
        };
        match (head.uri.path(), &self.hss, &self.bsf) {
            ("/zh/vector", Some(hss), _) => vector(hss, &body).await,
            ("/swx/vector", Some(hss), _) => eap_vector(hss, &body).await,
            ("/pc4a/subscription", Some(hss), _) => subscription(hss, &body).await,
            ("/zn/key", _, Some(bsf)) => key(bsf, &body).await,
            ("/zpn/push", _, Some(bsf)) => push(bsf, &body).await,
            _ => plain(StatusCode::NOT_FOUND, "no such function here"),
        }
    }
}

fn malformed() -> Reply {
    plain(StatusCode::BAD_REQUEST, "the request is malformed")
}

fn busy() -> Reply {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "the function does not answer", 1)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

fn json(answer: &impl Serialize) -> Reply {
    match serde_json::to_string(answer) {
        Ok(text) => Response::new(Full::new(Bytes::from_owner(Secret(Zeroizing::new(text))))),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be written"),
    }
}

async fn wait<T>(receiver: oneshot::Receiver<T>) -> Option<T> {
    tokio::time::timeout(PATIENCE, receiver).await.ok()?.ok()
}

async fn vector(hss: &Address<HssCommand>, body: &[u8]) -> Reply {
    let Some((impi, resynchronisation)) = read::<VectorRequest>(body).and_then(|r| r.parse()) else {
        return malformed();
    };
    let (sender, receiver) = oneshot::channel();
    let reply = Box::new(move |result| _ = sender.send(result));
    if hss.send(HssCommand::Vector { asked: Asked::Gba { impi, reply }, resynchronisation }).is_err() {
        return busy();
    }
    match wait(receiver).await {
        Some(result) => json(&VectorAnswer::new(result.as_ref().map_err(|refusal| *refusal))),
        None => busy(),
    }
}

async fn eap_vector(hss: &Address<HssCommand>, body: &[u8]) -> Reply {
    let Some((imsi, network_name, resynchronisation)) = read::<EapRequest>(body).and_then(EapRequest::parse)
    else {
        return malformed();
    };
    let (sender, receiver) = oneshot::channel();
    let reply = Box::new(move |result| _ = sender.send(result));
    let asked = Asked::EapAkaPrime { imsi, network_name, reply };
    if hss.send(HssCommand::Vector { asked, resynchronisation }).is_err() {
        return busy();
    }
    match wait(receiver).await {
        Some(result) => json(&EapAnswer::new(result.as_ref().map_err(|refusal| *refusal))),
        None => busy(),
    }
}

async fn subscription(hss: &Address<HssCommand>, body: &[u8]) -> Reply {
    let Some(ue) = read::<SubscriptionRequest>(body).and_then(|r| ue_of(&r.ue)) else {
        return malformed();
    };
    let (sender, receiver) = oneshot::channel();
    let reply = Box::new(move |answer| _ = sender.send(answer));
    if hss.send(HssCommand::Subscription { ue, reply }).is_err() {
        return busy();
    }
    let found = match wait(receiver).await {
        Some(Answer::Known(subscription)) => subscription_text(Some(&subscription)),
        Some(Answer::Unknown) => Ok(None),
        None => return busy(),
    };
    match found {
        Ok(subscription) => json(&SubscriptionAnswer { subscription }),
        Err(_) => busy(),
    }
}

async fn key(bsf: &Address<BsfCommand>, body: &[u8]) -> Reply {
    let Some((naf, b_tid, naf_id)) = read::<KeyRequest>(body).and_then(|r| r.parse()) else {
        return malformed();
    };
    let (sender, receiver) = oneshot::channel();
    let reply = Box::new(move |result| _ = sender.send(result));
    if bsf.send(BsfCommand::Key { naf, b_tid, naf_id, reply }).is_err() {
        return busy();
    }
    match wait(receiver).await {
        Some(result) => json(&KeyAnswer::new(result.as_ref().map_err(|refusal| *refusal))),
        None => busy(),
    }
}

async fn push(bsf: &Address<BsfCommand>, body: &[u8]) -> Reply {
    let Some(request) = read::<PushRequest>(body).and_then(PushRequest::parse) else {
        return malformed();
    };
    let (sender, receiver) = oneshot::channel();
    let reply = Box::new(move |(_, result)| _ = sender.send(result));
    if bsf.send(BsfCommand::Push { request, reply }).is_err() {
        return busy();
    }
    match wait(receiver).await {
        Some(result) => json(&PushAnswer::new(result.as_ref().map_err(|refusal| *refusal))),
        None => busy(),
    }
}
