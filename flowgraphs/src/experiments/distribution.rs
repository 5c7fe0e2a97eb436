//! How long it takes until every member of a group has its key, and what that costs: solutions of TR 33.833 §6.3 side by side, for
//! 2 to 2000 members, on a simulated clock.
//!
//! ```text
//! pool.rs        SC period, blocks and places
//! layer2.rs      SC periods, grants and lost blocks of many UEs
//! naf.rs         a NAF, its BSF and HSS, and UEs that reach them
//! question.rs    what is compared, and with what
//! outcome.rs     what it cost
//! trial.rs       one group: keys brought, late joiners, a theft; its costs
//! machines.rs    machines of UEs whose messages go over PC5
//! owner.rs       S3.4: a group owner with certificates
//! identity.rs    S3.1: MIKEY-SAKKE
//! invitation.rs  S3.2: invitations and white lists
//! pkmf.rs        PGKs of a PKMF, the standard's way
//! mls.rs         what a tree of keys would cost (RFC 9420)
//! ```
//!
//! The machines are those of `sidelink-prose` and `sidelink-network`, with their real messages and keys.

pub(crate) mod identity;
pub(crate) mod invitation;
pub(crate) mod layer2;
pub(crate) mod machines;
pub(crate) mod mls;
pub(crate) mod naf;
pub(crate) mod outcome;
pub(crate) mod owner;
pub(crate) mod pkmf;
pub(crate) mod pool;
pub(crate) mod question;
pub(crate) mod trial;

#[cfg(test)]
mod tests;
