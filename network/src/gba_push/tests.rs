use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use sidelink_wire::hex;

use super::bsf::{Config, PushBsf, Pushed, Refusal, Request};
use super::ue::{Association, Dropped, PushUe};
use super::*;
use crate::hss::{self, Resynchronisation, Ticket};
use crate::limit::RateLimit;
use crate::testing::{World, impi, keys, naf};
use crate::usim::{self, SqnArray, Usim};

fn ks() -> Ks {
    Ks::from([7; 32])
}

fn gpi() -> Gpi {
    let expires = UtcTime::from_millis(1_800_000_000_000);
    let (label, p_tid) = ("".into(), "p-tid".into());
    Gpi { rand: Rand([1; 16]), autn: Autn([2; 16]), label, naf_id: naf(), expires, p_tid }
}

#[test]
fn what_another_program_made_is_opened_and_made_alike() {
    let file: Value = serde_json::from_str(include_str!("../../vectors/gpi_33223.json")).unwrap();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let bytes = |v: &Value| hex::bytes(&text(v)).unwrap();
    let ks = Ks::try_from(&bytes(&file["ks"])[..]).unwrap();
    let impi = Impi::new(&text(&file["impi"])).unwrap();
    let naf_id = NafId {
        fqdn: Fqdn::new(&text(&file["fqdn"])).unwrap(),
        protocol: bytes(&file["protocol"]).try_into().unwrap(),
    };
    let cases = file["cases"].as_array().unwrap();
    for case in cases {
        let made = Gpi {
            rand: Rand(bytes(&file["rand"]).try_into().unwrap()),
            autn: Autn(bytes(&file["autn"]).try_into().unwrap()),
            label: text(&case["label"]),
            naf_id: naf_id.clone(),
            expires: UtcTime::from_millis(case["expires"].as_u64().unwrap() * 1000),
            p_tid: text(&case["p_tid"]),
        };
        let octets = bytes(&case["gpi"]);
        assert_eq!(made.protect(&ks, &impi).unwrap(), octets);
        assert_eq!(Packet::new_checked(&octets).unwrap().open(&ks, &impi).unwrap(), made);
    }
    assert_eq!(cases.len(), 3);
}

/// On 7 February 2036 at 06:28:16 the seconds begin anew; the first bit tells the sides apart until 2104.
#[test]
fn key_lifetimes_go_on_after_2036() {
    for seconds in [1_700_000_000_u64, 2_085_978_495, 2_085_978_496, 4_233_462_143] {
        let at = UtcTime::from_millis(seconds * 1000);
        assert_eq!(from_ntp(to_ntp(at)), at, "{seconds}");
    }
    assert_eq!(to_ntp(UtcTime::from_millis(2_085_978_496_000)), 0);
}

#[test]
fn what_is_no_gpi_is_refused() {
    let octets = gpi().protect(&ks(), &impi()).unwrap();
    for (length, error) in [(0, "the GPI"), (33, "the GPI"), (37, "the GPI")] {
        assert_eq!(Packet::new_checked(&octets[..length]).unwrap_err(), Error::Length(error));
    }
    let with = |at: usize, value: u8| {
        let mut octets = octets.clone();
        octets[at] = value;
        Packet::new_checked(&octets).map(|packet| packet.place())
    };
    assert_eq!((with(0, 0x20), with(33, 255)), (Err(Error::Version(2)), Err(Error::Length("App_Lbl"))));
    assert_eq!((with(0, 0x1e), with(0, 0x11)), (Ok(Place::Terminal), Ok(Place::Card)));
    let mut text = [&octets[..33], &[1, 0xff], &octets[34..]].concat();
    assert_eq!(Packet::new_checked(&text).unwrap_err(), Error::Text("App_Lbl"));
    text[34] = b'x';
    assert_eq!(Packet::new_checked(&text).unwrap().open(&ks(), &impi()), Err(Error::Mac));
}

/// A GPI whose MAC is right and whose inside is this.
fn with_inside(inside: &[u8]) -> Result<Gpi, Error> {
    let keys = Keys::new(&ks(), &Rand([1; 16]), &impi());
    let mut octets = [&[0x10][..], &[1; 16], &[2; 16], &[0]].concat();
    let mut inner = inside.to_vec();
    keys.cipher(&mut inner);
    octets.extend(inner);
    octets.extend(keys.mac(&octets));
    Packet::new_checked(&octets).unwrap().open(&ks(), &impi())
}

#[test]
fn the_inside_is_judged_too() {
    let whole = [&[8][..], b"nafABCDE", &[0x80, 0, 0, 0], &[1], b"p"].concat();
    assert!(with_inside(&whole).is_ok());
    let cases: [(&[u8], Error); 7] = [
        (&[], Error::Length("NAF_Id")),
        (b"\x09nafABCDE", Error::Length("NAF_Id")),
        (b"\x04nafA\x80\0\0\0\0", Error::Length("NAF_Id")),
        (b"\x05ABCDE\x80\0\0\0\0", Error::Text("NAF_Id")),
        (b"\x08nafABCDE\x80\0\0", Error::Length("Key_LT")),
        (b"\x08nafABCDE\x80\0\0\0\x02p", Error::Length("P-TID")),
        (b"\x08nafABCDE\x80\0\0\0\x01\xff", Error::Text("P-TID")),
    ];
    for (inside, error) in cases {
        assert_eq!(with_inside(inside), Err(error), "{inside:?}");
    }
    assert_eq!(with_inside(&[&whole[..], &[0]].concat()), Err(Error::Length("the GPI")));
}

#[test]
fn what_does_not_fit_is_not_written() {
    for (change, what) in [
        (Gpi { label: "x".repeat(256), ..gpi() }, "App_Lbl"),
        (Gpi { p_tid: "x".repeat(256), ..gpi() }, "P-TID"),
    ] {
        assert_eq!(change.protect(&ks(), &impi()), Err(Error::TooLong(what)));
    }
}

fn request(world: &World, ticket: u64) -> Request {
    let _ = world;
    Request {
        ticket: Ticket(ticket),
        naf: naf().fqdn,
        impi: impi(),
        label: String::new(),
        naf_id: naf(),
        p_tid: format!("p{ticket}"),
        place: Place::Terminal,
        lifetime: 3_600_000,
        resynchronisation: None,
    }
}

/// What a NAF gets.
fn push(world: &mut World, bsf: &mut PushBsf, request: Request) -> Result<Pushed, Refusal> {
    let now = world.now;
    bsf.handle_input(bsf::Input::Request { now, request });
    loop {
        match bsf.poll_output() {
            bsf::Output::Fetch { ticket, impi, resynchronisation } => {
                let result = world.vector(ticket, impi, resynchronisation);
                bsf.handle_input(bsf::Input::Vector { now, ticket, result });
            }
            bsf::Output::Answer { result, .. } => return result,
            bsf::Output::Timeout(at) => panic!("{at:?}"),
        }
    }
}

fn ue(array: SqnArray) -> PushUe {
    PushUe::new(impi(), Usim::new(keys(), array))
}

/// What a UE says of a GPI.
fn take(world: &World, ue: &mut PushUe, octets: &[u8]) -> ue::Output {
    ue.handle_input(ue::Input::Gpi { now: world.now, octets });
    loop {
        match ue.poll_output().expect("an answer") {
            ue::Output::Store(_) => ue.handle_input(ue::Input::Stored),
            other => return other,
        }
    }
}

fn associated(output: ue::Output) -> Association {
    match output {
        ue::Output::Associated(association) => association,
        other => panic!("{other:?}"),
    }
}

fn dropped(output: ue::Output) -> Dropped {
    match output {
        ue::Output::Dropped(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pushed_key_is_the_nafs_and_the_ues() {
    let (mut world, mut bsf, mut ue) =
        (World::new(|_| {}), PushBsf::new(Config::default()), ue(SqnArray::default()));
    let mut seen = BTreeMap::new();
    for n in 1..4 {
        let asked = request(&world, n);
        let pushed = push(&mut world, &mut bsf, asked).unwrap();
        let association = associated(take(&world, &mut ue, &pushed.gpi));
        assert!(association.ks_naf == pushed.ks_naf && association.expires == pushed.expires);
        assert_eq!((association.p_tid, association.naf_id), (format!("p{n}"), naf()));
        assert_eq!(pushed.expires.millis(), (world.now.millis() + 3_600_000) / 1000 * 1000);
        assert!(seen.insert(*association.ks_naf.as_bytes(), n).is_none());
        assert_eq!(dropped(take(&world, &mut ue, &pushed.gpi)), Dropped::Known);
        let name = naf().fqdn;
        assert!(!pushed.gpi.windows(10).any(|w| w == &name.as_str().as_bytes()[..10]), "it is hidden");
    }
}

#[test]
fn a_usim_that_is_ahead_is_followed() {
    let (mut world, mut bsf) = (World::new(|_| {}), PushBsf::new(Config::default()));
    let mut ue = ue(SqnArray::from_entries([500; 32]).unwrap());
    let asked = request(&world, 1);
    let pushed = push(&mut world, &mut bsf, asked).unwrap();
    let ue::Output::Resynchronise { rand, auts } = take(&world, &mut ue, &pushed.gpi) else { panic!() };
    let resynchronisation = Some(Resynchronisation { rand, auts });
    let asked = Request { resynchronisation, ..request(&world, 2) };
    let pushed = push(&mut world, &mut bsf, asked).unwrap();
    assert!(associated(take(&world, &mut ue, &pushed.gpi)).ks_naf == pushed.ks_naf);
}

/// A GPI that was altered on its way spoils nothing: the whole one is opened by the same Ks. TS 33.223 §5.1.4 step 4 b.
#[test]
fn a_gpi_that_was_altered_may_come_again() {
    let (mut world, mut bsf, mut ue) =
        (World::new(|_| {}), PushBsf::new(Config::default()), ue(SqnArray::default()));
    let asked = request(&world, 1);
    let pushed = push(&mut world, &mut bsf, asked).unwrap();
    let mut altered = pushed.gpi.clone();
    *altered.last_mut().unwrap() ^= 1;
    for _ in 0..2 {
        assert_eq!(dropped(take(&world, &mut ue, &altered)), Dropped::Gpi(Error::Mac));
    }
    assert!(associated(take(&world, &mut ue, &pushed.gpi)).ks_naf == pushed.ks_naf);
    assert_eq!(dropped(take(&world, &mut ue, &altered)), Dropped::Known);
}

#[test]
fn what_a_ue_does_not_take() {
    let (mut world, mut bsf) = (World::new(|_| {}), PushBsf::new(Config::default()));
    let asked = request(&world, 1);
    let pushed = push(&mut world, &mut bsf, asked).unwrap();
    let mut on_card = pushed.gpi.clone();
    on_card[0] |= 1;
    assert_eq!(dropped(take(&world, &mut ue(SqnArray::default()), &on_card)), Dropped::Place);
    let mut stranger = pushed.gpi.clone();
    stranger[20] ^= 1;
    let refused = Dropped::Usim(usim::Refusal::Mac);
    assert_eq!(dropped(take(&world, &mut ue(SqnArray::default()), &stranger)), refused);
    assert_eq!(dropped(take(&world, &mut ue(SqnArray::default()), &[0x20])), Dropped::Gpi(Error::Version(2)));
    world.now = pushed.expires;
    assert_eq!(dropped(take(&world, &mut ue(SqnArray::default()), &pushed.gpi)), Dropped::Expired);
}

#[test]
fn without_a_durable_usim_there_is_no_key() {
    let (mut world, mut bsf, mut ue) =
        (World::new(|_| {}), PushBsf::new(Config::default()), ue(SqnArray::default()));
    let asked = request(&world, 1);
    let pushed = push(&mut world, &mut bsf, asked).unwrap();
    let now = world.now;
    ue.handle_input(ue::Input::Gpi { now, octets: &pushed.gpi });
    assert!(matches!(ue.poll_output(), Some(ue::Output::Store(_))));
    assert!(ue.poll_output().is_none());
    ue.handle_input(ue::Input::Gpi { now, octets: &pushed.gpi });
    assert_eq!(dropped(ue.poll_output().unwrap()), Dropped::Busy);
    ue.handle_input(ue::Input::StoreFailed);
    assert_eq!(dropped(ue.poll_output().unwrap()), Dropped::Usim(usim::Refusal::Store));
    ue.handle_input(ue::Input::Stored);
    assert!(ue.poll_output().is_none());
}

#[test]
fn what_is_remembered_is_bounded() {
    let (mut world, mut ue) = (World::new(|_| {}), ue(SqnArray::default()));
    let mut bsf = PushBsf::new(Config { rate: RateLimit { burst: 0, interval: 0 }, ..Config::default() });
    let mut first = Vec::new();
    for n in 0..=ue::MOST_REMEMBERED as u64 {
        let asked = request(&world, n);
        let pushed = push(&mut world, &mut bsf, asked).unwrap();
        associated(take(&world, &mut ue, &pushed.gpi));
        first.push(pushed.gpi);
    }
    // The USIM refuses the oldest still.
    assert!(matches!(take(&world, &mut ue, &first[0]), ue::Output::Resynchronise { .. }));
    assert_eq!(dropped(take(&world, &mut ue, &first[1])), Dropped::Known);
}

#[test]
fn what_a_naf_is_refused_costs_no_vector() {
    let mut world = World::new(|_| {});
    let mut bsf = PushBsf::new(Config { rate: RateLimit { burst: 1, interval: 1000 }, ..Config::default() });
    let other = Fqdn::new("other.home1.net").unwrap();
    for (asked, why) in [
        (Request { naf: other, ..request(&world, 1) }, Refusal::NotItsName),
        (Request { lifetime: 24 * 3_600_000 + 1, ..request(&world, 1) }, Refusal::Lifetime),
        (Request { place: Place::Card, ..request(&world, 1) }, Refusal::Place),
        (Request { p_tid: "x".repeat(256), ..request(&world, 1) }, Refusal::Gpi(Error::TooLong("P-TID"))),
        (Request { label: "x".repeat(256), ..request(&world, 1) }, Refusal::Gpi(Error::TooLong("App_Lbl"))),
    ] {
        assert_eq!(push(&mut world, &mut bsf, asked).unwrap_err(), why);
    }
    assert_eq!(world.asked, 0);
    let stranger = Request { impi: Impi::new("x@y").unwrap(), ..request(&world, 1) };
    assert_eq!(push(&mut world, &mut bsf, stranger).unwrap_err(), Refusal::Hss(hss::Refusal::Unknown));
    let asked = request(&world, 2);
    assert_eq!(push(&mut world, &mut bsf, asked).unwrap_err(), Refusal::TooOften);
}

#[test]
fn an_hss_that_is_silent_is_waited_for_so_long() {
    let (world, mut bsf) = (World::new(|_| {}), PushBsf::new(Config::default()));
    let (now, until) = (world.now, world.now.plus_millis(5_000));
    bsf.handle_input(bsf::Input::Request { now, request: request(&world, 1) });
    assert!(matches!(bsf.poll_output(), bsf::Output::Fetch { .. }));
    assert!(matches!(bsf.poll_output(), bsf::Output::Timeout(Some(at)) if at == until));
    bsf.handle_input(bsf::Input::Tick { now });
    assert!(matches!(bsf.poll_output(), bsf::Output::Timeout(Some(_))));
    bsf.handle_input(bsf::Input::Tick { now: until });
    assert!(matches!(bsf.poll_output(), bsf::Output::Answer { result: Err(Refusal::Late), .. }));
    bsf.handle_input(bsf::Input::Vector { now, ticket: Ticket(1), result: Err(hss::Refusal::Store) });
    assert!(matches!(bsf.poll_output(), bsf::Output::Timeout(None)));
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets: Vec<u8>, header: bool) {
        let octets = if header { [&[0x10][..], &[0; 32], &octets].concat() } else { octets };
        if let Ok(packet) = Packet::new_checked(&octets) {
            prop_assert!(packet.open(&ks(), &impi()).is_err());
        }
        let world = World::new(|_| {});
        let _ = dropped(take(&world, &mut ue(SqnArray::default()), &octets));
    }

    #[test]
    fn any_inside_is_read_or_refused(inside: Vec<u8>) {
        let _ = with_inside(&inside);
    }

    #[test]
    fn what_is_protected_comes_back(label in ".{0,20}", p_tid in "[ -~]{0,200}", seconds in 1_000_000_000_u64..4_000_000_000) {
        let expires = UtcTime::from_millis(seconds * 1000);
        let made = Gpi { label, p_tid, expires, ..gpi() };
        let octets = made.protect(&ks(), &impi()).unwrap();
        prop_assert_eq!(Packet::new_checked(&octets).unwrap().open(&ks(), &impi()), Ok(made));
    }

    #[test]
    fn one_bit_changed_is_noticed(bit in 0_usize..8 * 80) {
        let mut octets = gpi().protect(&ks(), &impi()).unwrap();
        let bit = bit % (8 * octets.len());
        octets[bit / 8] ^= 1 << (bit % 8);
        if let Ok(packet) = Packet::new_checked(&octets) {
            prop_assert!(packet.open(&ks(), &impi()).is_err());
        }
    }
}
