//! Messages that agree on a KD and carry a time: none is taken twice, and none that is older than one that was taken. The
//! newest time of every sender is durable before the answer leaves, so that a crash opens nothing again.

use super::kd::{Change, Identity};

/// Number of senders whose times are stored.
const SENDERS: usize = 1024;

/// The time of the newest message that was taken from a sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The sender, proven by the message; [`Admission::floor`] stands for all whose time is not stored any more.
    pub sender: Identity,
    /// Time in the message: NTP-UTC, 64 bits (RFC 3830 §6.6).
    pub time: u64,
}

impl Admission {
    /// Returns the newest time of the senders whose own is not stored any more.
    pub const fn floor(time: u64) -> Self {
        Self { sender: Identity { kind: 0, value: Vec::new() }, time }
    }

    /// Whether it stands for all senders whose time is not stored.
    pub const fn is_floor(&self) -> bool {
        self.sender.kind == 0
    }
}

/// The times in memory.
#[derive(Debug, Default)]
pub(super) struct Admissions {
    senders: Vec<Admission>,
    floor: u64,
}

impl Admissions {
    /// Sets a time that is durable. It never goes back.
    pub(super) fn add(&mut self, admission: Admission) {
        if admission.is_floor() {
            self.floor = self.floor.max(admission.time);
            return;
        }
        let known = self.senders.iter().position(|known| known.sender == admission.sender);
        let before = known.map_or(0, |at| self.senders.remove(at).time);
        self.senders.push(Admission { time: admission.time.max(before), ..admission });
    }

    /// Applies a change that is durable.
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Admit(admission) => self.add(admission.clone()),
            Change::Forget(sender) => self.senders.retain(|known| known.sender != *sender),
            Change::Put(_) | Change::Remove(..) => {}
        }
    }

    /// Returns the newest time that was taken from a sender.
    pub(super) fn newest(&self, sender: &Identity) -> u64 {
        let known = self.senders.iter().find(|known| known.sender == *sender);
        known.map_or(self.floor, |known| known.time)
    }

    /// Returns the changes that admit a message. When the table is full, the oldest sender gives way, and the floor rises
    /// to its time: no message of a forgotten sender comes back.
    pub(super) fn changes(&self, sender: &Identity, time: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.senders.len() >= SENDERS && self.senders.iter().all(|known| known.sender != *sender) {
            let oldest = self.senders.iter().min_by_key(|known| known.time);
            if let Some(Admission { sender, time }) = oldest {
                changes.push(Change::Admit(Admission::floor((*time).max(self.floor))));
                changes.push(Change::Forget(sender.clone()));
            }
        }
        changes.push(Change::Admit(Admission { sender: sender.clone(), time }));
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(number: usize) -> Identity {
        Identity::user(&format!("user {number}"))
    }

    #[test]
    fn a_full_table_forgets_the_oldest_sender_and_takes_nothing_of_it_again() {
        let mut table = Admissions::default();
        for number in 0..3 * SENDERS {
            let time = 1000 + number as u64;
            assert!(table.newest(&of(number)) < time);
            table.changes(&of(number), time).iter().for_each(|change| table.apply(change));
            assert_eq!(table.newest(&of(number)), time);
            assert!(table.senders.len() <= SENDERS);
        }
        for number in 0..3 * SENDERS {
            assert!(table.newest(&of(number)) >= 1000 + number as u64, "{number}");
        }
        // A sender that is known takes no place of another.
        let last = of(3 * SENDERS - 1);
        assert_eq!(table.changes(&last, 9999).len(), 1);
    }

    #[test]
    fn no_time_goes_back() {
        let mut table = Admissions::default();
        for (time, newest) in [(7, 7), (5, 7), (8, 8)] {
            table.add(Admission { sender: of(1), time });
            assert_eq!(table.newest(&of(1)), newest);
        }
        table.add(Admission::floor(20));
        table.add(Admission::floor(10));
        assert_eq!((table.newest(&of(1)), table.newest(&of(2))), (8, 20));
    }
}
