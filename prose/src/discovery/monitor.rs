//! Monitoring UE, model A; also the receiving side of relay and group member discovery.

use core::borrow::Borrow;
use core::fmt;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::book::{
    CodeBook, NoIntegrityKey, NonceNotFollowable, RestrictedBook, RotatingBook,
};
use sidelink_security::discovery::code_chain::ChainCode;
use sidelink_security::discovery::delayed_key::DelayedCode;
use sidelink_security::discovery::matching::TableError;
use sidelink_security::discovery::open;
use sidelink_security::discovery::ota::{OtaConfig, OtaIdentity, ProseId};
use sidelink_security::discovery::pointer::PointedCode;
use sidelink_security::discovery::restricted::{Material, Received, Receiver};
use sidelink_security::discovery::rotation::PeriodIndex;
use sidelink_security::discovery::signature::SignedCode;
use sidelink_security::discovery::{Announcement, Code, CodeFilter, Message, Profile, Refusal, Verified};
use sidelink_security::keys::ApplicationKey;
use sidelink_security::outcome::Outcome;

use super::chained::Chained;
use super::code_table::{CodeTable, Inner, Job};
use super::sightings::{Note, Proof, Sighting, Subject};
use super::signed::{Partial, SignedConfig, SignedMonitor};
use super::{AirTime, TimePolicy, checked, more_telling};
use sidelink_wire as wire;
use sidelink_wire::pc5_discovery::{Content, MessageType};

/// Conclusion of a monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Exactly the message of the followed identifier or exact code in this rotation period (for codes: this second):
    /// proven by all its bits.
    Identity(PeriodIndex),
    /// A message whose MIC was proven here.
    Verified(Verified<Announcement>),
    /// A message whose MIC was proven by a key that was disclosed later. It came some slots ago.
    Delayed(Verified<DelayedCode>),
    /// A code of a signed chain, in its slot.
    Chain(Verified<ChainCode>),
    /// A message whose signature came on the SL-SCH.
    Pointer(Verified<PointedCode>),
    /// The filter matches; the network must check the MIC before the application gets it (match report).
    ToReport(Announcement),
    /// The filter matches, without integrity protection.
    Unprotected(Announcement),
    /// A code that the owner of a followed key signed.
    Signed {
        /// What was signed: the code, concealed where it is for a group, and the time.
        proof: Verified<SignedCode>,
        /// The code.
        code: Code,
    },
}

impl Finding {
    /// Returns the outcome as reports name it.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Identity(_) | Self::Verified(_) | Self::Signed { .. } => Outcome::Verified,
            Self::Delayed(_) | Self::Chain(_) | Self::Pointer(_) => Outcome::Verified,
            Self::ToReport(_) => Outcome::ToReport,
            Self::Unprotected(_) => Outcome::Unprotected,
        }
    }
}

/// An accepted message; `finding` is the degree of proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discovered {
    /// The followed identity.
    pub who: Subject,
    /// Degree of proof.
    pub finding: Finding,
    /// Whether to report it to the application; otherwise it was reported recently.
    pub report: bool,
}

/// A result of a message whose proof may come later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighted {
    /// A message of a followed identity came, and its proof is pending.
    Matched(Subject),
    /// A message is proven: this one, or one that came earlier.
    Discovered(Discovered),
}

/// Reason why a message was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dropped {
    /// Malformed bytes.
    Malformed(wire::Error),
    /// The fault of the peer, an attacker or a clock.
    Refused(Refusal),
    /// None: a part of a signed announcement is kept until the others are here.
    Incomplete(Partial),
}

impl Dropped {
    /// Returns the outcome as reports name it.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Malformed(_) => Outcome::Malformed,
            Self::Refused(refusal) => (*refusal).into(),
            Self::Incomplete(_) => Outcome::Incomplete,
        }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Incomplete(partial) => partial.fmt(f),
        }
    }
}

impl std::error::Error for Dropped {}

/// Sizes and rules of a [`Monitor`].
#[derive(Debug, Clone, Copy)]
pub struct MonitorConfig {
    /// The one configuration of changing identifiers that is computed ahead into tables; it sends no nonce.
    pub rotating: Option<OtaConfig>,
    /// FC values and layout of restricted and open discovery.
    pub profile: Profile,
    /// An identity is reported again after this time (T4006, match report refresh), milliseconds.
    pub report_interval_millis: u64,
    /// Number of identities that are remembered against replays and for debouncing; the same number of unproven ones,
    /// for debouncing.
    pub heard: usize,
    /// Sizes and rules for signed announcements.
    pub signed: SignedConfig,
}

impl Default for MonitorConfig {
    fn default() -> Self {
        Self {
            rotating: None,
            profile: Profile::default(),
            report_interval_millis: 60_000,
            heard: 1024,
            signed: SignedConfig::default(),
        }
    }
}

/// An identity or code that a monitor follows outside of the tables.
// One per followed identity, built once.
#[allow(clippy::large_enum_variant)]
pub enum Follow {
    /// A changing identifier whose sender sends a nonce, with its configuration: each of these costs one computation a
    /// frame.
    Nonce(OtaConfig, OtaIdentity, UtcCounter),
    /// Filters under one material, for one message type.
    Filter(MessageType, Receiver, UtcCounter),
    /// An open code, or a part of one.
    Open(CodeFilter, UtcCounter),
}

/// Monitor of one UE, with everything that it follows.
pub struct Monitor {
    config: MonitorConfig,
    rotating: Option<CodeTable<RotatingBook>>,
    codes: CodeTable<RestrictedBook>,
    others: Vec<Option<Follow>>,
    /// Complete open codes: the number of each and the end of its validity.
    open: HashMap<Code, (u32, UtcCounter), BuildHasherDefault<DefaultHasher>>,
    seen: Sighting,
    pub(super) signed: SignedMonitor,
    pub(super) chained: Chained,
}

impl Monitor {
    /// Makes a monitor that follows nothing yet.
    pub fn new(config: MonitorConfig) -> Result<Self, NonceNotFollowable> {
        let rotating = config.rotating.map(RotatingBook::new).transpose()?.map(CodeTable::new);
        let codes = CodeTable::new(RestrictedBook::new(config.profile));
        let (others, open, seen) = (Vec::new(), HashMap::default(), Sighting::new(config.heard));
        let signed = SignedMonitor::new(config.signed);
        let chained = Chained::default();
        Ok(Self { rotating, codes, others, open, seen, signed, chained, config })
    }

    /// Returns the octets of memory of codes, filters and what was heard.
    pub(super) fn octets_of_codes(&self) -> usize {
        let rotating = self.rotating.as_ref().map_or(0, CodeTable::octets);
        let others = self.others.len() * size_of::<Option<Follow>>();
        let open = self.open.len() * size_of::<(Code, (u32, UtcCounter))>();
        rotating + self.codes.octets() + others + open + self.seen.octets()
    }

    /// Follows changing identifiers in the table, until their `valid_until`; returns `None` without a configuration.
    /// Add many in one call: each call makes the tables be rebuilt.
    pub fn follow_rotating<K: Borrow<ApplicationKey>>(
        &mut self,
        identities: impl IntoIterator<Item = (ProseId, K, UtcCounter)>,
    ) -> Option<Vec<Subject>> {
        let tabled = self.rotating.as_mut()?;
        let book = &mut tabled.book;
        let followed = identities
            .into_iter()
            .map(|(id, key, valid_until)| Subject::Rotating(book.follow(id, key.borrow(), valid_until)))
            .collect();
        tabled.changed();
        Some(followed)
    }

    /// Follows one exact restricted code in the table. Its material must contain a DUIK; follow a code without one by a
    /// filter, which reports that nothing was proven.
    pub fn follow_code(
        &mut self,
        message_type: MessageType,
        code: Code,
        material: &Material,
        valid_until: UtcCounter,
    ) -> Result<Subject, NoIntegrityKey> {
        let slot = self.codes.book.follow(message_type.octet(), code, material, valid_until)?;
        self.codes.changed();
        Ok(Subject::Code(slot))
    }

    /// Follows an identity or code outside of the tables of changing messages. A complete open code is looked up; each
    /// of the others costs one computation or comparison a frame.
    pub fn follow(&mut self, follow: Follow) -> Subject {
        let index = self.others.len() as u32;
        if let Follow::Open(filter, valid_until) = &follow
            && filter.mask == [0xff; 23]
        {
            self.others.push(None);
            self.open.insert(filter.code, (index, *valid_until));
            return Subject::Open(index);
        }
        let who = match &follow {
            Follow::Nonce(..) => Subject::Nonce(index),
            Follow::Filter(..) => Subject::Filter(index),
            Follow::Open(..) => Subject::Open(index),
        };
        self.others.push(Some(follow));
        who
    }

    /// Stops following it, at once.
    pub fn unfollow(&mut self, who: Subject) {
        match who {
            Subject::Rotating(slot) => {
                if let Some(tabled) = &mut self.rotating {
                    tabled.book.unfollow(slot);
                    tabled.retire(slot);
                }
            }
            Subject::Code(slot) => {
                self.codes.book.unfollow(slot);
                self.codes.retire(slot);
            }
            Subject::Nonce(index) | Subject::Filter(index) | Subject::Open(index) => {
                if let Some(place) = self.others.get_mut(index as usize) {
                    *place = None;
                }
                self.open.retain(|_, (open, _)| *open != index);
            }
            Subject::Signed(place) => self.signed.unfollow(place),
            chained @ (Subject::Delayed(_) | Subject::Chain(_) | Subject::Pointer(_)) => {
                self.chained.unfollow(chained);
            }
        }
        self.seen.forget(who);
    }

    /// Replaces an identity after a revocation: a new ProSe ID and key for those who are still authorised. The old pair
    /// is accepted until `stragglers_until`, under the returned subject.
    pub fn replace_rotating(
        &mut self,
        who: Subject,
        id: ProseId,
        key: &ApplicationKey,
        valid_until: UtcCounter,
        stragglers_until: UtcCounter,
    ) -> Option<Subject> {
        let (Some(tabled), Subject::Rotating(slot)) = (&mut self.rotating, who) else { return None };
        let stragglers = tabled.book.replace(slot, id, key, valid_until, stragglers_until)?;
        tabled.changed();
        // The new pair starts a sequence of its own.
        self.seen.forget(who);
        Some(Subject::Rotating(stragglers))
    }

    /// Returns the next table to build, if any: for a period that is accepted now or next, absent or older than what is
    /// followed. Until it is installed, the messages of that period are unknown. One job of a kind is pending at a
    /// time, and must come back through [`Self::install`].
    pub fn job(&mut self, policy: &TimePolicy, now: &AirTime) -> Result<Option<Job>, TableError> {
        if let Some(tabled) = &mut self.rotating {
            let generation = tabled.generation;
            if let Some(builder) = tabled.job(policy, now)? {
                return Ok(Some(Job(Inner::Rotating(builder, generation))));
            }
        }
        let generation = self.codes.generation;
        let builder = self.codes.job(policy, now)?;
        Ok(builder.map(|builder| Job(Inner::Code(builder, generation))))
    }

    /// Installs a complete table; an incomplete one is dropped and its job given out again.
    pub fn install(&mut self, job: Job) {
        match (job.0, &mut self.rotating) {
            (Inner::Rotating(builder, generation), Some(tabled)) => tabled.install(builder, generation),
            (Inner::Code(builder, generation), _) => self.codes.install(builder, generation),
            (Inner::Rotating(..), None) => {}
        }
    }

    /// Builds every table that is needed now, on this thread. For monitors that follow few identities.
    pub fn build_tables(&mut self, policy: &TimePolicy, now: &AirTime) -> Result<(), TableError> {
        while let Some(mut job) = self.job(policy, now)? {
            while !job.run(usize::MAX) {}
            self.install(job);
        }
        Ok(())
    }

    /// Returns the edge after which another table is needed.
    pub fn next_edge(&self, now: &AirTime) -> Option<UtcTime> {
        let edge = |period: sidelink_security::discovery::rotation::RotationPeriod| {
            period.start(period.index(now.slot).next())
        };
        let rotating = self.rotating.iter().filter(|tabled| !tabled.book.is_empty());
        let rotating = rotating.map(|tabled| edge(tabled.book.period()));
        let codes = (!self.codes.book.is_empty()).then(|| edge(self.codes.book.period()));
        let signed = self.signed.is_pending().then(|| now.slot.plus_millis(1));
        rotating.chain(codes).chain(signed).min()
    }

    /// Checks one SL-DCH block.
    pub fn receive(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        bytes: &[u8],
    ) -> Result<Discovered, Dropped> {
        let (message_type, message) = checked(bytes).map_err(Dropped::Malformed)?;
        if message_type == MessageType::Fragment {
            return self.receive_whole(policy, now, message);
        }
        match self.find(policy, now, message_type, message) {
            Ok((who, finding)) => self.accept(policy, now, who, finding).map_err(Dropped::Refused),
            Err(refusal) => Err(Dropped::Refused(refusal)),
        }
    }

    fn find(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        message_type: MessageType,
        message: &Message,
    ) -> Result<(Subject, Finding), Refusal> {
        let mut refusal = Refusal::Unknown;
        if message_type == MessageType::ChangingId {
            if let Some(tabled) = &mut self.rotating {
                match tabled.verify(policy, now, message) {
                    Ok(found) => return Ok((Subject::Rotating(found.slot), Finding::Identity(found.period))),
                    Err(Refusal::Unknown) => {}
                    Err(other) => refusal = other,
                }
            }
        } else if !message_type.is_experimental() {
            match self.codes.verify(policy, now, message) {
                Ok(found) => return Ok((Subject::Code(found.slot), Finding::Identity(found.period))),
                Err(other) => refusal = more_telling(refusal, other),
            }
        }
        if message_type == MessageType::OpenAnnouncement {
            match self.find_open(policy, now, message) {
                Ok(found) => return Ok(found),
                Err(other) => refusal = more_telling(refusal, other),
            }
        }
        for (index, follow) in self.others.iter().enumerate() {
            let Some(follow) = follow else { continue };
            match follow.find(index as u32, policy, now, message_type, message, &self.config.profile) {
                Ok(found) => return Ok(found),
                Err(other) => refusal = more_telling(refusal, other),
            }
        }
        Err(refusal)
    }

    fn find_open(
        &self,
        policy: &TimePolicy,
        now: &AirTime,
        message: &Message,
    ) -> Result<(Subject, Finding), Refusal> {
        let freshness = policy.freshness(now);
        let report = open::receive(&freshness, message, &self.config.profile)?.0;
        let (index, valid_until) = self.open.get(&report.code).ok_or(Refusal::Unknown)?;
        unexpired(&freshness.slot, valid_until)?;
        Ok((Subject::Open(*index), Finding::ToReport(report)))
    }

    /// Debounces, and refuses messages older than an earlier one of the same identity. Only proven messages move the
    /// limit.
    pub(super) fn accept(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        who: Subject,
        finding: Finding,
    ) -> Result<Discovered, Refusal> {
        let (digest, proof) = match &finding {
            Finding::Identity(period) => (0, Proof::Proven(period.0)),
            Finding::Verified(a) => (digest(&a.code), Proof::Proven(u64::from(a.counter.value()))),
            Finding::Delayed(code) => (0, Proof::Proven(u64::from(code.index))),
            Finding::Chain(code) => (0, Proof::Proven(u64::from(code.index))),
            Finding::Pointer(code) => (digest(&code.code), Proof::Proven(super::pointer::number(code))),
            Finding::ToReport(a) | Finding::Unprotected(a) => (digest(&a.code), Proof::Unproven),
            Finding::Signed { proof, .. } => {
                // The newest of all codes: whoever signs one code after another has one place.
                (0, Proof::Proven(u64::from(proof.time.counter.value())))
            }
        };
        let interval = self.config.report_interval_millis;
        // a counter may be MAX_OFFSET ahead of the clock, and is accepted until it is as far behind
        let keep = 2 * (1000 * u64::from(policy.max_offset) + policy.uncertainty_millis);
        match self.seen.note((who, digest), proof, now.slot, interval, keep) {
            Note::Report => Ok(Discovered { who, finding, report: true }),
            Note::Debounced => Ok(Discovered { who, finding, report: false }),
            Note::Replay => Err(Refusal::Replay),
            Note::Full => Err(Refusal::RateLimited),
        }
    }
}

impl Follow {
    fn find(
        &self,
        index: u32,
        policy: &TimePolicy,
        now: &AirTime,
        message_type: MessageType,
        message: &Message,
        profile: &Profile,
    ) -> Result<(Subject, Finding), Refusal> {
        let freshness = policy.freshness(now);
        match self {
            Self::Nonce(config, identity, valid_until) => {
                if message_type != MessageType::ChangingId {
                    return Err(Refusal::Type);
                }
                let period = identity.verify(policy.window(config.period(), now), message)?;
                unexpired(&freshness.slot, valid_until)?;
                Ok((Subject::Nonce(index), Finding::Identity(*period)))
            }
            // TS 24.334 §10A.2.3.2 (2)
            Self::Filter(wanted, receiver, valid_until) => {
                if message_type != *wanted {
                    return Err(Refusal::Type);
                }
                // TS 24.334 §10A.2.7.2
                let received = receiver.verify(&freshness, message)?;
                unexpired(&freshness.slot, valid_until)?;
                let finding = match received {
                    Received::Verified(announcement) => Finding::Verified(announcement),
                    Received::ToReport(announcement) => Finding::ToReport(announcement),
                    Received::Unprotected(announcement) => Finding::Unprotected(announcement),
                };
                // TS 24.334 §12.1A: what was opened has no reserved value.
                let code = match &finding {
                    Finding::Verified(found) => &found.code,
                    Finding::ToReport(found) | Finding::Unprotected(found) => &found.code,
                    _ => return Err(Refusal::Type),
                };
                // TS 24.334 §12.1A (4)
                Content::read(message_type, code).check().map_err(|_| Refusal::Type)?;
                Ok((Subject::Filter(index), finding))
            }
            Self::Open(filter, valid_until) => {
                if message_type != MessageType::OpenAnnouncement {
                    return Err(Refusal::Type);
                }
                let report = open::receive(&freshness, message, profile)?.0;
                if !filter.matches(&report.code) {
                    return Err(Refusal::Unknown);
                }
                unexpired(&freshness.slot, valid_until)?;
                Ok((Subject::Open(index), Finding::ToReport(report)))
            }
        }
    }
}

fn unexpired(now: &UtcCounter, valid_until: &UtcCounter) -> Result<(), Refusal> {
    if now < valid_until { Ok(()) } else { Err(Refusal::Expired) }
}

/// Distinguishes codes of one identity in the memory of sightings; a collision only debounces too much.
fn digest(code: &Code) -> u64 {
    code.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
