//! Messages of the network side: what is understood comes back when it is written.

use super::Target;
use sidelink_network::bootstrapping_info::BootstrappingInfo;
use sidelink_network::digest::{Authorization, Challenge};
use sidelink_network::eap_aka::message::{IdentityRequest, Request, Response};
use sidelink_network::eap_aka::{Method, Packet};
use sidelink_network::identity::BTid;
use sidelink_network::ikev2::wire::{
    Exchange, HEADER, Header, Kind, Payloads, Protocol, chain, choose, proposal,
};
use sidelink_network::ota::sms::{Direction, segments};
use sidelink_network::ota::uicc::{self, Uicc};
use sidelink_network::panf::Panf;
use sidelink_network::pc3::TransactionId;
use sidelink_network::pc8::request::{GroupRequest, KeyRequest};
use sidelink_network::pc8::{Algorithms, HeldId};
use sidelink_network::radius::packet::Attributes;
use sidelink_network::radius::{self, Attribute, Secret};
use sidelink_network::sbi::{JSON, MERGE_PATCH_JSON, RequestId, ddnmf, gba, panf};
use sidelink_network::usage::messages as pc3ch;
use sidelink_network::{configuration, pc3, pc8, puzzle};
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;

/// Documents of PC3, PC3ch, PC8 and Ub.
pub const XML: Target = Target { name: "network_xml", run: xml, seeds: xml_seeds };
/// Header fields of HTTP Digest AKA, and of puzzles.
pub const DIGEST: Target = Target { name: "network_digest", run: digest, seeds: digest_seeds };
/// Packets of EAP-AKA and EAP-AKA'.
pub const EAP: Target = Target { name: "network_eap", run: eap, seeds: eap_seeds };
/// Packets of RADIUS.
pub const RADIUS: Target = Target { name: "network_radius", run: radius, seeds: radius_seeds };
/// Messages of IKEv2.
pub const IKE: Target = Target { name: "network_ike", run: ike, seeds: ike_seeds };
/// Short messages to a card, and the commands in them.
pub const CARD: Target = Target { name: "network_card", run: card, seeds: card_seeds };

/// Requests over the service-based interfaces: a line with method and path, then a body.
pub const SBI: Target = Target { name: "network_sbi", run: sbi, seeds: sbi_seeds };

fn sbi(data: &[u8]) -> bool {
    let line = data.iter().position(|octet| *octet == b'\n').unwrap_or(data.len());
    let (line, body) = data.split_at(line);
    let Some((method, target)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(' ')) else {
        return false;
    };
    let body = body.get(1..).unwrap_or_default();
    let asks = |media_type| {
        let Some(http) = sidelink_network::sbi::request(method, target, media_type, body) else {
            return false;
        };
        let (now, request) = (UtcTime::from_millis(1_700_000_000_000), RequestId(1));
        let mut gba = gba::Gba::default();
        gba.handle_input(gba::Input::Request { now, request, http: &http });
        let mut anchor = panf::AnchorFunction::new(Panf::new(1, []));
        anchor.handle_input(panf::Input::Request { now, request, http: &http });
        let mut discovery = ddnmf::Ddnmf::new(String::new());
        discovery.handle_input(ddnmf::Input::Request { now, request, http: &http });
        !matches!(gba.poll_output(), gba::Output::Respond { .. })
            || !matches!(anchor.poll_output(), panf::Output::Respond { .. })
            || !matches!(discovery.poll_output(), ddnmf::Output::Respond { .. })
    };
    let (one, other) = (asks(JSON), asks(MERGE_PATCH_JSON));
    one || other
}

fn sbi_seeds() -> Vec<Vec<u8>> {
    [
        r#"POST /nbsp-gba/v1/bootstrapping-info-retrieval
{"btId":"a@b","nafId":{"nafFqdn":"naf.example.org","uaSecProtId":"0100010002"}}"#,
        r#"POST /nbsp-gba/v1/push-info-retrieval
{"ueId":"a@b","ueIdType":"PRIVATE","uiccAppLabel":"","nafId":{"nafFqdn":"naf.example.org","uaSecProtId":"0100010002"},"ptId":"p","uiccOrMe":"GBA_ME","requestedLifeTime":"2023-11-15T00:00:00Z"}"#,
        r#"PUT /n5g-ddnmf-disc/v1/imsi-001010000000001/monitor-authorize/1
{"discType":"OPEN","openDiscData":{"proseAppIdNames":["mcc001.mnc001.ProSeApp.Food"]}}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

fn xml(data: &[u8]) -> bool {
    let mut understood = false;
    if let Ok(message) = pc3::Message::from_xml(data) {
        let text = message.to_xml();
        let again = pc3::Message::from_xml(text.as_bytes()).expect("what was written is read");
        assert_eq!(*again.to_xml(), *text);
        understood = true;
    }
    if let Ok(message) = pc8::Message::from_xml(data) {
        let text = message.to_xml();
        let again = pc8::Message::from_xml(text.as_bytes()).expect("what was written is read");
        assert_eq!(*again.to_xml(), *text);
        understood = true;
    }
    if let Ok(message) = configuration::Message::from_xml(data) {
        let text = message.to_xml();
        let again = configuration::Message::from_xml(text.as_bytes()).expect("what was written is read");
        assert_eq!(*again.to_xml(), *text);
        understood = true;
    }
    if let Ok(message) = pc3ch::Message::from_xml(data) {
        let text = message.to_xml();
        let again = pc3ch::Message::from_xml(text.as_bytes()).expect("what was written is read");
        assert_eq!(*again.to_xml(), *text);
        understood = true;
    }
    if let Ok(info) = BootstrappingInfo::parse(data) {
        let again = BootstrappingInfo::parse(info.emit().as_bytes()).expect("what was written is read");
        assert_eq!(again.b_tid, info.b_tid);
        understood = true;
    }
    understood
}

fn xml_seeds() -> Vec<Vec<u8>> {
    let transaction = TransactionId::new(7).expect("in range");
    let mut keys = KeyRequest::new(transaction);
    keys.algorithms = Some(Algorithms::of(&Algorithm::ALL));
    let group = sidelink_network::key_delivery::ServiceId([0, 1, 0xa2]);
    keys.groups.push(GroupRequest { group, held: vec![HeldId(0)] });
    let info = BootstrappingInfo {
        b_tid: BTid::new("AAAAAAAAAAAAAAAAAAAAAA==@bsf.example.org").expect("a B-TID"),
        expires: UtcTime::from_millis(1_800_000_000_000),
    };
    let plmn = pc3::Plmn::new("001", "01").expect("a PLMN");
    let request = configuration::ConfigurationRequest {
        ue: pc3::Imsi::new(plmn, "0000000001").expect("an IMSI"),
        nonce: [7; 16],
        held: configuration::Version::new(3),
    };
    let report = pc3::match_report::MatchReports { open: Vec::new(), restricted: Vec::new() };
    vec![
        pc3::Message::MatchReport(report).to_xml().as_bytes().to_vec(),
        pc8::Message::KeyRequest(keys).to_xml().as_bytes().to_vec(),
        configuration::Message::Request(request).to_xml().as_bytes().to_vec(),
        EPC_REGISTRATION.as_bytes().to_vec(),
        USAGE.as_bytes().to_vec(),
        info.emit().into_bytes(),
    ]
}

/// Answer to a UE that registers for EPC-level discovery, with the extension of our own.
const EPC_REGISTRATION: &str = r#"<prose-discovery-message xmlns="urn:3GPP:ns:ProSe:Discovery:2014" xmlns:own="urn:sidelink:prose:extension:1"><UE_REGISTRATION_RESPONSE><response-register><transaction-ID>1</transaction-ID><EPC-ProSe-User-ID>00010203</EPC-ProSe-User-ID><server-initiated-method-config>0</server-initiated-method-config><own:binding-nonce>000102030405060708090A0B0C0D0E0F</own:binding-nonce></response-register></UE_REGISTRATION_RESPONSE></prose-discovery-message>"#;

/// A usage report with a group and a link.
const USAGE: &str = r#"<prose-pc3ch-message xmlns="urn:3GPP:ns:ProSe:PC3ch:2014" xmlns:own="urn:sidelink:prose:extension:1"><USAGE_INFORMATION_REPORT_LIST><transaction-ID>1</transaction-ID><UE-identity><MCC>001</MCC><MNC>01</MNC><MSIN>0000000001</MSIN></UE-identity><usage-information-report sequence-number="1"><coverage in-coverage="false"/><group prose-layer2-group-ID="0000FF" prose-group-IP-multicast-address="224.0.0.7"><UE-source-IP-address>10.0.0.1</UE-source-IP-address><prose-UE-id>000001</prose-UE-id><transmission in-coverage="false" amount="300" timestamp="2026-07-25T17:20:00Z"><own:sn first="1" last="3"/></transmission></group><own:link peer="000002"><own:reception in-coverage="false" amount="5"><own:from prose-UE-id="000002" amount="5" timestamp="2026-07-25T17:20:00Z"><own:sn first="1" last="1"/></own:from></own:reception></own:link><own:record seq="1" local="000001" from="2026-07-25T17:20:00Z" to="2026-07-25T17:25:00Z" kind="0"/></usage-information-report></USAGE_INFORMATION_REPORT_LIST></prose-pc3ch-message>"#;

fn digest(data: &[u8]) -> bool {
    let mut understood = false;
    let text = core::str::from_utf8(data).unwrap_or_default();
    if let Ok(challenge) = text.parse::<puzzle::Challenge>() {
        assert_eq!(challenge.to_string().parse(), Ok(challenge));
        understood = true;
    }
    if let Ok(solution) = text.parse::<puzzle::Solution>() {
        assert_eq!(solution.to_string().parse(), Ok(solution));
        understood = true;
    }
    if let Ok(challenge) = Challenge::parse(data) {
        assert_eq!(Challenge::parse(challenge.emit().as_bytes()).as_ref(), Ok(&challenge));
        understood = true;
    }
    if let Ok(authorization) = Authorization::parse(data) {
        assert_eq!(Authorization::parse(authorization.emit().as_bytes()).as_ref(), Ok(&authorization));
        understood = true;
    }
    understood
}

fn digest_seeds() -> Vec<Vec<u8>> {
    let asked = "Digest username=\"001010000000001@ims.mnc001.mcc001.3gppnetwork.org\", \
                 realm=\"bsf.mnc001.mcc001.pub.3gppnetwork.org\", nonce=\"\", uri=\"/\", response=\"\"";
    let puzzle = "sha256-1 1785000000000 16 16 00112233445566778899aabbccddeeff";
    let solution = "sha256-1 1785000000000 0011223344556677";
    [asked, puzzle, solution].map(|text| text.as_bytes().to_vec()).to_vec()
}

fn eap(data: &[u8]) -> bool {
    let Ok(packet) = Packet::new_checked(data) else { return false };
    let request = Request::parse(&packet).is_ok();
    let response = Response::parse(&packet).is_ok();
    assert!(!(request && response), "a packet goes one way");
    request || response
}

fn eap_seeds() -> Vec<Vec<u8>> {
    let request = Request::Identity(IdentityRequest::Any).emit(Method::AkaPrime, 1, None);
    let response =
        Response::Identity("6001010000000001@wlan.example".to_owned()).emit(Method::AkaPrime, 1, None);
    let reject = Response::AuthenticationReject.emit(Method::Aka, 2, None);
    [request, response, reject].map(|packet| packet.expect("fits")).to_vec()
}

fn radius(data: &[u8]) -> bool {
    let Ok(packet) = radius::Packet::new_checked(data) else { return false };
    let octets: usize = packet.values(Attribute::EapMessage).map(<[u8]>::len).sum();
    assert_eq!(packet.eap().map_or(0, |eap| eap.len()), octets);
    true
}

fn radius_seeds() -> Vec<Vec<u8>> {
    let secret = Secret::new(b"radius".to_vec()).expect("a secret");
    let mut attributes = Attributes::default();
    attributes.push(Attribute::UserName, b"6001010000000001@wlan.example").expect("fits");
    attributes.push(Attribute::State, &[7; 16]).expect("fits");
    attributes.push_eap(&[1; 600]).expect("fits");
    vec![secret.request(1, [9; 16], &attributes).expect("fits")]
}

fn ike(data: &[u8]) -> bool {
    let Ok(header) = Header::parse(data) else { return false };
    let again = header.emit(&data[HEADER..]).and_then(|octets| Header::parse(&octets));
    assert_eq!(again, Ok(header));
    let Ok(payloads) = Payloads::parse(header.next, &data[HEADER..]) else { return false };
    let _ = payloads.find(Kind::Sa).map(|body| choose(Protocol::Ike, body).is_ok());
    let selectors = [Kind::TsInitiator, Kind::TsResponder].map(|kind| payloads.find(kind));
    let _ = selectors.map(|body| body.map(sidelink_network::ikev2::wire::selector_of));
    true
}

fn ike_seeds() -> Vec<Vec<u8>> {
    let payloads = [(Kind::Sa, proposal(Protocol::Ike, 1, &[])), (Kind::Nonce, vec![7; 32])];
    let (next, octets) = chain(&payloads).expect("fits");
    let header = Header {
        spi_initiator: [1; 8],
        spi_responder: [0; 8],
        next,
        exchange: Exchange::SaInit,
        from_initiator: true,
        is_response: false,
        message_id: 0,
    };
    vec![header.emit(&octets).expect("fits")]
}

/// The first octet says whether it is a short message or a command of the terminal.
fn card(data: &[u8]) -> bool {
    let Some((first, rest)) = data.split_first() else { return false };
    let mut card = Uicc::new([], &[]);
    card.handle_input(if *first == 0 { uicc::Input::Segment(rest) } else { uicc::Input::Apdu(rest) });
    let mut said = false;
    while let Some(output) = card.poll_output() {
        assert!(!matches!(output, uicc::Output::Write(_)), "without keys nothing is written");
        said = true;
    }
    said
}

fn card_seeds() -> Vec<Vec<u8>> {
    let packet = segments(&[0; 40], 1, Direction::Command).expect("fits").remove(0);
    vec![[&[0], &packet[..]].concat(), vec![1, 0, 0xa4, 0, 4, 2, 0x5f, 0x90], vec![1, 0, 0xb0, 0, 0, 0]]
}
