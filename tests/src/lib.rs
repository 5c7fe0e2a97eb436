//! sidelink-tests
