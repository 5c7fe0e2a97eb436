//! kill -9 under load: what was answered is durable, no sequence number goes back, no code and no key comes twice.
//!
//! The service runs in a child process, which is this test program again. UEs bootstrap and announce without pause; the child is
//! killed at a random moment and started again on the same database.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use sidelink_network::pc3;
use sidelink_services::client::{Answered, UeClient};
use sidelink_services::tls::TlsMode;

use crate::cluster::Cluster;
use crate::common::{self, announced, open_request};

/// Set in the child: the folder of its database, and the address of one on a server.
const FOLDER: &str = "SIDELINK_SERVICES_CHILD";
const ADDRESS: &str = "SIDELINK_SERVICES_CHILD_DATABASE";

const UES: u32 = 4;

/// The child: serves until it is killed.
#[test]
#[ignore = "the child of the tests that kill it"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut config = common::config(Path::new(&folder), UES);
    if let Some(address) = std::env::var_os(ADDRESS) {
        config.database = crate::postgres::database(address.to_str().unwrap(), Path::new(&folder));
    }
    // Few codes at a time, so that most restarts fall into a reservation.
    config.hss.as_mut().unwrap().reserve =
        sidelink_security::counter::reserve::ReserveConfig { block: 2, low_water: 1 };
    let handle = sidelink_services::Network::start(config).unwrap();
    eprintln!("\nSERVING {} {}", handle.ub_address().unwrap(), handle.pc3_address().unwrap());
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

struct Service(Child, (SocketAddr, SocketAddr));

impl Service {
    fn start(folder: &Path, home: &Home<'_>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["crash::child", "--exact", "--ignored", "--nocapture"]).env(FOLDER, folder);
        if let Home::Server(_, address) = home {
            command.env(ADDRESS, address);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut service = Self(command.spawn().unwrap(), (nowhere, nowhere));
        let mut lines = BufReader::new(service.0.stderr.take().unwrap()).lines();
        let mut heard = Vec::new();
        loop {
            let line = lines.next().unwrap_or_else(|| panic!("the child ended: {heard:?}")).unwrap();
            if let Some(addresses) = line.strip_prefix("SERVING ") {
                let (ub, pc3) = addresses.split_once(' ').unwrap();
                service.1 = (ub.parse().unwrap(), pc3.parse().unwrap());
                return service;
            }
            heard.push(line);
        }
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An announcement: UE, entry; code, key.
type Issued = BTreeMap<[u8; 23], (u32, u16, Vec<u8>)>;

/// What UEs were told, over all lives of the service.
#[derive(Default)]
struct Heard {
    issued: Issued,
    /// B-TIDs, each of which comes once.
    b_tids: BTreeMap<String, u32>,
}

fn load(
    folder: &Path,
    addresses: (SocketAddr, SocketAddr),
    number: u32,
    heard: &Mutex<Heard>,
    stop: &AtomicBool,
) {
    while !stop.load(Ordering::Relaxed) {
        // A new UE with the card of before: its state is in a file.
        let mut ue = common::client(folder, addresses, number, TlsMode::Tls13);
        if ue.bootstrap().is_err() {
            continue;
        }
        let b_tid = ue.b_tid().unwrap().to_string();
        let before = heard.lock().unwrap().b_tids.insert(b_tid.clone(), number);
        assert_eq!(before, None, "{b_tid} came twice");
        for _ in 0..3 {
            announce(&mut ue, number, heard);
        }
    }
}

fn announce(ue: &mut UeClient, number: u32, heard: &Mutex<Heard>) {
    let Ok(Answered::Message(message)) = ue.send(&open_request(number, pc3::Command::Announce)) else {
        return;
    };
    let pc3::Message::DiscoveryResponse(response) = &message else { panic!("{message:?}") };
    if !response.rejects.is_empty() {
        return;
    }
    let (entry, code, key) = announced(&message);
    let before = heard.lock().unwrap().issued.insert(code, (number, entry.value(), key));
    assert!(before.is_none(), "a code came twice");
}

/// Number of each stream in the database, and what is stored of each entry.
struct Stored {
    numbers: BTreeMap<Vec<u8>, i64>,
    entries: BTreeMap<(String, u16), String>,
}

/// Where the database is.
enum Home<'a> {
    /// In a file in the folder.
    File,
    /// On a server, with its address.
    Server(&'a Cluster, String),
}

fn stored(folder: &Path, home: &Home<'_>) -> Stored {
    match home {
        Home::File => stored_in_file(folder),
        Home::Server(cluster, _) => stored_on_server(cluster),
    }
}

fn stored_on_server(cluster: &Cluster) -> Stored {
    let rows = |query| cluster.psql("network", query).unwrap();
    let numbers = rows("SELECT encode(stream, 'hex'), reserved FROM counter");
    let numbers = numbers.lines().map(|row| {
        let (stream, number) = row.split_once('\t').unwrap();
        (hex::decode(stream).unwrap(), number.parse().unwrap())
    });
    let entries = rows("SELECT ue, entry, content FROM entry");
    let entries = entries.lines().map(|row| {
        let mut columns = row.splitn(3, '\t').map(str::to_owned);
        let mut next = || columns.next().unwrap();
        ((next(), next().parse().unwrap()), next())
    });
    Stored { numbers: numbers.collect(), entries: entries.collect() }
}

fn stored_in_file(folder: &Path) -> Stored {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let database = Connection::open_with_flags(folder.join("network.db"), flags).unwrap();
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let mut numbers = database.prepare("SELECT stream, reserved FROM counter").unwrap();
    let numbers = numbers.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let mut entries = database.prepare("SELECT ue, entry, content FROM entry").unwrap();
    let entries = entries.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?))).unwrap();
    Stored { numbers: numbers.map(Result::unwrap).collect(), entries: entries.map(Result::unwrap).collect() }
}

fn check(folder: &Path, home: &Home<'_>, heard: &Heard, before: &mut BTreeMap<Vec<u8>, i64>) {
    let Stored { numbers, entries } = stored(folder, home);
    for (stream, number) in before.iter() {
        assert!(numbers.get(stream).is_some_and(|now| now >= number), "a number went back: {stream:?}");
    }
    for (code, (number, entry, key)) in &heard.issued {
        let row = &entries[&(format!("001-01-{number:010}"), *entry)];
        let (code, key) = (hex::encode(code), hex::encode(key));
        assert!(row.contains(&code) && row.contains(&key), "UE {number} has {code}, the database has {row}");
    }
    for number in 1..=UES {
        let stream = sidelink_network::hss::stream(&common::imsi(number)).0.to_vec();
        let file = sidelink_services::client::SqnFile::new(folder.join(format!("usim{number}.json")));
        let accepted = file.load().unwrap().highest().seq();
        let reserved = numbers.get(&stream).copied().unwrap_or(0);
        assert!(
            (accepted as i64) < reserved.max(1),
            "UE {number} accepted {accepted}, of {reserved} reserved"
        );
    }
    *before = numbers;
}

fn kill_often(times: u32, home: &Home<'_>) {
    let folder = tempfile::tempdir().unwrap();
    let heard = Arc::new(Mutex::new(Heard::default()));
    let mut numbers = BTreeMap::new();
    for round in 0..times {
        let service = Service::start(folder.path(), home);
        let (stop, addresses) = (Arc::new(AtomicBool::new(false)), service.1);
        let threads: Vec<_> = (1..=UES)
            .map(|number| {
                let (folder, heard, stop) = (folder.path().to_owned(), Arc::clone(&heard), Arc::clone(&stop));
                std::thread::spawn(move || load(&folder, addresses, number, &heard, &stop))
            })
            .collect();
        let pause = 150 + u64::from(getrandom::u32().unwrap() % 400);
        std::thread::sleep(Duration::from_millis(pause));
        service.kill();
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        check(folder.path(), home, &heard.lock().unwrap(), &mut numbers);
        if round % 100 == 99 {
            eprintln!("{} kills, {} codes", round + 1, heard.lock().unwrap().issued.len());
        }
    }
    let heard = heard.lock().unwrap();
    assert!(
        heard.issued.len() > times as usize / 2,
        "{} codes: there was hardly any load",
        heard.issued.len()
    );
    eprintln!("{times} kills: {} keys, {} codes, all durable", heard.b_tids.len(), heard.issued.len());
}

#[test]
fn twenty_kills_lose_and_repeat_nothing() {
    kill_often(20, &Home::File);
}

#[test]
fn ten_kills_on_postgresql_lose_and_repeat_nothing() {
    let Some(cluster) = Cluster::start() else { return };
    let address = cluster.database("network");
    kill_often(10, &Home::Server(&cluster, address));
}

#[test]
#[ignore = "hours"]
fn ten_thousand_kills_lose_and_repeat_nothing() {
    kill_often(10_000, &Home::File);
}
