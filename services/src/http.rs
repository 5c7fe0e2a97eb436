//! HTTP servers whose connections are bounded: in number, in the time of a handshake, of a head, of a body, of a life.
//!
//! Where too many connections are open, the oldest one that has not proven who it is ends, and where all have, the oldest
//! of them: half a handshake or half a request keeps nobody out.

mod reply;

pub(crate) use reply::{Reply, Secret, body_of, check_target, document, media_type, plain, refuse};

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::status::Counters;

/// Octets of a head, at most.
const HEAD_OCTETS: usize = 16 << 10;

/// How long pending answers are waited for at the end.
const FAREWELL: Duration = Duration::from_millis(500);

/// What a connection may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Time of a TLS handshake, with the way to the BSF.
    pub handshake: Duration,
    /// Time of the head of a request, and of silence between two requests.
    pub head: Duration,
    /// Time of a body.
    pub body: Duration,
    /// Time of a connection, whatever it does.
    pub life: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connections: 256,
            handshake: seconds(5),
            head: seconds(5),
            body: seconds(5),
            life: seconds(60),
        }
    }
}

/// Requests of one connection of HTTP/2 at once.
const STREAMS: u32 = 64;

/// Which HTTP a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, which both ends knew before.
    Http2,
}

/// What a server serves.
pub(crate) trait Site: Send + Sync + 'static {
    /// A connection after its handshake.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;
    /// Who is at the other end.
    type Peer: Clone + Send + Sync + 'static;

    /// Does the handshake; none where it failed.
    fn admit(&self, stream: TcpStream) -> impl Future<Output = Option<(Self::Stream, Self::Peer)>> + Send;

    /// How long the peer is who it is.
    fn lasts(&self, peer: &Self::Peer) -> Duration;

    /// Which HTTP the peer speaks.
    fn version(&self, _: &Self::Peer) -> Version {
        Version::Http1
    }

    /// Answers a request.
    fn answer(&self, peer: Self::Peer, request: Request<Incoming>) -> impl Future<Output = Reply> + Send;
}

struct Open {
    task: AbortHandle,
    is_admitted: Arc<AtomicBool>,
}

/// Serves until the end.
pub(crate) async fn serve<S: Site>(
    listener: TcpListener,
    site: Arc<S>,
    limits: Limits,
    counters: Arc<Counters>,
    mut ended: watch::Receiver<bool>,
) {
    let told = ended.clone();
    let mut tasks = JoinSet::new();
    let mut open = VecDeque::<Open>::new();
    loop {
        tokio::select! {
            came = listener.accept() => match came {
                Ok((stream, _)) => {
                    open.retain(|connection| !connection.task.is_finished());
                    while open.len() >= limits.connections.max(1) {
                        displace(&mut open);
                        counters.connections_displaced.add();
                    }
                    let is_admitted = Arc::new(AtomicBool::new(false));
                    let flag = Arc::clone(&is_admitted);
                    let task = tasks.spawn(connection(stream, Arc::clone(&site), limits, flag, told.clone()));
                    open.push_back(Open { task, is_admitted });
                }
                // Out of file descriptors, for example: a passing error.
                Err(e) => {
                    tracing::warn!("accepting a connection: {e}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            () = over(&mut ended) => break,
        }
    }
    let _ = tokio::time::timeout(FAREWELL, async { while tasks.join_next().await.is_some() {} }).await;
}

pub(crate) async fn over(ended: &mut watch::Receiver<bool>) {
    let _ = ended.wait_for(|ended| *ended).await;
}

/// Ends a connection.
fn displace(open: &mut VecDeque<Open>) {
    let stranger = open.iter().position(|connection| !connection.is_admitted.load(Ordering::Relaxed));
    if let Some(connection) = open.remove(stranger.unwrap_or(0)) {
        connection.task.abort();
    }
}

async fn connection<S: Site>(
    stream: TcpStream,
    site: Arc<S>,
    limits: Limits,
    is_admitted: Arc<AtomicBool>,
    mut ended: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let admitted = tokio::time::timeout(limits.handshake, site.admit(stream)).await;
    let Ok(Some((stream, peer))) = admitted else { return };
    is_admitted.store(true, Ordering::Relaxed);
    let life = limits.life.min(site.lasts(&peer));
    let version = site.version(&peer);
    let service = service_fn(move |request| {
        let (site, peer) = (Arc::clone(&site), peer.clone());
        async move { Ok::<_, Infallible>(site.answer(peer, request).await) }
    });
    let end = async {
        tokio::select! {
            () = over(&mut ended) => {}
            () = tokio::time::sleep(life) => {}
        }
    };
    let result = match version {
        Version::Http1 => {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD_OCTETS);
            let serving = http.serve_connection(TokioIo::new(stream), service);
            until(serving, end, |serving| serving.graceful_shutdown()).await
        }
        Version::Http2 => {
            let mut http = http2::Builder::new(TokioExecutor::new());
            http.timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS)
                .max_header_list_size(HEAD_OCTETS as u32);
            // A peer that is gone is noticed; one that is silent lives until its life is over.
            http.keep_alive_interval(limits.head).keep_alive_timeout(limits.head);
            let serving = http.serve_connection(TokioIo::new(stream), service);
            until(serving, end, |serving| serving.graceful_shutdown()).await
        }
    };
    if let Err(e) = result {
        tracing::debug!("a connection: {e}");
    }
}

/// Serves a connection until `end`; an answer on its way is finished then, if its reader is quick.
async fn until<C: Future<Output = hyper::Result<()>>>(
    serving: C,
    end: impl Future<Output = ()>,
    finish: impl FnOnce(Pin<&mut C>),
) -> hyper::Result<()> {
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        result = &mut serving => result,
        () = end => {
            finish(serving.as_mut());
            tokio::time::timeout(FAREWELL, serving).await.unwrap_or(Ok(()))
        }
    }
}
