//! A monitor that follows every discovery key of a store, and the checks that only who holds all keys can make.

use super::{Channel, DiscoveryReport, Judgement, Opened};
use crate::config::ConfigError;
use crate::keystore::{Followed, Keys};
use sidelink_mac::discovery::{
    AirTime, Discovered, Dropped, Finding, Follow, Monitor, MonitorConfig, TimePolicy, Who,
};
use sidelink_mac::engine::{Cause, Outcome};
use sidelink_mac::wire::pc5_discovery::MessageType;
use sidelink_security::counter::UtcCounter;
use sidelink_security::discovery::open::{MatchReport, OpenKey};
use sidelink_security::discovery::ota::{OtaConfig, OtaIdentity};
use sidelink_security::discovery::request_response::{AnsweredRequests, RateLimit, Session};
use sidelink_security::discovery::restricted::{MicCheck, Receiver};
use sidelink_security::discovery::{Announcement, Freshness, Message, Profile, Refusal};
use std::collections::HashMap;

/// Requests that may be open at once.
const REQUESTS: usize = 64;

/// Tables that are built for one message at most: of the present period and its neighbours, of two kinds.
const TABLES: usize = 6;

/// Everybody who is followed.
pub(super) struct Followers {
    monitor: Monitor,
    names: HashMap<Who, usize>,
    entries: Vec<String>,
    /// Keys of open codes: the ProSe Function's side, which checks the MIC.
    open: HashMap<Who, OpenKey>,
    sessions: Vec<PreShared>,
}

struct PreShared {
    entry: usize,
    session: Session,
    valid_until: UtcCounter,
    answered: AnsweredRequests,
    limit: RateLimit,
}

impl Followers {
    pub(super) fn new(keys: &Keys) -> Result<Self, ConfigError> {
        let mut all = Vec::new();
        for entry in &keys.discovery {
            if let Some(followed) = entry.followed()? {
                all.push((entry.name.clone(), UtcCounter::new(entry.valid_until), followed));
            }
        }
        let mut config = MonitorConfig::default();
        // One configuration is tabled; the identities of any other cost every frame a computation each.
        config.rotating = most_frequent(all.iter().filter_map(|(_, _, followed)| match followed {
            Followed::Rotating(config, ..) if config.nonce_bits() == 0 => Some(*config),
            _ => None,
        }));
        config.heard = config.heard.max(2 * all.len());
        let monitor = Monitor::new(config);
        let mut followers = Self {
            monitor: monitor
                .map_err(|_| ConfigError::new("identities with a nonce cannot be tabled", "", ""))?,
            names: HashMap::new(),
            entries: Vec::with_capacity(all.len()),
            open: HashMap::new(),
            sessions: Vec::new(),
        };
        let monitor = &mut followers.monitor;
        let mut tabled = Vec::new();
        for (entry, (name, valid_until, followed)) in all.into_iter().enumerate() {
            followers.entries.push(name);
            let who = match followed {
                Followed::Open(filter, key) => {
                    let who = monitor.follow(Follow::Open(filter, valid_until));
                    if let Some(key) = key {
                        followers.open.insert(who, key);
                    }
                    who
                }
                Followed::Restricted(message_type, filter, material) => {
                    let receiver =
                        Receiver::new(&material, MicCheck::Local, vec![filter], Profile::default());
                    monitor.follow(Follow::Filter(message_type, receiver, valid_until))
                }
                Followed::Rotating(ota, id, key) if Some(ota) == config.rotating => {
                    tabled.push((entry, id, key, valid_until));
                    continue;
                }
                Followed::Rotating(ota, id, key) => {
                    monitor.follow(Follow::Nonce(ota, OtaIdentity::new(ota, id, &key), valid_until))
                }
                Followed::PreShared(session) => {
                    let answered = AnsweredRequests::new(REQUESTS);
                    let limit = RateLimit::new(u32::MAX);
                    followers.sessions.push(PreShared { entry, session, valid_until, answered, limit });
                    continue;
                }
            };
            followers.names.insert(who, entry);
        }
        let identities = tabled.iter().map(|(_, id, key, valid_until)| (*id, key, *valid_until));
        if let Some(followed) = monitor.follow_rotating(identities) {
            followers.names.extend(followed.into_iter().zip(tabled.iter().map(|(entry, ..)| *entry)));
        }
        Ok(followers)
    }

    pub(super) fn judge(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        block: &[u8],
    ) -> Result<Opened<'static>, ConfigError> {
        self.build_tables(policy, now)?;
        let mut report = DiscoveryReport {
            result: Judgement::NoKeys,
            name: None,
            message_type: block.first().copied().unwrap_or(0),
            code: None,
            counter: None,
            period: None,
        };
        if let Ok(message) = <&Message>::try_from(block)
            && let Some((entry, result, announcement)) = self.request(&policy.freshness(now), message)
        {
            report.say(&announcement);
            report.name = self.entries.get(entry).cloned();
            report.result = Judgement::Of(result);
            return Ok(Opened::Discovery(report));
        }
        match self.monitor.receive(policy, now, block) {
            Ok(Discovered { who, finding, .. }) => {
                report.name = self.names.get(&who).and_then(|&entry| self.entries.get(entry)).cloned();
                let mut result = Outcome::of_finding(&finding);
                match &finding {
                    Finding::Identity(period) => report.period = Some(period.0),
                    Finding::Verified(announcement) => report.say(announcement),
                    Finding::Unprotected(announcement) => report.say(announcement),
                    Finding::ToReport(announcement) => {
                        report.say(announcement);
                        if let Some(key) = self.open.get(&who) {
                            result = reported(key, policy, now, announcement);
                        }
                    }
                }
                report.result = Judgement::Of(result);
            }
            Err(Dropped::Malformed(error)) => {
                return Ok(Opened::Malformed { channel: Channel::SlDch, why: format!("discovery: {error}") });
            }
            Err(dropped) => report.result = Judgement::Of(Outcome::of_cause(&Cause::Discovery(dropped))),
        }
        Ok(Opened::Discovery(report))
    }

    /// Build the tables that are wanted, here and now. A bounded number: time that goes back wants tables of the past, which
    /// the monitor gives up again for those of the future.
    fn build_tables(&mut self, policy: &TimePolicy, now: &AirTime) -> Result<(), ConfigError> {
        for _ in 0..TABLES {
            let job = self.monitor.job(policy, now);
            let job = job
                .map_err(|e| ConfigError::new(e.to_string(), "the key store", "give its codes more bits"))?;
            let Some(mut job) = job else { break };
            while !job.run(usize::MAX) {}
            self.monitor.install(job);
        }
        Ok(())
    }

    /// A request under a pre-shared secret. Its response is not judged: its MIC covers that of the request, which a sniffer
    /// may not have heard.
    fn request(
        &mut self,
        freshness: &Freshness,
        message: &Message,
    ) -> Option<(usize, Outcome, Announcement)> {
        if message[0] != MessageType::RestrictedQuery.octet() {
            return None;
        }
        for PreShared { entry, session, valid_until, answered, limit } in &mut self.sessions {
            let announcement = |counter| {
                let (mut code, mut mic) = ([0; 23], [0; 4]);
                code.copy_from_slice(&message[1..24]);
                mic.copy_from_slice(&message[24..28]);
                let mic = sidelink_security::discovery::Mic(mic);
                Announcement { message_type: message[0], code, mic, counter }
            };
            let rebuilt = freshness.slot.rebuild(message[28]);
            let result = match session.verify_request(freshness, message, answered, limit) {
                Ok(_) if freshness.slot >= *valid_until => Outcome::Expired,
                Ok(_) => Outcome::Verified,
                Err(Refusal::Unknown | Refusal::Type) => continue,
                Err(refusal) => Outcome::of_cause(&Cause::Discovery(Dropped::Refused(refusal))),
            };
            return Some((*entry, result, announcement(rebuilt)));
        }
        None
    }
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
        Err(refusal) => Outcome::of_cause(&Cause::Discovery(Dropped::Refused(refusal))),
    }
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
