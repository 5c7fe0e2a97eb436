//! A remote UE and the relay that it uses. TS 24.334 §10A.2, TS 23.303 §5.4.
//!
//! - [`selection`], which relay a remote UE uses, and when it looks for another
//! - [`u2u`], a UE that reaches another one through a third
//!
//! The link itself is one of [`crate::direct_link`] (`RelayLink`), its discovery one of [`crate::discovery`].

pub mod selection;
pub mod u2u;
