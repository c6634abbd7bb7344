//! Whom the broker trusts: the ways to its servers, and the secrets beside its configuration.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tierlink_edge::secrets;
use tierlink_schemas::Problem;
use tierlink_store::PostgresAddress;

use super::codes::{INVALID, UNREADABLE};
use super::settings::{Allowed, Settings, TlsSettings};
use super::Config;

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

/// Everything that is wrong with the secrets and certificates that a configuration names: they are
/// not there, or anybody on the machine may read them.
///
/// Only `tierlink check` asks: one hospital's missing secret must not keep the broker from starting
/// for all others, whose lane says so instead.
#[must_use]
pub fn secret_problems(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut systems: Vec<_> = config.systems().collect();
    systems.sort_by_key(|system| system.lane());
    for system in systems {
        let Some(name) = &system.outbound.token_secret else { continue };
        let field = format!("{}: outbound.token_secret", system.lane());
        if secrets::read(&config.folder, name).is_none() {
            let variable = secrets::variable(name);
            let text = format!(
                "names a secret that is not there; write it into secrets/{name} beside the \
                 configuration, or set {variable}"
            );
            problems.push(Problem::new(INVALID, field, text));
        } else {
            expect_private(&field, &config.folder.join("secrets").join(name), &mut problems);
        }
    }
    let http = config.settings.http.as_ref().and_then(|http| http.tls.as_ref());
    let mllp = config.settings.mllp.iter().filter_map(|mllp| mllp.tls.as_ref());
    for (name, tls) in http.map(|tls| ("http.tls", tls)).into_iter().chain(mllp.map(|tls| ("mllp.tls", tls))) {
        check_listener(config, name, tls, &mut problems);
    }
    if let Some(path) = &config.settings.bus.authorities {
        expect_readable("bus.authorities", &config.path(path), &mut problems);
    }
    problems
}

fn check_listener(
    config: &Config,
    name: &str,
    tls: &TlsSettings,
    problems: &mut Vec<Problem>,
) {
    expect_readable(&format!("{name}.certificate"), &config.path(&tls.certificate), problems);
    if let Some(authorities) = &tls.client_authorities {
        let field = format!("{name}.client_authorities");
        expect_readable(&field, &config.path(authorities), problems);
    }
    let (field, key): (String, PathBuf) = (format!("{name}.key"), config.path(&tls.key));
    if expect_readable(&field, &key, problems) {
        expect_private(&field, &key, problems);
    }
}

fn expect_readable(field: &str, path: &Path, problems: &mut Vec<Problem>) -> bool {
    let outcome = std::fs::File::open(path);
    if let Err(error) = &outcome {
        let text = format!("{} cannot be read ({})", path.display(), error.kind());
        problems.push(Problem::new(UNREADABLE, field, text));
    }
    outcome.is_ok()
}

/// A group may read a secret, as that of the service does; everybody may not. A secret that comes
/// from the environment has no file.
fn expect_private(field: &str, path: &Path, problems: &mut Vec<Problem>) {
    let Ok(metadata) = std::fs::metadata(path) else { return };
    if metadata.permissions().mode() & 0o007 != 0 {
        let text = format!("anybody on this machine may read it; run chmod 600 {}", path.display());
        problems.push(Problem::new(INVALID, field, text));
    }
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
        assert_eq!(fields("postgres://t@localhost/t", "amqp://guest:guest@127.0.0.1:5672", ""), none);
    }

    #[test]
    fn a_name_that_nothing_is_allowed_by_is_an_error() {
        let text = "allow = [\"everything\"]\n[county]\nname = \"T\"\n[store]\nurl = \"sqlite:t\"\n";

        assert!(toml::from_str::<Settings>(text).is_err());
    }
}
