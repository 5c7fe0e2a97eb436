//! Roles at UE-to-UE relays: in certificates, in claims, and at the ends of a validity.

use super::*;
use crate::direct::signed::role::{Role, Roles};

const SERVICE: [u8; 3] = [0, 0, 1];

fn with_role(who: &str, seed: u8, validity: Validity, roles: &[Role]) -> Credential {
    let key = Credential::raw(&[seed; 32]).public();
    let roles = Roles::new(roles, &[SERVICE]).unwrap();
    let der = issuer().issue_with_roles(who.as_bytes(), 9, &key, validity, &roles);
    assert_eq!(certificate::roles(&der), Some(roles));
    Credential::certified(&[seed; 32], der)
}

/// Judges UE_2 by what it claims to be.
fn judge(john: &Credential, trust: &Trust, claim: (u8, [u8; 3], &str), now: UtcTime) -> Result<(), Failure> {
    let (kind, service, name) = claim;
    let value = match kind {
        Subject::USER => name.as_bytes().to_vec(),
        _ => [&service, name.as_bytes()].concat(),
    };
    let (e1, e2) = (Ephemeral::new([1; 32]), Ephemeral::new([2; 32]));
    let info = KeyInfo::new(&e1, trust, None);
    let (_, content) = challenge(john, trust, REQUEST, &info, CAPABILITIES, e2)?;
    let mary = certified("mary", 3, 7, validity());
    respond(&e1, &mary, trust, now, Subject { kind, value: &value }, REQUEST, &content).map(drop)
}

#[test]
fn a_relay_is_one_in_its_service_and_under_its_name_alone() {
    let relay = with_role("john", 4, validity(), &[Role::Relay]);
    let end = with_role("john", 4, validity(), &[Role::End]);
    let both = with_role("john", 4, validity(), &[Role::Relay, Role::End]);
    let none = certified("john", 4, 8, validity());
    let refused = Err(Failure::NoRole);
    for (kind, expected) in [
        (Subject::RELAY, [Ok(()), refused.clone(), Ok(()), refused.clone()]),
        (Subject::END, [refused.clone(), Ok(()), Ok(()), refused.clone()]),
        // As a user everybody is who it is.
        (Subject::USER, [Ok(()), Ok(()), Ok(()), Ok(())]),
    ] {
        let got =
            [&relay, &end, &both, &none].map(|john| judge(john, &trust(), (kind, SERVICE, "john"), NOW));
        assert_eq!(got, expected, "{kind}");
    }
    let of = |claim| judge(&relay, &trust(), claim, NOW);
    assert_eq!(of((Subject::RELAY, [0, 0, 2], "john")), refused);
    assert_eq!(of((Subject::RELAY, SERVICE, "peter")), Err(Failure::WrongIdentity));
    assert_eq!(of((0x13, SERVICE, "john")), Err(Failure::WrongIdentity));
}

#[test]
fn a_raw_key_proves_no_role() {
    let (_, john, known) = raw();
    assert_eq!(judge(&john, &known, (Subject::USER, SERVICE, "john"), NOW), Ok(()));
    assert_eq!(judge(&john, &known, (Subject::RELAY, SERVICE, "john"), NOW), Err(Failure::NoRole));
}

/// TU-7: 20 s are within the guard of 32 s at both ends, 40 s are not.
#[test]
fn the_guard_is_at_both_ends_and_grace_after_the_end_alone() {
    let second = 1000;
    let validity = Validity { from: NOW, until: NOW.plus_millis(60 * second) };
    let relay = with_role("john", 4, validity, &[Role::Relay]);
    // The root is valid for days about it.
    let at = |trust: &Trust, now| judge(&relay, trust, (Subject::RELAY, SERVICE, "john"), now);
    let (early, late) = (|s: u64| NOW.minus_millis(s * second), |s: u64| NOW.plus_millis((60 + s) * second));
    let strict = trust();
    assert_eq!([at(&strict, early(20)), at(&strict, late(20))], [Ok(()), Ok(())]);
    assert!(matches!(at(&strict, early(40)), Err(Failure::NotYetValid { what: Dated::Certificate, .. })));
    assert!(matches!(at(&strict, late(40)), Err(Failure::Expired { what: Dated::Certificate, .. })));
    let emergency = Trust { grace: 3600 * second, ..trust() };
    assert_eq!(at(&emergency, late(40)), Ok(()));
    assert_eq!(at(&emergency, late(3600 + 20)), Ok(()));
    assert!(at(&emergency, late(3600 + 40)).is_err());
    assert!(at(&emergency, early(40)).is_err());
    assert_eq!(emergency.after_the_end(), (3600 + 32) * second);
}
