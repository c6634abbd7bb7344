//! Decisions that come before the request's own acknowledgement: the target has read the message
//! and answers it on its own line, before it says AA to the delivery; or the origin has not read
//! the AA to its submit yet.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use tierlink_integration_tests::county::{BAIMA, LEAD, Mode, QINGSHI, QINGSHI_FACILITY, SECOND};
use tierlink_integration_tests::for_both_modes;
use tierlink_integration_tests::hospitals::{
    Charset, Hl7, Manners, Person, Received, fhir_answer, fhir_referral, hl7_answer, hl7_referral,
    new_control_id, new_number,
};
use tierlink_integration_tests::load::long;
use tierlink_integration_tests::load::teller::Stage;
use tierlink_integration_tests::load::trial::{Trial, set_the_patient_stage_in};
use tokio::sync::Semaphore;

use super::{heard, label};

for_both_modes! { a_decision_before_the_acknowledgement_counts }

fn lives() -> usize {
    if long() { 100 } else { 15 }
}

async fn a_decision_before_the_acknowledgement_counts(mode: Mode) {
    let trial = Trial::of(&format!("{}: decisions before the acknowledgement", label(mode)));
    let stage = set_the_patient_stage_in(mode).await.unwrap();
    let broker = stage.county.start_another(&[]).await.unwrap();
    let gates = [LEAD, SECOND].map(|code| {
        let gate = Arc::new(Semaphore::new(0));
        stage.county.hospital(code).behave(|manners| manners.gate = Some(Arc::clone(&gate)));
        gate
    });

    for _ in 0..lives() {
        over_mllp(&stage, &gates[0]).await.unwrap();
        over_fhir(&stage, &gates[1]).await.unwrap();
    }

    for code in [LEAD, SECOND] {
        stage.county.hospital(code).behave(Manners::reform);
    }
    trial.judge(&stage, &[broker]).await.unwrap();
}

/// What stands at the hospital's closed gate, with this number in it.
async fn at_the_gate(stage: &Stage, code: &str, number: &str) -> Result<Received> {
    let find = |all: &[Received]| all.iter().find(|one| one.text.contains(number)).cloned();
    stage.county.hospital(code).wait_for(&format!("{number} arrives"), find).await
}

/// Nobody has said AA yet. Then the gate opens, for this answer.
async fn open(stage: &Stage, code: &str, number: &str, gate: &Semaphore) -> Result<()> {
    let before = at_the_gate(stage, code, number).await?;
    ensure!(!before.taken, "it was acknowledged before the decision");
    gate.add_permits(1);
    stage.county.hospital(code).wait_for_text(number).await?;
    Ok(())
}

async fn over_mllp(stage: &Stage, gate: &Semaphore) -> Result<()> {
    let number = new_number("QS");
    let mut origin = stage.county.mllp(QINGSHI).await?;
    let sides = (QINGSHI_FACILITY, LEAD);
    let (id, person) = (new_control_id(), Person::default());
    origin.send(&hl7_referral(sides, (&id, &number), &person, Charset::Gb18030)?).await?;
    let request = at_the_gate(stage, LEAD, &number).await?;

    let sides = (LEAD, QINGSHI_FACILITY);
    let accept = hl7_answer(sides, "A", (&request.control_id, &number), Charset::Utf8)?;
    let decided = stage.county.mllp(LEAD).await?.exchange(&accept).await?.accepted()?;
    let told = stage.county.hospital(QINGSHI).wait_for_text(&decided).await;
    open(stage, LEAD, &number, gate).await?;
    told.context("the origin hears of the decision before it reads its own AA")?;

    let answer = origin.answer().await?.context("the origin never got its AA")?;
    let answer = Hl7::parse(&Charset::read(&answer));
    ensure!(answer.accepted()? == decided, "the origin and the target speak of two cases");
    stage.put_down(heard(QINGSHI, "referral.submit", (QINGSHI, &number), 1));
    stage.put_down(heard(LEAD, "referral.accept", (QINGSHI, &number), 1));
    Ok(())
}

async fn over_fhir(stage: &Stage, gate: &Semaphore) -> Result<()> {
    let number = new_number("BM");
    let submit = fhir_referral((BAIMA, SECOND), &number, &Person::default())?;
    let origin = stage.county.http(BAIMA)?;
    let submitting = tokio::spawn(async move { origin.send_fhir(&submit).await });
    let request = at_the_gate(stage, SECOND, &number).await?;

    let case = request.case_number()?;
    let accept = fhir_answer("referral.accept", (SECOND, BAIMA), &case)?;
    let decided = stage.county.http(SECOND)?.send_fhir(&accept).await?.accepted()?;
    open(stage, SECOND, &number, gate).await?;

    let submitted = submitting.await??.accepted()?;
    ensure!(submitted == case && decided == case, "{submitted}, {decided} and {case} differ");
    stage.put_down(heard(BAIMA, "referral.submit", (BAIMA, &number), 1));
    stage.put_down(heard(SECOND, "referral.accept", (BAIMA, &number), 1));
    Ok(())
}
