use proptest::prelude::*;

use super::*;

fn parse(bytes: &[u8]) -> Result<Repr<'_>, Error> {
    Packet::new_checked(bytes).and_then(|packet| Repr::parse(&packet))
}

#[test]
// TS 36.322 §6.2.1.3 (1); TS 36.322 §6.2.2.3; TS 36.322 §6.2.2.6
fn single_element_has_one_octet_of_header() {
    let repr = parse(&[0x87, 0x11, 0x22]).unwrap();
    assert_eq!(repr.framing, FramingInfo { continues: true, unfinished: false });
    assert_eq!((repr.sn, repr.elements()), (7, &[&[0x11, 0x22][..]][..]));
    assert_eq!(parse(&[0x0c, 1]).unwrap().sn, 12);
    assert!(parse(&[0x46, 1]).unwrap().framing.unfinished);
}

#[test]
// TS 36.322 §6.2.1.3 (2); TS 36.322 §6.2.2.4
fn length_indicators_are_packed_in_pairs() {
    // Two LIs of 1 and 0x102 octets: E LI E LI = 1 00000000001 0 00100000010.
    let mut bytes = vec![0x20 | 5, 0x80, 0x11, 0x02];
    bytes.extend([0xaa; 1 + 0x102 + 3]);
    let repr = parse(&bytes).unwrap();
    let lengths: Vec<usize> = repr.elements().iter().map(|element| element.len()).collect();
    assert_eq!(lengths, [1, 0x102, 3]);
    // One LI: four bits of padding, which any sender may set.
    let repr = parse(&[0x20, 0x00, 0x2f, 0xaa, 0xbb, 0xcc]).unwrap();
    assert_eq!(repr.elements(), [&[0xaa, 0xbb][..], &[0xcc][..]]);
}

#[test]
// TS 36.322 §5.5.1; TS 36.322 §6.2.2.5
fn headers_that_lie() {
    assert!(matches!(parse(&[]), Err(Error::Truncated { what: "RLC UM header", .. })));
    assert!(matches!(parse(&[0x20, 0x00]), Err(Error::Truncated { what: "LI of RLC UM", .. })));
    assert_eq!(
        parse(&[0x20, 0x00, 0x30, 1, 2]),
        Err(Error::LengthLies { what: "LI of RLC UM", stated: 3, have: 2 })
    );
    let zero = Err(Error::Reserved { what: "LI of RLC UM", value: 0 });
    assert_eq!(parse(&[0x20, 0x00, 0x00, 1, 2]), zero, "LI 0 is reserved");
    assert_eq!(parse(&[0x00]), zero, "a PDU without data");
    assert_eq!(parse(&[0x20, 0x00, 0x20, 1, 2]), zero, "an empty last element");
}

#[test]
// TS 36.322 §6.2.2.2 (2)
fn long_element_must_be_the_last() {
    let long = [0; MAX_LI + 1];
    let mut repr = Repr::new(FramingInfo::default(), 0);
    repr.push(&long).unwrap();
    assert!(matches!(repr.push(&[1]), Err(Error::OutOfRange { what: "LI of RLC UM", .. })));
}

proptest! {
    #[test]
    fn any_elements_come_back(
        bits in 0u8..4,
        sn in 0u8..SN_MODULUS,
        elements in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 1..=MAX_ELEMENTS),
    ) {
        let mut repr = Repr::new(FramingInfo::from_bits(bits), sn);
        for element in &elements {
            repr.push(element).unwrap();
        }
        let mut out = vec![0xee; repr.buffer_len()];
        repr.emit(&mut out).unwrap();
        prop_assert_eq!(parse(&out), Ok(repr));
    }

    #[test]
    fn any_bytes_are_judged_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(repr) = parse(&bytes) {
            let mut out = vec![0; repr.buffer_len()];
            repr.emit(&mut out).unwrap();
            prop_assert_eq!(out.len(), bytes.len());
            prop_assert_eq!(parse(&out), Ok(repr));
        }
    }
}
