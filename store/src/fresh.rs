//! New keys from the system's random source, and revocation.

use super::entry::{Discovery, Group, Keys, PgkEntry, Protection, Secret, Sending};
use crate::error::{Error, Fault};
use rand::TryRngCore;
use rand::rngs::OsRng;
use std::time::{SystemTime, UNIX_EPOCH};

/// Returns `octets` fresh octets.
///
/// # Errors
/// The system has no random source.
pub fn random(octets: usize) -> Result<Secret, Error> {
    let mut secret = vec![0; octets];
    OsRng.try_fill_bytes(&mut secret).map_err(|e| Error::NoRandom(e.to_string()))?;
    Ok(Secret::new(secret))
}

/// Returns UTC in seconds since 1970, by the clock of this computer.
pub fn utc_now() -> u32 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u32::try_from(d.as_secs()).unwrap_or(u32::MAX))
}

impl Group {
    /// Adds a fresh PGK, with every member's right to send, under the next free PGK ID, whose index no key in use has.
    /// Returns the ID. Index 0 is avoided: with PTK identity 0 it marks PDUs that are not ciphered.
    ///
    /// # Errors
    /// All 31 indexes are in use.
    pub fn new_pgk(&mut self, valid_from: u32, expiry: u32) -> Result<u8, Error> {
        let free = |id: &u8| {
            let index = id & 0x1f;
            let used = self.pgk.iter().any(|p| p.id == *id || (p.key.is_some() && p.id & 0x1f == index));
            index != 0 && !used
        };
        let after = self.pgk.iter().map(|p| p.id).max().unwrap_or(0);
        let id = (after.saturating_add(1)..=255)
            .chain(1..=255)
            .find(free)
            .ok_or_else(|| Error::entry(format!("group {:?}", self.name), Fault::NoFreePgkId))?;
        let mut entry = PgkEntry { id, key: Some(random(32)?), valid_from, expiry, sending: Vec::new() };
        for member in &self.member {
            entry.set_right(Sending::here(member.id.clone()));
        }
        self.pgk.push(entry);
        Ok(id)
    }

    /// Wipes every PGK and returns the latest expiry. The IDs stay: none is used again.
    fn wipe(&mut self) -> u32 {
        let last = self.pgk.iter().filter(|p| p.key.is_some()).map(|p| p.expiry).max();
        for pgk in &mut self.pgk {
            pgk.key = None;
            pgk.sending.clear();
        }
        last.unwrap_or(0)
    }
}

impl Discovery {
    /// Revokes it: its secrets are wiped, its name stays.
    pub fn revoke(&mut self) {
        self.revoked = true;
        for (_, secret) in self.secrets() {
            *secret = None;
        }
        self.table_secrets().into_iter().for_each(|(_, secret)| *secret = None);
    }

    /// Replaces the secrets that are present by fresh ones.
    fn renew(&mut self) -> Result<(), Error> {
        for (_, place) in self.secrets() {
            if let Some(old) = place {
                *old = random(old.as_bytes().len())?;
            }
        }
        if let Some(signed) = self.signed.as_mut().filter(|signed| signed.group_key.is_some()) {
            signed.conceal()?;
        }
        Ok(())
    }
}

/// Revokes the entry `name`: its secrets are wiped, its name stays. Returns whether there is one.
pub fn revoke(keys: &mut Keys, name: &str) -> bool {
    if let Some(group) = keys.group.iter_mut().find(|group| group.name == name) {
        group.wipe();
        return true;
    }
    if let Some(identity) = keys.identity.iter_mut().find(|identity| identity.name == name) {
        identity.revoke();
        return true;
    }
    let Some(entry) = keys.discovery.iter_mut().find(|entry| entry.name == name) else { return false };
    entry.revoke();
    true
}

/// Revokes the UE `ue`: it is removed from every group and list, and the secrets that it knew are replaced for those
/// who are still authorised (TR 33.833 §6.2.1.4: a new ProSe ID). Entries that name no UE are renewed as well, since it
/// may have them. Codes that it announced itself and its identities are revoked: others go on accepting what is signed as
/// an identity until the end of its period. Returns the names of the changed entries.
///
/// # Errors
/// No random source, no free PGK ID.
pub fn revoke_ue(keys: &mut Keys, ue: &str, now: u32) -> Result<Vec<String>, Error> {
    let mut changed = Vec::new();
    for group in keys.group.iter_mut().filter(|g| g.member.iter().any(|m| m.ue == ue)) {
        group.member.retain(|member| member.ue != ue);
        let expiry = group.wipe();
        if expiry > now {
            group.new_pgk(now, expiry)?;
        }
        changed.push(group.name.clone());
    }
    let own = keys.identity.iter_mut().filter(|id| id.ue.as_deref() == Some(ue) && !id.revoked);
    for identity in own {
        identity.revoke();
        changed.push(identity.name.clone());
    }
    let mut dead = Vec::new();
    for entry in keys.discovery.iter_mut().filter(|entry| !entry.revoked) {
        if entry.announcer.as_deref() == Some(ue) {
            dead.push(entry.name.clone());
        } else if entry.monitors.iter().any(|m| m == ue) || entry.may_be_everybodys() {
            entry.monitors.retain(|m| m != ue);
            if entry.protection != Protection::Open {
                entry.renew()?;
            }
            changed.push(entry.name.clone());
        }
    }
    for name in dead {
        revoke(keys, &name);
        changed.push(name);
    }
    Ok(changed)
}
