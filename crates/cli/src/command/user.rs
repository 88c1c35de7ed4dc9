//! `countersign user`: who may log in, also while gateways run on the same store.

use std::fmt::Write as _;

use countersign_core::error::StoreError;
use countersign_core::session::password::{PasswordHash, Passwords};
use countersign_core::session::totp::TotpSecret;
use countersign_core::session::user::{NewUser, User, UserStatus, UserStore};
use countersign_protocol::Secret;
use serde_json::{Value, json};

use super::{now, random_hex};
use crate::args::user::{PasswordArgs, RightsArgs, UserArgs, UserCommand};
use crate::failure::Failure;
use crate::registry::Registry;
use crate::{console, key, store, terminal};

/// Runs the command.
pub(crate) fn run(args: &UserArgs, mut registry: Registry, json: bool) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let opened = store::open(&args.store, &mut registry).await?;
        if matches!(args.command, UserCommand::List) {
            return list(opened.credentials.users(), json).await;
        }
        let passwords = Passwords::new(opened.passwords)?;
        let users = opened.users_for_changes()?;
        let users = users.as_ref();
        match &args.command {
            UserCommand::Add { name, display_name, rights, password } => {
                add(users, &passwords, name, display_name.clone(), rights, password, json).await
            }
            UserCommand::List => list(users, json).await,
            UserCommand::Set { name, rights } => set(users, name, rights).await,
            UserCommand::Disable { name } => Ok(users.set_user_status(find(users, name).await?.id, UserStatus::Disabled).await?),
            UserCommand::Enable { name } => Ok(users.set_user_status(find(users, name).await?.id, UserStatus::Active).await?),
            UserCommand::Logout { name } => logout(users, name, json).await,
            UserCommand::Passwd { name, password } => passwd(users, &passwords, name, password, json).await,
            UserCommand::Totp { name, off: true, .. } => Ok(users.set_totp(find(users, name).await?.id, None).await?),
            UserCommand::Totp { name, off: false, issuer } => totp(users, name, issuer, json).await,
        }
    })
}

async fn find(users: &dyn UserStore, name: &str) -> Result<User, Failure> {
    Ok(users.user_named(name).await?.ok_or_else(|| StoreError::UnknownUser(name.to_owned()))?)
}

async fn add(
    users: &dyn UserStore,
    passwords: &Passwords,
    name: &str,
    display_name: Option<String>,
    rights: &RightsArgs,
    password: &PasswordArgs,
    json: bool,
) -> Result<(), Failure> {
    // Before anything is asked for.
    if users.user_named(name).await?.is_some() {
        return Err(StoreError::UserExists(name.to_owned()).into());
    }
    let is_first = users.has_no_user().await?;
    let (password, shown) = choose(password, is_first)?;
    let mut new = NewUser::new(name, Some(hash(passwords, &password, name).await?));
    new.display_name = display_name;
    new.scopes.clone_from(&rights.scope);
    new.roles.clone_from(&rights.role);
    let user = users.add_user(new, now()?).await?;
    announce(&user, shown.as_ref(), json)
}

async fn set(users: &dyn UserStore, name: &str, rights: &RightsArgs) -> Result<(), Failure> {
    let user = find(users, name).await?;
    let chosen = |given: &[String], kept: Vec<String>| if given.is_empty() { kept } else { given.to_vec() };
    Ok(users.set_rights(user.id, chosen(&rights.scope, user.scopes), chosen(&rights.role, user.roles)).await?)
}

async fn passwd(users: &dyn UserStore, passwords: &Passwords, name: &str, password: &PasswordArgs, json: bool) -> Result<(), Failure> {
    let user = find(users, name).await?;
    if user.external.is_some() {
        return Err(Failure::usage(format_args!("user '{name}' logs in at an external service; change the password there")));
    }
    let (password, shown) = choose(password, false)?;
    users.set_password(user.id, Some(hash(passwords, &password, name).await?), now()?).await?;
    match shown {
        Some(_) => announce(&find(users, name).await?, shown.as_ref(), json),
        None => Ok(()),
    }
}

async fn totp(users: &dyn UserStore, name: &str, issuer: &str, json: bool) -> Result<(), Failure> {
    let (user, secret) = (find(users, name).await?, TotpSecret::random()?);
    users.set_totp(user.id, Some(secret.clone())).await?;
    console::say("the secret is shown this once");
    let (shown, uri) = (secret.to_base32(), secret.uri(issuer, name));
    let (shown, uri) = (String::from_utf8_lossy(shown.expose()), String::from_utf8_lossy(uri.expose()));
    if json {
        return console::line(&json!({ "user": name, "secret": shown, "uri": uri }).to_string());
    }
    console::data(format!("user: {name}\nsecret: {shown}\nuri: {uri}\n").as_bytes())
}

/// The password, and what is to be shown of it.
fn choose(args: &PasswordArgs, is_first: bool) -> Result<(Secret, Option<Secret>), Failure> {
    if let Some(path) = &args.password_file {
        return Ok((key::secret_file(path)?, None));
    }
    if args.generate || is_first {
        let made = Secret::from(&*random_hex()?);
        return Ok((made.clone(), Some(made)));
    }
    if terminal::is_there() {
        return Ok((terminal::new_password()?, None));
    }
    Err(Failure::usage("no terminal to ask for the password at: give --password-file FILE (- is stdin), or --generate"))
}

async fn hash(passwords: &Passwords, password: &Secret, name: &str) -> Result<PasswordHash, Failure> {
    passwords.make(password, name).await.map_err(Failure::usage)
}

/// Ends every session of the user, and tells how many there were.
async fn logout(users: &dyn UserStore, name: &str, json: bool) -> Result<(), Failure> {
    let ended = users.end_sessions(find(users, name).await?.id, now()?).await?;
    if json {
        return console::line(&json!({ "user": name, "sessions_ended": ended }).to_string());
    }
    console::data(format!("user: {name}\nsessions ended: {ended}\n").as_bytes())
}

/// Prints the user. This is the only time that a password is shown, and only if it was made here.
fn announce(user: &User, password: Option<&Secret>, json: bool) -> Result<(), Failure> {
    let password = password.map(|password| String::from_utf8_lossy(password.expose()));
    let mut value = describe(user);
    if let Some(password) = &password {
        console::say("the password is shown this once");
        value["password"] = password.as_ref().into();
    }
    if json {
        return console::line(&value.to_string());
    }
    let mut text = format!("user: {}\nid: {}\n", user.name, user.id);
    if let Some(password) = &password {
        let _ = writeln!(text, "password: {password}");
    }
    console::data(text.as_bytes())
}

fn describe(user: &User) -> Value {
    json!({
        "user": user.name,
        "id": user.id.to_string(),
        "display_name": user.display_name,
        "status": user.status.as_str(),
        "scopes": user.scopes,
        "roles": user.roles,
        "has_password": user.has_password,
        "has_totp": user.has_totp,
        "external": user.external,
        "password_changed": user.password_changed.map(|at| at.to_string()),
        "created": user.created.to_string(),
    })
}

async fn list(users: &dyn UserStore, json: bool) -> Result<(), Failure> {
    let mut all: Vec<User> = Vec::new();
    loop {
        let after = all.last().map(|last| last.name.clone()).unwrap_or_default();
        let page = users.users(&after).await?;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    if json {
        return console::line(&Value::Array(all.iter().map(describe).collect()).to_string());
    }
    let text: String = all.iter().map(row).collect();
    console::data(text.as_bytes())
}

fn row(user: &User) -> String {
    let login = match (&user.external, user.has_password, user.has_totp) {
        (Some(_), ..) => "external",
        (None, true, true) => "password and code",
        (None, true, false) => "password",
        (None, false, _) => "no password",
    };
    let list = |items: &[String]| if items.is_empty() { "-".to_owned() } else { items.join(",") };
    format!("{} ({})  {login}  scopes {}  roles {}\n", user.name, user.status, list(&user.scopes), list(&user.roles))
}
