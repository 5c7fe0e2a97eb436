//! PGKs that a key management function gave to a UE: the right to send under each is taken once.
//!
//! The network gives a PGK again to a UE that asks again, though counters were used under it already. A store that was
//! lost, copied or put back does not know them. Therefore a file of its own says under which streams of counters a right
//! was taken, and since when a loss makes earlier PGKs useless for sending. It is written before the store.

use super::place::replace;
use super::{Doing, Error, Group, KeyStore, Keys, Right, Sending};
use sidelink_security::counter::reserve::{CounterStore, StreamId};
use sidelink_wire::hex;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// First line of the file.
const TITLE: &str = "sidelink: PGKs of the network, 1";

/// The file of the rights that were taken.
#[derive(Clone, Debug)]
pub struct GivenPgks(PathBuf);

/// A group as it is in the store now.
#[derive(Clone, Debug, PartialEq)]
pub struct TakenGroup {
    /// The group.
    pub group: Group,
    /// By PGK ID, for each that the UE may send under: the number of its stream of counters.
    pub counters: Vec<(u8, u64)>,
}

/// Content of the file.
#[derive(Default)]
struct Given {
    /// PGKs that were valid before this second may have been used by a store that is gone.
    lost: u32,
    streams: BTreeSet<StreamId>,
}

impl GivenPgks {
    /// At this path. Keep it apart from the store: it has to survive the store's loss.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    fn load(&self) -> Result<Given, Error> {
        let text = match std::fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Given::default()),
            Err(e) => return Err(Error::io(&self.0, Doing::Read, &e)),
        };
        parse(&text).ok_or_else(|| Error::Record(self.0.clone()))
    }

    fn store(&self, given: &Given) -> Result<(), Error> {
        let mut text = format!("{TITLE}\nlost {}\n", given.lost);
        for stream in &given.streams {
            text.push_str(&hex::of_bytes(&stream.0));
            text.push('\n');
        }
        replace(&self.0, &text).map_err(|e| Error::io(&self.0, Doing::Write, &e))
    }
}

fn parse(text: &str) -> Option<Given> {
    let mut lines = text.strip_suffix('\n')?.lines();
    if lines.next()? != TITLE {
        return None;
    }
    let lost = lines.next()?.strip_prefix("lost ")?.parse().ok()?;
    let stream = |line: &str| hex::bytes(line)?.try_into().ok().map(StreamId);
    Some(Given { lost, streams: lines.map(stream).collect::<Option<_>>()? })
}

impl KeyStore {
    /// Puts the PGKs of a group that the network gave to the member `id`. PGKs of the group that are not among them leave
    /// the store. A PGK that the store has keeps its right; a new one gives the right to send, unless it was taken
    /// before, or a store was lost since it became valid.
    ///
    /// # Errors
    /// A group of this name with another ID, an invalid entry, or an error of the disk. The right to send under a new PGK
    /// may be gone then.
    pub fn put_from_network(
        &mut self,
        group: &Group,
        id: &super::Hex,
        file: &GivenPgks,
        now: u32,
    ) -> Result<TakenGroup, Error> {
        let mut given = file.load()?;
        if self.suspended().is_some() {
            // Noted first: a crash in between leaves a store that is suspended still.
            given.lost = given.lost.max(now);
            file.store(&given)?;
            self.settle_for_new_rights()?;
        }
        let stored = self.keys()?.group.into_iter().find(|stored| stored.name == group.name);
        if stored.as_ref().is_some_and(|stored| stored.group_id != group.group_id) {
            return Err(Error::entry(
                format!("group {:?}", group.name),
                super::Fault::Exists(group.name.clone()),
            ));
        }
        let (mut group, mut fresh) = (group.clone(), Vec::new());
        for at in 0..group.pgk.len() {
            let pgk = &group.pgk[at];
            let same = stored.iter().flat_map(|stored| &stored.pgk).find(|old| old.key == pgk.key);
            let Some(stream) = group.stream(pgk, id)? else { continue };
            let sending = match same.and_then(|old| old.right(id)) {
                Some(known) => known.clone(),
                None if given.streams.contains(&stream) || pgk.valid_from < given.lost => {
                    Sending { id: id.clone(), right: Right::Lost, since: Some(now), next: None }
                }
                None => {
                    fresh.push(stream);
                    Sending::here(id.clone())
                }
            };
            group.pgk[at].sending = vec![sending];
        }
        if !fresh.is_empty() {
            given.streams.extend(fresh);
            file.store(&given)?;
        }
        self.put(&Keys { group: vec![group.clone()], ..Keys::default() })?;
        let counters = self.counters_of(&group, id)?;
        Ok(TakenGroup { group, counters })
    }

    /// Returns the numbers of the streams under which `id` may send.
    fn counters_of(&self, group: &Group, id: &super::Hex) -> Result<Vec<(u8, u64)>, Error> {
        let mut counters = Vec::new();
        for pgk in &group.pgk {
            let here = pgk.right(id).is_some_and(|sending| sending.right == Right::Here);
            if let (true, Some(stream)) = (here, group.stream(pgk, id)?) {
                counters.push((pgk.id, self.reserved(&stream)?));
            }
        }
        Ok(counters)
    }
}

impl AsRef<Path> for GivenPgks {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

#[cfg(test)]
mod tests;
