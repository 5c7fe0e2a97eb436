//! Keys of relays: PRUKs over PC8, KDs for relays, GPIs of a BSF in this process or in another, and who may have none any more.

use std::path::Path;

use sidelink_network::identity::Impi;
use sidelink_network::pc8::{Code, ErrorCode, PrukId};
use sidelink_network::pkmf::{Remote, Told};
use sidelink_network::relay_client::{self, Granted, RelayClient};
use sidelink_network::remote_ue::{self, Held, ImsiPolicy, LinkId, RemoteUe, Slots, User};
use sidelink_network::usim::Usim;
use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::lte;
use sidelink_security::keys::Kd;
use sidelink_services::client::{PkmfAddress, PrukAnswer, PrukFile, SqnFile, UeClient};
use sidelink_services::config::{Neighbour, PeersConfig};
use sidelink_services::peers::Token;
use sidelink_services::tls::TlsMode;
use sidelink_services::{Config, Handle, MemberError, Network};

use crate::common::{self, card, imsi, ue};
use crate::group_keys::net::{self, Net};

const SERVICE: Code = Code([0, 0, 0xa1]);
const RELAY: u32 = 1;
const REMOTE: u32 = 2;
const NONCE_1: [u8; 16] = [4; 16];

fn impi(number: u32) -> Impi {
    imsi(number).impi(2).unwrap()
}

fn now() -> UtcTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UtcTime::from_millis(since.as_millis() as u64)
}

/// The first UE is a relay, the second a remote UE.
fn config(net: &Net, folder: &Path) -> Config {
    let mut config = net::config(net, folder, 3);
    let relays = &mut config.pkmf.as_mut().unwrap().pkmf.relays;
    relays.relays = vec![(impi(RELAY), vec![SERVICE])];
    let remote = Remote { ue: impi(REMOTE), imsi: ue(REMOTE), codes: vec![SERVICE], told: Told::Imsi };
    relays.remotes = vec![remote];
    config
}

/// A network, its relay and its remote UE.
struct Scene {
    net: Net,
    folder: tempfile::TempDir,
    handle: Option<Handle>,
    pkmf: PkmfAddress,
    relay: UeClient,
    remote: UeClient,
}

impl Scene {
    fn new() -> Self {
        let (net, folder) = (Net::new(), tempfile::tempdir().unwrap());
        let handle = Network::start(config(&net, folder.path())).unwrap();
        let at = (handle.ub_address().unwrap(), handle.pc3_address().unwrap());
        Self::with(net, folder, handle, at)
    }

    fn with(
        net: Net,
        folder: tempfile::TempDir,
        handle: Handle,
        at: (std::net::SocketAddr, std::net::SocketAddr),
    ) -> Self {
        let pkmf = net.pkmf_at(handle.pc8_address().unwrap(), REMOTE);
        let client = |number| common::client(folder.path(), at, number, TlsMode::Tls13);
        let (relay, remote) = (client(RELAY), client(REMOTE));
        Self { net, folder, handle: Some(handle), pkmf, relay, remote }
    }

    fn handle(&self) -> &Handle {
        self.handle.as_ref().unwrap()
    }

    /// The network ends, and begins with what is durable.
    fn restart(&mut self) {
        self.handle.take().unwrap().shutdown();
        let handle = Network::start(config(&self.net, self.folder.path())).unwrap();
        let at = (handle.ub_address().unwrap(), handle.pc3_address().unwrap());
        let client = |number| common::client(self.folder.path(), at, number, TlsMode::Tls13);
        (self.relay, self.remote) = (client(RELAY), client(REMOTE));
        self.pkmf = self.net.pkmf_at(handle.pc8_address().unwrap(), REMOTE);
        self.handle = Some(handle);
    }

    fn fetch(&mut self, held: Option<PrukId>) -> PrukAnswer {
        self.remote.fetch_pruk(&self.pkmf, held).unwrap()
    }

    fn new_pruk(&mut self) -> Held {
        match self.fetch(None) {
            PrukAnswer::New(held) => held,
            other => panic!("{other:?}"),
        }
    }

    /// What the relay is granted for a remote UE that calls itself so.
    fn ask(&mut self, user: User) -> Result<Granted, relay_client::Refused> {
        let (mut machine, link) = (RelayClient::new(10_000), LinkId(1));
        let nonce_1 = NONCE_1;
        machine.handle_input(relay_client::Input::Ask { now: now(), link, user, service: SERVICE, nonce_1 });
        loop {
            match machine.poll_output() {
                relay_client::Output::Request { link, body } => {
                    let answer = self.relay.ask_pkmf(&self.pkmf, body.as_bytes()).unwrap();
                    machine.handle_input(relay_client::Input::Response { now: now(), link, body: &answer });
                }
                relay_client::Output::Granted { granted, .. } => return Ok(*granted),
                relay_client::Output::Refused { why, .. } => return Err(why),
                relay_client::Output::Timeout(_) => panic!("neither yes nor no"),
            }
        }
    }

    /// The KD that the remote UE makes of a command, with what is durable of it.
    fn derive(&self, granted: &Granted) -> Kd {
        let mut file = PrukFile::open(self.folder.path().join("pruk")).unwrap();
        let sqn = SqnFile::new(self.folder.path().join(format!("usim{REMOTE}.json")));
        let config = remote_ue::Config {
            impi: impi(REMOTE),
            imsi: ue(REMOTE),
            pkmf: self.pkmf.name.clone(),
            policy: ImsiPolicy::WithoutPruk,
            derivation: sidelink_network::relay_kd::Derivation::Text,
        };
        let mut machine = RemoteUe::new(config, Usim::new(card(), sqn.load().unwrap()), file.slots());
        let link = LinkId(7);
        machine.handle_input(remote_ue::Input::Connect { link, service: SERVICE, nonce_1: NONCE_1 });
        let gpi = granted.gpi.as_ref().map(|gpi| gpi.octets());
        machine.handle_input(remote_ue::Input::Command {
            now: now(),
            link,
            freshness: granted.freshness,
            gpi,
        });
        while let Some(output) = machine.poll_output() {
            match output {
                remote_ue::Output::StoreUsim(array) => {
                    sqn.raise(&array).unwrap();
                    machine.handle_input(remote_ue::Input::UsimStored);
                }
                remote_ue::Output::Store { ticket, slots } => {
                    file.store(&slots).unwrap();
                    machine.handle_input(remote_ue::Input::Stored(ticket));
                }
                remote_ue::Output::Kd { kd, .. } => return kd,
                remote_ue::Output::Request { .. } | remote_ue::Output::Holds(_) => {}
                other => panic!("{other:?}"),
            }
        }
        panic!("no KD")
    }
}

#[test]
fn a_relay_is_granted_the_kd_that_the_remote_ue_derives() {
    let mut scene = Scene::new();
    let held = scene.new_pruk();
    assert!(matches!(scene.fetch(Some(held.id)), PrukAnswer::Good));
    let granted = scene.ask(User::Pruk(held.id)).unwrap();
    let expected = lte::relay_kd(&held.pruk, &SERVICE.0, &NONCE_1, &granted.freshness);
    assert_eq!(granted.kd.as_bytes(), expected.as_bytes());
    assert_eq!(granted.remote, relay_client::Identity::Imsi(ue(REMOTE)));
    assert!(granted.gpi.is_none());
    // The PRUK outlives the process of the PKMF, and no KD comes twice.
    scene.restart();
    let again = scene.ask(User::Pruk(held.id)).unwrap();
    assert_ne!(again.freshness, granted.freshness);
    let expected = lte::relay_kd(&held.pruk, &SERVICE.0, &NONCE_1, &again.freshness);
    assert_eq!(again.kd.as_bytes(), expected.as_bytes());
    // A UE that is none gets none.
    let third = UeClient::fetch_pruk;
    let mut other = common::client(
        scene.folder.path(),
        (scene.handle().ub_address().unwrap(), scene.handle().pc3_address().unwrap()),
        3,
        TlsMode::Tls13,
    );
    assert!(matches!(third(&mut other, &scene.pkmf, None), Ok(PrukAnswer::Refused(ErrorCode::NoPruk))));
}

/// A remote UE that was never in coverage: the relay names its IMSI, and brings it a GPI.
fn brought_by_the_relay(scene: &mut Scene) {
    let granted = scene.ask(User::Imsi(ue(REMOTE))).unwrap();
    assert!(granted.gpi.is_some());
    assert_eq!(scene.derive(&granted).as_bytes(), granted.kd.as_bytes());
    let file = PrukFile::open(scene.folder.path().join("pruk")).unwrap();
    let Slots { current: None, pending: Some(held) } = file.slots() else { panic!("one, and it is pending") };
    drop(file);
    // The PKMF knows it by the name that the GPI brought.
    let granted = scene.ask(User::Pruk(held.id)).unwrap();
    assert!(granted.gpi.is_none());
    assert_eq!(scene.derive(&granted).as_bytes(), granted.kd.as_bytes());
    assert_eq!(scene.handle().status().pruks_pushed, 1);
}

#[test]
fn a_remote_ue_without_pruk_is_brought_one_by_the_relay() {
    let mut scene = Scene::new();
    brought_by_the_relay(&mut scene);
    assert_eq!(scene.handle().status().keys_pushed, 1);
}

#[test]
fn the_bsf_that_makes_the_gpi_may_be_in_another_process() {
    let (net, folder) = (Net::new(), tempfile::tempdir().unwrap());
    let token = Token::new(&"t".repeat(40)).unwrap();
    let neighbour = |address| Some(Neighbour::new(address).unwrap());
    let peers = |listen, bsf| Some(PeersConfig { token: token.clone(), listen, hss: None, bsf });
    let mut first = config(&net, folder.path());
    (first.pkmf, first.peers) = (None, peers(neighbour("127.0.0.1:0".parse().unwrap()), None));
    let first = Network::start(first).unwrap();
    let mut second = config(&net, folder.path());
    second.database = folder.path().join("pkmf.db").into();
    (second.hss, second.bsf, second.prose_function) = (None, None, None);
    second.subscribers.clear();
    second.peers = peers(None, neighbour(first.peers_address().unwrap()));
    let second = Network::start(second).unwrap();
    let at = (first.ub_address().unwrap(), first.pc3_address().unwrap());
    let mut scene = Scene::with(net, folder, second, at);
    brought_by_the_relay(&mut scene);
    assert_eq!((first.status().keys_pushed, first.status().pushes_refused), (1, 0));
}

#[test]
fn who_is_revoked_stays_so_until_admitted() {
    let mut scene = Scene::new();
    let held = scene.new_pruk();
    let refused = |why| Err(relay_client::Refused::Pkmf(why));
    let by_id = |scene: &mut Scene| scene.ask(User::Pruk(held.id)).map(drop);
    let by_imsi = |scene: &mut Scene| scene.ask(User::Imsi(ue(REMOTE))).map(drop);
    scene.handle().revoke_remote(&imsi(REMOTE)).unwrap();
    for _ in 0..2 {
        assert_eq!(by_id(&mut scene), refused(ErrorCode::UnknownRemoteUe));
        assert_eq!(by_imsi(&mut scene), refused(ErrorCode::NotServed));
        assert!(matches!(scene.fetch(Some(held.id)), PrukAnswer::Refused(ErrorCode::NoPruk)));
        scene.restart();
    }
    scene.handle().admit_remote(&imsi(REMOTE)).unwrap();
    let held = scene.new_pruk();
    let by_id = |scene: &mut Scene| scene.ask(User::Pruk(held.id)).map(drop);
    assert_eq!(by_id(&mut scene), Ok(()));
    scene.handle().revoke_relay(&imsi(RELAY)).unwrap();
    for _ in 0..2 {
        assert_eq!(by_id(&mut scene), refused(ErrorCode::NotServed));
        scene.restart();
    }
    scene.handle().admit_relay(&imsi(RELAY)).unwrap();
    assert_eq!(by_id(&mut scene), Ok(()));
    let handle = scene.handle();
    assert_eq!(handle.revoke_remote(&imsi(RELAY)), Err(MemberError::NoRemote));
    assert_eq!(handle.admit_relay(&imsi(REMOTE)), Err(MemberError::NoRelay));
}
