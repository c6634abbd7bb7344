//! Judges one case of bad input: what was answered, what was kept, and that a good message is
//! accepted right behind it.

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tierlink_integration_tests::county::{County, FENGQIAO, LEAD};
use tierlink_integration_tests::hospitals::{
    Charset, FRAME_BEGINS, FRAME_ENDS, Hl7, MllpSender, Person, hl7_referral, new_control_id,
    new_number, said,
};
use tierlink_integration_tests::servers::program;

use super::cases::{Case, Says, good_hl7};

/// How many bytes of a refused message are kept (`ops/security.md`).
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// Judges the cases of one county, one after the other.
pub struct Judge<'a> {
    county: &'a County,
    good: AtomicUsize,
}

/// The same from LEAD to QINGSHI's sister, in UTF-8.
fn good_of_lead(control_id: &str, number: &str) -> Result<Vec<u8>> {
    let sides = (LEAD, "330199002");
    hl7_referral(sides, (control_id, number), &Person::default(), Charset::Utf8)
}

impl<'a> Judge<'a> {
    /// A judge in a county whose broker runs.
    pub fn new(county: &'a County) -> Self {
        Self { county, good: AtomicUsize::new(0) }
    }

    /// How many messages were accepted, and so how many cases there must be.
    pub fn good(&self) -> usize {
        self.good.load(Ordering::Relaxed)
    }

    /// Writes the bytes, a good message behind them, and reads what is answered to both.
    pub async fn mllp(&self, sender: &str, case: &Case) -> Result<()> {
        let before = self.newest().await?;
        let mut line = self.county.mllp(sender).await?;
        line.write(&case.bytes).await?;
        let (control_id, number) = (new_control_id(), new_number("QS"));
        let good = if sender == LEAD {
            good_of_lead(&control_id, &number)?
        } else {
            good_hl7(&control_id, &number)?
        };
        let good = [&[FRAME_BEGINS], good.as_slice(), &FRAME_ENDS].concat();
        let mut answers = Vec::new();
        if case.ends {
            while let Ok(Some(answer)) = line.answer().await {
                answers.push(Hl7::parse(&Charset::read(&answer)));
            }
            line = self.county.mllp(sender).await?;
        }
        line.write(&good).await?;
        answers.extend(until(&mut line, &control_id).await?);
        self.good.fetch_add(1, Ordering::Relaxed);

        let told: Vec<String> = answers
            .iter()
            .map(|answer| format!("{} {}", answer.field("MSA", 1), answer.field("MSA", 3)))
            .collect();
        match case.says {
            Says::Nothing => ensure!(told.is_empty(), "it was answered: {told:?}"),
            Says::Taken => {
                let [answer] = told.as_slice() else { bail!("{} answers: {told:?}", told.len()) };
                ensure!(answer.starts_with("AA accepted;"), "it was not taken: {answer}");
                self.good.fetch_add(1, Ordering::Relaxed);
            }
            Says::Refused(code, field) => {
                let [answer] = told.as_slice() else { bail!("{} answers: {told:?}", told.len()) };
                let negative = answer.starts_with("AE ") || answer.starts_with("AR ");
                ensure!(negative, "it was not refused: {answer}");
                let text = answer.get(3..).unwrap_or_default();
                let said = text.split_once(' ').and_then(|(code, rest)| {
                    Some((code.to_owned(), rest.split_once(": ")?.0.to_owned()))
                });
                let said = said.with_context(|| format!("no code and field in: {answer}"))?;
                check_said(&said, code, field)?;
            }
        }
        self.check_kept(before, case).await
    }

    /// Posts the bytes, and a good message behind them.
    pub async fn http(&self, case: &Case) -> Result<()> {
        let before = self.newest().await?;
        let http = self.county.http(FENGQIAO)?;

        let answer = http.post(case.path, case.media_type, case.bytes.clone()).await?;
        let good = http.send(&said(FENGQIAO, "referral.submit", None, Some(LEAD))?).await?;

        good.accepted().context("the good message behind it")?;
        self.good.fetch_add(1, Ordering::Relaxed);
        match case.says {
            Says::Nothing => bail!("HTTP always answers"),
            Says::Taken => {
                answer.accepted()?;
                self.good.fetch_add(1, Ordering::Relaxed);
            }
            Says::Refused(code, field) => {
                ensure!((400..500).contains(&answer.status), "HTTP {}", answer.status);
                // What never got to a format has a code and concerns no field.
                let whole = answer.json()["code"].as_str().map(|it| (it.to_owned(), "body".into()));
                let said = whole.map_or_else(|| answer.refused(), Ok)?;
                check_said(&said, code, field).with_context(|| answer.body.clone())?;
            }
        }
        self.check_kept(before, case).await
    }

    /// The newest refusal, as `tierlink refusal list` shows it.
    pub async fn newest(&self) -> Result<Option<Value>> {
        let list = self.county.run(&["refusal", "list", "--limit", "1", "--json"]).await?.json()?;
        Ok(list["refusals"].as_array().and_then(|all| all.first()).cloned())
    }

    /// A refusal is kept with the bytes as they came, and nothing else is.
    async fn check_kept(&self, before: Option<Value>, case: &Case) -> Result<()> {
        let after = self.newest().await?;
        let Some(kept) = &case.kept else {
            ensure!(before == after, "it was kept: {after:?}");
            return Ok(());
        };
        let newest = after.filter(|after| before.as_ref() != Some(after));
        let newest = newest.context("the refusal was not kept")?;
        let raw = self.raw(newest["id"].as_str().context("a refusal has an id")?).await?;
        // Of what is refused only the beginning is kept, so that refusals cannot fill the disk.
        let kept = &kept[..kept.len().min(REFUSAL_BYTES_MAX)];
        ensure!(raw == kept, "{} other bytes were kept, not {}", raw.len(), kept.len());
        for problem in newest["problems"].as_array().into_iter().flatten() {
            check_page(problem["code"].as_str().unwrap_or_default())?;
        }
        Ok(())
    }

    async fn raw(&self, id: &str) -> Result<Vec<u8>> {
        let shown = tokio::process::Command::new(program().await?)
            .args(["refusal", "show", id, "--raw", "--config"])
            .arg(self.county.folder())
            .stdin(Stdio::null())
            .output()
            .await?;
        ensure!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
        Ok(shown.stdout)
    }
}

/// The answers before the one to `control_id`, which must be positive.
async fn until(line: &mut MllpSender, control_id: &str) -> Result<Vec<Hl7>> {
    let mut answers = Vec::new();
    loop {
        let answer = line.answer().await?.context("closed before the good message was answered")?;
        let answer = Hl7::parse(&Charset::read(&answer));
        if answer.field("MSA", 2) == control_id {
            answer.accepted().context("the good message behind it")?;
            return Ok(answers);
        }
        answers.push(answer);
    }
}

fn check_said(said: &(String, String), code: &str, field: &str) -> Result<()> {
    ensure!(said.0 == code && said.1.contains(field), "it said {said:?}, not {code} {field}");
    ensure!(!said.1.is_empty(), "no field");
    check_page(&said.0)
}

/// An operator who reads the code finds a page.
fn check_page(code: &str) -> Result<()> {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops/errors");
    ensure!(pages.join(format!("{code}.md")).exists(), "`{code}` has no page under ops/errors");
    Ok(())
}
