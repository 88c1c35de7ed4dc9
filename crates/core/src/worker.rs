//! One thread per database: jobs come through a bounded queue, and all that are waiting are committed together.
//!
//! Callers on a single-threaded runtime await an answer and never touch the disk. An answer is given only after the
//! commit that holds it.

use std::fmt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::private_file;
use crate::store::Answer;

/// Jobs that may wait.
const QUEUE: usize = 4_096;
/// Jobs that share one commit.
const GROUP: usize = 256;
/// How long another process may hold the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What tells the caller, once it is known whether the group was committed.
type Reply = Box<dyn FnOnce(bool) + Send>;
type Run<S> = Box<dyn FnOnce(&Connection, &mut S) -> Reply + Send>;

struct Job<S> {
    writes: bool,
    run: Run<S>,
}

/// What a worker keeps in memory beside its database, and how that is made from it.
pub(crate) trait State: Sized + Send + 'static {
    /// Reads it from the database: at the start, and again after a commit that failed.
    fn load(connection: &Connection) -> Result<Self, StoreError>;
}

impl State for () {
    fn load(_: &Connection) -> Result<Self, StoreError> {
        Ok(())
    }
}

/// The thread and the way to it. Dropping it finishes what is queued and closes the database.
pub(crate) struct Worker<S: State> {
    queue: Option<SyncSender<Job<S>>>,
    thread: Option<JoinHandle<()>>,
}

impl<S: State> Worker<S> {
    pub(crate) fn start(name: &str, connection: Connection) -> Result<Self, StoreError> {
        let state = S::load(&connection)?;
        let (queue, jobs) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || serve(connection, state, &jobs));
        let thread = thread.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Runs a job that only reads.
    pub(crate) fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection, &mut S) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        self.send(false, job)
    }

    /// Runs a job that writes with one statement, or with several that may stand alone.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection, &mut S) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        self.send(true, job)
    }

    /// Runs a job that writes all or nothing.
    pub(crate) fn write_whole<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection, &mut S) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        self.send(true, move |connection, state| {
            connection.execute_batch("SAVEPOINT job")?;
            let result = job(connection, state);
            connection.execute_batch(if result.is_ok() { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" })?;
            result
        })
    }

    fn send<T: Send + 'static>(
        &self,
        writes: bool,
        job: impl FnOnce(&Connection, &mut S) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        let (answer, answered) = oneshot::channel();
        let run = Box::new(move |connection: &Connection, state: &mut S| -> Reply {
            let result = job(connection, state);
            // A caller that no longer waits is no fault.
            Box::new(move |committed| drop(answer.send(if committed { result } else { Err(not_committed()) })))
        });
        let sent = match self.queue.as_ref().map(|queue| queue.try_send(Job { writes, run })) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(StoreError::Busy),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(ended()),
        };
        Box::pin(async move {
            sent?;
            answered.await.unwrap_or_else(|_| Err(ended()))
        })
    }
}

impl<S: State> Drop for Worker<S> {
    fn drop(&mut self) {
        drop(self.queue.take());
        // The thread closes the database; a thread that panicked has closed it too.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

impl<S: State> fmt::Debug for Worker<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Worker")
    }
}

/// Whether other processes may use a database at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// They may, one writing after the other.
    Shared,
    /// They may not.
    Alone,
}

/// Opens a private database file with a write-ahead log that is synced at each commit.
pub(crate) fn connect(path: &Path, sharing: Sharing) -> Result<Connection, StoreError> {
    private_file::ensure(path)?;
    let connection = Connection::open(path)?;
    match sharing {
        Sharing::Shared => connection.busy_timeout(BUSY_TIMEOUT)?,
        Sharing::Alone => {
            connection.busy_timeout(Duration::ZERO)?;
            connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        }
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Brings the schema to its last version, each step in a transaction that no other process can interleave.
pub(crate) fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    for step in steps.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    Ok(transaction.commit()?)
}

fn serve<S: State>(connection: Connection, state: S, jobs: &Receiver<Job<S>>) {
    let mut state = Some(state);
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        group.extend(jobs.try_iter().take(GROUP - 1));
        if state.is_none() {
            state = S::load(&connection).ok();
        }
        let (replies, committed) = match &mut state {
            Some(state) => run(&connection, state, group),
            None => (Vec::new(), false),
        };
        if !committed {
            state = None;
        }
        for reply in replies {
            reply(committed);
        }
    }
    if let Err((_, error)) = connection.close() {
        tracing::warn!(%error, "a store did not close cleanly");
    }
}

fn run<S: State>(connection: &Connection, state: &mut S, group: Vec<Job<S>>) -> (Vec<Reply>, bool) {
    let writes = group.iter().any(|job| job.writes);
    if writes && let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        tracing::error!(%error, "a store cannot be written");
        // The jobs are dropped: their callers are told that the store does not answer.
        return (Vec::new(), false);
    }
    let mut replies = Vec::with_capacity(group.len());
    for job in group {
        replies.push((job.run)(connection, state));
        // After some faults, such as a full disk, SQLite rolls the whole group back by itself. A further job would stand alone: it would stay,
        // although its caller is told that it does not.
        if writes && connection.is_autocommit() {
            tracing::error!("a store rolled back by itself");
            return (replies, false);
        }
    }
    if !writes {
        return (replies, true);
    }
    let committed = connection.execute_batch("COMMIT");
    if let Err(error) = &committed {
        tracing::error!(%error, "a store cannot be written");
        // After some faults SQLite has rolled back by itself, and there is nothing left to undo.
        drop(connection.execute_batch("ROLLBACK"));
    }
    (replies, committed.is_ok())
}

fn ended() -> StoreError {
    StoreError::Unavailable("the store does not answer".to_owned())
}

fn not_committed() -> StoreError {
    StoreError::Unavailable("the store could not be written".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker() -> Worker<()> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)").unwrap();
        Worker::start("test", connection).unwrap()
    }

    /// A job that has begun, and lasts until something is sent.
    fn hold(worker: &Worker<()>) -> (std::sync::mpsc::Sender<()>, Answer<'static, ()>) {
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let (started, start) = std::sync::mpsc::channel::<()>();
        let held = worker.read(move |_, ()| {
            started.send(()).map_err(|_| ended())?;
            wait.recv().map_err(|_| ended())
        });
        start.recv().unwrap();
        (release, held)
    }

    async fn count(worker: &Worker<()>) -> i64 {
        worker.read(|db, ()| Ok(db.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)).await.unwrap()
    }

    #[tokio::test]
    async fn a_whole_job_that_fails_leaves_nothing() {
        let worker = worker();
        let failed = worker.write_whole(|db, ()| {
            db.execute("INSERT INTO t VALUES (1)", [])?;
            Err::<(), _>(StoreError::Busy)
        });
        assert_eq!(failed.await, Err(StoreError::Busy));
        assert_eq!(count(&worker).await, 0);
    }

    #[tokio::test]
    async fn one_job_of_a_group_fails_alone() {
        let worker = worker();
        let insert = |n: i64| worker.write(move |db, ()| Ok(db.execute("INSERT INTO t VALUES (?1)", [n])?));
        let (a, twice, b) = tokio::join!(insert(1), insert(1), insert(2));
        assert!(a.is_ok() && twice.is_err() && b.is_ok());
        assert_eq!(count(&worker).await, 2);
    }

    #[tokio::test]
    async fn after_a_rollback_of_its_own_nothing_of_the_group_stays() {
        let worker = worker();
        let (release, held) = hold(&worker);
        let insert = |n: i64| worker.write(move |db, ()| Ok(db.execute("INSERT INTO t VALUES (?1)", [n])?));
        // A conflict that is resolved by ROLLBACK ends the transaction, as a full disk does.
        let (before, rolls_back) = (insert(1), worker.write(|db, ()| Ok(db.execute("INSERT OR ROLLBACK INTO t VALUES (1)", [])?)));
        let after = insert(2);
        release.send(()).unwrap();
        held.await.unwrap();
        assert!(before.await.is_err() && rolls_back.await.is_err() && after.await.is_err());
        assert_eq!(count(&worker).await, 0);
        assert!(insert(3).await.is_ok());
        assert_eq!(count(&worker).await, 1);
    }

    #[tokio::test]
    async fn a_full_queue_answers_at_once() {
        let worker = worker();
        let (release, held) = hold(&worker);
        let queued: Vec<_> = (0..QUEUE + 2).map(|_| worker.read(|_, ()| Ok(()))).collect();
        let mut refused = 0;
        release.send(()).unwrap();
        held.await.unwrap();
        for answer in queued {
            refused += usize::from(answer.await == Err(StoreError::Busy));
        }
        assert_eq!(refused, 2);
    }

    #[tokio::test]
    async fn a_later_schema_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &["CREATE TABLE a (x)", "CREATE TABLE b (x)"]).unwrap();
        migrate(&mut connection, &["CREATE TABLE a (x)", "CREATE TABLE b (x)"]).unwrap();
        assert_eq!(migrate(&mut connection, &["CREATE TABLE a (x)"]), Err(StoreError::NewerSchema { found: 2, known: 1 }));
    }
}
