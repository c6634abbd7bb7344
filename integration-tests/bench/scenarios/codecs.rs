//! What a format costs on one core: bytes to canonical and back, beside a copy of the same bytes
//! that is checked to be UTF-8.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use tierlink_codec::Profile;
use tierlink_codec::{Codec, Directory, Reading, Writing};
use tierlink_schemas::check::{Rules, check};
use tierlink_schemas::{Message, OrganisationCode, Tier};
use uuid::Uuid;

use crate::letters::Letter;
use crate::sizes::Sizes;
use crate::table::Figure;
use crate::town::code;

/// Work between two looks at the clock.
const TOGETHER: u32 = 50;

pub fn measure(sizes: Sizes) -> Result<Vec<Figure>> {
    let directory = directory()?;
    let letter = Letter::new(&code(0), &code(2), 2).message(1);
    let message = decode(&tierlink_hl7v2::Hl7v2, "hl7v2", &directory, &letter)?;
    let mut figures = Vec::new();
    let formats: [(&str, &dyn Codec); 3] = [
        ("hl7v2", &tierlink_hl7v2::Hl7v2),
        ("fhir", &tierlink_fhir::Fhir),
        ("json", &tierlink_json::Json),
    ];
    for (name, codec) in formats {
        let profile = profile(2, name)?;
        let to = profile.organisation.code.clone();
        let with = Writing { profile: &profile, directory: &directory };
        let written = codec
            .encode(&message, &to, &with)
            .map_err(|problems| anyhow!("{name} cannot be written: {problems:?}"))?;
        // What a hospital sends in this format: HL7 v2 as it came, the others as we write them.
        let bytes = if name == "hl7v2" { letter.clone() } else { written.bytes.to_vec() };
        let floor = per_second(sizes.codec, || {
            let copy = black_box(&bytes).clone();
            let _valid = black_box(std::str::from_utf8(&copy).is_ok());
        });
        let sender = self::profile(0, name)?;
        let reading = reading(&sender, &directory);
        if codec.decode(&bytes, &reading).outcome.is_err() {
            bail!("{name} does not read what it should");
        }
        let decoded = per_second(sizes.codec, || {
            black_box(codec.decode(black_box(&bytes), &reading).outcome.is_ok());
        });
        let encoded = per_second(sizes.codec, || {
            black_box(codec.encode(black_box(&message), &to, &with).is_ok());
        });
        let size = bytes.len();
        let title = format!("{name} decode, {size} bytes");
        figures.push(Figure::new(title, "/s", decoded).beside(floor));
        figures.push(Figure::new(format!("{name} encode"), "/s", encoded).beside(floor));
    }
    let required = std::collections::BTreeSet::new();
    let rules = Rules { now: Timestamp::now(), required: &required };
    let checked = per_second(sizes.codec, || {
        black_box(check(black_box(&message), &rules).problems.len());
    });
    figures.push(Figure::new("check of the canonical message", "/s", checked));
    Ok(figures)
}

fn per_second(lasts: Duration, mut work: impl FnMut()) -> f64 {
    for _ in 0..TOGETHER {
        work();
    }
    let (began, mut count) = (Instant::now(), 0_u32);
    while began.elapsed() < lasts {
        for _ in 0..TOGETHER {
            work();
        }
        count += TOGETHER;
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}

fn decode(codec: &dyn Codec, name: &str, directory: &Directory, bytes: &[u8]) -> Result<Message> {
    let sender = profile(0, name)?;
    let decoded = codec.decode(bytes, &reading(&sender, directory));
    let (message, _) =
        decoded.outcome.map_err(|problems| anyhow!("the letter is refused: {problems:?}"))?;
    Ok(message)
}

fn reading<'a>(profile: &'a Profile, directory: &'a Directory) -> Reading<'a> {
    Reading { profile, directory, id: Uuid::now_v7(), received_at: Timestamp::now(), head: None }
}

fn profile(place: usize, format: &str) -> Result<Profile> {
    let code = OrganisationCode::new(code(place)).context("a code of our own")?;
    Ok(Profile::bare(code, Tier::County, format))
}

fn directory() -> Result<Directory> {
    let mut all = Vec::new();
    for place in [0, 2] {
        all.push(profile(place, "json")?.directory_entry());
    }
    Ok(Directory::new(all, None))
}
