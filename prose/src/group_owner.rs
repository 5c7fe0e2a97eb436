//! Group owner mode: one UE authenticates the members of a group and gives them its keys. TR 33.833 §6.3.4; solution 3.4 of
//! the study, to which the final one-to-many communication has nothing similar. The TR names the steps; messages, formulas
//! and rules are our own.
//!
//! ```text
//! member                                                        owner
//!   join request { group, nonce, capabilities, identity, certificate }  ->     h1 = H(request)
//!   <- challenge { both nonces, identity, certificate, signature over h1 }     h2 = H(h1 || challenge)
//!   proof { nonce of the owner, X25519 key, signature over h2 }         ->     h3 = H(h2 || proof)
//!   <- keys { epoch, algorithms, HPKE(K_unicast, K_multicast), signature over h3 }
//!   confirm { epoch, MAC }                                              ->
//!   <- notice { epoch, wait, signature }, to the group from time to time
//! ```
//!
//! - **Both ids and both nonces are signed by both**: the request holds the member's, the challenge the owner's, and each
//!   signature covers the hash of all earlier messages. A man in the middle can only forward.
//! - **The certificate only signs.** The key to which the owner seals is an X25519 key that the member draws for this join
//!   and signs in its proof; it is wiped when the member leaves, and what was recorded stays sealed.
//! - **Keys.** K_GO is drawn for each epoch and never leaves the owner. K_unicast = KDF(K_GO, group, identity of the member,
//!   epoch) plays the part of a KD between owner and member; K_multicast = KDF(K_GO, group, epoch) that of a PGK. The study's
//!   digest has the layer-2 identity in the first formula; the proven identity stands there instead, since anybody can use
//!   any layer-2 identity, and an insider that joined under that of another member would get its key.
//! - **Epochs.** An epoch is durable before its keys exist, and never repeats. After a crash the owner has no members and no
//!   K_GO, and begins a later epoch. When a member leaves or is removed a new epoch begins, and each remaining member gets its
//!   keys by itself, sealed to the key of its join and signed over h3 of its join; it takes none that is not later.
//! - **Many at once.** Requests wait in a row, and few joins are served at once: an owner that sends hears nothing. A notice
//!   says how long the row takes by the pace of the last joins, and who asks does not ask again before that. Whatever is
//!   sent again is so after a random time in a window that doubles. Keys of a new epoch are on their way to few members at
//!   once, and are sent, ever less often, until each has confirmed them or its own are over.
//! - **Nobody is left behind.** Notices tell the epoch: a member whose owner has a later one, and which gets no keys of it
//!   in time, joins again by itself. So do all members after a crash of the owner, which tells at its start. The owner signs
//!   notices; to a UE outside of the group, which cannot check them, they are a hint that has an end.
//! - **Revocation** (D11). Numbers of revocation lists are durable and never go back; a list older than 24 hours, or none,
//!   makes a peer [`Revocations::Degraded`], which a policy may refuse.
//! - **Floods.** A request without proof costs the owner at most a bounded number of signatures in a period; beyond some
//!   half-open joins it demands a cookie first, for which it keeps nothing.
//!
//! **What it does not give.** All members hold K_multicast: a member can send as the owner or as another member
//! (T3.4-3), unless the data is signed. Data from member to member goes through the owner, which reads it and sends it again:
//! under K_unicast of each it takes the air twice, and it is not protected from end to end (key issue 3.3-c). Members that
//! want that set up a one-to-one link with their certificates ([`crate::direct_link`]), which excludes the owner.

mod admission;
mod common;
mod config;
mod delivery;
mod epoch;
mod io;
mod member;
mod missed;
mod note;
mod notices;
mod owner;
mod pace;

pub use common::{OpenError, list_stream};
pub use config::{Admitted, Config, Renewal, WhenDegraded};
pub use io::{
    Error, Event, Forget, Gone, GroupKeys, Input, ListNumber, Metered, Out, Outgoing, Output, Revocations,
    UnicastKey, Why,
};
pub use member::Member;
pub use note::Note;
pub use owner::Owner;

#[cfg(test)]
mod tests;
