use super::*;
use crate::aka::Amf;
use proptest::prelude::*;

fn subscriber() -> Subscriber {
    Subscriber::with_opc([1; 16], [2; 16])
}

fn challenge(seq: u64, ind: usize, amf: Amf) -> Input {
    let rand = Rand([seq as u8; 16]);
    let autn = Quintet::new(&subscriber(), rand, Sqn::new(seq, ind).unwrap(), amf).autn;
    Input::Authenticate { rand, autn, domain: Domain::Gba }
}

fn for_domain(input: Input, domain: Domain) -> Input {
    match input {
        Input::Authenticate { rand, autn, .. } => Input::Authenticate { rand, autn, domain },
        other => other,
    }
}

/// What a USIM says whose store works.
fn answer(usim: &mut Usim, input: Input) -> Answer {
    usim.handle_input(input).unwrap();
    match usim.poll_output() {
        Some(Output::Store(_)) => {
            assert!(usim.poll_output().is_none(), "keys before the array was stored");
            usim.handle_input(Input::Stored).unwrap();
        }
        Some(Output::Answer(answer)) => return answer,
        None => panic!("no output"),
    }
    match usim.poll_output() {
        Some(Output::Answer(answer)) => answer,
        other => panic!("{other:?}"),
    }
}

fn is_accepted(usim: &mut Usim, seq: u64, ind: usize) -> bool {
    matches!(answer(usim, challenge(seq, ind, Amf::OPEN)), Answer::Keys(_))
}

fn highest_of(usim: &mut Usim, input: Input) -> Sqn {
    let Input::Authenticate { rand, .. } = input else { panic!() };
    match answer(usim, input) {
        Answer::OutOfSync(auts) => aka::sqn_ms(&subscriber(), rand, auts).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_sqn_is_accepted_once() {
    let mut usim = Usim::new(subscriber(), SqnArray::default());
    assert!(!is_accepted(&mut usim, 0, 0), "a new card has accepted SEQ 0 of every index");
    assert!(is_accepted(&mut usim, 1, 0));
    assert!(!is_accepted(&mut usim, 1, 0));
    assert!(is_accepted(&mut usim, 2, 0));
    assert!(!is_accepted(&mut usim, 1, 0));
}

#[test]
fn indices_are_judged_apart_and_auts_tells_the_highest() {
    let mut usim = Usim::new(subscriber(), SqnArray::default());
    assert!(is_accepted(&mut usim, 9, 4));
    assert!(is_accepted(&mut usim, 3, 5), "below the highest, and fresh at its own index");
    assert_eq!(highest_of(&mut usim, challenge(2, 5, Amf::OPEN)), Sqn::new(9, 4).unwrap());
}

/// Two protocols with one card: what one has accepted and made durable, the other does not accept again, nor does it forget its own.
#[test]
fn what_another_protocol_has_accepted_is_not_accepted_again() {
    let (mut one, mut other) =
        (Usim::new(subscriber(), SqnArray::default()), Usim::new(subscriber(), SqnArray::default()));
    assert!(is_accepted(&mut one, 5, 0));
    assert!(is_accepted(&mut other, 7, 1));
    let stored = one.array.clone();
    other.raise(&stored);
    assert!(!is_accepted(&mut other, 5, 0));
    assert!(!is_accepted(&mut other, 7, 1));
    // While what this one has accepted is being stored, too.
    other.handle_input(challenge(8, 1, Amf::OPEN)).unwrap();
    assert!(matches!(other.poll_output(), Some(Output::Store(_))));
    assert!(is_accepted(&mut one, 9, 0));
    other.raise(&one.array.clone());
    other.handle_input(Input::Stored).unwrap();
    assert!(matches!(other.poll_output(), Some(Output::Answer(Answer::Keys(_)))));
    assert!(!is_accepted(&mut other, 9, 0) && !is_accepted(&mut other, 8, 1));
}

#[test]
fn a_jump_by_more_than_delta_is_out_of_sync() {
    let mut usim = Usim::new(subscriber(), SqnArray::default());
    assert!(!is_accepted(&mut usim, DELTA + 1, 0));
    assert!(is_accepted(&mut usim, DELTA, 0));
    assert!(is_accepted(&mut usim, 2 * DELTA, 1));
}

#[test]
fn who_does_not_know_the_key_gets_no_auts() {
    let mut usim = Usim::new(subscriber(), SqnArray::default());
    let Input::Authenticate { rand, mut autn, domain } = challenge(0, 0, Amf::OPEN) else { panic!() };
    autn.0[15] ^= 1;
    let forged = Input::Authenticate { rand, autn, domain };
    assert!(matches!(answer(&mut usim, forged), Answer::Refused(Refusal::Mac)));
}

#[test]
fn eps_and_eap_aka_prime_ask_for_the_separation_bit() {
    for domain in [Domain::Eps, Domain::EapAkaPrime] {
        let mut usim = Usim::new(subscriber(), SqnArray::default());
        let open = for_domain(challenge(1, 0, Amf::OPEN), domain);
        assert!(matches!(answer(&mut usim, open), Answer::Refused(Refusal::SeparationBit)));
        let separated = for_domain(challenge(1, 0, Amf::SEPARATED), domain);
        assert!(matches!(answer(&mut usim, separated), Answer::Keys(_)), "the refused one used no SQN");
    }
}

#[test]
fn an_array_that_is_not_durable_gives_no_keys() {
    let mut usim = Usim::new(subscriber(), SqnArray::default());
    usim.handle_input(challenge(1, 0, Amf::OPEN)).unwrap();
    assert!(matches!(usim.poll_output(), Some(Output::Store(array)) if array.entries()[0] == 1));
    assert_eq!(usim.handle_input(challenge(2, 0, Amf::OPEN)), Err(Error::Busy));
    usim.handle_input(Input::StoreFailed).unwrap();
    assert!(matches!(usim.poll_output(), Some(Output::Answer(Answer::Refused(Refusal::Store)))));
    assert_eq!(usim.handle_input(Input::Stored), Err(Error::NothingToStore));
    assert_eq!(usim.handle_input(Input::StoreFailed), Err(Error::NothingToStore));
    assert!(is_accepted(&mut usim, 1, 0));
}

#[test]
fn a_damaged_array_is_refused() {
    let mut entries = [0; ARRAY];
    entries[7] = SEQ_LIMIT;
    assert_eq!(SqnArray::from_entries(entries), Err(SeqTooLarge { ind: 7 }));
    entries[7] -= 1;
    assert_eq!(SqnArray::from_entries(entries).unwrap().highest(), Sqn::new(SEQ_LIMIT - 1, 7).unwrap());
}

proptest! {
    /// Challenges in any order, and a crash between any two: none gives keys twice.
    #[test]
    fn no_sqn_gives_keys_twice(runs in proptest::collection::vec((0_u64..40, 0_usize..4, any::<bool>()), 1..80)) {
        let (mut usim, mut stored, mut used) = (Usim::new(subscriber(), SqnArray::default()), SqnArray::default(), Vec::new());
        for (seq, ind, dies) in runs {
            usim.handle_input(challenge(seq, ind, Amf::OPEN)).unwrap();
            if let Some(Output::Store(array)) = usim.poll_output() {
                stored = array;
                if !dies {
                    usim.handle_input(Input::Stored).unwrap();
                    let keys = matches!(usim.poll_output(), Some(Output::Answer(Answer::Keys(_))));
                    prop_assert!(keys && !used.contains(&(seq, ind)));
                    used.push((seq, ind));
                }
            }
            if dies {
                usim = Usim::new(subscriber(), stored.clone());
            }
        }
    }
}
