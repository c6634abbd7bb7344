//! The secrets and certificates that a configuration names: whether they are there, and whether
//! anybody else on the machine may read them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tierlink_edge::secrets;
use tierlink_schemas::Problem;

use crate::config::{Config, INVALID, TlsSettings, UNREADABLE};

/// Everything that is wrong with the secrets and certificates that a configuration names: they are
/// not there, or anybody on the machine may read them.
///
/// Only `tierlink check` asks: one hospital's missing secret must not keep the broker from starting
/// for all others, whose lane says so instead.
#[must_use]
pub fn problems(config: &Config) -> Vec<Problem> {
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
    for (name, tls) in
        http.map(|tls| ("http.tls", tls)).into_iter().chain(mllp.map(|tls| ("mllp.tls", tls)))
    {
        check_listener(config, name, tls, &mut problems);
    }
    if let Some(path) = &config.settings.bus.authorities {
        expect_readable("bus.authorities", &config.path(path), &mut problems);
    }
    problems
}

fn check_listener(config: &Config, name: &str, tls: &TlsSettings, problems: &mut Vec<Problem>) {
    expect_readable(&format!("{name}.certificate"), &config.path(&tls.certificate), problems);
    if let Some(authorities) = &tls.client_authorities {
        let field = format!("{name}.client_authorities");
        expect_readable(&field, &config.path(authorities), problems);
    }
    let (field, key) = (format!("{name}.key"), config.path(&tls.key));
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
