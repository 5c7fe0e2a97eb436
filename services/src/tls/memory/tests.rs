use super::*;

fn shared(octet: u8) -> Credentials {
    Credentials::PreShared(PreShared { identity: "users".to_owned(), key: Zeroizing::new(vec![octet; 32]) })
}

/// Carries octets until nobody has any. Returns what the ends said last.
fn meet(client: &mut MemoryTls, server: &mut MemoryTls) -> [Result<(), MemoryTlsError>; 2] {
    let mut results = [Ok(()), Ok(())];
    for _ in 0..8 {
        results[0] = client.handshake();
        server.feed(&client.take());
        results[1] = server.handshake();
        client.feed(&server.take());
        if results.iter().any(Result::is_err) {
            break;
        }
    }
    results
}

#[test]
fn both_ways_of_proof_come_to_a_session() {
    for credentials in [
        [shared(1), shared(1)],
        ["mary.example", "john.example"].map(|host| Credentials::Certificate(issue(host).unwrap())),
    ] {
        let mut client = MemoryTls::client(&credentials[0], "john.example").unwrap();
        let mut server = MemoryTls::server(&credentials[1]).unwrap();
        let results = meet(&mut client, &mut server);
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert!(client.is_established() && server.is_established());
        client.write(b"voice").unwrap();
        let record = client.take();
        assert_eq!(record.len(), 5 + 22, "RFC 8446 §5.2: header, type, tag");
        server.feed(&record);
        assert_eq!(server.read().unwrap(), b"voice");
        client.write(b"voice").unwrap();
        let mut record = client.take();
        *record.last_mut().unwrap() ^= 1;
        server.feed(&record);
        assert!(matches!(server.read(), Err(MemoryTlsError::Record(_))));
    }
}

#[test]
fn other_keys_and_other_names() {
    let certified = |host: &str| Credentials::Certificate(issue(host).unwrap());
    for [client, server] in [
        [shared(1), shared(2)],
        [certified("mary.example"), certified("eve.example")],
        [shared(1), certified("john.example")],
    ] {
        let mut client = MemoryTls::client(&client, "john.example").unwrap();
        let mut server = MemoryTls::server(&server).unwrap();
        let results = meet(&mut client, &mut server);
        assert!(results.iter().any(Result::is_err));
        assert!(!client.is_established() || !server.is_established());
    }
}
