//! Ways to bring a configuration to a UE, each once, between the machines of `sidelink-network`: over TLS with a bootstrapped
//! key or with certificates, over IKEv2 and ESP, over the air to the card. TR 33.833 §6.1.
//!
//! A message takes the way of PC3, short messages too. TLS is not run here: its flights are those of a real handshake.

use super::messages::{answer_octets, post_octets};
use super::meter::{Cost, Meter, ReferencePoint};
use super::naf::{CERTIFICATES, HANDSHAKE, Handshake, RECORD, RECORD_13, naf_id};
use super::ways::Ways;
use crate::experiments::network::messages::Service;
use sidelink_network::configuration::{
    Bandwidth, Certified, ConfigurationClient, ConfigurationFunction, Content, FunctionConfig, FunctionInput,
    FunctionOutput, Hertz, Input, NotInEutran, Output, Place, Policy, Polygon, Power, Provision,
    RadioParameters, RadioParametersOfArea, Response, Role, SealingKey, Source, Trust, Version,
};
use sidelink_network::limit::RateLimit;
use sidelink_network::ota::sms::{Direction, segments};
use sidelink_network::ota::uicc::{self, TAR, Uicc, memory_octets, script};
use sidelink_network::ota::{self, Ciphering, Command, CounterRule, Integrity, KeySet, Por, Spi, prose};
use sidelink_network::pc3::{Imsi, Minutes, Plmn};
use sidelink_network::prose_function::RequestId;
use sidelink_security::counter::UtcTime;
use sidelink_ue::air_rng::AirRng;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

mod ike;
pub(crate) mod public_keys;

/// A way, as it was measured.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) cost: Cost,
    /// Milliseconds of the simulated clock.
    pub(crate) millis: u64,
    /// Time of both ends on the clock of this machine.
    pub(crate) took: Duration,
}

/// Messages one after another.
struct Exchange<'a> {
    ways: &'a Ways,
    rng: AirRng,
    meter: Meter,
    millis: u64,
}

impl<'a> Exchange<'a> {
    fn new(ways: &'a Ways, seed: u64) -> Self {
        Self { ways, rng: AirRng::seeded(seed, "provisioning"), meter: Meter::default(), millis: 0 }
    }

    /// A message, there or back.
    fn message(&mut self, octets: usize) -> anyhow::Result<()> {
        self.meter.message(ReferencePoint::Pc3, octets);
        match self.ways.delay(ReferencePoint::Pc3, &mut self.rng) {
            Some(delay) => self.millis += delay,
            None => anyhow::bail!("a message was lost as often as TCP sends it; lower --loss"),
        }
        Ok(())
    }

    /// Packets that go one behind the other: the last to arrive counts.
    fn packets(&mut self, octets: &[usize]) -> anyhow::Result<()> {
        let (begun, mut end) = (self.millis, self.millis);
        for octets in octets {
            self.millis = begun;
            self.message(*octets)?;
            end = end.max(self.millis);
        }
        self.millis = end;
        Ok(())
    }

    /// A request and its answer.
    fn round_trip(&mut self, there: usize, back: usize) -> anyhow::Result<()> {
        self.message(there)?;
        self.message(back)?;
        self.meter.round_trips(ReferencePoint::Pc3, 1);
        Ok(())
    }

    /// A handshake whose messages are counted and not sent.
    fn handshake(&mut self, handshake: &Handshake) {
        for flight in handshake.flights {
            self.meter.message(ReferencePoint::Pc3, *flight);
        }
        self.wait(handshake.round_trips);
    }

    /// Round trips of what is not simulated.
    fn wait(&mut self, round_trips: u64) {
        self.meter.round_trips(ReferencePoint::Pc3, round_trips);
        self.millis += round_trips * self.ways.way(ReferencePoint::Pc3).round_trip;
    }

    fn measured(&self, name: &'static str, clock: Instant) -> Measured {
        let cost = self.meter.cost(ReferencePoint::Pc3);
        Measured { name, cost, millis: self.millis, took: clock.elapsed() }
    }
}

/// The configuration that all ways bring: two areas, a PLMN.
pub(crate) fn content() -> anyhow::Result<Content> {
    let wrong = || anyhow::anyhow!("a constant is out of its range; this is a bug");
    let area = |north: f64, east: f64, carrier: u64| -> Option<RadioParametersOfArea> {
        let corner = |dn: f64, de: f64| Place::from_degrees(north + dn, east + de);
        let points = vec![corner(-0.5, -0.5)?, corner(-0.5, 0.5)?, corner(0.5, 0.5)?, corner(0.5, -0.5)?];
        let contents = RadioParameters {
            carrier: Hertz::new(carrier)?,
            max_power: Power::new(23)?,
            bandwidth: Bandwidth::new(50)?,
        };
        Some(RadioParametersOfArea { contents, area: vec![Polygon { points }] })
    };
    let areas = || Some(vec![area(48.2, 16.4, 793_000_000)?, area(47.1, 15.4, 793_000_000)?]);
    let minutes = Minutes::new(1440).map_err(|_| wrong())?;
    let plmn = Plmn::new("001", "01").map_err(|_| wrong())?;
    Ok(Content {
        version: Version::new(1).ok_or_else(wrong)?,
        validity: minutes,
        monitoring: vec![],
        announcing: vec![],
        communication: vec![Policy { plmn, validity: minutes, range: None }],
        not_in_eutran: Some(NotInEutran {
            one_to_many: Some(true),
            one_to_one: Some(true),
            announcing: Some(true),
            monitoring: Some(true),
            communication: areas().ok_or_else(wrong)?,
            discovery: areas().ok_or_else(wrong)?,
        }),
        groups: vec![],
    })
}

/// Both ends of a transfer.
struct Ends {
    ue: ConfigurationClient,
    function: ConfigurationFunction,
    source: Source,
    imsi: Imsi,
}

impl Ends {
    fn new() -> anyhow::Result<Self> {
        let name = naf_id(Service::ProseFunction).fqdn;
        let trust = Trust { operators: vec![name.clone()] };
        let source = Source::Certificate(Certified { name, role: Role::Operator });
        let rate = RateLimit { burst: 1, interval: 1 };
        let mut function = ConfigurationFunction::new(FunctionConfig { trust: trust.clone(), rate }, None)?;
        let document = Provision(content()?).to_xml();
        function.handle_input(FunctionInput::Provision { source: &source, document: document.as_bytes() });
        let stored = matches!(function.poll_output(), Some(FunctionOutput::Store(_)));
        anyhow::ensure!(stored, "the configuration was refused; this is a bug");
        function.handle_input(FunctionInput::Stored);
        let _ = function.poll_output();
        let imsi = Imsi::new(Plmn::new("001", "01")?, "0000000001")?;
        let key = SealingKey::new(b"a secret of the terminal", imsi);
        Ok(Self { ue: ConfigurationClient::new(key, trust, None)?, function, source, imsi })
    }

    /// Request and answer, which the UE has installed.
    fn exchange(&mut self) -> anyhow::Result<[Zeroizing<String>; 2]> {
        let now = UtcTime::from_millis(1_800_000_000_000);
        self.ue.handle_input(Input::Want { nonce: [7; 16] });
        let Some(Output::Request(request)) = self.ue.poll_output() else { anyhow::bail!("no request") };
        let input =
            FunctionInput::Request { now, request: RequestId(1), ue: self.imsi, body: request.as_bytes() };
        self.function.handle_input(input);
        let Some(FunctionOutput::Respond { response: Response::Message(answer), .. }) =
            self.function.poll_output()
        else {
            anyhow::bail!("no configuration; this is a bug")
        };
        self.ue.handle_input(Input::Response { now, source: &self.source, body: answer.as_bytes() });
        let stored = matches!(self.ue.poll_output(), Some(Output::Store(_)));
        anyhow::ensure!(stored, "the UE did not take its configuration; this is a bug");
        self.ue.handle_input(Input::Stored);
        Ok([request, answer])
    }
}

/// Octets of HTTP of a request and its answer.
fn http([request, answer]: &[Zeroizing<String>; 2]) -> [usize; 2] {
    [post_octets(naf_id(Service::ProseFunction).fqdn.as_str(), request), answer_octets(Some(answer))]
}

fn over_tls(
    name: &'static str,
    ways: &Ways,
    seed: u64,
    (handshake, record): (&Handshake, usize),
) -> anyhow::Result<Measured> {
    let mut ends = Ends::new()?;
    let clock = Instant::now();
    let mut exchange = Exchange::new(ways, seed);
    exchange.handshake(handshake);
    let [there, back] = http(&ends.exchange()?);
    exchange.round_trip(there + record, back + record)?;
    Ok(exchange.measured(name, clock))
}

/// Packets to the card, and its answer.
fn over_the_air(name: &'static str, ways: &Ways, seed: u64) -> anyhow::Result<Measured> {
    let spi = Spi {
        integrity: Integrity::Cc,
        ciphering: Ciphering::On,
        counter: CounterRule::Higher,
        response: ota::Response { when: Por::Always, integrity: Integrity::Cc, ciphering: Ciphering::On },
    };
    let keys = || KeySet::new(2, [1; 16], [2; 16]).ok_or_else(|| anyhow::anyhow!("no such version of keys"));
    let function = "192.0.2.7".parse().ok();
    let mut card = Uicc::new([keys()?], &vec![0; memory_octets()]);
    let clock = Instant::now();
    let mut exchange = Exchange::new(ways, seed);
    let data = script(&prose::files_of(&content()?, function));
    let packet = Command { spi, tar: TAR, counter: 1, data }.protect(&keys()?)?;
    for segment in segments(&packet, 1, Direction::Command)? {
        exchange.message(segment.len())?;
        card.handle_input(uicc::Input::Segment(&segment));
    }
    let mut answered = false;
    while let Some(output) = card.poll_output() {
        match output {
            uicc::Output::Write(_) => card.handle_input(uicc::Input::Written),
            uicc::Output::Segment(segment) => {
                exchange.message(segment.len())?;
                answered = true;
            }
            uicc::Output::Apdu(_) => {}
            uicc::Output::Silent(why) => anyhow::bail!("the card says nothing: {why}; this is a bug"),
        }
    }
    anyhow::ensure!(answered, "the card does not answer; this is a bug");
    exchange.meter.round_trips(ReferencePoint::Pc3, 1);
    Ok(exchange.measured(name, clock))
}

/// Measures all ways.
///
/// # Errors
/// A message that is lost for good.
pub(crate) fn measure(ways: &Ways, seed: u64) -> anyhow::Result<Vec<Measured>> {
    Ok(vec![
        over_tls("configuration over TLS with GBA", ways, seed, (&HANDSHAKE, RECORD))?,
        over_tls("configuration with certificates", ways, seed, (&CERTIFICATES, RECORD_13))?,
        ike::over_ike("configuration over IKEv2 and ESP", ways, seed)?,
        over_the_air("configuration to the card (OTA)", ways, seed)?,
    ])
}

#[cfg(test)]
mod tests;
