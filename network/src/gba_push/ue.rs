//! The UE's end of GBA push, over its USIM. TS 33.223 §5.1.4.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::gba;
use sidelink_security::keys::{Ks, KsNaf};

use super::{Error, Packet, Place};
use crate::aka::{Auts, Rand};
use crate::identity::{Impi, NafId};
use crate::usim::{self, Answer, Domain, SqnArray, Usim};

/// Associations and unfinished ones that are remembered, at most: the oldest goes.
pub const MOST_REMEMBERED: usize = 64;

/// A key that a NAF and this UE share. TS 33.223 §5.2.3.
#[derive(Debug)]
pub struct Association {
    /// Names it downlink: RAND@naf. TS 33.223 §5.2.2.
    pub rand: Rand,
    /// Names it uplink.
    pub p_tid: String,
    /// For which NAF and protocol.
    pub naf_id: NafId,
    /// Ks_NAF.
    pub ks_naf: KsNaf,
    /// Until when.
    pub expires: UtcTime,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A GPI came.
    Gpi {
        /// The time.
        now: UtcTime,
        /// Its octets.
        octets: &'a [u8],
    },
    /// The state of the USIM is durable.
    Stored,
    /// It could not be made durable.
    StoreFailed,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Make the state of the USIM durable, and hand back [`Input::Stored`] or [`Input::StoreFailed`].
    Store(SqnArray),
    /// There is a key.
    Associated(Association),
    /// Tell the NAF, if it can be told: the USIM was out of synchronisation.
    Resynchronise {
        /// RAND of the GPI.
        rand: Rand,
        /// AUTS of the USIM.
        auts: Auts,
    },
    /// The GPI was passed over.
    Dropped(Dropped),
}

/// Why a GPI is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dropped {
    /// It is none, or is not opened by Ks: the association is incomplete, until the GPI comes whole.
    Gpi(Error),
    /// It came before.
    Known,
    /// Keys on the card: the USIM makes none.
    Place,
    /// The key has expired already: an old GPI, or one of the clocks is wrong.
    Expired,
    /// The USIM refuses the challenge.
    Usim(usim::Refusal),
    /// The one before is still with the USIM.
    Busy,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gpi(error) => error.fmt(f),
            Self::Known => f.write_str("this GPI came before"),
            Self::Place => f.write_str("keys on the card (GBA_U) are not made here"),
            Self::Expired => f.write_str("the key of the GPI has expired already: check the clock"),
            Self::Usim(refusal) => write!(f, "the USIM refuses the challenge: {refusal}"),
            Self::Busy => f.write_str("the USIM is busy: was its last state stored?"),
        }
    }
}

impl std::error::Error for Dropped {}

/// What is remembered of a GPI, by RAND.
enum Remembered {
    /// There is a key.
    Whole,
    /// The GPI was altered on its way; the challenge in it was not.
    Incomplete(Ks),
}

/// The part of a UE that takes pushed keys.
pub struct PushUe {
    impi: Impi,
    usim: Usim,
    waiting: Option<(UtcTime, Vec<u8>)>,
    remembered: BTreeMap<Rand, Remembered>,
    order: VecDeque<Rand>,
    outputs: VecDeque<Output>,
}

impl PushUe {
    /// With its USIM.
    pub fn new(impi: Impi, usim: Usim) -> Self {
        let (remembered, order, outputs) = (BTreeMap::new(), VecDeque::new(), VecDeque::new());
        Self { impi, usim, waiting: None, remembered, order, outputs }
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input<'_>) {
        let result = match input {
            Input::Gpi { now, octets } => self.gpi(now, octets),
            Input::Stored => self.stored(usim::Input::Stored),
            Input::StoreFailed => self.stored(usim::Input::StoreFailed),
        };
        if let Err(why) = result {
            self.outputs.push_back(Output::Dropped(why));
        }
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn gpi(&mut self, now: UtcTime, octets: &[u8]) -> Result<(), Dropped> {
        let packet = Packet::new_checked(octets).map_err(Dropped::Gpi)?;
        if packet.place() == Place::Card {
            return Err(Dropped::Place);
        }
        match self.remembered.remove(&packet.rand()) {
            Some(Remembered::Whole) => {
                self.remembered.insert(packet.rand(), Remembered::Whole);
                return Err(Dropped::Known);
            }
            // Step 4 b: the USIM would refuse its challenge now.
            Some(Remembered::Incomplete(ks)) => return self.open(now, &packet, ks),
            None => {}
        }
        let (rand, autn) = (packet.rand(), packet.autn());
        let question = usim::Input::Authenticate { rand, autn, domain: Domain::Gba };
        self.usim.handle_input(question).map_err(|_| Dropped::Busy)?;
        self.waiting = Some((now, octets.to_vec()));
        self.answered()
    }

    fn stored(&mut self, input: usim::Input) -> Result<(), Dropped> {
        // Without a question nothing was to be stored.
        if self.usim.handle_input(input).is_err() { Ok(()) } else { self.answered() }
    }

    fn answered(&mut self) -> Result<(), Dropped> {
        match self.usim.poll_output() {
            Some(usim::Output::Store(array)) => {
                self.outputs.push_back(Output::Store(array));
                Ok(())
            }
            Some(usim::Output::Answer(answer)) => {
                let Some((now, octets)) = self.waiting.take() else { return Ok(()) };
                let packet = Packet::new_checked(&octets).map_err(Dropped::Gpi)?;
                match answer {
                    Answer::Keys(quintet) => self.open(now, &packet, quintet.ks()),
                    Answer::OutOfSync(auts) => {
                        self.outputs.push_back(Output::Resynchronise { rand: packet.rand(), auts });
                        Ok(())
                    }
                    Answer::Refused(why) => Err(Dropped::Usim(why)),
                }
            }
            None => Ok(()),
        }
    }

    /// Steps 7 to 11: Ks is gone afterwards, or kept for a GPI that was altered.
    fn open(&mut self, now: UtcTime, packet: &Packet<'_>, ks: Ks) -> Result<(), Dropped> {
        let gpi = match packet.open(&ks, &self.impi) {
            Ok(gpi) => gpi,
            Err(error) => {
                self.remember(packet.rand(), Remembered::Incomplete(ks));
                return Err(Dropped::Gpi(error));
            }
        };
        self.remember(gpi.rand, Remembered::Whole);
        if gpi.expires <= now {
            return Err(Dropped::Expired);
        }
        let ks_naf = gba::ks_naf(&ks, &gpi.rand.0, self.impi.as_str(), &gpi.naf_id.octets())
            .expect("names have at most 255 octets");
        self.outputs.push_back(Output::Associated(Association {
            rand: gpi.rand,
            p_tid: gpi.p_tid,
            naf_id: gpi.naf_id,
            ks_naf,
            expires: gpi.expires,
        }));
        Ok(())
    }

    fn remember(&mut self, rand: Rand, what: Remembered) {
        self.order.retain(|known| *known != rand);
        self.order.push_back(rand);
        self.remembered.insert(rand, what);
        if self.order.len() > MOST_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.remembered.remove(&oldest);
        }
    }
}
