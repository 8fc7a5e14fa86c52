//! Addresses of servers: `https://HOST:PORT`, plaintext only where it is safe.

use std::net::IpAddr;

use super::diagnostic::{Problem, quoted};
use super::mqtt::Broker;

/// What an address must look like beyond scheme and host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `https://HOST:PORT` and nothing more.
    Endpoint,
    /// `https://HOST[:PORT]`, whose paths follow by themselves.
    Server,
    /// `https://HOST[:PORT]/PATH`.
    Url,
    /// The same of a webhook, whose path may be a password.
    Hook,
}

impl Shape {
    fn example(self) -> &'static str {
        match self {
            Shape::Endpoint => "\"https://api.wgtwo.com:443\"",
            Shape::Server => "\"https://updates.example.com\"",
            Shape::Url => "\"https://id.wgtwo.com/oauth2/token\"",
            Shape::Hook => "\"https://hooks.example/callbox\"",
        }
    }
}

/// Checks a server's address. Plaintext is refused unless it stays in this
/// machine or somebody said that it may leave it.
pub(super) fn check(text: &str, shape: Shape, allow_plaintext: bool) -> Result<String, Problem> {
    let cure = || format!("write an address such as {}", shape.example());
    if text.contains('@') {
        return Err(Problem::new(
            "the address holds a user name or password",
            "remove everything up to the @; credentials belong in files of their own",
        ));
    }
    // What follows the question mark may be a key: not quoted.
    let shown = match shape {
        Shape::Endpoint | Shape::Server | Shape::Url => quoted(text.split('?').next().unwrap_or_default()),
        Shape::Hook => quoted(without_path(text)),
    };
    let (plaintext, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => {
            return Err(Problem::new(format!("{shown} does not begin with https://"), cure()));
        }
    };
    let (authority, path) = match rest.find(['/', '?', '#']) {
        Some(end) => rest.split_at(end),
        None => (rest, ""),
    };
    let (host, port) = split_port(authority);
    if !is_host(host) {
        return Err(Problem::new(format!("{shown} has no valid host name"), cure()));
    }
    match port {
        Some(port) if port.parse::<u16>().is_ok_and(|port| port != 0) => {}
        Some(_) => {
            let what = format!("{shown} has no valid port");
            return Err(Problem::new(what, "write a port from 1 to 65535"));
        }
        None if shape == Shape::Endpoint => {
            let what = format!("{shown} has no port");
            let usual = if plaintext { 80 } else { 443 };
            return Err(Problem::new(
                what,
                format!("write the port too: \"{}:{usual}\"", text.trim_end_matches('/')),
            ));
        }
        None => {}
    }
    match shape {
        Shape::Endpoint if !path.is_empty() => return Err(goes_on(&shown)),
        Shape::Server if !matches!(path, "" | "/") => return Err(goes_on(&shown)),
        Shape::Url | Shape::Hook if path.contains('#') || path.bytes().any(|b| b <= b' ' || b == 0x7f) => {
            return Err(Problem::new(format!("{shown} is not a URL"), cure()));
        }
        Shape::Endpoint | Shape::Server | Shape::Url | Shape::Hook => {}
    }
    if plaintext && !allow_plaintext && !is_loopback(host) {
        return Err(Problem::new(
            format!("{shown} is not encrypted"),
            "write https://, or allow-plaintext = true if nobody can listen in",
        ));
    }
    Ok(text.to_owned())
}

fn goes_on(shown: &str) -> Problem {
    Problem::new(format!("{shown} goes on after the port"), "end the address after the port")
}

/// Scheme, host and port of an address: what of a webhook may be shown.
pub(super) fn without_path(url: &str) -> &str {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(begin..).and_then(|rest| rest.find(['/', '?', '#'])).map_or(url.len(), |at| begin + at);
    url.get(..end).unwrap_or_default()
}

/// Checks a broker's address, `mqtts://HOST[:PORT]` or, where it is safe, `mqtt://HOST[:PORT]`.
pub(super) fn broker(text: &str, allow_plaintext: bool) -> Result<Broker, Problem> {
    const CURE: &str = "write an address such as \"mqtts://broker.example:8883\"";
    if text.contains('@') {
        let what = "the address holds a user name or password";
        return Err(Problem::new(
            what,
            "remove everything up to the @; credentials belong in user and password-file",
        ));
    }
    let (tls, authority) = match (text.strip_prefix("mqtts://"), text.strip_prefix("mqtt://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => {
            let what = format!("{} begins neither with mqtts:// nor with mqtt://", quoted(text));
            return Err(Problem::new(what, CURE));
        }
    };
    let (host, port) = split_port(authority);
    if !is_host(host) {
        return Err(Problem::new(format!("{} has no valid host name", quoted(text)), CURE));
    }
    // The ports that IANA registered for MQTT.
    let usual = if tls { 8883 } else { 1883 };
    let port = match port.map(str::parse::<u16>) {
        None => usual,
        Some(Ok(port)) if port != 0 => port,
        Some(Ok(_) | Err(_)) => {
            let what = format!("{} has no valid port", quoted(text));
            return Err(Problem::new(what, "write a port from 1 to 65535"));
        }
    };
    if !tls && !allow_plaintext && !is_loopback(host) {
        return Err(Problem::new(
            format!("{} is not encrypted", quoted(text)),
            "write mqtts://, or allow-plaintext = true if nobody can listen in",
        ));
    }
    Ok(Broker { host: bare(host).to_owned(), port, tls })
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    let after_brackets = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    match authority.get(after_brackets..).and_then(|rest| rest.find(':')) {
        Some(colon) => {
            let (host, port) = authority.split_at(after_brackets + colon);
            (host, port.strip_prefix(':'))
        }
        None => (authority, None),
    }
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// A host name (RFC 1123 section 2.1; underscores are met in private networks)
/// or an IP address, IPv6 in brackets (RFC 3986 section 3.2.2).
fn is_host(host: &str) -> bool {
    if host.starts_with('[') {
        return bare(host).parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || bare(host).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_endpoints_are_taken() {
        for good in [
            "https://api.wgtwo.com:443",
            "http://127.0.0.1:8080",
            "http://[::1]:1",
            "http://localhost:65535",
            "https://a_b:1",
        ] {
            assert_eq!(check(good, Shape::Endpoint, false), Ok(good.to_owned()));
        }
        assert!(check("http://core.lan:80", Shape::Endpoint, true).is_ok());
        assert!(check("https://id.wgtwo.com/oauth2/token", Shape::Url, false).is_ok());
        assert!(check("http://127.0.0.1:9/token?x=y", Shape::Url, false).is_ok());
        assert!(check("https://updates.example.com/", Shape::Server, false).is_ok());
        assert!(check("https://updates.example.com/path", Shape::Server, false).is_err());
        assert!(check("https://updates.example.com:70000", Shape::Server, false).is_err());
    }

    #[test]
    fn wrong_endpoints_are_refused_with_the_cure() {
        for (wrong, cure) in [
            ("", "https://api.wgtwo.com:443"),
            ("api.wgtwo.com:443", "https://api.wgtwo.com:443"),
            ("grpc://api.wgtwo.com:443", "https://api.wgtwo.com:443"),
            ("https://", "https://api.wgtwo.com:443"),
            ("https://:443", "https://api.wgtwo.com:443"),
            ("https://a b:443", "https://api.wgtwo.com:443"),
            ("https://core.example", "\"https://core.example:443\""),
            ("https://core.example/", "\"https://core.example:443\""),
            ("https://core.example:0", "1 to 65535"),
            ("https://core.example:70000", "1 to 65535"),
            ("https://core.example:", "1 to 65535"),
            ("https://core.example:443/path", "after the port"),
            ("https://::1:443", "https://api.wgtwo.com:443"),
            ("http://core.example:80", "https://"),
            ("http://127.0.0.1.example:80", "allow-plaintext"),
            ("http://[::2]:80", "allow-plaintext"),
        ] {
            match check(wrong, Shape::Endpoint, false) {
                Ok(_) => panic!("{wrong} was accepted"),
                Err(problem) => assert!(problem.cure.contains(cure), "{wrong}: {problem:?}"),
            }
        }
    }

    #[test]
    fn of_a_webhooks_address_only_the_server_is_shown() {
        for (url, server) in [
            ("https://hooks.example/T0/hunter2", "https://hooks.example"),
            ("https://hooks.example:8443?key=hunter2", "https://hooks.example:8443"),
            ("http://[::1]:9", "http://[::1]:9"),
        ] {
            assert_eq!(check(url, Shape::Hook, false), Ok(url.to_owned()));
            assert_eq!(without_path(url), server);
        }
        for wrong in
            ["http://hooks.example/hunter2", "https://hooks.example/a#hunter2", "hooks.example/hunter2"]
        {
            let problem = check(wrong, Shape::Hook, false).unwrap_err();
            assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
        }
    }

    #[test]
    fn brokers_are_taken_and_refused() {
        let good = |host: &str, port, tls| Ok(Broker { host: host.to_owned(), port, tls });
        assert_eq!(broker("mqtts://b.example", false), good("b.example", 8883, true));
        assert_eq!(broker("mqtt://[::1]:9", false), good("::1", 9, false));
        assert_eq!(broker("mqtt://b.lan", true), good("b.lan", 1883, false));
        for (wrong, cure) in [
            ("b.example:8883", "mqtts://broker.example:8883"),
            ("mqtts://", "mqtts://broker.example:8883"),
            ("mqtts://b.example/path", "mqtts://broker.example:8883"),
            ("mqtts://b.example:0", "1 to 65535"),
            ("mqtts://b.example:x", "1 to 65535"),
            ("mqtt://b.example:1883", "allow-plaintext"),
            ("mqtts://me:hunter2@b.example", "password-file"),
        ] {
            let problem = broker(wrong, false).unwrap_err();
            assert!(problem.cure.contains(cure), "{wrong}: {problem:?}");
            assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
        }
    }

    #[test]
    fn a_secret_in_an_address_is_refused_and_not_repeated() {
        for wrong in [
            "https://me:hunter2@core.example:443",
            "me:hunter2@core.example:443",
            "https://me:a/hunter2@core.example:443",
            "https://core.example:0?key=hunter2",
            "core.example?key=hunter2",
        ] {
            let problem = check(wrong, Shape::Endpoint, true).unwrap_err();
            assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
        }
    }
}
