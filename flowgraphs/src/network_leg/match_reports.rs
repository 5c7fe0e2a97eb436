//! Match reports of a monitor: filters come from the ProSe Function, and what it hears under them is checked there
//! (TS 24.334 §6.2.3, §6.2.4).
//!
//! ```text
//! monitor --messages to report--> network thread: NetworkLeg
//!         <--keys, answers, notes--
//! ```
//!
//! Neither waits for the other. A code is reported once until T4006 ends; while the network is away what is heard stays
//! `to_report`, and is reported when it is heard again.

use super::live::{LOOK, Overheard, sorted};
use super::{NetworkLeg, News, Note};
use crate::config::ue_toml::UeConfig;
use crate::experiments::network::entries::heard_of;
use crossbeam::channel::{Receiver, Sender, bounded};
use sidelink_security::discovery::Announcement;
use sidelink_security::discovery::signature::Hint;
use sidelink_store::Keys;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Messages that may wait for a report, and answers that may wait for the monitor.
const WAITING: usize = 64;

/// Messages that were reported and wait for their answer.
const REPORTED: usize = 256;

/// What comes from the network.
pub(crate) enum FromNetwork {
    /// Keys and filters, in the place of those before.
    Keys(Box<Keys>),
    /// The ProSe Function checked a message that was heard.
    Checked {
        /// The message; none where it was heard too long ago.
        heard: Option<Announcement>,
        /// What the ProSe Function says.
        note: Note,
    },
    /// Something else for the operator.
    Note(Note),
}

/// The network of a monitor; its thread ends when this is dropped.
pub(crate) struct MatchReports {
    to_network: Sender<Overheard>,
    answers: Receiver<FromNetwork>,
    reported: VecDeque<Announcement>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MatchReports {
    /// Opens the network leg of a UE's file and asks for everything once. Returns the keys and filters that are there, and what the
    /// operator is to read.
    ///
    /// # Errors
    /// The file, its key store, or the system gives no thread.
    pub(crate) fn start(path: &Path) -> anyhow::Result<(Self, Keys, Vec<Note>)> {
        let config = UeConfig::from_file(path)?;
        let mut leg = NetworkLeg::open(&config, &path.display().to_string())?;
        let news = leg.begin();
        let (_, notes) = sorted(&config, &leg.store(), news);
        let keys = leg.store().keys()?.for_ue(&config.name);
        let (to_network, heard) = bounded::<Overheard>(WAITING);
        let (to_monitor, answers) = bounded(WAITING);
        let stop = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("network".to_owned()).spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                heard.try_iter().for_each(|heard| heard.tell(&mut leg));
                for from in told(&config, &leg.store(), leg.go_on(LOOK)) {
                    // A monitor that is so far behind has ended, or hears more than can be checked.
                    let _ = to_monitor.try_send(from);
                }
            }
        })?;
        let reported = VecDeque::new();
        Ok((Self { to_network, answers, reported, stop, thread: Some(thread) }, keys, notes))
    }

    /// Has a message checked, unless its code was reported lately.
    pub(crate) fn hear(&mut self, announcement: &Announcement) {
        if self.to_network.try_send(Overheard::ToReport(heard_of(announcement))).is_ok() {
            remember(&mut self.reported, *announcement);
        }
    }

    /// Asks for the key of a hint that is unknown.
    pub(crate) fn want_key(&self, hint: Hint) {
        let _ = self.to_network.try_send(Overheard::Unknown(hint));
    }

    /// The next thing that came, if there is one.
    pub(crate) fn poll(&mut self) -> Option<FromNetwork> {
        Some(match self.answers.try_recv().ok()? {
            FromNetwork::Note(note) => match &note {
                Note::Verified { code, .. } | Note::NotVerified { code, .. } => {
                    FromNetwork::Checked { heard: take(&mut self.reported, code), note }
                }
                _ => FromNetwork::Note(note),
            },
            other => other,
        })
    }
}

impl Drop for MatchReports {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What of the news concerns a monitor. Keys are read anew where some have changed.
fn told(config: &UeConfig, store: &sidelink_store::SharedStore, news: Vec<News>) -> Vec<FromNetwork> {
    let has_keys = news.iter().any(|news| matches!(news, News::Discovery { .. } | News::Group(_)));
    let (_, notes) = sorted(config, store, news);
    let mut told: Vec<FromNetwork> = notes.into_iter().map(FromNetwork::Note).collect();
    if has_keys {
        match store.keys() {
            Ok(keys) => told.insert(0, FromNetwork::Keys(Box::new(keys.for_ue(&config.name)))),
            Err(why) => told.push(FromNetwork::Note(Note::Trouble(why.to_string()))),
        }
    }
    told
}

/// Keeps the first message of a code that waits for its answer: that is the one which is reported.
fn remember(reported: &mut VecDeque<Announcement>, announcement: Announcement) {
    if reported.iter().any(|waiting| waiting.code == announcement.code) {
        return;
    }
    if reported.len() == REPORTED {
        reported.pop_front();
    }
    reported.push_back(announcement);
}

fn take(reported: &mut VecDeque<Announcement>, code: &[u8; 23]) -> Option<Announcement> {
    let at = reported.iter().position(|waiting| waiting.code == *code)?;
    reported.remove(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelink_security::counter::UtcCounter;
    use sidelink_security::discovery::Mic;

    fn heard(code: u8, counter: u32) -> Announcement {
        let (mic, counter) = (Mic([counter as u8; 4]), UtcCounter::new(counter));
        Announcement { message_type: 0x41, code: [code; 23], mic, counter }
    }

    #[test]
    fn an_answer_is_of_the_first_message_of_its_code_and_comes_once() {
        let mut reported = VecDeque::new();
        for counter in 0..3 {
            remember(&mut reported, heard(1, counter));
            remember(&mut reported, heard(2, counter));
        }
        assert_eq!(take(&mut reported, &[2; 23]), Some(heard(2, 0)));
        assert_eq!((take(&mut reported, &[2; 23]), take(&mut reported, &[1; 23])), (None, Some(heard(1, 0))));
    }

    #[test]
    fn a_flood_of_codes_is_bounded() {
        let mut reported = VecDeque::new();
        for code in 0..=255_u8 {
            for more in 0..4 {
                let mut heard = heard(code, 0);
                heard.code[0] = more;
                remember(&mut reported, heard);
            }
        }
        assert_eq!(reported.len(), REPORTED);
    }
}
