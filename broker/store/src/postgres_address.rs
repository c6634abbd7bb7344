//! What the address of a PostgreSQL says about how safe the way to it is.
//!
//! Nothing here connects. The address may hold a password, so it is never shown.

use std::net::IpAddr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// What of an address matters for trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostgresAddress {
    /// Whether the way to the server leaves this machine.
    pub is_remote: bool,
    /// Whether we show a password or a certificate: from the address, the environment or a
    /// password file.
    pub is_secret: bool,
    /// Whether the server must show a certificate of an authority that we believe.
    pub is_checked: bool,
}

impl PostgresAddress {
    /// Looks at an address; `None` if it is none. `variable` reads the environment.
    pub fn look_at(url: &str, variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let options: PgConnectOptions = url.parse().ok()?;
        let set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let in_query = |name: &str| {
            let query = url.split_once('?').map_or("", |(_, query)| query);
            query.split('&').any(|pair| {
                pair.split_once('=').is_some_and(|(key, value)| key == name && !value.is_empty())
            })
        };
        let login = url.split_once("://").and_then(|(_, rest)| {
            rest.split(['/', '?']).next()?.rsplit_once('@').map(|(login, _)| login)
        });
        let in_login = login
            .and_then(|login| login.split_once(':'))
            .is_some_and(|(_, password)| !password.is_empty());
        let is_secret = in_login
            || in_query("password")
            || in_query("sslcert")
            || ["PGPASSWORD", "PGPASSFILE", "PGSSLCERT"].into_iter().any(set);
        let is_checked = matches!(checked(&options), PgSslMode::VerifyCa | PgSslMode::VerifyFull);
        Some(Self { is_remote: is_remote(&options), is_secret, is_checked })
    }
}

/// How TLS is used. `prefer` is what is in force where nothing is said, and it believes anybody: off
/// this machine it becomes the strictest instead.
pub(crate) fn checked(options: &PgConnectOptions) -> PgSslMode {
    match options.get_ssl_mode() {
        PgSslMode::Prefer if is_remote(options) => PgSslMode::VerifyFull,
        mode @ (PgSslMode::Disable
        | PgSslMode::Allow
        | PgSslMode::Prefer
        | PgSslMode::Require
        | PgSslMode::VerifyCa
        | PgSslMode::VerifyFull) => mode,
    }
}

fn is_remote(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    if options.get_socket().is_some() || host.starts_with('/') {
        return false;
    }
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = plain.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    !(loopback || plain.is_empty() || plain.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(url: &str) -> (bool, bool, bool) {
        let address = PostgresAddress::look_at(url, |_| None).unwrap();
        (address.is_remote, address.is_secret, address.is_checked)
    }

    #[test]
    fn off_this_machine_certificates_are_checked_unless_the_address_says_otherwise() {
        assert_eq!(look("postgres://u:p@db.example.invalid/t"), (true, true, true));
        assert_eq!(look("postgres://u:p@10.0.0.5/t?sslmode=verify-ca"), (true, true, true));
        assert_eq!(look("postgres://u:p@10.0.0.5/t?sslmode=require"), (true, true, false));
        assert_eq!(look("postgres://u:p@10.0.0.5/t?sslmode=disable"), (true, true, false));
    }

    #[test]
    fn this_machine_is_trusted() {
        for url in [
            "postgres://u@localhost/t",
            "postgres://u@127.0.0.1:5432/t",
            "postgres://u@[::1]/t",
            "postgres://u@%2Frun%2Fpostgresql/t",
            "postgres://u@localhost/t?host=/run/postgresql",
        ] {
            assert_eq!(look(url), (false, false, false), "{url}");
        }
    }

    #[test]
    fn a_password_may_stand_in_several_places() {
        assert!(!look("postgres://u@db/t").1 && !look("postgres://u:@db/t").1);
        assert!(look("postgres://u@db/t?password=p").1 && look("postgres://u@db/t?sslcert=c").1);
        let elsewhere = |name: &str| (name == "PGPASSWORD").then(|| "p".to_owned());
        let address = PostgresAddress::look_at("postgres://u@db/t", elsewhere).unwrap();
        assert!(address.is_secret);
    }
}
