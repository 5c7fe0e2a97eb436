//! The complete path of protected data: from the application to a full transport block.

use super::{Row, figure};
use crate::bench::timing::time;
use sidelink_mac::engine::{Bearer, Config, Engine, Input, Output};
use sidelink_mac::mux::Address;
use sidelink_mac::pdcp::{PlainSn, Protection};
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::memory::Memory;
use sidelink_security::counter::reserve::ReserveConfig;
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::group::{GroupConfig, GroupKey, Sender};
use sidelink_security::keys::Pgk;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::SduType;
use std::time::Duration;

/// Octets of the largest transport block of 50 PRBs on the PSSCH with 16QAM: I_TBS 19, 21 384 bits. TS 36.213 Table
/// 7.1.7.2.1-1.
const BLOCK: usize = 21_384 / 8;

/// Octets of an application's packet.
const PACKET: usize = 300;

pub(super) fn run(budget: Duration, done: &mut dyn FnMut(Row)) {
    let cases = [
        ("not ciphered", None),
        ("EEA1", Some((Algorithm::Snow3g, None))),
        ("EEA2", Some((Algorithm::Aes, None))),
        ("EEA2 and own MAC-I by EIA2", Some((Algorithm::Aes, Some(Algorithm::Aes)))),
        ("EEA3", Some((Algorithm::Zuc, None))),
    ];
    for (name, protection) in cases {
        if let Some(row) = case(budget, name, protection) {
            done(row);
        }
    }
}

fn case(budget: Duration, name: &str, protection: Option<(Algorithm, Option<Algorithm>)>) -> Option<Row> {
    let now = UtcTime::from_millis(1_795_238_400_500);
    let (source, group) = (Layer2Id::from_octets([0, 0, 1]), Layer2Id::from_octets([0, 1, 0xa2]));
    let (address, lcid) = (Address::Group(group), Lcid::new(1).ok()?);
    let mut store = Memory::default();
    let protection = match protection {
        None => Protection::Plain(PlainSn::Zero),
        Some((eea, mac)) => {
            let mut sender = Sender::new(GroupConfig { group_id: group.octets(), eea, mac }, source.octets());
            let (valid_from, expiry) = (UtcCounter::new(0), UtcCounter::new(u32::MAX));
            let key = GroupKey { pgk_id: 1, pgk: Pgk::from([9; 32]), valid_from, expiry };
            sender.install(key, ReserveConfig::default(), &mut store).ok()?;
            Protection::Group(sender)
        }
    };
    let mut engine = Engine::new(Config::new(source));
    engine.add_destination(address, protection);
    engine.add_bearer(Bearer::new(address, lcid)).ok()?;
    let data = [0x5a; PACKET];
    let mut octets = 0;
    let mut filled = 0;
    let timing = time(name, budget, || {
        while engine.queued(address) < BLOCK {
            if engine
                .handle_input(Input::Send { now, address, lcid, sdu_type: SduType::Ip, data: &data })
                .is_err()
            {
                break;
            }
        }
        let opportunity = Input::Opportunity { address: Some(address), len: BLOCK };
        if engine.handle_input(opportunity).is_err() {
            return;
        }
        loop {
            let granted = match engine.poll_output() {
                Output::SlSch { built, block, .. } => {
                    octets = block.len();
                    filled = built.octets;
                    continue;
                }
                Output::Reserve(reservation) => reservation.commit(&mut store),
                Output::Timeout(_) => return,
                _ => continue,
            };
            let Ok(granted) = granted else { return };
            if engine.handle_input(Input::Granted(granted)).is_err() {
                return;
            }
        }
    });
    let figures = [
        ("octets", octets.into()),
        ("sdu_octets", filled.into()),
        ("median_us", figure(timing.median_us)),
        ("p99_us", figure(timing.p99_us)),
        ("subframe_percent", figure(timing.budget_percent())),
    ];
    (octets == BLOCK).then(|| Row::new("frame", format!("transport block of 50 PRBs, {name}"), &figures))
}
