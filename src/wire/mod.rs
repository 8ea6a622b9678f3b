//! wire

pub(crate) mod batch;
pub(crate) mod compress;
