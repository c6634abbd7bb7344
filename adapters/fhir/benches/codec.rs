//! What reading and writing one referral costs: `cargo bench -p tierlink-fhir`.
//!
//! The referral is the published example; what is read is what this crate writes of it.
#![expect(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tierlink_codec::{Codec, Directory, Profile, Reading, Writing};
use tierlink_fhir::Fhir;
use tierlink_schemas::message::from_slice;
use tierlink_schemas::{OrganisationCode, Tier};
use uuid::Uuid;

fn profile(code: &str, tier: Tier) -> Profile {
    Profile::bare(OrganisationCode::new(code).unwrap(), tier, "fhir")
}

fn codec(criterion: &mut Criterion) {
    let message =
        from_slice(include_bytes!("../../../schemas/examples/referral.submit.json")).unwrap();
    let sender = profile("330199101", Tier::Township);
    let receiver = profile("330199001", Tier::County);
    let directory =
        Directory::new(vec![sender.directory_entry(), receiver.directory_entry()], None);
    let to = receiver.organisation.code.clone();
    let writing = Writing { profile: &receiver, directory: &directory };
    let bytes = Fhir.encode(&message, &to, &writing).unwrap().bytes;
    let received_at = message.received_at.unwrap_or(message.occurred_at);
    let reading = Reading {
        profile: &sender,
        directory: &directory,
        id: Uuid::now_v7(),
        received_at,
        head: None,
    };
    Fhir.decode(&bytes, &reading).outcome.unwrap();

    let mut group = criterion.benchmark_group("fhir");
    group.throughput(criterion::Throughput::Bytes(bytes.len() as u64));
    group.bench_function("decode", |bench| {
        bench.iter(|| Fhir.decode(black_box(&bytes), &reading));
    });
    group.bench_function("encode", |bench| {
        bench.iter(|| Fhir.encode(black_box(&message), &to, &writing));
    });
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
