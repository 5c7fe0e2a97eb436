//! The two sockets, on a thread of their own. A peer that goes away is waited for: whoever comes in its place goes on
//! where it stopped.

use super::pipe::Pipe;
use super::wire::{Format, FrameError};
use crate::RadioError;
use crate::Sample;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use zeromq::{RepSocket, ReqSocket, Socket, SocketRecv, SocketSend, ZmqMessage};

/// What asks for a block. Its content means nothing.
const REQUEST: u8 = 0xff;
/// Most samples in one block of ours.
const BLOCK: usize = 30_720;
/// Most samples in a block of srsRAN's, which has room for no more.
const PEERS_BLOCK: usize = 3_072_000;
/// How long a call for the peer takes before the next begins.
const CALL: Duration = Duration::from_secs(1);
/// Between two tries after a peer went away.
const PAUSE: Duration = Duration::from_millis(50);

/// Sockets that are bound and not yet connected.
pub(super) struct Wires {
    runtime: Runtime,
    /// Where the peer fetches what is sent.
    answers: Option<(RepSocket, String)>,
    /// Where the peer gives what is heard.
    connect: Option<String>,
    send: Format,
    hear: Format,
    held: usize,
    paced: bool,
}

impl Wires {
    /// Bind the address of what is sent; `formats` of what is sent and heard.
    pub(super) fn bind(
        address: Option<String>,
        connect: Option<String>,
        (send, hear): (Format, Format),
        held: usize,
    ) -> Result<Self, RadioError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|e| no_thread(&e))?;
        let bind = |address: String| {
            let mut answers = RepSocket::new();
            let bound = runtime.block_on(answers.bind(&address)).map_err(|e| {
                let remedy = "is another program bound to it? take another tx_port";
                RadioError::unusable(format!("tx_port={address} cannot be bound: {e}"), remedy)
            })?;
            Ok((answers, bound.to_string()))
        };
        let answers = address.map(bind).transpose()?;
        Ok(Self { runtime, answers, connect, send, hear, held, paced: true })
    }

    /// Whether samples come no faster than they are taken.
    pub(super) fn paced(mut self, paced: bool) -> Self {
        self.paced = paced;
        self
    }

    pub(super) fn is_paced(&self) -> bool {
        self.paced
    }

    /// Both addresses.
    pub(super) fn name(&self) -> String {
        let sending = self.answers.as_ref().map(|(_, bound)| format!("sending at {bound}"));
        let hearing = self.connect.as_ref().map(|address| format!("hearing {address}"));
        sending.into_iter().chain(hearing).collect::<Vec<_>>().join(", ")
    }

    /// Call the peer.
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

fn no_thread(error: &std::io::Error) -> RadioError {
    RadioError::unusable(format!("no thread for ZMQ: {error}"), "end other programs and try again")
}

/// Answer whoever asks until the pipe is closed.
async fn serve(sent: &Pipe, answers: RepSocket, format: Format) {
    let (over, is_over) = watch::channel(false);
    let ending = async {
        sent.closed().await;
        let _ = over.send(true);
        tokio::time::sleep(PAUSE).await;
    };
    tokio::select! {
        () = answer(sent, answers, format, is_over) => {}
        () = ending => {}
    }
}

/// What connects the sockets with the rest.
pub(super) struct Ends {
    /// What the peer says, if it does.
    pub(super) heard: Option<Arc<Pipe>>,
    /// What it will hear, if it does.
    pub(super) sent: Option<Arc<Pipe>>,
    /// The thread between.
    pub(super) working: Arc<Working>,
}

/// The thread of the sockets. Whoever drops it last waits until the address is free again.
pub(super) struct Working(Option<JoinHandle<()>>);

impl Drop for Working {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}

/// Ask the peer for block after block.
async fn ask(heard: &Pipe, address: &str, format: Format) {
    let mut told = false;
    loop {
        let mut socket = ReqSocket::new();
        match tokio::time::timeout(CALL, socket.connect(address)).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => {
                heard.fail(format!("rx_port={address}: {e}"));
                return;
            }
            Err(_) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!("nobody answers at {address} yet: waiting");
                }
                continue;
            }
        }
        tracing::info!("hearing {address}");
        told = false;
        while socket.send(ZmqMessage::from(vec![REQUEST])).await.is_ok() {
            let Ok(message) = socket.recv().await else { break };
            match samples(message, format) {
                Ok(samples) => {
                    if !heard.push(&samples).await {
                        return;
                    }
                }
                Err(what) => {
                    heard.fail(format!("{address} sent {what}"));
                    return;
                }
            }
        }
        tracing::warn!("{address} went away: waiting for it");
        tokio::time::sleep(PAUSE).await;
    }
}

/// The samples of a block.
fn samples(message: ZmqMessage, format: Format) -> Result<Vec<Sample>, FrameError> {
    let parts = message.into_vec();
    let [block] = &parts[..] else { return Err(FrameError::Parts(parts.len())) };
    match format.decode(block) {
        Some(samples) if samples.len() <= PEERS_BLOCK => Ok(samples),
        Some(samples) => Err(FrameError::TooLong(samples.len())),
        None => Err(FrameError::Octets(block.len())),
    }
}

/// Give whoever asked last the next block: who asked before and has gone would take it away.
async fn answer(sent: &Pipe, mut socket: RepSocket, format: Format, mut over: watch::Receiver<bool>) {
    // A block that could not be handed over is for whoever asks next.
    let mut kept: Option<Vec<Sample>> = None;
    let mut asked = false;
    loop {
        tokio::select! {
            biased;
            request = socket.recv() => {
                asked = request.is_ok();
                if let Err(e) = request {
                    tracing::debug!("whoever listened went away: {e}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
            block = next(sent, &mut kept), if asked => {
                let Some(block) = block else { return };
                asked = false;
                if let Err(e) = socket.send(ZmqMessage::from(format.encode(&block))).await {
                    tracing::debug!("whoever listened went away: {e}");
                    kept = Some(block);
                }
            }
            _ = over.wait_for(|over| *over), if !asked => return,
        }
    }
}

async fn next(sent: &Pipe, kept: &mut Option<Vec<Sample>>) -> Option<Vec<Sample>> {
    match kept.take() {
        Some(block) => Some(block),
        None => sent.pull(BLOCK).await,
    }
}
