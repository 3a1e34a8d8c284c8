//! JSON-RPC 2.0 over lines: what comes in, within bounds, and what goes out.
//!
//! A line is read up to [`LINE`] bytes; the rest of a longer one is passed over, and what is refused is told with the
//! codes of JSON-RPC. Batches are not part of this version of the protocol.

use std::io::{self, BufRead, Read as _, Write};

use serde_json::{Value, json};

/// The version of the Model Context Protocol that is spoken.
pub(super) const VERSION: &str = "2025-06-18";

/// The longest line that is read. Requests are paths and names: real ones have some hundred bytes.
const LINE: u64 = 1 << 20;

/// What a client sent.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    /// Something that must be answered.
    Request(Request),
    /// Something that must not be: a notification, or a response.
    Notice,
}

/// What is asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) params: Value,
}

/// Why a request is not answered.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    code: i32,
    message: String,
}

impl Refusal {
    /// What is no request, or comes at the wrong time.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { code: -32600, message: message.into() }
    }

    /// A method that there is not.
    pub(super) fn unknown_method(method: &str) -> Self {
        Self { code: -32601, message: format!("there is no method {:?}", shortened(method)) }
    }

    /// Arguments that make no sense.
    pub(super) fn arguments(message: impl Into<String>) -> Self {
        Self { code: -32602, message: message.into() }
    }

    fn unreadable(message: impl Into<String>) -> Self {
        Self { code: -32700, message: message.into() }
    }
}

/// The beginning of a text that is repeated to who sent it.
pub(super) fn shortened(text: &str) -> String {
    crate::model::shortened(text, 100)
}

/// Answers every line of `input` on `out` until it ends.
pub(super) fn serve(
    input: &mut impl BufRead,
    out: &mut impl Write,
    mut answer: impl FnMut(Incoming) -> Option<Result<Value, Refusal>>,
) -> io::Result<()> {
    loop {
        let (id, outcome) = match line(input)? {
            Line::End => return Ok(()),
            Line::Blank => continue,
            Line::TooLong => (Value::Null, Some(Err(Refusal::invalid(format!("a line of more than {LINE} bytes"))))),
            Line::Text(bytes) => match parse(&bytes) {
                Ok((id, incoming)) => (id, answer(incoming)),
                Err((id, refusal)) => (id, Some(Err(refusal))),
            },
        };
        let Some(outcome) = outcome else { continue };
        let response = match outcome {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(Refusal { code, message }) => {
                json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
            }
        };
        serde_json::to_writer(&mut *out, &response)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
}

enum Line {
    Text(Vec<u8>),
    Blank,
    TooLong,
    End,
}

/// The next line, without its end. Nothing is read to its end but to be passed over.
fn line(input: &mut impl BufRead) -> io::Result<Line> {
    let mut bytes = Vec::new();
    if input.by_ref().take(LINE).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(Line::End);
    }
    if bytes.last() != Some(&b'\n') && bytes.len() as u64 == LINE {
        while !input.fill_buf()?.is_empty() {
            let buffer = input.fill_buf()?;
            let (read, ended) = match memchr::memchr(b'\n', buffer) {
                Some(end) => (end + 1, true),
                None => (buffer.len(), false),
            };
            input.consume(read);
            if ended {
                break;
            }
        }
        return Ok(Line::TooLong);
    }
    Ok(if bytes.trim_ascii().is_empty() { Line::Blank } else { Line::Text(bytes) })
}

/// What a line says, with the id to answer under; where it says nothing, why.
fn parse(line: &[u8]) -> Result<(Value, Incoming), (Value, Refusal)> {
    let message: Value = serde_json::from_slice(line)
        .map_err(|error| (Value::Null, Refusal::unreadable(format!("this is no JSON: {error}"))))?;
    let Value::Object(mut message) = message else {
        return Err((Value::Null, Refusal::invalid("a message is an object; batches are not taken")));
    };
    let id = message.remove("id");
    let known = id.as_ref().filter(|id| id.is_string() || id.is_number()).cloned().unwrap_or(Value::Null);
    let refuse = |why: &str| Err((known.clone(), Refusal::invalid(why)));
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return refuse("`jsonrpc` must be \"2.0\"");
    }
    let Some(method) = message.remove("method") else {
        let is_response = message.contains_key("result") || message.contains_key("error");
        return if is_response { Ok((known, Incoming::Notice)) } else { refuse("there is no `method`") };
    };
    let Value::String(method) = method else { return refuse("`method` must be a string") };
    match id {
        None => Ok((known, Incoming::Notice)),
        Some(_) if known.is_null() => refuse("`id` must be a string or a number"),
        Some(_) => {
            let params = message.remove("params").unwrap_or_else(|| json!({}));
            if !params.is_object() {
                return Err((known, Refusal::arguments("`params` must be an object")));
            }
            Ok((known, Incoming::Request(Request { method, params })))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is answered to `input` by a server that echoes methods.
    fn served(input: &[u8]) -> Vec<Value> {
        let mut out = Vec::new();
        let echo = |incoming| match incoming {
            Incoming::Request(request) => Some(Ok(json!(request.method))),
            Incoming::Notice => None,
        };
        serve(&mut &*input, &mut out, echo).unwrap();
        out.split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    #[test]
    fn requests_are_answered_under_their_ids_and_notices_are_not() {
        let input = br#"{"jsonrpc":"2.0","id":1,"method":"a"}

{"jsonrpc":"2.0","method":"notifications/initialized"}
{"jsonrpc":"2.0","id":7,"result":{}}
{"jsonrpc":"2.0","id":"x","method":"b","params":{}}"#;
        let answers = served(input);
        assert_eq!(answers.len(), 2);
        assert_eq!((&answers[0]["id"], &answers[0]["result"]), (&json!(1), &json!("a")));
        assert_eq!((&answers[1]["id"], &answers[1]["result"]), (&json!("x"), &json!("b")));
    }

    #[test]
    fn what_is_no_request_is_refused_and_the_session_goes_on() {
        let last = br#"{"jsonrpc":"2.0","id":9,"method":"still here"}"#;
        let bad: [(&[u8], i32, Value); 9] = [
            (b"{", -32700, Value::Null),
            (b"\xff\xfe", -32700, Value::Null),
            (b"[]", -32600, Value::Null),
            (br#"[{"jsonrpc":"2.0","id":1,"method":"a"}]"#, -32600, Value::Null),
            (br#"{"id":1,"method":"a"}"#, -32600, json!(1)),
            (br#"{"jsonrpc":"2.0","id":2}"#, -32600, json!(2)),
            (br#"{"jsonrpc":"2.0","id":3,"method":{}}"#, -32600, json!(3)),
            (br#"{"jsonrpc":"2.0","id":{},"method":"a"}"#, -32600, Value::Null),
            (br#"{"jsonrpc":"2.0","id":4,"method":"a","params":[1]}"#, -32602, json!(4)),
        ];
        for (line, code, id) in bad {
            let answers = served(&[line, b"\n", last].concat());
            let shown = String::from_utf8_lossy(line);
            assert_eq!(answers.len(), 2, "{shown}");
            assert_eq!((&answers[0]["error"]["code"], &answers[0]["id"]), (&json!(code), &id), "{shown}");
            assert_eq!(answers[1]["result"], "still here", "{shown}");
        }
    }

    #[test]
    fn nested_json_does_not_end_the_session() {
        let deep = [b"[".repeat(100_000), b"\n".to_vec()].concat();
        assert_eq!(served(&deep)[0]["error"]["code"], -32700);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let last = br#"{"jsonrpc":"2.0","id":9,"method":"still here"}"#;
        for length in [LINE as usize, LINE as usize + 1, 3 * LINE as usize] {
            let answers = served(&[&b"x".repeat(length), &b"\n"[..], last].concat());
            assert_eq!(answers[0]["error"]["code"], -32600, "{length}");
            assert_eq!((answers.len(), &answers[1]["result"]), (2, &json!("still here")), "{length}");
        }
        assert_eq!(served(&b"x".repeat(2 * LINE as usize)).len(), 1, "and no line after it");
    }
}
