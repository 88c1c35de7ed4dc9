//! Schedules of two honest clients that share their tokens, a thief, lost answers, crashes and restored databases, held against a model.
//! `PROPTEST_CASES` says how many.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

/// What happens next.
#[derive(Debug, Clone, Copy)]
enum Op {
    /// A client reads the shared tokens, refreshes, and keeps the answer there.
    Refresh,
    /// The same, and the answer is lost after the commit.
    LoseAnswer,
    /// A client calls with the shared access token.
    Use,
    /// Somebody copies the shared refresh token.
    Steal,
    /// The thief refreshes with what it stole, and keeps what it gets.
    ThiefRefreshes,
    /// The thief calls with an access token that it got.
    ThiefUses,
    /// The user logs out of the session.
    Logout,
    /// Time passes, in seconds.
    Wait(u16),
    /// The gateway is killed and started again.
    Crash,
    /// A backup is made.
    Backup,
    /// The last backup is put in the place of the database.
    Restore,
    /// Another key signs.
    RotateKeys,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => Just(Op::Refresh),
        3 => Just(Op::LoseAnswer),
        6 => Just(Op::Use),
        2 => Just(Op::Steal),
        2 => Just(Op::ThiefRefreshes),
        1 => Just(Op::ThiefUses),
        1 => Just(Op::Logout),
        4 => prop_oneof![0_u16..5, 20_u16..40, 500_u16..700, Just(20_000_u16)].prop_map(Op::Wait),
        2 => Just(Op::Crash),
        1 => Just(Op::Backup),
        1 => Just(Op::Restore),
        1 => Just(Op::RotateKeys),
    ]
}

/// Who may still come through, as far as anybody outside can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Live,
    /// A logout was answered, or a reuse.
    Ended,
}

struct World {
    folder: tempfile::TempDir,
    store: Option<Arc<SqliteStore>>,
    sessions: Option<Sessions>,
    now: i64,
    shared: Grant,
    stolen: Option<Secret>,
    loot: Option<Grant>,
    /// Whether the thief has ever presented a token: from then on honest clients may be logged out.
    attacked: bool,
    standing: Standing,
    backup: Option<(PathBuf, Standing)>,
    restored: bool,
}

const SHOP: Caller<'static> = Caller { app: "shop", key_id: Some("k"), address: None, agent: None };

/// Fast files: what is tested is not the disk.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

impl World {
    async fn new() -> Self {
        let folder = folder();
        let store = Arc::new(open(folder.path()));
        let user = store.add_user(NewUser::new("ada", None), at(NOW)).await.unwrap();
        let policy = SessionPolicy::default();
        rotate(&*store, at(NOW), &RotationPolicy::new(policy.access, policy.skew)).await.unwrap();
        let sessions = Sessions::new(Arc::clone(&store), parties(), policy);
        let who = Authenticated { user, methods: vec!["pwd"], external: false };
        let wanted = Wanted { scopes: None, binding: Binding::App };
        let shared = sessions.begin(&who, wanted, &SHOP, at(NOW)).await.unwrap();
        let (store, sessions) = (Some(store), Some(sessions));
        Self {
            folder,
            store,
            sessions,
            now: NOW,
            shared,
            stolen: None,
            loot: None,
            attacked: false,
            standing: Standing::Live,
            backup: None,
            restored: false,
        }
    }

    fn sessions(&self) -> &Sessions {
        self.sessions.as_ref().unwrap()
    }

    fn store(&self) -> &SqliteStore {
        self.store.as_ref().unwrap()
    }

    fn stop(&mut self) {
        self.sessions = None;
        self.store = None;
    }

    fn start(&mut self) {
        let store = Arc::new(open(self.folder.path()));
        self.sessions = Some(Sessions::new(Arc::clone(&store), parties(), SessionPolicy::default()));
        self.store = Some(store);
    }

    /// Keys follow each other by themselves, as a gateway sees to.
    async fn wait(&mut self, seconds: u16) {
        self.now += i64::from(seconds);
        let policy = self.sessions().policy();
        rotate(self.store(), at(self.now), &RotationPolicy::new(policy.access, policy.skew)).await.unwrap();
    }

    async fn refresh(&self, token: &Secret) -> Result<Grant, SessionFault> {
        self.sessions().refresh(token.expose(), None, &SHOP, at(self.now)).await
    }

    /// An honest refresh: it succeeds, unless the session is over, or a thief has come.
    async fn honest(&mut self) -> Option<Grant> {
        let session = self.store().session(self.shared.session.sid).await.unwrap().unwrap().session;
        let is_over = at(self.now) >= session.idle_ends || at(self.now) >= session.ends;
        match self.refresh(&self.shared.refresh_token).await {
            Ok(grant) => {
                assert_eq!(self.standing, Standing::Live, "a session that has ended was refreshed");
                assert!(!is_over);
                assert!(grant.session.generation >= self.shared.session.generation);
                Some(grant)
            }
            Err(SessionFault::TooManyRefreshes) => None,
            Err(fault) => {
                assert!(self.attacked || is_over || self.standing == Standing::Ended, "a benign schedule was refused: {fault}");
                // An idle end is the refresh token's. After a restore it can lie before the end of the access token that was given last, which is good until
                // then.
                if !matches!(fault, SessionFault::Refresh(RefreshFault::Over(Ended::Expired), _)) {
                    self.standing = Standing::Ended;
                }
                None
            }
        }
    }

    async fn use_access(&mut self, grant: (Secret, Timestamp), is_honest: bool) {
        let (token, ends) = grant;
        let result = self.sessions().check(text(&token), &SHOP, at(self.now)).await;
        match result {
            Ok(_) => assert_eq!(self.standing, Standing::Live, "a session that has ended was used"),
            // Long after its end even the key is gone.
            Err(SessionFault::Token(_)) if at(self.now) >= ends => {}
            // So is one that was made after the backup: a refresh gives another token, and nobody is logged out.
            Err(SessionFault::Token(TokenFault::Invalid(_))) if self.restored => {}
            Err(SessionFault::Over(Ended::Expired)) => self.standing = Standing::Ended,
            Err(fault) => {
                let excused = self.standing == Standing::Ended || self.attacked || !is_honest;
                assert!(excused, "a benign schedule was refused: {fault}");
            }
        }
    }

    async fn thief(&mut self) {
        let Some(token) = self.stolen.clone() else { return };
        self.attacked = true;
        let known = self.store().session(self.shared.session.sid).await.unwrap().unwrap();
        let presented = RefreshToken::parse(token.expose()).unwrap().generation();
        let used = known.session.confirmed.is_some_and(|confirmed| confirmed > presented) || known.session.generation > presented + 1;
        let late = self.now > known.session.rotated.seconds() + 30;
        match self.refresh(&token).await {
            Ok(grant) => {
                assert_eq!(self.standing, Standing::Live);
                assert!(!(used && late && presented < known.session.generation), "an old token was taken after its successor was used");
                self.stolen = Some(grant.refresh_token.clone());
                self.loot = Some(grant);
            }
            Err(SessionFault::Refresh(RefreshFault::Reused, _)) => self.standing = Standing::Ended,
            Err(_) => {}
        }
    }

    async fn run(&mut self, op: Op) {
        match op {
            Op::Refresh => {
                if let Some(grant) = self.honest().await {
                    self.shared = grant;
                }
            }
            Op::LoseAnswer => drop(self.honest().await),
            Op::Use => {
                let grant = (self.shared.access_token.clone(), self.shared.access_ends);
                self.use_access(grant, true).await;
            }
            Op::Steal => self.stolen = Some(self.shared.refresh_token.clone()),
            Op::ThiefRefreshes => self.thief().await,
            Op::ThiefUses => {
                if let Some(grant) = self.loot.as_ref().map(|loot| (loot.access_token.clone(), loot.access_ends)) {
                    self.use_access(grant, false).await;
                }
            }
            Op::Logout => {
                self.sessions().end(self.shared.session.sid, Ended::Logout, at(self.now)).await.unwrap();
                self.standing = Standing::Ended;
            }
            Op::Wait(seconds) => self.wait(seconds).await,
            Op::Crash => {
                self.stop();
                self.start();
            }
            Op::Backup => {
                self.stop();
                let to = self.folder.path().join("backup.db");
                std::fs::copy(self.folder.path().join("store.db"), &to).unwrap();
                self.backup = Some((to, self.standing));
                self.start();
            }
            Op::Restore => {
                let Some((from, standing)) = self.backup.clone() else { return };
                self.stop();
                std::fs::copy(from, self.folder.path().join("store.db")).unwrap();
                // What ended after the backup is not known any more.
                self.standing = standing;
                self.restored = true;
                self.start();
            }
            Op::RotateKeys => {
                let policy = self.sessions().policy().clone();
                RotationPolicy::new(policy.access, policy.skew).rotate_early(self.store(), at(self.now)).await.unwrap();
            }
        }
    }

    /// The one generation of the session is at least as late as what anybody was given, unless it was restored.
    async fn holds(&self) {
        let known = self.store().session(self.shared.session.sid).await.unwrap().unwrap();
        assert!(self.backup.is_some() || known.session.generation >= self.shared.session.generation);
        let revoked = known.session.revoked.is_some();
        assert!(!revoked || self.standing == Standing::Ended, "it was ended, and nobody knows why");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn no_benign_schedule_logs_anybody_out_and_no_thief_stays(ops in prop::collection::vec(op(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for op in ops {
                world.run(op).await;
                world.holds().await;
            }
        });
    }
}

/// 500, unless the environment asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(500)
}
