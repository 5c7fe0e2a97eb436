//! sidelink-security
