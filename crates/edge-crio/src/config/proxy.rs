//! The drop-in of crio.service that sets a proxy for pulling images.

use edge_fetch::Proxy;
use edge_systemd::quoted_variable;

/// The beginning of the line with destinations that are reached without the proxy.
const NO_PROXY: &str = "Environment=\"NO_PROXY=";

/// The new content of the drop-in, and lines that describe it. The `NO_PROXY` of `before` is kept if the proxy has no
/// list of its own.
pub fn proxy_drop_in(before: &str, proxy: &Proxy) -> (String, Vec<String>) {
    let mut text = "# Made by edge-crio; `edge-crio undo` removes it.\n[Service]\n".to_owned();
    let mut details = Vec::new();
    let mut add = |name: &str, value: &str, shown: &str| {
        text.push_str(&format!("Environment={}\n", quoted_variable(name, value)));
        details.push(format!("{name}={shown}"));
    };
    for name in ["HTTP_PROXY", "HTTPS_PROXY"] {
        add(name, proxy.url(), &proxy.shown());
    }
    match proxy.except() {
        Some(except) => add("NO_PROXY", except, except),
        None => {
            for line in before.lines().filter(|line| line.starts_with(NO_PROXY)) {
                text.push_str(&format!("{line}\n"));
            }
        }
    }
    (text, details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_drop_in_quotes_values_and_hides_the_password() {
        let proxy = Proxy::parse("http://me:p%40ss\"w\\@proxy.example:3128", Some("10.0.0.0/8")).unwrap();
        let (text, details) = proxy_drop_in("", &proxy);
        assert!(text.contains("Environment=\"HTTP_PROXY=http://me:p%%40ss\\\"w\\\\@proxy.example:3128\"\n"), "{text}");
        assert!(text.ends_with("Environment=\"NO_PROXY=10.0.0.0/8\"\n"));
        assert_eq!(details[1], "HTTPS_PROXY=http://proxy.example:3128");
        assert!(!format!("{proxy:?}{details:?}").contains("ss"));
        assert!(proxy.has_credentials());
    }

    #[test]
    fn proxy_drop_in_keeps_no_proxy_until_a_list_is_given() {
        let of = |before: &str, url, except| proxy_drop_in(before, &Proxy::parse(url, except).unwrap()).0;
        let first = of("", "http://a:1", Some("10.0.0.0/8,50%"));
        let second = of(&first, "http://b:2", None);
        assert_eq!(second, first.replace("http://a:1", "http://b:2"));
        assert_eq!(of(&second, "http://b:2", None), second);
        assert_eq!(of(&second, "http://b:2", Some("c")), second.replace("10.0.0.0/8,50%%", "c"));
    }
}
