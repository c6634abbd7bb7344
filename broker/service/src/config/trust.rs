//! Whom the broker trusts: what the ways to its servers must be like.

use std::net::IpAddr;

use tierlink_schemas::Problem;
use tierlink_store::PostgresAddress;

use super::codes::INVALID;
use super::settings::{Allowed, Settings};

/// Adds what is wrong with the ways to the database and to RabbitMQ. `variable` reads the
/// environment.
pub(super) fn check(
    settings: &Settings,
    variable: impl Fn(&str) -> Option<String>,
    problems: &mut Vec<Problem>,
) {
    let allowed = |what| settings.allow.contains(&what);
    let mut refuse = |field: &str, text: &str| problems.push(Problem::new(INVALID, field, text));
    let url = &settings.store.url;
    let postgres = url.starts_with("postgres").then(|| PostgresAddress::look_at(url, variable));
    if let Some(address) = postgres.flatten().filter(|address| address.is_remote) {
        if !address.is_secret && !allowed(Allowed::PostgresWithoutPassword) {
            refuse(
                "store.url",
                "names a PostgreSQL on another machine without a password; set TIERLINK_STORE with \
                 one, or PGPASSWORD, or write allow = [\"postgres-without-password\"]",
            );
        }
        if !address.is_checked && !allowed(Allowed::PostgresUnchecked) {
            refuse(
                "store.url",
                "names a PostgreSQL on another machine whose certificate is not checked; write \
                 sslmode=verify-full and sslrootcert=FILE, or allow = [\"postgres-unchecked\"]",
            );
        }
    }
    if is_remote_guest(&settings.bus.url) && !allowed(Allowed::RabbitmqGuest) {
        refuse(
            "bus.url",
            "uses guest on another machine, whose password everybody knows; make a user as \
             ops/rabbitmq/README.md says, or write allow = [\"rabbitmq-guest\"]",
        );
    }
}

/// Whether this is a RabbitMQ on another machine where we are `guest`, as somebody who names no
/// user is.
fn is_remote_guest(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://").filter(|(scheme, _)| scheme.starts_with("amqp"))
    else {
        return false;
    };
    let server = rest.split(['/', '?']).next().unwrap_or_default();
    let (login, host) = server.rsplit_once('@').unwrap_or(("", server));
    let user = login.split(':').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let local = host.is_empty()
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    !local && (user.is_empty() || user == "guest")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(store: &str, bus: &str, allow: &str) -> Vec<String> {
        let text = format!(
            "allow = [{allow}]\n[county]\nname = \"Test\"\n[store]\nurl = \"{store}\"\n\
             [bus]\nurl = \"{bus}\"\n"
        );
        let mut problems = Vec::new();
        check(&toml::from_str(&text).unwrap(), |_| None, &mut problems);
        problems.into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn servers_on_other_machines_need_a_password_that_nobody_knows_and_a_certificate() {
        let store = "postgres://tierlink@db.example.invalid/t?sslmode=require";
        let none = Vec::<String>::new();

        assert_eq!(
            fields(store, "amqp://guest:guest@rabbit.example.invalid/t", ""),
            ["store.url", "store.url", "bus.url"]
        );
        assert_eq!(fields("sqlite:t.db", "amqps://rabbit.example.invalid:5671", ""), ["bus.url"]);
        let named = "\"postgres-without-password\", \"postgres-unchecked\", \"rabbitmq-guest\"";
        assert_eq!(fields(store, "amqp://guest:guest@rabbit.example.invalid/t", named), none);
        let safe = "postgres://tierlink:secret@db.example.invalid/t";
        assert_eq!(fields(safe, "amqps://tierlink:secret@rabbit.example.invalid/t", ""), none);
        assert_eq!(
            fields("postgres://t@localhost/t", "amqp://guest:guest@127.0.0.1:5672", ""),
            none
        );
    }

    #[test]
    fn a_name_that_nothing_is_allowed_by_is_an_error() {
        let text =
            "allow = [\"everything\"]\n[county]\nname = \"T\"\n[store]\nurl = \"sqlite:t\"\n";

        assert!(toml::from_str::<Settings>(text).is_err());
    }
}
