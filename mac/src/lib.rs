//! sidelink-mac
