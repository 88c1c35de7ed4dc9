//! Looking for changes by content, so that renames, links and mounts that are swapped are seen wherever files lie.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::{Reloader, Source};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// For so long a change must have come to rest: a file that is being written is not read.
const REST: Duration = Duration::from_millis(100);
/// Looks at a change that does not come to rest.
const MOST_LOOKS: u32 = 50;

impl Reloader {
    /// Reloads whenever the configuration has changed on the disk, and whenever it is asked to, until it is dropped. A
    /// configuration that was refused is tried again when it changes once more.
    pub async fn watch(self, source: Arc<Source>, asked: Arc<Notify>) {
        loop {
            let was_asked = tokio::time::timeout(PAUSE, asked.notified()).await.is_ok();
            if was_asked || has_changed(&source).await {
                let (reloader, source) = (self.clone(), Arc::clone(&source));
                // Told in the log either way.
                let _reloaded = tokio::task::spawn_blocking(move || reloader.reload(&source)).await;
            }
        }
    }
}

/// Whether something else lies on the disk than what was loaded, and has come to rest.
async fn has_changed(source: &Arc<Source>) -> bool {
    let mut last = fingerprint(source).await;
    if source.is_loaded(last) {
        return false;
    }
    for _ in 0..MOST_LOOKS {
        tokio::time::sleep(REST).await;
        let now = fingerprint(source).await;
        if now == last {
            break;
        }
        last = now;
    }
    !source.is_loaded(last)
}

async fn fingerprint(source: &Arc<Source>) -> [u8; 32] {
    let source = Arc::clone(source);
    tokio::task::spawn_blocking(move || source.fingerprint()).await.unwrap_or_default()
}
