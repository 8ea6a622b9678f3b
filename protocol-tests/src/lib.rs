//! Whole-client tests of kavka; see `tests/`.
