//! The relay's end of PC8: it asks for the KD of a remote UE. TS 33.303 §6.7.3.2.3.
//!
//! ```text
//!   Ask -> Request --KDRespinfo--> Granted: KD, freshness, GPI, who the remote UE is
//!                  --KDError-----> Refused
//!   Resynchronise -> Request, once for each link
//! ```
//!
//! A KD is handed out and kept nowhere here; nothing of it is durable.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::keys::Kd;
use zeroize::Zeroizing;

use crate::aka::{Auts, Rand};
use crate::pc3::{self, Imsi, TransactionId};
use crate::pc8::request::{KdRequest, KeyRequest};
use crate::pc8::{self, Code, ErrorCode, Gpi, Message, Msisdn, OtherId};
use crate::remote_ue::{LinkId, User};

/// Links at once, at most: each has a transaction of its own.
pub const MOST_LINKS: usize = 64;

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A remote UE asks for a link.
    Ask {
        /// The time.
        now: UtcTime,
        /// To hand back.
        link: LinkId,
        /// What it calls itself.
        user: User,
        /// Relay service code of its request.
        service: Code,
        /// Nonce_1 of its request.
        nonce_1: [u8; 16],
    },
    /// Its USIM was out of synchronisation: what its DIRECT_SECURITY_MODE_REJECT says.
    Resynchronise {
        /// The time.
        now: UtcTime,
        /// Which link.
        link: LinkId,
        /// RAND.
        rand: Rand,
        /// AUTS.
        auts: Auts,
    },
    /// The PKMF answered.
    Response {
        /// The time.
        now: UtcTime,
        /// Which request.
        link: LinkId,
        /// The body.
        body: &'a [u8],
    },
    /// It did not, or refused: no connection, another status.
    Lost {
        /// The time.
        now: UtcTime,
        /// Which request.
        link: LinkId,
    },
    /// The link is over, or comes to nothing.
    Ended {
        /// The time.
        now: UtcTime,
        /// Which.
        link: LinkId,
    },
    /// Time went on.
    Tick {
        /// The time.
        now: UtcTime,
    },
}

impl Input<'_> {
    const fn now(&self) -> UtcTime {
        match self {
            Self::Ask { now, .. }
            | Self::Resynchronise { now, .. }
            | Self::Response { now, .. }
            | Self::Lost { now, .. }
            | Self::Ended { now, .. }
            | Self::Tick { now } => *now,
        }
    }
}

/// What a relay knows of a remote UE, for the report to the MME. TS 33.303 §6.7.3.2.3.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Its IMSI.
    Imsi(Imsi),
    /// Its telephone number.
    Msisdn(Msisdn),
    /// A string that the MME knows.
    Other(OtherId),
}

/// What the PKMF grants.
#[derive(Debug)]
pub struct Granted {
    /// For this link alone.
    pub kd: Kd,
    /// For the DIRECT_SECURITY_MODE_COMMAND.
    pub freshness: [u8; 16],
    /// For the same, where the remote UE needs it.
    pub gpi: Option<Gpi>,
    /// Who it is.
    pub remote: Identity,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send this to the PKMF as [`crate::pc8::MEDIA_TYPE`], and hand back [`Input::Response`] or [`Input::Lost`].
    Request {
        /// To hand back.
        link: LinkId,
        /// The body.
        body: Zeroizing<String>,
    },
    /// The link may be.
    Granted {
        /// Which.
        link: LinkId,
        /// Its key.
        granted: Box<Granted>,
    },
    /// It may not.
    Refused {
        /// Which.
        link: LinkId,
        /// Why.
        why: Refused,
    },
    /// Nothing more until then; none: until the next input.
    Timeout(Option<UtcTime>),
}

/// Why there is no KD.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The answer is no document of PC8.
    Malformed(pc3::Error),
    /// It is not the answer to what was asked, or says neither yes nor no.
    Unexpected,
    /// AUTS came twice, or for no link.
    Resynchronised,
    /// The PKMF says so.
    Pkmf(ErrorCode),
    /// It does not answer.
    Lost,
    /// Too many links at once.
    Busy,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "the answer is no message of PC8: {error}"),
            Self::Unexpected => f.write_str("the answer is not to what was asked"),
            Self::Resynchronised => f.write_str("a link is resynchronised once"),
            Self::Pkmf(code) => write!(f, "the key management function refuses: {code:?}"),
            Self::Lost => f.write_str("the key management function does not answer: is it there?"),
            Self::Busy => f.write_str("too many links at once: try again later"),
        }
    }
}

impl std::error::Error for Refused {}

/// A link whose KD is asked for, or was.
struct Link {
    user: User,
    service: Code,
    nonce_1: [u8; 16],
    resynchronised: bool,
    /// The transaction that is not answered, and when it counts as lost.
    asked: Option<(u8, UtcTime)>,
}

/// The relay's end.
pub struct RelayClient {
    /// Milliseconds until an answer counts as lost.
    patience: u64,
    now: UtcTime,
    links: BTreeMap<LinkId, Link>,
    transaction: u8,
    outbox: VecDeque<Output>,
}

impl RelayClient {
    /// Without links. An answer counts as lost after `patience` milliseconds.
    pub fn new(patience: u64) -> Self {
        Self {
            patience,
            now: UtcTime::from_millis(0),
            links: BTreeMap::new(),
            transaction: 0,
            outbox: VecDeque::new(),
        }
    }

    /// Takes an input. Poll the outputs afterwards.
    pub fn handle_input(&mut self, input: Input<'_>) {
        self.now = self.now.max(input.now());
        match input {
            Input::Ask { link, user, service, nonce_1, .. } => self.ask(link, user, service, nonce_1),
            Input::Resynchronise { link, rand, auts, .. } => self.resynchronise(link, rand, auts),
            Input::Response { link, body, .. } => match self.response(link, body) {
                Ok(Some(granted)) => {
                    self.outbox.push_back(Output::Granted { link, granted: Box::new(granted) })
                }
                Ok(None) => {}
                Err(why) => self.refuse(link, why),
            },
            Input::Lost { link, .. } if self.links.contains_key(&link) => self.refuse(link, Refused::Lost),
            Input::Ended { link, .. } => _ = self.links.remove(&link),
            Input::Lost { .. } | Input::Tick { .. } => {}
        }
        let late = self.links.iter().filter(|(_, link)| link.asked.is_some_and(|(_, at)| at <= self.now));
        let late: Vec<_> = late.map(|(link, _)| *link).collect();
        late.into_iter().for_each(|link| self.refuse(link, Refused::Lost));
    }

    /// The next thing to do; [`Output::Timeout`] when there is none.
    pub fn poll_output(&mut self) -> Output {
        let times = self.links.values().filter_map(|link| link.asked.map(|(_, at)| at));
        self.outbox.pop_front().unwrap_or_else(|| Output::Timeout(times.min()))
    }

    fn refuse(&mut self, link: LinkId, why: Refused) {
        self.links.remove(&link);
        self.outbox.push_back(Output::Refused { link, why });
    }

    fn ask(&mut self, link: LinkId, user: User, service: Code, nonce_1: [u8; 16]) {
        if self.links.len() >= MOST_LINKS && !self.links.contains_key(&link) {
            return self.outbox.push_back(Output::Refused { link, why: Refused::Busy });
        }
        self.links.insert(link, Link { user, service, nonce_1, resynchronised: false, asked: None });
        self.send(link, None);
    }

    fn resynchronise(&mut self, link: LinkId, rand: Rand, auts: Auts) {
        match self.links.get_mut(&link) {
            Some(state) if !state.resynchronised && state.asked.is_none() => {
                state.resynchronised = true;
                self.send(link, Some((rand, auts)));
            }
            _ => self.refuse(link, Refused::Resynchronised),
        }
    }

    fn send(&mut self, link: LinkId, resynchronisation: Option<(Rand, Auts)>) {
        self.transaction = self.transaction.wrapping_add(1);
        let (Some(state), Ok(transaction)) =
            (self.links.get_mut(&link), TransactionId::new(self.transaction))
        else {
            return;
        };
        state.asked = Some((self.transaction, self.now.plus_millis(self.patience)));
        let (pruk_id, imsi) = match state.user {
            User::Pruk(id) => (Some(id), None),
            User::Imsi(imsi) => (None, Some(imsi)),
        };
        let mut message = KeyRequest::new(transaction);
        message.kd = Some(KdRequest {
            pruk_id,
            imsi,
            relay_service_code: state.service,
            nonce_1: state.nonce_1,
            rand: resynchronisation.map(|(rand, _)| rand.0),
            auts: resynchronisation.map(|(_, auts)| pc8::Auts(auts.0)),
        });
        self.outbox.push_back(Output::Request { link, body: Message::KeyRequest(message).to_xml() });
    }

    /// None for an answer to a link that is over.
    fn response(&mut self, link: LinkId, body: &[u8]) -> Result<Option<Granted>, Refused> {
        let Some(state) = self.links.get_mut(&link) else { return Ok(None) };
        let Some((asked, _)) = state.asked.take() else { return Ok(None) };
        let answer = match Message::from_xml(body).map_err(Refused::Malformed)? {
            Message::KeyResponse(answer) if answer.transaction.value() == asked => answer,
            _ => return Err(Refused::Unexpected),
        };
        let granted = match (answer.kd, answer.kd_error) {
            (Some(granted), None) => granted,
            (_, Some(code)) => return Err(Refused::Pkmf(code)),
            (None, None) => return Err(Refused::Unexpected),
        };
        let imsi = granted.imsi.map(Identity::Imsi);
        let other = granted.msisdn.map(Identity::Msisdn).or(granted.other.map(Identity::Other));
        Ok(Some(Granted {
            kd: granted.kd,
            freshness: granted.freshness,
            gpi: granted.gpi,
            remote: imsi.or(other).ok_or(Refused::Unexpected)?,
        }))
    }
}

#[cfg(test)]
mod tests;
