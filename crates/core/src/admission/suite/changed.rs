//! Rules that differ between routes, or that are changed: what was accepted once is accepted by none of them again.

use std::time::Duration;

use countersign_protocol::{Policy, Reason, ReplayMode, SignOptions, Window};

use super::{NOW, World, at, options, plain, rules, sign, signed};
use crate::admission::RouteRules;
use crate::app::Terms;

const DIALECT: &str = "hmac-sha256";

fn within(seconds: u64) -> RouteRules {
    let window = Some(Window::both(Duration::from_secs(seconds)));
    RouteRules { policy: Policy { window, ..Policy::default() }, ..rules(&[DIALECT]) }
}

fn by(mode: ReplayMode) -> RouteRules {
    RouteRules { replay: Some(mode), ..rules(&[DIALECT]) }
}

async fn world() -> World {
    World::new(Terms::new([DIALECT, "aws-sigv4", "alibaba-rpc-v1"])).await
}

fn serve(world: &mut World, routes: &[&RouteRules]) {
    world.admission = world.admission.clone().serving(routes.iter().copied()).unwrap();
}

async fn accept(world: &World, rules: &RouteRules, nonce: &str) {
    world.accepted(rules, &signed(nonce)).await.commit().await.unwrap();
}

#[tokio::test]
async fn a_route_with_a_longer_window_knows_what_another_one_took() {
    let mut world = world().await;
    let (short, long) = (within(2), within(300));
    serve(&mut world, &[&short, &long]);
    accept(&world, &short, "n").await;
    world.set_clock(NOW + 7);
    // Other requests make the guard forget what is over.
    for n in 0..100 {
        let request = sign(DIALECT, plain(), &SignOptions::new(at(NOW + 7)).with_nonce(format!("o-{n}")));
        world.accepted(&long, &request).await.commit().await.unwrap();
    }
    assert_eq!(world.refused(&long, &signed("n")).await, Reason::Replayed);
}

#[tokio::test]
async fn a_wider_window_opens_nothing_that_was_forgotten() {
    let mut world = world().await;
    let (short, long) = (within(2), within(300));
    serve(&mut world, &[&short]);
    accept(&world, &short, "n").await;
    world.set_clock(NOW + 7);
    serve(&mut world, &[&long]);
    assert_eq!(world.refused(&long, &signed("n")).await, Reason::StoreRecovering);
    // A request that nobody has sent yet waits for a new signature too: it looks the same.
    assert_eq!(world.refused(&long, &signed("unheard-of")).await, Reason::StoreRecovering);
    world.set_clock(NOW + 20);
    let later = SignOptions::new(at(NOW + 15)).with_nonce("later");
    world.accepted(&long, &sign(DIALECT, plain(), &later)).await;
}

#[tokio::test]
async fn another_way_to_recognise_requests_opens_nothing_either() {
    for (before, after) in
        [(ReplayMode::Signature, ReplayMode::Nonce), (ReplayMode::Nonce, ReplayMode::Signature), (ReplayMode::None, ReplayMode::Nonce)]
    {
        let mut world = world().await;
        let (old, new) = (by(before), by(after));
        serve(&mut world, &[&old]);
        accept(&world, &old, "n").await;
        serve(&mut world, &[&new]);
        assert_eq!(world.refused(&new, &signed("n")).await, Reason::StoreRecovering, "{before} then {after}");
    }
}

#[tokio::test]
async fn the_same_rules_again_refuse_nothing_new() {
    let mut world = world().await;
    let rules = within(300);
    for n in 0..3 {
        serve(&mut world, &[&rules]);
        accept(&world, &rules, &n.to_string()).await;
    }
    serve(&mut world, &[&within(2)]);
    assert_eq!(world.refused(&within(2), &signed("0")).await, Reason::Replayed);
}

/// Nothing in such a message says until when it may be repeated.
#[tokio::test]
async fn without_an_expiry_until_expiry_is_once() {
    let world = world().await;
    let rules = by(ReplayMode::UntilExpiry);
    let mut admitted = world.accepted(&rules, &sign(DIALECT, plain(), &options("n"))).await;
    assert_eq!(admitted.replay(), ReplayMode::Signature);
    admitted.commit().await.unwrap();
    assert_eq!(world.refused(&rules, &signed("n")).await, Reason::Replayed);
}
