use proptest::prelude::*;

use super::filters::*;
use super::match_report::*;
use super::request::*;
use super::response::*;
use super::update::*;
use super::*;
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::Mic;

/// A request as the schema of TS 24.334 §11.2.3 has it, written by hand.
const REQUEST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<prose-discovery-message xmlns="urn:3GPP:ns:ProSe:Discovery:2014"><DISCOVERY_REQUEST network-initiated-transaction-method="1"><discovery-request><transaction-ID>7</transaction-ID><command>1</command><UE-identity><MCC>001</MCC><MNC>01</MNC><MSIN>0000000042</MSIN></UE-identity><ProSe-Application-ID>mcc001.mnc001.ProSeApp.Food &amp; Wine</ProSe-Application-ID><application-identity><OS-ID>00112233445566778899AABBCCDDEEFF</OS-ID><OS-App-ID>org.example.app</OS-App-ID></application-identity><discovery-entry-ID>0</discovery-entry-ID><Requested-Timer>60</Requested-Timer><metadata>open till ten</metadata><Announcing-PLMN-ID><mcc>001</mcc><mnc>001</mnc></Announcing-PLMN-ID><ACE-enabled-indicator>1</ACE-enabled-indicator><PC5-tech>1</PC5-tech></discovery-request></DISCOVERY_REQUEST></prose-discovery-message>"#;

fn request(edit: impl Fn(String) -> String) -> Result<Message, Error> {
    Message::from_xml(edit(REQUEST.to_owned()).as_bytes())
}

fn swap(from: &str, to: &str) -> Result<Message, Error> {
    assert!(REQUEST.contains(from), "{from}");
    request(|text| text.replacen(from, to, 1))
}

fn at(place: &str) -> String {
    format!("DISCOVERY_REQUEST/discovery-request/{place}")
}

#[track_caller]
fn refused(result: Result<Message, Error>, place: &str) {
    match result {
        Err(Error::Value { place: found, .. }) => assert_eq!(found, at(place)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_stands_as_the_schema_has_it() {
    let Ok(Message::DiscoveryRequest(message)) = request(|text| text) else { panic!() };
    assert_eq!(message.method, Some(TransactionMethod::LongPolling));
    let [open] = &message.open[..] else { panic!() };
    assert_eq!((open.transaction.value(), open.command), (7, Command::Announce));
    assert_eq!(open.ue.to_string(), "001010000000042");
    assert_eq!(open.application_id.as_str(), "mcc001.mnc001.ProSeApp.Food & Wine");
    assert_eq!(open.application.os_id[15], 0xff);
    assert_eq!(open.announcing_plmn.map(|plmn| plmn.to_string()).as_deref(), Some("001-001"));
    assert_eq!(open.requested_timer.map(RequestedTimer::value), Some(60));
    assert_eq!(Message::DiscoveryRequest(message).to_xml().as_str(), REQUEST);
}

#[test]
fn what_the_schema_does_not_know_is_passed_over() {
    for unknown in [
        "<later>1<deeper/></later><command>",
        "<x:command xmlns:x=\"urn:other\">9<x:deeper/></x:command><command>",
        "<anyExt><command>9</command></anyExt><command>",
        "<!-- a comment --><?a process?>  <command>",
        "<command later=\"1\">",
    ] {
        let text = swap("<command>", unknown).unwrap().to_xml();
        assert_eq!(text.as_str(), REQUEST, "{unknown}");
    }
    let spaced =
        request(|text| text.replace("><", ">\n  <").replace("<command>1<", "<command> +1 <")).unwrap();
    assert_eq!(spaced.to_xml().as_str(), REQUEST);
    let prefixed = request(|text| {
        text.replace("</", "<:")
            .replace('<', "<p:")
            .replace("<p::", "</p:")
            .replace("<p:?", "<?")
            .replace("xmlns=", "xmlns:p=")
    });
    assert_eq!(prefixed.unwrap().to_xml().as_str(), REQUEST);
}

#[test]
fn what_must_be_there_is_there_once_and_in_order() {
    let gone = swap("<command>1</command>", "");
    assert_eq!(gone.unwrap_err(), Error::Missing { place: at("command") });
    let misplaced = Err(Error::Misplaced { place: at("command") });
    let twice = swap("<command>1</command>", "<command>1</command><command>2</command>");
    assert_eq!(twice.map(drop), misplaced);
    let early = swap(
        "<transaction-ID>7</transaction-ID><command>1</command>",
        "<command>1</command><transaction-ID>7</transaction-ID>",
    );
    assert_eq!(early.map(drop), misplaced);
    let optional = swap("<command>", "<PC5-tech>2</PC5-tech><command>");
    assert_eq!(optional.unwrap_err(), Error::Misplaced { place: at("PC5-tech") });
    refused(swap("<UE-identity>", "<UE-identity>text"), "UE-identity");
    refused(swap("<command>1", "<command><a/>1"), "command");
}

#[test]
fn reserved_and_unused_values_are_refused() {
    for (element, fine, wrong) in [
        ("transaction-ID>7", "255", "256"),
        ("command>1", "5", "6"),
        ("command>1", "1", "0"),
        ("discovery-entry-ID>0", "65535", "65536"),
        ("Requested-Timer>60", "525600", "525601"),
        ("Requested-Timer>60", "0", "-1"),
        ("ACE-enabled-indicator>1", "2", "0"),
        ("ACE-enabled-indicator>1", "2", "3"),
        ("PC5-tech>1", "254", "252"),
    ] {
        let (name, _) = element.split_once('>').unwrap();
        let with = |value| swap(&format!("<{element}<"), &format!("<{name}>{value}<"));
        with(fine).unwrap();
        refused(with(wrong), name);
        refused(with("x"), name);
        refused(with(""), name);
    }
    let method = swap("method=\"1\"", "method=\"0\"");
    assert!(
        matches!(method, Err(Error::Value { place, .. }) if place.ends_with("/network-initiated-transaction-method"))
    );
}

#[test]
fn numbers_have_their_ranges() {
    assert!(Minutes::new(0).is_err() && Minutes::new(1).is_ok());
    assert!(Minutes::new(525_600).is_ok() && Minutes::new(525_601).is_err());
    assert!(MaxOffset::new(0).is_err() && MaxOffset::new(1).is_ok());
    assert!(MaxOffset::new(32).is_ok() && MaxOffset::new(33).is_err());
    assert_eq!(Cause::ALL.len(), 18);
    assert_eq!(Command::ALL.len(), 5);
    assert!(Bits::new(&[]).is_err() && Bits::new(&[0; 1]).is_ok());
    assert!(Bits::new(&[0; 23]).is_ok() && Bits::new(&[0; 24]).is_err());
    assert!(Container::new(&[0; 4096]).is_ok() && Container::new(&[0; 4097]).is_err());
    assert!(Rpauid::new("").is_err() && Rpauid::new(&"a".repeat(512)).is_ok());
    assert!(Rpauid::new(&"a".repeat(513)).is_err());
    assert!(Metadata::new("").is_ok() && Metadata::new(&"a".repeat(4096)).is_ok());
    assert!(Metadata::new(&"a".repeat(4097)).is_err());
    for wrong in ["\0", "\r", "\u{7f}", "\u{fffe}", "\u{1b}[2J"] {
        assert!(Metadata::new(wrong).is_err(), "{wrong:?}");
    }
    assert!(Metadata::new("a\n\tb\u{1f600}").is_ok());
}

/// TS 24.334 §12.2.2.10.
#[test]
fn message_types_are_those_of_the_table() {
    let fine = (0..=255u8).filter(|octet| MessageType::new(*octet).is_ok());
    let fine: Vec<u8> = fine.collect();
    assert_eq!(fine.len(), 2 * 8 * 2);
    for octet in [0x41, 0x42, 0x46, 0x49, 0x81, 0x86, 0x92, 0x96, 0x99, 0x9e, 0xa1] {
        assert!(fine.contains(&octet), "{octet:02x}");
    }
    for octet in [0x00, 0x01, 0xc1, 0x40, 0x43, 0x4d, 0xa5, 0xbd] {
        assert!(!fine.contains(&octet), "{octet:02x}");
    }
}

#[test]
fn identities_keep_their_digits() {
    let digits = |mcc: &str, mnc: &str| Plmn::new(mcc, mnc).map(|plmn| plmn.to_string());
    assert_eq!(digits("001", "01").unwrap(), "001-01");
    assert_ne!(Plmn::new("001", "01"), Plmn::new("001", "001"));
    for (mcc, mnc) in
        [("1", "01"), ("0001", "01"), ("001", "1"), ("001", "0001"), ("0a1", "01"), ("001", "+1")]
    {
        assert!(Plmn::new(mcc, mnc).is_err(), "{mcc} {mnc}");
    }
    let plmn = Plmn::new("001", "01").unwrap();
    assert!(Imsi::new(plmn, "000000004").is_err() && Imsi::new(plmn, "00000000042").is_err());
    assert!(Imsi::new(plmn, "00000000x2").is_err());
    // an integer whose zeros were left out
    let bare =
        swap("<MCC>001</MCC><MNC>01</MNC><MSIN>0000000042</MSIN>", "<MCC>1</MCC><MNC>1</MNC><MSIN>42</MSIN>");
    assert_eq!(bare.unwrap().to_xml().as_str(), REQUEST);
    refused(swap("<MCC>001", "<MCC>0001"), "UE-identity");
    refused(swap("<MSIN>0000000042", "<MSIN>00000000042"), "UE-identity/MSIN");
    refused(swap("<MNC>01<", "<MNC>001<"), "UE-identity");
}

#[test]
fn octet_strings_have_their_lengths() {
    refused(swap("AABBCCDDEEFF", "AABBCCDDEE"), "application-identity/OS-ID");
    refused(swap("AABBCCDDEEFF", "AABBCCDDEEFFF"), "application-identity/OS-ID");
    refused(swap("AABBCCDDEEFF", "AABBCCDDEEFG"), "application-identity/OS-ID");
    assert_eq!(swap("AABBCCDDEEFF", "aabbccddeeff").unwrap().to_xml().as_str(), REQUEST);
}

#[test]
fn a_document_is_bounded() {
    let padded = |octets: usize| {
        let padding = " ".repeat(octets - REQUEST.len());
        request(|text| text.replacen("<DISCOVERY", &format!("{padding}<DISCOVERY"), 1)).map(drop)
    };
    assert_eq!(padded(MAX_OCTETS), Ok(()));
    assert_eq!(padded(MAX_OCTETS + 1), Err(Error::TooLong { octets: MAX_OCTETS + 1 }));

    let elements = REQUEST.matches("</").count();
    let more = |count: usize| swap("<command>", &format!("{}<command>", "<a/>".repeat(count))).map(drop);
    assert_eq!(more(MAX_ELEMENTS - elements), Ok(()));
    assert!(matches!(more(MAX_ELEMENTS - elements + 1), Err(Error::TooMany { .. })));

    // the new element is the fourth
    for (open, close) in [("<a>", "</a>"), ("<x:a xmlns:x=\"urn:other\">", "</x:a>")] {
        let deep = |depth: usize| {
            swap("<command>", &format!("{}{}<command>", open.repeat(depth), close.repeat(depth))).map(drop)
        };
        assert_eq!(deep(MAX_DEPTH - 3), Ok(()));
        assert!(matches!(deep(MAX_DEPTH - 2), Err(Error::TooDeep { .. })));
    }

    let attributes = |count: usize| {
        let text: String = (0..count).map(|i| format!(" a{i}=\"1\"")).collect();
        swap("<command>", &format!("<command{text}>")).map(drop)
    };
    assert_eq!(attributes(MAX_ATTRIBUTES), Ok(()));
    assert!(matches!(attributes(MAX_ATTRIBUTES + 1), Err(Error::TooMany { .. })));

    let reject = |transaction| Reject { transaction, cause: Cause::InvalidMic };
    let rejects = |count: usize| {
        let rejects = (0..count).map(|i| reject(TransactionId::new(i as u8).unwrap())).collect();
        let message = MatchReportAcks { current_time: now(), acks: vec![], rejects, restricted: vec![] };
        Message::from_xml(Message::MatchReportAck(message).to_xml().as_bytes()).map(drop)
    };
    assert_eq!(rejects(MAX_LIST), Ok(()));
    assert!(matches!(rejects(MAX_LIST + 1), Err(Error::Value { .. })));
}

#[test]
fn no_document_type_and_no_entity_of_its_own() {
    let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbbbbbb\"><!ENTITY c \"&b;&b;&b;\">]>\n<prose-";
    assert!(matches!(swap("<prose-", bomb), Err(Error::DocumentType { .. })));
    assert!(matches!(swap("&amp;", "&c;"), Err(Error::Entity { .. })));
    assert!(matches!(swap("&amp;", "&#0;"), Err(Error::Entity { .. })));
    assert!(matches!(swap("<command>", "<command a=\"&c;\">"), Err(Error::Entity { .. })));
    assert_eq!(swap("&amp;", "&#38;").unwrap().to_xml().as_str(), REQUEST);
    assert_eq!(swap("Food &amp; Wine", "<![CDATA[Food & Wine]]>").unwrap().to_xml().as_str(), REQUEST);
    let five = swap("Food &amp; Wine", "&lt;&gt;&amp;&quot;&apos;").unwrap();
    let Message::DiscoveryRequest(message) = &five else { panic!() };
    assert!(message.open[0].application_id.as_str().ends_with("<>&\"'"));
    assert!(Message::from_xml(five.to_xml().as_bytes()).is_ok());
}

#[test]
fn what_is_not_well_formed_is_refused() {
    let malformed = |result: Result<Message, Error>| {
        assert!(matches!(result, Err(Error::Malformed { .. })), "{result:?}")
    };
    malformed(swap("</prose-discovery-message>", ""));
    malformed(swap("</command>", "</comand>"));
    malformed(swap("<?xml", "text<?xml"));
    malformed(request(|text| format!("{text}<a xmlns=\"urn:3GPP:ns:ProSe:Discovery:2014\"/>")));
    malformed(request(|text| format!("{text}text")));
    malformed(swap("urn:3GPP", "urn:4GPP"));
    malformed(swap(" xmlns=\"urn:3GPP:ns:ProSe:Discovery:2014\"", ""));
    malformed(swap("<command>", "<command a=\"1\" a=\"1\">"));
    malformed(Message::from_xml(b""));
    assert_eq!(swap("UTF-8", "UTF-16").map(drop), Err(Error::Encoding));
    assert!(matches!(Message::from_xml(b"\xff<a/>"), Err(Error::NotUtf8 { at: 0 })));
}

#[test]
fn one_message_that_is_spoken_here() {
    assert_eq!(
        swap("<DISCOVERY_REQUEST", "<DISCOVERY_RESPONSE/><DISCOVERY_REQUEST").map(drop),
        Err(Error::Root)
    );
    let named = |name: &str| request(|text| text.replace("DISCOVERY_REQUEST", name)).map(drop);
    assert_eq!(named("DISCOVERY_DEMAND"), Err(Error::Root));
    for message in UNSUPPORTED {
        assert_eq!(named(message), Err(Error::Unsupported { message: message.to_owned() }));
    }
    assert_eq!(
        request(|text| text.replace("prose-discovery-message", "message")).map(drop),
        Err(Error::Root)
    );
    assert_eq!(swap("<DISCOVERY_REQUEST", "text<DISCOVERY_REQUEST").map(drop), Err(Error::Root));
}

#[test]
fn times_have_a_zone_and_fit_the_counter() {
    let text = Message::MatchReportAck(MatchReportAcks {
        current_time: UtcTime::from_millis(1_785_000_000_250),
        acks: vec![],
        rejects: vec![],
        restricted: vec![],
    })
    .to_xml();
    assert!(text.contains("<Current-Time>2026-07-25T17:20:00.25Z</Current-Time>"), "{}", *text);
    let at = |time: &str| match Message::from_xml(text.replace("2026-07-25T17:20:00.25Z", time).as_bytes()) {
        Ok(Message::MatchReportAck(message)) => Some(message.current_time.millis()),
        _ => None,
    };
    assert_eq!(at("2026-07-25T19:20:00.25+02:00"), Some(1_785_000_000_250));
    assert_eq!(at("1970-01-01T00:00:00Z"), Some(0));
    assert_eq!(at("2106-02-07T06:28:15Z"), Some(4_294_967_295_000));
    for wrong in ["1969-12-31T23:59:59Z", "2106-02-07T06:28:16Z", "2026-07-25T17:20:00", "17:20", ""] {
        assert_eq!(at(wrong), None, "{wrong}");
    }
}

#[test]
fn a_filter_has_masks_of_the_length_of_its_code() {
    let bits = |octets: &[u8]| Bits::new(octets).unwrap();
    assert!(MatchingFilter::new(bits(&[1; 8]), vec![]).is_err());
    assert!(MatchingFilter::new(bits(&[1; 8]), vec![bits(&[1; 8]), bits(&[1; 7])]).is_err());
    let filter = MatchingFilter::new(bits(&[0x12, 0x34]), vec![bits(&[0xff, 0]), bits(&[0, 0x0f])]).unwrap();
    let code = |a: u8, b: u8| core::array::from_fn(|i| [a, b].get(i).copied().unwrap_or(9));
    assert!(filter.matches(&code(0x12, 0)) && filter.matches(&code(0, 0xf4)));
    assert!(!filter.matches(&code(0x13, 0x35)));
    let wrong = every().remove(1).to_xml().replace("<Mask>FFFFFFFFFFFFFFFF</Mask>", "<Mask>FF</Mask>");
    assert!(matches!(Message::from_xml(wrong.as_bytes()), Err(Error::Value { .. })));
}

#[test]
fn a_choice_is_one() {
    let [.., report, _, update, _] = &every()[..] else { panic!() };
    let choose = |message: &Message, from: &str, to: &str| {
        let text = message.to_xml();
        assert!(text.contains(from));
        Message::from_xml(text.replace(from, to).as_bytes()).map(drop)
    };
    let wrong = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Value { .. })), "{result:?}");
    wrong(choose(report, "ProSe-Restricted-Code>", "anyExt>"));
    let both =
        format!("</ProSe-Restricted-Code><ProSe-Response-Code>{}</ProSe-Response-Code>", "00".repeat(8));
    wrong(choose(report, "</ProSe-Restricted-Code>", &both));
    wrong(choose(update, "update-info-open-annnounce", "later"));
    let both = "<update-info-restricted-announce><ProSe-Restricted-Code>0000000000000000</ProSe-Restricted-Code><validity-timer-T4007>1</validity-timer-T4007></update-info-restricted-announce><update-info-open-annnounce>";
    wrong(choose(update, "<update-info-open-annnounce>", both));
}

#[test]
fn every_message_comes_back() {
    for message in every() {
        let text = message.to_xml();
        let again = Message::from_xml(text.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{}", *text));
        assert_eq!(again.to_xml().as_str(), text.as_str());
    }
}

/// Each element without which the schema refuses.
#[test]
fn mandatory_elements_of_every_message() {
    for (index, name) in [
        (1, "Current-Time"),
        (1, "Max-Offset"),
        (1, "transaction-ID"),
        (1, "TTL-timer-T4002"),
        (1, "TTL-timer-T4009"),
        (1, "application-level-container"),
        (1, "query-filter"),
        (1, "validity-timer-T4011"),
        (1, "validity-timer-T4013"),
        (1, "ProSe-Rquery-Code"),
        (1, "encrypted-bitmask"),
        (1, "PC3-control-protocol-cause-value"),
        (2, "MIC"),
        (2, "UTC-based-counter"),
        (2, "Metadata-flag"),
        (2, "Monitored-PLMN-ID"),
        (2, "discovery-type"),
        (3, "validity-timer-T4004"),
        (3, "match-report-refresh-timer-T4006"),
        (3, "validity-timer-T4016"),
        (4, "prose-function-transaction-ID"),
        (4, "validity-timer-T4000"),
        (5, "discovery-entry-ID"),
    ] {
        let text =
            every()[index].to_xml().replacen(name, "later", if name.starts_with("match-") { 1 } else { 2 });
        match Message::from_xml(text.as_bytes()) {
            Err(Error::Missing { place } | Error::Misplaced { place }) => {
                assert!(place.ends_with(name), "{place}")
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn keys_show_in_the_document_alone() {
    let message = &every()[1];
    assert!(message.to_xml().contains(&"5A".repeat(16)));
    let said = format!("{message:?}");
    assert!(!said.contains("90, 90") && said.contains("redacted"));
}

#[test]
fn keys_of_a_filter_stand_in_either_place() {
    let Message::DiscoveryResponse(message) = every().remove(1) else { panic!() };
    let filter = message.restricted_monitors.into_iter().next().unwrap().filters.into_iter().next().unwrap();
    let material = filter.into_material();
    assert_eq!(material.dusk, Some([1; 32].into()), "the parameter's own before the other place");
    assert_eq!(material.duik, Some([4; 16].into()));
    assert_eq!(material.duck, Some(([3; 32].into(), [0xf0; 23])));
}

proptest! {
    #[test]
    fn any_bytes_are_judged_without_a_panic(bytes: Vec<u8>) {
        let _ = Message::from_xml(&bytes);
    }

    /// What is taken says the same when it is written and read again.
    #[test]
    fn any_change_of_a_document_is_judged(index in 0usize..6, at: usize, len in 0usize..40, with: Vec<u8>) {
        let mut text = every()[index].to_xml().as_bytes().to_vec();
        let at = at % text.len();
        let end = (at + len).min(text.len());
        text.splice(at..end, with);
        if let Ok(message) = Message::from_xml(&text) {
            let text = message.to_xml();
            let again = Message::from_xml(text.as_bytes()).unwrap().to_xml();
            prop_assert_eq!(again.as_str(), text.as_str());
        }
    }
}

fn now() -> UtcTime {
    UtcTime::from_millis(1_785_000_000_000)
}

/// One of each message, with everything in it.
fn every() -> Vec<Message> {
    vec![
        Message::from_xml(REQUEST.replace("</DISCOVERY_R", &format!("{RESTRICTED}</DISCOVERY_R")).as_bytes())
            .unwrap(),
        Message::DiscoveryResponse(response()),
        Message::MatchReport(reports()),
        Message::MatchReportAck(acks()),
        Message::DiscoveryUpdateRequest(updates()),
        Message::DiscoveryUpdateResponse(DiscoveryUpdateResponse {
            updated: vec![Updated { transaction: id(1), entry: entry() }],
            rejects: vec![UpdateReject { transaction: id(2), cause: Cause::InvalidUe }],
        }),
    ]
}

const RESTRICTED: &str = "<restricted-discovery-request><transaction-ID>8</transaction-ID><command>4</command><UE-identity><MCC>001</MCC><MNC>001</MNC><MSIN>000000042</MSIN></UE-identity><RPAUID>anna@example</RPAUID><application-identity><OS-ID>00112233445566778899AABBCCDDEEFF</OS-ID><OS-App-ID>a</OS-App-ID></application-identity><discovery-type>2</discovery-type><ACE-enabled-indicator>1</ACE-enabled-indicator><announcing-type>1</announcing-type><application-level-container>0102</application-level-container><discovery-model>2</discovery-model><Announcing-PLMN-ID><mcc>001</mcc><mnc>01</mnc></Announcing-PLMN-ID><discovery-entry-ID>3</discovery-entry-ID><Requested-Timer>0</Requested-Timer><PC5-tech>3</PC5-tech></restricted-discovery-request>";

fn id(number: u8) -> TransactionId {
    TransactionId::new(number).unwrap()
}

fn entry() -> EntryId {
    EntryId::new(9).unwrap()
}

fn minutes() -> Minutes {
    Minutes::new(60).unwrap()
}

fn duck() -> DuckInfo {
    DuckInfo { key: [3; 32].into(), mask: [0xf0; 23] }
}

fn security() -> RestrictedSecurity {
    RestrictedSecurity { dusk: Some([7; 32].into()), duik: Some([4; 16].into()), duck: Some(duck()) }
}

fn exact() -> MatchingFilter {
    MatchingFilter::exact(RestrictedCode([5; 8])).unwrap()
}

fn rpauid() -> Option<Rpauid> {
    Rpauid::new("bert@example").ok()
}

fn response() -> DiscoveryResponse {
    let code = ApplicationCode([1; 23]);
    let range = || SuffixRange { beginning: Bits::new(&[1]).unwrap(), ending: Bits::new(&[9]).ok() };
    let filter = DiscoveryFilter { code, masks: vec![ApplicationCode([0xff; 23]); 2], ttl: minutes() };
    let restricted = RestrictedFilter {
        filters: vec![exact()],
        ttl: minutes(),
        security: Some(security()),
        rpauid: rpauid(),
        dusk: Some([1; 32].into()),
        duik: None,
        mic_check: Some(true),
        duck: Some(duck()),
        metadata_indicator: Some(MetadataIndicator::Associated),
        metadata: Metadata::new("m").ok(),
    };
    let subquery = Subquery {
        query_code: RestrictedCode([6; 8]),
        response_filters: vec![exact()],
        validity: minutes(),
        security: Some(security()),
        rpauid: rpauid(),
        metadata: Metadata::new("").ok(),
        extension: Some(QueryExtension { security: Some(security()), mic_check: Some(true) }),
    };
    DiscoveryResponse {
        current_time: now(),
        max_offset: MaxOffset::new(32).unwrap(),
        announces: vec![AnnounceResponse {
            transaction: id(1),
            codes: vec![code],
            extension_codes: Some(ExtensionCodes {
                prefix: Bits::new(&[1; 4]).unwrap(),
                suffixes: vec![range()],
            }),
            validity: Some(minutes()),
            key: Some([0x5a; 16].into()),
            entry: Some(entry()),
            extension: Some(Extension::Enabled),
            pc5: Some(Pc5Technology::Both),
        }],
        monitors: vec![MonitorResponse {
            transaction: id(2),
            filters: vec![filter],
            entry: Some(entry()),
            extension: Some(Extension::Normal),
            pc5: Some(Pc5Technology::Wlan),
        }],
        restricted_announces: vec![RestrictedAnnounceResponse {
            transaction: id(3),
            code: Some(RestrictedCode([5; 8])),
            suffixes: Some(range()),
            validity: Some(minutes()),
            extension: Some(Extension::Enabled),
            security: Some(security()),
            on_demand: Some(false),
            entry: entry(),
            pc5: None,
        }],
        restricted_monitors: vec![RestrictedMonitorResponse {
            transaction: id(4),
            filters: vec![restricted],
            extension: None,
            container: Container::new(&[]).unwrap(),
            entry: entry(),
            pc5: None,
        }],
        discoverees: vec![DiscovereeResponse {
            transaction: id(5),
            response_code: RestrictedCode([7; 8]),
            query_filters: vec![exact()],
            validity: minutes(),
            security: Some(security()),
            entry: entry(),
            pc5: None,
            extension: Some(QueryExtension { security: Some(security()), mic_check: None }),
        }],
        discoverers: vec![DiscovererResponse {
            transaction: id(6),
            subqueries: vec![subquery],
            entry: entry(),
            pc5: None,
        }],
        rejects: vec![Reject { transaction: id(7), cause: Cause::NoValidCode }],
        method: Some(TransactionMethod::LongPolling),
    }
}

fn application() -> ApplicationIdentity {
    ApplicationIdentity { os_id: [1; 16], os_app_id: OsAppId::new("a").unwrap() }
}

fn imsi() -> Imsi {
    Imsi::new(Plmn::new("001", "01").unwrap(), "0000000042").unwrap()
}

fn reports() -> MatchReports {
    let plmn = Plmn::new("001", "01").unwrap();
    MatchReports {
        open: vec![MatchReport {
            transaction: id(1),
            code: ApplicationCode([1; 23]),
            ue: imsi(),
            monitored_plmn: plmn,
            visited_plmn: Some(plmn),
            mic: Mic([1, 2, 3, 4]),
            counter: UtcCounter::new(1_785_000_000),
            wants_metadata: true,
            message_type: MessageType::new(0x41).ok(),
            pc5: Some(Pc5Technology::Eutra),
        }],
        restricted: vec![RestrictedMatch {
            transaction: id(2),
            ue: imsi(),
            discovery_type: DiscoveryType::Restricted,
            application: application(),
            rpauid: rpauid().unwrap(),
            code: DiscoveredCode::Restricted(ApplicationCode([2; 23])),
            mic: Some(Mic([1, 2, 3, 4])),
            message_type: MessageType::new(0x81).ok(),
            counter: Some(UtcCounter::new(1_785_000_000)),
            wants_metadata: false,
            pc5: None,
        }],
    }
}

fn acks() -> MatchReportAcks {
    MatchReportAcks {
        current_time: now(),
        acks: vec![MatchAck {
            transaction: id(1),
            application_id: ApplicationId::new("mcc001.mnc001.ProSeApp.A").unwrap(),
            validity: minutes(),
            metadata: Metadata::new("m").ok(),
            metadata_mask: Some(ApplicationCode([0; 23])),
            refresh: minutes(),
        }],
        rejects: vec![Reject { transaction: id(2), cause: Cause::InvalidMic }],
        restricted: vec![RestrictedMatchAck {
            transaction: id(3),
            application: application(),
            rpauid: rpauid().unwrap(),
            validity: minutes(),
            metadata: None,
            refresh: Some(minutes()),
        }],
    }
}

fn updates() -> DiscoveryUpdateRequest {
    let update = |info| Update { transaction: id(1), ue: imsi(), entry: entry(), info };
    let filter = || RestrictedFilter {
        filters: vec![exact()],
        ttl: minutes(),
        security: None,
        rpauid: rpauid(),
        dusk: None,
        duik: Some([2; 32].into()),
        mic_check: None,
        duck: None,
        metadata_indicator: None,
        metadata: None,
    };
    let code = ApplicationCode([1; 23]);
    let open = DiscoveryFilter { code, masks: vec![code], ttl: minutes() };
    let announce = RestrictedAnnouncingUpdate { code: RestrictedCode([1; 8]), validity: minutes() };
    DiscoveryUpdateRequest {
        updates: vec![
            update(Some(UpdateInfo::OpenAnnounce(AnnouncingUpdate { code, validity: minutes() }))),
            update(None),
            update(Some(UpdateInfo::RestrictedAnnounce(announce))),
            update(Some(UpdateInfo::RestrictedMonitor(RestrictedMonitoringUpdate {
                filters: vec![filter()],
            }))),
            update(Some(UpdateInfo::OpenMonitor(MonitoringUpdate { filters: vec![open] }))),
        ],
    }
}
