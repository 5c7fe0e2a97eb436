//! Formats of layer 2 and PC5: what parses comes back.

use super::Target;
use sidelink_wire::{
    Error, group_keys, group_owner, ids, long_message, mib_sl, pc5_discovery, pc5_signalling, pdcp, rlc_um,
    sl_sch,
};

/// SL-SCH MAC PDUs.
pub const SL_SCH: Target = Target { name: "wire_sl_sch", run: sl_sch, seeds: sl_sch_seeds };
/// RLC UM PDUs.
pub const RLC_UM: Target = Target { name: "wire_rlc_um", run: rlc_um, seeds: rlc_um_seeds };
/// PDCP PDUs of either kind.
pub const PDCP: Target = Target { name: "wire_pdcp", run: pdcp, seeds: pdcp_seeds };
/// MIB-SL and MIB-SL-V2X.
pub const MIB_SL: Target = Target { name: "wire_mib_sl", run: mib_sl, seeds: mib_sl_seeds };
/// PC5_DISCOVERY messages.
pub const PC5_DISCOVERY: Target =
    Target { name: "wire_pc5_discovery", run: pc5_discovery, seeds: pc5_discovery_seeds };
/// PC5 signalling messages.
pub const PC5_SIGNALLING: Target =
    Target { name: "wire_pc5_signalling", run: pc5_signalling, seeds: pc5_signalling_seeds };

/// Long messages and their fragments.
pub const LONG_MESSAGE: Target =
    Target { name: "wire_long_message", run: long_message, seeds: long_message_seeds };

/// Messages of group owner mode.
pub const GROUP_OWNER: Target =
    Target { name: "wire_group_owner", run: group_owner, seeds: group_owner_seeds };

/// Messages of group keys that MIKEY has not.
pub const GROUP_KEYS: Target = Target { name: "wire_group_keys", run: group_keys, seeds: group_keys_seeds };

/// Bytes are to blame for what cannot be parsed, never the caller.
pub(super) fn blame_bytes(error: Error) -> bool {
    assert!(error.is_malformed(), "{error:?}");
    assert!(!error.to_string().is_empty());
    false
}

fn sl_sch(data: &[u8]) -> bool {
    let packet = match sl_sch::Packet::new_checked(data) {
        Ok(packet) => packet,
        Err(e) => return blame_bytes(e),
    };
    let inside: usize = packet.elements().map(|sdu| sdu.data.len()).sum();
    assert!(packet.header_len() + inside <= data.len());
    let _ = (packet.version(), packet.source(), packet.destination());
    let repr = match sl_sch::Repr::parse(&packet) {
        Ok(repr) => repr,
        Err(e) => return blame_bytes(e),
    };
    // padding may have been written in more than one way, so that the bytes need not come back: the meaning does
    let mut out = vec![0; repr.buffer_len().max(data.len())];
    repr.emit(&mut out).expect("what was parsed can be emitted");
    let again = sl_sch::Packet::new_checked(&out[..]).and_then(|p| sl_sch::Repr::parse(&p));
    assert_eq!(again.as_ref(), Ok(&repr));
    true
}

fn sl_sch_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for destination in [
        sl_sch::Destination::Group([1, 2]),
        sl_sch::Destination::Ue([3, 4]),
        sl_sch::Destination::Whole([5, 6, 7]),
    ] {
        for (sdus, spare) in [(0, 3), (1, 0), (1, 1), (2, 2), (3, 40)] {
            let mut repr = sl_sch::Repr::new([9, 8, 7], destination);
            let long = [0x55; 200];
            for i in 0..sdus {
                let data = if i == 1 { &long[..] } else { &long[..7] };
                repr.push(sl_sch::Sdu { lcid: 1 + i, data }).expect("fits");
            }
            let mut out = vec![0; repr.buffer_len() + spare];
            repr.emit(&mut out).expect("has room");
            seeds.push(out);
        }
    }
    seeds
}

fn rlc_um(data: &[u8]) -> bool {
    let packet = match rlc_um::Packet::new_checked(data) {
        Ok(packet) => packet,
        Err(e) => return blame_bytes(e),
    };
    let inside: usize = packet.elements().map(<[u8]>::len).sum();
    assert!(inside < data.len());
    let _ = (packet.framing(), packet.sn(), packet.extension());
    let repr = match rlc_um::Repr::parse(&packet) {
        Ok(repr) => repr,
        Err(e) => return blame_bytes(e),
    };
    let mut out = vec![0; repr.buffer_len()];
    repr.emit(&mut out).expect("what was parsed can be emitted");
    let again = rlc_um::Packet::new_checked(&out[..]).and_then(|p| rlc_um::Repr::parse(&p));
    assert_eq!(again.as_ref(), Ok(&repr));
    true
}

fn rlc_um_seeds() -> Vec<Vec<u8>> {
    let data = [0xa5; 300];
    let mut seeds = Vec::new();
    for (fi, lengths) in [(0, &[5][..]), (1, &[1, 2]), (2, &[3, 200, 4]), (3, &[9, 9, 9, 9, 60])] {
        let mut repr = rlc_um::Repr::new(rlc_um::FramingInfo::from_bits(fi), 7 + fi);
        for &len in lengths {
            repr.push(&data[..len]).expect("fits");
        }
        let mut out = vec![0; repr.buffer_len()];
        repr.emit(&mut out).expect("has room");
        seeds.push(out);
    }
    seeds
}

fn pdcp(data: &[u8]) -> bool {
    let packet = match pdcp::Packet::new_checked(data) {
        Ok(packet) => packet,
        Err(e) => return blame_bytes(e),
    };
    let _ = (packet.sdu_type(), packet.pgk_index(), packet.key_id(), packet.sn());
    if let Ok((inner, mac_i)) = pdcp::split_mac_i(packet.payload()) {
        assert_eq!(inner.len() + mac_i.len(), packet.payload().len());
    }
    let header = data.len() - packet.payload().len();
    let many = match pdcp::OneToManyRepr::parse(&packet) {
        Ok(repr) => repr,
        Err(e) => return blame_bytes(e),
    };
    let mut out = vec![0; many.buffer_len()];
    many.emit(&mut out).expect("what was parsed can be emitted");
    assert_eq!(out, data[..header]);
    let one = pdcp::OneToOneRepr::parse(&packet).expect("differs in reserved bits only");
    one.emit(&mut out).expect("what was parsed can be emitted");
    assert_eq!(pdcp::OneToOneRepr::parse(&pdcp::Packet::new_checked(&out[..]).expect("whole")), Ok(one));
    true
}

fn pdcp_seeds() -> Vec<Vec<u8>> {
    (0..4).map(|kind| [&[kind << 5 | 5, 0x12, 0x34, 0, 7][..], &[0xcc; 40]].concat()).collect()
}

fn mib_sl(data: &[u8]) -> bool {
    let packet = match mib_sl::Packet::new_checked(data) {
        Ok(packet) => packet,
        Err(e) => return blame_bytes(e),
    };
    let repr = match mib_sl::Repr::parse(&packet) {
        Ok(repr) => repr,
        Err(e) => return blame_bytes(e),
    };
    let mut out = vec![0; repr.buffer_len()];
    repr.emit(&mut out).expect("what was parsed can be emitted");
    assert_eq!(out, data);
    true
}

fn mib_sl_seeds() -> Vec<Vec<u8>> {
    vec![vec![0x61, 0x55, 0x68, 0, 0], vec![0x61, 0x55, 0x68, 0, 0, 0], vec![0xa1, 0x00, 0x90, 0xff, 0xff]]
}

fn pc5_discovery(data: &[u8]) -> bool {
    let packet = match pc5_discovery::Packet::new_checked(data) {
        Ok(packet) => packet,
        Err(e) => return blame_bytes(e),
    };
    let repr = match pc5_discovery::Repr::parse(&packet) {
        Ok(repr) => repr,
        Err(e) => return blame_bytes(e),
    };
    let mut out = vec![0xff; repr.buffer_len()];
    repr.emit(&mut out).expect("what was parsed can be emitted");
    let again = pc5_discovery::Packet::new_checked(&out[..]).and_then(|p| pc5_discovery::Repr::parse(&p));
    assert_eq!(again, Ok(repr));
    true
}

fn pc5_discovery_seeds() -> Vec<Vec<u8>> {
    let message = |t: pc5_discovery::MessageType| {
        let mut m: Vec<u8> = (0..pc5_discovery::LEN as u8).collect();
        m[0] = t.octet();
        m
    };
    pc5_discovery::MessageType::ALL.into_iter().map(message).collect()
}

fn long_message(data: &[u8]) -> bool {
    let packet = match long_message::Packet::new_checked(data) {
        Ok(packet) => packet,
        Err(e) => return blame_bytes(e),
    };
    assert!(packet.payload().len() < data.len());
    let _ = (packet.message_type(), packet.sequence(), packet.content());
    let repr = match long_message::Repr::parse(&packet) {
        Ok(repr) => repr,
        Err(e) => return blame_bytes(e),
    };
    let mut out = vec![0; repr.buffer_len()];
    repr.emit(&mut out).expect("what was parsed can be emitted");
    assert_eq!(out, data);
    true
}

fn long_message_seeds() -> Vec<Vec<u8>> {
    use long_message::{Body, Content, Fragment, Repr};
    let octets = [0x5a; 300];
    let whole = [1, 20, 300].map(|length| Body::Whole(&octets[..length]));
    let parts = [(1, 1, 0, 1), (900, 3, 2, 300), (899, 3, 3, 300), (8000, 80, 254, 100)];
    let parts = parts.map(|(length, data, index, size)| {
        Body::Fragment(Fragment { length, data, index, check: [7; 8], octets: &octets[..size] })
    });
    let mut seeds = Vec::new();
    for content in [Content::Mikey, Content::GroupOwner, Content::GroupInvitation] {
        for body in whole.into_iter().chain(parts) {
            let repr = Repr { sequence: 77, content, body };
            let mut out = vec![0; repr.buffer_len()];
            repr.emit(&mut out).expect("has room");
            seeds.push(out);
        }
    }
    seeds
}

fn group_owner(data: &[u8]) -> bool {
    let packet = match group_owner::Packet::new_checked(data) {
        Ok(packet) => packet,
        Err(e) => return blame_bytes(e),
    };
    let _ = (packet.kind(), packet.group());
    let repr = match group_owner::Repr::parse(&packet) {
        Ok(repr) => repr,
        Err(e) => return blame_bytes(e),
    };
    let mut out = vec![0; repr.buffer_len()];
    repr.emit(&mut out).expect("what was parsed can be emitted");
    assert_eq!(out, data);
    true
}

fn group_owner_seeds() -> Vec<Vec<u8>> {
    use group_owner::{Body, Cause, Challenge, JoinRequest, Keys, Notice, Proof, Proven, Repr};
    let (nonce, credential, signature) = ([1; 16], &[0x30; 300][..], [5; 64]);
    let request = JoinRequest { nonce, eea: 0x70, eia: 0x70, identity: b"mary", credential, cookie: None };
    let proven = Proven { epoch: 9, mac: [6; 16] };
    let bodies = [
        Body::JoinRequest(request),
        Body::JoinRequest(JoinRequest { cookie: Some([8; 16]), ..request }),
        Body::Cookie { nonce, cookie: [8; 16] },
        Body::Challenge(Challenge {
            nonce,
            owner_nonce: [2; 16],
            crl_number: 6,
            identity: b"owner",
            credential,
            signature,
        }),
        Body::Proof(Proof { owner_nonce: [2; 16], public: [3; 32], crl_number: 6, signature }),
        Body::Keys(Keys {
            epoch: 9,
            slot: 2,
            pgk_id: 10,
            eea: 2,
            eia: 2,
            valid_from: 1_700_000_000,
            expiry: 1_700_086_400,
            sealed: [4; 112],
            signature,
        }),
        Body::Confirm(proven),
        Body::Leave(proven),
        Body::LeaveAccept(proven),
        Body::Removal(proven),
        Body::Refusal { nonce, cause: Cause::Full },
        Body::Notice(Notice { epoch: 9, wait: 1200, signature }),
    ];
    let octets = |body| {
        let repr = Repr { group: [1, 2, 3], body };
        let mut out = vec![0; repr.buffer_len()];
        repr.emit(&mut out).expect("has room");
        out
    };
    bodies.into_iter().map(octets).collect()
}

/// In either coding.
fn pc5_signalling(data: &[u8]) -> bool {
    let understood = CODINGS.map(|coding| pc5_signalling_in(coding, data));
    understood.contains(&true)
}

const CODINGS: [pc5_signalling::Coding; 2] = [pc5_signalling::Coding::Lte, pc5_signalling::Coding::Nr];

fn pc5_signalling_in(coding: pc5_signalling::Coding, data: &[u8]) -> bool {
    let parse = |data| {
        pc5_signalling::Packet::new_checked(coding, data).and_then(|p| pc5_signalling::Repr::parse(&p))
    };
    let repr = match parse(data) {
        Ok(repr) => repr,
        Err(e) => return blame_bytes(e),
    };
    let mut out = vec![0xff; repr.buffer_len(coding)];
    repr.emit(coding, &mut out).expect("what was parsed can be emitted");
    let again = parse(&out).expect("what was emitted can be parsed");
    assert_eq!(again, repr);
    let mut twice = vec![0xee; again.buffer_len(coding)];
    again.emit(coding, &mut twice).expect("and emitted again");
    assert_eq!(twice, out, "the same octets");
    true
}

fn pc5_signalling_seeds() -> Vec<Vec<u8>> {
    use pc5_signalling::{
        Algorithms, AuthenticationPhase, Body, Capabilities, CommunicationRequest, Identifiers,
        RekeyingRequest, SecurityModeCommand, SecurityPolicy, UserInfo, UserPlane,
    };
    let capabilities = Capabilities { eea: 0xe0, eia: 0x70 };
    let user_info = UserInfo { kind: 3, value: &[0x0b, 2, 3, 4, 5, 6] };
    let bodies = [
        Body::CommunicationRequest(CommunicationRequest {
            user_info,
            ip_config: 1,
            maximum_inactivity: 30,
            nonce: [7; 16],
            capabilities,
            kd_sess_msb: 0x12,
            kd_id: Some([1, 2, 3, 4]),
            relay_service_code: Some([9, 9, 9]),
            signature: None,
            link_local: Some([0xfe; 16]),
            key_info: Some(&[1; 34]),
            connection: None,
            policy: None,
            target: None,
        }),
        Body::CommunicationAccept {
            ip_config: 2,
            link_local: None,
            user_info: None,
            up: None,
            connection: None,
        },
        Body::CommunicationReject { cause: 5 },
        Body::Keepalive { counter: 77, maximum_inactivity: Some(60) },
        Body::KeepaliveAck { counter: 77 },
        Body::Release { reason: 1 },
        Body::ReleaseAccept,
        Body::SecurityModeCommand(SecurityModeCommand {
            capabilities,
            nonce: [8; 16],
            algorithms: Algorithms { eea: 2, eia: 2 },
            kd_sess_lsb: 0x34,
            kd_id_msb: Some([5, 6]),
            kd_freshness: Some([3; 16]),
            gpi: Some(&[1, 2, 3]),
            user_info: Some(user_info),
            signature: None,
            encrypted_payload: Some(&[4; 273]),
            policy: None,
        }),
        Body::SecurityModeComplete { kd_id_lsb: Some([7, 8]), up_policy: None, connection: None },
        Body::SecurityModeReject { cause: 1, rand: Some([1; 16]), auts: Some([2; 14]) },
        Body::RekeyingRequest(RekeyingRequest {
            capabilities,
            nonce: [6; 16],
            kd_sess_msb: 1,
            re_auth: Some(1),
            pruk_id: Some([5; 8]),
            key_info: Some(&[1; 34]),
        }),
        Body::RekeyingResponse,
        Body::RekeyingTrigger,
        Body::RemoteUeInfoRequest { kind: 1 },
        Body::RemoteUeInfoResponse { identity: Some([0x4c, 1, 2, 3, 4, 5, 6, 7, 0xff]) },
        Body::Authentication { phase: AuthenticationPhase::Request, method: 1, content: &[1; 90] },
    ];
    let policy = Some(SecurityPolicy { ciphering: 2, integrity: 2 });
    let up = Some(UserPlane { ciphering: true, integrity: true });
    let new = Identifiers { kd_sess: 0x21, layer2: [1, 2, 3] };
    let nr_bodies = bodies.map(|body| match body {
        Body::CommunicationRequest(request) => Body::CommunicationRequest(CommunicationRequest {
            relay_service_code: None,
            link_local: None,
            policy,
            target: Some(b"john"),
            ..request
        }),
        Body::CommunicationAccept { ip_config, link_local, .. } => Body::CommunicationAccept {
            ip_config,
            link_local,
            user_info: Some(user_info),
            up,
            connection: None,
        },
        Body::SecurityModeCommand(command) => Body::SecurityModeCommand(SecurityModeCommand {
            kd_freshness: None,
            gpi: None,
            user_info: None,
            encrypted_payload: None,
            policy,
            ..command
        }),
        Body::SecurityModeComplete { kd_id_lsb, .. } => {
            Body::SecurityModeComplete { kd_id_lsb, up_policy: policy, connection: None }
        }
        Body::SecurityModeReject { cause, .. } => Body::SecurityModeReject { cause, rand: None, auts: None },
        Body::RekeyingRequest(request) => Body::RekeyingRequest(RekeyingRequest { pruk_id: None, ..request }),
        Body::RekeyingTrigger => Body::IdentifierUpdateRequest(new),
        Body::RemoteUeInfoRequest { .. } => Body::IdentifierUpdateAccept { new, asked: new },
        Body::RemoteUeInfoResponse { .. } => Body::IdentifierUpdateAck(new),
        other => other,
    });
    let emit = |coding: pc5_signalling::Coding, (sequence, body): (usize, Body<'_>)| {
        let repr = pc5_signalling::Repr { sequence: sequence as u16, body };
        let mut out = vec![0; repr.buffer_len(coding)];
        repr.emit(coding, &mut out).expect("valid");
        out
    };
    let [lte, nr] = CODINGS;
    let lte = bodies.into_iter().enumerate().map(|numbered| emit(lte, numbered));
    lte.chain(nr_bodies.into_iter().enumerate().map(|numbered| emit(nr, numbered))).collect()
}

fn group_keys(data: &[u8]) -> bool {
    let acknowledgement = group_keys::Acknowledgement::parse(data);
    let ad_hoc = group_keys::AdHocGmk::parse(data);
    let emitted = match (acknowledgement, ad_hoc) {
        (Ok(repr), _) => repr.emit(),
        (_, Ok(repr)) => repr.emit(),
        (Err(e), Err(other)) => return blame_bytes(e) | blame_bytes(other),
    };
    assert_eq!(emitted.as_deref(), Ok(data), "what was parsed can be emitted");
    true
}

fn group_keys_seeds() -> Vec<Vec<u8>> {
    let name = |octets| group_keys::Name { kind: 1, octets };
    let acknowledgement =
        group_keys::Acknowledgement { gmk_id: 7, time: 1, member: name(b"sip:bob@ps.example"), mac: [9; 16] };
    let members = |number: u8| {
        let member = |index| (ids::Layer2Id::from_octets([0, 0, index]), name(b"sip:alice@ps.example"));
        (0..number).map(member).collect()
    };
    let ad_hoc = |number| group_keys::AdHocGmk {
        group: ids::Layer2Id::from_octets([1, 2, 3]),
        gmk_id: 0x8000_0001,
        time: 1_800_000_000_000,
        activation: 1,
        expiry: 2,
        gmk: &[5; 16],
        name: name(b"search"),
        members: members(number),
    };
    let messages = [acknowledgement.emit(), ad_hoc(0).emit(), ad_hoc(1).emit(), ad_hoc(20).emit()];
    messages.into_iter().map(|message| message.expect("a seed")).collect()
}
