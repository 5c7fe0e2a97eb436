//! A USIM for tests: MILENAGE, the array of sequence numbers of TS 33.102 Annex C.2, and nothing else of a card.
//!
//! ```text
//!   Authenticate -> MAC-A wrong            -> Answer(Refused)
//!                -> separation bit missing -> Answer(Refused)
//!                -> SQN not fresh          -> Answer(OutOfSync: AUTS)
//!                -> fresh                  -> Store(array), then Stored -> Answer(Keys)
//! ```
//!
//! RES, CK and IK come out only after the array that refuses the same SQN the next time is durable.

use std::collections::VecDeque;
use std::fmt;

use sidelink_security::cipher::milenage::Subscriber;

use crate::aka::{self, ARRAY, Autn, Auts, Quintet, Rand, SEQ_LIMIT, Sqn};

/// The most that SEQ may jump ahead of the highest. TS 33.102 Annex C.3.2.
pub const DELTA: u64 = 1 << 28;

/// What the terminal authenticates for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// GBA: the AMF separation bit is not looked at.
    Gba,
    /// Access to E-UTRAN: the bit must be set. TS 33.401 §6.1.2, from memory.
    Eps,
    /// EAP-AKA': the bit must be set. RFC 9048, from memory.
    EapAkaPrime,
}

/// The sequence numbers that were accepted, by IND. TS 33.102 Annex C.2.2.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SqnArray([u64; ARRAY]);

/// An entry of an array that SEQ cannot have: the store is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeqTooLarge {
    /// Which.
    pub ind: usize,
}

impl fmt::Display for SeqTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SEQ of index {} has more than 43 bits: the state of the USIM is damaged", self.ind)
    }
}

impl std::error::Error for SeqTooLarge {}

impl SqnArray {
    /// As it was stored: SEQ by IND.
    pub fn from_entries(entries: [u64; ARRAY]) -> Result<Self, SeqTooLarge> {
        match entries.iter().position(|seq| *seq >= SEQ_LIMIT) {
            Some(ind) => Err(SeqTooLarge { ind }),
            None => Ok(Self(entries)),
        }
    }

    /// SEQ by IND, for a store.
    pub const fn entries(&self) -> &[u64; ARRAY] {
        &self.0
    }

    /// SQN_MS, the highest.
    pub fn highest(&self) -> Sqn {
        let sqn = |(ind, seq): (usize, &u64)| Sqn::new(*seq, ind);
        self.0.iter().enumerate().filter_map(sqn).max().unwrap_or_default()
    }

    /// What two that use one card have accepted: of each index the higher SEQ.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        let mut merged = self.clone();
        merged.0.iter_mut().zip(&other.0).for_each(|(seq, other)| *seq = (*seq).max(*other));
        merged
    }

    /// Whether a SQN is fresh. TS 33.102 Annex C.2.1, C.2.2.
    fn accepts(&self, sqn: Sqn) -> bool {
        // A SEQ below the highest is none ahead: its own index decides.
        let ahead = sqn.seq().saturating_sub(self.highest().seq());
        ahead <= DELTA && sqn.seq() > self.0[sqn.ind()]
    }
}

/// What is asked of a USIM.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// Judge a challenge.
    Authenticate {
        /// RAND.
        rand: Rand,
        /// AUTN.
        autn: Autn,
        /// For what.
        domain: Domain,
    },
    /// The array of [`Output::Store`] is durable.
    Stored,
    /// It could not be made durable: the challenge is refused.
    StoreFailed,
}

/// What a USIM says.
#[derive(Debug)]
pub enum Output {
    /// Make it durable, and hand back [`Input::Stored`] or [`Input::StoreFailed`].
    Store(SqnArray),
    /// The answer to the challenge.
    Answer(Answer),
}

/// Answer to a challenge.
#[derive(Debug)]
pub enum Answer {
    /// It is the network's: RES, CK and IK.
    Keys(Quintet),
    /// It is the network's, but its SQN is not fresh.
    OutOfSync(Auts),
    /// Nothing is said of it.
    Refused(Refusal),
}

/// Why a challenge is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// MAC-A: not from the subscriber's network.
    Mac,
    /// The AMF separation bit is 0.
    SeparationBit,
    /// The card's own state could not be made durable.
    Store,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mac => {
                "MAC-A is wrong: the challenge is not from the subscriber's network, or K or OPc differ"
            }
            Self::SeparationBit => {
                "the AMF separation bit is 0: a vector for something else than EPS and EAP-AKA'"
            }
            Self::Store => "the state of the USIM could not be stored: see the error of its store",
        })
    }
}

impl std::error::Error for Refusal {}

/// Our misuse of a USIM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The array of the challenge before is not durable yet.
    Busy,
    /// No array is waited for.
    NothingToStore,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "the USIM still stores the state of the challenge before",
            Self::NothingToStore => "the USIM asked for nothing to be stored",
        })
    }
}

impl std::error::Error for Error {}

/// A USIM.
pub struct Usim {
    subscriber: Subscriber,
    array: SqnArray,
    /// What waits for the store.
    waiting: Option<(SqnArray, Quintet)>,
    outputs: VecDeque<Output>,
}

impl Usim {
    /// With the array that was stored last; a new card has that of `default`.
    pub fn new(subscriber: Subscriber, array: SqnArray) -> Self {
        Self { subscriber, array, waiting: None, outputs: VecDeque::new() }
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input) -> Result<(), Error> {
        match input {
            Input::Authenticate { .. } if self.waiting.is_some() => return Err(Error::Busy),
            Input::Authenticate { rand, autn, domain } => {
                let output = self.judge(rand, autn, domain);
                self.outputs.push_back(output);
            }
            Input::Stored => {
                let (array, keys) = self.waiting.take().ok_or(Error::NothingToStore)?;
                self.array = self.array.merged(&array);
                self.outputs.push_back(Output::Answer(Answer::Keys(keys)));
            }
            Input::StoreFailed => {
                self.waiting.take().ok_or(Error::NothingToStore)?;
                self.outputs.push_back(Output::Answer(Answer::Refused(Refusal::Store)));
            }
        }
        Ok(())
    }

    /// Accepts nothing that another one has accepted with this card, by what that has made durable.
    pub fn raise(&mut self, array: &SqnArray) {
        self.array = self.array.merged(array);
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// MAC first: what does not come from the network learns nothing of SQN.
    fn judge(&mut self, rand: Rand, autn: Autn, domain: Domain) -> Output {
        let Some((keys, sqn)) = Quintet::of_challenge(&self.subscriber, rand, autn) else {
            return Output::Answer(Answer::Refused(Refusal::Mac));
        };
        if domain != Domain::Gba && !autn.amf().is_separated() {
            return Output::Answer(Answer::Refused(Refusal::SeparationBit));
        }
        if !self.array.accepts(sqn) {
            return Output::Answer(Answer::OutOfSync(aka::auts(
                &self.subscriber,
                rand,
                self.array.highest(),
            )));
        }
        let mut array = self.array.clone();
        array.0[sqn.ind()] = sqn.seq();
        self.waiting = Some((array.clone(), keys));
        Output::Store(array)
    }
}

#[cfg(test)]
mod tests;
