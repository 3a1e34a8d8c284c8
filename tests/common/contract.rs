//! What the program writes as JSON, read and held against docs/output.schema.json.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../docs/output.schema.json")).expect("the schema is JSON"));

/// The value of what a verb wrote.
///
/// # Panics
/// If it is no JSON, or has a key or a value that the schema does not allow.
pub(crate) fn parsed(written: impl AsRef<[u8]>) -> Value {
    let written = written.as_ref();
    let value =
        serde_json::from_slice(written).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(written)));
    let wrong = violations(&value);
    assert!(wrong.is_empty(), "not what docs/output.schema.json says:\n{}", wrong.join("\n"));
    value
}

/// Where and how `value` differs from the definition of what it says it is.
pub(crate) fn violations(value: &Value) -> Vec<String> {
    let has = |key| value.get(key).is_some();
    let kind = match value["schema"].as_str().and_then(|schema| schema.split('/').nth(1)) {
        Some("report") => "Report",
        Some("diff") => "Comparison",
        Some("doctor") => "Doctor",
        Some("markers") => "Markers",
        Some(other) => return vec![format!("a schema of no name: {other}")],
        None if has("error") => "ErrorOutput",
        None if has("steps_wanted") => "Status",
        None if has("when") => "Rule",
        None => "Class",
    };
    let validator = validator(kind);
    validator.iter_errors(value).map(|error| format!("{kind}{}: {error}", error.instance_path())).collect()
}

/// The validator of one definition: a message of `oneOf` would name none.
fn validator(kind: &str) -> Validator {
    let mut schema = SCHEMA.clone();
    let object = schema.as_object_mut().expect("an object");
    object.remove("oneOf").expect("the kinds of output");
    object.insert("$ref".to_owned(), json!(format!("#/$defs/{kind}")));
    jsonschema::draft202012::new(&schema).expect("the schema is one")
}
