//! `tierlink check`.

use std::process::ExitCode;

use tierlink_codec::profile::PEOPLE;

use super::{ConfigFile, print};
use crate::codecs::codecs;
use crate::config::{Config, ConfigError};
use crate::secret_files;

pub fn run(file: &ConfigFile) -> ExitCode {
    match Config::load(&file.path()) {
        Ok(config) => {
            let problems = secret_files::problems(&config);
            if !problems.is_empty() {
                return refuse(&ConfigError(problems));
            }
            print::line(&format!(
                "{}: {} organisations with {} systems, no problems.",
                file.path().display(),
                config.profiles.len(),
                config.systems().count()
            ));
            print::line(&format!("Formats: {}, {PEOPLE}.", codecs().names().join(", ")));
            ExitCode::SUCCESS
        }
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &ConfigError) -> ExitCode {
    for problem in &error.0 {
        print::line(&problem.to_string());
    }
    print::error(&error.to_string());
    ExitCode::from(2)
}
