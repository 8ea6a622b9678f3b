//! The membership of the consumer protocol, by scripts.

use super::*;
