//! Discovery that only its announcer can make: chains of codes, delayed keys, and signatures on the SL-SCH.

use super::Registry;
use crate::BuildError;
use sidelink_mac::engine::{Bearer, Engine};
use sidelink_mac::mux::Address;
use sidelink_mac::pdcp::{PlainSn, Protection};
use sidelink_prose::discovery::chained::FollowChained;
use sidelink_prose::discovery::pointer::DISCOVERY_GROUP;
use sidelink_prose::discovery::{Announcer, Subject};
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::code_chain::{CodeChain, CodeChainFollower};
use sidelink_security::discovery::delayed_key::{KeyChain, KeyChainFollower};
use sidelink_store::{Discovery, Followed, OwnAnnouncement, Protection as Kind};
use sidelink_wire::ids::{Layer2Id, Lcid};

/// Makes the announcer of an entry of this kind; `None` for another one. The place in a chain follows from the time of each
/// announcement: the clock of this computer only says from where it is computed ahead.
///
/// # Errors
/// The entry is invalid, or its secrets are not in this store.
pub fn own_announcer(entry: &Discovery) -> Result<Option<Announcer>, BuildError> {
    if !matches!(entry.protection, Kind::DelayedKey | Kind::Chain | Kind::Pointer) || entry.revoked {
        return Ok(None);
    }
    let until = UtcCounter::new(entry.valid_until);
    let now = UtcTime::from_counter(UtcCounter::new(sidelink_store::utc_now()));
    Ok(Some(match entry.own_announcement()? {
        Some(OwnAnnouncement::Delayed(anchor, seed, code)) => {
            Announcer::delayed(KeyChain::new(&anchor, &seed, now), code, until)
        }
        Some(OwnAnnouncement::Chain(anchor, seed)) => {
            Announcer::of_chain(CodeChain::new(&anchor, &seed, now), until)
        }
        Some(OwnAnnouncement::Pointer(key, code)) => Announcer::pointing(key, code, until),
        None => {
            let why = "the secrets of its announcer are not in this store: its export holds them".to_owned();
            return Err(BuildError::Discovery { name: entry.name.clone(), why });
        }
    }))
}

/// Makes what a monitor follows of keys of this kind; `None` for others.
///
/// # Errors
/// The system has no random source.
pub fn follow_chained(
    followed: Followed,
    valid_until: UtcCounter,
) -> Result<Option<FollowChained>, BuildError> {
    Ok(Some(match followed {
        Followed::Delayed(filter, anchor) => {
            let mut random = [0; 8];
            random.copy_from_slice(sidelink_store::random(8)?.as_bytes());
            let follower = KeyChainFollower::new(anchor, u64::from_be_bytes(random));
            FollowChained::Delayed(filter, follower, valid_until)
        }
        Followed::Chain(anchor) => FollowChained::Chain(CodeChainFollower::new(anchor), valid_until),
        Followed::Pointer(filter, key) => FollowChained::Pointer(filter, key, valid_until),
        _ => return Ok(None),
    }))
}

impl Registry<'_> {
    /// Adds an entry of this kind that the UE announces; `false` for another one.
    pub(super) fn announce_own(&mut self, entry: &Discovery) -> Result<bool, BuildError> {
        let Some(announcer) = own_announcer(entry)? else { return Ok(false) };
        self.add_announcer(&entry.name, announcer);
        Ok(true)
    }

    /// Follows keys of this kind.
    pub(super) fn follow_own(
        &mut self,
        followed: Followed,
        valid_until: UtcCounter,
    ) -> Result<Option<Subject>, BuildError> {
        let follow = follow_chained(followed, valid_until)?;
        Ok(follow.map(|follow| self.agent.monitor().follow_chained(follow)))
    }
}

/// Sends and receives announcements on the SL-SCH, if an entry is of this kind: unprotected, for they are signed.
pub(super) fn open_discovery_group(
    engine: &mut Engine,
    entries: &[Discovery],
    to_group: fn(Layer2Id) -> Address,
) -> Result<(), BuildError> {
    let address = to_group(DISCOVERY_GROUP);
    let is_wanted = entries.iter().any(|entry| entry.protection == Kind::Pointer);
    if !is_wanted || engine.destination(address).is_some() {
        return Ok(());
    }
    engine.listen(address);
    engine.add_destination(address, Protection::Plain(PlainSn::Zero));
    engine
        .add_bearer(Bearer::new(address, Lcid::GROUP_DATA))
        .map_err(|e| BuildError::Bearer { group: "discovery".to_owned(), why: e.to_string() })
}
