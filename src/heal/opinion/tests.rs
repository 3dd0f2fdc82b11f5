//! An anomaly endpoint on this machine that behaves, and many that do not: each asking ends, with a note that says why.

use super::*;
use crate::heal::service::tests::{engine, incident, say};
use rstest::rstest;
use std::io::{Read as _, Write as _};

fn settings(url: &str) -> SecondOpinion {
    serde_json::from_value(json!({ "url": url, "model": "pods", "within": "400ms" })).unwrap()
}

#[tokio::test]
async fn the_engine_is_asked_as_it_wants_to_be() {
    let (url, heard) = engine(|_, _, stream| {
        say(stream, "200 OK", r#"{"is_anomaly": true, "severity": "high", "confidence": 0.92, "explanation": "High\u001b[31m"}"#);
    });
    let opinion = second_opinion(&settings(&format!("{url}/")), &incident().finding, vec![8.0, 1.0, 0.0, 60.5]).await;
    let host = url.trim_start_matches("http://");
    assert_eq!(
        opinion.to_string(),
        format!(
            "second opinion of {host} on oom.limit of pod api-1: an anomaly, too: severity high, confidence 0.92, explanation High"
        )
    );
    let heard = heard.lock().unwrap().clone();
    assert_eq!(heard, [("POST /api/v1/detect".to_owned(), json!({ "model": "pods", "instances": [[8.0, 1.0, 0.0, 60.5]] }))]);
}

#[rstest]
#[case::forest_anomaly("200 OK", r#"{"predictions": [-1]}"#, Says::Anomaly, "")]
#[case::forest_normal("200 OK", r#"{"predictions": [1], "model_name": "pods"}"#, Says::Normal, "")]
#[case::normal("200 OK", r#"{"is_anomaly": false}"#, Says::Normal, "")]
#[case::several("200 OK", r#"{"predictions": [1, -1]}"#, Says::Unanswered, "neither `is_anomaly` nor one prediction")]
#[case::other_number("200 OK", r#"{"predictions": [7]}"#, Says::Unanswered, "neither")]
#[case::no_truth("200 OK", r#"{"is_anomaly": "yes", "predictions": [-1]}"#, Says::Unanswered, "neither")]
#[case::nonsense("200 OK", "<html>", Says::Unanswered, "its answer is no JSON")]
#[case::broken("500 Internal Server Error", "oh", Says::Unanswered, "answered 500: oh")]
#[case::unknown_model("404 Not Found", "no such model", Says::Unanswered, "answered 404")]
#[tokio::test]
async fn answers_are_understood_or_said_not_to_be(
    #[case] status: &'static str,
    #[case] body: &'static str,
    #[case] says: Says,
    #[case] text: &str,
) {
    let (url, heard) = engine(move |_, _, stream| say(stream, status, body));
    let opinion = second_opinion(&settings(&url), &incident().finding, vec![1.0]).await;
    assert_eq!(opinion.says, says, "{opinion}");
    assert!(opinion.text.contains(text), "{opinion}");
    assert_eq!(heard.lock().unwrap().len(), 1, "asked once");
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let (other, heard_there) = engine(|_, _, stream| say(stream, "200 OK", r#"{"is_anomaly": true}"#));
    let (url, _) = engine(move |_, _, stream| {
        let head = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: {other}/api/v1/detect\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        let _ = stream.write_all(head.as_bytes());
    });
    let opinion = second_opinion(&settings(&url), &incident().finding, vec![1.0]).await;
    assert_eq!(opinion.says, Says::Unanswered);
    assert!(opinion.text.contains("redirects are not followed"), "{opinion}");
    assert!(heard_there.lock().unwrap().is_empty());
}

#[rstest]
#[case::silent(0, "no answer within 400ms")]
#[case::endless(1 << 20, "has more than")]
#[tokio::test]
async fn neither_silence_nor_a_flood_holds_it_up(#[case] bytes: usize, #[case] why: &str) {
    let (url, _) = engine(move |_, _, stream| {
        if bytes == 0 {
            // Nothing is said until the client gives up.
            let _ = stream.read(&mut [0]);
        } else {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(&vec![b'1'; bytes]);
        }
    });
    let opinion = second_opinion(&settings(&url), &incident().finding, vec![1.0]).await;
    assert_eq!(opinion.says, Says::Unanswered);
    assert!(opinion.text.contains(why), "{opinion}");
}
