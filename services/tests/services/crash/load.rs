//! UEs that ask without pause, and what they were told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sidelink_network::key_delivery::PmkId;
use sidelink_network::pc3;
use sidelink_network::usim::SqnArray;
use sidelink_services::client::{Answered, KeyFile, UeClient, WantedIdentities};
use sidelink_services::tls::TlsMode;

use super::service::Addresses;
use crate::aaa::nas::{Nas, peer_of};
use crate::common::{self, announced, open_request};
use crate::group_keys::lossy::Lossy;
use crate::group_keys::net::{GROUP, Net, keys};
use crate::identities::kms_at;

/// How long a UE waits: the service it asks is killed soon.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between an authentication that broke off and the next.
const PAUSE: Duration = Duration::from_millis(10);

/// An announcement: UE, entry; code, key.
type Issued = BTreeMap<[u8; 23], (u32, u16, Vec<u8>)>;

/// What UEs were told, over all lives of the service.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) issued: Issued,
    /// B-TIDs, each of which comes once.
    pub(super) b_tids: BTreeMap<String, u32>,
    /// Content of each key of a group by its name and its end: an ID comes again once its key has ended.
    pub(super) keys: BTreeMap<(u8, u32), Vec<u8>>,
    pub(super) pmks: BTreeMap<Vec<u8>, (u32, Vec<u8>)>,
    last_pmks: BTreeMap<u32, Vec<u8>>,
    /// What came under each PMK and counter.
    pub(super) messages: BTreeMap<(PmkId, u32), Vec<u8>>,
    /// MSK of each authentication.
    pub(super) sessions: BTreeSet<Vec<u8>>,
    /// RSK of each identity and period: it is one, whoever makes it.
    receivers: BTreeMap<(String, u32), Vec<u8>>,
    /// PVT of each key to sign, each of which is made from fresh octets.
    pub(super) pvts: BTreeSet<Vec<u8>>,
}

impl Heard {
    /// What came of MIKEY.
    fn hear(&mut self, lossy: &Lossy) {
        for (name, octets) in lossy.names().into_iter().zip(lossy.heard()) {
            assert_eq!(self.messages.insert(name, octets), None, "{name:?} came twice");
        }
    }

    /// A PMK that a new UE got.
    fn pmk(&mut self, number: u32, file: &Path) {
        let Ok(text) = std::fs::read_to_string(file) else { return };
        let state: serde_json::Value = serde_json::from_str(&text).unwrap();
        let octets =
            |value: &serde_json::Value| -> Vec<u8> { serde_json::from_value(value.clone()).unwrap() };
        if state["pmk"].is_null() {
            return;
        }
        let (id, pmk) = (octets(&state["pmk"]["id"]), octets(&state["pmk"]["pmk"]));
        assert!(self.pmks.values().all(|(_, other)| *other != pmk), "a PMK came twice");
        self.last_pmks.insert(number, id.clone());
        assert_eq!(self.pmks.insert(id, (number, pmk)), None, "a PMK ID came twice");
    }

    /// The PMK that each UE got last, by its ID.
    pub(super) fn last_pmks(&self) -> impl Iterator<Item = (Vec<u8>, (u32, Vec<u8>))> {
        self.last_pmks.values().map(|id| (id.clone(), self.pmks[id].clone()))
    }

    pub(super) fn check(&self) {
        let contents: BTreeSet<_> = self.keys.values().collect();
        assert_eq!(contents.len(), self.keys.len(), "two keys have one content");
    }
}

/// States of the cards whose UEs keep them nowhere else.
#[derive(Default)]
pub(super) struct Cards(Mutex<BTreeMap<u32, SqnArray>>);

impl Cards {
    pub(super) fn of(&self, number: u32) -> SqnArray {
        self.0.lock().unwrap().get(&number).cloned().unwrap_or_default()
    }
}

/// What a UE needs.
pub(super) struct Worlds<'a> {
    pub(super) net: &'a Net,
    pub(super) folder: &'a Path,
    pub(super) at: Addresses,
    pub(super) heard: &'a Mutex<Heard>,
    pub(super) stop: &'a AtomicBool,
}

impl Worlds<'_> {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Bootstraps, and announces three times.
    pub(super) fn announce(&self, number: u32) {
        while !self.is_over() {
            // A new UE with the card of before: its state is in a file.
            let addresses = (self.at.ub, self.at.pc3);
            let mut ue = common::patient_client(self.folder, addresses, number, TlsMode::Tls13, PATIENCE);
            if ue.bootstrap().is_err() {
                continue;
            }
            let b_tid = ue.b_tid().unwrap().to_string();
            let before = self.heard.lock().unwrap().b_tids.insert(b_tid.clone(), number);
            assert_eq!(before, None, "{b_tid} came twice");
            for _ in 0..3 {
                self.announce_once(&mut ue, number);
            }
        }
    }

    fn announce_once(&self, ue: &mut UeClient, number: u32) {
        let Ok(Answered::Message(message)) = ue.send(&open_request(number, pc3::Command::Announce)) else {
            return;
        };
        let pc3::Message::DiscoveryResponse(response) = &message else { panic!("{message:?}") };
        if !response.rejects.is_empty() {
            return;
        }
        let (entry, code, key) = announced(&message);
        let before = self.heard.lock().unwrap().issued.insert(code, (number, entry.value(), key));
        assert!(before.is_none(), "a code came twice");
    }

    /// Fetches the keys of the group as a UE that has lost all.
    pub(super) fn fetch(&self, number: u32) {
        let path = self.folder.join(format!("{number}.groups"));
        while !self.is_over() {
            let _ = std::fs::remove_file(&path);
            let lossy = Lossy::start(self.net, number, 0);
            let addresses = (self.at.ub, self.at.pc8);
            let mut ue = common::patient_client(self.folder, addresses, number, TlsMode::Tls13, PATIENCE);
            let place = lossy.through(self.net.pkmf_at(self.at.pc8, number));
            let wait = Duration::from_millis(400);
            let fetched = ue.fetch_group_keys(&place, &KeyFile::new(&path), &[GROUP], wait);
            let mut heard = self.heard.lock().unwrap();
            heard.hear(&lossy);
            heard.pmk(number, &path);
            let Ok(fetched) = fetched else { continue };
            let ends = fetched.keys.group_keys(GROUP).into_iter().map(|key| key.expiry.value());
            for ((id, key), end) in keys(&fetched).into_iter().zip(ends) {
                let before = heard.keys.insert((id, end), key.clone());
                assert!(before.is_none_or(|before| before == key), "key {id} has two contents");
            }
        }
    }

    /// Bootstraps, and fetches the keys of its identity three times.
    pub(super) fn identify(&self, number: u32) {
        while !self.is_over() {
            let addresses = (self.at.ub, self.at.pc3);
            let mut ue = common::patient_client(self.folder, addresses, number, TlsMode::Tls13, PATIENCE);
            if ue.bootstrap().is_err() {
                continue;
            }
            for _ in 0..3 {
                let Ok(fetched) = ue.fetch_identities(&kms_at(self.at.kms), WantedIdentities::default())
                else {
                    break;
                };
                let mut heard = self.heard.lock().unwrap();
                for keys in &fetched.keys {
                    let rsk = keys.receiver.to_octets().to_vec();
                    let name = (keys.user.as_str().to_owned(), keys.period.number);
                    let before = heard.receivers.insert(name, rsk.clone());
                    assert!(before.is_none_or(|before| before == rsk), "the server has other master secrets");
                    assert!(heard.pvts.insert(keys.signing.pvt().to_vec()), "a PVT came twice");
                }
            }
        }
    }

    /// Authenticates in full, and fast.
    pub(super) fn authenticate(&self, number: u32, cards: &Cards) {
        while !self.is_over() {
            let mut nas = Nas::new(self.at.radius);
            let mut peer = peer_of(number, cards.of(number));
            for _ in 0..2 {
                let done = nas.authenticate(&mut peer);
                if let Some(accepted) = &nas.accepted {
                    cards.0.lock().unwrap().insert(number, accepted.clone());
                }
                assert_eq!(nas.out_of_sync, 0, "a sequence number of UE {number} went back");
                let Some(done) = done else {
                    // Nobody may be there any more.
                    std::thread::sleep(PAUSE);
                    break;
                };
                assert_eq!(done.msk, done.success.keys.msk);
                assert!(self.heard.lock().unwrap().sessions.insert(done.msk), "an MSK came twice");
            }
        }
    }
}
