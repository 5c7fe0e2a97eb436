use proptest::prelude::*;

use super::*;

#[test]
fn known_moments() {
    // Seconds as printed by `date -u -d ... +%s`.
    for (micros, text) in [
        (0, "1970-01-01T00:00:00.000000Z"),
        (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
        (1_795_249_800_250_000, "2026-11-21T08:30:00.250000Z"),
        (4_107_542_399_999_999, "2100-02-28T23:59:59.999999Z"),
    ] {
        assert_eq!(UtcMicros(micros).to_string(), text);
        assert_eq!(text.parse(), Ok(UtcMicros(micros)));
    }
}

#[test]
fn other_spellings() {
    let moment = Ok(UtcMicros(1_795_249_800_250_000));
    assert_eq!("2026-11-21T08:30:00.25Z".parse(), moment);
    assert_eq!("2026-11-21T09:30:00.25+01:00".parse(), moment);
    assert_eq!("2026-11-21T03:00:00.2500009-05:30".parse(), moment);
    assert_eq!("2026-11-21T08:30:00Z".parse(), Ok(UtcMicros(1_795_249_800_000_000)));
}

#[test]
fn refused() {
    for text in [
        "",
        "2026-11-21",
        "2026-11-21T08:30:00",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-11-00T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+01:00",
        "2026-11-21T24:00:00Z",
        "2026-11-21T08:30:00.Z",
        "2026-11-21T08:30:00ZZ",
        "2026-11-21T08:30:00+0100:00:00",
    ] {
        assert!(text.parse::<UtcMicros>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn round_trip(micros in 0_u64..253_402_300_800_000_000) {
        prop_assert_eq!(UtcMicros(micros).to_string().parse(), Ok(UtcMicros(micros)));
    }

    #[test]
    fn any_number_prints(micros: u64) {
        prop_assert!(UtcMicros(micros).to_string().ends_with('Z'));
    }

    #[test]
    fn any_text_is_judged(text in "\\PC*") {
        let _ = text.parse::<UtcMicros>();
    }

    #[test]
    fn any_near_miss_is_judged(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}[.0-9]{0,9}[Z+-]?[0-9:]{0,6}") {
        let _ = text.parse::<UtcMicros>();
    }
}
