//! Looks how long certificates are good, and tells well before one ends.
//!
//! ```text
//!   files in the configuration ─┐
//!                               ├─▶ tierlink_core::certificate ─▶ log, figure, `tierlink doctor`
//!   seen in handshakes ─────────┘
//! ```
//!
//! Our own are those that listeners and destinations show, and the authorities that we trust; the
//! destinations' are known once something was delivered. Each is told 30, 14, 7 and 1 days before,
//! and when it has ended.
//!
//! Deliberately absent: what an ended certificate leads to. TLS refuses it without being asked.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tierlink_core::certificate::{Nearness, is_news, nearness};
use tierlink_edge::environment::Environment;
use tierlink_edge::figures::LaneFigures;
use tierlink_schemas::Code;
use tierlink_socket::certificates::{first_end, last_end};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::config::Config;
use crate::current_config::CurrentConfig;

/// Error code: a certificate ends soon, or has ended.
pub const ENDS_SOON: Code = Code::new("E056");
/// How often files and handshakes are looked at.
const LOOK_EVERY: Duration = Duration::from_mins(5);

/// A certificate and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What it is, in the words of the configuration.
    pub what: String,
    /// When it ends.
    pub ends_at: Timestamp,
}

/// Something to tell about a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What is told, without the code.
    pub text: String,
    /// How near its end is.
    pub nearness: Nearness,
}

/// Follows the certificates of this process.
pub struct CertificateWatch {
    current_config: Arc<CurrentConfig>,
    figures: Arc<LaneFigures>,
    environment: Arc<dyn Environment>,
    told: HashMap<String, (Timestamp, Nearness)>,
}

impl CertificateWatch {
    /// Begins to watch.
    #[must_use]
    pub fn new(
        current_config: Arc<CurrentConfig>,
        figures: Arc<LaneFigures>,
        environment: Arc<dyn Environment>,
    ) -> Self {
        Self { current_config, figures, environment, told: HashMap::new() }
    }

    /// Looks again and again until told to stop, and at once after a reload.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut changes = self.current_config.changes();
        loop {
            for News { text, nearness } in self.look() {
                match nearness {
                    Nearness::Far | Nearness::Within(std::cmp::Reverse(2..)) => {
                        warn!(code = %ENDS_SOON, "{text}");
                    }
                    Nearness::Within(_) | Nearness::Over => error!(code = %ENDS_SOON, "{text}"),
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                _ = changes.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// What must be told now and was not told before.
    pub fn look(&mut self) -> Vec<News> {
        let now = self.environment.now();
        let config = self.current_config.load();
        let mut all = own(&config);
        let seen = self.figures.certificates().into_iter();
        all.extend(
            seen.filter(|(lane, _)| config.system(lane).is_some()).map(|(lane, ends_at)| Known {
                what: format!("the certificate of {lane}"),
                ends_at,
            }),
        );
        let next = all.iter().map(|known| known.ends_at).min();
        metrics::gauge!("tierlink_certificate_expires_timestamp_seconds")
            .set(next.map_or(f64::INFINITY, |at| at.as_duration().as_secs_f64()));
        let mut news = Vec::new();
        let mut told = HashMap::with_capacity(all.len());
        for known in all {
            let near = nearness(known.ends_at, now);
            let before =
                self.told.get(&known.what).filter(|(ends_at, _)| *ends_at == known.ends_at);
            let before = before.map(|(_, near)| *near);
            if is_news(before, near)
                && let Some(text) = text(&known, now)
            {
                news.push(News { text, nearness: near });
            }
            // A clock that was set back tells nothing twice.
            let graver = before.map_or(near, |before| before.max(near));
            told.insert(known.what, (known.ends_at, graver));
        }
        self.told = told;
        news
    }
}

/// What to say about a certificate that ends soon or has ended; `None` for every other.
#[must_use]
pub fn text(known: &Known, now: Timestamp) -> Option<String> {
    let Known { what, ends_at } = known;
    let zone = TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC);
    let on = ends_at.to_zoned(zone).strftime("%Y-%m-%d %H:%M");
    match nearness(*ends_at, now) {
        Nearness::Far => None,
        Nearness::Within(_) => {
            let days = now.duration_until(*ends_at).as_hours() / 24;
            Some(format!(
                "{} ends on {on}, in {days} day(s); have it renewed before. See \
                 ops/runbooks/TierLinkCertificateExpires.md.",
                capital(what)
            ))
        }
        Nearness::Over => Some(format!(
            "{} ended on {on}; whoever checks it lets nobody in. See \
             ops/runbooks/TierLinkCertificateExpires.md.",
            capital(what)
        )),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The certificates that the configuration names. One that cannot be read is told where it is used.
#[must_use]
pub fn own(config: &Config) -> Vec<Known> {
    let mut found = Vec::new();
    let read = |path: &Path| std::fs::read(config.path(path)).unwrap_or_default();
    let mut shown = |what: String, path: &Path| {
        found.extend(first_end(&read(path)).map(|ends_at| Known { what, ends_at }));
    };
    let settings = &config.settings;
    if let Some(tls) = settings.http.as_ref().and_then(|http| http.tls.as_ref()) {
        shown("the certificate of the HTTP listener".to_owned(), &tls.certificate);
    }
    for listener in &settings.mllp {
        if let Some(tls) = &listener.tls {
            let what = format!("the certificate of the MLLP listener {}", listener.name);
            shown(what, &tls.certificate);
        }
    }
    for system in config.systems() {
        if let Some(path) = &system.outbound.identity {
            shown(format!("our certificate for {}", system.lane()), Path::new(path));
        }
    }
    // A list holds an old authority beside the new one while both are in use, so the last counts.
    let mut trusted = |what: String, path: &Path| {
        found.extend(last_end(&read(path)).map(|ends_at| Known { what, ends_at }));
    };
    if let Some(path) = &settings.bus.authorities {
        trusted("the authority for RabbitMQ".to_owned(), path);
    }
    let tls = settings.mllp.iter().filter_map(|it| it.tls.as_ref());
    let tls = tls.chain(settings.http.as_ref().and_then(|http| http.tls.as_ref()));
    for path in tls.filter_map(|tls| tls.client_authorities.as_ref()) {
        trusted(format!("the authority of callers in {}", path.display()), path);
    }
    for system in config.systems() {
        if let Some(path) = &system.outbound.authorities {
            trusted(format!("the authority for {}", system.lane()), Path::new(path));
        }
    }
    found.sort_by(|a, b| a.what.cmp(&b.what));
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap as Map;
    use std::sync::atomic::{AtomicI64, Ordering};

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use uuid::Uuid;

    use super::*;

    /// A clock that stands where it was put.
    #[derive(Default)]
    struct SetClock(AtomicI64);

    impl Environment for SetClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
        }

        fn random(&self) -> f64 {
            0.0
        }

        fn id(&self) -> Uuid {
            Uuid::nil()
        }
    }

    /// A certificate and its key that end at the beginning of this day.
    fn papers(year: i32, month: u8, day: u8) -> String {
        let mut params = CertificateParams::new(vec!["tierlink".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, month, day);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        format!("{}{}", certificate.pem(), key.serialize_pem())
    }

    fn county(folder: &Path) -> Config {
        let county = "[county]\nname = \"龙溪县\"\nlead = \"330199001\"\n\
                      [store]\nurl = \"sqlite:tierlink.db\"\n";
        let profile = "[organisation]\ncode = \"330199001\"\nname = \"龙溪县人民医院\"\n\
                       tier = \"county\"\n[format]\nname = \"fhir\"\n[outbound]\n\
                       address = \"https://his.example.invalid\"\nidentity = \"ours.pem\"\n\
                       authorities = \"theirs.pem\"\n";
        std::fs::create_dir_all(folder.join("profiles")).unwrap();
        std::fs::write(folder.join("county.toml"), county).unwrap();
        std::fs::write(folder.join("profiles/lead.toml"), profile).unwrap();
        Config::load(&folder.join("county.toml")).unwrap()
    }

    #[test]
    fn the_end_of_a_certificate_is_told_thirty_fourteen_seven_and_one_day_before() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ours.pem"), papers(2030, 6, 30)).unwrap();
        std::fs::write(folder.path().join("theirs.pem"), papers(2040, 1, 1)).unwrap();
        let clock = Arc::new(SetClock::default());
        let figures = Arc::new(LaneFigures::default());
        let config = Arc::new(CurrentConfig::new(county(folder.path())));
        let mut watch =
            CertificateWatch::new(config, Arc::clone(&figures), Arc::<SetClock>::clone(&clock));
        let theirs: Timestamp = "2030-06-20T00:00:00Z".parse().unwrap();
        figures.saw_certificate(&"330199001".parse().unwrap(), theirs);
        let end: Timestamp = "2030-06-30T00:00:00Z".parse().unwrap();

        let mut told: Map<String, Vec<i64>> = Map::new();
        for hours in (0..=24 * 60).rev() {
            clock.0.store(end.as_second() - hours * 3_600, Ordering::Relaxed);
            for news in watch.look() {
                let (what, _) = news.text.split_once(" end").unwrap();
                told.entry(what.to_owned()).or_default().push(hours / 24);
            }
        }

        assert_eq!(told["Our certificate for 330199001"], [30, 14, 7, 1, 0]);
        assert_eq!(told["The certificate of 330199001"], [40, 24, 17, 11, 10]);
        assert_eq!(told.len(), 2, "the authority is good for long: {told:?}");
    }

    #[test]
    fn a_renewed_certificate_is_no_news_until_its_own_end_is_near() {
        let folder = tempfile::tempdir().unwrap();
        let ours = folder.path().join("ours.pem");
        std::fs::write(&ours, papers(2030, 6, 30)).unwrap();
        std::fs::write(folder.path().join("theirs.pem"), papers(2040, 1, 1)).unwrap();
        let clock = Arc::new(SetClock::default());
        let at = |text: &str| {
            let at: Timestamp = text.parse().unwrap();
            clock.0.store(at.as_second(), Ordering::Relaxed);
        };
        let config = Arc::new(CurrentConfig::new(county(folder.path())));
        let mut watch =
            CertificateWatch::new(config, Arc::default(), Arc::<SetClock>::clone(&clock));
        at("2030-06-29T12:00:00Z");
        assert_eq!(watch.look().len(), 1);
        assert_eq!(watch.look(), [], "told once");

        std::fs::write(&ours, papers(2032, 6, 30)).unwrap();
        let renewed = watch.look();
        at("2032-06-25T00:00:00Z");
        let later = watch.look();

        assert_eq!(renewed, []);
        assert_eq!(later.len(), 1);
    }
}
