//! Messages of the network side: what is understood comes back when it is written.

use super::Target;
use sidelink_network::bootstrapping_info::BootstrappingInfo;
use sidelink_network::digest::{Authorization, Challenge};
use sidelink_network::eap_aka::message::{IdentityRequest, Request, Response};
use sidelink_network::eap_aka::{Method, Packet};
use sidelink_network::identity::BTid;
use sidelink_network::panf::Panf;
use sidelink_network::pc3::TransactionId;
use sidelink_network::pc8::request::{GroupRequest, KeyRequest};
use sidelink_network::pc8::{Algorithms, HeldId};
use sidelink_network::radius::packet::Attributes;
use sidelink_network::radius::{self, Attribute, Secret};
use sidelink_network::sbi::{JSON, MERGE_PATCH_JSON, RequestId, ddnmf, gba, panf};
use sidelink_network::{pc3, pc8};
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;

/// Documents of PC3, PC8 and Ub.
pub const XML: Target = Target { name: "network_xml", run: xml, seeds: xml_seeds };
/// Header fields of HTTP Digest AKA.
pub const DIGEST: Target = Target { name: "network_digest", run: digest, seeds: digest_seeds };
/// Packets of EAP-AKA and EAP-AKA'.
pub const EAP: Target = Target { name: "network_eap", run: eap, seeds: eap_seeds };
/// Packets of RADIUS.
pub const RADIUS: Target = Target { name: "network_radius", run: radius, seeds: radius_seeds };

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
    let report = pc3::match_report::MatchReports { open: Vec::new(), restricted: Vec::new() };
    vec![
        pc3::Message::MatchReport(report).to_xml().as_bytes().to_vec(),
        pc8::Message::KeyRequest(keys).to_xml().as_bytes().to_vec(),
        info.emit().into_bytes(),
    ]
}

fn digest(data: &[u8]) -> bool {
    let mut understood = false;
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
    vec![asked.as_bytes().to_vec()]
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
