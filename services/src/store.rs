//! What must survive a crash: subscribers and their sequence numbers, bootstrapped keys, discovery entries.
//!
//! A [`Store`] takes a batch of changes and returns when all of them are durable, or none is: the machine that waits for
//! one of them hears of it afterwards. Each network function has a store of its own. What a PKMF keeps is a [`PkmfStore`],
//! what a key management server of identities keeps a [`KmsStore`], what a NAF of groups keeps a [`GroupNafStore`].

mod error;
mod group_naf;
mod kms;
mod pkmf;
mod postgres;
mod rows;
mod sqlite;

pub use error::StoreError;
pub use group_naf::GroupNafStore;
pub use kms::KmsStore;
pub use pkmf::{PkmfStore, PkmfWrite};
pub use postgres::{Address, AddressError};
pub(crate) use postgres::{Postgres, PostgresGroupNaf, PostgresKms, PostgresPkmf};
pub(crate) use rows::{subscription_of, subscription_text, ue_of, ue_text};
pub use sqlite::{Sqlite, SqliteGroupNaf, SqliteKms, SqlitePkmf};

use std::fmt;

use sidelink_network::bsf;
use sidelink_network::identity::{Impi, Imsi};
use sidelink_network::panf;
use sidelink_network::pc3::Imsi as Ue;
use sidelink_network::prose_function::{Change, Record, Subscription};
use sidelink_network::public_keys::server as public_keys;
use sidelink_network::sbi::pkmf as remote_keys;
use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::StreamId;
use zeroize::Zeroizing;

/// Durable state of one network function.
pub trait Store: Send {
    /// Makes all changes durable, or none. The answers stand in the order of the changes.
    ///
    /// # Errors
    /// Nothing has changed, as far as this store knows: whoever waits for one of the changes is refused.
    fn commit(&mut self, changes: &[Write]) -> Result<Vec<Written>, StoreError>;

    /// Number of a stream: every counter below it may have been used. 0 for a new stream.
    fn reserved(&mut self, stream: StreamId) -> Result<u64, StoreError>;

    /// All subscribers of the HSS.
    fn subscribers(&mut self) -> Result<Vec<StoredSubscriber>, StoreError>;

    /// All keys of the BSF.
    fn keys(&mut self) -> Result<Vec<bsf::Record>, StoreError>;

    /// All discovery entries of the ProSe Function.
    fn entries(&mut self) -> Result<Vec<Record>, StoreError>;

    /// UEs without subscription, as far as that counts after `now`, and until when.
    fn refusals(&mut self, now: UtcTime) -> Result<Vec<(Ue, UtcTime)>, StoreError>;

    /// All keys of the ProSe anchor function.
    fn cp_pruks(&mut self) -> Result<Vec<panf::Record>, StoreError>;

    /// All keys of remote UEs over the user plane.
    fn up_pruks(&mut self) -> Result<Vec<remote_keys::Record>, StoreError>;

    /// Public keys of signed discovery, and those that are revoked.
    fn public_keys(&mut self) -> Result<public_keys::Durable, StoreError>;
}

/// A change.
#[derive(Debug)]
pub enum Write {
    /// Raises the number of a stream, if it is `from` now.
    Raise {
        /// Which stream.
        stream: StreamId,
        /// The number that it must have.
        from: u64,
        /// The number that it gets.
        to: u64,
    },
    /// Adds a subscriber, unless one with its IMSI or IMPI exists.
    AddSubscriber(NewSubscriber),
    /// Replaces what the HSS says of ProSe of a subscriber, if the subscriber exists.
    Subscription(Imsi, Option<Subscription>),
    /// Keeps a key in the place of the one before of its subscriber.
    PutKey(bsf::Record),
    /// Forgets the key of a subscriber.
    ForgetKey(Impi),
    /// Changes a discovery entry.
    Entry(Change),
    /// Writes down that the HSS knows no subscription of a UE, and forgets what has ended.
    Refusal {
        /// Whose.
        ue: Ue,
        /// Until then it counts.
        until: UtcTime,
        /// What has ended by now is forgotten.
        now: UtcTime,
    },
    /// Keeps a CP-PRUK in the place of the one before of its subscriber and relay service.
    PutCpPruk(panf::Record),
    /// Keeps a UP-PRUK in the place of the one before of its subscriber and slot.
    PutUpPruk(remote_keys::Record),
    /// Changes a public key of signed discovery, or what is known of revoked ones.
    PublicKey(public_keys::Change),
}

/// What became of a change in a batch that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was made.
    Done,
    /// It was not: the number, or the subscriber, is not as the change assumes.
    Conflict,
}

/// K and OPc of a subscriber.
pub struct Credentials {
    k: Zeroizing<[u8; 16]>,
    opc: Zeroizing<[u8; 16]>,
}

impl Credentials {
    /// From K and OPc.
    pub fn with_opc(k: [u8; 16], opc: [u8; 16]) -> Self {
        Self { k: Zeroizing::new(k), opc: Zeroizing::new(opc) }
    }

    /// From K and OP.
    pub fn with_op(k: [u8; 16], op: [u8; 16]) -> Self {
        Self::with_opc(k, *Subscriber::with_op(k, op).opc())
    }

    /// As MILENAGE takes them.
    pub fn milenage(&self) -> Subscriber {
        Subscriber::with_opc(*self.k, *self.opc)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// A subscriber to provision.
#[derive(Debug)]
pub struct NewSubscriber {
    /// Its identity.
    pub imsi: Imsi,
    /// Its private identity.
    pub impi: Impi,
    /// K and OPc.
    pub credentials: Credentials,
    /// What it may do with ProSe; none without subscription.
    pub subscription: Option<Subscription>,
}

/// A subscriber as it is stored.
#[derive(Debug)]
pub struct StoredSubscriber {
    /// The subscriber.
    pub subscriber: NewSubscriber,
    /// The number of its stream of sequence numbers.
    pub reserved: u64,
}

#[cfg(test)]
pub(crate) mod tests;
