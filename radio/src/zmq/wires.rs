//! The two sockets, on a thread of their own. After a peer has left, the sockets wait for another, which continues
//! where it stopped.

use super::pipe::Pipe;
use super::wire::{Format, FrameError};
use super::zmtp::{Reading, Role, Writing, ZmtpError, greet};
use crate::RadioError;
use crate::Sample;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A request for a block. Its content means nothing.
const REQUEST: u8 = 0xff;
/// Most samples in one of our blocks.
const BLOCK: usize = 30_720;
/// Most samples in a block of srsRAN, which has room for no more.
const PEERS_BLOCK: usize = 3_072_000;
/// Timeout of a call of the peer.
const CALL: Duration = Duration::from_secs(1);
/// Longest time that a peer may take to read its block.
const HANDOVER: Duration = Duration::from_secs(2);
/// Most octets of a request.
const MOST_OF_REQUEST: usize = 1024;
/// Most peers with an open connection at a time.
const MOST_PEERS: usize = 16;
/// Pause between two tries after a peer has left.
const PAUSE: Duration = Duration::from_millis(50);

/// Sockets that are bound and not yet connected.
pub(super) struct Wires {
    runtime: Runtime,
    /// The socket from which the peer fetches our samples.
    answers: Option<(TcpListener, String)>,
    /// The address of the peer's samples.
    connect: Option<String>,
    send: Format,
    hear: Format,
    held: usize,
    paced: bool,
}

impl Wires {
    /// Binds the address for our samples; `formats` are those of sent and received samples.
    pub(super) fn bind(
        address: Option<String>,
        connect: Option<String>,
        (send, hear): (Format, Format),
        held: usize,
    ) -> Result<Self, RadioError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|e| no_thread(&e))?;
        let bind = |address: String| {
            let listener = TcpListener::bind(host_and_port(&address));
            let listener = listener.and_then(|l| l.set_nonblocking(true).map(|()| l)).map_err(|e| {
                let remedy = "is another program bound to it? take another tx_port";
                RadioError::unusable(format!("tx_port={address} cannot be bound: {e}"), remedy)
            })?;
            let bound = listener.local_addr().map_or(address, |bound| format!("tcp://{bound}"));
            Ok((listener, bound))
        };
        let answers = address.map(bind).transpose()?;
        Ok(Self { runtime, answers, connect, send, hear, held, paced: true })
    }

    /// Sets whether samples come no faster than they are taken.
    pub(super) fn paced(mut self, paced: bool) -> Self {
        self.paced = paced;
        self
    }

    pub(super) fn is_paced(&self) -> bool {
        self.paced
    }

    /// Returns both addresses, for messages.
    pub(super) fn name(&self) -> String {
        let sending = self.answers.as_ref().map(|(_, bound)| format!("sending at {bound}"));
        let hearing = self.connect.as_ref().map(|address| format!("hearing {address}"));
        sending.into_iter().chain(hearing).collect::<Vec<_>>().join(", ")
    }

    /// Starts the thread that calls and serves the peer.
    pub(super) fn start(self) -> Result<Ends, RadioError> {
        let Self { runtime, answers, connect, send, hear, held, .. } = self;
        let heard = connect.as_ref().map(|address| Arc::new(Pipe::new(held, address)));
        let sent = answers
            .as_ref()
            .map(|(_, bound)| Arc::new(Pipe::new(held, &format!("whoever listens at {bound}"))));
        let ends = (heard.clone(), sent.clone());
        let work = move || {
            runtime.block_on(async {
                let asking = async {
                    let (Some(heard), Some(address)) = (&heard, &connect) else { return };
                    tokio::select! {
                        () = ask(heard, address, hear) => {}
                        () = heard.closed() => {}
                    }
                };
                let answering = async {
                    let (Some(sent), Some((answers, _))) = (&sent, answers) else { return };
                    serve(sent, answers, send).await;
                };
                tokio::join!(asking, answering);
            });
        };
        let thread =
            std::thread::Builder::new().name("zmq".to_owned()).spawn(work).map_err(|e| no_thread(&e))?;
        Ok(Ends { heard: ends.0, sent: ends.1, working: Arc::new(Working(Some(thread))) })
    }
}

fn no_thread(error: &io::Error) -> RadioError {
    RadioError::unusable(format!("no thread for ZMQ: {error}"), "end other programs and try again")
}

/// Returns the part behind `tcp://`.
fn host_and_port(address: &str) -> &str {
    address.strip_prefix("tcp://").unwrap_or(address)
}

/// Serves requests until the pipe is closed.
async fn serve(sent: &Pipe, listener: TcpListener, format: Format) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(e) => return sent.fail(format!("cannot listen for whoever fetches samples: {e}")),
    };
    let (over, is_over) = watch::channel(false);
    let (ask, asked) = mpsc::channel(1);
    let ending = async {
        sent.closed().await;
        let _ = over.send(true);
        tokio::time::sleep(PAUSE).await;
    };
    tokio::select! {
        () = accept(&listener, &ask) => {}
        () = answer(sent, asked, format, is_over) => {}
        () = ending => {}
    }
}

/// Accepts peers, a few at a time.
async fn accept(listener: &tokio::net::TcpListener, ask: &mpsc::Sender<Asked>) {
    let mut peers = JoinSet::new();
    loop {
        tokio::select! {
            came = listener.accept() => match came {
                Ok((stream, _)) if peers.len() < MOST_PEERS => {
                    peers.spawn(hear_peer(stream, ask.clone()));
                }
                Ok((_, peer)) => tracing::warn!("{peer} refused: {MOST_PEERS} listen already"),
                // Out of file descriptors, for example: a passing error.
                Err(e) => {
                    tracing::warn!("cannot accept whoever listens: {e}");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = peers.join_next(), if !peers.is_empty() => {}
        }
    }
}

/// A peer that requested a block.
struct Asked {
    writing: Writing,
    /// Returns the connection; closed when the peer has left.
    back: oneshot::Sender<Writing>,
}

/// Forwards each request of a peer, and waits for its reply.
async fn hear_peer(stream: TcpStream, ask: mpsc::Sender<Asked>) {
    let (mut reading, mut writing) = match timeout(CALL, greet(stream, Role::Rep)).await {
        Ok(Ok(halves)) => halves,
        Ok(Err(e)) => return tracing::warn!("whoever came to listen said {e}"),
        Err(_) => return tracing::warn!("whoever came to listen said nothing"),
    };
    loop {
        match reading.message(MOST_OF_REQUEST).await {
            Ok(_) => {}
            Err(ZmtpError::Io(e)) => return tracing::debug!("whoever listened went away: {e}"),
            Err(e) => return tracing::warn!("whoever listened asked with {e}"),
        }
        let (back, answered) = oneshot::channel();
        if ask.send(Asked { writing, back }).await.is_err() {
            return;
        }
        tokio::select! {
            answered = answered => match answered {
                Ok(again) => writing = again,
                Err(_) => return,
            },
            () = reading.gone() => return,
        }
    }
}

/// The ends of the sockets on the side of the radio.
pub(super) struct Ends {
    /// Samples of the peer, if it sends.
    pub(super) heard: Option<Arc<Pipe>>,
    /// Samples for the peer, if it receives.
    pub(super) sent: Option<Arc<Pipe>>,
    /// The thread of the sockets.
    pub(super) working: Arc<Working>,
}

/// The thread of the sockets. Its last owner waits on drop until the address is free again.
pub(super) struct Working(Option<JoinHandle<()>>);

impl Drop for Working {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}

/// Requests block after block from the peer.
async fn ask(heard: &Pipe, address: &str, format: Format) {
    let mut told = false;
    loop {
        let (mut reading, mut writing) = match timeout(CALL, call(address)).await {
            Ok(Ok(halves)) => halves,
            Ok(Err(ZmtpError::Io(e))) if !is_waited_for(&e) => {
                return heard.fail(format!("rx_port={address}: {e}"));
            }
            Ok(Err(ZmtpError::Io(_))) | Err(_) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!("nobody answers at {address} yet: waiting");
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Ok(Err(e)) => return heard.fail(format!("{address} sent {e}")),
        };
        tracing::info!("hearing {address}");
        told = false;
        match blocks(heard, (&mut reading, &mut writing), format).await {
            Ok(()) => return,
            Err(Refused::Gone) => {}
            Err(Refused::Sent(what)) => return heard.fail(format!("{address} sent {what}")),
        }
        tracing::warn!("{address} went away: waiting for it");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Connects to the peer.
async fn call(address: &str) -> Result<(Reading, Writing), ZmtpError> {
    greet(TcpStream::connect(host_and_port(address)).await?, Role::Req).await
}

/// Whether a peer may still appear at the address.
fn is_waited_for(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::UnexpectedEof
            | Kind::TimedOut
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
    )
}

/// Reason why no more blocks come from a peer.
enum Refused {
    /// The peer left.
    Gone,
    /// The peer sent something else.
    Sent(String),
}

/// Fetches blocks until the pipe is closed.
async fn blocks(
    heard: &Pipe,
    (reading, writing): (&mut Reading, &mut Writing),
    format: Format,
) -> Result<(), Refused> {
    loop {
        writing.message(&[REQUEST]).await.map_err(|_| Refused::Gone)?;
        let block = reading.message(PEERS_BLOCK * format.octets()).await.map_err(|e| match e {
            ZmtpError::Io(_) => Refused::Gone,
            other => Refused::Sent(other.to_string()),
        })?;
        let wrong = || Refused::Sent(FrameError(block.len()).to_string());
        if !heard.push(&format.decode(&block).ok_or_else(wrong)?).await {
            return Ok(());
        }
    }
}

/// Gives the next block to the peer that requested last: an earlier one that has left would lose it.
async fn answer(
    sent: &Pipe,
    mut requests: mpsc::Receiver<Asked>,
    format: Format,
    mut over: watch::Receiver<bool>,
) {
    // A block that could not be handed over, for the next request.
    let mut kept: Option<Vec<Sample>> = None;
    let mut asked: Option<Asked> = None;
    loop {
        tokio::select! {
            biased;
            Some(request) = requests.recv() => asked = Some(request),
            () = gone(&mut asked) => asked = None,
            block = next(sent, &mut kept), if asked.is_some() => {
                let Some(block) = block else { return };
                let Some(Asked { mut writing, back }) = asked.take() else { continue };
                match timeout(HANDOVER, writing.message(&format.encode(&block))).await {
                    Ok(Ok(())) => {
                        // A peer that has left since makes no more requests.
                        let _ = back.send(writing);
                    }
                    Ok(Err(e)) => {
                        tracing::debug!("whoever listened went away: {e}");
                        kept = Some(block);
                    }
                    Err(_) => {
                        tracing::warn!("whoever listened asked for a block and does not read it");
                        kept = Some(block);
                    }
                }
            }
            _ = over.wait_for(|over| *over), if asked.is_none() => return,
        }
    }
}

/// Waits until the requesting peer has left; without one, for ever.
async fn gone(asked: &mut Option<Asked>) {
    match asked {
        Some(asked) => asked.back.closed().await,
        None => std::future::pending().await,
    }
}

async fn next(sent: &Pipe, kept: &mut Option<Vec<Sample>>) -> Option<Vec<Sample>> {
    match kept.take() {
        Some(block) => Some(block),
        None => sent.pull(BLOCK).await,
    }
}
