//! The definitions file in `ops/rabbitmq` says what the broker declares, and nothing else.

use std::path::Path;

use serde_json::{Map, Value, json};
use tierlink_bus::topology::{
    DEAD_BYTES_HELD_MAX, DEAD_DEPTH_MAX, LISTENER_DEPTH_MAX, LISTENER_EXPIRES_MS, LISTENER_PREFIX,
    Setting, Topology,
};

/// The virtual host that an installation gets of its own.
const VHOST: &str = "tierlink";

fn definitions() -> Value {
    let topology = Topology::default();
    let exchanges = topology.exchanges().map(|exchange| {
        json!({
            "name": exchange.name, "vhost": VHOST, "type": exchange.kind.as_str(),
            "durable": true, "auto_delete": false, "internal": false, "arguments": {},
        })
    });
    let queues = topology.queues().map(|queue| {
        let argument = |(name, setting): &(&'static str, Setting)| {
            let value = match setting {
                Setting::Text(text) => json!(text),
                Setting::Number(number) => json!(number),
                Setting::Switch(on) => json!(on),
            };
            ((*name).to_owned(), value)
        };
        let arguments: Map<String, Value> = queue.arguments.iter().map(argument).collect();
        json!({
            "name": queue.name, "vhost": VHOST, "durable": true, "auto_delete": false,
            "arguments": arguments,
        })
    });
    let bindings = topology.queues().map(|queue| {
        json!({
            "source": queue.fed_by, "vhost": VHOST, "destination": queue.name,
            "destination_type": "queue", "routing_key": queue.key, "arguments": {},
        })
    });
    let listeners = json!({
        "name": "tierlink-listeners", "vhost": VHOST, "apply-to": "queues", "priority": 0,
        "pattern": format!("^{}", LISTENER_PREFIX.replace('.', "\\.")),
        "definition": {
            "max-length": LISTENER_DEPTH_MAX, "overflow": "drop-head",
            "expires": LISTENER_EXPIRES_MS,
        },
    });
    // For a queue that an older release made without a limit. RabbitMQ takes the lower of two.
    let dead = json!({
        "name": "tierlink-dead", "vhost": VHOST, "apply-to": "queues", "priority": 0,
        "pattern": format!("^{}$", topology.dead().replace('.', "\\.")),
        "definition": {
            "max-length": DEAD_DEPTH_MAX, "max-length-bytes": DEAD_BYTES_HELD_MAX,
            "overflow": "drop-head",
        },
    });
    json!({
        "vhosts": [{ "name": VHOST }],
        "exchanges": exchanges, "queues": queues, "bindings": bindings, "policies": [dead, listeners],
    })
}

#[test]
fn the_definitions_file_is_what_the_broker_declares() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/rabbitmq/definitions.json");
    let want = format!("{}\n", serde_json::to_string_pretty(&definitions()).unwrap());
    if std::env::var("TIERLINK_UPDATE").is_ok_and(|update| update == "1") {
        std::fs::write(&file, &want).unwrap();
    }

    let have = std::fs::read_to_string(&file).unwrap_or_default();

    assert!(
        have == want,
        "ops/rabbitmq/definitions.json is stale; write it again with \
         TIERLINK_UPDATE=1 cargo test -p tierlink-bus --test definitions"
    );
}
