//! The HTTP server: a thread with a tokio runtime, and limits on the cost of a connection before its caller is known.

use super::Board;
use super::routes::{Guard, router};
use crate::config::ConfigError;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use zeroize::Zeroizing;

/// Largest number of connections. Beyond it the oldest ends: half requests keep no caller out.
pub(super) const CONNECTIONS: usize = 64;

/// Longest time for the head of a request, and longest idle time of a connection.
pub(super) const HEAD: Duration = Duration::from_secs(5);

/// Longest time for pending answers when the server ends.
const FAREWELL: Duration = Duration::from_millis(250);

/// Address and token of the control server.
#[derive(Clone, PartialEq, Eq)]
pub struct ControlConfig {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Token that a caller must present as `Authorization: Bearer ..`.
    pub token: Option<Zeroizing<String>>,
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    end: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server.
    ///
    /// # Errors
    /// The address is not loopback and there is no token, or it is in use.
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
        let (end, ended) = watch::channel(false);
        let app = router(board, Guard { token: config.token });
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => serve(&listener, &app, ended).await,
                    Err(e) => tracing::warn!("control: {e}"),
                }
            });
            runtime.shutdown_timeout(Duration::from_millis(100));
        });
        Ok(Self { address, end, thread: Some(thread) })
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.end.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Accepts connections until the end, and then waits for pending answers for a moment at most.
async fn serve(listener: &tokio::net::TcpListener, app: &Router, mut ended: watch::Receiver<bool>) {
    let told = ended.clone();
    let mut open = JoinSet::new();
    let mut oldest = VecDeque::<AbortHandle>::new();
    loop {
        tokio::select! {
            came = listener.accept() => match came {
                Ok((stream, _)) => {
                    oldest.retain(|connection| !connection.is_finished());
                    while oldest.len() >= CONNECTIONS {
                        oldest.pop_front().inspect(AbortHandle::abort);
                    }
                    oldest.push_back(open.spawn(connection(stream, app.clone(), told.clone())));
                }
                // Out of file descriptors, for example: a passing error.
                Err(e) => {
                    tracing::warn!("control: {e}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = open.join_next(), if !open.is_empty() => {}
            _ = ended.wait_for(|ended| *ended) => break,
        }
    }
    let _ = tokio::time::timeout(FAREWELL, async { while open.join_next().await.is_some() {} }).await;
}

async fn connection(stream: TcpStream, app: Router, mut ended: watch::Receiver<bool>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(16 << 10);
    let serving = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    let mut serving = std::pin::pin!(serving);
    let end = async {
        let _ = ended.wait_for(|ended| *ended).await;
    };
    let result = tokio::select! {
        result = &mut serving => result,
        () = end => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(e) = result {
        tracing::debug!("control: {e}");
    }
}
