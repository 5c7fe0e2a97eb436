//! HTTP requests, and their authorisation. It depends on the head of a request alone, and is decided before the body is
//! read.

use super::{Board, Command, CommandError, applications};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use sidelink_ue::LinkAction;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Longest wait of a command for the UE.
const PATIENCE: Duration = Duration::from_secs(2);

/// Longest time of a request from its head to its answer.
const REQUEST: Duration = Duration::from_secs(5);

/// Length limit of a body, octets: a command.
const BODY: usize = 64 << 10;

/// Authorisation of callers.
pub(super) struct Guard {
    /// Token that a caller must present.
    pub(super) token: Option<Zeroizing<String>>,
}

pub(super) fn router(board: Arc<Board>, guard: Guard) -> Router {
    let (guard, known) = (Arc::new(guard), Arc::clone(&board));
    let admit = move |mut request: Request, next: Next| {
        let (guard, known) = (Arc::clone(&guard), Arc::clone(&known));
        async move {
            // An application has a token of its own, which serves for nothing else; that of the control is none of an application.
            if let Some(tokens) = known.applications.as_ref().filter(|_| is_of_application(&request)) {
                let Some(application) = tokens.admit(request.headers()) else {
                    return Stranger::NoToken.into_response();
                };
                request.extensions_mut().insert(application);
            } else if let Err(refusal) = guard.admit(request.headers()) {
                return refusal.into_response();
            }
            match tokio::time::timeout(REQUEST, next.run(request)).await {
                Ok(response) => response,
                Err(_) => refusal(StatusCode::REQUEST_TIMEOUT, "the request took too long"),
            }
        }
    };
    Router::new()
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/send", post(send))
        .route("/link", post(link))
        .route("/reset-stages", post(reset))
        .route("/shutdown", post(shutdown))
        .merge(applications::router())
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn(admit))
        .with_state(board)
}

/// Reason why a caller is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    /// Without the token.
    NoToken,
    /// A page in a browser on this machine.
    Page,
    /// The host name is not this machine's: a browser was made to resolve the name of a page to this machine (DNS
    /// rebinding).
    Host,
}

impl IntoResponse for Stranger {
    fn into_response(self) -> Response {
        match self {
            Self::NoToken => refusal(StatusCode::UNAUTHORIZED, "show the token as Authorization: Bearer .."),
            Self::Page => refusal(StatusCode::FORBIDDEN, "no pages"),
            Self::Host => {
                refusal(StatusCode::FORBIDDEN, "no such host: ask localhost, or the address of --control")
            }
        }
    }
}

impl Guard {
    /// # Errors
    /// The caller has no token; or, without a configured one, it is a page in a browser: it must neither make the UE
    /// send nor read.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<(), Stranger> {
        let Some(token) = &self.token else {
            if headers.contains_key(header::ORIGIN) {
                return Err(Stranger::Page);
            }
            return if is_here(headers) { Ok(()) } else { Err(Stranger::Host) };
        };
        let shown = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let shown = shown.and_then(|v| v.strip_prefix("Bearer ")).unwrap_or("");
        if bool::from(shown.as_bytes().ct_eq(token.as_bytes())) { Ok(()) } else { Err(Stranger::NoToken) }
    }
}

/// Whether the one Host of a request is loopback by name or address. Without a token no other address is served.
fn is_here(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Ok(authority) = http::uri::Authority::try_from(host.as_bytes()) else { return false };
    let name = authority.host();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

async fn command(board: &Board, command: Command) -> Response {
    match carried_out(board, command).await {
        Ok(()) => Json(json!({"ok": true})).into_response(),
        Err(refused) => refused,
    }
}

/// Waits until the UE has carried out a command; the error is the answer to the caller.
pub(super) async fn carried_out(board: &Board, command: Command) -> Result<(), Response> {
    let answer =
        board.command(command).map_err(|why| refusal(StatusCode::SERVICE_UNAVAILABLE, &why.to_string()))?;
    let waited = tokio::task::spawn_blocking(move || answer.recv_timeout(PATIENCE)).await;
    match waited {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(why))) => Err(refusal(StatusCode::UNPROCESSABLE_ENTITY, &why.to_string())),
        _ => Err(refusal(StatusCode::GATEWAY_TIMEOUT, &CommandError::NoAnswer.to_string())),
    }
}

/// Whether a request is one of applications.
fn is_of_application(request: &Request) -> bool {
    request.uri().path().starts_with("/app/")
}

pub(super) fn refusal(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({"ok": false, "error": why}))).into_response()
}

async fn status(State(board): State<Arc<Board>>) -> Response {
    Json(&*board.status()).into_response()
}

async fn metrics(State(board): State<Arc<Board>>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, board.status().metrics()).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    to: String,
    text: String,
}

async fn send(State(board): State<Arc<Board>>, body: Bytes) -> Response {
    match serde_json::from_slice::<Text>(&body) {
        Ok(Text { to, text }) => command(&board, Command::Send { to, text }).await,
        Err(e) => refusal(StatusCode::BAD_REQUEST, &format!("{e}; write {{\"to\": GROUP, \"text\": ..}}")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    peer: String,
    action: LinkAction,
}

async fn link(State(board): State<Arc<Board>>, body: Bytes) -> Response {
    match serde_json::from_slice::<Action>(&body) {
        Ok(Action { peer, action }) => command(&board, Command::Link { peer, action }).await,
        Err(e) => {
            let usage = "write {\"peer\": NAME, \"action\": \"connect\", \"rekey\", \"reauthenticate\" or \"release\"}";
            refusal(StatusCode::BAD_REQUEST, &format!("{e}; {usage}"))
        }
    }
}

async fn reset(State(board): State<Arc<Board>>) -> Response {
    command(&board, Command::ResetStages).await
}

async fn shutdown(State(board): State<Arc<Board>>) -> Response {
    board.shutdown();
    Json(json!({"ok": true})).into_response()
}
