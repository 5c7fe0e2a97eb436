//! The end that asks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sidelink_network::aka::Quintet;
use sidelink_network::bsf::{KeyMaterial, KeyRefusal};
use sidelink_network::gba_push::bsf as push;
use sidelink_network::hss::{EapAkaPrimeVector, Refusal, Resynchronisation, Ticket};
use sidelink_network::identity::{BTid, Fqdn, Impi, Imsi, NafId};
use sidelink_network::pc3::Imsi as Ue;
use sidelink_network::prose_function::Answer;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::Token;
use super::messages::{
    EapAnswer, EapRequest, KeyAnswer, KeyRequest, SubscriptionAnswer, SubscriptionRequest, VectorAnswer,
    VectorRequest,
};
use super::pushes::{PushAnswer, PushRequest};
use crate::client::{ask, connect};
use crate::runtime::{Pushing, Reply};
use crate::store::{subscription_of, ue_text};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Requests at once, at most; more are refused.
pub(super) const AT_ONCE: usize = 128;

/// A function in another process.
#[derive(Clone)]
pub(crate) struct PeerClient {
    address: SocketAddr,
    token: Token,
    runtime: tokio::runtime::Handle,
    room: Arc<Semaphore>,
}

impl PeerClient {
    pub(crate) fn new(address: SocketAddr, token: Token, runtime: tokio::runtime::Handle) -> Self {
        Self { address, token, runtime, room: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Asks an HSS over Zh.
    pub(crate) fn vector(
        &self,
        impi: &Impi,
        resynchronisation: Option<Resynchronisation>,
        reply: Reply<Result<Quintet, Refusal>>,
    ) {
        let request = VectorRequest::new(impi, resynchronisation);
        self.ask("/zh/vector", &request, |answer: Option<VectorAnswer>| {
            // One that does not answer is as busy as one whose store fails.
            reply(answer.and_then(|answer| answer.parse()).unwrap_or(Err(Refusal::Busy)));
        });
    }

    /// Asks an HSS over SWx.
    pub(crate) fn eap_vector(
        &self,
        imsi: &Imsi,
        network_name: String,
        resynchronisation: Option<Resynchronisation>,
        reply: Reply<Result<EapAkaPrimeVector, Refusal>>,
    ) {
        let request = EapRequest::new(imsi, network_name, resynchronisation);
        self.ask("/swx/vector", &request, |answer: Option<EapAnswer>| {
            reply(answer.and_then(|answer| answer.parse()).unwrap_or(Err(Refusal::Busy)));
        });
    }

    /// Asks an HSS over PC4a. One that does not answer does not: the ProSe Function refuses by its own time.
    pub(crate) fn subscription(&self, ue: Ue, reply: Reply<Answer>) {
        let request = SubscriptionRequest { ue: ue_text(ue) };
        self.ask("/pc4a/subscription", &request, |answer: Option<SubscriptionAnswer>| {
            match answer.map(|answer| answer.subscription) {
                Some(None) => reply(Answer::Unknown),
                Some(Some(text)) => {
                    if let Ok(subscription) = subscription_of(&text) {
                        reply(Answer::Known(subscription));
                    }
                }
                None => {}
            }
        });
    }

    /// Asks a BSF over Zn. One that does not answer does not: the handshake fails.
    pub(crate) fn key(
        &self,
        naf: &Fqdn,
        b_tid: &BTid,
        naf_id: &NafId,
        reply: Reply<Result<KeyMaterial, KeyRefusal>>,
    ) {
        let request = KeyRequest::new(naf, b_tid, naf_id);
        self.ask("/zn/key", &request, |answer: Option<KeyAnswer>| {
            if let Some(result) = answer.and_then(|answer| answer.parse()) {
                reply(result);
            }
        });
    }

    /// Asks a BSF over Zpn. One that does not answer is late.
    pub(crate) fn push(&self, request: &push::Request, reply: Reply<(Ticket, Pushing)>) {
        let ticket = request.ticket;
        let Some(request) = PushRequest::new(request) else {
            return reply((ticket, Err(push::Refusal::Place)));
        };
        self.ask("/zpn/push", &request, move |answer: Option<PushAnswer>| {
            let result = answer.and_then(|answer| answer.parse());
            reply((ticket, result.unwrap_or(Err(push::Refusal::Late))));
        });
    }

    fn ask<T: DeserializeOwned>(
        &self,
        path: &'static str,
        request: &impl Serialize,
        then: impl FnOnce(Option<T>) + Send + 'static,
    ) {
        let (Ok(room), Ok(body)) = (Arc::clone(&self.room).try_acquire_owned(), serde_json::to_vec(request))
        else {
            return then(None);
        };
        let (address, token) = (self.address, self.token.clone());
        self.runtime.spawn(async move {
            let answer = tokio::time::timeout(PATIENCE, send(address, &token, path, body)).await;
            drop(room);
            let answer = answer.ok().flatten().and_then(|body| serde_json::from_slice(&body).ok());
            if answer.is_none() {
                tracing::warn!("{address}{path} does not answer as it should");
            }
            then(answer);
        });
    }
}

async fn send(address: SocketAddr, token: &Token, path: &str, body: Vec<u8>) -> Option<Zeroizing<Vec<u8>>> {
    let request = Request::post(path)
        .header(header::HOST, address.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {}", token.0.as_str()))
        .body(body)
        .ok()?;
    let response = ask(connect(address).await.ok()?, request).await.ok()?;
    (response.status() == StatusCode::OK).then(|| Zeroizing::new(response.into_body()))
}
