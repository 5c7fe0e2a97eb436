//! The right to send: which UE may send under which PGK from here. It moves and is never copied, because the used
//! counters move with it: two places that send as one member under one PGK would repeat counters.

use super::entry::{Group, Hex, Keys, PgkEntry, Right, Sending, Suspension};
use super::error::{Error, Fault, NoRight};
use sidelink_security::counter::reserve::StreamId;
use sidelink_security::group::Sender;

impl PgkEntry {
    pub(super) fn right(&self, id: &Hex) -> Option<&Sending> {
        self.sending.iter().find(|sending| sending.id == *id)
    }

    pub(super) fn set_right(&mut self, new: Sending) {
        self.sending.retain(|sending| sending.id != new.id);
        self.sending.push(new);
    }
}

impl Group {
    /// Returns the stream of counters of a PGK and a member; `None` when the PGK was revoked.
    pub fn stream(&self, entry: &PgkEntry, id: &Hex) -> Result<Option<StreamId>, Error> {
        let place = format!("group {:?} PGK {}", self.name, entry.id);
        let member = super::material::exactly("sending.id", id, &place)?;
        let sender = Sender::new(self.config()?, member);
        Ok(self.pgk(entry)?.map(|key| sender.stream(&key)))
    }
}

impl Keys {
    /// Checks that `ue` may send under a PGK from here.
    ///
    /// # Errors
    /// The place where the right is instead, and the remedy.
    pub fn may_send(&self, group: &Group, entry: &PgkEntry, ue: &str) -> Result<(), Error> {
        let id = group.member.iter().find(|member| member.ue == ue).map(|member| &member.id);
        let right = id.and_then(|id| entry.right(id));

        let why = match (right, &self.suspended) {
            (Some(Sending { right: Right::Here, .. }), None) => return Ok(()),
            (Some(Sending { right: Right::Here, .. }), Some(Suspension(why))) => NoRight::Suspended(why),
            (Some(Sending { right: Right::HandedOut, since, .. }), _) => NoRight::HandedOut(*since),
            (Some(Sending { right: Right::Lost, since, .. }), _) => NoRight::Lost(*since),
            (None, _) => NoRight::NeverCame,
        };
        Err(Error::entry(
            format!("group {:?} PGK {}", group.name, entry.id),
            Fault::MayNotSend { ue: ue.to_owned(), group: group.name.clone(), why },
        ))
    }

    /// Returns the same keys without any right to send, as for a backup.
    #[must_use]
    pub fn receive_only(mut self) -> Self {
        for pgk in self.group.iter_mut().flat_map(|group| &mut group.pgk) {
            pgk.sending.clear();
        }
        self
    }

    /// Whether it holds a right to send.
    pub fn has_rights(&self) -> bool {
        let mut all = self.group.iter().flat_map(|group| &group.pgk).flat_map(|pgk| &pgk.sending);
        all.any(|sending| sending.right == Right::Here)
    }

    /// Marks every right that is here as gone, for the reason `why`.
    pub(super) fn end_rights(&mut self, why: Right, now: u32) {
        let all = self.group.iter_mut().flat_map(|group| &mut group.pgk).flat_map(|pgk| &mut pgk.sending);
        for sending in all.filter(|sending| sending.right == Right::Here) {
            *sending = Sending { id: sending.id.clone(), right: why, since: Some(now), next: None };
        }
    }

    /// Takes the counters that came with rights out of the entries.
    pub(super) fn take_counters(&mut self) -> Result<Vec<(StreamId, u64)>, Error> {
        let mut counters = Vec::new();
        for group in &mut self.group {
            for at in 0..group.pgk.len() {
                for sending in group.pgk[at].sending.clone() {
                    if let Some(next) = sending.next
                        && let Some(stream) = group.stream(&group.pgk[at], &sending.id)?
                    {
                        counters.push((stream, next));
                    }
                }
                group.pgk[at].sending.iter_mut().for_each(|sending| sending.next = None);
            }
        }
        Ok(counters)
    }

    /// Keeps the rights of `old`, which these entries replace, under the same keys.
    pub(super) fn keep_rights(&mut self, old: &Self) {
        for group in &mut self.group {
            let Some(old) = old.group.iter().find(|o| o.name == group.name && o.group_id == group.group_id)
            else {
                continue;
            };
            for pgk in &mut group.pgk {
                let key = pgk.key.clone();
                let same = old.pgk.iter().filter(|o| o.key.is_some() && o.key == key);
                for sending in same.flat_map(|o| &o.sending).filter(|s| s.right == Right::Here) {
                    if pgk.right(&sending.id).is_none_or(|new| new.right != Right::Here) {
                        pgk.set_right(sending.clone());
                    }
                }
            }
        }
    }
}
