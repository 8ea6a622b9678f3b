//! When a login asks for its next token.

use super::*;

/// When another token is asked for, as Java's login does it (`sasl.login.refresh.*`). A token is
/// asked for when a connection needs one; until then the last one is used.
///
/// ```
/// use std::time::Duration;
/// use kavka::{ClientConfig, TokenRefresh};
///
/// // Vendors that revoke tokens early want another one after half of the time.
/// let config = ClientConfig::new("broker:9093").token_refresh(TokenRefresh::new().window_factor(0.5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenRefresh {
    window_factor: f64,
    window_jitter: f64,
    min_period: Duration,
    buffer: Duration,
}

impl Default for TokenRefresh {
    fn default() -> Self {
        Self {
            window_factor: 0.8,
            window_jitter: 0.05,
            min_period: Duration::from_secs(60),
            buffer: Duration::from_secs(300),
        }
    }
}

impl TokenRefresh {
    /// Creates Java's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the part of a token's lifetime after which another is asked for
    /// (`sasl.login.refresh.window.factor`; from 0.5 to 1; default 0.8).
    #[must_use]
    pub fn window_factor(mut self, factor: f64) -> Self {
        self.window_factor = factor;
        self
    }

    /// Sets the largest part of the lifetime that is added to it at random, so that clients do not
    /// ask together (`sasl.login.refresh.window.jitter`; from 0 to 0.25; default 0.05).
    #[must_use]
    pub fn window_jitter(mut self, jitter: f64) -> Self {
        self.window_jitter = jitter;
        self
    }

    /// Sets the shortest time for which a token is used (`sasl.login.refresh.min.period.seconds`;
    /// up to 15 min; default 60 s). It has no say, nor has the buffer, if both together are longer
    /// than the lifetime.
    #[must_use]
    pub fn min_period(mut self, period: Duration) -> Self {
        self.min_period = bounded(period);
        self
    }

    /// Sets the time before the end of a token at which another is asked for at the latest
    /// (`sasl.login.refresh.buffer.seconds`; up to 1 h; default 5 min).
    #[must_use]
    pub fn buffer(mut self, buffer: Duration) -> Self {
        self.buffer = bounded(buffer);
        self
    }

    /// For how long a token of some lifetime is used before another is asked for; `chance` is from
    /// 0 to 1.
    pub(crate) fn fresh_for(&self, lifetime: Duration, chance: f64) -> Duration {
        let part = (self.window_factor + self.window_jitter * chance).clamp(0.0, 1.0);
        let window = lifetime.mul_f64(part);
        match lifetime.checked_sub(self.min_period.saturating_add(self.buffer)) {
            Some(left) if !left.is_zero() => {
                window.min(lifetime.saturating_sub(self.buffer)).max(self.min_period)
            }
            _ => window,
        }
    }

    pub(super) fn from_settings(settings: &Settings<'_>) -> Result<Self> {
        let mut refresh = Self::default();
        settings.set("sasl.login.refresh.window.factor", &mut refresh.window_factor)?;
        settings.set("sasl.login.refresh.window.jitter", &mut refresh.window_jitter)?;
        if let Some(seconds) = settings.read::<u32>("sasl.login.refresh.min.period.seconds")? {
            refresh.min_period = Duration::from_secs(seconds.into());
        }
        if let Some(seconds) = settings.read::<u32>("sasl.login.refresh.buffer.seconds")? {
            refresh.buffer = Duration::from_secs(seconds.into());
        }
        refresh.validate()?;
        Ok(refresh)
    }

    pub(super) fn validate(&self) -> Result<()> {
        check_range("sasl.login.refresh.window.factor", self.window_factor, 0.5, 1.0)?;
        check_range("sasl.login.refresh.window.jitter", self.window_jitter, 0.0, 0.25)?;
        let seconds = |name, value: Duration, most| check_range(name, value.as_secs(), 0, most);
        seconds("sasl.login.refresh.min.period.seconds", self.min_period, 900)?;
        seconds("sasl.login.refresh.buffer.seconds", self.buffer, 3600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Java's `ExpiringCredentialRefreshingLogin`, whose terms these are.
    #[test]
    fn a_token_is_used_for_as_long_as_java_uses_it() {
        let refresh = TokenRefresh::new();
        for (lifetime, chance, fresh) in [
            (3600, 0.0, 2880),
            (3600, 1.0, 3060),
            // The buffer comes first.
            (600, 0.0, 300),
            // No room for both.
            (360, 0.0, 288),
            (100, 0.0, 80),
            (0, 0.5, 0),
        ] {
            let for_seconds = refresh.fresh_for(Duration::from_secs(lifetime), chance).as_secs();
            assert_eq!(for_seconds, fresh, "{lifetime}, {chance}");
        }
        let patient = refresh.min_period(Duration::from_secs(900)).window_factor(0.5);
        assert_eq!(patient.fresh_for(Duration::from_secs(1500), 0.0).as_secs(), 900);
    }

    #[test]
    fn values_out_of_javas_ranges_are_refused() {
        for (name, value) in [
            ("sasl.login.refresh.window.factor", "0.4"),
            ("sasl.login.refresh.window.factor", "NaN"),
            ("sasl.login.refresh.window.jitter", "0.3"),
            ("sasl.login.refresh.min.period.seconds", "901"),
            ("sasl.login.refresh.buffer.seconds", "3601"),
        ] {
            let properties = Properties::from_iter([("bootstrap.servers", "a:1"), (name, value)]);
            let error = ClientConfig::from_properties(&properties).expect_err(name).to_string();
            assert!(error.contains(name) && error.contains("allowed"), "{error}");
        }
    }
}
