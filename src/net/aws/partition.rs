//! Where the services of a region are: each part of the world has a domain of its own.

/// The host of a service; `None` if the region is no part of a host's name.
pub(super) fn host(service: &str, region: &str) -> Option<String> {
    let is_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if region.is_empty() || region.len() > 63 || !region.chars().all(is_label) {
        return None;
    }
    let domain = match region {
        _ if region.starts_with("cn-") => "amazonaws.com.cn",
        _ if region.starts_with("eusc-") => "amazonaws.eu",
        _ if region.starts_with("us-isob-") => "sc2s.sgov.gov",
        _ if region.starts_with("us-isof-") => "csp.hci.ic.gov",
        _ if region.starts_with("us-iso-") => "c2s.ic.gov",
        _ if region.starts_with("eu-isoe-") => "cloud.adc-e.uk",
        _ => "amazonaws.com",
    };
    Some(format!("{service}.{region}.{domain}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_in_the_domain_of_its_part_of_the_world() {
        for (service, region, expected) in [
            ("sts", "us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
            ("portal.sso", "eu-west-1", "portal.sso.eu-west-1.amazonaws.com"),
            ("oidc", "cn-north-1", "oidc.cn-north-1.amazonaws.com.cn"),
            ("sts", "eusc-de-east-1", "sts.eusc-de-east-1.amazonaws.eu"),
        ] {
            assert_eq!(host(service, region).as_deref(), Some(expected));
        }
        for region in ["", "evil.example/", "EU", "a@b"] {
            assert_eq!(host("sts", region), None, "{region}");
        }
    }
}
