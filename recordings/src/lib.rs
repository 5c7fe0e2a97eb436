//! sidelink-recordings
