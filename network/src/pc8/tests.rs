use proptest::prelude::*;
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;
use sidelink_security::keys::{Kd, Pmk, Pruk};

use super::request::{GroupMemberRequest, GroupRequest, KdRequest, RelayRequest};
use super::response::{
    GroupMemberReject, GroupMemberResponse, GroupReject, GroupResponse, KdResponse, PmkInfo, PrukInfo,
    RelayReject, RelayResponse,
};
use super::*;
use crate::key_delivery::{PmkId, ServiceId};
use crate::pc3::{Imsi, MaxOffset, Plmn, TransactionId};

const REQUEST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<prose-key-management-message xmlns="urn:3GPP:ns:ProSe:KeyManagement:2014">
 <KEY_REQUEST>
  <transaction-ID>7</transaction-ID>
  <AlgorithmAvailable>E0</AlgorithmAvailable>
  <GroupKeyReq><GroupId>1193046</GroupId><PGKId>1</PGKId><PGKId> 02 </PGKId></GroupKeyReq>
  <GroupKeyReq><GroupId>1</GroupId><PGKId>0</PGKId></GroupKeyReq>
  <GroupKeyStop>16777215</GroupKeyStop>
  <PSDiscoverySecurityCapabilities>80</PSDiscoverySecurityCapabilities>
  <RelayDiscoveryKeyRequest><RelayServiceCode>00000A</RelayServiceCode><PSDKId>3</PSDKId></RelayDiscoveryKeyRequest>
  <RelayDiscoveryKeyStop>11</RelayDiscoveryKeyStop>
  <GroupMemberDiscoveryKeyRequest>
   <DiscoveryGroupID>00000b</DiscoveryGroupID><PSDKId>0</PSDKId>
  </GroupMemberDiscoveryKeyRequest>
  <GroupMemberDiscoveryKeyStop>12</GroupMemberDiscoveryKeyStop>
  <PRUKID>0001020304050607</PRUKID>
  <KDReqinfo>
   <IMSI><MCC>001</MCC><MNC>01</MNC><MSIN>0000000042</MSIN></IMSI>
   <RelayServiceCode>00000A</RelayServiceCode>
   <Nonce1>000102030405060708090A0B0C0D0E0F</Nonce1>
   <RAND>101112131415161718191A1B1C1D1E1F</RAND>
   <AUTS>000102030405060708090A0B0C0D</AUTS>
  </KDReqinfo>
 </KEY_REQUEST>
</prose-key-management-message>"#;

fn request(document: &str) -> Result<KeyRequest, Error> {
    match Message::from_xml(document.as_bytes())? {
        Message::KeyRequest(message) => Ok(message),
        other => panic!("{other:?}"),
    }
}

fn response(document: &str) -> Result<KeyResponse, Error> {
    match Message::from_xml(document.as_bytes())? {
        Message::KeyResponse(message) => Ok(message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_is_read_as_the_schema_has_it() {
    let message = request(REQUEST).unwrap();
    assert_eq!(message.transaction.value(), 7);
    let algorithms = message.algorithms.unwrap();
    let has = Algorithm::ALL.map(|algorithm| algorithms.has(algorithm));
    assert_eq!(has, [true, true, true, false]);
    assert_eq!(message.groups[0].group, ServiceId([0x12, 0x34, 0x56]));
    assert_eq!(message.groups[0].held, [HeldId(1), HeldId(2)]);
    assert_eq!(
        (message.groups[1].group, &message.groups[1].held[..]),
        (ServiceId([0, 0, 1]), &[HeldId(0)][..])
    );
    assert_eq!(message.stop_groups, [ServiceId([0xff; 3])]);
    assert_eq!(message.discovery, Some(DiscoveryCapabilities::SCRAMBLING));
    assert_eq!((message.relays[0].code, message.relays[0].held[0]), (Code([0, 0, 10]), HeldId(3)));
    assert_eq!(message.stop_relays, [CodeNumber(Code([0, 0, 11]))]);
    assert_eq!(
        (message.group_members[0].group, message.group_members[0].held),
        (Code([0, 0, 11]), HeldId(0))
    );
    assert_eq!(message.stop_group_members, [CodeNumber(Code([0, 0, 12]))]);
    assert_eq!(message.pruk_id, Some(PrukId([0, 1, 2, 3, 4, 5, 6, 7])));
    let kd = message.kd.unwrap();
    assert_eq!(kd.imsi.unwrap().to_string(), "001010000000042");
    assert_eq!((kd.pruk_id, kd.relay_service_code), (None, Code([0, 0, 10])));
    assert_eq!((kd.nonce_1[15], kd.rand.unwrap()[15], kd.auts.unwrap().0[13]), (15, 0x1f, 13));
}

/// Everything that the schema has.
fn whole_response() -> KeyResponse {
    let imsi = Imsi::new(Plmn::new("001", "01").unwrap(), "0000000042").unwrap();
    let profile = ProtectionProfile::NONE.scrambled().with_mic().confidential();
    KeyResponse {
        group_rejects: vec![GroupReject { group: ServiceId([0, 0, 9]), error: ErrorCode::NotAuthorised }],
        groups: vec![GroupResponse {
            group: ServiceId([0, 0, 8]),
            member: MemberId([0, 1, 0]),
            algorithm: SelectedAlgorithm::new(Algorithm::Aes),
        }],
        relay_rejects: vec![RelayReject { code: Code([1; 3]), error: ErrorCode::Stopped }],
        relays: vec![RelayResponse {
            code: Code([0xab; 3]),
            key_type: Code([2; 3]),
            protection: profile,
            encrypted: Some([0x0f; 23]),
        }],
        group_member_rejects: vec![GroupMemberReject { group: Code([3; 3]), error: ErrorCode::Algorithms }],
        group_members: vec![GroupMemberResponse {
            group: Code([4; 3]),
            key_type: Code([5; 3]),
            protection: ProtectionProfile::NONE,
            encrypted: None,
        }],
        pmk: Some(PmkInfo { id: PmkId([7; 8]), pmk: Pmk::from([8; 32]) }),
        current_time: Some(UtcTime::from_millis(1_785_000_000_000)),
        max_offset: Some(MaxOffset::new(32).unwrap()),
        pruk: Some(PrukInfo { id: PrukId([9; 8]), pruk: Pruk::from([10; 32]) }),
        pruk_error: Some(ErrorCode::NoPruk),
        kd: Some(KdResponse {
            kd: Kd::from([11; 32]),
            freshness: [12; 16],
            gpi: Gpi::new(&[13; 50]),
            imsi: Some(imsi),
            msisdn: Some(Msisdn::new("49", "170", "0123456").unwrap()),
            other: Some(OtherId([14; 16])),
        }),
        kd_error: Some(ErrorCode::NotServed),
        ..KeyResponse::new(TransactionId::new(255).unwrap())
    }
}

#[test]
fn a_response_is_written_as_the_schema_has_it_and_comes_back() {
    let document = Message::KeyResponse(whole_response()).to_xml();
    let parts = [
        "<GroupNotSupported><GroupId>9</GroupId><error-code>3</error-code></GroupNotSupported>",
        "<GroupResponse><GroupId>8</GroupId><GroupMemberId>256</GroupMemberId><AlgorithmInfo>20</AlgorithmInfo></GroupResponse>",
        "<RelayNotSupported><RelayServiceCode>010101</RelayServiceCode><error-code>4</error-code></RelayNotSupported>",
        "<RelayResponse><RelayServiceCode>ABABAB</RelayServiceCode><KeyTypeID>020202</KeyTypeID><ProtectionProfile>E0</ProtectionProfile><EncryptedBitMask>0F0F",
        "<GroupMemberNotSupported><DiscoveryGroupID>030303</DiscoveryGroupID><error-code>1</error-code></GroupMemberNotSupported>",
        "<GroupMemberResponse><DiscoveryGroupID>040404</DiscoveryGroupID><KeyTypeID>050505</KeyTypeID><ProtectionProfile>00</ProtectionProfile></GroupMemberResponse>",
        "<Key-info><PMK-ID>0707070707070707</PMK-ID><PMK>0808",
        "<CurrentTime>2026-07-25T17:20:00Z</CurrentTime><MaxOffset>32</MaxOffset>",
        "<PRUKinfo><PRUKID>0909090909090909</PRUKID><PRUK>0A0A",
        "<PRUKError>5</PRUKError>",
        "<KDRespinfo><KeyKD>0B0B",
        "<KDFreshnessParameter>0C0C",
        "<GPI>0D0D",
        "<RemoteUEIMSI><MCC>001</MCC><MNC>01</MNC><MSIN>0000000042</MSIN></RemoteUEIMSI>",
        "<RemoteUEMSISDN><CC>49</CC><NDC>170</NDC><SN>0123456</SN></RemoteUEMSISDN>",
        "<RemoteUEOtherID>0E0E",
        "<KDError>7</KDError>",
    ];
    let mut rest = document.as_str();
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part} is not there, or out of order"));
        rest = &rest[at + part.len()..];
    }
    let again = response(&document).unwrap();
    assert_eq!(Message::KeyResponse(again).to_xml(), document);
}

#[test]
fn a_request_comes_back() {
    let message = request(REQUEST).unwrap();
    let document = Message::KeyRequest(message).to_xml();
    let again = request(&document).unwrap();
    assert_eq!(Message::KeyRequest(again).to_xml(), document);
}

#[test]
fn what_is_unknown_is_passed_over() {
    let swap = |from: &str, to: &str| {
        assert!(REQUEST.contains(from), "{from}");
        request(&REQUEST.replace(from, to))
    };
    let more = "<anyExt><New>1</New></anyExt><x xmlns=\"urn:other\"><GroupKeyReq/></x></KEY_REQUEST>";
    assert_eq!(swap("</KEY_REQUEST>", more).unwrap().groups.len(), 2);
    assert!(swap("<KEY_REQUEST>", "<KEY_REQUEST new=\"1\">").is_ok());
    // Spare bits are ignored.
    assert_eq!(
        swap(">80</PSDiscovery", ">FF</PSDiscovery").unwrap().discovery,
        Some(DiscoveryCapabilities::SCRAMBLING)
    );
    let document = Message::KeyResponse(whole_response()).to_xml();
    let spare = document.replace("<AlgorithmInfo>20<", "<AlgorithmInfo>AF<");
    assert_eq!(response(&spare).unwrap().groups[0].algorithm.algorithm(), Algorithm::Aes);
}

#[test]
fn values_that_a_parameter_has_not_are_refused() {
    let refused = |from: &str, to: &str, place: &str| {
        assert!(REQUEST.contains(from), "{from}");
        match request(&REQUEST.replacen(from, to, 1)) {
            Err(
                Error::Value { place: at, .. }
                | Error::Missing { place: at }
                | Error::Misplaced { place: at },
            ) => {
                assert_eq!(at, format!("KEY_REQUEST/{place}"));
            }
            other => panic!("{from} -> {to}: {other:?}"),
        }
    };
    refused(">7</transaction-ID>", ">256</transaction-ID>", "transaction-ID");
    refused("<transaction-ID>7</transaction-ID>", "", "transaction-ID");
    refused(">E0<", ">E000<", "AlgorithmAvailable");
    refused(">1193046<", ">16777216<", "GroupKeyReq/GroupId");
    refused(">1193046<", ">-1<", "GroupKeyReq/GroupId");
    refused("<PGKId>1</PGKId><PGKId> 02 </PGKId>", "", "GroupKeyReq/PGKId");
    refused("<PGKId>1</PGKId>", "<PGKId>256</PGKId>", "GroupKeyReq/PGKId");
    refused(
        "<RelayServiceCode>00000A<",
        "<RelayServiceCode>0000A<",
        "RelayDiscoveryKeyRequest/RelayServiceCode",
    );
    refused(
        "<RelayServiceCode>00000A<",
        "<RelayServiceCode>00000G<",
        "RelayDiscoveryKeyRequest/RelayServiceCode",
    );
    refused(
        "<DiscoveryGroupID>00000b</DiscoveryGroupID><PSDKId>0</PSDKId>",
        "<DiscoveryGroupID>00000b</DiscoveryGroupID><PSDKId>0</PSDKId><PSDKId>1</PSDKId>",
        "GroupMemberDiscoveryKeyRequest/PSDKId",
    );
    refused("0C0D</AUTS>", "0C</AUTS>", "KDReqinfo/AUTS");
    refused("<PRUKID>00", "<PRUKID>", "PRUKID");
    let stop = "<GroupKeyStop>16777215</GroupKeyStop>";
    let moved = REQUEST.replace(stop, "").replace("</KDReqinfo>", &format!("</KDReqinfo>{stop}"));
    assert!(matches!(request(&moved).unwrap_err(), Error::Misplaced { .. }));
    let document = Message::KeyResponse(whole_response()).to_xml();
    for (from, to) in [
        ("<error-code>3<", "<error-code>0<"),
        ("<error-code>3<", "<error-code>8<"),
        ("<AlgorithmInfo>20<", "<AlgorithmInfo>40<"),
        ("<PMK>0808", "<PMK>08"),
        ("<SN>0123456<", "<SN>0123456789012<"),
        ("<MaxOffset>32<", "<MaxOffset>33<"),
    ] {
        assert!(document.contains(from), "{from}");
        let error = response(&document.replacen(from, to, 1)).unwrap_err();
        assert!(matches!(error, Error::Value { .. }), "{from} -> {to}: {error:?}");
    }
}

#[test]
fn other_roots_are_refused() {
    let swap = |from: &str, to: &str| Message::from_xml(REQUEST.replace(from, to).as_bytes()).unwrap_err();
    assert_eq!(swap("prose-key-management-message", "prose-discovery-message"), Error::Root);
    assert_eq!(swap("KEY_REQUEST", "KEY_DEMAND"), Error::Root);
    assert_eq!(swap("KEY_REQUEST", "message-ext"), Error::Unsupported { message: "message-ext".to_owned() });
    // The namespace of PC3 is none of PC8.
    assert!(matches!(swap("KeyManagement:2014", "Discovery:2014"), Error::Malformed { .. }));
    let entity = "<!DOCTYPE x [<!ENTITY a \"b\">]><prose-key";
    assert!(matches!(swap("<prose-key", entity), Error::DocumentType { .. } | Error::Malformed { .. }));
}

#[test]
fn both_media_types_are_taken() {
    assert!(is_media_type(MEDIA_TYPE));
    assert!(is_media_type("Application/3GPP-prose+xml; charset=utf-8"));
    for other in ["", "text/xml", "application/vnd.3gpp-prose-pc8", "application/vnd.3gpp-prose-pc8+xml2"] {
        assert!(!is_media_type(other), "{other}");
    }
}

#[test]
fn keys_are_not_shown() {
    let shown = format!("{:?}", Message::KeyResponse(whole_response()));
    assert!(shown.contains("Pmk(redacted)") && shown.contains("Kd(redacted)"), "{shown}");
}

proptest! {
    #[test]
    fn any_octets_are_taken_or_refused(octets: Vec<u8>, at: prop::sample::Index, with: String, cut: prop::sample::Index) {
        let _ = Message::from_xml(&octets);
        let mut damaged = REQUEST.as_bytes().to_vec();
        let place = at.index(damaged.len());
        damaged.splice(place..place, with.into_bytes());
        damaged.truncate(cut.index(2 * damaged.len()) + 1);
        if let Ok(message) = Message::from_xml(&damaged) {
            let document = message.to_xml();
            let again = Message::from_xml(document.as_bytes()).unwrap();
            prop_assert_eq!(again.to_xml(), document);
        }
    }

    #[test]
    fn any_request_comes_back(transaction: u8, groups in proptest::collection::vec((any::<[u8; 3]>(), any::<u8>()), 0..5),
                              codes in proptest::collection::vec(any::<[u8; 3]>(), 0..5), nonce_1: [u8; 16], bits: u8) {
        let held = |id| HeldId(id);
        let message = KeyRequest {
            algorithms: Some(Algorithms::of(&Algorithm::ALL[..usize::from(bits % 5)])),
            groups: groups.iter().map(|(id, key)| GroupRequest { group: ServiceId(*id), held: vec![held(*key); 2] }).collect(),
            stop_groups: groups.iter().map(|(id, _)| ServiceId(*id)).collect(),
            relays: codes.iter().map(|code| RelayRequest { code: Code(*code), held: vec![held(bits)] }).collect(),
            stop_relays: codes.iter().map(|code| CodeNumber(Code(*code))).collect(),
            group_members: codes.iter().map(|code| GroupMemberRequest { group: Code(*code), held: held(bits) }).collect(),
            kd: Some(KdRequest {
                pruk_id: Some(PrukId([bits; 8])),
                imsi: None,
                relay_service_code: Code([bits; 3]),
                nonce_1,
                rand: None,
                auts: None,
            }),
            ..KeyRequest::new(TransactionId::new(transaction).unwrap())
        };
        let document = Message::KeyRequest(message).to_xml();
        let again = request(&document).unwrap();
        prop_assert_eq!(again.groups.len(), groups.len());
        prop_assert_eq!(Message::KeyRequest(again).to_xml(), document);
    }
}
