//! The BSF's end of GBA push: requests of NAFs over Zpn. TS 33.223 §5.1.3.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::gba;
use sidelink_security::keys::KsNaf;

use super::{Error, Gpi, Place};
use crate::aka::Quintet;
use crate::hss::{self, Resynchronisation, Ticket};
use crate::identity::{Fqdn, Impi, NafId};
use crate::limit::{Bucket, RateLimit};

/// Vectors that are waited for, at most.
pub const MOST_FETCHES: usize = 1000;

/// Settings.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How long a key may live, in milliseconds.
    pub longest_lifetime: u64,
    /// How long the HSS may take, in milliseconds.
    pub fetch_timeout: u64,
    /// Vectors of all NAFs together.
    pub rate: RateLimit,
}

impl Default for Config {
    /// A day; 5 s; 50 vectors a second.
    fn default() -> Self {
        let rate = RateLimit { burst: 50, interval: 20 };
        Self { longest_lifetime: 24 * 3_600_000, fetch_timeout: 5_000, rate }
    }
}

/// A request for a GPI. TS 33.223 Table 5.1.2.1.
#[derive(Clone, Debug)]
pub struct Request {
    /// To hand back.
    pub ticket: Ticket,
    /// Who asks; the caller has authenticated it.
    pub naf: Fqdn,
    /// UE_Id, a private one.
    pub impi: Impi,
    /// App_Lbl.
    pub label: String,
    /// For which NAF and protocol.
    pub naf_id: NafId,
    /// P-TID, which the NAF chooses.
    pub p_tid: String,
    /// U/M.
    pub place: Place,
    /// Key_LT: how long the key is to live, in milliseconds.
    pub lifetime: u64,
    /// RAND and AUTS that the UE answered a GPI with.
    pub resynchronisation: Option<Resynchronisation>,
}

/// What a NAF gets. TS 33.223 Table 5.1.3.1.
#[derive(Debug)]
pub struct Pushed {
    /// For the UE.
    pub gpi: Vec<u8>,
    /// Ks_NAF.
    pub ks_naf: KsNaf,
    /// Until when it lives.
    pub expires: UtcTime,
}

/// Why it gets none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The NAF asks for the key of another name.
    NotItsName,
    /// A longer life than is allowed.
    Lifetime,
    /// Keys on the card: there are none here.
    Place,
    /// Something that a GPI cannot say.
    Gpi(Error),
    /// The HSS gives no vector.
    Hss(hss::Refusal),
    /// Too many at once.
    TooOften,
    /// The HSS did not answer in time.
    Late,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotItsName => f.write_str("the NAF asks for the key of another name than its own"),
            Self::Lifetime => f.write_str("the key is to live longer than is allowed here"),
            Self::Place => f.write_str("keys on the card (GBA_U) are not made here"),
            Self::Gpi(error) => error.fmt(f),
            Self::Hss(refusal) => write!(f, "the HSS gives no vector: {refusal}"),
            Self::TooOften => f.write_str("too many vectors at once: try again later"),
            Self::Late => f.write_str("the HSS did not answer in time: is it there?"),
        }
    }
}

impl std::error::Error for Refusal {}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// A NAF asks.
    Request {
        /// The time.
        now: UtcTime,
        /// For what.
        request: Request,
    },
    /// The HSS answered [`Output::Fetch`].
    Vector {
        /// The time.
        now: UtcTime,
        /// Of which request.
        ticket: Ticket,
        /// The vector.
        result: Result<Quintet, hss::Refusal>,
    },
    /// Time went on.
    Tick {
        /// The time.
        now: UtcTime,
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Ask the HSS for a vector of GBA, and hand back [`Input::Vector`].
    Fetch {
        /// To hand back.
        ticket: Ticket,
        /// Whose.
        impi: Impi,
        /// After a synchronisation failure.
        resynchronisation: Option<Resynchronisation>,
    },
    /// Answer a NAF.
    Answer {
        /// Which request.
        ticket: Ticket,
        /// The GPI.
        result: Result<Pushed, Refusal>,
    },
    /// Nothing more now. Call again with the next input, or with a tick at this time.
    Timeout(Option<UtcTime>),
}

/// The part of a BSF that pushes. It keeps no key.
pub struct PushBsf {
    config: Config,
    fetches: BTreeMap<Ticket, (Request, UtcTime)>,
    bucket: Option<Bucket>,
    outputs: VecDeque<Output>,
}

impl PushBsf {
    /// Without requests.
    pub fn new(config: Config) -> Self {
        Self { config, fetches: BTreeMap::new(), bucket: None, outputs: VecDeque::new() }
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input) {
        match input {
            Input::Request { now, request } => {
                let ticket = request.ticket;
                if let Err(why) = self.request(now, request) {
                    self.outputs.push_back(Output::Answer { ticket, result: Err(why) });
                }
            }
            Input::Vector { now, ticket, result } => {
                // One that came too late is used for nothing.
                let Some((request, _)) = self.fetches.remove(&ticket) else { return };
                let result = match result {
                    Ok(quintet) => pushed(now, &request, &quintet),
                    Err(refusal) => Err(Refusal::Hss(refusal)),
                };
                self.outputs.push_back(Output::Answer { ticket, result });
            }
            Input::Tick { now } => {
                let late = self.fetches.iter().filter(|(_, (_, until))| *until <= now);
                for ticket in late.map(|(ticket, _)| *ticket).collect::<Vec<_>>() {
                    self.fetches.remove(&ticket);
                    self.outputs.push_back(Output::Answer { ticket, result: Err(Refusal::Late) });
                }
            }
        }
    }

    /// What is to be done next; [`Output::Timeout`] when that is all.
    pub fn poll_output(&mut self) -> Output {
        self.outputs
            .pop_front()
            .unwrap_or_else(|| Output::Timeout(self.fetches.values().map(|(_, until)| *until).min()))
    }

    fn request(&mut self, now: UtcTime, request: Request) -> Result<(), Refusal> {
        if request.naf != request.naf_id.fqdn {
            return Err(Refusal::NotItsName);
        }
        if request.lifetime > self.config.longest_lifetime {
            return Err(Refusal::Lifetime);
        }
        if request.place == Place::Card {
            return Err(Refusal::Place);
        }
        for (what, length) in [
            ("App_Lbl", request.label.len()),
            ("NAF_Id", request.naf_id.octets().len()),
            ("P-TID", request.p_tid.len()),
        ] {
            // No vector for what cannot be written.
            u8::try_from(length).map_err(|_| Refusal::Gpi(Error::TooLong(what)))?;
        }
        let bucket = self.bucket.get_or_insert_with(|| Bucket::new(self.config.rate, now));
        if self.fetches.len() >= MOST_FETCHES || !bucket.take(self.config.rate, now) {
            return Err(Refusal::TooOften);
        }
        let (ticket, impi) = (request.ticket, request.impi.clone());
        let resynchronisation = request.resynchronisation;
        self.fetches.insert(ticket, (request, now.plus_millis(self.config.fetch_timeout)));
        self.outputs.push_back(Output::Fetch { ticket, impi, resynchronisation });
        Ok(())
    }
}

/// Ks lives until the end of this function. TS 33.223 §5.1.3 steps 6 to 8.
fn pushed(now: UtcTime, request: &Request, quintet: &Quintet) -> Result<Pushed, Refusal> {
    let ks = quintet.ks();
    // The GPI says whole seconds: both ends mean the same.
    let expires = UtcTime::from_millis(now.plus_millis(request.lifetime).millis() / 1000 * 1000);
    let gpi = Gpi {
        rand: quintet.rand,
        autn: quintet.autn,
        label: request.label.clone(),
        naf_id: request.naf_id.clone(),
        expires,
        p_tid: request.p_tid.clone(),
    };
    let naf_id = request.naf_id.octets();
    let ks_naf = gba::ks_naf(&ks, &quintet.rand.0, request.impi.as_str(), &naf_id)
        .expect("names have at most 255 octets");
    Ok(Pushed { gpi: gpi.protect(&ks, &request.impi).map_err(Refusal::Gpi)?, ks_naf, expires })
}
