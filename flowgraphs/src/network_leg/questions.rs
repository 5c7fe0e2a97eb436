//! What the links of a UE that runs ask the server of tickets.
//!
//! ```text
//! UE thread: Questions --question--> one of WAYS threads: TicketClient, under the newest key
//!                      <--answer---     '--no key, or one that the server does not take--> network thread, which bootstraps
//! ```
//!
//! A server that takes seconds keeps neither the other links nor the rest of the network leg.

use super::{NetworkLeg, Note};
use crate::report::events::Reporter;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use sidelink_prose::direct_link::Ticket;
use sidelink_security::counter::UtcTime;
use sidelink_services::client::{ClientError, TicketClient};
use sidelink_ue::{KeyNetwork, NetworkAnswer};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Questions that may wait.
const QUESTIONS: usize = 16;

/// Questions that are asked at a time.
const WAYS: usize = 4;

/// Time between two looks whether the UE has ended.
const LOOK: Duration = Duration::from_millis(100);

type Question = (Ticket, Vec<u8>);

/// The UE's end.
pub(crate) struct Questions {
    to_server: Sender<Question>,
    answers: Receiver<NetworkAnswer>,
    /// Questions that found no room.
    refused: Vec<Ticket>,
}

impl KeyNetwork for Questions {
    fn ask(&mut self, _now: UtcTime, ticket: Ticket, question: &[u8]) {
        if self.to_server.try_send((ticket, question.to_vec())).is_err() {
            self.refused.push(ticket);
        }
    }

    fn poll(&mut self, _now: UtcTime) -> Option<NetworkAnswer> {
        let refused = self.refused.pop().map(|ticket| NetworkAnswer { ticket, octets: None });
        refused.or_else(|| self.answers.try_recv().ok())
    }
}

/// The server's end, in each thread that asks.
#[derive(Clone)]
pub(super) struct Ways {
    asked: Receiver<Question>,
    to_link: Sender<NetworkAnswer>,
    newest: Arc<Mutex<Option<Arc<TicketClient>>>>,
    /// Questions that need another key: for the network thread.
    rest: (Sender<Question>, Receiver<Question>),
}

/// Returns both ends; that of the UE only where its links take tickets.
pub(super) fn new(has_tickets: bool) -> (Option<Questions>, Ways) {
    let (to_server, asked) = bounded(QUESTIONS);
    let (to_link, answers) = bounded(QUESTIONS);
    let ways = Ways { asked, to_link, newest: Arc::default(), rest: bounded(QUESTIONS) };
    (has_tickets.then(|| Questions { to_server, answers, refused: Vec::new() }), ways)
}

impl Ways {
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
            let named = std::thread::Builder::new().name("tickets".to_owned());
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

    fn ask(&self, (ticket, question): Question, reporter: &Reporter) {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match newest.map(|way| way.ask_ticket(&question)) {
            Some(Ok(octets)) => self.answer(NetworkAnswer { ticket, octets: Some(octets) }),
            None | Some(Err(ClientError::NoKey | ClientError::Tls(_))) => {
                if self.rest.0.try_send((ticket, question)).is_err() {
                    self.answer(NetworkAnswer { ticket, octets: None });
                }
            }
            Some(Err(why)) => {
                reporter.note(super::now(), &Note::Trouble(format!("tickets: {why}")));
                self.answer(NetworkAnswer { ticket, octets: None });
            }
        }
    }

    /// A link whose answer finds no room gives the question up by its timers.
    fn answer(&self, answer: NetworkAnswer) {
        let _ = self.to_link.try_send(answer);
    }

    /// Asks under this key from now on.
    pub(super) fn renew(&self, way: TicketClient) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(way));
    }

    /// Asks what needs another key: in the network thread.
    pub(super) fn answer_rest(&self, leg: &mut NetworkLeg, reporter: &Reporter) {
        for (ticket, question) in self.rest.1.try_iter() {
            let octets = leg.ask_ticket(&question).map_err(|note| reporter.note(super::now(), &note)).ok();
            self.answer(NetworkAnswer { ticket, octets });
        }
    }
}
