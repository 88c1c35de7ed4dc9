//! A gateway that is killed under load, on a machine that loses power: no answered request is accepted again or missing in the audit
//! log, nothing that was registered is lost.

use countersign_testbed::Power;

use crate::load::{self, Load};
use crate::site::Site;

/// How many rounds: `cargo xtask test --full crash` does 20.
fn rounds() -> usize {
    std::env::var("COUNTERSIGN_CRASHES").ok().and_then(|text| text.parse().ok()).unwrap_or(2)
}

#[test]
fn what_was_answered_before_the_power_failed_is_not_accepted_again() {
    let site = Site::new();
    let power = Power::over(site.data(), false);
    let mut recorded = site.audited();
    for round in 0..rounds() {
        let gateway = site.serve(Some(&power));
        let load = Load::on(gateway.address(), &site.keys);
        let late = site.register(&format!("late-{round}"), Some(&power));
        load.until_answered(200 + 67 * round);
        gateway.kill();
        let (answered, failed) = load.end();
        assert_eq!(failed, [] as [String; 0]);
        power.fail();
        let now = site.audited();
        assert!(now >= recorded + answered.len() as u64, "round {round}: {} were answered, {} recorded", answered.len(), now - recorded);
        recorded = now;

        let gateway = site.serve(None);
        let again = load::replay(gateway.address(), &answered);
        assert_eq!(again, vec![(409, "replayed".to_owned()); answered.len()], "round {round}");
        assert_eq!(load::once(gateway.address(), &late).0, 200, "round {round}: a credential was lost");
        assert!(site.keys.iter().all(|key| load::once(gateway.address(), key).0 == 200), "round {round}");
        assert_eq!(gateway.stop(), Some(0));
    }
}

/// What the test above would miss, this one finds: with a disk that lies, requests are accepted again.
#[test]
fn a_disk_that_lies_is_found() {
    let site = Site::new();
    let lying = Power::over(site.data(), true);
    let gateway = site.serve(Some(&lying));
    let load = Load::on(gateway.address(), &site.keys);
    load.until_answered(100);
    gateway.kill();
    let (answered, _) = load.end();
    let (writes, _) = lying.fail();
    assert!(writes > 0);
    let gateway = site.serve(None);
    let again = load::replay(gateway.address(), &answered);
    assert!(again.iter().any(|(status, _)| *status == 200), "{again:?}");
}
