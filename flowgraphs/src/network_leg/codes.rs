//! Codes, filters and keys over PC3, and matches that the ProSe Function checks.

use super::places::Places;
use super::{News, Note, named, now};
use crate::config::network_toml::NetworkConfig;
use crate::experiments::network::entries::entries;
use sidelink_network::pc3::EntryId;
use sidelink_network::pc3_client::{EndCause, Heard, Input, NoAnswer, Output, Pc3Client, Wanted, WantedId};
use sidelink_network::prose_function::RequestId;
use sidelink_security::counter::UtcTime;
use sidelink_services::client::{ClientError, UeClient};
use sidelink_store::{Discovery, Keys, SharedStore};
use zeroize::Zeroizing;

/// Seconds by which the clock of this computer may differ from that of the ProSe Function before it is said.
const CLOCKS: u64 = 8;

/// Milliseconds until something that was refused is asked for again: a code may be announced, or a permission given, later.
const REFUSED: u64 = 30_000;

/// One thing that is wanted.
struct Item {
    /// Name for people.
    name: String,
    /// Name in the file of entries.
    key: String,
    /// What it is in the key store at present.
    entries: Vec<Discovery>,
    /// When it is asked for again, after a refusal.
    again: Option<UtcTime>,
    /// The refusal that the operator knows of.
    refusal: Option<EndCause>,
}

/// What a lost answer means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    /// The end: nobody asks again.
    Fails,
    /// The machine asks again.
    IsAskedAgain,
}

/// The UE's end of PC3 with its connections.
pub(super) struct Codes {
    ue: String,
    places: Places,
    pc3: Pc3Client,
    items: Vec<Item>,
    /// The trouble that the operator knows of.
    trouble: Option<String>,
}

impl Codes {
    pub(super) fn new(network: &NetworkConfig, ue: &str) -> anyhow::Result<Self> {
        let usim = network.usim()?;
        let mut codes = Self {
            ue: ue.to_owned(),
            places: Places::load(&network.usim),
            pc3: Pc3Client::new(network.pc3(&usim)?),
            items: Vec::new(),
            trouble: None,
        };
        network.wanted()?.into_iter().for_each(|wanted| codes.want(wanted));
        Ok(codes)
    }

    fn want(&mut self, wanted: Wanted) {
        let name = match &wanted {
            Wanted::Announce(id) | Wanted::Monitor(id) => id.to_string(),
            Wanted::AnnounceRestricted => format!("{}, restricted", self.ue),
            Wanted::MonitorRestricted(_) => "restricted".to_owned(),
            Wanted::Answer => format!("{}, when asked", self.ue),
            Wanted::Ask(_) => "to ask".to_owned(),
        };
        let key = key(&name, &wanted);
        let earlier = self.places.get(&key).and_then(|id| EntryId::new(id).ok());
        self.items.push(Item { name, key, entries: Vec::new(), again: None, refusal: None });
        self.pc3.handle_input(Input::Want { now: now(), wanted, earlier });
    }

    /// Asks for everything once.
    pub(super) fn fetch(&mut self, client: &mut UeClient, store: &SharedStore) -> anyhow::Result<Vec<News>> {
        let mut news = Vec::new();
        let asked = self.settle(client, store, Lost::Fails, &mut news);
        self.places.store()?;
        asked.map(|()| news)
    }

    /// Does what is due.
    pub(super) fn go_on(&mut self, client: &mut UeClient, store: &SharedStore) -> Vec<News> {
        let mut news = Vec::new();
        let now = now();
        self.pc3.handle_input(Input::Tick { now });
        for (index, item) in (0..).zip(&mut self.items) {
            if item.again.take_if(|at| *at <= now).is_some() {
                self.pc3.handle_input(Input::Again { now, id: WantedId(index) });
            }
        }
        let settled = self.settle(client, store, Lost::IsAskedAgain, &mut news);
        if let Err(why) = settled.and_then(|()| self.places.store()) {
            self.note_trouble(Some(why.to_string()), &mut news);
        }
        news
    }

    pub(super) fn hear(&mut self, heard: Heard) {
        self.pc3.handle_input(Input::Heard { now: now(), heard });
    }

    fn settle(
        &mut self,
        client: &mut UeClient,
        store: &SharedStore,
        lost: Lost,
        news: &mut Vec<News>,
    ) -> anyhow::Result<()> {
        loop {
            match self.pc3.poll_output() {
                Output::Request { request, body } => self.ask(client, request, &body, lost, news)?,
                Output::Allotted { id, entry, allotment, until } => {
                    let entries = entries(&self.ue, &self.item(id).name, &allotment, until);
                    let key = self.item(id).key.clone();
                    self.places.set(&key, Some(entry.value()));
                    let new = self.with_names_and_keys(id, entries);
                    news.push(self.replace(id, new, store)?);
                    self.items[usize::from(id.0)].refusal = None;
                }
                Output::Ended { id, why } => self.ended(id, why, store, news)?,
                Output::Verified { code, name } => {
                    news.push(News::Note(Note::Verified { code, name: named(&name) }));
                }
                Output::NotVerified { code, cause } => {
                    news.push(News::Note(Note::NotVerified { code, why: cause }));
                }
                Output::Malformed(_) => {
                    let why = "the answer of the ProSe Function is not understood; is it one of TS 24.334?";
                    match lost {
                        Lost::Fails => anyhow::bail!(why),
                        Lost::IsAskedAgain => self.note_trouble(Some(why.to_owned()), news),
                    }
                }
                Output::Clock { current_time, .. } => self.compare_clocks(current_time, news),
                Output::TooMany(_) => anyhow::bail!("more is wanted than PC3 has transactions for"),
                Output::Timeout(_) => return Ok(()),
            }
        }
    }

    /// Something ends, or is refused: the UE must not use it any more. A refusal that is repeated is said once.
    fn ended(
        &mut self,
        id: WantedId,
        why: EndCause,
        store: &SharedStore,
        news: &mut Vec<News>,
    ) -> anyhow::Result<()> {
        if !self.item(id).entries.is_empty() {
            news.push(self.replace(id, Vec::new(), store)?);
        }
        let item = &mut self.items[usize::from(id.0)];
        if why != EndCause::Expired {
            self.places.set(&item.key, None);
            item.again = Some(now().plus_millis(REFUSED));
        }
        if item.refusal.replace(why) != Some(why) {
            news.push(News::Note(Note::Refused { name: item.name.clone(), why: why.to_string() }));
        }
        Ok(())
    }

    fn item(&self, id: WantedId) -> &Item {
        // An output is about a thing that was wanted, in this order.
        &self.items[usize::from(id.0)]
    }

    /// Gives entries that share a name with another one a number; an answer names its question by the new name. Keys that stay, as an update says, are those of before.
    fn with_names_and_keys(&self, id: WantedId, mut entries: Vec<Discovery>) -> Vec<Discovery> {
        let others = self.items.iter().enumerate().filter(|(index, _)| *index != usize::from(id.0));
        let mut taken: Vec<String> =
            others.flat_map(|(_, item)| item.entries.iter().map(|entry| entry.name.clone())).collect();
        let before = &self.item(id).entries;
        let mut renamed = Vec::new();
        for entry in &mut entries {
            let base = entry.name.clone();
            let mut number = 1;
            while taken.contains(&entry.name) {
                number += 1;
                entry.name = format!("{base} ({number})");
            }
            taken.push(entry.name.clone());
            renamed.push((base, entry.name.clone()));
            if let Some(old) = before.iter().find(|old| old.name == entry.name && old.announcer.is_some()) {
                let has_key = entry.key.is_some() || entry.dusk.is_some() || entry.duik.is_some();
                if !has_key {
                    (entry.key, entry.dusk, entry.duik) =
                        (old.key.clone(), old.dusk.clone(), old.duik.clone());
                    (entry.duck, entry.duck_mask) = (old.duck.clone(), old.duck_mask.clone());
                }
            }
        }
        for question in entries.iter_mut().filter_map(|entry| entry.question.as_mut()) {
            if let Some((_, name)) = renamed.iter().find(|(base, _)| base == question) {
                question.clone_from(name);
            }
        }
        entries
    }

    /// Puts entries in the place of those of before, in the store and for the UE.
    fn replace(&mut self, id: WantedId, new: Vec<Discovery>, store: &SharedStore) -> anyhow::Result<News> {
        let before = &self.item(id).entries;
        let ended = before.iter().filter(|old| new.iter().all(|entry| entry.name != old.name));
        let mut discovery: Vec<Discovery> = ended.cloned().collect();
        discovery.iter_mut().for_each(Discovery::revoke);
        discovery.extend(new.iter().cloned());
        let old = before.iter().map(|entry| entry.name.clone()).collect();
        store.open().put(&Keys { discovery, ..Keys::default() })?;
        self.items[usize::from(id.0)].entries.clone_from(&new);
        Ok(News::Discovery { old, new })
    }

    /// Sends a request. A UE that fetches once asks once: what the network refuses for now is said.
    fn ask(
        &mut self,
        client: &mut UeClient,
        request: RequestId,
        body: &Zeroizing<String>,
        lost: Lost,
        news: &mut Vec<News>,
    ) -> anyhow::Result<()> {
        let no_answer = |why| Input::NoAnswer { now: now(), request, why };
        let (input, trouble) = match client.send_xml(body) {
            Ok(Some(body)) => {
                self.pc3.handle_input(Input::Response { now: now(), request, body: &body });
                self.note_trouble(None, news);
                return Ok(());
            }
            Err(ClientError::Refused { status, .. }) if status == http::StatusCode::FORBIDDEN => {
                (no_answer(NoAnswer::Forbidden), None)
            }
            Ok(None) if lost == Lost::Fails => {
                anyhow::bail!("the ProSe Function took the request and said nothing; ask again")
            }
            Err(why) if lost == Lost::Fails => return Err(why.into()),
            Err(ClientError::Refused { retry_after: Some(wait), .. }) => {
                let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                let seconds = wait.as_secs();
                let why = format!("the ProSe Function has too much to do; it is asked again in {seconds} s");
                (no_answer(NoAnswer::Wait(millis)), Some(why))
            }
            Ok(None) => (no_answer(NoAnswer::Lost), Some("the ProSe Function said nothing".to_owned())),
            Err(why) => (no_answer(NoAnswer::Lost), Some(why.to_string())),
        };
        self.pc3.handle_input(input);
        self.note_trouble(trouble, news);
        Ok(())
    }

    /// Says a trouble once, and its end.
    fn note_trouble(&mut self, trouble: Option<String>, news: &mut Vec<News>) {
        let note = match (&self.trouble, &trouble) {
            (Some(_), None) => Some(Note::Works),
            (known, Some(why)) if known.as_ref() != Some(why) => Some(Note::Trouble(why.clone())),
            _ => None,
        };
        news.extend(note.map(News::Note));
        self.trouble = trouble;
    }

    fn compare_clocks(&self, theirs: UtcTime, news: &mut Vec<News>) {
        let ours = now().millis();
        let apart = ours.abs_diff(theirs.millis()) / 1000;
        if apart > CLOCKS {
            let way = if ours > theirs.millis() { "ahead of" } else { "behind" };
            let text = format!(
                "the clock of this computer is {apart} s {way} that of the ProSe Function: discovery fails beyond MAX_OFFSET; set it"
            );
            news.push(News::Note(Note::Trouble(text)));
        }
    }
}

/// Returns the name of something wanted in the file of entries.
fn key(name: &str, wanted: &Wanted) -> String {
    let what = match wanted {
        Wanted::Announce(_) | Wanted::AnnounceRestricted => "announce",
        Wanted::Monitor(_) | Wanted::MonitorRestricted(_) => "monitor",
        Wanted::Answer => "answer",
        Wanted::Ask(_) => "ask",
    };
    format!("{what} {name}")
}
