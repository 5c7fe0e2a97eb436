use super::*;

fn record(id: &str, service: u8, key: u8) -> Record {
    let imsi = Imsi::new("001010000000001").unwrap();
    Record { id: id.into(), imsi, relay_service_code: [0, 0, service], cp_pruk: CpPruk::from([key; 32]) }
}

fn register(panf: &mut Panf, number: u64, record: Record) -> Result<(), Refusal> {
    panf.handle_input(Input::Register { ticket: Ticket(number), record });
    loop {
        match panf.poll_output().expect("an answer") {
            Output::Store { ticket, .. } => panf.handle_input(Input::Stored { ticket }),
            Output::Registered { ticket, result } => {
                assert_eq!(ticket, Ticket(number));
                return result;
            }
        }
    }
}

#[test]
fn one_key_a_service_and_one_content_a_name() {
    let mut panf = Panf::new(2, []);
    assert_eq!(register(&mut panf, 1, record("a", 1, 1)), Ok(()));
    assert_eq!(register(&mut panf, 2, record("a", 1, 1)), Ok(()), "the same again");
    assert_eq!(register(&mut panf, 3, record("a", 1, 2)), Err(Refusal::Taken));
    assert_eq!(register(&mut panf, 4, record("a", 2, 1)), Err(Refusal::Taken));
    assert_eq!(register(&mut panf, 5, record("b", 1, 2)), Ok(()));
    assert_eq!(panf.key("a", [0, 0, 1]), None, "replaced");
    assert_eq!(panf.key("b", [0, 0, 1]).map(|key| key.as_bytes()[0]), Some(2));
    assert_eq!(register(&mut panf, 6, record("c", 2, 3)), Ok(()));
    assert_eq!(register(&mut panf, 7, record("d", 3, 4)), Err(Refusal::Full));
    assert_eq!(register(&mut panf, 8, record("e", 2, 5)), Ok(()), "in the place of one");
}

#[test]
fn a_name_is_taken_while_it_is_being_stored() {
    let mut panf = Panf::new(9, []);
    panf.handle_input(Input::Register { ticket: Ticket(1), record: record("a", 1, 1) });
    assert!(matches!(panf.poll_output(), Some(Output::Store { .. })));
    panf.handle_input(Input::Register { ticket: Ticket(2), record: record("a", 1, 2) });
    let refused = panf.poll_output();
    assert!(matches!(refused, Some(Output::Registered { ticket: Ticket(2), result: Err(Refusal::Taken) })));
    panf.handle_input(Input::StoreFailed { ticket: Ticket(1) });
    assert!(matches!(panf.poll_output(), Some(Output::Registered { result: Err(Refusal::Store), .. })));
    assert_eq!(panf.imsi("a"), None);
    panf.handle_input(Input::Stored { ticket: Ticket(1) });
    assert!(panf.poll_output().is_none() && panf.imsi("a").is_none(), "nothing waits under it");
}
