//! The UE's end and the ProSe Function's.

use super::*;

fn function() -> ConfigurationFunction {
    let config = FunctionConfig { trust: trust(), rate: RateLimit { burst: 3, interval: 1000 } };
    ConfigurationFunction::new(config, None).unwrap()
}

fn provisioned(version: u32) -> ConfigurationFunction {
    let mut function = function();
    provision(&mut function, &naf(OPERATOR), version).unwrap();
    function
}

fn provision(
    function: &mut ConfigurationFunction,
    source: &Source,
    version: u32,
) -> Result<Version, Refused> {
    let document = Provision(content(version)).to_xml();
    function.handle_input(FunctionInput::Provision { source, document: document.as_bytes() });
    loop {
        match function.poll_output() {
            Some(FunctionOutput::Store(_)) => function.handle_input(FunctionInput::Stored),
            Some(FunctionOutput::Provisioned(version)) => return Ok(version),
            Some(FunctionOutput::NotProvisioned(why)) => return Err(why),
            other => panic!("{other:?}"),
        }
    }
}

fn ask(function: &mut ConfigurationFunction, now: UtcTime, of: Imsi, body: &[u8]) -> Result<String, Refused> {
    function.handle_input(FunctionInput::Request { now, request: RequestId(9), ue: of, body });
    match function.poll_output() {
        Some(FunctionOutput::Respond { request: RequestId(9), response: Response::Message(body) }) => {
            Ok(body.to_string())
        }
        Some(FunctionOutput::Respond { response: Response::Refused(why), .. }) => Err(why),
        other => panic!("{other:?}"),
    }
}

fn client(file: Option<&[u8]>) -> ConfigurationClient {
    ConfigurationClient::new(key(), trust(), file).unwrap()
}

fn want(client: &mut ConfigurationClient, nonce: u8) -> Vec<u8> {
    client.handle_input(Input::Want { nonce: [nonce; 16] });
    match client.poll_output() {
        Some(Output::Request(body)) => body.as_bytes().to_vec(),
        other => panic!("{other:?}"),
    }
}

/// What comes of an answer; what is to be stored is stored.
fn answer(
    client: &mut ConfigurationClient,
    now: UtcTime,
    source: &Source,
    body: &str,
) -> Result<Vec<u8>, Failure> {
    client.handle_input(Input::Response { now, source, body: body.as_bytes() });
    let mut file = Vec::new();
    loop {
        match client.poll_output() {
            Some(Output::Store(octets)) => {
                file = octets;
                client.handle_input(Input::Stored);
            }
            Some(Output::Installed(_)) => return Ok(file),
            Some(Output::Failed(why)) => return Err(why),
            other => panic!("{other:?}"),
        }
    }
}

fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

#[test]
fn a_ue_fetches_keeps_and_renews() {
    let (mut function, mut ue_end) = (provisioned(3), client(None));
    let request = want(&mut ue_end, 1);
    let body = ask(&mut function, NOW, ue(1), &request).unwrap();
    let file = answer(&mut ue_end, NOW, &naf(OPERATOR), &body).unwrap();
    assert_eq!(ue_end.held().unwrap().order(), (version(3), NOW));
    // After a restart it goes on with the file; the same version, said later, is a renewal.
    let mut again = client(Some(&file));
    let request = want(&mut again, 2);
    assert!(String::from_utf8_lossy(&request).contains("<Version>3</Version>"));
    let later = NOW.plus_millis(3_600_000);
    let body = ask(&mut function, later, ue(1), &request).unwrap();
    answer(&mut again, later, &naf(OPERATOR), &body).unwrap();
    assert_eq!(again.held().unwrap().order(), (version(3), later));
}

/// T6.1-2: a recorded answer is refused, to another request and to the same.
#[test]
fn a_recorded_answer_is_refused() {
    let (mut function, mut ue_end) = (provisioned(3), client(None));
    let request = want(&mut ue_end, 1);
    let recorded = ask(&mut function, NOW, ue(1), &request).unwrap();
    answer(&mut ue_end, NOW, &naf(OPERATOR), &recorded).unwrap();
    assert_eq!(answer(&mut ue_end, NOW, &naf(OPERATOR), &recorded), Err(Failure::NothingAsked));
    want(&mut ue_end, 2);
    assert_eq!(answer(&mut ue_end, NOW, &naf(OPERATOR), &recorded), Err(Failure::Nonce));
    // Even where chance repeats itself.
    want(&mut ue_end, 1);
    let not_newer = Failure::NotNewer { held: version(3), came: version(3) };
    assert_eq!(answer(&mut ue_end, NOW, &naf(OPERATOR), &recorded), Err(not_newer));
    assert_eq!(ue_end.held().unwrap().order(), (version(3), NOW));
}

/// T6.1-2: a version that is not newer is refused, however late it was said.
#[test]
fn an_older_version_is_refused() {
    let file = key().seal(&configuration(3, NOW));
    let mut ue_end = client(Some(&file));
    let later = NOW.plus_millis(1000);
    let request = want(&mut ue_end, 1);
    let body = ask(&mut provisioned(2), later, ue(1), &request).unwrap();
    let not_newer = Failure::NotNewer { held: version(3), came: version(2) };
    assert_eq!(answer(&mut ue_end, later, &naf(OPERATOR), &body), Err(not_newer));
    let request = want(&mut ue_end, 2);
    let body = ask(&mut provisioned(4), later, ue(1), &request).unwrap();
    answer(&mut ue_end, later, &naf(OPERATOR), &body).unwrap();
}

/// T6.1-3: who is no operator changes nothing, at a UE and at the ProSe Function.
#[test]
fn only_operators_say_what_the_radio_does() {
    let certificate =
        |name: &str, role| Source::Certificate(Certified { name: Fqdn::new(name).unwrap(), role });
    let name = Fqdn::new("app.example").unwrap();
    for (source, why) in [
        (naf("app.example"), NotTrusted::Name(name.clone())),
        (certificate("app.example", Role::Operator), NotTrusted::Name(name)),
        (certificate(OPERATOR, Role::ThirdParty), NotTrusted::Role(Role::ThirdParty)),
        (certificate(OPERATOR, Role::PublicSafetyUe), NotTrusted::Role(Role::PublicSafetyUe)),
    ] {
        let (mut function, mut ue_end) = (provisioned(3), client(None));
        assert_eq!(provision(&mut function, &source, 4), Err(Refused::NotTrusted(why.clone())));
        assert_eq!(function.version(), Some(version(3)));
        let request = want(&mut ue_end, 1);
        let body = ask(&mut function, NOW, ue(1), &request).unwrap();
        assert_eq!(answer(&mut ue_end, NOW, &source, &body), Err(Failure::NotTrusted(why)));
        assert!(ue_end.held().is_none());
    }
    let mut ue_end = client(None);
    let request = want(&mut ue_end, 1);
    let body = ask(&mut provisioned(3), NOW, ue(1), &request).unwrap();
    answer(&mut ue_end, NOW, &certificate(OPERATOR, Role::Operator), &body).unwrap();
    for role in [Role::Operator, Role::PublicSafetyUe, Role::ThirdParty] {
        assert_eq!(Role::from_name(role.name()), Some(role));
    }
}

#[test]
fn a_configuration_of_another_ue_or_time_is_refused() {
    let mut function = provisioned(3);
    let mut ue_end = client(None);
    let request = want(&mut ue_end, 1);
    // Who asks for another UE is told so.
    let body = ask(&mut function, NOW, ue(2), &request).unwrap();
    assert_eq!(
        answer(&mut ue_end, NOW, &naf(OPERATOR), &body),
        Err(Failure::Refused(RefusedCause::NotAuthorised))
    );
    let response = ConfigurationResponse {
        nonce: [2; 16],
        cause: None,
        configuration: Some(Configuration { ue: ue(2), ..configuration(3, NOW) }),
    };
    want(&mut ue_end, 2);
    let body = Message::Response(response).to_xml();
    assert_eq!(answer(&mut ue_end, NOW, &naf(OPERATOR), &body), Err(Failure::OtherUe));
    for (now, why) in [
        (NOW.plus_millis(86_400_000), NotPermitted::Expired),
        (NOW.minus_millis(MAX_OFFSET + 1), NotPermitted::NotYet),
    ] {
        let request = want(&mut ue_end, 3);
        let body = ask(&mut provisioned(3), NOW, ue(1), &request).unwrap();
        assert_eq!(answer(&mut ue_end, now, &naf(OPERATOR), &body), Err(Failure::Time(why)));
    }
    want(&mut ue_end, 4);
    assert!(matches!(answer(&mut ue_end, NOW, &naf(OPERATOR), "<x/>"), Err(Failure::Malformed(_))));
    want(&mut ue_end, 5);
    ue_end.handle_input(Input::Lost);
    assert!(matches!(ue_end.poll_output(), Some(Output::Failed(Failure::Lost))));
    let request = want(&mut ue_end, 6);
    let asked = String::from_utf8(request).unwrap();
    assert_eq!(answer(&mut ue_end, NOW, &naf(OPERATOR), &asked), Err(Failure::Unclear));
    assert!(ue_end.held().is_none());
}

/// A configuration counts once it is durable, and the old one until then.
#[test]
fn nothing_counts_before_it_is_stored() {
    let file = key().seal(&configuration(3, NOW));
    let mut ue_end = client(Some(&file));
    let request = want(&mut ue_end, 1);
    let body = ask(&mut provisioned(4), NOW, ue(1), &request).unwrap();
    let source = naf(OPERATOR);
    ue_end.handle_input(Input::Response { now: NOW, source: &source, body: body.as_bytes() });
    assert!(matches!(ue_end.poll_output(), Some(Output::Store(_))));
    assert_eq!(ue_end.held().unwrap().order().0, version(3));
    // While it is being stored nothing else is asked.
    ue_end.handle_input(Input::Want { nonce: [2; 16] });
    assert!(ue_end.poll_output().is_none());
    ue_end.handle_input(Input::StoreFailed);
    assert!(matches!(ue_end.poll_output(), Some(Output::Failed(Failure::Store))));
    assert_eq!(ue_end.held().unwrap().order().0, version(3));
    ue_end.handle_input(Input::Stored);
    assert!(ue_end.poll_output().is_none());
    assert_eq!(ue_end.held().unwrap().order().0, version(3));
}

#[test]
fn a_ue_does_not_begin_with_a_broken_file() {
    let mut file = key().seal(&configuration(3, NOW));
    *file.last_mut().unwrap() ^= 1;
    assert_eq!(ConfigurationClient::new(key(), trust(), Some(&file)).err(), Some(SealError::Broken));
    // A file that is another's inside, under our key: nobody but this UE could have made it.
    let other = key().seal(&Configuration { ue: ue(2), ..configuration(3, NOW) });
    assert_eq!(ConfigurationClient::new(key(), trust(), Some(&other)).err(), Some(SealError::Broken));
}

#[test]
fn the_operators_versions_only_rise_and_are_durable_first() {
    let mut function = function();
    let request = want(&mut client(None), 1);
    let body = ask(&mut function, NOW, ue(1), &request).unwrap();
    assert!(body.contains("<Cause>2</Cause>"), "{body}");
    let document = Provision(content(3)).to_xml();
    let source = naf(OPERATOR);
    let say = || FunctionInput::Provision { source: &source, document: document.as_bytes() };
    function.handle_input(say());
    let Some(FunctionOutput::Store(stored)) = function.poll_output() else { panic!() };
    assert_eq!(function.version(), None);
    function.handle_input(say());
    assert!(matches!(function.poll_output(), Some(FunctionOutput::NotProvisioned(Refused::Busy))));
    function.handle_input(FunctionInput::StoreFailed);
    assert!(matches!(function.poll_output(), Some(FunctionOutput::NotProvisioned(Refused::Store))));
    assert_eq!(function.version(), None);
    assert_eq!(provision(&mut function, &naf(OPERATOR), 3), Ok(version(3)));
    for older in [3, 2] {
        assert_eq!(provision(&mut function, &naf(OPERATOR), older), Err(Refused::NotNewer(version(3))));
    }
    let config = FunctionConfig { trust: trust(), rate: RateLimit { burst: 1, interval: 1000 } };
    let mut again = ConfigurationFunction::new(config.clone(), Some(stored.as_bytes())).unwrap();
    assert_eq!(provision(&mut again, &naf(OPERATOR), 3), Err(Refused::NotNewer(version(3))));
    assert!(ConfigurationFunction::new(config, Some(b"<x/>")).is_err());
}

#[test]
fn a_ue_that_asks_too_often_waits_and_takes_nothing_from_others() {
    let mut function = provisioned(3);
    let request = want(&mut client(None), 1);
    for _ in 0..3 {
        ask(&mut function, NOW, ue(1), &request).unwrap();
    }
    assert_eq!(ask(&mut function, NOW, ue(1), &request), Err(Refused::TooMany));
    ask(&mut function, NOW, ue(2), &request).unwrap();
    ask(&mut function, NOW.plus_millis(1000), ue(1), &request).unwrap();
    assert!(matches!(ask(&mut function, NOW, ue(3), b"x"), Err(Refused::Malformed(_))));
    let response = ask(&mut function, NOW, ue(3), &request).unwrap();
    assert_eq!(ask(&mut function, NOW, ue(3), response.as_bytes()), Err(Refused::Unexpected));
}
