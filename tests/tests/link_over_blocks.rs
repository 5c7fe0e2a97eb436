//! A link through the whole of layer 2: transport blocks on the air, PDUs between the engine and the links.

use sidelink_mac::engine::{Bearer, Config, Engine, Input, Output};
use sidelink_mac::mux::Address;
use sidelink_prose::direct_link::{self as links, Identity, KdRecord, LinkManager, State};
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::KdId;
use sidelink_security::keys::Kd;
use sidelink_ue::NoStore;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::SduType;

/// Two UEs set up a link through the whole of layer 2: blocks on the air, PDUs between engine and links.
#[test]
// TS 24.334 §10.4.1A (1)
fn a_link_over_transport_blocks() {
    let names = [Identity::user("mary"), Identity::user("john")];
    let ids = [Layer2Id::new(0x10).unwrap(), Layer2Id::new(0x11).unwrap()];
    let mut ues: Vec<(Engine, LinkManager)> = (0..2)
        .map(|own| {
            let mut engine = Engine::new(Config { one_to_one: true, ..Config::new(ids[own]) });
            engine.listen(Address::Ue(ids[own]));
            for (lcid, priority) in [(28, 1), (29, 1), (30, 1), (3, 4)] {
                let bearer = Bearer::new(Address::Ue(ids[1 - own]), Lcid::new(lcid).unwrap());
                engine.add_bearer(Bearer { priority, ..bearer }).unwrap();
            }
            let config = links::Config::new(ids[own], names[own].clone(), 40);
            let mut manager = LinkManager::open(config, &[own as u8; 32], &mut NoStore::default()).unwrap();
            manager.add_kd(KdRecord::pre_shared(KdId(1), Kd::from([1; 32]), names[1 - own].clone()));
            (engine, manager)
        })
        .collect();
    let time = UtcTime::from_millis(1_700_000_000_000);
    let connect = links::Input::Connect { now: time, peer: ids[1], identity: names[1].clone() };
    ues[0].1.handle_input(connect).unwrap();
    let mut heard = Vec::new();
    for _ in 0..8 {
        for own in 0..2 {
            let (engine, manager) = &mut ues[own];
            loop {
                match manager.poll_output() {
                    links::Output::Pdu(pdu) => {
                        let (address, lcid) = (Address::Ue(pdu.peer), pdu.lcid);
                        let input = Input::SendPdu { address, lcid, pdu: &pdu.octets };
                        engine.handle_input(input).unwrap();
                    }
                    links::Output::Event(links::Event::State { link, state: State::Up { .. }, .. }) => {
                        let (lcid, sdu_type) = (Lcid::new(3).unwrap(), SduType::Ip);
                        let data = &[own as u8; 300];
                        manager
                            .handle_input(links::Input::Send { now: time, link, lcid, sdu_type, data })
                            .unwrap();
                    }
                    links::Output::Event(links::Event::Received(received)) => {
                        heard.push((own, received.data))
                    }
                    links::Output::Timeout(_) => break,
                    _ => {}
                }
            }
            let mut blocks = Vec::new();
            for _ in 0..8 {
                engine.handle_input(Input::Opportunity { address: None, len: 109 }).unwrap();
                while let Output::SlSch { address, block, .. } = engine.poll_output() {
                    blocks.push((address, block.to_vec()));
                }
            }
            let (engine, manager) = &mut ues[1 - own];
            for (address, block) in blocks {
                let group = address.group_destination();
                engine.handle_input(Input::SlSch { now: time, group, block: &block }).unwrap();
                while let Output::OneToOne { source, lcid, pdu, .. } = engine.poll_output() {
                    manager.handle_input(links::Input::Pdu { now: time, source, lcid, pdu }).unwrap();
                }
            }
        }
    }
    heard.sort();
    assert_eq!(heard, [(0, vec![1; 300]), (1, vec![0; 300])]);
}
