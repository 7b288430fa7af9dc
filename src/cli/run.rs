//! `ringgate run`: the proxy itself.

use std::process::ExitCode;

use super::{ConfigurationFile, load};
use crate::{log, run};

pub(super) fn run(file: &ConfigurationFile) -> anyhow::Result<ExitCode> {
    let loaded = match load(file) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let _log = log::init(loaded.config.log)?;
    for warning in &loaded.problems.warnings {
        let (key, line) = (warning.key.as_str(), warning.line);
        tracing::warn!(
            key,
            line,
            problem = warning.problem.as_str(),
            remedy = warning.remedy.as_str(),
            "configuration"
        );
    }
    run::start(loaded.config)
}
