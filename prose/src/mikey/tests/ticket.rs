use sidelink_security::mikey as crypto;
use sidelink_security::mikey::TrafficKey;
use sidelink_security::mikey::ticket::{Direction, Forked, Rands, fork, message_keys, mpks};
use sidelink_wire::mikey::{
    ANY_RESPONDER, CsIdMap, DataType, Encryption, ErrorNumber, GenericId, Header, Id, IdRole, IdType,
    KeyData, KeyKind, Mac, MacAlgorithm, Payload, Prf, RandRole, Repr, Ticket, TicketFlags, TicketPolicy,
    TicketTerms, TicketType, Timestamp, Validity,
};

use super::super::suite::Hash;
use super::super::ticket::*;
use super::*;

const KMS: &str = "kms.example.org";
const PSK_I: KmsKey<'static> = KmsKey { key: &[1; 32], id: Some((IdType::Octets, b"b-tid-i")) };
const PSK_R: KmsKey<'static> = KmsKey { key: &[2; 32], id: Some((IdType::Octets, b"b-tid-r")) };
const RANDS: [[u8; 16]; 4] = [[0x31; 16], [0x32; 16], [0x33; 16], [0x34; 16]];
const PLAIN: TicketFlags = TicketFlags::GPP_BASE.without(TicketFlags::I);

fn at(seconds: u64) -> Timestamp {
    Timestamp::NtpUtc32((NtpTime::from_utc(NOW).0 >> 32) as u32 + seconds as u32)
}

fn window() -> Window {
    Window::around(NOW, 0, 60_000)
}

const fn uri(text: &'static str) -> Id<'static> {
    (IdType::Uri, text.as_bytes())
}

fn terms() -> TicketTerms<'static> {
    TicketTerms {
        kms: Some(uri(KMS)),
        initiator: Some(uri(ALICE)),
        start: Some(at(0)),
        end: Some(at(3600)),
        responders: vec![uri(BOB)],
        ..TicketTerms::default()
    }
}

fn request_for(flags: TicketFlags, terms: TicketTerms<'static>) -> Requested {
    let wanted = Request {
        csb_id: 1,
        time: at(1),
        rand: &RANDS[0],
        initiator: ALICE,
        kms: Some(KMS),
        ticket_type: TicketType::GPP_BASE,
        flags,
        terms,
        hash: Hash::HmacSha256,
    };
    request(PSK_I, &wanted).unwrap()
}

/// A key management server that grants and resolves what it is told to. Its tickets are opaque: it keeps the MPK in mind.
struct Server {
    flags: TicketFlags,
    terms: TicketTerms<'static>,
    ticket_type: TicketType,
    time: Timestamp,
    name: &'static str,
    responder: &'static str,
    /// What KEMAC carries besides MPKs.
    keys: Vec<KeyData<'static>>,
    csb_ids: [u32; 2],
}

impl Server {
    fn new(flags: TicketFlags) -> Self {
        let tgk = KeyData { kind: KeyKind::Tgk, key: &[0x77; 16], salt: None, validity: Validity::Spi(&[1]) };
        Self {
            flags,
            terms: terms(),
            ticket_type: TicketType::GPP_BASE,
            time: at(2),
            name: KMS,
            responder: BOB,
            keys: vec![tgk],
            csb_ids: [1, 3],
        }
    }

    fn mpks() -> [Vec<u8>; 2] {
        mpks(crypto::Prf::HmacSha256, &[0x55; 16], &[0x56; 16]).unwrap().map(|key| key.to_vec())
    }

    fn kemac(&self, keys: &crypto::MessageKeys, fork_for: Option<&str>) -> Vec<u8> {
        let [mpk_i, mut mpk_r] = Self::mpks();
        let mut tgk = self.keys[0].key.to_vec();
        if let Some(responder) = fork_for {
            let forked = |what, key: &[u8]| {
                fork(crypto::Prf::HmacSha256, what, key, responder.as_bytes(), &RANDS[3]).unwrap().to_vec()
            };
            (mpk_r, tgk) = (forked(Forked::MpkR, &mpk_r), forked(Forked::Tgk, &tgk));
        }
        let mpk = |key| KeyData { kind: KeyKind::Mpk, key, salt: None, validity: Validity::Spi(&[0]) };
        let mut all = vec![mpk(&mpk_i[..])];
        all.extend(self.flags.has(TicketFlags::I).then(|| mpk(&mpk_r)));
        all.extend(self.keys.iter().enumerate().map(|(index, key)| match index {
            0 => KeyData { key: &tgk, ..*key },
            _ => *key,
        }));
        let mut plain = vec![0; KeyData::all_len(&all)];
        KeyData::emit_all(&all, &mut plain).unwrap();
        keys.encrypt(crypto::Encryption::AesCm128, self.time.as_64_bits(), &plain).unwrap()
    }

    fn seal(
        &self,
        data_type: DataType,
        csb_id: u32,
        payloads: Vec<Payload<'_>>,
        keys: &crypto::MessageKeys,
        to: &[u8],
    ) -> Vec<u8> {
        let header = Header {
            data_type,
            wants_verification: false,
            prf: Prf::HmacSha256,
            csb_id,
            sessions: CsIdMap::Empty,
        };
        let mut payloads = payloads;
        payloads.push(Payload::Verification(Mac { algorithm: MacAlgorithm::HmacSha256, tag: &[0; 32] }));
        let mut octets = Repr { header, payloads }.to_octets().unwrap();
        let end = octets.len() - 32;
        let mac = keys.mac(&[&octets[..end], to]);
        octets[end..].copy_from_slice(&mac);
        octets
    }

    fn grant(&self, request: &[u8]) -> Vec<u8> {
        let rands = Rands::new(&RANDS[0], &[]).unwrap();
        let (prf, mac) = (crypto::Prf::HmacSha256, crypto::MacAlgorithm::HmacSha256);
        let keys = message_keys(PSK_I.key, prf, mac, self.csb_ids[0], Direction::Response, &rands);
        let (data, terms) = (self.kemac(&keys, None), self.terms.emit().unwrap());
        let policy = TicketPolicy {
            ticket_type: self.ticket_type,
            prf: Prf::HmacSha256,
            flags: self.flags,
            data: &terms,
        };
        let none = Mac { algorithm: MacAlgorithm::Null, tag: &[] };
        let payloads = vec![
            Payload::Timestamp(self.time),
            Payload::IdRole { role: IdRole::Kms, kind: IdType::Uri, data: self.name.as_bytes() },
            Payload::Ticket(Ticket { policy, data: b"sealed", initiator_data: &[] }),
            Payload::Kemac { encryption: Encryption::AesCm128, data: &data, mac: none },
        ];
        self.seal(DataType::RequestResp, self.csb_ids[0], payloads, &keys, request)
    }

    fn resolve(&self, request: &[u8]) -> Vec<u8> {
        let rands = Rands::new(&[], &RANDS[1]).unwrap();
        let (prf, mac) = (crypto::Prf::HmacSha256, crypto::MacAlgorithm::HmacSha256);
        let keys = message_keys(PSK_R.key, prf, mac, self.csb_ids[1], Direction::Response, &rands);
        let forking = self.flags.has(TicketFlags::I);
        let data = self.kemac(&keys, forking.then_some(self.responder));
        let none = Mac { algorithm: MacAlgorithm::Null, tag: &[] };
        let mut payloads = vec![
            Payload::Timestamp(self.time),
            Payload::IdRole { role: IdRole::Kms, kind: IdType::Uri, data: self.name.as_bytes() },
            Payload::Kemac { encryption: Encryption::AesCm128, data: &data, mac: none },
        ];
        if forking {
            let data = self.responder.as_bytes();
            payloads.push(Payload::IdRole { role: IdRole::Responder, kind: IdType::Uri, data });
            payloads.push(Payload::RandRole { role: RandRole::Kms, rand: &RANDS[3] });
        }
        self.seal(DataType::ResolveResp, self.csb_ids[1], payloads, &keys, request)
    }
}

fn granted(server: &Server) -> Result<Granted, Refused> {
    let requested = request_for(server.flags, terms());
    requested.open(PSK_I, &server.grant(requested.octets()), window())
}

fn sessions() -> Vec<GenericId<'static>> {
    vec![GenericId { cs_id: 1, protocol: 0, sender: false, policies: &[], session: &[], spi: &[] }]
}

fn transferred<'g>(granted: &'g Granted, responder: &str) -> Transferred<'g> {
    let init = Transfer {
        csb_id: 2,
        time: at(4),
        rand: &RANDS[2],
        responder,
        sessions: sessions(),
        policies: Vec::new(),
        hash: Hash::HmacSha256,
    };
    transfer(granted, &init).unwrap()
}

fn resolving(transfer: &[u8]) -> Result<Resolving<'_>, Refused> {
    let resolve = Resolve { csb_id: 3, time: at(5), rand: &RANDS[1], kms: Some(KMS), hash: Hash::HmacSha256 };
    Ok(ReceivedTransfer::parse(transfer, BOB, window())?.resolve(PSK_R, &resolve).unwrap())
}

fn resolved<'a>(server: &Server, transfer: &'a [u8]) -> Result<Resolved<'a>, Refused> {
    let resolving = resolving(transfer)?;
    let response = server.resolve(resolving.octets());
    resolving.open(PSK_R, &response, window())
}

fn answer() -> Answer<'static> {
    Answer { time: at(7), sessions: sessions(), policies: Vec::new(), hash: Hash::HmacSha256 }
}

fn tek(session: &Session) -> [u8; 16] {
    let mut tek = [0; 16];
    session.derive(TrafficKey::Tek, 1, &mut tek).unwrap();
    tek
}

#[test]
fn both_users_have_the_same_key_with_and_without_forking() {
    let mut teks = Vec::new();
    for flags in [PLAIN, TicketFlags::GPP_BASE] {
        let server = Server::new(flags);
        let granted = granted(&server).unwrap();
        assert_eq!((granted.flags(), granted.is_changed()), (flags, false));
        let transferred = transferred(&granted, BOB);
        let resolved = resolved(&server, transferred.octets()).unwrap();
        assert_eq!((resolved.initiator(), resolved.time()), (ALICE, NtpTime::of(at(4)).unwrap()));
        let session = transferred.open(&resolved.answer(&answer()).unwrap(), window()).unwrap();
        assert_eq!((session.peer(), session.csb_id()), (BOB, 2));
        let other = resolved.session().unwrap();
        assert_eq!((tek(&session), other.peer()), (tek(&other), ALICE));
        assert!(transferred.unanswered(session.time()).is_err());
        assert!(!format!("{granted:?}{session:?}").contains("119, 119"), "no key is shown");
        teks.push(tek(&session));
    }
    assert_ne!(teks[0], teks[1]);
}

#[test]
fn a_ticket_for_everybody_gives_each_responder_keys_of_its_own() {
    let mut everybody = Server::new(TicketFlags::GPP_BASE);
    everybody.terms.responders = vec![(IdType::Nai, ANY_RESPONDER)];
    let granted = granted(&everybody).unwrap();
    let to_another = transferred(&granted, "sip:somebody@example.org");
    let refused = resolving(to_another.octets()).unwrap_err();
    assert_eq!(refused, Refused::Name(Named::Responder), "it names another");
    let to_bob = transferred(&granted, BOB);
    let resolved = resolved(&everybody, to_bob.octets()).unwrap();
    let session = to_bob.open(&resolved.answer(&answer()).unwrap(), window()).unwrap();
    assert_eq!(tek(&session), tek(&resolved.session().unwrap()));
}

#[test]
fn each_check_of_a_grant_stands_for_itself() {
    let refused = |alter: fn(&mut Server)| {
        let mut server = Server::new(TicketFlags::GPP_BASE);
        alter(&mut server);
        granted(&server).unwrap_err()
    };
    assert!(granted(&Server::new(TicketFlags::GPP_BASE)).is_ok());
    assert!(matches!(refused(|server| server.time = at(61)), Refused::Time { .. }));
    assert_eq!(refused(|server| server.name = "kms.example.net"), Refused::Name(Named::Kms));
    assert_eq!(refused(|server| server.terms.initiator = Some(uri(BOB))), Refused::Name(Named::Initiator));
    assert!(matches!(refused(|server| server.ticket_type = TicketType::MIKEY_BASE), Refused::Profile(_)));
    assert!(matches!(refused(|server| server.csb_ids[0] = 9), Refused::Profile(_)));
    assert!(matches!(refused(|server| server.keys[0].kind = KeyKind::Mpk), Refused::Profile(_)));
    let requested = request_for(TicketFlags::GPP_BASE, terms());
    let response = Server::new(TicketFlags::GPP_BASE).grant(requested.octets());
    for at in 0..response.len() {
        let mut altered = response.clone();
        altered[at] ^= 1;
        assert!(requested.open(PSK_I, &altered, window()).is_err(), "{at}");
    }
    assert_eq!(requested.open(PSK_R, &response, window()).unwrap_err(), Refused::WrongMac);
    let other = request_for(PLAIN, terms());
    assert_eq!(other.open(PSK_I, &response, window()).unwrap_err(), Refused::WrongMac, "it answers another");
    let contradiction = Request {
        csb_id: 1,
        time: at(1),
        rand: &[1; 16],
        initiator: ALICE,
        kms: None,
        ticket_type: TicketType::GPP_BASE,
        flags: TicketFlags::I,
        terms: terms(),
        hash: Hash::HmacSha256,
    };
    assert!(matches!(request(PSK_I, &contradiction), Err(MakeError::Format(_))));
}

#[test]
fn what_a_server_changed_is_seen() {
    let requested = request_for(PLAIN, terms());
    let changed = Server::new(PLAIN.with(TicketFlags::K));
    let granted = requested.open(PSK_I, &changed.grant(requested.octets()), window()).unwrap();
    assert!(granted.is_changed());
    assert_eq!(granted.terms(), terms());
}

#[test]
fn each_check_of_a_transfer_stands_for_itself() {
    let server = Server::new(TicketFlags::GPP_BASE);
    let granted = granted(&server).unwrap();
    let transferred = transferred(&granted, BOB);
    let octets = transferred.octets();
    for at in 0..octets.len() {
        let mut altered = octets.to_vec();
        altered[at] ^= 1;
        // Octets of the initiator data are for the server, which checks them.
        let inside = octets.len() - 34 - 69..octets.len() - 34;
        assert!(inside.contains(&at) || resolved(&server, &altered).is_err(), "{at}");
    }
    let early = Window { earliest: NOW, latest: NOW.plus_millis(3999) };
    assert!(matches!(ReceivedTransfer::parse(octets, BOB, early), Err(Refused::Time { .. })));
    let refused = ReceivedTransfer::parse(octets, "sip:carol@example.org", window()).unwrap_err();
    assert_eq!(refused, Refused::Name(Named::Responder));
}

#[test]
fn tickets_of_another_or_of_another_time_are_refused_before_the_server_is_asked() {
    let parsed = |alter: fn(&mut TicketTerms<'static>)| {
        let mut server = Server::new(TicketFlags::GPP_BASE);
        alter(&mut server.terms);
        let granted = granted(&server)?;
        let octets = transferred(&granted, BOB).octets().to_vec();
        resolving(&octets).map(|_| ())
    };
    assert_eq!(parsed(|_| ()), Ok(()));
    assert_eq!(parsed(|terms| terms.responders = vec![uri(ALICE)]), Err(Refused::Name(Named::Responder)));
    assert!(matches!(parsed(|terms| terms.start = Some(at(5))), Err(Refused::Time { .. })));
    assert!(matches!(parsed(|terms| terms.end = Some(at(4))), Err(Refused::Time { .. })));
    assert!(matches!(parsed(|terms| terms.end = Some(Timestamp::Counter(9))), Err(Refused::Profile(_))));
    assert_eq!(parsed(|terms| terms.initiator = None), Ok(()));
    // A thief of a ticket names itself.
    let server = Server::new(TicketFlags::GPP_BASE);
    let granted = granted(&server).unwrap();
    let octets = transferred(&granted, BOB).octets().to_vec();
    let (_, mut repr) = parse(&octets).unwrap();
    for payload in &mut repr.payloads {
        if let Payload::IdRole { role: IdRole::Initiator, data, .. } = payload {
            *data = b"sip:mallory@example.org";
        }
    }
    let stolen = repr.to_octets().unwrap();
    assert_eq!(resolving(&stolen).unwrap_err(), Refused::Name(Named::Initiator));
}

#[test]
fn each_check_of_a_resolution_stands_for_itself() {
    let refused = |alter: fn(&mut Server)| {
        let mut server = Server::new(TicketFlags::GPP_BASE);
        let granted = granted(&server).unwrap();
        alter(&mut server);
        resolved(&server, transferred(&granted, BOB).octets()).map(|_| ()).unwrap_err()
    };
    assert!(matches!(refused(|server| server.time = at(61)), Refused::Time { .. }));
    assert_eq!(refused(|server| server.name = "kms.example.net"), Refused::Name(Named::Kms));
    assert_eq!(refused(|server| server.responder = ALICE), Refused::Name(Named::Responder));
    assert!(matches!(refused(|server| server.csb_ids[1] = 9), Refused::Profile(_)));
    assert!(matches!(refused(|server| server.flags = PLAIN), Refused::Profile(_)), "no RANDRkms");
    let server = Server::new(TicketFlags::GPP_BASE);
    let granted = granted(&server).unwrap();
    let transferred = transferred(&granted, BOB);
    let response = server.resolve(resolving(transferred.octets()).unwrap().octets());
    for at in 0..response.len() {
        let mut altered = response.clone();
        altered[at] ^= 1;
        let resolving = resolving(transferred.octets()).unwrap();
        assert!(resolving.open(PSK_R, &altered, window()).is_err(), "{at}");
    }
    let resolving = resolving(transferred.octets()).unwrap();
    assert_eq!(resolving.open(PSK_I, &response, window()).unwrap_err(), Refused::WrongMac);
}

#[test]
fn each_check_of_an_answer_stands_for_itself() {
    for flags in [PLAIN, TicketFlags::GPP_BASE] {
        let server = Server::new(flags);
        let granted = granted(&server).unwrap();
        let transferred = transferred(&granted, BOB);
        let resolved = resolved(&server, transferred.octets()).unwrap();
        let octets = resolved.answer(&answer()).unwrap();
        assert!(transferred.open(&octets, window()).is_ok());
        for at in 0..octets.len() {
            let mut altered = octets.clone();
            altered[at] ^= 1;
            assert!(transferred.open(&altered, window()).is_err(), "{at}");
        }
        let early = Window { earliest: NOW, latest: NOW.plus_millis(6999) };
        assert!(matches!(transferred.open(&octets, early), Err(Refused::Time { .. })));
        let (_, mut repr) = parse(&octets).unwrap();
        repr.payloads.retain(|payload| !matches!(payload, Payload::RandRole { .. }));
        let without = repr.to_octets().unwrap();
        assert!(matches!(transferred.open(&without, window()), Err(Refused::Profile(_))));
        let (_, mut repr) = parse(&octets).unwrap();
        for payload in &mut repr.payloads {
            if let Payload::IdRole { data, .. } = payload {
                *data = ALICE.as_bytes();
            }
        }
        let renamed = repr.to_octets().unwrap();
        assert_eq!(transferred.open(&renamed, window()).unwrap_err(), Refused::Name(Named::Responder));
    }
}

#[test]
fn a_ticket_that_nobody_answers_gives_keys_at_once() {
    let silent = TicketFlags::D.with(TicketFlags::H).with(TicketFlags::E);
    let server = Server::new(silent);
    let granted = granted(&server).unwrap();
    let transferred = transferred(&granted, BOB);
    let session = transferred.unanswered(NtpTime::from_utc(NOW)).unwrap();
    let resolved = resolved(&server, transferred.octets()).unwrap();
    assert_eq!(tek(&session), tek(&resolved.session().unwrap()));
}

#[test]
fn a_tek_is_used_itself() {
    let mut server = Server::new(PLAIN);
    server.keys[0].kind = KeyKind::Tek;
    let granted = granted(&server).unwrap();
    let transferred = transferred(&granted, BOB);
    let resolved = resolved(&server, transferred.octets()).unwrap();
    let session = transferred.open(&resolved.answer(&answer()).unwrap(), window()).unwrap();
    assert_eq!((tek(&session), session.keys().len()), ([0x77; 16], 1));
    assert!(session.derive(TrafficKey::Tek, 1, &mut [0; 15]).is_err());
    assert!(session.derive(TrafficKey::Salt, 1, &mut [0; 16]).is_err());
}

#[test]
fn an_error_of_the_server_is_a_hint() {
    let header = Header {
        data_type: DataType::Error,
        wants_verification: false,
        prf: Prf::HmacSha256,
        csb_id: 1,
        sessions: CsIdMap::Empty,
    };
    let payloads = vec![Payload::Timestamp(at(1)), Payload::Error(ErrorNumber::TicketPolicy)];
    let octets = Repr { header, payloads }.to_octets().unwrap();
    let requested = request_for(PLAIN, terms());
    let refused = requested.open(PSK_I, &octets, window()).unwrap_err();
    assert_eq!(refused, Refused::Error(ErrorNumber::TicketPolicy));
}
