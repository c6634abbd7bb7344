//! Addresses of hospitals, as written in profiles and on the command line.

use tierlink_codec::Transport;

/// Where a hospital is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address with `mllp://` or `mllps://`.
    Mllp {
        /// Host name or IP address.
        host: String,
        /// TCP port of the listener.
        port: u16,
        /// Whether it uses TLS (`mllps`).
        tls: bool,
    },
    /// An address with `http://` or `https://`.
    Http {
        /// The URL, including scheme and path.
        url: String,
    },
}

impl Address {
    /// How bytes travel there.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        match self {
            Self::Mllp { .. } => Transport::Mllp,
            Self::Http { .. } => Transport::Http,
        }
    }

    /// Reads an address.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        match scheme {
            "mllp" | "mllps" => {
                let (host, port) = rest.trim_end_matches('/').rsplit_once(':')?;
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let port = port.parse().ok().filter(|port| *port != 0)?;
                (!host.is_empty()).then(|| Self::Mllp {
                    host: host.to_owned(),
                    port,
                    tls: scheme == "mllps",
                })
            }
            "http" | "https" => {
                reqwest::Url::parse(text).ok().filter(reqwest::Url::has_host)?;
                Some(Self::Http { url: text.to_owned() })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_and_where() {
        let mllp = |host: &str, port, tls| Some(Address::Mllp { host: host.to_owned(), port, tls });
        let http = |url: &str| Some(Address::Http { url: url.to_owned() });

        assert_eq!(Address::read("mllp://10.1.2.3:2575"), mllp("10.1.2.3", 2575, false));
        assert_eq!(Address::read("mllps://his.example:2576/"), mllp("his.example", 2576, true));
        assert_eq!(Address::read("mllp://[::1]:2575"), mllp("::1", 2575, false));
        assert_eq!(Address::read("https://his.example/fhir"), http("https://his.example/fhir"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["", "his", "mllp://his", "mllp://his:0", "mllp://:2575", "ftp://his:21", "http://"]
        {
            assert_eq!(Address::read(text), None, "{text}");
        }
    }
}
