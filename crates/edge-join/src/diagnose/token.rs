//! Whether the token can be used: its form, when it expires by either clock, and which CA it is for.

use edge_host::Finding;
use edge_kubeedge::token::{Token, TokenError};
use edge_pki::cert::Certificate;
use edge_pki::times;

use super::span;

const TOKEN: &str = "token";
/// A larger difference of clocks is reported: certificates are valid from the second in which they are issued.
const MAX_SKEW: i64 = 60;
/// Where a new token is from.
pub(crate) const NEW_TOKEN: &str =
    "get a new token on a host with kubectl: kubectl get secret -n kubeedge tokensecret -o json";
const SET_CLOCK: &str = "set the clock: timedatectl set-ntp true";

/// What is wrong with the form of the token.
pub fn form(token: &Result<Token, TokenError>) -> Option<Finding> {
    let why = token.as_ref().err()?;
    Some(Finding::error(TOKEN, format!("it cannot be used: {why}")).hint(NEW_TOKEN))
}

/// What is wrong with its validity, and with the clocks. `ahead` is how far cloudcore's clock is ahead of ours.
pub fn time(token: Option<&Token>, now: i64, ahead: Option<i64>) -> Vec<Finding> {
    let mut all = Vec::new();
    let expires = token.and_then(|token| token.expires);
    let has_expired = |now: i64| expires.filter(|expires| now >= *expires);
    let (here, there) = (has_expired(now), ahead.map(|ahead| has_expired(now + ahead)));
    let skew = ahead.unwrap_or(0);
    match (here, there) {
        // cloudcore's clock decides.
        (_, Some(Some(expires))) => all.push(expired_there(expires)),
        (Some(expires), None) => all.push(
            Finding::error(
                TOKEN,
                format!("it expired on {} by this host's clock ({})", times::rfc3339(expires), times::rfc3339(now)),
            )
            .hint(format!("{NEW_TOKEN}; or, if this clock is wrong, {SET_CLOCK}")),
        ),
        _ => {}
    }
    let is_old = now < times::RELEASED.seconds;
    if skew.abs() > MAX_SKEW || is_old {
        let text = match ahead {
            Some(_) if skew.abs() > MAX_SKEW => format!(
                "this host's clock ({}) is {} {} that of cloudcore ({})",
                times::rfc3339(now),
                span(skew.abs()),
                if skew > 0 { "behind" } else { "ahead of" },
                times::rfc3339(now + skew)
            ),
            _ => format!("this host's clock ({}) is wrong: it is before this program was made", times::rfc3339(now)),
        };
        let text = format!("{text}: certificates and tokens are then refused, or not valid yet");
        let hint = if is_old || skew > 0 {
            SET_CLOCK.to_owned()
        } else {
            format!("{SET_CLOCK}, here or on the host of cloudcore")
        };
        all.push(Finding::error("clock", text).hint(hint));
    }
    all
}

/// Whether it has expired at this time, which cloudcore itself has given.
pub fn expired(token: &Token, there: i64) -> Option<Finding> {
    token.expires.filter(|expires| there >= *expires).map(expired_there)
}

fn expired_there(expires: i64) -> Finding {
    Finding::error(TOKEN, format!("it expired on {} by cloudcore's clock", times::rfc3339(expires))).hint(NEW_TOKEN)
}

/// Whether the token is for the CA that cloudcore serves.
pub fn authority(token: &Token, ca: &Certificate) -> Option<Finding> {
    let served = hash(ca);
    if served == token.ca_hash {
        return None;
    }
    let text = format!(
        "it is for the CA sha256:{}, but cloudcore has the CA sha256:{served}: the token is of another cloudcore, or older than its CA",
        token.ca_hash
    );
    Some(Finding::error(TOKEN, text).hint(format!("{NEW_TOKEN}; and check --cloudcore")))
}

/// The first part of a token for a CA.
pub fn hash(ca: &Certificate) -> String {
    ca.fingerprint().replace(':', "").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_970_333 - 86_400;
    const TOKEN: &str = "7bfdb726c6194bae2e57625985a5b3f596d49c088944fdb5405e492fc24374e9.eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3OTU5NzAzMzN9.w5EKPmyNFzD51EYE9FsqZTJ-1MBfCw8N-yM1w6Basso";

    fn said(now: i64, ahead: Option<i64>) -> Vec<String> {
        let token = Token::parse(TOKEN).unwrap();
        time(Some(&token), now, ahead).into_iter().map(|one| format!("{}: {}", one.file, one.text)).collect()
    }

    #[test]
    fn time_names_the_clock_that_is_off() {
        assert_eq!((said(NOW, Some(0)), said(NOW, None), said(NOW, Some(-59))), (vec![], vec![], vec![]));
        let expired = said(NOW + 90_000, Some(0));
        assert!(
            expired[0].starts_with("token: it expired on 2026-11-29T16:38:53Z by cloudcore's clock"),
            "{expired:?}"
        );
        let alone = said(NOW + 90_000, None);
        assert!(alone[0].contains("by this host's clock (2026-11-29T17:38:53Z)"), "{alone:?}");
        // Expired by our clock alone: our clock is ahead, and the token can be used.
        let ahead = said(NOW + 90_000, Some(-90_000));
        assert!(ahead.len() == 1 && ahead[0].contains("is 25 hours ahead of that of cloudcore"), "{ahead:?}");
        let behind = said(NOW - 90_000, Some(200_000));
        assert!(behind.len() == 2 && behind[1].contains("is 2 days behind that of cloudcore"), "{behind:?}");
        let unset = said(1000, None);
        assert!(unset[0].contains("(1970-01-01T00:16:40Z) is wrong"), "{unset:?}");
        assert!(said(1000, Some(NOW)).len() == 1);
    }

    #[test]
    fn form_names_what_is_wrong_and_no_part_of_the_token() {
        assert_eq!(form(&Ok(Token::parse(TOKEN).unwrap())), None);
        let found = form(&Token::from_input(&TOKEN[..150])).unwrap();
        assert!(found.text.contains("it is cut off") && !found.text.contains("eyJ"), "{found:?}");
    }
}
