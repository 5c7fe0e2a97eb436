//! KDs for the remote UEs of a relay: its way to the PKMF under its own bootstrapped key.
//!
//! ```text
//! UE thread: RelayKeys --document--> one of the threads of questions.rs: PkmfWay, under the newest key
//!                      <--document--   '--no key, or one that the PKMF does not take--> network thread, which bootstraps
//! ```
//!
//! A KD is in an answer and kept nowhere here. An answer that comes when its link is over is dropped by the machine of the relay.

use super::RelayKeysEnd;
use crate::network_leg::questions::Desk;
use crate::network_leg::{News, Note};
use crate::relay_keys::relay::{NoKd, RelayKeys, RelayPort, RelaySettings, Reply, RequestId};
use crossbeam::channel::{Receiver, Sender, bounded};
use sidelink_network::relay_client::Identity;
use sidelink_security::counter::UtcTime;
use sidelink_services::client::{PkmfAddress, PkmfWay, UeClient};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Notes that may wait.
const NOTES: usize = 32;

/// Between two tries to get a key.
const AGAIN: Duration = Duration::from_secs(10);

/// The same refusal is told again after so many milliseconds: anybody can make a relay ask.
const TOLD: u64 = 5_000;

/// The network's end of a relay's keys.
pub(in crate::network_leg) struct Kds {
    settings: RelaySettings,
    pkmf: PkmfAddress,
    /// Name of the key that the way is under.
    key: Option<Vec<u8>>,
    look: Instant,
    /// The way under the newest key, until it is taken.
    way: Option<PkmfWay>,
    trouble: Option<String>,
    notes: (Sender<Note>, Receiver<Note>),
}

impl Kds {
    pub(super) fn new(settings: RelaySettings, pkmf: PkmfAddress) -> Self {
        let (look, notes) = (Instant::now(), bounded(NOTES));
        Self { settings, pkmf, key: None, look, way: None, trouble: None, notes }
    }

    /// Gets a key where there is none, or takes the one that bootstrapping has made.
    pub(super) fn go_on(&mut self, client: &mut UeClient) -> Vec<News> {
        let mut news: Vec<_> = self.notes.1.try_iter().map(News::Note).collect();
        let present = client.b_tid().map(|name| name.as_str().as_bytes());
        if self.key.is_some() && present == self.key.as_deref() || Instant::now() < self.look {
            return news;
        }
        self.look = Instant::now() + AGAIN;
        let trouble = match client.bootstrap_if_needed() {
            Ok(()) => {
                self.key = client.b_tid().map(|name| name.as_str().as_bytes().to_vec());
                self.way = client.pkmf_way(&self.pkmf);
                None
            }
            Err(why) => Some(format!("key of this relay for the PKMF: {why}")),
        };
        if let Some(why) = trouble.iter().find(|why| self.trouble.as_ref() != Some(why)) {
            news.push(News::Note(Note::Trouble(why.clone())));
        }
        self.trouble = trouble;
        news
    }

    /// Takes the way to the PKMF under a new key.
    pub(super) const fn take_way(&mut self) -> Option<PkmfWay> {
        self.way.take()
    }

    /// Asks the PKMF, and bootstraps where it does not take the key.
    pub(super) fn ask(&self, client: &mut UeClient, document: &[u8]) -> Result<Zeroizing<Vec<u8>>, Note> {
        let answer = client.ask_pkmf(&self.pkmf, document);
        answer.map_err(|why| Note::Trouble(format!("key of a remote UE: {why}")))
    }

    /// Gives the UE its end.
    pub(super) fn take_end(&mut self, desk: Desk<RequestId>) -> Option<RelayKeysEnd> {
        let port = Port { desk, notes: self.notes.0.clone(), told: None };
        Some(RelayKeysEnd { keys: Box::new(RelayKeys::new(self.settings, port)), again: None })
    }
}

/// What stands behind the keys of a relay that runs.
struct Port {
    desk: Desk<RequestId>,
    notes: Sender<Note>,
    /// The last refusal that was told, and when.
    told: Option<(NoKd, UtcTime)>,
}

impl RelayPort for Port {
    fn send(&mut self, _: UtcTime, request: RequestId, document: Zeroizing<String>) {
        self.desk.ask(request, Zeroizing::new(document.as_bytes().to_vec()));
    }

    fn reply(&mut self, _: UtcTime) -> Option<(RequestId, Reply)> {
        let (request, answer) = self.desk.answer()?;
        Some((request, answer.map_or(Reply::Lost, Reply::Document)))
    }

    fn granted(&mut self, _: UtcTime, remote: Identity) {
        let who = match remote {
            Identity::Imsi(imsi) => format!("IMSI {imsi}"),
            Identity::Msisdn(msisdn) => format!("number {msisdn}"),
            Identity::Other(other) => format!("remote UE {}", sidelink_wire::hex::of_bytes(&other.0)),
        };
        let _ = self.notes.try_send(Note::Serves { who });
    }

    fn refused(&mut self, now: UtcTime, why: &NoKd) {
        let is_told = |(what, at): &(NoKd, UtcTime)| what == why && now < at.plus_millis(TOLD);
        if self.told.as_ref().is_some_and(is_told) {
            return;
        }
        self.told = Some((why.clone(), now));
        let name = "key of a remote UE".to_owned();
        let _ = self.notes.try_send(Note::Refused { name, why: why.to_string() });
    }
}
