//! Applications on sockets: each shows a token of its own, and may do what its grant says. No key and no code is in what they
//! are told.
//!
//! ```text
//! GET /app/events                       registers: a line with the handle, then a line for each match, an empty one a second
//! POST /app/announce, silence, monitor  {"handle": .., "name": ..}
//! POST /app/send                        {"handle": .., "to": .., "text": ..}
//! ```
//!
//! An application is there as long as its connection for events is: it ends with the program, however that ends, and with it
//! what the application announced. One that does not read is put out.

use super::routes::refusal;
use super::{Board, Command};
use crate::config::{ConfigError, parse_toml};
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use crossbeam::channel::{Receiver, Sender, bounded};
use hyper::body::Frame;
use serde::Deserialize;
use serde_json::json;
use sidelink_prose::discovery::agent;
use sidelink_security::counter::UtcTime;
use sidelink_ue::{
    Application, ApplicationId, Event, Grant, Handle, Moment, Refused, Send as SendData, Ue, UserInput,
    UserOutput, UserRequest, Users,
};
use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use subtle::ConstantTimeEq;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// Lines that an application may leave unread.
const UNREAD: usize = 64;

/// Discoveries that wait for the next look.
const MATCHES: usize = 256;

/// Milliseconds between two empty lines.
const ALIVE: u64 = 1000;

/// `applications.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    application: Vec<ApplicationConfig>,
}

/// `[[application]]`: an application, its token, and names of entries and groups of the key store.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ApplicationConfig {
    name: String,
    /// File with its token.
    token_file: PathBuf,
    #[serde(default)]
    announce: Vec<String>,
    #[serde(default)]
    monitor: Vec<String>,
    #[serde(default)]
    send: Vec<String>,
}

/// Grants and tokens, in the same order.
pub struct ApplicationsConfig {
    grants: Vec<Grant>,
    tokens: Vec<Zeroizing<String>>,
}

impl ApplicationsConfig {
    /// Reads a file. `read_token` reads a token of the file that the configuration names, from the folder of the configuration.
    ///
    /// # Errors
    /// The first fault, or two applications with one token.
    pub fn from_file(
        path: &Path,
        read_token: impl Fn(&Path) -> Result<Zeroizing<String>, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let place = path.display().to_string();
        let failed = |what: String, remedy: &str| ConfigError::new(what, &place, remedy);
        let text = std::fs::read_to_string(path)
            .map_err(|e| failed(format!("cannot read it: {e}"), "check --applications"))?;
        let file: File = parse_toml(&text, &place)?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let mut config = Self { grants: Vec::new(), tokens: Vec::new() };
        for one in file.application {
            let token = read_token(&folder.join(&one.token_file))?;
            if config.tokens.contains(&token) {
                let what = format!("application {:?} has the token of another", one.name);
                return Err(failed(what, "give each its own: `openssl rand -hex 16 > FILE`"));
            }
            config.tokens.push(token);
            let set = |names: Vec<String>| names.into_iter().collect();
            let (announce, monitor, send) = (set(one.announce), set(one.monitor), set(one.send));
            config.grants.push(Grant { name: one.name, announce, monitor, send });
        }
        Ok(config)
    }

    /// Splits it into what the UE's thread has, and what callers are judged by.
    pub(super) fn split(self) -> (Gate, Tokens) {
        (Gate::new(self.grants), Tokens(self.tokens))
    }
}

/// Tokens of applications.
pub(super) struct Tokens(Vec<Zeroizing<String>>);

impl Tokens {
    /// The application whose token a caller shows. All are compared, so that the time tells nothing.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Option<ApplicationId> {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())?;
        let shown = shown.strip_prefix("Bearer ")?;
        let mut found = None;
        for (place, token) in self.0.iter().enumerate() {
            if bool::from(shown.as_bytes().ct_eq(token.as_bytes())) {
                found = Some(ApplicationId(place));
            }
        }
        found
    }
}

/// Where the lines of one application go.
#[derive(Clone)]
pub struct Lines(mpsc::Sender<Bytes>);

impl PartialEq for Lines {
    fn eq(&self, other: &Self) -> bool {
        self.0.same_channel(&other.0)
    }
}

impl Eq for Lines {}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lines")
    }
}

/// What an application wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplicationCommand {
    /// It is there.
    Register(ApplicationId, Handle, Lines),
    /// It asks.
    Request(ApplicationId, Handle, UserRequest),
}

/// The applications of a UE, in its thread.
pub(super) struct Gate {
    users: Users,
    lines: Vec<(Handle, Lines)>,
    matches: Receiver<String>,
    discovered: Option<Sender<String>>,
    alive: u64,
}

impl Gate {
    fn new(grants: Vec<Grant>) -> Self {
        let (discovered, matches) = bounded(MATCHES);
        let users = Users::new(grants);
        Self { users, lines: Vec::new(), matches, discovered: Some(discovered), alive: 0 }
    }

    /// Hands on what was discovered, and puts out who is gone.
    pub(super) fn look(&mut self, ue: &mut Ue) {
        if let Some(discovered) = self.discovered.take() {
            ue.add_application(Box::new(Discoveries(discovered)));
        }
        let now = ue.totals().subframes;
        if now >= self.alive + ALIVE {
            self.alive = now;
            self.lines.iter().for_each(|(_, lines)| _ = lines.0.try_send(Bytes::from_static(b"\n")));
        }
        while let Ok(name) = self.matches.try_recv() {
            // It refuses nothing.
            let _ = self.users.handle_input(UserInput::Discovered(&name));
        }
        let gone = |(handle, lines): &(Handle, Lines)| {
            (lines.0.is_closed() || lines.0.capacity() == 0).then_some(*handle)
        };
        let gone: Vec<Handle> = self.lines.iter().filter_map(gone).collect();
        for handle in gone {
            self.lines.retain(|(known, _)| *known != handle);
            let _ = self.users.handle_input(UserInput::Gone(handle));
        }
        // An announcement that nobody wants any more has nobody to hear of a failure.
        let _ = self.drain(ue);
    }

    /// Does what an application wants.
    pub(super) fn command(&mut self, ue: &mut Ue, command: ApplicationCommand) -> Result<(), Refused> {
        match command {
            ApplicationCommand::Register(application, handle, lines) => {
                self.users.handle_input(UserInput::Register { application, handle })?;
                self.lines.push((handle, lines));
            }
            ApplicationCommand::Request(application, handle, request) => {
                let now = UtcTime::from_millis(ue.totals().subframes);
                self.users.handle_input(UserInput::Request { now, application, handle, request })?;
            }
        }
        self.drain(ue)
    }

    fn drain(&mut self, ue: &mut Ue) -> Result<(), Refused> {
        let mut result = Ok(());
        while let Some(output) = self.users.poll_output() {
            match output {
                UserOutput::Announcing { name, announcing } => ue.stack().set_announcing(&name, announcing),
                UserOutput::Send { to, data } => result = result.and(ue.say(&to, &data)),
                UserOutput::Match { handle, name } => {
                    let line = format!("{}\n", json!({ "match": name }));
                    let owner = self.lines.iter().find(|(known, _)| *known == handle);
                    // Who does not read is put out by the next look.
                    owner.map(|(_, lines)| lines.0.try_send(line.into()));
                }
            }
        }
        result
    }
}

/// Tells the gate what the UE discovers.
struct Discoveries(Sender<String>);

impl Application for Discoveries {
    fn work(&mut self, _: Moment, _: &mut SendData<'_>) {}

    fn event(&mut self, _: Moment, event: &Event<'_>) {
        if let Event::Discovery { name, event: agent::Event::Discovered(discovered) } = event
            && discovered.report
        {
            // Full: the next report comes soon.
            let _ = self.0.try_send((*name).to_owned());
        }
    }
}

/// The routes. The caller's application is known before.
pub(super) fn router() -> Router<Arc<Board>> {
    Router::new()
        .route("/app/events", get(events))
        .route("/app/announce", post(announce))
        .route("/app/silence", post(silence))
        .route("/app/monitor", post(monitor))
        .route("/app/send", post(send))
}

/// Lines as the body of an answer.
struct Events(mpsc::Receiver<Bytes>);

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

async fn events(
    State(board): State<Arc<Board>>,
    Extension(application): Extension<ApplicationId>,
) -> Response {
    let Ok(random) = sidelink_store::random(16) else {
        return refusal(StatusCode::INTERNAL_SERVER_ERROR, "the system has no random source");
    };
    let mut octets = [0; 16];
    octets.copy_from_slice(random.as_bytes());
    let (sender, receiver) = mpsc::channel(UNREAD);
    let first = format!("{}\n", json!({ "handle": sidelink_wire::hex::of_bytes(&octets) }));
    // The channel is new, and has room.
    let _ = sender.try_send(first.into());
    let command = ApplicationCommand::Register(application, Handle::new(octets), Lines(sender));
    match super::routes::carried_out(&board, Command::Application(command)).await {
        Ok(()) => {
            let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
            (kind, Body::new(Events(receiver))).into_response()
        }
        Err(refused) => refused,
    }
}

/// A handle as an application shows it.
fn handle(text: &str) -> Option<Handle> {
    Some(Handle::new(sidelink_wire::hex::bytes(text)?.try_into().ok()?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    handle: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    handle: String,
    to: String,
    text: String,
}

type Caller = (State<Arc<Board>>, Extension<ApplicationId>);

async fn announce(state: State<Arc<Board>>, application: Extension<ApplicationId>, body: Bytes) -> Response {
    named((state, application), &body, UserRequest::Announce).await
}

async fn silence(state: State<Arc<Board>>, application: Extension<ApplicationId>, body: Bytes) -> Response {
    named((state, application), &body, UserRequest::Silence).await
}

async fn monitor(state: State<Arc<Board>>, application: Extension<ApplicationId>, body: Bytes) -> Response {
    named((state, application), &body, UserRequest::Monitor).await
}

async fn named(caller: Caller, body: &[u8], request: fn(String) -> UserRequest) -> Response {
    match serde_json::from_slice::<Named>(body) {
        Ok(Named { handle, name }) => ask(caller, &handle, request(name)).await,
        Err(e) => refusal(StatusCode::BAD_REQUEST, &format!("{e}; write {{\"handle\": .., \"name\": ..}}")),
    }
}

async fn send(state: State<Arc<Board>>, application: Extension<ApplicationId>, body: Bytes) -> Response {
    match serde_json::from_slice::<Text>(&body) {
        Ok(Text { handle, to, text }) => {
            let request = UserRequest::Send { to, data: text.into_bytes() };
            ask((state, application), &handle, request).await
        }
        Err(e) => {
            let usage = "write {\"handle\": .., \"to\": .., \"text\": ..}";
            refusal(StatusCode::BAD_REQUEST, &format!("{e}; {usage}"))
        }
    }
}

async fn ask((State(board), Extension(application)): Caller, shown: &str, request: UserRequest) -> Response {
    let Some(handle) = handle(shown) else {
        return refusal(StatusCode::BAD_REQUEST, "a handle has 32 hexadecimal digits");
    };
    let command = Command::Application(ApplicationCommand::Request(application, handle, request));
    match super::routes::carried_out(&board, command).await {
        Ok(()) => Json(json!({"ok": true})).into_response(),
        Err(refused) => refused,
    }
}
