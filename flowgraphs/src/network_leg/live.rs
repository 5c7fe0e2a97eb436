//! The network leg beside a UE that runs.
//!
//! ```text
//! UE thread: Listening (events) --messages to report--> network thread: NetworkLeg, key store
//!            Updates (between subframes) <--News--           '--> notes, for the reporter
//!            Questions (of links) <--tickets--> threads of questions.rs
//!            RelayKeysEnd (of links) <--PC8-->  the same
//! ```
//!
//! None waits for another: a message that finds the queue full is not reported this time, and is heard again.

use super::questions::{self, Questions};
use super::relay_keys::{PrukNews, RelayKeysEnd};
use super::{NetworkLeg, News, Note};
use crate::config::ConfigError;
use crate::config::ue_toml::UeConfig;
use crate::experiments::network::entries::heard_of;
use crate::report::events::Reporter;
use crossbeam::channel::{Receiver, Sender, bounded};
use sidelink_network::pc3_client::Heard;
use sidelink_prose::direct_link::TicketAccess;
use sidelink_prose::discovery::Finding;
use sidelink_prose::discovery::agent;
use sidelink_security::discovery::signature::Hint;
use sidelink_store::{Discovery, SharedStore};
use sidelink_ue::provision::{GroupNews, IdentityNews, RenewTerms};
use sidelink_ue::{Application, Event, Moment, Observer, Send, Ue};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Messages that may wait for a report.
const MESSAGES: usize = 64;

/// News that may wait for the UE.
const NEWS: usize = 256;

/// Time between two looks of the network thread.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// The threads that keep a UE's keys fresh and ask what its links ask; they end when this is dropped.
pub(crate) struct Live {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// The UE's ends.
pub(crate) struct Ends {
    /// Hands over what is heard.
    pub(crate) listening: Listening,
    /// Brings what is new.
    pub(crate) updates: Updates,
    /// Where links ask for tickets, if they take some.
    pub(crate) questions: Option<Questions>,
    /// Where links between remote UE and relay ask for their keys, if there may be some.
    pub(crate) relay_keys: Option<RelayKeysEnd>,
}

impl Live {
    /// Starts the threads with a leg that has fetched. What it did not fetch is asked for again.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(
        mut leg: NetworkLeg,
        config: UeConfig,
        reporter: Reporter,
    ) -> std::io::Result<(Self, Ends)> {
        let (to_network, heard) = bounded::<Overheard>(MESSAGES);
        let (to_ue, news) = bounded(NEWS);
        let (questions, ways) = questions::new();
        let questions = Some(questions).filter(|_| leg.has_tickets());
        let (desk, pkmf_ways) = questions::new();
        let relay_keys = leg.take_relay_keys(desk)?;
        let terms = config.renew_terms();
        let stop = Arc::new(AtomicBool::new(false));
        let mut live = Self { stop, threads: Vec::new() };
        if questions.is_some() {
            live.threads = ways.start(&live.stop, || reporter.another(&config.name))?;
        }
        if leg.asks_pkmf() {
            live.threads.extend(pkmf_ways.start(&live.stop, || reporter.another(&config.name))?);
        }
        let ends = Arc::clone(&live.stop);
        let thread = std::thread::Builder::new().name("network".to_owned()).spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                heard.try_iter().for_each(|heard| heard.tell(&mut leg));
                ways.answer_rest(&reporter, |question| leg.ask_ticket(question));
                pkmf_ways.answer_rest(&reporter, |question| leg.ask_pkmf(question));
                let news = leg.go_on(LOOK);
                if let Some(way) = leg.take_ticket_way() {
                    ways.renew(way);
                }
                if let Some(way) = leg.take_pkmf_way() {
                    pkmf_ways.renew(way);
                }
                let (fresh, notes) = sorted(&config, &leg.store(), news);
                notes.iter().for_each(|note| reporter.note(super::now(), note));
                // The UE looks every subframe: a full queue is that of a UE that has ended.
                fresh.into_iter().for_each(|fresh| _ = to_ue.try_send(fresh));
            }
        })?;
        live.threads.push(thread);
        let (listening, updates) = (Listening(to_network), Updates { news, terms });
        let ends = Ends { listening, updates, questions, relay_keys };
        Ok((live, ends))
    }
}

/// What a UE that runs takes.
pub(super) enum Fresh {
    /// Entries of discovery, in the place of those of these names.
    Discovery(Vec<String>, Vec<Discovery>),
    /// A group and its PGKs.
    Group(GroupNews),
    /// Keys of its identities.
    Identities(IdentityNews),
    /// The key that it shares with the server of tickets.
    TicketKey(TicketAccess),
}

/// Sorts news into what the UE takes and what is for the operator. Keys of identities are read from the store, and their
/// tables are made, here: both take long.
pub(super) fn sorted(config: &UeConfig, store: &SharedStore, news: Vec<News>) -> (Vec<Fresh>, Vec<Note>) {
    let (mut fresh, mut notes, mut has_identities) = (Vec::new(), Vec::new(), false);
    for news in news {
        match news {
            News::Discovery { old, new } => fresh.push(Fresh::Discovery(old, new)),
            News::Group(group) => fresh.push(Fresh::Group(group)),
            News::Identity { .. } => has_identities = true,
            News::TicketKey(access) => fresh.push(Fresh::TicketKey(access)),
            News::Configuration(_) => {}
            News::Pruk(PrukNews::Held { id, .. }) => notes.push(Note::Pruk { id }),
            // A note says why.
            News::Pruk(PrukNews::Refused { .. }) => {}
            News::Note(note) => notes.push(note),
        }
    }
    if has_identities {
        let keys = store.keys().map_err(ConfigError::from);
        match keys.and_then(|keys| config.identity_news(&keys)) {
            Ok(identities) => fresh.push(Fresh::Identities(identities)),
            Err(why) => notes.push(Note::Trouble(format!("keys of identities: {why}"))),
        }
    }
    (fresh, notes)
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// What was heard that the network is asked about.
pub(super) enum Overheard {
    /// A message whose MIC it checks.
    ToReport(Heard),
    /// The hint of a public key that the UE does not have.
    Unknown(Hint),
}

impl Overheard {
    pub(super) fn tell(self, leg: &mut NetworkLeg) {
        match self {
            Self::ToReport(heard) => leg.hear(heard),
            Self::Unknown(hint) => leg.want_key(hint),
        }
    }
}

/// Hands what the network is asked about to the network thread.
pub(crate) struct Listening(Sender<Overheard>);

impl Application for Listening {
    fn work(&mut self, _now: Moment, _send: &mut Send<'_>) {}

    fn event(&mut self, _now: Moment, event: &Event<'_>) {
        let finding = match event {
            Event::Discovery { event: agent::Event::Discovered(discovered), .. } => &discovered.finding,
            Event::Discovery { event: agent::Event::Answered { finding, .. }, .. } => finding,
            Event::Discovery { event: agent::Event::KeyWanted(hint), .. } => {
                let _ = self.0.try_send(Overheard::Unknown(*hint));
                return;
            }
            _ => return,
        };
        if let Finding::ToReport(announcement) = finding {
            let _ = self.0.try_send(Overheard::ToReport(heard_of(announcement)));
        }
    }
}

/// Gives the UE its new codes, its PGKs and its key for tickets.
pub(crate) struct Updates {
    news: Receiver<Fresh>,
    terms: RenewTerms,
}

impl Observer<Ue> for Updates {
    fn look(&mut self, ue: &mut Ue) {
        while let Ok(news) = self.news.try_recv() {
            let result = match news {
                Fresh::Discovery(old, new) => ue.stack().renew_discovery(&self.terms, &old, &new),
                Fresh::Group(news) => ue.stack().renew_group(&self.terms, &news),
                Fresh::Identities(news) => {
                    ue.stack().renew_identities(news);
                    Ok(())
                }
                Fresh::TicketKey(access) => {
                    if let Some(links) = ue.stack().links() {
                        links.establish_by_ticket(Arc::new(access));
                    }
                    Ok(())
                }
            };
            if let Err(why) = result {
                tracing::error!("{}: what the network gave cannot be used: {why}", self.terms.ue);
            }
        }
    }
}

#[cfg(test)]
mod tests;
