//! kill -9 of a PKMF under load: no PMK and no counter comes twice, no key with another content.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sidelink_network::key_delivery::PmkId;
use sidelink_services::client::KeyFile;
use sidelink_services::tls::TlsMode;

use super::lossy::Lossy;
use super::net::{self, GROUP, Net, keys};
use crate::common;

/// Set in the child: the folder of its database, and its network.
const CHILD: &str = "SIDELINK_SERVICES_PKMF";

const UES: u32 = 2;

/// How often it is killed.
const KILLS: u32 = 12;

/// The child: serves until it is killed.
#[test]
#[ignore = "the child of the test that kills it"]
fn child() {
    let Some(told) = std::env::var(CHILD).ok() else { return };
    let (octets, folder) = told.split_once(' ').unwrap();
    let mut net = [0; 3];
    hex::decode_to_slice(octets, &mut net).unwrap();
    let mut config = net::config(&Net::of(net), Path::new(folder), UES);
    let pkmf = &mut config.pkmf.as_mut().unwrap().pkmf;
    // Short periods, and few counters at a time, so that most restarts fall into a reservation.
    (pkmf.lifetime, pkmf.lead, pkmf.interval) = (3, 1, 50);
    pkmf.reserve = sidelink_security::counter::reserve::ReserveConfig { block: 2, low_water: 1 };
    let handle = sidelink_services::Network::start(config).unwrap();
    eprintln!("\nSERVING {} {}", handle.ub_address().unwrap(), handle.pc8_address().unwrap());
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

struct Service(Child, SocketAddr, SocketAddr);

impl Service {
    fn start(net: &Net, folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["group_keys::crash::child", "--exact", "--ignored", "--nocapture"]);
        command.env(CHILD, format!("{} {}", hex::encode(net.octets()), folder.display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut service = Self(command.spawn().unwrap(), nowhere, nowhere);
        let mut heard = Vec::new();
        for line in BufReader::new(service.0.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some((ub, pc8)) = line.strip_prefix("SERVING ").and_then(|rest| rest.split_once(' ')) {
                (service.1, service.2) = (ub.parse().unwrap(), pc8.parse().unwrap());
                return service;
            }
            heard.push(line);
        }
        panic!("the child ended: {heard:?}")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What UEs got, over all lives of the service.
#[derive(Default)]
struct Heard {
    /// Content of each key by its name and its end: an ID comes again once its key has ended.
    keys: BTreeMap<(u8, u32), Vec<u8>>,
    pmks: BTreeMap<Vec<u8>, (u32, Vec<u8>)>,
    /// What came under each PMK and counter.
    messages: BTreeMap<(PmkId, u32), Vec<u8>>,
}

impl Heard {
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
        assert_eq!(self.pmks.insert(id, (number, pmk)), None, "a PMK ID came twice");
    }
}

/// A UE that has lost all, again and again.
fn load(net: &Net, folder: &Path, service: &Service, number: u32, heard: &Mutex<Heard>, stop: &AtomicBool) {
    let path = folder.join(format!("{number}.groups"));
    while !stop.load(Ordering::Relaxed) {
        let _ = std::fs::remove_file(&path);
        let lossy = Lossy::start(net, number, 0);
        let addresses = (service.1, service.2);
        let mut ue =
            common::patient_client(folder, addresses, number, TlsMode::Tls13, Duration::from_secs(5));
        let place = lossy.through(net.pkmf_at(service.2, number));
        let fetched = ue.fetch_group_keys(&place, &KeyFile::new(&path), &[GROUP], Duration::from_millis(400));
        let mut heard = heard.lock().unwrap();
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

#[test]
fn a_dozen_kills_repeat_no_pmk_no_counter_and_no_key() {
    let (net, folder) = (Net::new(), tempfile::tempdir().unwrap());
    let heard = Mutex::new(Heard::default());
    for _ in 0..KILLS {
        let mut service = Service::start(&net, folder.path());
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for number in 1..=UES {
                let (net, folder, service, heard, stop) = (&net, folder.path(), &service, &heard, &stop);
                scope.spawn(move || load(net, folder, service, number, heard, stop));
            }
            std::thread::sleep(Duration::from_millis(200 + u64::from(getrandom::u32().unwrap() % 500)));
            let killed = Command::new("kill").args(["-9", &service.0.id().to_string()]).status().unwrap();
            assert!(killed.success());
            stop.store(true, Ordering::Relaxed);
        });
        service.0.wait().unwrap();
    }
    let heard = heard.into_inner().unwrap();
    let contents: BTreeSet<_> = heard.keys.values().collect();
    assert_eq!(contents.len(), heard.keys.len(), "two names have one content");
    let told = (heard.pmks.len(), heard.messages.len(), heard.keys.len());
    assert!(told.0 > KILLS as usize && told.1 > KILLS as usize && told.2 > 1, "hardly any load: {told:?}");
    eprintln!("{KILLS} kills: {} PMKs, {} messages, {} keys, none twice", told.0, told.1, told.2);
}
