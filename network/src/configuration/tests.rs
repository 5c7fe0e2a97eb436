use proptest::prelude::*;
use sidelink_security::counter::UtcTime;

use super::permit::MAX_OFFSET;
use super::*;
use crate::identity::{Fqdn, NafId};
use crate::key_delivery::ServiceId;
use crate::limit::RateLimit;
use crate::pc3::{Imsi, Minutes, Plmn};
use crate::prose_function::RequestId;

mod machines;
mod values;

const NOW: UtcTime = UtcTime::from_millis(1_800_000_000_000);
const CARRIER: u64 = 793_000_000;

pub(super) fn plmn() -> Plmn {
    Plmn::new("001", "01").unwrap()
}

pub(super) fn ue(number: u32) -> Imsi {
    Imsi::new(plmn(), &format!("{number:010}")).unwrap()
}

pub(super) fn naf(name: &str) -> Source {
    Source::Naf(NafId { fqdn: Fqdn::new(name).unwrap(), protocol: [1, 0, 0, 0, 7] })
}

pub(super) const OPERATOR: &str = "prosefunction.mnc001.mcc001.pub.3gppnetwork.org";

pub(super) fn trust() -> Trust {
    Trust { operators: vec![Fqdn::new(OPERATOR).unwrap()] }
}

fn area(north: f64, east: f64) -> Polygon {
    let corner = |dn: f64, de: f64| Place::from_degrees(north + dn, east + de).unwrap();
    Polygon { points: vec![corner(-1.0, -1.0), corner(-1.0, 1.0), corner(1.0, 1.0), corner(1.0, -1.0)] }
}

fn radio(carrier: u64, area: Polygon) -> RadioParametersOfArea {
    let contents = RadioParameters {
        carrier: Hertz::new(carrier).unwrap(),
        max_power: Power::new(23).unwrap(),
        bandwidth: Bandwidth::new(50).unwrap(),
    };
    RadioParametersOfArea { contents, area: vec![area] }
}

pub(super) fn content(version: u32) -> Content {
    let minutes = |minutes| Minutes::new(minutes).unwrap();
    let policy = |range| Policy { plmn: plmn(), validity: minutes(60), range };
    Content {
        version: Version::new(version).unwrap(),
        validity: minutes(1440),
        monitoring: vec![policy(None)],
        announcing: vec![policy(Some(Range::Medium))],
        communication: vec![policy(None)],
        not_in_eutran: Some(NotInEutran {
            one_to_many: Some(true),
            one_to_one: Some(false),
            announcing: None,
            monitoring: Some(true),
            communication: vec![
                radio(CARRIER, area(48.0, 16.0)),
                radio(CARRIER + 5_000_000, area(-34.0, -58.0)),
            ],
            discovery: vec![radio(CARRIER, area(48.0, 16.0))],
        }),
        groups: vec![GroupParameters {
            multicast: Address("224.0.0.7".parse().unwrap()),
            pkmf: Some(Address("192.0.2.7".parse().unwrap())),
            group: ServiceId([0, 0, 7]),
        }],
    }
}

pub(super) fn configuration(version: u32, issued: UtcTime) -> Configuration {
    Configuration {
        ue: ue(1),
        issued,
        valid_until: issued.plus_millis(86_400_000),
        content: content(version),
    }
}

pub(super) fn key() -> SealingKey {
    SealingKey::new(b"a secret of the terminal", ue(1))
}
