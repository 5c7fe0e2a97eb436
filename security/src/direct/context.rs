//! One KD-sess in use: ciphers, counters of one direction, replay windows of the other.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::{Chosen, KdSessId, Profile};
use crate::cipher::{Algorithm, Bearer, Direction, Eea, Eia, Inputs, Integrity, MacI};
use crate::counter::Count;
use crate::counter::replay::{ReplayWindow, Replayed};
use crate::kdf::own::fingerprint;
use crate::kdf::{lte, nr};
use crate::keys::{KdSess, KnrpSess, Pek, Pik};
use crate::pdu::{PduRefusal, Proof};

/// Octets of a MAC-I.
const MAC_I: usize = 4;

/// The content of a PDU, which decides how it is protected. TS 36.323 §5.6.2, §5.7; TS 33.303 §6.5.6.1.
///
/// In LTE only the data are ciphered and a MAC-I stays in the clear: §5.6.2 names the data part as the ciphered unit,
/// and the note of §6.3.3 excludes header and MAC-I from it. There is a doubt: §5.6.0 adds the MAC-I for the control
/// plane, and PC5 signalling could be read as control plane. §5.6.2 is the clause of one-to-one communication, and
/// §6.2.10 calls PDUs of an SLRB user plane, so it is followed. In NR a MAC-I is ciphered with the data
/// (TS 38.323 §5.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The Direct Security Mode Command: a MAC-I, not ciphered (TS 33.303 §6.5.5.2, §6.5.6.1).
    Command,
    /// Other PC5 signalling: ciphered, with a MAC-I; in NR the MAC-I is ciphered too.
    Signalling,
    /// User data: ciphered, with a MAC-I only under `up_integrity`.
    User,
}

/// One SN, for one PDU and no other, and the values for its PDCP header.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Ticket {
    id: KdSessId,
    sn: u16,
}

impl Ticket {
    /// Returns the KD-sess ID for the header.
    pub const fn kd_sess_id(&self) -> u16 {
        self.id.value()
    }

    /// Returns the PDCP SN for the header.
    pub const fn sn(&self) -> u16 {
        self.sn
    }
}

/// Reason why nothing can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// Every SN of this KD-sess is used. The SN never wraps: re-key, or close the link.
    Exhausted,
    /// The caller's error: the buffer is shorter than header and MAC-I, or the ticket is of another context.
    Misused,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exhausted => "every SN of this session key is used: re-key, or close the link",
            Self::Misused => "the buffer does not fit the ticket",
        })
    }
}

impl std::error::Error for SendError {}

/// A PDU that was opened.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Opened {
    /// End of the data in the buffer; they begin after the header.
    pub end: usize,
    /// Proof of the data.
    pub proof: Proof,
}

/// A public name of a session key, derived from the key itself: equal keys have equal names. It reveals nothing about
/// the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 8]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// Ciphers and counters of one KD-sess.
pub(super) struct Context {
    pub(super) fingerprint: Fingerprint,
    pub(super) id: KdSessId,
    pub(super) chosen: Chosen,
    pub(super) up_integrity: bool,
    eea: Arc<Eea>,
    eia: Arc<Eia>,
    /// The part of a PDU that is ciphered: see [`Kind`].
    unit: CipheredUnit,
    /// Every name that this key has had: COUNT begins with the name, so none may repeat.
    names: Vec<KdSessId>,
    /// DIRECTION of our PDUs: 1 for the sender of the Direct Security Mode Command, otherwise 0 (TS 33.303 §6.5.6.2,
    /// §6.5.6.3). The text says so for signalling; user data of that UE have 1 too, because 0 in both directions would
    /// use a keystream twice.
    sends: Direction,
    /// The next SN; 0x1_0000 when all are used.
    next: u32,
    windows: [ReplayWindow; 32],
    /// The highest SN that a MAC-I of the peer covered, on any channel: SN are counted over all channels.
    proven: u16,
}

/// Largest distance of an SN without a MAC-I ahead of the highest SN that a MAC-I covered. One forged PDU moves a
/// window no further. An honest peer proves its SN with every signalling message; see [`super::Active::wants_proof`].
pub(super) const UNPROVEN_AHEAD: u16 = 0x1000;

/// The ciphered part of a PDU, after its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// TS 33.303 §6.5.6.1 (1)
enum CipheredUnit {
    /// LTE. TS 36.323 §5.6.2, §6.3.3.
    Data,
    /// NR. TS 38.323 §5.8.
    DataAndMacI,
}

pub(super) enum Root {
    Lte(KdSess),
    Nr(KnrpSess),
}

impl Root {
    fn keys(&self, chosen: Chosen) -> (Pek, Pik) {
        match self {
            Self::Lte(root) => (lte::pek(root, chosen.eea), lte::pik(root, chosen.eia)),
            Self::Nr(root) => {
                let (pek, pik) = (nr::nrpek(root, chosen.eea.id()), nr::nrpik(root, chosen.eia.id()));
                (Pek::from(*pek.as_bytes()), Pik::from(*pik.as_bytes()))
            }
        }
    }

    // TS 24.334 §10.4.5.1
    const fn ciphered_unit(&self) -> CipheredUnit {
        match self {
            // TS 36.323 §5.6.2 (1)
            Self::Lte(_) => CipheredUnit::Data,
            Self::Nr(_) => CipheredUnit::DataAndMacI,
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        let root = match self {
            Self::Lte(root) => root.as_bytes(),
            Self::Nr(root) => root.as_bytes(),
        };
        let [a, b, c, d, e, f, g, h, ..] = fingerprint(root);
        Fingerprint([a, b, c, d, e, f, g, h])
    }

    /// Derives the session key of a profile.
    // TS 33.303 §6.5.3.1 (1)
    pub(super) fn derive(
        profile: Profile,
        kd: &crate::keys::Kd,
        nonce_1: &super::Nonce,
        nonce_2: &super::Nonce,
    ) -> Self {
        match profile {
            Profile::Lte => Self::Lte(lte::kd_sess(kd, nonce_1, nonce_2)),
            Profile::Nr => {
                let knrp = crate::keys::Knrp::from(*kd.as_bytes());
                Self::Nr(nr::knrp_sess(&knrp, nonce_1, nonce_2))
            }
        }
    }
}

impl Context {
    pub(super) fn new(root: &Root, id: KdSessId, chosen: Chosen, up_integrity: bool, commands: bool) -> Self {
        let (pek, pik) = root.keys(chosen);
        Self {
            fingerprint: root.fingerprint(),
            id,
            chosen,
            up_integrity: up_integrity && chosen.eia != Algorithm::Null,
            // TS 33.303 §6.5.6.3
            eea: Arc::new(Eea::new(chosen.eea, &pek)),
            eia: Arc::new(Eia::new(chosen.eia, &pik)),
            unit: root.ciphered_unit(),
            names: vec![id],
            // TS 33.303 §6.5.6.2 (2); TS 36.323 §5.6.2 (2)
            sends: if commands { Direction::One } else { Direction::Zero },
            next: 1,
            windows: [ReplayWindow::new(); 32],
            proven: 0,
        }
    }

    /// Takes the next SN, for one PDU.
    pub(super) fn begin(&mut self) -> Result<Ticket, SendError> {
        let sn = u16::try_from(self.next).map_err(|_| SendError::Exhausted)?;
        self.next += 1;
        Ok(Ticket { id: self.id, sn })
    }

    /// Returns the same keys under another name; `None` if they had it before. SN begin again: the name is the other
    /// half of COUNT.
    pub(super) fn renamed(&mut self, id: KdSessId) -> Option<Self> {
        if self.names.contains(&id) {
            return None;
        }
        self.names.push(id);
        Some(Self {
            id,
            eea: Arc::clone(&self.eea),
            eia: Arc::clone(&self.eia),
            names: self.names.clone(),
            next: 1,
            windows: [ReplayWindow::new(); 32],
            proven: 0,
            ..*self
        })
    }

    /// Whether this side sent the command.
    pub(super) fn commands(&self) -> bool {
        self.sends == Direction::One
    }

    pub(super) fn agree_up_integrity(&mut self, on: bool) {
        self.up_integrity = on && self.chosen.eia != Algorithm::Null;
    }

    /// Returns the number of unused SN.
    pub(super) const fn left(&self) -> u32 {
        0x1_0000 - self.next
    }

    /// Returns the highest SN that the peer has proven: of signalling, whose MAC-I covers it.
    pub(super) fn heard(&self) -> u16 {
        let signalling = self.windows[28..31].iter().filter_map(ReplayWindow::highest);
        signalling.map(Count::sn).max().unwrap_or(0)
    }

    /// Returns the distance of unproven SN ahead of the proven ones.
    pub(super) fn unproven_ahead(&self) -> u16 {
        let highest = self.windows.iter().filter_map(ReplayWindow::highest).map(Count::sn).max();
        highest.unwrap_or(0).saturating_sub(self.proven)
    }

    // TS 36.323 §6.2.10 (2)
    pub(super) const fn mac_octets(&self, kind: Kind) -> usize {
        match kind {
            // TS 33.303 §6.5.2 (4)
            Kind::User if !self.up_integrity => 0,
            _ => MAC_I,
        }
    }

    /// Returns the octets to be ciphered in a PDU with the data `data`.
    fn ciphered(&self, data: Range<usize>, pdu_len: usize) -> Range<usize> {
        match self.unit {
            CipheredUnit::Data => data,
            CipheredUnit::DataAndMacI => data.start..pdu_len,
        }
    }

    const fn inputs(&self, sn: u16, lcid: u8, direction: Direction) -> Inputs {
        // TS 33.303 §6.5.6.2 (2); TS 36.323 §5.6.2 (2)
        let count = Count::from_parts(self.id.value(), sn);
        Inputs { count, bearer: Bearer::from_lcid(lcid), direction }
    }

    pub(super) fn protect(
        &self,
        ticket: Ticket,
        lcid: u8,
        kind: Kind,
        pdu: &mut [u8],
        header: usize,
    ) -> Result<(), SendError> {
        let mac_octets = self.mac_octets(kind);
        let end = pdu.len().checked_sub(mac_octets).filter(|end| *end >= header);
        let Some(end) = end.filter(|_| ticket.id == self.id) else { return Err(SendError::Misused) };
        let inputs = self.inputs(ticket.sn, lcid, self.sends);
        if mac_octets > 0 {
            // TS 36.323 §5.7 (1)
            let mac_i = self.eia.protect(inputs, &pdu[..end]);
            pdu[end..].copy_from_slice(&mac_i.0);
        }
        if kind != Kind::Command {
            let ciphered = self.ciphered(header..end, pdu.len());
            self.eea.apply(inputs, &mut pdu[ciphered]);
        }
        Ok(())
    }

    /// Deciphers and verifies a PDU, and moves the window only if that succeeds.
    pub(super) fn open(
        &mut self,
        sn: u16,
        lcid: u8,
        kind: Kind,
        pdu: &mut [u8],
        header: usize,
    ) -> Result<Opened, PduRefusal> {
        let mac_octets = self.mac_octets(kind);
        let end =
            pdu.len().checked_sub(mac_octets).filter(|end| *end >= header).ok_or(PduRefusal::TooShort)?;
        let direction = match self.sends {
            Direction::Zero => Direction::One,
            Direction::One => Direction::Zero,
        };
        let inputs = self.inputs(sn, lcid, direction);
        let window = usize::from(inputs.bearer.value());
        let refuse = |replayed| match replayed {
            Replayed::Seen => PduRefusal::Replay,
            Replayed::Late => PduRefusal::Late,
        };
        // TS 33.303 §6.5.6.2 (3)
        self.windows[window].check(inputs.count).map_err(refuse)?;
        // With null integrity no SN is ever proven.
        let provable = self.chosen.eia != Algorithm::Null;
        if mac_octets == 0 && provable && sn > self.proven.saturating_add(UNPROVEN_AHEAD) {
            return Err(PduRefusal::TooFarAhead);
        }
        if kind != Kind::Command {
            let ciphered = self.ciphered(header..end, pdu.len());
            self.eea.apply(inputs, &mut pdu[ciphered]);
        }
        let proof = if mac_octets > 0 {
            let mac_i = MacI([pdu[end], pdu[end + 1], pdu[end + 2], pdu[end + 3]]);
            // TS 36.323 §5.7 (2)
            match self.eia.verify(inputs, &pdu[..end], &mac_i) {
                Ok(Integrity::Verified(proof)) => Proof::Integrity(proof),
                Ok(Integrity::NotProtected) => Proof::Unprotected,
                Err(_) => return Err(PduRefusal::BadMac),
            }
        } else if self.chosen.eea == Algorithm::Null {
            Proof::Unprotected
        } else {
            Proof::Deciphered
        };
        self.windows[window].accept(inputs.count).map_err(refuse)?;
        if matches!(proof, Proof::Integrity(_)) {
            self.proven = self.proven.max(sn);
        }
        Ok(Opened { end, proof })
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, chosen, fingerprint, next, windows, .. } = self;
        write!(f, "Context({id}, {chosen}, {fingerprint}, next SN {next}, keys redacted")?;
        let mut heard = windows.iter().enumerate().filter(|(_, window)| window.highest().is_some());
        heard.try_for_each(|(lcid, window)| write!(f, ", {lcid}: {window:?}"))?;
        f.write_str(")")
    }
}
