//! Public keys of others in the key store, and the list of revoked keys in its file.

use crate::outputs::{Existing, Outputs};
use sidelink_network::public_keys::client::HeldKey;
use sidelink_network::public_keys::{KeyName, ListNews, PublicKey, RevocationList};
use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::signature::Scheme;
use sidelink_store::{Discovery, Hex, Keys, Protection, RotationName, SchemeName, SignedEntry};
use std::io::Write;
use std::path::PathBuf;

/// How keys of others stand in the key store.
pub(super) struct Kept {
    ue: String,
    rotation: RotationName,
}

impl Kept {
    pub(super) fn new(ue: &str, rotation: RotationName) -> Self {
        Self { ue: ue.to_owned(), rotation }
    }

    /// Name of the entry of a key: that of its owner, and the beginning of its fingerprint.
    pub(super) fn name(&self, held: &HeldKey) -> String {
        let print = held.key.fingerprint().to_string();
        format!("{} {}", held.name, &print[..8])
    }

    /// The entry of a key.
    pub(super) fn entry(&self, held: &HeldKey) -> Discovery {
        let until = u32::try_from(held.valid_until.millis() / 1000).unwrap_or(u32::MAX);
        let mut entry = Discovery::new(&self.name(held), Protection::Signed, until);
        entry.monitors = vec![self.ue.clone()];
        entry.signed = Some(SignedEntry {
            scheme: scheme(held.key.scheme()),
            rotation: self.rotation,
            verifying_key: Hex(held.key.octets().to_vec()),
            signing_key: None,
            group_key: None,
        });
        entry
    }

    /// Keys that an earlier fetch has put into the store, by name or by hint: a later list may revoke them.
    pub(super) fn of_store(&self, keys: &Keys) -> Vec<HeldKey> {
        let mut found = Vec::new();
        for entry in keys.discovery.iter().filter(|entry| self.is_ours(entry)) {
            let key = entry.signed.as_ref().map(|signed| PublicKey::from_octets(&signed.verifying_key.0));
            let Some(Ok(key)) = key else { continue };
            let name = entry.name.rsplit_once(' ').map(|(name, _)| KeyName::new(name));
            let Some(Ok(name)) = name else { continue };
            let valid_until = UtcTime::from_millis(u64::from(entry.valid_until) * 1000);
            let held = HeldKey { name, key, valid_until };
            if self.name(&held) == entry.name {
                found.push(held);
            }
        }
        found
    }

    /// Names of the entries of keys of others.
    pub(super) fn names(&self, keys: &Keys) -> Vec<String> {
        keys.discovery.iter().filter(|entry| self.is_ours(entry)).map(|entry| entry.name.clone()).collect()
    }

    fn is_ours(&self, entry: &Discovery) -> bool {
        let is_public = entry.signed.as_ref().is_some_and(|signed| signed.signing_key.is_none());
        is_public && !entry.revoked && entry.announcer.is_none() && entry.monitors == [self.ue.as_str()]
    }
}

const fn scheme(scheme: Scheme) -> SchemeName {
    match scheme {
        Scheme::Ed25519 => SchemeName::Ed25519,
        Scheme::EcdsaP256 => SchemeName::EcdsaP256,
        Scheme::EccsiFull => SchemeName::EccsiFull,
        Scheme::EccsiCompressed => SchemeName::EccsiCompressed,
        Scheme::EccsiCachedPvt => SchemeName::EccsiCachedPvt,
    }
}

/// The last list of revoked keys, in its form of the network's messages.
pub(super) struct ListFile {
    path: PathBuf,
    stored: Option<RevocationList>,
}

impl ListFile {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, stored: None }
    }

    /// A file that is missing or damaged means that any list is taken.
    pub(super) fn load(&self) -> Option<RevocationList> {
        match ListNews::from_xml(&std::fs::read(&self.path).ok()?).ok()? {
            ListNews::New(list) => Some(list),
            ListNews::Same(_) => None,
        }
    }

    /// Writes the list, where it says something new. The time at which it was the newest counts too.
    pub(super) fn store(&mut self, list: &RevocationList) -> anyhow::Result<()> {
        if self.stored.as_ref() == Some(list) {
            return Ok(());
        }
        let mut file =
            Outputs::new(Existing::Replace).claim("the list of revoked keys", &self.path)?.create()?;
        file.write_all(ListNews::New(list.clone()).to_xml().as_bytes())?;
        file.finish()?;
        self.stored = Some(list.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelink_network::public_keys::{Fingerprint, ListNumber};
    use sidelink_security::discovery::signature::SigningKey;

    fn held(octet: u8) -> HeldKey {
        let key = SigningKey::new(Scheme::Ed25519, &[octet; 32]).unwrap();
        let name = KeyName::new("alice@rescue.example").unwrap();
        let valid_until = UtcTime::from_millis(9_000);
        HeldKey { name, key: PublicKey::of(key.verifying_key()), valid_until }
    }

    #[test]
    fn a_key_comes_back_from_its_entry_and_a_revoked_one_does_not() {
        let kept = Kept::new("bob", RotationName::Coded);
        let mut revoked = kept.entry(&held(2));
        revoked.revoke();
        let other = Kept::new("carl", RotationName::Coded).entry(&held(3));
        let keys = Keys { discovery: vec![kept.entry(&held(1)), revoked, other], ..Keys::default() };
        assert_eq!(kept.of_store(&keys), [held(1)]);
        assert_eq!(kept.names(&keys), [kept.name(&held(1))]);
        assert!(keys.discovery[0].followed().unwrap().is_some());
    }

    #[test]
    fn the_list_is_kept_in_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usim.revoked");
        let mut file = ListFile::new(path.clone());
        assert_eq!(file.load(), None);
        let list = RevocationList::of(ListNumber(7), UtcTime::from_millis(5), vec![Fingerprint([3; 16])]);
        file.store(&list).unwrap();
        assert_eq!(ListFile::new(path.clone()).load(), Some(list));
        std::fs::write(&path, "<a/>").unwrap();
        assert_eq!(file.load(), None);
    }
}
