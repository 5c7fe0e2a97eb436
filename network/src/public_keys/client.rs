//! The UE's end: registers its keys and goes on with them, has the keys of those that it follows, asks for hints that it heard, and
//! knows which keys are revoked.
//!
//! ```text
//! io.rs      inputs, outputs
//! own.rs     a key of this UE, through its life: nonce, signature, registration, renewal
//! followed.rs keys of others: held, doubted, over
//! hints.rs   hints that were heard and no key fits: bounded, each asked for once in a while
//! asking.rs  one FETCH at a time, with all that is due
//! ```
//!
//! ```text
//!   Announce -> NONCE_REQUEST -> Sign -> REGISTER -> Registered; at nine tenths of its validity: again
//!   Follow   -> FETCH -> Key; at nine tenths: again; its end, or the list of revoked keys: Gone
//!   UnknownHint -> FETCH, with others, not more often than [`ClientConfig::interval`]
//!   the list is asked for with each FETCH, and at least once in [`ClientConfig::list_interval`]
//! ```
//!
//! What the UE decides:
//!
//! - **A list whose number is smaller** than that of the one it has is refused, with everything that came with it, and said
//!   ([`Warning::ListWentBack`]): the server was put back, or is not the server. What the UE has goes on.
//! - **A list that is too old** (24 h since it was issued) makes every key count no more ([`Output::Suspended`]) until a newer one
//!   comes: without it a revoked key cannot be told from a good one. Announcing goes on.
//! - **A hit in a filter** ([`Listed::Perhaps`]): the key is suspended and its name asked for at once; if the server still tells the
//!   key, it is good until the number of the list grows.
//! - **A flood of wrong hints** is bounded in memory and in questions: 256 hints, 16 a question, one question an interval. Names that
//!   are followed come first.

mod asking;
mod followed;
mod hints;
mod io;
mod own;

pub use io::{ClientConfig, EndCause, HeldKey, Input, NoAnswer, Output, OwnId, SuspendCause, Warning};

use std::collections::VecDeque;

use sidelink_security::counter::UtcTime;

use super::list::RevocationList;
use super::message::{KeyCause, KeyMessage};
use crate::prose_function::RequestId;
use asking::InFlight;
use followed::{Followed, Names};
use hints::Hints;
use own::Own;

/// Keys of its own that a UE may register. A server allows as many.
pub const MOST_OWN: usize = 16;

/// Names that a UE may follow. Own.
pub const MOST_NAMES: usize = 4096;

/// Doublings of the time between two requests without an answer.
const MOST_DOUBLINGS: u32 = 6;

/// What a request is about.
enum About {
    Own(OwnId),
    Fetch,
}

/// The UE's end.
pub struct PublicKeysClient {
    config: ClientConfig,
    now: UtcTime,
    own: Vec<Own>,
    names: Names,
    followed: Followed,
    hints: Hints,
    list: Option<RevocationList>,
    /// When the list is asked for again.
    list_due: UtcTime,
    fetching: Option<InFlight>,
    /// No FETCH before.
    next_fetch: UtcTime,
    failures: u32,
    is_stale: bool,
    pending: Vec<(RequestId, About)>,
    next_request: u64,
    outputs: VecDeque<Output>,
}

impl PublicKeysClient {
    /// One that wants nothing yet.
    pub fn new(config: ClientConfig) -> Self {
        Self {
            config,
            now: UtcTime::from_millis(0),
            own: Vec::new(),
            names: Names::default(),
            followed: Followed::default(),
            hints: Hints::default(),
            list: None,
            list_due: UtcTime::from_millis(0),
            fetching: None,
            next_fetch: UtcTime::from_millis(0),
            failures: 0,
            is_stale: false,
            pending: Vec::new(),
            next_request: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input. Poll the outputs afterwards.
    pub fn handle_input(&mut self, input: Input<'_>) {
        self.now = self.now.max(input.now());
        match input {
            Input::Tick { .. } => {}
            Input::Announce { name, key, .. } => self.announce(name, key),
            Input::Withdraw { id, .. } => self.withdraw(id),
            Input::Signed { id, signature, .. } => self.signed(id, signature),
            Input::Follow { name, .. } => {
                if self.names.len() >= MOST_NAMES {
                    self.outputs.push_back(Output::Warning(Warning::TooMany(name)));
                } else {
                    self.names.follow(name, self.now);
                }
            }
            Input::Restore { keys, list, .. } => self.restore(keys, list),
            Input::UnknownHint { hint, .. } => self.hints.heard(hint, self.now),
            Input::Response { request, body, .. } => self.response(request, body),
            Input::NoAnswer { request, why, .. } => {
                if let Some(about) = self.take(request) {
                    self.lost(&about, why);
                }
            }
        }
        self.due();
    }

    /// The next thing to do; [`Output::Timeout`] when there is none.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| {
            let own = self.own.iter().filter_map(Own::deadline);
            let ends = self.followed.next_end().into_iter().chain(self.stale_at());
            Output::Timeout(own.chain(ends).chain(self.fetch_deadline()).min())
        })
    }

    /// The keys that count now.
    pub fn keys(&self) -> impl Iterator<Item = &HeldKey> {
        self.followed.good().filter(|_| !self.is_stale)
    }

    /// The list that it has.
    pub const fn list(&self) -> Option<&RevocationList> {
        self.list.as_ref()
    }

    /// Hints that are remembered.
    pub fn hints(&self) -> usize {
        self.hints.len()
    }

    /// Does what is due: ends, asks, asks again.
    fn due(&mut self) {
        for key in self.followed.expire(self.now) {
            self.names.ask_again(&key.name, self.now);
            self.outputs.push_back(Output::Gone { key, why: EndCause::Expired });
        }
        self.judge_age();
        for index in 0..self.own.len() {
            self.own_due(index);
        }
        self.fetch_due();
    }

    /// What a store had. A list that is older than the one that is there counts nothing.
    fn restore(&mut self, keys: Vec<HeldKey>, list: Option<RevocationList>) {
        if let Some(list) = list
            && self.list.as_ref().is_none_or(|has| has.number <= list.number)
        {
            self.list_due = list.issued.plus_millis(self.config.list_interval).max(self.now);
            self.list = Some(list);
        }
        for key in keys {
            if key.valid_until > self.now {
                self.names.has_until(&key.name, key.valid_until, self.now);
                self.hold(key);
            }
        }
        self.judge_age();
    }

    fn send(&mut self, about: About, message: &KeyMessage) -> RequestId {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.pending.push((request, about));
        self.outputs.push_back(Output::Request { request, body: message.to_xml() });
        request
    }

    fn take(&mut self, request: RequestId) -> Option<About> {
        let at = self.pending.iter().position(|(of, _)| *of == request)?;
        Some(self.pending.swap_remove(at).1)
    }

    fn response(&mut self, request: RequestId, body: &[u8]) {
        let Some(about) = self.take(request) else { return };
        match (&about, KeyMessage::from_xml(body)) {
            (About::Own(id), Ok(message)) if self.own_answered(*id, &message) => {}
            (About::Fetch, Ok(KeyMessage::Keys(keys))) => self.told(keys),
            (About::Fetch, Ok(KeyMessage::Reject(reject))) => self.fetch_refused(reject.cause),
            (_, read) => {
                self.outputs.push_back(Output::Warning(Warning::Malformed(read.err())));
                self.lost(&about, NoAnswer::Lost);
            }
        }
    }

    fn lost(&mut self, about: &About, why: NoAnswer) {
        match about {
            About::Own(id) => {
                let (now, config) = (self.now, &self.config);
                let Some(own) = self.own.get_mut(usize::from(id.0)) else { return };
                if own.lost(why, now, config) {
                    self.outputs.push_back(Output::OwnEnded { id: *id, why: EndCause::Forbidden });
                }
            }
            About::Fetch => self.fetch_lost(why),
        }
    }

    fn fetch_refused(&mut self, cause: KeyCause) {
        self.outputs.push_back(Output::Warning(Warning::FetchRefused(cause)));
        self.fetch_lost(NoAnswer::Wait(self.config.negative));
    }
}

/// Milliseconds until the next try, after so many without an answer.
fn backoff(retry: u64, failures: u32) -> u64 {
    (retry << failures.min(MOST_DOUBLINGS)).max(1)
}

/// When something that lasts until then is renewed: at nine tenths.
fn renewed_at(until: UtcTime, now: UtcTime) -> UtcTime {
    let lasts = until.millis().saturating_sub(now.millis());
    now.plus_millis(lasts / 10 * 9)
}
