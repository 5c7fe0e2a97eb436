//! The reordering window of STCH for V2X: 16 with the SN of 5 bits. TS 36.322 §5.1.2.2.2 to §5.1.2.2.4, §7.1, §7.2.
//!
//! State variables are numbers modulo 32, compared from VR(UH) - 16 on: [`Reordering::place`].

use core::ops::Range;

use sidelink_security::counter::UtcTime;
use sidelink_wire::rlc_um::SN_MODULUS;

/// UM_Window_Size of STCH for V2X.
// TS 36.322 §7.2 (2)
pub(super) const WINDOW: u8 = 16;

/// t-Reordering, which TS 36.331 §9.1.1.6 leaves to the receiver: both transmissions of a block lie within 15 subframes of each
/// other, and the next block of a reservation of 20 ms behind it.
pub(super) const T_REORDERING_MS: u64 = 50;

/// Octets of stored PDUs of one entity. When they are used up, what is missing is no longer waited for.
const OCTETS: usize = 8 * 1024;

/// What to do with a PDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is stored.
    Stored,
    /// It came before, or too late.
    Discarded,
}

/// The reception buffer of one entity with its state.
#[derive(Debug, Clone)]
pub(super) struct Reordering {
    /// VR(UR): the earliest SN that is still waited for.
    ur: u8,
    /// VR(UX): the SN behind the one that started t-Reordering.
    ux: u8,
    /// VR(UH): the SN behind the highest one that was received.
    uh: u8,
    /// When t-Reordering expires, while it runs.
    deadline: Option<UtcTime>,
    /// Where the PDU of each SN lies.
    stored: [Option<(usize, usize)>; SN_MODULUS as usize],
    octets: Vec<u8>,
}

impl Reordering {
    /// Allocates its buffer.
    pub(super) fn new() -> Self {
        let octets = Vec::with_capacity(OCTETS);
        Self { ur: 0, ux: 0, uh: 0, deadline: None, stored: [None; SN_MODULUS as usize], octets }
    }

    /// The SN of the first PDU that is received.
    pub(super) fn begin(&mut self, sn: u8) {
        (self.ur, self.uh, self.deadline) = (sn, sn, None);
        self.stored.fill(None);
        self.octets.clear();
    }

    /// Whether t-Reordering has expired. A deadline that is farther off than it can be is of a clock that was set back.
    pub(super) fn is_due(&self, now: UtcTime) -> bool {
        let farthest = now.plus_millis(T_REORDERING_MS);
        self.deadline.is_some_and(|deadline| deadline <= now || deadline > farthest)
    }

    /// When t-Reordering expires, while it runs.
    pub(super) const fn deadline(&self) -> Option<UtcTime> {
        self.deadline
    }

    /// Whether a PDU that is stored waits for another.
    pub(super) fn holds(&self) -> bool {
        self.stored.iter().any(Option::is_some)
    }

    /// How far an SN is from VR(UH) - 16: below 16 inside the window, 16 for VR(UH).
    const fn place(&self, sn: u8) -> u8 {
        (sn + 2 * SN_MODULUS + WINDOW - self.uh) % SN_MODULUS
    }

    /// Takes a PDU; hands on what can be taken apart, in order.
    pub(super) fn receive(
        &mut self,
        now: UtcTime,
        sn: u8,
        pdu: &[u8],
        mut deliver: impl FnMut(&[u8]),
    ) -> Judgement {
        let inside = self.place(sn) < WINDOW;
        let late = inside && self.place(sn) < self.place(self.ur);
        // TS 36.322 §5.1.2.2.2 (2)
        if late || self.stored[usize::from(sn)].is_some() {
            return Judgement::Discarded;
        }
        if !self.holds() {
            self.octets.clear();
        }
        if self.octets.len() + pdu.len() > OCTETS {
            self.pass_through(sn, inside, pdu, &mut deliver);
            return Judgement::Stored;
        }
        self.store(sn, pdu);
        if !inside {
            self.move_window(sn, &mut deliver);
        }
        self.take_what_follows(&mut deliver);
        self.keep_time(now);
        Judgement::Stored
    }

    /// t-Reordering expires: what is missing below VR(UX) is not waited for any longer.
    pub(super) fn expire(&mut self, now: UtcTime, mut deliver: impl FnMut(&[u8])) {
        self.deadline = None;
        // TS 36.322 §5.1.2.2.4
        self.take_until(self.ux, &mut deliver);
        self.take_what_follows(&mut deliver);
        self.keep_time(now);
    }

    /// There is no room for a PDU: everything is handed on in its order, and nothing is waited for any longer.
    fn pass_through(&mut self, sn: u8, inside: bool, pdu: &[u8], deliver: &mut impl FnMut(&[u8])) {
        self.take_until(if inside { sn } else { self.uh }, deliver);
        deliver(pdu);
        self.ur = next(sn);
        if inside {
            self.take_until(self.uh, deliver);
        } else {
            self.uh = self.ur;
        }
        self.deadline = None;
    }

    fn store(&mut self, sn: u8, pdu: &[u8]) {
        let start = self.octets.len();
        self.octets.extend_from_slice(pdu);
        self.stored[usize::from(sn)] = Some((start, pdu.len()));
    }

    /// An SN outside of the window becomes the highest; what falls out of the window is handed on.
    // TS 36.322 §5.1.2.2.3 (2)
    fn move_window(&mut self, sn: u8, deliver: &mut impl FnMut(&[u8])) {
        let before = self.uh;
        self.uh = next(sn);
        for back in (1..=WINDOW).rev() {
            let at = (before + SN_MODULUS - back) % SN_MODULUS;
            if self.place(at) >= WINDOW {
                self.take(at, deliver);
            }
        }
        if self.place(self.ur) >= WINDOW {
            self.ur = (self.uh + SN_MODULUS - WINDOW) % SN_MODULUS;
        }
    }

    /// Hands on what is stored below `end`, from VR(UR) on, which becomes `end`.
    fn take_until(&mut self, end: u8, deliver: &mut impl FnMut(&[u8])) {
        while self.ur != end {
            self.take(self.ur, deliver);
            self.ur = next(self.ur);
        }
    }

    /// Hands on what is there without a gap from VR(UR) on.
    fn take_what_follows(&mut self, deliver: &mut impl FnMut(&[u8])) {
        while self.take(self.ur, deliver) {
            self.ur = next(self.ur);
        }
    }

    fn take(&mut self, sn: u8, deliver: &mut impl FnMut(&[u8])) -> bool {
        let Some((start, len)) = self.stored[usize::from(sn)].take() else { return false };
        let range: Range<usize> = start..start + len;
        if let Some(pdu) = self.octets.get(range) {
            deliver(pdu);
        }
        true
    }

    /// t-Reordering stops when what it waited for came, or fell out; it starts where something else is missing.
    // TS 36.322 §7.3
    fn keep_time(&mut self, now: UtcTime) {
        let (ux, ur) = (self.place(self.ux), self.place(self.ur));
        if self.deadline.is_some() && (ux <= ur || ux > WINDOW) {
            self.deadline = None;
        }
        if self.deadline.is_none() && ur < WINDOW {
            self.ux = self.uh;
            self.deadline = Some(now.plus_millis(T_REORDERING_MS));
        }
    }
}

const fn next(sn: u8) -> u8 {
    (sn + 1) % SN_MODULUS
}

#[cfg(test)]
mod tests;
