//! Where this crate logs to: the facade `log`, under the target that programs filter by.

pub(crate) use log::{debug, error, info, warn};
