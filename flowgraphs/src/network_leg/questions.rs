//! What the links of a UE that runs ask a server: that of tickets, or a PKMF.
//!
//! ```text
//! UE thread: Desk --question--> one of WAYS threads: Way, under the newest key
//!                 <--answer---     '--no key, or one that the server does not take--> network thread, which bootstraps
//! ```
//!
//! A server that takes seconds keeps neither the other links nor the rest of the network leg.

use super::Note;
use crate::report::events::Reporter;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use sidelink_prose::direct_link::Ticket;
use sidelink_security::counter::UtcTime;
use sidelink_services::client::{ClientError, PkmfWay, TicketClient};
use sidelink_ue::{KeyNetwork, NetworkAnswer};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use zeroize::Zeroizing;

/// Questions that may wait.
const QUESTIONS: usize = 16;

/// Answers that may wait: of all questions that can be on their way, so that none is lost before the UE looks again.
const ANSWERS: usize = 2 * QUESTIONS + WAYS;

/// Questions that are asked at a time.
const WAYS: usize = 4;

/// Time between two looks whether the UE has ended.
const LOOK: Duration = Duration::from_millis(100);

/// The octets of an answer, which may hold a key; `None` for none.
type Octets = Option<Zeroizing<Vec<u8>>>;

/// A way to a server under one key.
pub(super) trait Way: Send + Sync + 'static {
    /// What is asked for, for notes.
    const WHAT: &'static str;

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// There is none.
    fn ask(&self, question: &[u8]) -> Result<Zeroizing<Vec<u8>>, ClientError>;
}

impl Way for TicketClient {
    const WHAT: &'static str = "tickets";

    fn ask(&self, question: &[u8]) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        self.ask_ticket(question)
    }
}

impl Way for PkmfWay {
    const WHAT: &'static str = "key of a remote UE";

    fn ask(&self, question: &[u8]) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        self.ask_pkmf(question)
    }
}

/// The UE's end. `K` names a question.
pub(crate) struct Desk<K> {
    to_server: Sender<(K, Zeroizing<Vec<u8>>)>,
    answers: Receiver<(K, Octets)>,
    /// Questions that found no room.
    refused: Vec<K>,
}

/// The UE's end, where links ask for tickets.
pub(crate) type Questions = Desk<Ticket>;

impl<K> Desk<K> {
    /// Asks. A question that finds no room has no answer.
    pub(super) fn ask(&mut self, name: K, question: Zeroizing<Vec<u8>>) {
        if let Err(full) = self.to_server.try_send((name, question)) {
            self.refused.push(full.into_inner().0);
        }
    }

    /// Returns an answer that has come, once.
    pub(super) fn answer(&mut self) -> Option<(K, Octets)> {
        self.refused.pop().map(|name| (name, None)).or_else(|| self.answers.try_recv().ok())
    }
}

impl KeyNetwork for Questions {
    fn ask(&mut self, _now: UtcTime, ticket: Ticket, question: &[u8]) {
        Self::ask(self, ticket, Zeroizing::new(question.to_vec()));
    }

    fn poll(&mut self, _now: UtcTime) -> Option<NetworkAnswer> {
        self.answer().map(|(ticket, octets)| NetworkAnswer { ticket, octets })
    }
}

/// The server's end, in each thread that asks.
pub(super) struct Ways<K, W> {
    asked: Receiver<(K, Zeroizing<Vec<u8>>)>,
    to_link: Sender<(K, Octets)>,
    newest: Arc<Mutex<Option<Arc<W>>>>,
    /// Questions that need another key: for the network thread.
    rest: Rest<K>,
}

type Rest<K> = (Sender<(K, Zeroizing<Vec<u8>>)>, Receiver<(K, Zeroizing<Vec<u8>>)>);

impl<K, W> Clone for Ways<K, W> {
    fn clone(&self) -> Self {
        Self {
            asked: self.asked.clone(),
            to_link: self.to_link.clone(),
            newest: Arc::clone(&self.newest),
            rest: self.rest.clone(),
        }
    }
}

/// Returns both ends.
pub(super) fn new<K, W>() -> (Desk<K>, Ways<K, W>) {
    let (to_server, asked) = bounded(QUESTIONS);
    let (to_link, answers) = bounded(ANSWERS);
    let ways = Ways { asked, to_link, newest: Arc::default(), rest: bounded(QUESTIONS) };
    (Desk { to_server, answers, refused: Vec::new() }, ways)
}

impl<K: Send + 'static, W: Way> Ways<K, W> {
    /// Starts the threads that ask; they end when `stop` says so, or with the UE.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(
        &self,
        stop: &Arc<AtomicBool>,
        reporter: impl Fn() -> Reporter,
    ) -> std::io::Result<Vec<JoinHandle<()>>> {
        let threads = (0..WAYS).map(|_| {
            let (ways, stop, reporter) = (self.clone(), Arc::clone(stop), reporter());
            let named = std::thread::Builder::new().name("questions".to_owned());
            named.spawn(move || ways.run(&stop, &reporter))
        });
        threads.collect()
    }

    fn run(&self, stop: &AtomicBool, reporter: &Reporter) {
        while !stop.load(Ordering::Relaxed) {
            match self.asked.recv_timeout(LOOK) {
                Ok(question) => self.ask(question, reporter),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn ask(&self, (name, question): (K, Zeroizing<Vec<u8>>), reporter: &Reporter) {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match newest.map(|way| way.ask(&question)) {
            Some(Ok(octets)) => self.answer(name, Some(octets)),
            None | Some(Err(ClientError::NoKey | ClientError::Tls(_))) => {
                if let Err(full) = self.rest.0.try_send((name, question)) {
                    self.answer(full.into_inner().0, None);
                }
            }
            Some(Err(why)) => {
                reporter.note(super::now(), &Note::Trouble(format!("{}: {why}", W::WHAT)));
                self.answer(name, None);
            }
        }
    }

    /// A link whose answer finds no room gives the question up by its timers.
    fn answer(&self, name: K, octets: Octets) {
        let _ = self.to_link.try_send((name, octets));
    }

    /// Asks under this key from now on.
    pub(super) fn renew(&self, way: W) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(way));
    }

    /// Asks what needs another key: in the network thread.
    pub(super) fn answer_rest(
        &self,
        reporter: &Reporter,
        mut ask: impl FnMut(&[u8]) -> Result<Zeroizing<Vec<u8>>, Note>,
    ) {
        for (name, question) in self.rest.1.try_iter() {
            let octets = ask(&question).map_err(|note| reporter.note(super::now(), &note)).ok();
            self.answer(name, octets);
        }
    }
}

#[cfg(test)]
mod tests;
