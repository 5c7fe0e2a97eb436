//! PDCP PDUs of one-to-one bearers: header, protection, message. TS 36.323 §6.2.10.

use sidelink_security::direct::{Active, Kind, Need, Profile, Proposed, SendError, Stated, Ticket};

use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::{Body, Coding, Repr, SecurityPolicy};
use sidelink_wire::pdcp::{HEADER_LEN, MAC_I_LEN, OneToOneRepr, SduType};

fn pdu(sdu_type: SduType, kd_sess_id: u16, sn: u16, data: &[u8], mac_octets: usize) -> Vec<u8> {
    let mut pdu = vec![0; HEADER_LEN + data.len() + mac_octets];
    // Cannot fail: the header fits by construction.
    let _ = OneToOneRepr { sdu_type, kd_sess_id, sn }.emit(&mut pdu);
    pdu[HEADER_LEN..HEADER_LEN + data.len()].copy_from_slice(data);
    pdu
}

/// Returns an unprotected PDU: KD-sess ID 0, SN 0. TS 36.323 §5.6.2.
pub(super) fn plain(message: &[u8]) -> Vec<u8> {
    // TS 33.303 §6.5.6.4 (3); TS 36.323 §5.6.2 (4)
    pdu(SduType::Pc5Signalling, 0, 0, message, 0)
}

/// Returns a PDU protected by the keys of a link.
pub(super) fn seal(
    active: &mut Active,
    lcid: Lcid,
    sdu_type: SduType,
    data: &[u8],
) -> Result<Vec<u8>, SendError> {
    let kind = if lcid.is_signalling() { Kind::Signalling } else { Kind::User };
    let ticket = active.begin()?;
    let mut pdu = of(&ticket, sdu_type, data, active.mac_octets(kind));
    // TS 24.334 §10.4.5.1
    active.protect(ticket, lcid.value(), kind, &mut pdu, HEADER_LEN)?;
    Ok(pdu)
}

/// Returns the PDU of a Direct Security Mode Command: a MAC-I, not ciphered.
pub(super) fn seal_command(proposed: &mut Proposed, message: &[u8]) -> Result<Vec<u8>, SendError> {
    let ticket = proposed.begin()?;
    let mut pdu = of(&ticket, SduType::Pc5Signalling, message, MAC_I_LEN);
    // TS 24.334 §10.4.5.2 (7)
    proposed.protect_command(ticket, Lcid::PC5_S_SECURITY_MODE.value(), &mut pdu, HEADER_LEN)?;
    Ok(pdu)
}

fn of(ticket: &Ticket, sdu_type: SduType, data: &[u8], mac_octets: usize) -> Vec<u8> {
    // TS 36.323 §5.6.2 (3)
    pdu(sdu_type, ticket.kd_sess_id(), ticket.sn(), data, mac_octets)
}

/// Returns the octets of a message.
pub(super) fn message(profile: Profile, sequence: u16, body: Body<'_>) -> Vec<u8> {
    let coding = coding(profile);
    // NR has one octet of sequence number.
    let sequence = if profile == Profile::Nr { sequence & 0xff } else { sequence };
    let repr = Repr { sequence, body };
    let mut out = vec![0; repr.buffer_len(coding)];
    // Messages of the machine fit their fields: identities and containers were checked on input.
    let emitted = repr.emit(coding, &mut out);
    debug_assert!(emitted.is_ok(), "{emitted:?}");
    out
}

/// Returns the coding of a profile.
pub(super) const fn coding(profile: Profile) -> Coding {
    match profile {
        Profile::Lte => Coding::Lte,
        Profile::Nr => Coding::Nr,
    }
}

/// Converts a policy to the form of messages.
pub(super) const fn wire_policy(stated: Stated) -> SecurityPolicy {
    SecurityPolicy { ciphering: stated.ciphering as u8, integrity: stated.integrity as u8 }
}

/// Converts a policy of a message; parsing has refused reserved values.
pub(super) fn stated(policy: SecurityPolicy) -> Option<Stated> {
    let (ciphering, integrity) = (Need::from_bits(policy.ciphering)?, Need::from_bits(policy.integrity)?);
    Some(Stated { integrity, ciphering })
}
