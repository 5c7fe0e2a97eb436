use super::*;

const SERVICE: [u8; 3] = [0, 0, 9];

fn id(number: u32) -> Layer2Id {
    Layer2Id::new(number).unwrap()
}

fn at(millis: u64) -> UtcTime {
    UtcTime::from_millis(1_700_000_000_000 + millis)
}

fn control() -> AdmissionControl {
    AdmissionControl::new(AdmissionRules::new(vec![SERVICE], 2))
}

#[test]
fn services_and_places_are_checked_first() {
    let mut control = control();
    assert_eq!(control.admit(at(0), id(1), [1, 1, 1], 0), Err(NotAdmitted::Service));
    assert_eq!(control.admit(at(0), id(1), SERVICE, 2), Err(NotAdmitted::Full));
    assert_eq!(control.remembered(), 0);
    assert_eq!(control.admit(at(0), id(1), SERVICE, 1), Ok(()));
}

/// A UE that never completes gets a try every two seconds; another one is not held up by it.
#[test]
fn an_identity_that_tries_too_often_waits_and_others_do_not() {
    let mut control = control();
    let tries = |control: &mut AdmissionControl, from: u64, until: u64| {
        (from..until).step_by(100).filter(|t| control.admit(at(*t), id(1), SERVICE, 0).is_ok()).count()
    };
    assert_eq!(tries(&mut control, 0, 2000), 4);
    assert_eq!(control.admit(at(1900), id(1), SERVICE, 0), Err(NotAdmitted::TooOften));
    assert_eq!(control.admit(at(1900), id(2), SERVICE, 0), Ok(()));
    assert_eq!(tries(&mut control, 2000, 22_000), 10);
    control.linked(id(1));
    assert_eq!(tries(&mut control, 22_000, 22_400), 4);
}

/// Requests under ever new identities: as many as all may have, and a bounded table.
#[test]
fn a_flood_of_identities_is_bounded_in_tries_and_in_memory() {
    let mut control = control();
    let mut admitted = 0;
    for number in 0..100_000_u32 {
        let now = at(u64::from(number / 10));
        admitted += u64::from(control.admit(now, id(number), SERVICE, 0).is_ok());
        assert!(control.remembered() <= 256);
    }
    assert_eq!(admitted, 16 + 9999 / 250, "in ten seconds");
    let mut small = AdmissionControl::new(AdmissionRules {
        remembered: 3,
        all: Tries { burst: 1000, interval: 1 },
        ..AdmissionRules::new(vec![SERVICE], 2)
    });
    // Who has used all tries keeps the place longest.
    for _ in 0..4 {
        small.admit(at(0), id(1), SERVICE, 0).unwrap();
    }
    for number in 2..100 {
        assert_eq!(small.admit(at(0), id(number), SERVICE, 0), Ok(()));
        assert!(small.remembered() <= 3);
    }
    assert_eq!(small.admit(at(0), id(1), SERVICE, 0), Err(NotAdmitted::TooOften));
}
