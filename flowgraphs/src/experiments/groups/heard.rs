//! What layer 2 says of data, as entries of a ledger.

use super::log::{Entry, TEXT};
use sidelink_mac::engine::Event;

/// Returns the entry of an event of layer 2.
pub(super) fn entry(event: &Event<'_>) -> Entry {
    match event {
        Event::Received(sdu) => Entry::Data { from: sdu.source.value(), number: number(sdu.data) },
        Event::Dropped(drop) => {
            Entry::Dropped { from: drop.from.map(|(source, _)| source.value()), why: drop.cause.to_string() }
        }
    }
}

/// The number in what the caller says.
fn number(data: &[u8]) -> Option<u64> {
    std::str::from_utf8(data).ok()?.trim_end_matches('.').strip_prefix(TEXT)?.trim().parse().ok()
}
