//! Files that properties name, read so that no copy of a secret is left behind.

use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// What the file of a property holds.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config), with the property and why it cannot be read.
pub(super) fn read(property: &str, file: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = std::fs::read(file);
    bytes.map(Zeroizing::new).map_err(|error| {
        Error::config(format!("{property}: cannot read {}: {error}", file.display()))
    })
}
