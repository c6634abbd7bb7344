//! `tierlink check`.

use std::process::ExitCode;

use super::{ConfigFile, print};
use crate::config::Config;

pub fn run(file: &ConfigFile) -> ExitCode {
    match Config::load(&file.path()) {
        Ok(config) => {
            print::line(&format!(
                "{}: {} organisations, no problems.",
                file.path().display(),
                config.profiles.len()
            ));
            ExitCode::SUCCESS
        }
        Err(error) => {
            for problem in &error.0 {
                print::line(&problem.to_string());
            }
            print::error(&error.to_string());
            ExitCode::from(2)
        }
    }
}
