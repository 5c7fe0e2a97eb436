//! The network of the demo and of tests: one PLMN, one application, users who may discover one another.

use sidelink_network::identity::{self, IdentityError, Impi};
use sidelink_network::key_delivery::ServiceId;
use sidelink_network::pc3::{ApplicationId, Imsi, MaxOffset, Minutes, OsAppId, OutOfRange, Plmn, Rpauid};
use sidelink_network::pc3_client;
use sidelink_network::pc8::MemberId;
use sidelink_network::pkmf::{Kind, Service};
use sidelink_network::prose_function::{
    Application, Config, Limits, Permission, RestrictedPolicy, Role, Subscription,
};
use sidelink_security::cipher::Algorithm;
use sidelink_security::discovery::restricted::MicCheck;

/// Users, by number from 1.
pub(crate) const USERS: [&str; 3] = ["alice@rescue.example", "bob@rescue.example", "carol@rescue.example"];

const ROLES: [Role; 6] = [
    Role::OpenAnnounce,
    Role::OpenMonitor,
    Role::RestrictedAnnounce,
    Role::RestrictedMonitor,
    Role::Discoveree,
    Role::Discoverer,
];

/// Takes a constant of this file, which is in its range.
fn constant<T>(value: Result<T, OutOfRange>) -> T {
    value.unwrap_or_else(|error| unreachable!("{error}"))
}

pub(crate) fn plmn() -> Plmn {
    constant(Plmn::new("001", "01"))
}

pub(crate) fn rpauid(number: usize) -> Rpauid {
    constant(Rpauid::new(USERS[number - 1]))
}

pub(crate) fn application_id() -> ApplicationId {
    constant(ApplicationId::new("mcc001.mnc001.ProSeApp.Rescue.Team"))
}

fn application() -> Application {
    Application { os_id: *b"sidelink demo os", os_app_id: constant(OsAppId::new("org.example.rescue")) }
}

/// The ProSe Function: alice may be discovered by bob and carol, who have the DUSK of her code and not its DUIK.
pub(crate) fn config() -> Config {
    let minutes = |number| constant(Minutes::new(number));
    let permission = |watcher| Permission { target: rpauid(1), watcher: rpauid(watcher) };
    Config {
        plmn: plmn(),
        applications: ROLES.map(|role| (application(), role)).to_vec(),
        application_ids: vec![application_id()],
        permissions: vec![permission(2), permission(3)],
        restricted: RestrictedPolicy { check: MicCheck::ByProseFunction, encrypted: None },
        validity: minutes(60),
        ttl: minutes(60),
        refresh: minutes(1),
        max_offset: constant(MaxOffset::new(16)),
        report_delay: 10,
        limits: Limits::default(),
    }
}

/// Group of the rescue team, 24 bits.
pub(crate) const TEAM: ServiceId = ServiceId([0, 1, 0xa2]);

/// What the PKMF has keys of: a group of alice and bob.
pub(crate) fn groups() -> Result<Vec<Service>, IdentityError> {
    let member = |number: u8| Ok((impi(usize::from(number))?, MemberId([0, 0, number])));
    let members = [1, 2].into_iter().map(member).collect::<Result<_, IdentityError>>()?;
    Ok(vec![Service { id: TEAM, kind: Kind::Group { algorithm: Algorithm::Aes, members } }])
}

fn impi(number: usize) -> Result<Impi, IdentityError> {
    identity::Imsi::new(&format!("00101{number:010}"))?.impi(2)
}

/// Member `number` of a group that is not of the demo: no user of its application.
pub(crate) fn member(number: usize) -> (pc3_client::Config, Subscription) {
    let config = pc3_client::Config {
        ue: constant(Imsi::new(plmn(), &format!("{number:010}"))),
        plmn: plmn(),
        application: application(),
        rpauid: None,
        patience: 10_000,
        retry: 10_000,
    };
    let subscription = Subscription {
        registered: Some(plmn()),
        rights: Vec::new(),
        application_ids: Vec::new(),
        rpauids: Vec::new(),
    };
    (config, subscription)
}

/// User `number`: the settings of its UE, and what the network says of it.
pub(crate) fn subscriber(number: usize) -> (pc3_client::Config, Subscription) {
    let config = pc3_client::Config {
        ue: constant(Imsi::new(plmn(), &format!("{number:010}"))),
        plmn: plmn(),
        application: application(),
        rpauid: Some(rpauid(number)),
        patience: 10_000,
        retry: 10_000,
    };
    let subscription = Subscription {
        registered: Some(plmn()),
        rights: ROLES.map(|role| (plmn(), role)).to_vec(),
        application_ids: vec![application_id()],
        rpauids: vec![rpauid(number)],
    };
    (config, subscription)
}
