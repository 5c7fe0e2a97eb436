//! MIKEY-TICKET: all six messages of a run.

use serde_json::{Value, json};
use sidelink_prose::mikey::suite::Hash;
use sidelink_prose::mikey::ticket::{self, Answer, KmsKey, ReceivedTransfer, Request, Resolve, Transfer};
use sidelink_prose::mikey::{NtpTime, Window};
use sidelink_security::mikey::TrafficKey;
use sidelink_wire::mikey::{
    GenericId, IdType, Packet, Payload, Policy, Repr, TicketFlags, TicketTerms, TicketType, Timestamp,
};

use crate::{CASES, Draws, ask, file, octets, text};

struct TicketCase {
    hash: Hash,
    enc: u8,
    ticket_type: TicketType,
    flags: TicketFlags,
    kind: u8,
    keys: [Vec<u8>; 5],
    rands: [Vec<u8>; 4],
    csb_ids: [u32; 3],
    names: [String; 3],
    psk_id: Vec<u8>,
    ntp: u32,
    answer: Answered,
}

/// What the answer of a responder says of crypto sessions.
#[derive(Clone, Copy)]
enum Answered {
    /// The session of the transfer again.
    Plainly,
    /// A policy, data and an SPI of it.
    InFull,
}

impl TicketCase {
    fn draw(draws: &mut Draws) -> Self {
        let (d, e, f) = (TicketFlags::D, TicketFlags::E, TicketFlags::F);
        let answered = d.with(e).with(f);
        let both = answered.with(TicketFlags::G).with(TicketFlags::H);
        let flags = draws.one_of(&[
            TicketFlags::GPP_BASE,
            both,
            both.with(TicketFlags::I).with(TicketFlags::J),
            answered.with(TicketFlags::G),
            answered.with(TicketFlags::H),
            answered.with(TicketFlags::H).with(TicketFlags::I),
        ]);
        let octets = if draws.coin() { 16 } else { 32 };
        let mut sixteen = || draws.some(octets, octets);
        let keys = [sixteen(), sixteen(), sixteen(), sixteen(), sixteen()];
        let rands = [(); 4].map(|()| draws.some(16, 32));
        Self {
            hash: draws.one_of(&[Hash::HmacSha1, Hash::HmacSha256]),
            enc: draws.one_of(&[1, 3]),
            ticket_type: draws.one_of(&[TicketType::GPP_BASE, TicketType::MIKEY_BASE]),
            flags,
            kind: draws.one_of(&[0, 0, 2, 4]),
            keys,
            rands,
            csb_ids: [draws.number(), draws.number(), draws.number()],
            names: [draws.uri(), draws.uri(), draws.uri()],
            psk_id: draws.some(1, 20),
            ntp: 0xe000_0000 | draws.number() >> 4,
            answer: Answered::Plainly,
        }
    }

    /// From a file of the other program.
    fn of_vector(vector: &Value) -> Self {
        let of = |name: &str| octets(&vector[name]);
        let flags = Packet::new_checked(&of("REQUEST_RESP")[..]).map(|packet| {
            Repr::parse(&packet).unwrap().payloads.iter().find_map(|payload| match payload {
                Payload::Ticket(ticket) => Some(ticket.policy.flags),
                _ => None,
            })
        });
        Self {
            hash: Hash::HmacSha256,
            enc: 1,
            ticket_type: TicketType::MIKEY_BASE,
            flags: flags.unwrap().unwrap(),
            kind: 0,
            keys: ["psk_i", "psk_r", "tpk", "mpk", "tgk"].map(of),
            rands: ["RANDRi", "RANDRr", "ticket_RAND", "RANDRkms"].map(of),
            csb_ids: [0x0101_0101, 0x0202_0202, 0x0303_0303],
            names: ["sip:ue1@testbed", "sip:ue2@testbed", "kms.testbed"].map(str::to_owned),
            psk_id: Vec::new(),
            ntp: 0xe900_0000,
            answer: Answered::InFull,
        }
    }

    fn question(&self) -> Value {
        let (prf, mac) = if self.hash == Hash::HmacSha1 { (0, 1) } else { (1, 2) };
        let [i, r, kms] = self.names.each_ref().map(|name| text(name.as_bytes()));
        let [psk_i, psk_r, tpk, mpk, tgk] = self.keys.each_ref().map(|key| text(key));
        let [rand_i, rand_r, rand_t, rand_k] = self.rands.each_ref().map(|rand| text(rand));
        json!({
            "case": "ticket", "prf": prf, "mac": mac, "enc": self.enc, "flags": self.flags.bits(), "kind": self.kind,
            "ttype": self.ticket_type.kind, "sub": self.ticket_type.subtype, "i": i, "r": r, "kms": kms, "psk_i": psk_i,
            "psk_r": psk_r, "tpk": tpk, "mpk": mpk, "tgk": tgk, "rand_i": rand_i, "rand_r": rand_r, "rand_t": rand_t,
            "rand_k": rand_k, "csb1": self.csb_ids[0], "csb2": self.csb_ids[1], "csb3": self.csb_ids[2],
            "psk_id": text(&self.psk_id), "ntp": self.ntp,
        })
    }

    const fn at(&self, second: u32) -> Timestamp {
        Timestamp::NtpUtc(((self.ntp + second) as u64) << 32)
    }

    fn key(&self, index: usize) -> KmsKey<'_> {
        let id = (!self.psk_id.is_empty()).then_some((IdType::Octets, &self.psk_id[..]));
        KmsKey { key: &self.keys[index], id }
    }

    fn terms(&self) -> TicketTerms<'_> {
        let id = |index: usize| (IdType::Uri, self.names[index].as_bytes());
        TicketTerms {
            kms: Some(id(2)),
            initiator: Some(id(0)),
            start: Some(Timestamp::NtpUtc32(self.ntp)),
            end: Some(Timestamp::NtpUtc32(self.ntp + 3600)),
            responders: vec![id(1)],
            ..TicketTerms::default()
        }
    }

    /// Plays both users against the messages of the other program, and returns both TEKs.
    fn play(&self, theirs: &Value) -> [Vec<u8>; 2] {
        let message = |name: &str| octets(&theirs[name]);
        let window = Window::around(NtpTime(u64::from(self.ntp) << 32).to_utc(), 60_000, 60_000);
        let kms = Some(&self.names[2][..]);
        let sessions = || {
            vec![GenericId { cs_id: 1, protocol: 0, sender: false, policies: &[], session: &[], spi: &[] }]
        };
        let request = Request {
            csb_id: self.csb_ids[0],
            time: self.at(1),
            rand: &self.rands[0],
            initiator: &self.names[0],
            kms,
            ticket_type: self.ticket_type,
            flags: self.flags,
            terms: self.terms(),
            hash: self.hash,
        };
        let requested = ticket::request(self.key(0), &request).unwrap();
        assert_eq!(text(requested.octets()), text(&message("request")));
        let granted = requested.open(self.key(0), &message("granted"), window).unwrap();
        assert_eq!((granted.terms(), granted.is_changed()), (self.terms(), false));
        let transfer = Transfer {
            csb_id: self.csb_ids[1],
            time: self.at(4),
            rand: &self.rands[0],
            responder: &self.names[1],
            sessions: sessions(),
            policies: Vec::new(),
            hash: self.hash,
        };
        let transferred = ticket::transfer(&granted, &transfer).unwrap();
        assert_eq!(text(transferred.octets()), text(&message("transfer")));
        let received = message("transfer");
        let received = ReceivedTransfer::parse(&received, &self.names[1], window).unwrap();
        let resolve =
            Resolve { csb_id: self.csb_ids[2], time: self.at(5), rand: &self.rands[1], kms, hash: self.hash };
        let resolving = received.resolve(self.key(1), &resolve).unwrap();
        assert_eq!(text(resolving.octets()), text(&message("resolve")));
        let resolved = resolving.open(self.key(1), &message("resolved"), window).unwrap();
        assert_eq!(resolved.initiator(), self.names[0]);
        let session =
            GenericId { cs_id: 1, protocol: 0, sender: false, policies: &[], session: &[], spi: &[] };
        let policy = Policy { number: 0, protocol: 0, parameters: Vec::new() };
        let (session, policies) = match self.answer {
            Answered::Plainly => (session, Vec::new()),
            Answered::InFull => {
                (GenericId { policies: &[0], session: &[0, 0, 0, 1], spi: &[1], ..session }, vec![policy])
            }
        };
        let answer = Answer { time: self.at(7), sessions: vec![session], policies, hash: self.hash };
        assert_eq!(text(&resolved.answer(&answer).unwrap()), text(&message("answer")));
        let session = transferred.open(&message("answer"), window).unwrap();
        assert_eq!(session.peer(), self.names[1]);
        [session, resolved.session().unwrap()].map(|session| {
            let mut tek = vec![0; self.keys[4].len()];
            session.derive(TrafficKey::Tek, 1, &mut tek).unwrap();
            tek
        })
    }
}

#[test]
fn tickets_are_the_same_octets_and_give_the_same_keys() {
    let mut draws = Draws(0x1357_9bdf_0246_8ace);
    let cases: Vec<_> = (0..CASES).map(|_| TicketCase::draw(&mut draws)).collect();
    let questions: Vec<_> = cases.iter().map(TicketCase::question).collect();
    let Some(answers) = ask(&questions) else { return };
    for (case, answer) in cases.iter().zip(answers) {
        let tek = octets(&answer["tek"]);
        assert_eq!(case.play(&answer), [tek.clone(), tek]);
    }
}

/// Two runs that the other program wrote down, without and with forking.
#[test]
fn ticket_runs_on_file_are_the_same() {
    let Some(file) = file("selfmade_mikey_ticket.json") else { return };
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 2);
    for vector in vectors {
        let message = |name: &str| vector[name].clone();
        let messages = json!({
            "request": message("REQUEST_INIT_PSK"), "granted": message("REQUEST_RESP"),
            "transfer": message("TRANSFER_INIT"), "resolve": message("RESOLVE_INIT_PSK"),
            "resolved": message("RESOLVE_RESP"), "answer": message("TRANSFER_RESP"),
        });
        let tek = octets(&vector["TEK"]);
        assert_eq!(TicketCase::of_vector(vector).play(&messages), [tek.clone(), tek], "{}", vector["test"]);
    }
}
