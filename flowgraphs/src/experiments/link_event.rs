//! What happens to links, in words that need no key: for meters and diagrams. And credentials for exercises.

use sidelink_prose::direct_link::State;
use sidelink_radio::Anchor;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::signed::issue::{Issuer, Validity};
use sidelink_security::direct::signed::{Credential, Root, Trust};
use sidelink_ue::{Happening, Ue};
use sidelink_wire::pc5_signalling::MessageType;

/// Something that happened to a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// It was asked for.
    Connecting,
    /// It is in use; its state says whether the ends have proven each other.
    Up,
    /// New keys.
    Rekeyed {
        /// KD is new too.
        new_kd: bool,
    },
    /// It is gone, and why.
    Closed(String),
    /// A message of PC5 signalling was sent.
    Sent {
        /// Its type.
        message: MessageType,
        /// Octets of the message.
        l3_octets: usize,
        /// Octets of the PDCP PDU.
        pdu_octets: usize,
    },
    /// A message of PC5 signalling was heard and believed, or understood where it cannot be proven.
    Heard {
        /// Its type.
        message: MessageType,
    },
    /// Data came; their number, where they end with one.
    Data(Option<u64>),
    /// A line for the log.
    Note(String),
}

/// What a happening says of links, if anything.
pub fn link_event(happening: &Happening<'_>) -> Option<LinkEvent> {
    Some(match happening {
        Happening::Link { state: State::Connecting, .. } => LinkEvent::Connecting,
        Happening::Link { state: State::Up { .. }, .. } => LinkEvent::Up,
        Happening::Link { state: State::Rekeyed { new_kd, .. }, .. } => {
            LinkEvent::Rekeyed { new_kd: *new_kd }
        }
        Happening::Link { state: State::Closed { why }, .. } => LinkEvent::Closed(why.to_string()),
        Happening::Meter(m) if m.sent => {
            LinkEvent::Sent { message: m.message, l3_octets: m.l3_octets, pdu_octets: m.pdu_octets }
        }
        Happening::Meter(m) => LinkEvent::Heard { message: m.message },
        Happening::LinkData { data, .. } => {
            let text = std::str::from_utf8(data).ok();
            LinkEvent::Data(text.and_then(|t| t.trim_end_matches('.').rsplit(' ').next()?.parse().ok()))
        }
        Happening::Note(note) => LinkEvent::Note((*note).to_owned()),
        _ => return None,
    })
}

/// Give a UE of an exercise a certificate of an issuer that every UE of it trusts. The issuer's key is no secret.
///
/// # Errors
/// A UE without links, or a certificate that its own reader refuses.
pub fn certify(ue: &mut Ue, name: &str, anchor: Anchor) -> anyhow::Result<()> {
    let now = UtcTime::from_millis((anchor.utc_ns / 1_000_000).max(0) as u64);
    let validity = Validity { from: now.minus_millis(3_600_000), until: now.plus_millis(24 * 3_600_000) };
    let issuer = Issuer::new("sidelink exercise", &[0x11; 32]);
    let secret = sidelink_store::random(32)?;
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    seed.copy_from_slice(secret.as_bytes());
    let public = Credential::raw(&seed).public();
    let certificate = issuer.issue(name.as_bytes(), 7, &public, validity);
    let root = Root::from_der(&issuer.certificate(validity)).map_err(|e| anyhow::anyhow!("{e}"))?;
    let trust = Trust { roots: vec![root], raw: Vec::new(), guard: 32_000 };
    let Some(links) = ue.layer2().links() else { anyhow::bail!("{name} has no links") };
    links.authenticate_with(Credential::certified(&seed, certificate), trust);
    Ok(())
}
