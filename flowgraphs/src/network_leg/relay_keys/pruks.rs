//! PRUKs of a remote UE: asked for over PC8 in coverage, brought by relays out of it, in a file whatever happens.
//!
//! ```text
//! UE thread: RemoteKeys --records--> thread "pruks": file beside the USIM, each durable before the next
//!                       <--written--
//!                       <--PRUK------ network thread: asks the PKMF, now and then whether the PRUK still serves
//!                       --PRUK ID--->
//! ```
//!
//! A remote UE that asks nobody has the file alone.

use super::{RelayKeysEnd, remote_settings};
use crate::config::network_toml::{NetworkConfig, RelayKeysConfig};
use crate::network_leg::places::beside;
use crate::network_leg::{News, Note, now};
use crate::relay_keys::remote::{
    News as Provision, Record, RemoteKeys, RemotePort, RemoteSettings, WriteId, Written,
};
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use sidelink_network::pc8::PrukId;
use sidelink_network::remote_ue::{Failure, Slots};
use sidelink_network::usim::Usim;
use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::counter::UtcTime;
use sidelink_services::client::{KeyFileError, PkmfAddress, PrukAnswer, PrukFile, SqnFile, UeClient};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Records, notes and names that may wait.
const WAITING: usize = 32;

/// Between two questions whether the PRUK serves.
const LOOK: Duration = Duration::from_secs(3600);

/// Until a PKMF that refuses, or does not answer, is asked again.
const AGAIN: Duration = Duration::from_secs(10);

/// A PRUK, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PrukNews {
    /// This one counts.
    Held {
        /// Its name, hexadecimal digits.
        id: String,
        /// Seconds since it came.
        age: u64,
    },
    /// The PKMF gives none.
    Refused {
        /// Why.
        why: String,
    },
}

/// The network's end of a remote UE's PRUKs.
pub(in crate::network_leg) struct Pruks {
    pkmf: PkmfAddress,
    held: Option<PrukId>,
    look: Instant,
    /// The trouble that the operator knows of.
    trouble: Option<String>,
    /// The file and what else the UE's end takes, until that is taken.
    own: Option<Own>,
    to_ue: Sender<Provision>,
    provisions: Receiver<Provision>,
    /// What the UE's end says: the name of its PRUK, and why a command gave no KD.
    said: (Sender<Said>, Receiver<Said>),
}

struct Own {
    settings: RemoteSettings,
    subscriber: Subscriber,
    usim: SqnFile,
    file: PrukFile,
    again: Option<u64>,
}

/// What the UE's end says.
enum Said {
    Holds(Option<PrukId>),
    Failed(Failure),
}

impl Pruks {
    /// Opens the file of PRUKs beside the USIM.
    pub(super) fn open(
        network: &NetworkConfig,
        keys: &RelayKeysConfig,
        pkmf: PkmfAddress,
        usim: SqnFile,
    ) -> anyhow::Result<Self> {
        let card = network.usim()?;
        let settings = remote_settings(network, keys, &card)?;
        let file = PrukFile::open(beside(&network.usim, ".pruk"))?;
        let held = name(&file.slots());
        let own = Some(Own { settings, subscriber: card.keys, usim, file, again: keys.again });
        let (to_ue, provisions) = bounded(WAITING);
        let (look, said) = (Instant::now(), bounded(WAITING));
        Ok(Self { pkmf, held, look, trouble: None, own, to_ue, provisions, said })
    }

    /// Asks once: what came is in the file.
    pub(super) fn fetch(&mut self, client: &mut UeClient) -> anyhow::Result<PrukNews> {
        let answer = client.fetch_pruk(&self.pkmf, self.held)?;
        Ok(self.take(answer)?)
    }

    /// Asks when it is time.
    pub(super) fn go_on(&mut self, client: &mut UeClient) -> Vec<News> {
        let mut news = self.heard();
        if Instant::now() < self.look {
            return news;
        }
        let taken = match client.fetch_pruk(&self.pkmf, self.held) {
            Ok(answer) => self.take(answer).map_err(|why| why.to_string()),
            Err(why) => Err(why.to_string()),
        };
        self.look = Instant::now() + if matches!(taken, Ok(PrukNews::Held { .. })) { LOOK } else { AGAIN };
        let trouble = match &taken {
            Ok(PrukNews::Held { .. }) => None,
            Ok(PrukNews::Refused { why }) => Some(format!("the PKMF gives no PRUK: {why}")),
            Err(why) => Some(format!("PRUK: {why}")),
        };
        if let Some(why) = trouble.iter().find(|why| self.trouble.as_ref() != Some(why)) {
            news.push(News::Note(Note::Trouble(why.clone())));
        }
        self.trouble = trouble;
        news.extend(taken.ok().map(News::Pruk));
        news
    }

    /// What the UE's end has said.
    fn heard(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        for said in self.said.1.try_iter() {
            match said {
                Said::Holds(held) if held == self.held => {}
                Said::Holds(held) => {
                    self.held = held;
                    news.extend(held.map(|id| News::Pruk(PrukNews::Held { id: hex(id), age: 0 })));
                }
                Said::Failed(why) => news.push(News::Note(Note::Trouble(no_key(why)))),
            }
        }
        news
    }

    /// KEY_RESPONSE -> current, and pending goes; a refusal -> both go: into the file, or to the UE that has it.
    fn take(&mut self, answer: PrukAnswer) -> Result<PrukNews, KeyFileError> {
        let (slots, refusal) = match answer {
            PrukAnswer::New(held) => (Slots { current: Some(held), pending: None }, None),
            PrukAnswer::Refused(why) => (Slots::default(), Some(why.to_string())),
            PrukAnswer::Good => return Ok(self.news()),
        };
        match &mut self.own {
            Some(own) => own.file.store(&slots)?,
            // A UE that has ended takes nothing.
            None => {
                _ = self.to_ue.try_send(slots.duplicate().current.map_or(Provision::Refused, Provision::Pruk))
            }
        }
        self.held = name(&slots);
        Ok(refusal.map_or_else(|| self.news(), |why| PrukNews::Refused { why }))
    }

    fn news(&self) -> PrukNews {
        let since = self.own.as_ref().zip(self.held).and_then(|(own, id)| own.file.since(id));
        let age = since.map_or(0, |since| now().millis().saturating_sub(since.millis()) / 1000);
        PrukNews::Held { id: self.held.map(hex).unwrap_or_default(), age }
    }

    /// Gives the UE its end; once.
    pub(super) fn take_end(&mut self) -> std::io::Result<Option<RelayKeysEnd>> {
        let Some(Own { settings, subscriber, usim, file, again }) = self.own.take() else { return Ok(None) };
        let array = usim.load().map_err(std::io::Error::other)?;
        let slots = file.slots();
        let disk = Disk::start(file, usim)?;
        let port = Port { disk, provisions: self.provisions.clone(), said: self.said.0.clone() };
        let keys = RemoteKeys::new(settings, Usim::new(subscriber, array), slots, port);
        Ok(Some(RelayKeysEnd { keys: Box::new(keys), again }))
    }
}

fn no_key(why: Failure) -> String {
    format!("the command of a relay gave no key: {why}")
}

/// The PRUK that a KEY_REQUEST names.
fn name(slots: &Slots) -> Option<PrukId> {
    slots.current.as_ref().or(slots.pending.as_ref()).map(|held| held.id)
}

fn hex(id: PrukId) -> String {
    sidelink_wire::hex::of_bytes(&id.0)
}

/// A thread that writes; dropped, it ends after what waits for it.
struct Disk {
    records: Option<Sender<(WriteId, Record)>>,
    written: Receiver<(WriteId, Written)>,
    /// Writes that found no room.
    refused: Vec<WriteId>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    fn start(mut file: PrukFile, usim: SqnFile) -> std::io::Result<Self> {
        let (records, to_write) = bounded::<(WriteId, Record)>(WAITING);
        // As many as records: the thread never waits for the UE.
        let (to_ue, written) = bounded(2 * WAITING);
        let thread = std::thread::Builder::new().name("pruks".to_owned()).spawn(move || {
            for (id, record) in to_write {
                let done = match record {
                    Record::Slots(slots) => file.store(&slots).map_err(|why| why.to_string()),
                    Record::Usim(array) => usim.raise(&array).map(drop).map_err(|why| why.to_string()),
                };
                let written = done.map_or_else(
                    |why| {
                        tracing::error!("{why}");
                        Written::Failed
                    },
                    |()| Written::Durable,
                );
                let _ = to_ue.send((id, written));
            }
        })?;
        Ok(Self { records: Some(records), written, refused: Vec::new(), thread: Some(thread) })
    }

    fn write(&mut self, id: WriteId, record: Record) {
        let sent = self.records.as_ref().is_some_and(|records| records.try_send((id, record)).is_ok());
        if !sent {
            self.refused.push(id);
        }
    }

    fn written(&mut self) -> Option<(WriteId, Written)> {
        let refused = self.refused.pop().map(|id| (id, Written::Failed));
        refused.or_else(|| self.written.try_recv().ok())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.records = None;
        // What was written meanwhile concerns nobody: the thread must not wait for room.
        let unheard = std::mem::replace(&mut self.written, bounded(0).1);
        drop(unheard);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What stands behind the keys of a remote UE that runs.
struct Port {
    disk: Disk,
    provisions: Receiver<Provision>,
    said: Sender<Said>,
}

impl RemotePort for Port {
    fn write(&mut self, _: UtcTime, write: WriteId, record: Record) {
        self.disk.write(write, record);
    }

    fn written(&mut self, _: UtcTime) -> Option<(WriteId, Written)> {
        self.disk.written()
    }

    fn news(&mut self, _: UtcTime) -> Option<Provision> {
        self.provisions.try_recv().ok()
    }

    fn holds(&mut self, _: UtcTime, pruk: Option<PrukId>) {
        let _ = self.said.try_send(Said::Holds(pruk));
    }

    fn failed(&mut self, _: UtcTime, why: Failure) {
        // Without a network thread nobody reports it.
        if let Err(TrySendError::Disconnected(_)) = self.said.try_send(Said::Failed(why)) {
            tracing::warn!("{}", no_key(why));
        }
    }
}

#[cfg(test)]
mod tests;
