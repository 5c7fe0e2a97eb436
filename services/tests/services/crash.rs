//! kill -9 under load: what was answered is durable, no sequence number goes back, no code and no key comes twice.
//!
//! ```text
//! crash.rs           kills, and what must be so after each
//! crash/service.rs   all network functions in a child process, which is this test program again
//! crash/load.rs      UEs that ask without pause, and what they were told
//! crash/stored.rs    what the database has
//! ```
//!
//! UEs bootstrap and announce, fetch keys of a group and of identities, and authenticate over RADIUS; the child is killed at a random moment and
//! started again on the same database.

mod load;
mod service;
mod stored;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cluster::Cluster;
use crate::common;
use crate::group_keys::net::Net;
use load::{Cards, Heard, Worlds};
use service::Service;
use stored::{Stored, stored};

/// How many kills a campaign has, in the tests that are ignored.
const KILLS: &str = "SIDELINK_KILLS";

/// Kills of one database; another one follows: codes that have ended leave the first, and each UE has room for so many.
const KILLS_OF_A_DATABASE: u32 = 50;

/// UEs by what they do: the group of the PKMF has the first two.
const FETCH: [u32; 2] = [1, 2];
const ANNOUNCE: [u32; 2] = [3, 4];
const AUTHENTICATE: [u32; 2] = [5, 6];
const IDENTIFY: [u32; 2] = [7, 8];
const UES: u32 = 8;

/// Where the database is.
enum Home<'a> {
    /// In a file in the folder.
    File,
    /// On a server, with its name and address.
    Server { cluster: &'a Cluster, name: String, address: String },
}

/// What a campaign has come to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    kills: u32,
    bootstrapped: usize,
    codes: usize,
    pmks: usize,
    messages: usize,
    group_keys: usize,
    authenticated: usize,
    identity_keys: usize,
}

impl Tally {
    fn add(&mut self, heard: &Heard) {
        self.bootstrapped += heard.b_tids.len();
        self.codes += heard.issued.len();
        self.pmks += heard.pmks.len();
        self.messages += heard.messages.len();
        self.group_keys += heard.keys.len();
        self.authenticated += heard.sessions.len();
        self.identity_keys += heard.pvts.len();
    }
}

/// What must be so after a kill.
fn check(folder: &Path, home: &Home<'_>, heard: &Heard, cards: &Cards, before: &mut BTreeMap<Vec<u8>, i64>) {
    let Stored { numbers, entries, pmks, pvts } = stored(folder, home);
    for (stream, number) in before.iter() {
        assert!(numbers.get(stream).is_some_and(|now| now >= number), "a number went back: {stream:?}");
    }
    for (code, (number, entry, key)) in &heard.issued {
        let row = &entries[&(format!("001-01-{number:010}"), *entry)];
        let (code, key) = (hex::encode(code), hex::encode(key));
        assert!(row.contains(&code) && row.contains(&key), "UE {number} has {code}, the database has {row}");
    }
    let accepted = |number: u32| {
        let file = sidelink_services::client::SqnFile::new(folder.join(format!("usim{number}.json")));
        file.load().unwrap().highest().seq().max(cards.of(number).highest().seq())
    };
    for number in 1..=UES {
        let stream = sidelink_network::hss::stream(&common::imsi(number)).0.to_vec();
        let (accepted, reserved) = (accepted(number), numbers.get(&stream).copied().unwrap_or(0));
        assert!(
            (accepted as i64) < reserved.max(1),
            "UE {number} accepted {accepted}, of {reserved} reserved"
        );
    }
    // The PMK that each UE got last is stored: a UE that asks again has the place of the one before.
    for (id, (number, pmk)) in heard.last_pmks() {
        let impi = common::imsi(number).impi(2).unwrap().to_string();
        // A later one may have been stored, and its answer lost.
        let found = pmks.get(&impi).unwrap_or_else(|| panic!("UE {number} has a PMK, the database has none"));
        assert!(found.0 != id || found.1 == pmk, "UE {number} has another PMK under this ID");
    }
    // Escrow: what a UE has is on record.
    for pvt in &heard.pvts {
        assert!(pvts.contains(pvt), "keys of an identity came, and are not on record");
    }
    *before = numbers;
}

/// Kills the functions of one database so often.
fn kill_often(times: u32, net: &Net, home: &Home<'_>, tally: &mut Tally) {
    let folder = tempfile::tempdir().unwrap();
    let (heard, cards) = (Mutex::new(Heard::default()), Cards::default());
    let mut numbers = BTreeMap::new();
    for _ in 0..times {
        let service = Service::start(net, folder.path(), home);
        let stop = AtomicBool::new(false);
        let worlds =
            Worlds { net, folder: folder.path(), at: service.addresses(), heard: &heard, stop: &stop };
        std::thread::scope(|scope| {
            let (worlds, cards) = (&worlds, &cards);
            for number in FETCH {
                scope.spawn(move || worlds.fetch(number));
            }
            for number in ANNOUNCE {
                scope.spawn(move || worlds.announce(number));
            }
            for number in IDENTIFY {
                scope.spawn(move || worlds.identify(number));
            }
            for number in AUTHENTICATE {
                scope.spawn(move || worlds.authenticate(number, cards));
            }
            let pause = 150 + u64::from(getrandom::u32().unwrap() % 500);
            std::thread::sleep(Duration::from_millis(pause));
            service.kill();
            stop.store(true, Ordering::Relaxed);
        });
        check(folder.path(), home, &heard.lock().unwrap(), &cards, &mut numbers);
        tally.kills += 1;
    }
    let heard = heard.into_inner().unwrap();
    heard.check();
    tally.add(&heard);
}

/// Kills so often, with another database now and then.
fn campaign(times: u32, cluster: Option<&Cluster>) {
    let (net, mut tally) = (Net::new(), Tally::default());
    for life in 0.. {
        let rest = times.saturating_sub(tally.kills).min(KILLS_OF_A_DATABASE);
        if rest == 0 {
            break;
        }
        let home = match cluster {
            None => Home::File,
            Some(cluster) => {
                let name = format!("life{life}");
                let address = cluster.database(&name);
                Home::Server { cluster, name, address }
            }
        };
        kill_often(rest, &net, &home, &mut tally);
        if let Home::Server { cluster, name, .. } = &home {
            cluster.psql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
        eprintln!("{tally:?}: all durable, none twice");
    }
    let load = [
        tally.bootstrapped,
        tally.codes,
        tally.pmks,
        tally.messages,
        tally.authenticated,
        tally.identity_keys,
    ];
    let enough = (times as usize / 4).max(1);
    assert!(
        load.iter().all(|number| *number >= enough) && tally.group_keys > 1,
        "hardly any load: {tally:?}"
    );
}

fn kills() -> u32 {
    std::env::var(KILLS).map_or(10_000, |number| number.parse().expect("SIDELINK_KILLS is a number"))
}

#[test]
fn twenty_kills_lose_and_repeat_nothing() {
    campaign(20, None);
}

#[test]
fn ten_kills_on_postgresql_lose_and_repeat_nothing() {
    let Some(cluster) = Cluster::start() else { return };
    campaign(10, Some(&cluster));
}

/// `SIDELINK_KILLS=10000 cargo test -p sidelink-services --test services crash::many -- --ignored --nocapture`: three hours.
#[test]
#[ignore = "hours"]
fn many_kills_lose_and_repeat_nothing() {
    campaign(kills(), None);
}

/// The same on PostgreSQL, by the name of `crash::many_kills_on_postgresql`.
#[test]
#[ignore = "hours"]
fn many_kills_on_postgresql_lose_and_repeat_nothing() {
    let Some(cluster) = Cluster::start() else { return };
    campaign(kills(), Some(&cluster));
}
