//! sidelink-flowgraphs
