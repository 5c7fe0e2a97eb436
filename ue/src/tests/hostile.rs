//! Thousands of link requests, each from another layer-2 ID: the memory for them is bounded and is released.

use super::super::jobs::{NoStore, Threaded};

use super::super::link_bearers;
use super::super::links::{Links, Part, Peer};
use super::super::stack::{Names, Stack};
use sidelink_mac::engine::{Bearer, Config, Engine, Input, Output};
use sidelink_mac::mux::Address;
use sidelink_prose::direct_link::{self as links, Identity, KdRecord, LinkManager};
use sidelink_prose::discovery::agent::{self, Agent};
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::KdId;
use sidelink_security::keys::Kd;
use sidelink_wire::ids::{Layer2Id, Lcid};

const JOHN: Layer2Id = Layer2Id::from_octets([0, 0, 1]);
const MARY: Layer2Id = Layer2Id::from_octets([0, 0, 2]);
const START: u64 = 1_700_000_000_000;

/// Returns the stack of John, who shares a KD with Mary.
fn john() -> Stack {
    let mut engine = Engine::new(Config { one_to_one: true, ..Config::new(JOHN) });
    engine.listen(Address::Ue(JOHN));
    let mary = Peer {
        id: MARY,
        identity: Identity::user("mary"),
        kd: Some((KdId(1), Kd::from([7; 32]))),
        connect: None,
        rekey: None,
        reauthenticate: false,
        part: Part::Peer,
    };
    let mut store = NoStore::default();
    let links =
        Links::open(links::Config::new(JOHN, Identity::user("john"), 40), vec![mary], &[1; 32], &mut store)
            .unwrap();
    let agent = Agent::new(agent::Config::default()).unwrap();
    Stack::new((engine, agent), Names::default(), Threaded::new(store, true)).with_links(links)
}

/// Returns the transport block of a request in the name of Mary, under the KD ID that she shares with John but with
/// another key.
fn request(source: Layer2Id, millis: u64) -> Vec<u8> {
    let now = UtcTime::from_millis(START + millis);
    let config = links::Config::new(source, Identity::user("mary"), 40);
    let mut seed = [0; 32];
    seed[..3].copy_from_slice(&source.octets());
    let mut manager = LinkManager::open(config, &seed, &mut NoStore::default()).unwrap();
    manager.add_kd(KdRecord::pre_shared(KdId(1), Kd::from([9; 32]), Identity::user("john")));
    let identity = Identity::user("john");
    manager.handle_input(links::Input::Connect { now, peer: JOHN, identity }).unwrap();
    let pdu = std::iter::from_fn(|| match manager.poll_output() {
        links::Output::Timeout(_) => None,
        output => Some(output),
    })
    .find_map(|output| match output {
        links::Output::Pdu(pdu) => Some(pdu.octets),
        _ => None,
    })
    .unwrap();
    let (address, lcid) = (Address::Ue(JOHN), Lcid::PC5_S_UNPROTECTED);
    let mut engine = Engine::new(Config::new(source));
    engine.add_bearer(Bearer::new(address, lcid)).unwrap();
    engine.handle_input(Input::SendPdu { address, lcid, pdu: &pdu }).unwrap();
    engine.handle_input(Input::Opportunity { address: Some(address), len: 209 }).unwrap();
    let Output::SlSch { block, .. } = engine.poll_output() else { panic!("no block") };
    block.to_vec()
}

#[test]
fn requests_in_any_name_take_bounded_room_and_leave_again() {
    let mut stack = john();
    let mut most = (0, 0);
    let mut t = 0;
    for n in 0..20_000u32 {
        let source = Layer2Id::new(0x100 + n).unwrap();
        if n % 3 == 0 {
            t += 1;
            stack.begin(t, UtcTime::from_millis(START + t), &mut |_| {});
        }
        let group = Address::Ue(JOHN).group_destination().map(|group| group.0);
        stack.receive_sl_sch(group, &request(source, t), &mut |_| {});
        most.0 = most.0.max(stack.engine().bearers());
        most.1 = most.1.max(stack.links().unwrap().status().len());
    }
    assert_eq!(most.0, 3 * link_bearers::STRANGERS, "as many channels as are allowed");
    assert_eq!(most.1, 1, "mary: who has no link is not shown");
    // The flood is over.
    for _ in 0..3000 {
        t += 1;
        stack.begin(t, UtcTime::from_millis(START + t), &mut |_| {});
    }
    assert_eq!(stack.engine().bearers(), 0);
    assert_eq!(stack.links().unwrap().status()[0].peer.as_deref(), Some("mary"));
    assert_eq!(stack.queued(Address::Ue(MARY)), 0);
}
