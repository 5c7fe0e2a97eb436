//! Exercises: UEs and attackers in one scene, and what they cost.
//!
//! ```text
//! link_event.rs  what happens to links, in words that need no key; credentials for exercises
//! ```

pub mod link_event;
