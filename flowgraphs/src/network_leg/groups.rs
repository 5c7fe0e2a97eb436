//! PGKs of groups and PSDKs of relay services, over PC8 and MIKEY.

use super::places::beside;
use super::{News, Note};
use crate::config::network_toml::NetworkConfig;
use crate::experiments::network::entries::{group_of, psdks_of};
use sidelink_network::key_delivery::ServiceId;
use sidelink_network::pc8::Code;
use sidelink_network::pkmf_client::Wanted;
use sidelink_services::client::{KeyFile, KeySession, PkmfAddress, UeClient};
use sidelink_store::{GivenPgks, Keys, SharedStore, TakenGroup, utc_now};
use sidelink_ue::provision::GroupNews;
use std::time::{Duration, Instant};

/// Longest wait for the first keys.
const PATIENCE: Duration = Duration::from_secs(10);

/// The session with a PKMF, and what the key store knows of it.
pub(super) struct Groups {
    ue: String,
    groups: Vec<(String, ServiceId)>,
    relays: Vec<(String, Code)>,
    session: KeySession,
    given: GivenPgks,
    /// Changes of the session that are in the store.
    seen: Option<u64>,
    /// Refusals that the operator knows of.
    told: usize,
    trouble: Option<String>,
}

impl Groups {
    /// Opens the port of MIKEY, and the files of PMK and PGKs beside the USIM.
    pub(super) fn new(network: &NetworkConfig, ue: &str) -> anyhow::Result<Self> {
        let (groups, relays) = (network.groups()?, network.relays()?);
        let (name, address, mikey) = network.pkmf()?;
        let pkmf =
            PkmfAddress { name, address, mikey, local: network.local_address, port: network.mikey_port };
        let ids = groups.iter().map(|(_, id)| Wanted::Group(*id));
        let ids: Vec<_> = ids.chain(relays.iter().map(|(_, code)| Wanted::Relay(*code))).collect();
        let session = KeySession::open(&pkmf, &KeyFile::new(beside(&network.usim, ".pmk")), &ids)?;
        let given = GivenPgks::new(beside(&network.usim, ".pgks"));
        Ok(Self { ue: ue.to_owned(), groups, relays, session, given, seen: None, told: 0, trouble: None })
    }

    /// Waits for the first keys of all groups.
    pub(super) fn fetch(&mut self, client: &mut UeClient, store: &SharedStore) -> anyhow::Result<Vec<News>> {
        let until = Instant::now() + PATIENCE;
        loop {
            let due = self.session.settle(client)?;
            let missing = self.session.missing();
            let rest = until.saturating_duration_since(Instant::now());
            if missing.is_empty() || rest.is_zero() {
                let news = self.take(store)?;
                return match (self.session.trouble(), missing.is_empty()) {
                    (_, true) => Ok(news),
                    (Some(why), false) => Err(why.into()),
                    (None, false) => anyhow::bail!(
                        "no key of {} came in {} s: does UDP from the PKMF reach this machine?",
                        self.names(&missing),
                        PATIENCE.as_secs()
                    ),
                };
            }
            self.session.hear(due, rest)?;
        }
    }

    /// Waits for the first keys of all groups, unless the network does not answer.
    pub(super) fn begin(&mut self, client: &mut UeClient, store: &SharedStore) -> Vec<News> {
        let (until, mut news) = (Instant::now() + PATIENCE, Vec::new());
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            news.extend(self.go_on(client, store, rest));
            if self.session.missing().is_empty() || rest.is_zero() || self.trouble.is_some() {
                return news;
            }
        }
    }

    /// Does what is due, and waits for a datagram.
    pub(super) fn go_on(
        &mut self,
        client: &mut UeClient,
        store: &SharedStore,
        longest: Duration,
    ) -> Vec<News> {
        let (mut news, trouble) = match self.step(client, store, longest) {
            Ok(news) => (news, self.session.trouble().map(|why| format!("keys of groups: {why}"))),
            Err(why) => (Vec::new(), Some(why.to_string())),
        };
        if let Some(why) = trouble
            && self.trouble.as_ref() != Some(&why)
        {
            news.push(News::Note(Note::Trouble(why.clone())));
            self.trouble = Some(why);
        }
        news
    }

    fn step(
        &mut self,
        client: &mut UeClient,
        store: &SharedStore,
        longest: Duration,
    ) -> anyhow::Result<Vec<News>> {
        let due = self.session.settle(client)?;
        if !self.session.is_unanswered() {
            self.session.hear(due, longest)?;
            self.session.settle(client)?;
        }
        self.take(store)
    }

    /// Puts what has changed into the store.
    fn take(&mut self, store: &SharedStore) -> anyhow::Result<Vec<News>> {
        let mut news = Vec::new();
        for (wanted, why) in self.session.rejected().iter().skip(self.told) {
            let name = self.names(&[*wanted]);
            news.push(News::Note(Note::Refused { name, why: format!("the PKMF refuses: {why}") }));
        }
        self.told = self.session.rejected().len();
        let changes = self.session.changes();
        if self.seen == Some(changes) {
            return Ok(news);
        }
        for (name, id) in &self.groups {
            let Some(group) = group_of(self.session.keys(), name, &self.ue, *id) else { continue };
            let Some(member) = group.member.first().map(|member| member.id.clone()) else { continue };
            let TakenGroup { group, counters } =
                store.open().put_from_network(&group, &member, &self.given, utc_now())?;
            news.push(News::Group(GroupNews { group, counters }));
        }
        for (name, code) in &self.relays {
            let new = psdks_of(self.session.keys(), name, &self.ue, *code, utc_now());
            if !new.is_empty() {
                store.open().put(&Keys { discovery: new.clone(), ..Keys::default() })?;
                news.push(News::Discovery { old: Vec::new(), new });
            }
        }
        self.seen = Some(changes);
        self.trouble = None;
        Ok(news)
    }

    fn names(&self, wanted: &[Wanted]) -> String {
        let groups = self.groups.iter().filter(|(_, id)| wanted.contains(&Wanted::Group(*id)));
        let relays = self.relays.iter().filter(|(_, code)| wanted.contains(&Wanted::Relay(*code)));
        let groups = groups.map(|(name, _)| format!("group {name}"));
        let relays = relays.map(|(name, _)| format!("relay service {name}"));
        groups.chain(relays).collect::<Vec<_>>().join(", ")
    }
}
