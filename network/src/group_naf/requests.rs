//! Requests until they have proven themselves.

use sidelink_security::counter::UtcTime;

use super::io::{Admission, Output, RequestId, Standing};
use super::message::{self, Body, Cause, Invitation, Nonce, Request, has_tag, tag_of};
use super::{Asking, GroupNaf, Job, MOST_GROUPS, MOST_JOBS, What, Whose};
use crate::bsf::KeyMaterial;
use crate::identity::{BTid, Impi};
use crate::key_delivery::ServiceId;
use crate::limit::Bucket;

/// What a request comes to, short of a refusal.
enum Next {
    /// The same answer as before.
    Again(Vec<u8>),
    /// The owner's key is needed.
    Ask(BTid),
    /// It is to be done.
    Do(What),
    /// It is to be answered, and changes nothing.
    State(message::State),
}

impl GroupNaf {
    /// A message that proves nothing yet: it costs a token of all, and a key over Zn if that is not known.
    pub(super) fn request(&mut self, request: RequestId, octets: &[u8]) {
        let nobody = (ServiceId([0; 3]), Nonce::NONE);
        let parsed = match Request::parse(octets) {
            Ok(parsed) => parsed,
            Err(_) => return self.refuse(request, nobody, Cause::Malformed),
        };
        let bucket = self.requests.get_or_insert_with(|| Bucket::new(self.config.requests, self.now));
        if !bucket.take(self.config.requests, self.now) {
            return self.refuse(request, (parsed.group, parsed.nonce), Cause::TooOften);
        }
        if self.jobs() >= MOST_JOBS {
            return self.refuse(request, (parsed.group, parsed.nonce), Cause::Busy);
        }
        if self.knows(&parsed.b_tid) {
            return self.of_known(request, octets, &parsed);
        }
        self.ask(request, octets, Whose::Sender, parsed.b_tid);
    }

    fn jobs(&self) -> usize {
        self.asking.len() + self.pushing.len() + self.storing.len()
    }

    fn knows(&self, b_tid: &BTid) -> bool {
        self.keys.get(b_tid).is_some_and(|known| known.expires > self.now)
    }

    fn ask(&mut self, request: RequestId, octets: &[u8], whose: Whose, b_tid: BTid) {
        let ticket = self.ticket();
        let until = self.now.plus_millis(self.config.patience);
        self.asking.insert(ticket, Asking { request, octets: octets.to_vec(), whose, until });
        self.outputs.push_back(Output::AskKey { ticket, b_tid });
    }

    /// A key came over Zn, or none.
    pub(super) fn key(&mut self, asking: Asking, material: Option<KeyMaterial>) {
        let Asking { request, octets, whose, .. } = asking;
        // It was parsed before.
        let Ok(parsed) = Request::parse(&octets) else { return };
        let names = (parsed.group, parsed.nonce);
        match (whose, material) {
            (Whose::Sender, None) => self.refuse(request, names, Cause::UnknownBTid),
            (Whose::Sender, Some(material)) => {
                self.remember(parsed.b_tid.clone(), material);
                self.of_known(request, &octets, &parsed);
            }
            (Whose::Owner(_), None) => self.refuse(request, names, Cause::Invitation),
            (Whose::Owner(impi), Some(material)) => {
                if let Some(invitation) = invitation_of(&parsed) {
                    self.remember(invitation.b_tid, material);
                }
                self.proven(request, &octets, &parsed, impi);
            }
        }
    }

    /// The key of the sender is known.
    fn of_known(&mut self, request: RequestId, octets: &[u8], parsed: &Request) {
        let names = (parsed.group, parsed.nonce);
        match self.keys.get(&parsed.b_tid) {
            Some(known) if has_tag(&known.ks_naf, octets) => {
                let impi = known.impi.clone();
                self.proven(request, octets, parsed, impi);
            }
            Some(_) => self.refuse(request, names, Cause::Tag),
            None => self.refuse(request, names, Cause::UnknownBTid),
        }
    }

    /// A request of this user, certainly.
    fn proven(&mut self, request: RequestId, octets: &[u8], parsed: &Request, ue: Impi) {
        let next = self.judge(octets, parsed, &ue);
        let names = (parsed.group, parsed.nonce);
        let what = match next {
            Err(cause) => return self.refuse(request, names, cause),
            Ok(Next::Again(octets)) => {
                return self.outputs.push_back(Output::Respond { request, octets });
            }
            Ok(Next::Ask(b_tid)) => return self.ask(request, octets, Whose::Owner(ue), b_tid),
            Ok(Next::State(state)) => return self.tell(request, parsed, &state),
            Ok(Next::Do(what)) => what,
        };
        if !self.pay(&ue) {
            return self.refuse(request, names, Cause::TooOften);
        }
        let job = Job {
            to: Some(request),
            ue,
            group: parsed.group,
            nonce: parsed.nonce,
            tag: tag_of(octets),
            what,
            until: self.now.plus_millis(self.config.patience),
            answer: Vec::new(),
            changes: Vec::new(),
        };
        self.ask_push(job, parsed.resynchronisation);
    }

    /// Answers under the key of the request.
    fn tell(&mut self, request: RequestId, parsed: &Request, state: &message::State) {
        let known = self.keys.get(&parsed.b_tid);
        match known.and_then(|known| state.emit(&known.ks_naf).ok()) {
            Some(octets) => self.outputs.push_back(Output::Respond { request, octets }),
            None => self.refuse(request, (parsed.group, parsed.nonce), Cause::UnknownBTid),
        }
    }

    /// A token of the user, and one of all.
    fn pay(&mut self, ue: &Impi) -> bool {
        let (user, now) = (self.config.user, self.now);
        let bucket = self.users.entry(ue.clone()).or_insert_with(|| Bucket::new(user, now));
        let vectors = self.vectors.get_or_insert_with(|| Bucket::new(self.config.vectors, now));
        bucket.take(user, now) && vectors.take(self.config.vectors, now)
    }

    fn judge(&self, octets: &[u8], parsed: &Request, ue: &Impi) -> Result<Next, Cause> {
        if let Some(last) = self.durable.ues.get(ue) {
            if last.nonce == parsed.nonce && last.tag == tag_of(octets) {
                return Ok(Next::Again(last.answer.clone()));
            }
            if parsed.nonce <= last.nonce {
                return Err(Cause::Replay);
            }
        }
        if let Body::State(named) = &parsed.body {
            return self.state(parsed, ue, named).map(Next::State);
        }
        if self.works_on(|job| job.ue == *ue) {
            return Err(Cause::Busy);
        }
        let group = self.durable.groups.get(&parsed.group);
        match &parsed.body {
            // Answered above.
            Body::State(_) => Err(Cause::Malformed),
            Body::Create(policy) => {
                let own = self.durable.groups.values().filter(|group| group.record.owner == *ue).count();
                if group.is_some() || self.works_on(|job| job.group == parsed.group) {
                    return Err(Cause::GroupTaken);
                }
                if own >= MOST_GROUPS {
                    return Err(Cause::TooOften);
                }
                Ok(Next::Do(What::Create(policy.clone())))
            }
            Body::Refresh(removed) => {
                let group = group.ok_or(Cause::UnknownGroup)?;
                if group.record.owner != *ue || removed.contains(ue) {
                    return Err(Cause::NotAllowed);
                }
                // Nobody joins with the key that goes.
                if self.works_on(|job| job.group == parsed.group) {
                    return Err(Cause::Busy);
                }
                Ok(Next::Do(What::Refresh(removed.clone())))
            }
            Body::Join(_) => self.judge_join(parsed, ue),
        }
    }

    /// How a group is, for one who asks. It takes no vector, and nobody but the owner learns of others.
    fn state(&self, parsed: &Request, ue: &Impi, named: &[Impi]) -> Result<message::State, Cause> {
        let group = self.durable.groups.get(&parsed.group);
        let is_owner = group.is_some_and(|group| group.record.owner == *ue);
        if !named.is_empty() && !is_owner {
            return Err(Cause::NotAllowed);
        }
        let is_member = |user| group.is_some_and(|group| group.users.get(user) == Some(&Standing::Member));
        Ok(message::State {
            group: parsed.group,
            nonce: parsed.nonce,
            pgk_id: group.filter(|_| is_member(ue)).map(|group| group.record.pgk_id),
            joined: named.iter().map(is_member).collect(),
        })
    }

    fn judge_join(&self, parsed: &Request, ue: &Impi) -> Result<Next, Cause> {
        let group = self.durable.groups.get(&parsed.group).ok_or(Cause::UnknownGroup)?;
        if self.works_on(|job| job.group == parsed.group && matches!(job.what, What::Refresh(_))) {
            return Err(Cause::Busy);
        }
        let admission = group.record.admission;
        match group.users.get(ue) {
            Some(Standing::Member) => return Ok(Next::Do(What::Join(None))),
            Some(Standing::Listed) if admission == Admission::WhiteList => {
                return Ok(Next::Do(What::Join(None)));
            }
            _ if admission == Admission::WhiteList => return Err(Cause::NotAllowed),
            _ => {}
        }
        let invitation = invitation_of(parsed).ok_or(Cause::Invitation)?;
        let until = UtcTime::from_millis(u64::from(invitation.expires) * 1000);
        let is_for_it = invitation.group == parsed.group && invitation.invitee == *ue;
        let is_used = group.used.contains_key(&invitation.nonce) || invitation.nonce <= group.record.since;
        if !is_for_it || is_used || until <= self.now || group.users.len() >= message::MOST_MEMBERS {
            return Err(Cause::Invitation);
        }
        if !self.knows(&invitation.b_tid) {
            return Ok(Next::Ask(invitation.b_tid));
        }
        let Body::Join(Some(octets)) = &parsed.body else { return Err(Cause::Invitation) };
        let by_owner = |known: &&super::Known| known.impi == group.record.owner;
        let known = self.keys.get(&invitation.b_tid).filter(by_owner).ok_or(Cause::Invitation)?;
        if !has_tag(&known.ks_naf, octets) {
            return Err(Cause::Invitation);
        }
        Ok(Next::Do(What::Join(Some((invitation.nonce, until)))))
    }

    pub(super) fn works_on(&self, fits: impl Fn(&Job) -> bool) -> bool {
        self.pushing.values().chain(self.storing.values()).any(fits)
    }
}

fn invitation_of(parsed: &Request) -> Option<Invitation> {
    match &parsed.body {
        Body::Join(Some(octets)) => Invitation::parse(octets).ok(),
        _ => None,
    }
}
