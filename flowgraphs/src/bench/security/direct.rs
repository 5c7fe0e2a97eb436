//! CPU of a direct link: each step of its set-up, for each end, and each PDU after it.

use super::{Row, figure};
use sidelink_prose::direct_link::{Config, Identity, Input, KdRecord, LinkManager, Output};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_security::direct::KdId;
use sidelink_security::direct::signed::issue::{Issuer, Validity};
use sidelink_security::direct::signed::{Credential, Root, Trust};
use sidelink_security::keys::Kd;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::MessageType;
use sidelink_wire::pdcp::SduType;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Names of the lines, to select measurements.
pub(super) const NAMES: [&str; 3] = ["shared KD", "raw keys", "certificates"];

const NOW: UtcTime = UtcTime::from_millis(1_795_238_400_500);

pub(super) fn run(budget: Duration, done: &mut dyn FnMut(Row)) {
    for (method, name) in NAMES.into_iter().enumerate() {
        set_up(budget, method, name, done);
    }
}

fn name(ue: usize) -> Identity {
    Identity::user(if ue == 0 { "mary" } else { "john" })
}

fn manager(ue: usize, method: usize, seed: u64) -> Option<LinkManager> {
    let source = Layer2Id::new(0x10 + ue as u32).ok()?;
    let mut octets = [ue as u8; 32];
    octets[..8].copy_from_slice(&seed.to_be_bytes());
    let mut manager =
        LinkManager::open(Config::new(source, name(ue), 40), &octets, &mut Memory::default()).ok()?;
    let key = |ue: usize| [0x40 + ue as u8; 32];
    match method {
        0 => manager.add_kd(KdRecord::pre_shared(KdId(7), Kd::from([9; 32]), name(1 - ue))),
        1 => {
            let raw = (0..2).map(|ue| (name(ue).value, Credential::raw(&key(ue)).public())).collect();
            manager.authenticate_with(Credential::raw(&key(ue)), Trust { raw, ..Trust::default() });
        }
        _ => {
            let issuer = Issuer::new("bench", &[1; 32]);
            let validity = Validity { from: NOW.minus_millis(1000), until: NOW.plus_millis(1_000_000) };
            let root = Root::from_der(&issuer.certificate(validity)).ok()?;
            let public = Credential::raw(&key(ue)).public();
            let own = issuer.issue(&name(ue).value, 2 + ue as u32, &public, validity);
            let trust = Trust { roots: vec![root], ..Trust::default() };
            manager.authenticate_with(Credential::certified(&key(ue), own), trust);
        }
    }
    Some(manager)
}

/// Input of one end, and the time of all its consequences.
struct Step {
    ue: usize,
    /// The message; `None` for the end that begins.
    message: Option<MessageType>,
    micros: f64,
}

/// Passes an input to one end and takes its outputs; PDUs go to `out`.
fn give(
    manager: &mut LinkManager,
    input: Input<'_>,
    out: &mut Vec<(Option<MessageType>, Lcid, Vec<u8>)>,
) -> f64 {
    let before = Instant::now();
    // A refusal would show as a link that does not come up.
    let _ = manager.handle_input(input);
    loop {
        let now = NOW;
        match manager.poll_output() {
            Output::Pdu(pdu) => out.push((pdu.message, pdu.lcid, pdu.octets)),
            Output::Store { ticket, .. } => _ = manager.handle_input(Input::Stored { now, ticket }),
            Output::Reserve(reservation) => match reservation.commit(&mut Memory::default()) {
                Ok(granted) => _ = manager.handle_input(Input::Granted { now, granted }),
                Err(_) => break,
            },
            Output::Timeout(_) => break,
            _ => {}
        }
    }
    before.elapsed().as_secs_f64() * 1e6
}

/// Runs one set-up and returns its steps. `None` when it did not end in a link.
fn once(method: usize, seed: u64) -> Option<(Vec<Step>, [LinkManager; 2])> {
    let mut managers = [manager(0, method, seed)?, manager(1, method, seed)?];
    let sources = [Layer2Id::new(0x10).ok()?, Layer2Id::new(0x11).ok()?];
    let mut out = Vec::new();
    let connect = Input::Connect { now: NOW, peer: sources[1], identity: name(1) };
    let mut steps = vec![Step { ue: 0, message: None, micros: give(&mut managers[0], connect, &mut out) }];
    let mut from = 0;
    while !out.is_empty() {
        let mut next = Vec::new();
        for (message, lcid, pdu) in out {
            let input = Input::Pdu { now: NOW, source: sources[from], lcid, pdu: &pdu };
            let micros = give(&mut managers[1 - from], input, &mut next);
            steps.push(Step { ue: 1 - from, message, micros });
        }
        out = next;
        from = 1 - from;
    }
    managers
        .iter()
        .all(|manager| manager.links().any(|(_, _, keys)| keys.is_some()))
        .then_some((steps, managers))
}

fn set_up(budget: Duration, method: usize, name: &str, done: &mut dyn FnMut(Row)) {
    let mut times: BTreeMap<(usize, usize, Option<MessageType>), Vec<f64>> = BTreeMap::new();
    let mut sides = [Vec::new(), Vec::new()];
    let start = Instant::now();
    let mut runs = 0;
    while runs < 20 || (start.elapsed() < budget && runs < 100_000) {
        let Some((steps, _)) = once(method, runs) else { return };
        let mut sum = [0.0; 2];
        for (place, Step { ue, message, micros }) in steps.into_iter().enumerate() {
            times.entry((place, ue, message)).or_default().push(micros);
            sum[ue] += micros;
        }
        sides[0].push(sum[0]);
        sides[1].push(sum[1]);
        runs += 1;
    }
    for ((_, ue, message), micros) in times {
        let takes = |message: MessageType| format!("takes message {}", message.lte());
        let what = message.map_or_else(|| "begins".to_owned(), takes);
        row(format!("{name}: UE_{} {what}", ue + 1), micros, done);
    }
    for (ue, micros) in sides.into_iter().enumerate() {
        row(format!("{name}: whole set-up, UE_{}", ue + 1), micros, done);
    }
    if method == 0 {
        data(budget, done);
    }
}

/// Measures a packet of 300 octets over a link, sent and received.
fn data(budget: Duration, done: &mut dyn FnMut(Row)) {
    let Some((_, [mut mary, mut john])) = once(0, 0) else { return };
    let (Ok(lcid), Ok(source)) = (Lcid::new(3), Layer2Id::new(0x10)) else { return };
    let Some((link, _, _)) = mary.links().next() else { return };
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    let start = Instant::now();
    // Fewer than the SN of one key.
    while sent.len() < 20 || (start.elapsed() < budget && sent.len() < 50_000) {
        let mut out = Vec::new();
        let input = Input::Send { now: NOW, link, lcid, sdu_type: SduType::Ip, data: &[0x5a; 300] };
        sent.push(give(&mut mary, input, &mut out));
        let Some((_, lcid, pdu)) = out.pop() else { return };
        received.push(give(&mut john, Input::Pdu { now: NOW, source, lcid, pdu: &pdu }, &mut out));
    }
    row("shared KD: a packet of 300 octets, sent".into(), sent, done);
    row("shared KD: a packet of 300 octets, received".into(), received, done);
}

fn row(name: String, mut micros: Vec<f64>, done: &mut dyn FnMut(Row)) {
    micros.sort_by(f64::total_cmp);
    let at = |part: usize| micros[(micros.len() - 1) * part / 100];
    let figures = [("median_us", figure(at(50))), ("p99_us", figure(at(99)))];
    done(Row::new("direct", name, &figures));
}
