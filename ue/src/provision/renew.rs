//! New keys for a UE that runs: what the network allots while the UE is on the air.

use super::{Registry, open_bearer};
use crate::BuildError;
use crate::Names;
use sidelink_mac::engine::Engine;
use sidelink_mac::mux::Address;
use sidelink_mac::pdcp::Protection;
use sidelink_prose::direct_link::{IdentityKeys, Rules};
use sidelink_prose::discovery::Subject;
use sidelink_prose::discovery::agent::{Agent, Origin};
use sidelink_prose::group_keys::Messages;
use sidelink_security::counter::reserve::ReserveConfig;
use sidelink_security::group::{Receiver, ReceiverConfig, Sender};
use sidelink_store::{Discovery, Group, Right};
use sidelink_wire::ids::Layer2Id;
use std::sync::Arc;

/// The part of a [`Wish`](super::Wish) that counts while the UE runs.
#[derive(Clone, Debug)]
pub struct RenewTerms {
    /// Name of the UE.
    pub ue: String,
    /// Makes the destination address of a group.
    pub to_group: fn(Layer2Id) -> Address,
    /// PPPP of V2X data.
    pub v2x_priority: u8,
    /// Sizes of the reservations of counters.
    pub reserve: ReserveConfig,
}

/// A group with its PGKs, and where the counters of this UE stand in the store.
pub struct GroupNews {
    /// The group. PGKs that the UE has already are left alone.
    pub group: Group,
    /// By PGK ID: the number in the store, below which every counter may have been used.
    pub counters: Vec<(u8, u64)>,
}

/// Keys of this UE's identities, of all periods that its store has.
pub struct IdentityNews {
    /// For links, with their rules.
    pub links: Option<(Arc<IdentityKeys>, Rules)>,
    /// For groups by identities.
    pub groups: Option<Box<dyn Messages>>,
}

impl RenewTerms {
    /// Replaces the discovery entries called `old` by `new`. Nothing of an old one is announced or accepted any more.
    ///
    /// # Errors
    /// An inconsistent entry; those before it are in place.
    pub fn renew_discovery(
        &self,
        agent: &mut Agent,
        names: &mut Names,
        old: &[String],
        new: &[Discovery],
    ) -> Result<(), BuildError> {
        let is_new = |name: &String| new.iter().any(|entry| entry.name == *name);
        let gone = |name: &String| old.contains(name) || is_new(name);
        let followed: Vec<Subject> =
            names.who.iter().filter(|(_, name)| gone(name)).map(|(who, _)| *who).collect();
        for who in followed {
            agent.monitor().unfollow(who);
            names.who.remove(&who);
        }
        // An announcer goes on with its new code: the others are made anew.
        let ended = |(origin, name): &(&Origin, &String)| match origin {
            Origin::Announcer(_) => old.contains(name) && !is_new(name),
            _ => gone(name),
        };
        let ended: Vec<Origin> = names.origin.iter().filter(ended).map(|(origin, _)| *origin).collect();
        for origin in ended {
            match origin {
                Origin::Announcer(place) => agent.remove_announcer(place),
                Origin::Discoverer(place) => agent.remove_discoverer(place),
                Origin::Discoveree(place) => agent.discoveree().forget(place),
                Origin::Clock => continue,
            }
            names.origin.remove(&origin);
        }
        let mut registry = Registry { agent, who: &mut names.who, origin: &mut names.origin };
        let is_question = |name: &str| new.iter().any(|entry| entry.question.as_deref() == Some(name));
        for entry in new.iter().filter(|entry| !entry.revoked && !is_question(&entry.name)) {
            if let Some(name) = &entry.question {
                let question = new.iter().find(|question| question.name == *name);
                registry.add_model_b(&self.ue, entry, question)?;
                continue;
            }
            if entry.announcer.as_deref() == Some(&self.ue) {
                registry.announce(entry)?;
            }
            if entry.monitors.contains(&self.ue) {
                registry.follow(entry, None)?;
            }
        }
        Ok(())
    }

    /// Opens the group of announcements on the SL-SCH, if an entry needs it.
    ///
    /// # Errors
    /// No room for its bearer.
    pub fn open_discovery_group(&self, engine: &mut Engine, entries: &[Discovery]) -> Result<(), BuildError> {
        super::chains::open_discovery_group(engine, entries, self.to_group)
    }

    /// Adds the PGKs of a group that the UE does not have yet, and the group if it is new. The first counters of a PGK
    /// are requested by the engine; until they are durable nothing is sent under it.
    ///
    /// # Errors
    /// An inconsistent group, or no room for its bearer.
    pub fn renew_group(
        &self,
        engine: &mut Engine,
        names: &mut Names,
        news: &GroupNews,
    ) -> Result<(), BuildError> {
        let GroupNews { group, counters } = news;
        let config = group.config()?;
        let id = Layer2Id::from_octets(config.group_id);
        let address = (self.to_group)(id);
        let member = group.member_id(&self.ue)?;
        if engine.source() != Layer2Id::from_octets(member) {
            return Err(BuildError::TwoIds {
                ue: self.ue.clone(),
                group: group.name.clone(),
                here: Layer2Id::from_octets(member),
                elsewhere: engine.source(),
            });
        }
        if engine.group(id).is_none() {
            engine.add_group(Receiver::new(ReceiverConfig::new(config)));
            engine.listen(address);
            engine.add_destination(address, Protection::Group(Sender::new(config, member)));
            open_bearer(engine, &group.name, address, self.v2x_priority)?;
            names.groups.insert(group.name.clone(), address);
        }
        for entry in &group.pgk {
            // An index in use is that of the same PGK, or of one that has not ended: it is tried again later.
            if let (Some(key), Some(receiver)) = (group.pgk(entry)?, engine.group(id)) {
                let _ = receiver.install(key);
            }
            let may_send = entry.sending.iter().any(|s| s.right == Right::Here && s.id.0 == member);
            let stored = counters.iter().find(|(pgk_id, _)| *pgk_id == entry.id);
            let sender = engine.destination(address).and_then(|to| to.group());
            if let (true, Some(key), Some((_, stored)), Some(sender)) =
                (may_send, group.pgk(entry)?, stored, sender)
            {
                let _ = sender.add(key, self.reserve, *stored);
                names.receive_only.remove(&group.name);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
