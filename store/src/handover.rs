//! Movement of rights to send: store -> file -> store. A right is durably removed from its old place before it appears
//! at the new one: an interruption loses it, and nothing duplicates it.

use super::entry::{Keys, Right, Sending};
use super::error::{Doing, Error, Fault};
use super::identity::KmsEntry;
use super::place::sync_folder;
use super::{KeyStore, check_mode, create_private, is_database, read_toml, utc_now};
use sidelink_security::counter::reserve::CounterStore;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Keys for one UE, and the rights that are missing.
pub struct Handed {
    /// Keys for its file.
    pub keys: Keys,
    /// For each PGK whose right to send could not be handed out, the reason.
    pub missing: Vec<Error>,
}

impl KeyStore {
    /// Hands out the keys for `ue`, with its rights to send: on return these are removed from the store.
    ///
    /// # Errors
    /// A damaged store, or an error of the disk.
    pub fn hand_out(&mut self, ue: &str) -> Result<Handed, Error> {
        let mut all = self.keys()?;
        let mut keys = all.for_ue(ue);
        let mut missing = Vec::new();
        let mut given = false;
        for out in &mut keys.group {
            for pgk in &mut out.pgk {
                pgk.sending.clear();
            }
            let Some(group) = all.group.iter().find(|group| group.name == out.name).cloned() else {
                continue;
            };
            let Some(id) = group.member.iter().find(|m| m.ue == ue).map(|m| m.id.clone()) else { continue };
            for pgk in group.pgk.iter().filter(|pgk| pgk.key.is_some()) {
                if let Err(why) = all.may_send(&group, pgk, ue) {
                    missing.push(why);
                    continue;
                }
                let Some(stream) = group.stream(pgk, &id)? else { continue };
                let next = Some(self.reserved(&stream)?);
                let gone =
                    Sending { id: id.clone(), right: Right::HandedOut, since: Some(utc_now()), next: None };
                let here = all.group.iter_mut().find(|g| g.name == out.name);
                if let Some(here) = here.and_then(|g| g.pgk.iter_mut().find(|p| p.id == pgk.id)) {
                    here.set_right(gone);
                }
                if let Some(there) = out.pgk.iter_mut().find(|p| p.id == pgk.id) {
                    there.set_right(Sending { next, ..Sending::here(id.clone()) });
                }
                given = true;
            }
        }
        if given {
            self.put(&Keys { discovery: Vec::new(), ..all })?;
        }
        Ok(Handed { keys, missing })
    }

    /// Takes over the entries of a file with its rights; with `replace`, also those whose names exist. The file keeps
    /// no right. Returns the entries, and the reason if rights of the file were not taken.
    ///
    /// # Errors
    /// An entry of the same name, an invalid file or entry, or an error of the disk.
    pub fn take_over(&mut self, path: &Path, replace: bool) -> Result<(Keys, Option<Error>), Error> {
        let source = Source::open(path)?;
        let old = self.keys()?;
        // The public keys of a server come along with every identity of it.
        let same_kms = |name: &String| {
            let of = |keys: &Keys| keys.kms.iter().find(|kms| kms.name == *name).map(KmsEntry::public);
            of(&source.keys).is_some_and(|new| of(&old) == Some(new))
        };
        let known = |name: &String| old.names().any(|old| old == name) && !same_kms(name);
        if let Some(taken) = source.keys.names().find(|name| !replace && known(name)) {
            return Err(Error::entry("", Fault::Exists(taken.clone())));
        }
        if source.keys.has_rights() {
            self.settle_for_new_rights()?;
        }
        let (mut keys, refused) = source.take();
        let counters = keys.take_counters()?;
        keys.keep_rights(&self.keys()?);
        keys.keep_masters(&old);
        self.put_with(&keys, &counters)?;
        Ok((keys, refused))
    }
}

/// A file whose entries are to be taken over, locked against other processes.
pub struct Source<'a> {
    path: &'a Path,
    /// The open file; `None` for a store.
    file: Option<File>,
    keys: Keys,
}

impl<'a> Source<'a> {
    /// Opens an export or a store, and locks an export until it is dropped.
    ///
    /// # Errors
    /// There is no such file, other users may read it, or it is damaged.
    pub fn open(path: &'a Path) -> Result<Self, Error> {
        check_mode(path)?;
        if is_database(path)? {
            return Ok(Self { path, file: None, keys: super::read(path)?.receive_only() });
        }
        let failed = |e: std::io::Error| Error::io(path, Doing::Read, &e);
        loop {
            let file = File::open(path).map_err(failed)?;
            file.lock().map_err(failed)?;
            // the previous holder of the lock may have put another file in its place
            let (held, there) = (file.metadata().map_err(failed)?, std::fs::metadata(path).map_err(failed)?);
            if (held.dev(), held.ino()) == (there.dev(), there.ino()) {
                let keys = read_toml(path)?;
                return Ok(Self { path, file: Some(file), keys });
            }
        }
    }

    /// Returns the keys; on return, their rights to send are removed from the file. If that fails, the keys come
    /// without rights.
    pub fn take(self) -> (Keys, Option<Error>) {
        if !self.keys.has_rights() {
            return (self.keys, None);
        }
        match self.end_rights() {
            Ok(()) => (self.keys, None),
            Err(e) => {
                (self.keys.receive_only(), Some(Error::RightsStay(self.path.to_owned(), e.to_string())))
            }
        }
    }

    fn end_rights(&self) -> std::io::Result<()> {
        let other = |what: &str| std::io::Error::other(what.to_owned());
        let path = std::fs::canonicalize(self.path)?;
        let held = self.file.as_ref().ok_or_else(|| other("it is not a file of its own"))?.metadata()?;
        let there = std::fs::metadata(&path)?;
        if (held.dev(), held.ino()) != (there.dev(), there.ino()) || held.nlink() != 1 {
            return Err(other("it has other names"));
        }
        let mut keys = self.keys.clone();
        keys.end_rights(Right::HandedOut, utc_now());
        let text = keys.to_toml().map_err(|e| other(&e.to_string()))?;
        let mut new = path.clone().into_os_string();
        new.push(format!(".{}.new", std::process::id()));
        let new = std::path::PathBuf::from(new);
        let write = || -> std::io::Result<()> {
            let mut file = create_private(&new).map_err(|e| other(&e.to_string()))?;
            file.write_all(text.as_bytes())?;
            file.set_permissions(held.permissions())?;
            // another user's file stays theirs, if we may set its owner
            let _ = std::os::unix::fs::fchown(&file, Some(held.uid()), Some(held.gid()));
            file.sync_all()?;
            std::fs::rename(&new, &path)?;
            sync_folder(&path)
        };
        write().inspect_err(|_| {
            let _ = std::fs::remove_file(&new);
        })
    }
}

/// Writes the handed-out keys to a new file, durably. `file` is empty and private.
///
/// # Errors
/// An error of the disk: the handed-out rights are lost then.
pub fn write_handed(path: &Path, file: &mut File, text: &str) -> Result<(), Error> {
    let write =
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| sync_folder(path));
    write.map_err(|e| Error::io(path, Doing::HandOut, &e))
}

#[cfg(test)]
mod tests;
