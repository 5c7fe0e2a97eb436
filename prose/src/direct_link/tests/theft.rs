//! Data that a thief (A6) can read who recorded every octet of the air and then steals keys: TRK-8, T4.1-10.

use sidelink_security::direct::{
    Active, Capabilities, Chosen, Command, KdSessId, Kind, Offer, Policy, Profile, Proposed, Requested, Terms,
};
use sidelink_security::keys::Kd;

use super::super::receive::parse;
use super::super::*;
use super::authentication::equip;
use super::rig::{Air, Flying, PROFILE};
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{Body, MessageType};
use sidelink_wire::pdcp::HEADER_LEN;

const POLICY: fn() -> Policy = Policy::default;

/// One session whose key the thief has, as seen by each end.
struct Session {
    id: KdSessId,
    asks: Layer2Id,
    one: Active,
    two: Result<Active, Option<Proposed>>,
}

/// Deciphers the recorded air with a root key, and returns the resulting user data.
fn reads(log: &[Flying], profile: Profile, kd: &Kd) -> Vec<Vec<u8>> {
    let terms = Terms { profile, up_integrity: false, in_use: None };
    let mut offers: Vec<(Layer2Id, Offer)> = Vec::new();
    let mut sessions: Vec<Session> = Vec::new();
    let mut data = Vec::new();
    for Flying { from, pdu, .. } in log {
        let octets = &pdu.octets;
        let (sn, lcid) = (u16::from_be_bytes([octets[3], octets[4]]), pdu.lcid.value());
        let Some(id) = KdSessId::from_halves(octets[1], octets[2]) else {
            let body = parse(profile, &octets[HEADER_LEN..]).map(|r| r.body);
            if let Ok(Body::CommunicationRequest(r)) = body {
                let capabilities = Capabilities { eea: r.capabilities.eea, eia: r.capabilities.eia };
                let stated = r.policy.and_then(frame::stated);
                offers.push((*from, Offer { nonce_1: r.nonce, msb: r.kd_sess_msb, capabilities, stated }));
            }
            continue;
        };
        if pdu.lcid == Lcid::PC5_S_SECURITY_MODE {
            let clear = parse(profile, &octets[HEADER_LEN..octets.len() - 4]).map(|r| r.body);
            if let Ok(Body::SecurityModeCommand(c)) = clear {
                let algorithm = |value| sidelink_security::cipher::Algorithm::try_from(value).unwrap();
                let chosen = Chosen { eea: algorithm(c.algorithms.eea), eia: algorithm(c.algorithms.eia) };
                let echo = Capabilities { eea: c.capabilities.eea, eia: c.capabilities.eia };
                let echo_stated = c.policy.and_then(frame::stated);
                let command = Command { nonce_2: c.nonce, lsb: c.kd_sess_lsb, chosen, echo, echo_stated };
                for (asks, offer) in offers.iter().rev().filter(|(_, offer)| offer.msb == id.msb()) {
                    let unproven = Requested::new(terms, *offer, POLICY()).command(kd, &command);
                    let proven = unproven.unwrap().prove(sn, lcid, &mut octets.clone(), HEADER_LEN);
                    if let Ok((one, _)) = proven {
                        let two = Err(Some(Proposed::new(terms, kd, offer, &command).unwrap()));
                        sessions.push(Session { id, asks: *asks, one, two });
                        break;
                    }
                }
                continue;
            }
        }
        let Some(session) = sessions.iter_mut().rev().find(|session| session.id == id) else { continue };
        let mut opened = octets.clone();
        let kind = if pdu.lcid.is_signalling() { Kind::Signalling } else { Kind::User };
        let end = match (&mut session.two, session.asks == *from) {
            (_, false) => session.one.open(sn, lcid, kind, &mut opened, HEADER_LEN).map(|o| o.end),
            (Ok(two), true) => two.open(sn, lcid, kind, &mut opened, HEADER_LEN).map(|o| o.end),
            (Err(proposed), true) => {
                match proposed.take().map(|p| p.complete(sn, lcid, &mut opened, HEADER_LEN)) {
                    Some(Ok((two, o))) => {
                        session.two = Ok(two);
                        Ok(o.end)
                    }
                    Some(Err((back, refusal))) => {
                        session.two = Err(Some(back));
                        Err(refusal)
                    }
                    None => continue,
                }
            }
        };
        let Ok(end) = end else { continue };
        let plain = &opened[HEADER_LEN..end];
        if kind == Kind::User {
            data.push(plain.to_vec());
        } else if let Ok(Body::RekeyingRequest(r)) = parse(profile, plain).map(|r| r.body) {
            // The nonces of the next session, in the message just opened by the thief.
            let capabilities = Capabilities { eea: r.capabilities.eea, eia: r.capabilities.eia };
            let stated = (profile == Profile::Nr).then(|| capabilities.stated());
            offers.push((*from, Offer { nonce_1: r.nonce, msb: r.kd_sess_msb, capabilities, stated }));
        }
    }
    data
}

fn say(air: &mut Air, words: &str) {
    for (from, to) in [(0, 1), (1, 0)] {
        air.send(from, to, words.as_bytes()).unwrap();
    }
    air.run(1500);
}

fn words(read: &[Vec<u8>]) -> Vec<&str> {
    let mut words: Vec<_> = read.iter().map(|data| core::str::from_utf8(data).unwrap_or("noise")).collect();
    words.dedup();
    words
}

/// With a pre-shared KD (X): everything, from the first set-up over every re-keying.
#[test]
fn a_shared_kd_opens_everything() {
    for profile in [Profile::Lte, Profile::Nr] {
        PROFILE.set(profile);
        let mut air = Air::linked();
        say(&mut air, "one");
        air.rekey(0, 1, false).unwrap();
        air.run(1500);
        say(&mut air, "two");
        air.rekey(1, 0, false).unwrap();
        air.run(1500);
        say(&mut air, "three");
        let kd = super::rig::shared(0, 1).kd;
        assert_eq!(words(&reads(&air.log, profile, &kd)), ["one", "two", "three"]);
        assert_eq!(words(&reads(&air.log, profile, &Kd::from([0; 32]))), Vec::<&str>::new());
    }
}

/// With signed ephemeral keys: a stolen KD opens its own sessions, none before it was made and none after it was
/// replaced. A session re-keyed under the key before it is not opened by the new KD alone: its nonces were sent under
/// the old one. The next set-up is (X), since its nonces are not ciphered.
#[test]
fn a_new_kd_protects_what_was_before_and_what_comes_after() {
    for profile in [Profile::Lte, Profile::Nr] {
        PROFILE.set(profile);
        let mut air = Air::without_keys(2, |_, _| {}, equip);
        air.connect(0, 1);
        air.run(1500);
        say(&mut air, "one");
        air.rekey(0, 1, false).unwrap();
        air.run(1500);
        say(&mut air, "two");
        let first = air.ues[0].disk.keys[0].copy();
        air.rekey(0, 1, true).unwrap();
        air.run(1500);
        say(&mut air, "three");
        air.rekey(0, 1, false).unwrap();
        air.run(1500);
        say(&mut air, "four");
        assert!(air.ues.iter().all(|ue| ue.disk.keys.len() == 1 && ue.disk.keys[0].id != first.id));
        let second = air.ues[0].disk.keys[0].copy();
        assert_eq!(words(&reads(&air.log, profile, &first.kd)), ["one", "two"]);
        assert_eq!(words(&reads(&air.log, profile, &second.kd)), Vec::<&str>::new());
        air.restart(0);
        air.restart(1);
        air.connect(0, 1);
        air.run(1500);
        say(&mut air, "five");
        assert_eq!(words(&reads(&air.log, profile, &second.kd)), ["five"]);
    }
}

/// A stolen session key opens nothing of the session before it.
#[test]
fn a_session_key_opens_nothing_older() {
    let mut air = Air::linked();
    air.run(1000);
    let (link, _) = air.up(1, 0).unwrap();
    let now = air.time(1);
    air.ues[1].manager.handle_input(Input::TriggerRekey { now, link }).unwrap();
    air.drain(1);
    let old = air.log.last().unwrap().pdu.clone();
    assert_eq!(old.message, Some(MessageType::RekeyingTrigger));
    air.run(1500);
    let link::State::Up(up) = &mut air.ues[0].manager.links[0].state else { panic!("not up") };
    let stolen = &mut up.session.active;
    let sn = u16::from_be_bytes([old.octets[3], old.octets[4]]) + 0x1000;
    let opened = stolen.open(sn, old.lcid.value(), Kind::Signalling, &mut old.octets.clone(), HEADER_LEN);
    assert_eq!(opened, Err(sidelink_security::pdu::PduRefusal::BadMac));
}

/// The variants of the texts: UE_2 makes a new KD without the flag always, when it is due, or never.
#[test]
fn a_new_kd_that_ue_2_chooses() {
    let hour = 3_600_000;
    // (both ends' rule, how far into the KD's life of an hour, whether a new one is made)
    let cases = [
        ([NewKd::WhenAsked; 2], 0, false),
        ([NewKd::WhenAsked; 2], hour / 10 * 9, false),
        ([NewKd::WhenDue; 2], 0, false),
        ([NewKd::WhenDue; 2], hour / 10 * 9, true),
        ([NewKd::Always; 2], 0, true),
        // Without an offer none can be chosen; and an offer need not be used.
        ([NewKd::WhenAsked, NewKd::Always], 0, false),
        ([NewKd::Always, NewKd::WhenAsked], 0, false),
    ];
    for profile in [Profile::Lte, Profile::Nr] {
        PROFILE.set(profile);
        for (rules, later, new) in cases {
            let mut air = Air::without_keys(2, |_, config| config.kd_lifetime = 3_600_000, equip);
            for (ue, rule) in rules.into_iter().enumerate() {
                air.ues[ue].config.new_kd = rule;
                air.restart(ue);
            }
            air.connect(0, 1);
            air.run(1500);
            let (_, old) = air.up(0, 1).unwrap();
            air.now += later;
            for ue in &mut air.ues {
                let link::State::Up(up) = &mut ue.manager.links[0].state else { panic!("not up") };
                up.session.heard_at = sidelink_security::counter::UtcTime::from_millis(air.now);
            }
            air.rekey(0, 1, false).unwrap();
            air.run(1500);
            assert!(air.agreed(0, 1), "{rules:?}");
            let (_, now) = air.up(0, 1).unwrap();
            assert_ne!(old.fingerprint, now.fingerprint, "{rules:?}");
            assert_eq!(old.kd != now.kd, new, "{profile:?} {rules:?} {later}");
            for ue in &air.ues {
                assert_eq!(ue.disk.keys.iter().map(|r| r.id).collect::<Vec<_>>(), [now.kd]);
            }
        }
    }
}
