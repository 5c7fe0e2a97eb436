//! What was given is taken back: entries go at once, durably, and UEs that have filters or questions for them are told.
//! TS 24.334 §6.2.6.

use sidelink_security::counter::UtcTime;
use zeroize::Zeroizing;

use super::io::{Output, Refused, Response, Revocation};
use super::table::{Change, Content, Record};
use super::work::{Puts, Then};
use super::{Event, ProseFunction, RETRY_INTERVAL, TRIES};
use crate::pc3::update::{
    DiscoveryUpdateRequest, DiscoveryUpdateResponse, RestrictedMonitoringUpdate, Update, UpdateInfo,
};
use crate::pc3::{Cause, EntryId, Imsi, Message, Rpauid, TransactionId};

/// A message to a UE that it has to answer.
pub(super) struct Pushed {
    pub(super) transaction: TransactionId,
    pub(super) ue: Imsi,
    pub(super) entry: EntryId,
    pub(super) body: Zeroizing<String>,
    pub(super) revoked_at: UtcTime,
    pub(super) next_at: UtcTime,
    pub(super) left: u32,
}

/// As whom a UE can be discovered by an entry, restricted.
const fn discovered(content: &Content) -> Option<&Rpauid> {
    match content {
        Content::RestrictedAnnounce { rpauid, .. } | Content::Discoveree { rpauid, .. } => Some(rpauid),
        _ => None,
    }
}

/// As whom a UE discovers by an entry, restricted, and whom.
fn watching(content: &Content) -> Option<(&Rpauid, &[Rpauid])> {
    match content {
        Content::RestrictedMonitor { rpauid, targets, .. } | Content::Discoverer { rpauid, targets, .. } => {
            Some((rpauid, targets))
        }
        _ => None,
    }
}

impl ProseFunction {
    pub(super) fn revoke(&mut self, what: Revocation) {
        let mut changes = Vec::new();
        let mut gone: Vec<Rpauid> = Vec::new();
        let watcher = match what {
            Revocation::Ue(ue) => {
                self.ues.forget(ue);
                let entries: Vec<EntryId> = self.table.of(ue).map(|record| record.entry).collect();
                for entry in entries {
                    if let Some(record) = self.table.remove((ue, entry)) {
                        gone.extend(discovered(&record.content).cloned());
                    }
                    changes.push(Change::Remove(ue, entry));
                }
                self.cancel(&mut gone, |change| change.key().0 == ue);
                None
            }
            Revocation::Permission(permission) => {
                self.config.permissions.retain(|p| *p != permission);
                gone.push(permission.target);
                Some(permission.watcher)
            }
        };
        self.cancel(&mut Vec::new(), |change| {
            change.content().and_then(watching).is_some_and(|(rpauid, targets)| {
                watcher.as_ref().is_none_or(|w| w == rpauid)
                    && targets.iter().any(|target| gone.contains(target))
            })
        });
        let pushes = self.withdraw(&gone, watcher.as_ref(), &mut changes);
        if !changes.is_empty() {
            self.store(changes, Puts::Done, Then::Push(pushes));
        }
    }

    /// What is being stored will not count, and is not told: a request that it concerns is to come again. (Of a withdrawal
    /// that is being stored the table knows already.)
    fn cancel(&mut self, announced: &mut Vec<Rpauid>, concerned: impl Fn(&Change) -> bool) {
        let outbox = &mut self.outbox;
        for storing in self.storing.iter_mut().filter(|storing| storing.puts == Puts::OnceStored) {
            if !storing.changes.iter().any(&concerned) {
                continue;
            }
            let names = storing.changes.iter().filter_map(Change::content).filter_map(discovered);
            announced.extend(names.cloned());
            storing.cancelled.extend(storing.changes.drain(..).map(|change| change.key()));
            if let Then::Respond { request, .. } = core::mem::replace(&mut storing.then, Then::Nothing) {
                outbox.push_back(Output::Respond { request, response: Response::Refused(Refused::Busy) });
            }
        }
    }

    /// Takes targets from the monitors that look for them: of one watcher, or of all.
    fn withdraw(&mut self, gone: &[Rpauid], of: Option<&Rpauid>, changes: &mut Vec<Change>) -> Vec<Pushed> {
        let concerned = |record: &&Record| {
            watching(&record.content).is_some_and(|(rpauid, targets)| {
                of.is_none_or(|of| of == rpauid) && targets.iter().any(|target| gone.contains(target))
            })
        };
        let records: Vec<Record> = self.table.all().filter(concerned).map(Record::copy).collect();
        let mut pushes: Vec<Pushed> = Vec::new();
        for mut record in records {
            let (ue, entry) = (record.ue, record.entry);
            let Content::RestrictedMonitor { targets, application, .. } = &mut record.content else {
                // No update has a form for model B: the entry ends, and the UE asks for the others anew.
                self.table.remove((ue, entry));
                changes.push(Change::Remove(ue, entry));
                pushes.extend(self.pushed(ue, entry, None, &pushes));
                continue;
            };
            targets.retain(|target| !gone.contains(target));
            let filters = self.filters(targets, application);
            if targets.is_empty() {
                self.table.remove((ue, entry));
                changes.push(Change::Remove(ue, entry));
            } else {
                self.table.put(record.copy());
                changes.push(Change::Put(Box::new(record)));
            }
            let info = (!filters.is_empty())
                .then_some(UpdateInfo::RestrictedMonitor(RestrictedMonitoringUpdate { filters }));
            pushes.extend(self.pushed(ue, entry, info, &pushes));
        }
        pushes
    }

    /// A message with a transaction that the UE does not have open.
    fn pushed(&self, ue: Imsi, entry: EntryId, info: Option<UpdateInfo>, more: &[Pushed]) -> Option<Pushed> {
        let open = |id: u8| {
            let stored = self.storing.iter().flat_map(|storing| match &storing.then {
                Then::Push(pushes) => &pushes[..],
                _ => &[],
            });
            let all = self.pushes.iter().chain(more).chain(stored);
            all.filter(|pushed| pushed.ue == ue).any(|pushed| pushed.transaction.value() == id)
        };
        let transaction = TransactionId::new((0..=u8::MAX).find(|id| !open(*id))?).ok()?;
        let update = Update { transaction, ue, entry, info };
        let message = Message::DiscoveryUpdateRequest(DiscoveryUpdateRequest { updates: vec![update] });
        let (revoked_at, next_at) = (self.now, self.now);
        Some(Pushed { transaction, ue, entry, body: message.to_xml(), revoked_at, next_at, left: TRIES })
    }

    /// Sends what is due, and gives up what was sent often enough.
    pub(super) fn push_due(&mut self) {
        let now = self.now;
        for pushed in self.pushes.iter_mut().filter(|pushed| pushed.next_at <= now) {
            let (ue, entry) = (pushed.ue, pushed.entry);
            pushed.next_at = now.plus_millis(RETRY_INTERVAL);
            self.outbox.push_back(match pushed.left {
                0 => Output::Event(Event::UpdateUnanswered { ue, entry }),
                _ => Output::Push { ue, body: pushed.body.clone() },
            });
            pushed.left = pushed.left.wrapping_sub(1);
        }
        self.pushes.retain(|pushed| pushed.left != u32::MAX);
    }

    /// TS 24.334 §6.2.6.2.3: an answer that fits no request is discarded.
    pub(super) fn updated(&mut self, ue: Imsi, response: DiscoveryUpdateResponse) {
        let done = response.updated.iter().map(|u| (u.transaction, Some(u.entry), None));
        let refused = response.rejects.iter().map(|r| (r.transaction, None, Some(r.cause)));
        for (transaction, entry, refused) in done.chain(refused) {
            self.answered(ue, transaction, entry, refused);
        }
    }

    fn answered(
        &mut self,
        ue: Imsi,
        transaction: TransactionId,
        entry: Option<EntryId>,
        refused: Option<Cause>,
    ) {
        let fits = |pushed: &Pushed| {
            pushed.ue == ue
                && pushed.transaction == transaction
                && entry.is_none_or(|entry| entry == pushed.entry)
        };
        let Some(position) = self.pushes.iter().position(fits) else { return };
        let pushed = self.pushes.swap_remove(position);
        let blind = self.now.millis().saturating_sub(pushed.revoked_at.millis());
        self.report(Event::UpdateAnswered { ue, entry: pushed.entry, refused, blind });
    }
}
