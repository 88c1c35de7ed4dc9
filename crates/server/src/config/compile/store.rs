//! Where apps, credentials and replay entries are kept.

use std::ops::Range;
use std::path::{Path, PathBuf};

use countersign_core::error::StoreError;
use countersign_protocol::Secret;
use toml::Spanned;

use crate::config::written::store::{WrittenSecret, WrittenSecrets, WrittenStore, WrittenStoreTable};
use crate::config::{Config, ConfigError};
use crate::store::{Replay, StoreFiles, Stores};

/// The stores that a configuration names; files that it does not name are in its data folder, or in this one.
pub(in crate::config) fn stores(config: &Config, data: &Path) -> Result<Stores, ConfigError> {
    let written = &config.written;
    let mut stores = Stores::within(written.data.as_deref().unwrap_or(data));
    if let Some(key) = &written.master_key {
        stores.files.master_key.clone_from(key);
    }
    match written.store.as_ref().map(Spanned::get_ref) {
        None => {}
        Some(WrittenStore::File(file)) => name_file(&mut stores.files, file),
        Some(WrittenStore::Table(table)) => Reader { config, table }.read(&mut stores)?,
    }
    Ok(stores)
}

fn name_file(files: &mut StoreFiles, store: &Path) {
    store.clone_into(&mut files.store);
    files.replay = store.with_extension("replay.db");
}

#[cfg(feature = "postgres")]
fn check_postgres(url: &str) -> Result<(), StoreError> {
    countersign_core::store::PostgresStore::check_url(url)
}

/// That the feature is left out is told when the store is opened.
#[cfg(not(feature = "postgres"))]
fn check_postgres(_: &str) -> Result<(), StoreError> {
    Ok(())
}

#[cfg(feature = "redis")]
fn check_redis(url: &str) -> Result<(), StoreError> {
    countersign_core::redis::RedisLink::check_url(url)
}

#[cfg(not(feature = "redis"))]
fn check_redis(_: &str) -> Result<(), StoreError> {
    Ok(())
}

struct Reader<'a> {
    config: &'a Config,
    table: &'a WrittenStoreTable,
}

impl Reader<'_> {
    fn read(&self, stores: &mut Stores) -> Result<(), ConfigError> {
        let table = self.table;
        if let Some(file) = &table.file {
            name_file(&mut stores.files, file);
        }
        stores.postgres = self.postgres()?;
        stores.redis = self.redis()?;
        stores.replay = self.replay(!stores.redis.is_empty())?;
        if let Some(timeout) = table.timeout {
            (stores.postgres_timeout, stores.redis_timeout) = (timeout.0, timeout.0);
        }
        stores.stale = table.stale.map_or(stores.stale, |span| span.0);
        stores.clock_skew = table.clock_skew.map_or(stores.clock_skew, |span| span.0);
        stores.limits.total = table.entries.map_or(stores.limits.total, Into::into);
        stores.limits.per_app = table.entries_per_app.map_or(stores.limits.total.div_ceil(10), Into::into);
        Ok(())
    }

    fn error<T>(&self, at: &Spanned<T>, fault: impl Into<String>, mend: &str) -> ConfigError {
        self.config.error(at.span().start, fault, mend)
    }

    fn postgres(&self) -> Result<Option<Secret>, ConfigError> {
        let table = self.table;
        let written = table.postgres.as_ref().map(|url| url.get_ref().0.clone());
        let url = self.one_of("postgres", written, table.postgres_file.as_ref(), table.postgres_variable.as_ref())?;
        if let Some(url) = &url {
            let places = [table.postgres.as_ref().map(Spanned::span), table.postgres_file.as_ref().map(Spanned::span)];
            self.checked(url, places, table.postgres_variable.as_ref(), check_postgres)?;
        }
        Ok(url)
    }

    /// A URL that leads nowhere is told here, with its line, and not at the start.
    fn checked(
        &self,
        url: &Secret,
        places: [Option<Range<usize>>; 2],
        variable: Option<&Spanned<String>>,
        check: fn(&str) -> Result<(), StoreError>,
    ) -> Result<(), ConfigError> {
        let place = places.into_iter().flatten().next().or_else(|| variable.map(Spanned::span)).unwrap_or_default();
        let text = std::str::from_utf8(url.expose()).unwrap_or_default();
        match check(text) {
            Err(StoreError::Invalid { field, fault, mend }) => Err(self.config.error(place.start, format!("{field}: {fault}"), mend)),
            _ => Ok(()),
        }
    }

    fn redis(&self) -> Result<Vec<Secret>, ConfigError> {
        let table = self.table;
        let several = match table.redis.as_ref().map(|urls| (urls, urls.get_ref())) {
            Some((_, WrittenSecrets::One(url))) => vec![url.0.clone()],
            Some((urls, WrittenSecrets::Several(list))) if list.is_empty() => {
                return Err(self.error(urls, "redis names no server", "write one URL, or those of several nodes of a cluster"));
            }
            Some((_, WrittenSecrets::Several(list))) => list.iter().map(|WrittenSecret(url)| url.clone()).collect(),
            None => Vec::new(),
        };
        let elsewhere = self.one_of("redis", several.first().cloned(), table.redis_file.as_ref(), table.redis_variable.as_ref())?;
        let urls = if several.is_empty() { elsewhere.into_iter().collect() } else { several };
        for url in &urls {
            let places = [table.redis.as_ref().map(Spanned::span), table.redis_file.as_ref().map(Spanned::span)];
            self.checked(url, places, table.redis_variable.as_ref(), check_redis)?;
        }
        Ok(urls)
    }

    /// A URL that stands in the configuration, in a file, or in the environment, so that a password need not stand here.
    fn one_of(
        &self,
        name: &str,
        written: Option<Secret>,
        file: Option<&Spanned<PathBuf>>,
        variable: Option<&Spanned<String>>,
    ) -> Result<Option<Secret>, ConfigError> {
        let twice = |at: usize| {
            self.config.error(at, format!("{name} is named twice"), format!("keep one of {name}, {name}_file and {name}_variable"))
        };
        match (written, file, variable) {
            (Some(_), Some(file), _) => Err(twice(file.span().start)),
            (Some(_), None, Some(variable)) | (None, Some(_), Some(variable)) => Err(twice(variable.span().start)),
            (Some(written), None, None) => Ok(Some(written)),
            (None, Some(file), None) => self.read_file(file).map(Some),
            (None, None, Some(variable)) => self.read_variable(variable).map(Some),
            (None, None, None) => Ok(None),
        }
    }

    fn read_file(&self, file: &Spanned<PathBuf>) -> Result<Secret, ConfigError> {
        let text = std::fs::read(file.get_ref());
        let text = text.map_err(|error| {
            self.error(file, format!("{}: {error}", file.get_ref().display()), "name a readable file that holds the URL")
        })?;
        Ok(Secret::new(text.trim_ascii()))
    }

    fn read_variable(&self, variable: &Spanned<String>) -> Result<Secret, ConfigError> {
        let text = std::env::var(variable.get_ref());
        let text =
            text.map_err(|_| self.error(variable, format!("the variable {} is not set", variable.get_ref()), "set it to the URL"))?;
        Ok(Secret::from(text.as_str()))
    }

    fn replay(&self, has_redis: bool) -> Result<Replay, ConfigError> {
        let Some(written) = &self.table.replay else { return Ok(if has_redis { Replay::Redis } else { Replay::Embedded }) };
        match written.get_ref().as_str() {
            "embedded" => Ok(Replay::Embedded),
            "memory" => Ok(Replay::Memory),
            "redis" if has_redis => Ok(Replay::Redis),
            "redis" => {
                Err(self.error(written, "replay entries go to redis, and no redis is named", "write `redis = \"redis://host:port/\"` too"))
            }
            other => Err(self.error(written, format!("`{other}` is no replay guard"), "write embedded, memory or redis")),
        }
    }
}
