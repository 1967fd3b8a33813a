//! The page's server: who may ask, what the page is, and what it is told before anything runs.

mod browser;
mod fake_server;
mod judging_server;

use browser::{Answer, Page};
use cipherformer_client::{Endpoint, KeyHome, Ui};
use fake_server::{FakeServer, NOBODY};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::time::Duration;

fn server() -> FakeServer {
    judging_server::serve(&judging_server::state("for tests"))
}

#[test]
fn only_the_printed_address_answers_and_only_to_the_page_itself() {
    let (home, server) = (tempfile::tempdir().expect("temporary"), server());
    let page = Page::serve(server.url(), home.path());
    assert!(page.host.starts_with("127.0.0.1:"), "{}", page.host);
    assert!(page.token.len() == 32 && page.token.bytes().all(|b| b.is_ascii_hexdigit()));
    let own = format!("/{}/", page.token);
    let run = format!("/{}/run", page.token);
    let host = ("host", page.host.as_str());
    let port = page.host.split(':').nth(1).expect("a port");
    let (evil, localhost) = (format!("evil.example:{port}"), format!("localhost:{port}"));
    let origin = format!("http://{}", page.host);
    let (most, last) = page.token.split_at(31);
    let near_miss = format!("/{most}{}/", if last == "0" { "1" } else { "0" });
    let cut = format!("/{most}/");
    let json = ("content-type", "application/json");
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let cases: [(u16, &str, &str, Headers<'_>); 15] = [
        (200, "GET", &own, &[host]),
        (200, "GET", &own, &[host, ("sec-fetch-site", "none")]),
        (404, "GET", "/", &[host]),
        (404, "GET", "/state", &[host]),
        (404, "GET", &near_miss, &[host]),
        (404, "GET", &cut, &[host]),
        (421, "GET", &own, &[]),
        (421, "GET", &own, &[("host", &evil)]),
        (421, "GET", &own, &[("host", &localhost)]),
        (421, "GET", &own, &[host, ("host", &evil)]),
        (403, "GET", &own, &[host, ("sec-fetch-site", "cross-site")]),
        (403, "POST", &run, &[host, json]),
        (
            403,
            "POST",
            &run,
            &[host, json, ("origin", "http://evil.example")],
        ),
        (403, "POST", &run, &[host, json, ("origin", "null")]),
        (
            403,
            "POST",
            &run,
            &[
                host,
                json,
                ("origin", &origin),
                ("sec-fetch-site", "same-site"),
            ],
        ),
    ];
    for (status, method, path, headers) in cases {
        let answer = page.ask(method, path, headers, "{}");
        assert_eq!(answer.status, status, "{method} {path} {headers:?}");
        assert_eq!(answer.body.contains("<html"), status == 200);
        strict(&answer);
    }
    assert!(
        server.requests().is_empty(),
        "nothing was asked of the server"
    );
}

/// Every answer tells the browser to load nothing from elsewhere, and to keep and pass on nothing.
fn strict(answer: &Answer) {
    for header in [
        "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n",
        "cache-control: no-store\r\n",
        "referrer-policy: no-referrer\r\n",
        "x-content-type-options: nosniff\r\n",
        "cross-origin-opener-policy: same-origin\r\n",
        "cross-origin-resource-policy: same-origin\r\n",
    ] {
        let head = format!("{}\r\n", answer.head);
        assert!(head.contains(header), "{header}: {head}");
    }
    assert!(!answer.head.contains("set-cookie") && !answer.head.contains("access-control"));
}

#[test]
fn the_page_is_all_there_and_names_no_other_host() {
    let (home, server) = (tempfile::tempdir().expect("temporary"), server());
    let page = Page::serve(server.url(), home.path());
    let html = page.get("").body;
    for name in ["style.css", "app.js", "icon.svg"] {
        assert!(html.contains(&format!("\"{name}\"")), "{name}");
    }
    for inline in ["<style", "style=", "onclick", "<script>"] {
        assert!(
            !html.contains(inline),
            "{inline} is not allowed by the policy"
        );
    }
    let script = page.get("app.js").body;
    for name in ["picture.js", "program.js", "view.js", "words.js"] {
        assert!(script.contains(&format!("\"./{name}\"")), "{name}");
    }
    for name in [
        "",
        "style.css",
        "icon.svg",
        "app.js",
        "picture.js",
        "program.js",
        "view.js",
        "words.js",
    ] {
        let answer = page.get(name);
        assert_eq!(answer.status, 200, "{name}");
        let text = answer.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("://"), "{name}");
        assert!(!text.contains("innerHTML"), "{name}");
    }
    assert_eq!(page.get("other.js").status, 404);
}

#[test]
fn what_there_is_is_told_before_anything_runs() {
    let (home, server) = (tempfile::tempdir().expect("temporary"), server());
    let page = Page::serve(server.url(), home.path());
    let overview =
        |page: &Page| -> Value { serde_json::from_str(&page.get("state").body).expect("JSON") };
    let before = overview(&page);
    assert_eq!(before["server"], server.url());
    assert_eq!(before["problem"], Value::Null);
    assert_eq!(before["circuits"][0]["name"], "toy");
    assert_eq!(before["circuits"][0]["circuit"]["generates"], false);
    assert_eq!(before["circuits"][0]["circuit"]["keys"], Value::Null);
    page.run(&json!({ "circuit": "toy", "text": "good" }));
    let keys = overview(&page)["circuits"][0]["circuit"]["keys"].clone();
    assert_eq!(
        (&keys["registered"], &keys["protected"]),
        (&json!(true), &json!(false))
    );
    assert!(keys["evaluation_key_bytes"].as_u64() > keys["secret_key_bytes"].as_u64());

    let nobody = Page::serve(NOBODY, home.path());
    let problem = overview(&nobody)["problem"].clone();
    assert_eq!(problem["field"], Value::Null, "it may be tried again");
    let message = problem["message"].as_str().expect("a sentence");
    assert!(message.contains("there is no server at"), "{message}");
}

#[test]
fn bodies_that_are_no_orders_are_refused() {
    let (home, server) = (tempfile::tempdir().expect("temporary"), server());
    let page = Page::serve(server.url(), home.path());
    for (status, body) in [
        (413, format!("{{\"text\":\"{}\"}}", "a".repeat(300 << 10))),
        (400, "{".to_owned()),
        (422, "{}".to_owned()),
        (
            422,
            r#"{"circuit":"toy","text":"good","count":"1"}"#.to_owned(),
        ),
        (
            422,
            r#"{"circuit":"toy","text":"good","home":"/"}"#.to_owned(),
        ),
    ] {
        let mut line = String::new();
        let stream = page.begin(&body);
        BufReader::new(stream)
            .read_line(&mut line)
            .expect("a status");
        assert!(line.contains(&format!(" {status} ")), "{status}: {line}");
    }
    assert!(server.requests().is_empty());
}

#[test]
fn connections_that_say_nothing_are_limited_in_number() {
    let (home, server) = (tempfile::tempdir().expect("temporary"), server());
    let page = Page::serve(server.url(), home.path());
    let silent: Vec<_> = (0..64)
        .map(|_| TcpStream::connect(&page.host).expect("it listens"))
        .collect();
    let path = format!("/{}/", page.token);
    let mut waiting = page.send("GET", &path, &[("host", &page.host)], "");
    let while_others_wait = Some(Duration::from_millis(500));
    waiting.set_read_timeout(while_others_wait).expect("a time");
    let mut answer = String::new();
    let unanswered = waiting.read_to_string(&mut answer);
    assert!(unanswered.is_err() && answer.is_empty(), "{answer}");
    drop(silent);
    waiting.set_read_timeout(None).expect("as long as it takes");
    waiting.read_to_string(&mut answer).expect("UTF-8");
    assert!(answer.contains(" 200 OK"), "{answer}");
}

#[tokio::test]
async fn addresses_that_can_never_be_used_are_refused_at_once() {
    let home = tempfile::tempdir().expect("temporary");
    for address in ["nonsense", "ftp://127.0.0.1:1"] {
        let home = KeyHome::new(home.path());
        let error = Ui::bind(&Endpoint::new(address), home, 0).await.err();
        let error = error.expect("unusable").to_string();
        assert!(error.contains("http://HOST:PORT"), "{error}");
    }
    let taken = Ui::bind(
        &Endpoint::new("http://127.0.0.1:1"),
        KeyHome::new(home.path()),
        0,
    )
    .await;
    let taken = taken.expect("nobody needs to be there");
    let port = taken
        .address()
        .split([':', '/'])
        .nth(4)
        .expect("a port")
        .parse();
    let port = port.expect("a number");
    let again = Ui::bind(
        &Endpoint::new("http://127.0.0.1:1"),
        KeyHome::new(home.path()),
        port,
    )
    .await;
    let error = again.err().expect("taken").to_string();
    assert!(error.contains("pass another --port"), "{error}");
}
