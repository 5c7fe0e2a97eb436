//! A network with subscribers, and UEs, for the tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use sidelink_network::identity::{Fqdn, Imsi};
use sidelink_network::limit::RateLimit;
use sidelink_network::pc3::request::{ApplicationIdentity, DiscoveryRequest, OpenRequest};
use sidelink_network::pc3::{
    ApplicationId, EntryId, Imsi as Ue, MaxOffset, Message, Minutes, OsAppId, Plmn, Rpauid, TransactionId,
};
use sidelink_network::prose_function::{self, Application, Permission, RestrictedPolicy, Role, Subscription};
use sidelink_network::{bsf, hss, pc3, public_keys};
use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::discovery::restricted::MicCheck;
use sidelink_services::client::{ClientConfig, SqnFile, UeClient};
use sidelink_services::config::{BsfConfig, Listen, ProseFunctionConfig, Reach};
use sidelink_services::store::{Credentials, NewSubscriber};
use sidelink_services::tls::TlsMode;
use sidelink_services::{Config, Handle, Limits, Network};

pub(crate) const BSF: &str = "bsf.mnc001.mcc001.pub.3gppnetwork.org";
pub(crate) const NAF: &str = "prosefunction.mnc001.mcc001.pub.3gppnetwork.org";
pub(crate) const FOOD: &str = "mcc001.mnc001.ProSeApp.Food";

/// K and OPc of test set 1 of TS 35.208.
pub(crate) const K: [u8; 16] =
    [0x46, 0x5b, 0x5c, 0xe8, 0xb1, 0x99, 0xb4, 0x9f, 0xaa, 0x5f, 0x0a, 0x2e, 0xe2, 0x38, 0xa6, 0xbc];
pub(crate) const OPC: [u8; 16] =
    [0xcd, 0x63, 0xcb, 0x71, 0x95, 0x4a, 0x9f, 0x4e, 0x48, 0xa5, 0x99, 0x4e, 0x37, 0xa0, 0x2b, 0xaf];

/// The card of each subscriber.
pub(crate) fn card() -> Subscriber {
    Subscriber::with_opc(K, OPC)
}

pub(crate) fn plmn() -> Plmn {
    Plmn::new("001", "01").unwrap()
}

pub(crate) fn imsi(number: u32) -> Imsi {
    Imsi::new(&format!("00101{number:010}")).unwrap()
}

pub(crate) fn ue(number: u32) -> Ue {
    Ue::new(plmn(), &format!("{number:010}")).unwrap()
}

pub(crate) fn naf() -> Fqdn {
    Fqdn::new(NAF).unwrap()
}

fn application() -> Application {
    Application { os_id: [7; 16], os_app_id: OsAppId::new("org.example").unwrap() }
}

pub(crate) fn subscription(number: u32) -> Subscription {
    let roles = [Role::OpenAnnounce, Role::OpenMonitor, Role::RestrictedAnnounce, Role::RestrictedMonitor];
    Subscription {
        registered: Some(plmn()),
        rights: roles.map(|role| (plmn(), role)).to_vec(),
        application_ids: vec![ApplicationId::new(FOOD).unwrap()],
        rpauids: vec![Rpauid::new(&format!("user{number}")).unwrap()],
    }
}

pub(crate) fn subscriber(number: u32) -> NewSubscriber {
    NewSubscriber {
        imsi: imsi(number),
        impi: imsi(number).impi(2).unwrap(),
        credentials: Credentials::with_opc(K, OPC),
        subscription: Some(subscription(number)),
    }
}

/// Settings without limits of rate, for these many subscribers.
pub(crate) fn config(folder: &Path, subscribers: u32) -> Config {
    let loopback = || Listen::new("127.0.0.1:0".parse().unwrap(), Reach::Loopback).unwrap();
    let minutes = |minutes| Minutes::new(minutes).unwrap();
    let endless = RateLimit { burst: 0, interval: 0 };
    let roles = [Role::OpenAnnounce, Role::OpenMonitor, Role::RestrictedAnnounce, Role::RestrictedMonitor];
    let user = |name| Rpauid::new(name).unwrap();
    let prose_function = prose_function::Config {
        plmn: plmn(),
        applications: roles.map(|role| (application(), role)).to_vec(),
        application_ids: vec![ApplicationId::new(FOOD).unwrap()],
        permissions: vec![Permission { target: user("user1"), watcher: user("user2") }],
        restricted: RestrictedPolicy { check: MicCheck::Local, encrypted: None },
        validity: minutes(60),
        ttl: minutes(60),
        refresh: minutes(10),
        max_offset: MaxOffset::new(32).unwrap(),
        report_delay: 60,
        limits: prose_function::Limits {
            ue_burst: 1_000_000,
            burst: 1_000_000,
            entries_per_ue: 1000,
            ..prose_function::Limits::default()
        },
    };
    let rate = endless;
    Config {
        database: folder.join("network.db").into(),
        limits: Limits::default(),
        hss: Some(hss::Config { rate, ..hss::Config::default() }),
        subscribers: (1..=subscribers).map(subscriber).collect(),
        bsf: Some(BsfConfig {
            bsf: bsf::Config { rate, ..bsf::Config::new(Fqdn::new(BSF).unwrap()) },
            listen: loopback(),
        }),
        prose_function: Some(ProseFunctionConfig {
            public_keys: public_keys::server::Config::new(plmn(), prose_function.permissions.clone()),
            prose_function,
            name: naf(),
            listen: loopback(),
            configuration: None,
        }),
        pkmf: None,
        kms: None,
        group_naf: None,
        aaa: None,
        auc: None,
        peers: None,
        sbi: None,
    }
}

/// A network in a folder of its own.
pub(crate) struct World {
    pub(crate) handle: Handle,
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new(subscribers: u32) -> Self {
        Self::with(subscribers, |_| {})
    }

    pub(crate) fn with(subscribers: u32, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path(), subscribers);
        change(&mut config);
        Self { handle: Network::start(config).unwrap(), folder }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("network.db")
    }

    pub(crate) fn client(&self, number: u32, tls: TlsMode) -> UeClient {
        let addresses = (self.handle.ub_address().unwrap(), self.handle.pc3_address().unwrap());
        client(self.folder.path(), addresses, number, tls)
    }
}

pub(crate) fn client(
    folder: &Path,
    addresses: (std::net::SocketAddr, std::net::SocketAddr),
    number: u32,
    tls: TlsMode,
) -> UeClient {
    patient_client(folder, addresses, number, tls, Duration::from_secs(20))
}

pub(crate) fn patient_client(
    folder: &Path,
    (bsf_address, naf_address): (std::net::SocketAddr, std::net::SocketAddr),
    number: u32,
    tls: TlsMode,
    patience: Duration,
) -> UeClient {
    let config = ClientConfig {
        impi: imsi(number).impi(2).unwrap(),
        bsf: Fqdn::new(BSF).unwrap(),
        bsf_address,
        naf: naf(),
        naf_address,
        tls,
        patience,
    };
    let sqn = SqnFile::new(folder.join(format!("usim{number}.json")));
    UeClient::new(config, card(), sqn).unwrap()
}

/// A request to announce or to monitor, a new entry.
pub(crate) fn open_request(number: u32, command: pc3::Command) -> Message {
    Message::DiscoveryRequest(DiscoveryRequest {
        open: vec![OpenRequest {
            transaction: TransactionId::new(1).unwrap(),
            command,
            ue: ue(number),
            application_id: ApplicationId::new(FOOD).unwrap(),
            application: ApplicationIdentity {
                os_id: [7; 16],
                os_app_id: OsAppId::new("org.example").unwrap(),
            },
            entry: None,
            requested_timer: None,
            metadata: None,
            announcing_plmn: None,
            extension: None,
            pc5: None,
        }],
        restricted: Vec::new(),
        method: None,
    })
}

/// Entry, code and key of an answer to an announcer.
pub(crate) fn announced(message: &Message) -> (EntryId, [u8; 23], Vec<u8>) {
    let Message::DiscoveryResponse(response) = message else { panic!("{message:?}") };
    assert!(response.rejects.is_empty(), "{:?}", response.rejects);
    let announce = &response.announces[0];
    (announce.entry.unwrap(), announce.codes[0].0, announce.key.as_ref().unwrap().as_bytes().to_vec())
}

/// Whether a program is here; says that a test is skipped where it is not.
pub(crate) fn has(program: &str, package: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok();
    if !found {
        eprintln!("SKIPPED: no {program} (apt-get install {package})");
    }
    found
}

/// Runs a program with an input, at most 20 s.
pub(crate) fn run(program: &str, arguments: &[&str], input: &[u8]) -> Output {
    use std::io::Write;
    let mut command = Command::new("timeout");
    command.arg("20").arg(program).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // Kept open for a moment: some programs end with their input.
    let feed = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
        let _ = stdin.flush();
        std::thread::sleep(Duration::from_secs(2));
    });
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap();
    output
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
