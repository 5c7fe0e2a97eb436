//! The HTTP side: a thread with a tokio runtime.

use super::{Board, Command, CommandError};
use crate::config::ConfigError;
use crate::ue::LinkAction;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How long a command may wait for the UE.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where control listens.
#[derive(Clone, PartialEq, Eq)]
pub struct ControlConfig {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What a caller must show as `Authorization: Bearer ..`.
    pub token: Option<String>,
}

/// A server that runs.
pub struct Server {
    address: SocketAddr,
    end: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    board: Arc<Board>,
    token: Option<String>,
}

impl Server {
    /// Listen.
    ///
    /// # Errors
    /// An address that is not loopback without a token, or one in use.
    pub fn start(config: ControlConfig, board: Arc<Board>) -> Result<Self, ConfigError> {
        let listen = config.listen;
        if !listen.ip().is_loopback() && config.token.is_none() {
            let remedy = "give --control-token-file FILE too, or listen on 127.0.0.1";
            return Err(ConfigError::new(
                format!("others can reach {listen} and make this UE send"),
                "--control",
                remedy,
            ));
        }
        let failed = |e: std::io::Error| {
            ConfigError::new(format!("cannot listen on {listen}: {e}"), "--control", "choose another port")
        };
        let listener = TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let app = router(Arc::new(Shared { board, token: config.token }));
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                let serving = axum::serve(listener, app).with_graceful_shutdown(async {
                    let _ = ended.await;
                });
                if let Err(e) = serving.await {
                    tracing::warn!("control: {e}");
                }
            });
            runtime.shutdown_timeout(Duration::from_millis(100));
        });
        Ok(Self { address, end: Some(end), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/send", post(send))
        .route("/link", post(link))
        .route("/reset-stages", post(reset))
        .route("/shutdown", post(shutdown))
        .with_state(shared)
}

impl Shared {
    /// # Errors
    /// A caller without the token.
    fn admit(&self, headers: &HeaderMap) -> Result<(), Box<Response>> {
        let Some(token) = &self.token else {
            // a page in a browser on this machine must not make the UE send
            let foreign = headers.contains_key(header::ORIGIN);
            return if foreign { Err(Box::new(refusal(StatusCode::FORBIDDEN, "no pages"))) } else { Ok(()) };
        };
        let shown = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let shown = shown.and_then(|v| v.strip_prefix("Bearer ")).unwrap_or("");
        if bool::from(shown.as_bytes().ct_eq(token.as_bytes())) {
            Ok(())
        } else {
            Err(Box::new(refusal(StatusCode::UNAUTHORIZED, "show the token as Authorization: Bearer ..")))
        }
    }

    async fn command(&self, command: Command) -> Response {
        let answer = match self.board.command(command) {
            Ok(answer) => answer,
            Err(why) => return refusal(StatusCode::SERVICE_UNAVAILABLE, &why.to_string()),
        };
        let waited = tokio::task::spawn_blocking(move || answer.recv_timeout(PATIENCE)).await;
        match waited {
            Ok(Ok(Ok(()))) => Json(json!({"ok": true})).into_response(),
            Ok(Ok(Err(why))) => refusal(StatusCode::UNPROCESSABLE_ENTITY, &why.to_string()),
            _ => refusal(StatusCode::GATEWAY_TIMEOUT, &CommandError::NoAnswer.to_string()),
        }
    }
}

fn refusal(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({"ok": false, "error": why}))).into_response()
}

async fn status(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    match shared.admit(&headers) {
        Ok(()) => Json(&*shared.board.status()).into_response(),
        Err(refusal) => *refusal,
    }
}

async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    match shared.admit(&headers) {
        Ok(()) => {
            let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
            (kind, shared.board.status().metrics()).into_response()
        }
        Err(refusal) => *refusal,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    to: String,
    text: String,
}

async fn send(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: axum::body::Bytes) -> Response {
    if let Err(refusal) = shared.admit(&headers) {
        return *refusal;
    }
    match serde_json::from_slice::<Text>(&body) {
        Ok(Text { to, text }) => shared.command(Command::Send { to, text }).await,
        Err(e) => refusal(StatusCode::BAD_REQUEST, &format!("{e}; write {{\"to\": GROUP, \"text\": ..}}")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    peer: String,
    action: LinkAction,
}

async fn link(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: axum::body::Bytes) -> Response {
    if let Err(refusal) = shared.admit(&headers) {
        return *refusal;
    }
    match serde_json::from_slice::<Action>(&body) {
        Ok(Action { peer, action }) => shared.command(Command::Link { peer, action }).await,
        Err(e) => {
            let usage = "write {\"peer\": NAME, \"action\": \"connect\", \"rekey\", \"reauthenticate\" or \"release\"}";
            refusal(StatusCode::BAD_REQUEST, &format!("{e}; {usage}"))
        }
    }
}

async fn reset(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    match shared.admit(&headers) {
        Ok(()) => shared.command(Command::ResetStages).await,
        Err(refusal) => *refusal,
    }
}

async fn shutdown(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    match shared.admit(&headers) {
        Ok(()) => {
            shared.board.shutdown();
            Json(json!({"ok": true})).into_response()
        }
        Err(refusal) => *refusal,
    }
}
