//! `cresset conform`: the scenarios of `conformance/scenarios` pass against the product, and fail where they should.

use std::process::{Command, Output};

use crate::support::{TestApp, free_port, on_both_databases};

fn conform(base: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cresset"));
    command.args(["conform", "--base", base]).args(more).output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

on_both_databases! {
    fn every_scenario_passes(database) {
        let app = TestApp::start(database);
        let output = conform(&app.base(), &[]);
        let text = printed(&output);
        assert!(output.status.success() && text.contains(" passed, 0 failed"), "{text}");
    }
}

/// Where nobody answers, nothing passes.
#[test]
fn a_server_that_is_none_fails() {
    let output = conform(&format!("http://{}/fhir", free_port()), &[]);
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.lines().last().unwrap().starts_with("0 passed, "), "{text}");
}
