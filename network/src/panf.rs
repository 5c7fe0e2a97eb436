//! The ProSe anchor function: which CP-PRUK has which name, of which subscriber, for which relay service. TS 33.503 §6.3.3.3, TS 29.553.
//!
//! ```text
//! Register -> Store, Stored -> Registered       a name never gets another key; a new one for the same service replaces the old
//! key, supi                                     what is durable
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use sidelink_security::keys::CpPruk;

use crate::hss::Ticket;
use crate::identity::Imsi;

/// A CP-PRUK.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// CP-PRUK ID, a NAI. TS 23.003 §28.7.11.
    pub id: String,
    /// Whose.
    pub imsi: Imsi,
    /// For which relay service.
    pub relay_service_code: [u8; 3],
    /// The key.
    pub cp_pruk: CpPruk,
}

impl Record {
    /// Another copy, for the store.
    pub fn duplicate(&self) -> Self {
        Self {
            id: self.id.clone(),
            imsi: self.imsi.clone(),
            relay_service_code: self.relay_service_code,
            cp_pruk: CpPruk::from(*self.cp_pruk.as_bytes()),
        }
    }

    fn service(&self) -> (Imsi, [u8; 3]) {
        (self.imsi.clone(), self.relay_service_code)
    }
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// The AUSF registers a key.
    Register {
        /// To hand back.
        ticket: Ticket,
        /// The key.
        record: Record,
    },
    /// The record of [`Output::Store`] is durable.
    Stored {
        /// Which.
        ticket: Ticket,
    },
    /// It could not be made durable.
    StoreFailed {
        /// Which.
        ticket: Ticket,
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Make this durable in the place of what is stored for the same subscriber and service, and hand back [`Input::Stored`] or
    /// [`Input::StoreFailed`].
    Store {
        /// To hand back.
        ticket: Ticket,
        /// What.
        record: Record,
    },
    /// Answer the AUSF.
    Registered {
        /// Which.
        ticket: Ticket,
        /// Whether it is durable.
        result: Result<(), Refusal>,
    },
}

/// Why a key is not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The name has another key, subscriber or service already.
    Taken,
    /// No room.
    Full,
    /// It could not be made durable.
    Store,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Taken => "this CP-PRUK ID has another key, subscriber or relay service",
            Self::Full => "there is no room for more keys",
            Self::Store => "the key could not be stored: try again",
        })
    }
}

impl std::error::Error for Refusal {}

/// A ProSe anchor function.
pub struct Panf {
    most: usize,
    records: BTreeMap<String, Record>,
    by_service: BTreeMap<(Imsi, [u8; 3]), String>,
    storing: BTreeMap<Ticket, Record>,
    outputs: VecDeque<Output>,
}

impl Panf {
    /// With what is durable, and room for `most` keys.
    pub fn new(most: usize, stored: impl IntoIterator<Item = Record>) -> Self {
        let mut panf = Self {
            most,
            records: BTreeMap::new(),
            by_service: BTreeMap::new(),
            storing: BTreeMap::new(),
            outputs: VecDeque::new(),
        };
        stored.into_iter().for_each(|record| panf.keep(record));
        panf
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input) {
        match input {
            Input::Register { ticket, record } => match self.check(&record) {
                Ok(()) => {
                    self.outputs.push_back(Output::Store { ticket, record: record.duplicate() });
                    self.storing.insert(ticket, record);
                }
                Err(why) => self.outputs.push_back(Output::Registered { ticket, result: Err(why) }),
            },
            Input::Stored { ticket } => {
                if let Some(record) = self.storing.remove(&ticket) {
                    self.keep(record);
                    self.outputs.push_back(Output::Registered { ticket, result: Ok(()) });
                }
            }
            Input::StoreFailed { ticket } => {
                if self.storing.remove(&ticket).is_some() {
                    self.outputs.push_back(Output::Registered { ticket, result: Err(Refusal::Store) });
                }
            }
        }
    }

    /// What is to be done next; none when that is all.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The key of this name, for this relay service.
    pub fn key(&self, id: &str, relay_service_code: [u8; 3]) -> Option<&CpPruk> {
        let record = self.records.get(id)?;
        (record.relay_service_code == relay_service_code).then_some(&record.cp_pruk)
    }

    /// Whose name this is.
    pub fn imsi(&self, id: &str) -> Option<&Imsi> {
        self.records.get(id).map(|record| &record.imsi)
    }

    /// A name never gets another content, not even while the first is being stored.
    fn check(&self, record: &Record) -> Result<(), Refusal> {
        let of_name = self.storing.values().filter(|other| other.id == record.id);
        if of_name.chain(self.records.get(&record.id)).any(|other| other != record) {
            return Err(Refusal::Taken);
        }
        if self.storing.len() + self.records.len() >= self.most
            && !self.by_service.contains_key(&record.service())
        {
            return Err(Refusal::Full);
        }
        Ok(())
    }

    fn keep(&mut self, record: Record) {
        if let Some(before) = self.by_service.insert(record.service(), record.id.clone())
            && before != record.id
        {
            self.records.remove(&before);
        }
        self.records.insert(record.id.clone(), record);
    }
}

#[cfg(test)]
mod tests;
