//! A monitor that follows every discovery key of a store, and the checks that only who holds all keys can make.

mod chained;

use super::{Channel, DiscoveryReport, Opened, Verdict};
use crate::config::ConfigError;
use sidelink_prose::discovery::{
    AirTime, Discovered, Dropped, Finding, Follow, Monitor, MonitorConfig, Subject, TimePolicy,
};
use sidelink_security::counter::{LsbWidth, UtcCounter, UtcTime};
use sidelink_security::discovery::matching::TableError;
use sidelink_security::discovery::open::{MatchReport, OpenKey};
use sidelink_security::discovery::ota::{OtaConfig, OtaIdentity};
use sidelink_security::discovery::request_response::{AnsweredRequests, Pending, RateLimit, Session};
use sidelink_security::discovery::restricted::Receiver;
use sidelink_security::discovery::signature::Hint;
use sidelink_security::discovery::{Announcement, Freshness, Message, Mic, Profile, Refusal};
use sidelink_security::outcome::Outcome;
use sidelink_store::{Discovery, Followed, Keys, MOST_FILTERED};
use sidelink_ue::provision::{self, FollowedList};
use sidelink_ue::{Cores, TableThread, build_table};
use sidelink_wire::pc5_discovery::MessageType;
use std::collections::{HashMap, VecDeque};

/// Requests that may be open at once.
const REQUESTS: usize = 64;

/// Requests whose responses are awaited, and responses that are remembered, of one secret.
const AWAITED: usize = 64;

/// How long a response may come after its request, in milliseconds.
const PATIENCE_MILLIS: u64 = 10_000;

/// Everybody who is followed.
pub(super) struct Followers {
    monitor: Monitor,
    tables: Tables,
    names: HashMap<Subject, usize>,
    listed: Vec<FollowedList>,
    entries: Vec<String>,
    /// Keys of open codes: the ProSe Function's side, which checks the MIC.
    open: HashMap<Subject, OpenKey>,
    sessions: Vec<PreShared>,
}

/// Where tables of codes are built.
enum Tables {
    /// On the spot, with all processors: what is found does not depend on how long it takes.
    Here(Cores),
    /// On another thread, ahead of their period.
    Ahead(TableThread),
}

struct PreShared {
    entry: usize,
    session: Session,
    valid_until: UtcCounter,
    answered: AnsweredRequests,
    limit: RateLimit,
    /// Requests that were verified, and when: a response is proven by its request.
    awaited: VecDeque<(Pending, UtcTime)>,
    /// MICs of the responses that were verified.
    responses: VecDeque<Mic>,
}

impl Followers {
    pub(super) fn new(keys: &Keys) -> Result<Self, ConfigError> {
        let mut all = Vec::new();
        let exact_tabled = keys.discovery.iter().filter(|entry| entry.is_exact()).count() > MOST_FILTERED;
        let mut exact = Vec::new();
        for entry in &keys.discovery {
            if exact_tabled && entry.is_exact() {
                exact.push(entry);
            } else if let Some(followed) = entry.followed()? {
                all.push((entry.name.clone(), UtcCounter::new(entry.valid_until), followed));
            }
        }
        let entries = all.iter().map(|(_, _, followed)| followed);
        let config = monitor_config(keys, entries);
        let monitor = Monitor::new(config);
        let mut followers = Self {
            monitor: monitor
                .map_err(|_| ConfigError::new("identities with a nonce cannot be tabled", "", ""))?,
            tables: Tables::Here(Cores::of_machine()),
            names: HashMap::new(),
            listed: Vec::new(),
            entries: Vec::with_capacity(all.len() + exact.len()),
            open: HashMap::new(),
            sessions: Vec::new(),
        };
        followers.follow_lists(keys);
        let mut tabled = Vec::new();
        for (name, valid_until, followed) in all {
            match followed {
                Followed::Signed(follow) => {
                    let who = followers.monitor.follow_signed(follow);
                    let who =
                        who.map_err(|e| ConfigError::new(e.to_string(), &name, "leave one of them out"))?;
                    followers.names.insert(who, followers.entries.len());
                }
                Followed::Rotating(ota, id, key) if Some(ota) == config.rotating => {
                    tabled.push((followers.entries.len(), id, key, valid_until));
                }
                chained @ (Followed::Delayed(..) | Followed::Chain(_) | Followed::Pointer(..)) => {
                    followers.follow_chained(chained, valid_until)?;
                }
                other => followers.follow(other, valid_until),
            }
            followers.entries.push(name);
        }
        let identities = tabled.iter().map(|(_, id, key, valid_until)| (*id, key, *valid_until));
        if let Some(followed) = followers.monitor.follow_rotating(identities) {
            followers.names.extend(followed.into_iter().zip(tabled.iter().map(|(entry, ..)| *entry)));
        }
        exact.into_iter().try_for_each(|entry| followers.follow_exact(entry))?;
        Ok(followers)
    }

    /// Follows all identities of the lists, before anybody else.
    fn follow_lists(&mut self, keys: &Keys) {
        for list in &keys.codes {
            let identities = list.identities().map(|listed| (listed.id, listed.key, listed.valid_until));
            if let Some(followed) = self.monitor.follow_rotating(identities) {
                self.listed.push(FollowedList::new(list.name(), &followed));
            }
        }
    }

    /// Follows an exact restricted code in the table.
    fn follow_exact(&mut self, entry: &Discovery) -> Result<(), ConfigError> {
        let Some(followed) = entry.followed()? else { return Ok(()) };
        let Some((message_type, code, material)) = followed.exact() else { return Ok(()) };
        let valid_until = UtcCounter::new(entry.valid_until);
        let who = self.monitor.follow_code(message_type, code, material, valid_until);
        let who = who.map_err(|e| ConfigError::new(e.to_string(), entry.name.clone(), "give it a duik"))?;
        self.names.insert(who, self.entries.len());
        self.entries.push(entry.name.clone());
        Ok(())
    }

    /// Builds tables on another thread from now on. [`Self::look_ahead`] must be called often.
    pub(super) fn build_ahead(&mut self) {
        self.tables = Tables::Ahead(TableThread::start());
    }

    /// Takes the tables that are built, and begins those that are wanted next; or builds all of them.
    pub(super) fn look_ahead(&mut self, policy: &TimePolicy, now: &AirTime) -> Result<(), ConfigError> {
        let short =
            |e: TableError| ConfigError::new(e.to_string(), "the followed codes", "give them more bits");
        match &self.tables {
            Tables::Here(cores) => {
                while let Some(mut job) = self.monitor.job(policy, now).map_err(short)? {
                    build_table(&mut job, cores);
                    self.monitor.install(job);
                }
            }
            Tables::Ahead(thread) => {
                while let Some((built, _)) = thread.take() {
                    self.monitor.install(built);
                }
                while let Some(job) = self.monitor.job(policy, now).map_err(short)? {
                    if let Some(job) = thread.begin(job) {
                        // It is given out again at the next look.
                        self.monitor.install(job);
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn name(&self, who: Subject) -> Option<String> {
        let listed = self.listed.iter().find_map(|list| list.name(who));
        listed.or_else(|| self.names.get(&who).and_then(|&entry| self.entries.get(entry)).cloned())
    }

    /// Follows the entry that comes next, outside of the table.
    fn follow(&mut self, followed: Followed, valid_until: UtcCounter) {
        let entry = self.entries.len();
        let follow = match followed {
            Followed::Open(filter, key) => {
                let who = self.monitor.follow(Follow::Open(filter, valid_until));
                if let Some(key) = key {
                    self.open.insert(who, key);
                }
                self.names.insert(who, entry);
                return;
            }
            Followed::Restricted(message_type, filter, material, check) => {
                let receiver = Receiver::new(&material, check, vec![filter], Profile::default());
                Follow::Filter(message_type, receiver, valid_until)
            }
            Followed::Rotating(ota, id, key) => {
                Follow::Nonce(ota, OtaIdentity::new(ota, id, &key), valid_until)
            }
            Followed::PreShared(session) => {
                let (answered, limit) = (AnsweredRequests::new(REQUESTS), RateLimit::new(u32::MAX));
                let (awaited, responses) = (VecDeque::new(), VecDeque::new());
                let session = PreShared { entry, session, valid_until, answered, limit, awaited, responses };
                return self.sessions.push(session);
            }
            // Followed by their own ways.
            Followed::Signed(_) | Followed::Delayed(..) | Followed::Chain(_) | Followed::Pointer(..) => {
                return;
            }
        };
        let who = self.monitor.follow(follow);
        self.names.insert(who, entry);
    }

    pub(super) fn judge(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        block: &[u8],
    ) -> Result<Opened<'static>, ConfigError> {
        self.look_ahead(policy, now)?;
        let mut report = DiscoveryReport {
            result: Verdict::NoKeys,
            name: None,
            message_type: block.first().copied().unwrap_or(0),
            code: None,
            counter: None,
            period: None,
            to_report: None,
        };
        if let Ok(message) = <&Message>::try_from(block)
            && let Some((entry, result, announcement)) =
                self.under_a_secret(&policy.freshness(now), now.slot, message)
        {
            report.say(&announcement);
            report.name = self.entries.get(entry).cloned();
            report.result = Verdict::Of(result);
            return Ok(Opened::Discovery(report));
        }
        if self.judge_chained(policy, now, block, &mut report) {
            return Ok(Opened::Discovery(report));
        }
        match self.monitor.receive(policy, now, block) {
            Ok(Discovered { who, finding, .. }) => {
                report.name = self.name(who);
                let mut result = finding.outcome();
                match &finding {
                    Finding::Identity(period) => report.period = Some(period.0),
                    Finding::Verified(announcement) => report.say(announcement),
                    // Of messages that are taken above.
                    Finding::Delayed(_) | Finding::Chain(_) | Finding::Pointer(_) => {}
                    Finding::Signed { proof, code } => {
                        report.code = Some(*code);
                        report.counter = Some(proof.time.counter.value());
                    }
                    Finding::Unprotected(announcement) => report.say(announcement),
                    Finding::ToReport(announcement) => {
                        report.say(announcement);
                        let key = self.open.get(&who);
                        result = key.map_or(result, |key| reported(key, policy, now, announcement));
                        report.to_report = key.is_none().then_some(*announcement);
                    }
                }
                report.result = Verdict::Of(result);
            }
            Err(Dropped::Malformed(error)) => {
                return Ok(Opened::Malformed { channel: Channel::SlDch, why: format!("discovery: {error}") });
            }
            Err(dropped) => report.result = Verdict::Of(dropped.outcome()),
        }
        Ok(Opened::Discovery(report))
    }

    pub(super) fn take_wanted_key(&mut self) -> Option<Hint> {
        self.monitor.signed().take_wanted()
    }

    /// A request under a pre-shared secret, or a response to one that was heard.
    fn under_a_secret(
        &mut self,
        freshness: &Freshness,
        now: UtcTime,
        message: &Message,
    ) -> Option<(usize, Outcome, Announcement)> {
        let judge = match MessageType::from_octet(message[0]) {
            Ok(MessageType::RestrictedQuery) => PreShared::request,
            Ok(MessageType::RestrictedResponse) => PreShared::response,
            _ => return None,
        };
        self.sessions.iter_mut().find_map(|session| {
            let (result, announcement) = judge(session, freshness, now, message)?;
            Some((session.entry, result, announcement))
        })
    }
}

impl PreShared {
    fn request(
        &mut self,
        freshness: &Freshness,
        now: UtcTime,
        message: &Message,
    ) -> Option<(Outcome, Announcement)> {
        match self.session.verify_request(freshness, message, &mut self.answered, &mut self.limit) {
            Ok(_) if freshness.slot >= self.valid_until => Some((Outcome::Expired, said(freshness, message))),
            Ok(request) => {
                remember(&mut self.awaited, (Pending::overheard(&request), now));
                Some((Outcome::Verified, request.announcement))
            }
            // Not for this secret.
            Err(Refusal::Unknown | Refusal::Type) => None,
            Err(refusal) => Some((refusal.into(), said(freshness, message))),
        }
    }

    /// `None` when no request was heard that it answers: whose response it is cannot be known then, since its MIC covers
    /// that of its request.
    fn response(
        &mut self,
        freshness: &Freshness,
        now: UtcTime,
        message: &Message,
    ) -> Option<(Outcome, Announcement)> {
        let awaited = self.awaited.iter().filter(|(_, asked)| now <= asked.plus_millis(PATIENCE_MILLIS));
        let mut answers =
            awaited.map(|(pending, _)| self.session.verify_response(freshness, pending, message));
        let announcement = answers.find_map(Result::ok)?.into_inner();
        if freshness.slot >= self.valid_until {
            return Some((Outcome::Expired, announcement));
        }
        if self.responses.contains(&announcement.mic) {
            return Some((Outcome::Replay, announcement));
        }
        remember(&mut self.responses, announcement.mic);
        Some((Outcome::Verified, announcement))
    }
}

/// The newest [`AWAITED`] of them.
fn remember<T>(all: &mut VecDeque<T>, new: T) {
    if all.len() == AWAITED {
        all.pop_front();
    }
    all.push_back(new);
}

/// What a message in the clear says of itself.
fn said(freshness: &Freshness, message: &Message) -> Announcement {
    let (mut code, mut mic) = ([0; 23], [0; 4]);
    code.copy_from_slice(&message[1..24]);
    mic.copy_from_slice(&message[24..28]);
    let counter = freshness.slot.rebuild(message[28], LsbWidth::of(message[0]));
    Announcement { message_type: message[0], code, mic: Mic(mic), counter }
}

impl DiscoveryReport {
    const fn say(&mut self, announcement: &Announcement) {
        self.code = Some(announcement.code);
        self.counter = Some(announcement.counter.value());
    }
}

/// What the ProSe Function answers to a match report.
fn reported(key: &OpenKey, policy: &TimePolicy, now: &AirTime, announcement: &Announcement) -> Outcome {
    match key.verify(&MatchReport(*announcement), now.prose_clock, policy.max_offset, 0) {
        Ok(_) => Outcome::Verified,
        Err(refusal) => refusal.into(),
    }
}

/// Returns the sizes of a monitor of these keys, and the configuration of changing identifiers that it tables: that of
/// the lists, or the most frequent one. The identities of any other cost every frame a computation each.
fn monitor_config<'a>(keys: &Keys, followed: impl Iterator<Item = &'a Followed>) -> MonitorConfig {
    let tabled = followed.filter_map(|followed| match followed {
        Followed::Rotating(config, ..) if config.nonce_bits() == 0 => Some(*config),
        _ => None,
    });
    let rotating = keys.codes.first().map(|list| list.config()).or_else(|| most_frequent(tabled));
    let default = MonitorConfig::default();
    MonitorConfig { rotating, heard: default.heard.max(provision::heard(keys)), ..default }
}

fn most_frequent(configs: impl Iterator<Item = OtaConfig>) -> Option<OtaConfig> {
    let mut counted: Vec<(OtaConfig, usize)> = Vec::new();
    for config in configs {
        match counted.iter_mut().find(|(known, _)| *known == config) {
            Some((_, count)) => *count += 1,
            None => counted.push((config, 1)),
        }
    }
    counted.into_iter().max_by_key(|(_, count)| *count).map(|(config, _)| config)
}
