//! Places, areas, documents, seals, permits.

use super::*;

#[test]
fn places_are_steps_of_a_quarter_circle_and_of_a_circle() {
    assert_eq!(Latitude::from_degrees(90.0).unwrap().octets(), [0x7f, 0xff, 0xff]);
    assert_eq!(Latitude::from_degrees(-45.0).unwrap().octets(), [0xc0, 0, 0]);
    assert_eq!(Longitude::from_degrees(-180.0).unwrap().octets(), [0x80, 0, 0]);
    assert_eq!(Longitude::from_degrees(90.0).unwrap().octets(), [0x40, 0, 0]);
    for degrees in [-89.9, -48.2, 0.0, 0.00002, 16.3, 89.0] {
        assert!((Latitude::from_degrees(degrees).unwrap().degrees() - degrees).abs() < 2e-5);
        assert!((Longitude::from_degrees(2.0 * degrees).unwrap().degrees() - 2.0 * degrees).abs() < 3e-5);
    }
    for wrong in [90.1, -91.0, f64::NAN] {
        assert!(Latitude::from_degrees(wrong).is_none() && Longitude::from_degrees(2.0 * wrong).is_none());
    }
    assert!(Longitude::from_degrees(180.0).is_none());
}

#[test]
fn an_area_holds_what_is_within_its_border() {
    let at = |north, east| Place::from_degrees(north, east).unwrap();
    let square = area(48.0, 16.0);
    assert!(square.holds(&at(48.0, 16.0)) && square.holds(&at(48.9, 15.1)));
    for (north, east) in [(49.1, 16.0), (46.9, 16.0), (48.0, 17.1), (48.0, 14.9), (-48.0, 16.0)] {
        assert!(!square.holds(&at(north, east)), "{north} {east}");
    }
    // An L: its notch is outside.
    let corners = [(0.0, 0.0), (0.0, 2.0), (1.0, 2.0), (1.0, 1.0), (2.0, 1.0), (2.0, 0.0)];
    let l = Polygon { points: corners.map(|(north, east)| at(north, east)).into() };
    assert!(l.holds(&at(0.5, 1.5)) && l.holds(&at(1.5, 0.5)) && !l.holds(&at(1.5, 1.5)));
    let line = Polygon { points: vec![at(0.0, 0.0), at(2.0, 2.0)] };
    assert!(!line.holds(&at(1.0, 1.0)) && !Polygon { points: vec![] }.holds(&at(0.0, 0.0)));
}

#[test]
fn documents_come_back() {
    let response =
        ConfigurationResponse { nonce: [7; 16], cause: None, configuration: Some(configuration(3, NOW)) };
    let text = Message::Response(response).to_xml();
    let again = Message::from_xml(text.as_bytes()).unwrap();
    assert_eq!(again.to_xml(), text);
    for name in ["ValidityTimerT4005", "DirectCommunicationRadioParameters", "PKMFAddress", "Layer2GroupID"] {
        assert!(text.contains(name), "{name}");
    }
    for (from, to) in [
        ("<maxTxPower>23", "<maxTxPower>34"),
        ("<sl-bandwidth>50", "<sl-bandwidth>51"),
        ("<Version>3", "<Version>0"),
        ("<Range>2", "<Range>4"),
        ("224.0.0.7", "224.0.0.x"),
        ("<carrierFreq>793000000", "<carrierFreq>0"),
        ("<Issued>", "<Issued>x"),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(Message::from_xml(text.replace(from, to).as_bytes()).is_err(), "{to}");
    }
    let both = ConfigurationResponse {
        nonce: [7; 16],
        cause: Some(RefusedCause::NothingThere),
        configuration: Some(configuration(3, NOW)),
    };
    assert!(both.answer().is_none());
    assert!(ConfigurationResponse { nonce: [7; 16], cause: None, configuration: None }.answer().is_none());
}

/// T6.1-4: an edited file is none, wherever it was edited.
#[test]
fn an_edited_file_breaks_its_seal() {
    let file = key().seal(&configuration(3, NOW));
    assert_eq!(key().open(&file).unwrap().order(), configuration(3, NOW).order());
    let text = String::from_utf8(file.clone()).unwrap();
    let edited = text.replace("<carrierFreq>793000000", "<carrierFreq>798000000");
    assert_ne!(edited, text);
    assert_eq!(key().open(edited.as_bytes()).unwrap_err(), SealError::Broken);
    for at in 0..file.len() {
        let mut altered = file.clone();
        altered[at] ^= 1;
        assert!(key().open(&altered).is_err(), "{at}");
    }
    for (file, why) in
        [(&b""[..], SealError::Form), (b"sealed 00\n", SealError::Form), (b"x\n", SealError::Form)]
    {
        assert_eq!(key().open(file).unwrap_err(), why);
    }
    // Another secret, and the same secret in another UE.
    for other in [SealingKey::new(b"another", ue(1)), SealingKey::new(b"a secret of the terminal", ue(2))] {
        assert_eq!(other.open(&file).unwrap_err(), SealError::Broken);
    }
    assert_eq!(key().open(&file[..file.len() - 1]).unwrap_err(), SealError::Broken);
}

#[test]
fn the_key_of_a_test_usim_is_its_own() {
    use sidelink_security::cipher::milenage::Subscriber;
    let of = |k| SealingKey::of_usim(&Subscriber::with_opc([k; 16], [2; 16]), ue(1));
    let file = of(1).seal(&configuration(3, NOW));
    assert!(of(1).open(&file).is_ok() && of(3).open(&file).is_err());
}

/// T6.1-4: a UE does not transmit but as its configuration says.
#[test]
fn what_is_not_permitted_is_not_sent() {
    let held = configuration(3, NOW);
    let vienna = Place::from_degrees(48.2, 16.4).unwrap();
    let good = || Transmission {
        purpose: Use::OneToMany,
        carrier: CARRIER,
        bandwidth: 50,
        power: Some(23),
        place: Some(&vienna),
    };
    assert_eq!(held.permits(NOW, &good()), Ok(()));
    assert_eq!(held.permits(NOW, &Transmission { power: None, ..good() }), Ok(()));
    let refused = |transmission: Transmission<'_>| held.permits(NOW, &transmission).unwrap_err();
    let paris = Place::from_degrees(48.8, 2.3).unwrap();
    let buenos_aires = Place::from_degrees(-34.6, -58.4).unwrap();
    for (transmission, why) in [
        (Transmission { carrier: CARRIER + 5_000_000, ..good() }, NotPermitted::Carrier(CARRIER + 5_000_000)),
        (Transmission { place: Some(&buenos_aires), ..good() }, NotPermitted::Carrier(CARRIER)),
        (Transmission { place: Some(&paris), ..good() }, NotPermitted::Place),
        (Transmission { place: None, ..good() }, NotPermitted::Place),
        (Transmission { bandwidth: 25, ..good() }, NotPermitted::Bandwidth(25)),
        (Transmission { power: Some(24), ..good() }, NotPermitted::Power(24)),
        (Transmission { purpose: Use::OneToOne, ..good() }, NotPermitted::Use(Use::OneToOne)),
        (Transmission { purpose: Use::Announcing, ..good() }, NotPermitted::Use(Use::Announcing)),
    ] {
        assert_eq!(refused(transmission), why);
    }
    assert_eq!(held.permits(held.valid_until, &good()), Err(NotPermitted::Expired));
    assert_eq!(held.permits(NOW.minus_millis(MAX_OFFSET), &good()), Ok(()));
    assert_eq!(held.permits(NOW.minus_millis(MAX_OFFSET + 1), &good()), Err(NotPermitted::NotYet));
}

#[test]
fn a_policy_ends_with_t4005() {
    let held = configuration(3, NOW);
    let lasts = |now| held.allows(&held.content.announcing, plmn(), now);
    assert!(lasts(NOW) && lasts(NOW.plus_millis(3_599_999)) && !lasts(NOW.plus_millis(3_600_000)));
    assert!(!held.allows(&held.content.announcing, Plmn::new("001", "02").unwrap(), NOW));
    assert!(!held.allows(&[], plmn(), NOW));
}

proptest! {
    #[test]
    fn any_octets_are_a_message_or_none(octets: Vec<u8>) {
        let _ = (Message::from_xml(&octets), Provision::from_xml(&octets), key().open(&octets));
    }

    #[test]
    fn any_part_of_a_document_is_read_or_refused(at in 0_usize..3000, octet: u8) {
        let response = ConfigurationResponse { nonce: [7; 16], cause: None, configuration: Some(configuration(3, NOW)) };
        let mut text = Message::Response(response).to_xml().as_bytes().to_vec();
        let at = at % text.len();
        text[at] = octet;
        if let Ok(message) = Message::from_xml(&text) {
            let again = message.to_xml();
            prop_assert_eq!(Message::from_xml(again.as_bytes()).unwrap().to_xml(), again);
        }
    }

    #[test]
    fn any_place_is_coded(octets: [u8; 3]) {
        prop_assert!((-90.0..=90.0).contains(&Latitude::new(octets).degrees()));
        prop_assert!((-180.0..180.0).contains(&Longitude::new(octets).degrees()));
    }
}
