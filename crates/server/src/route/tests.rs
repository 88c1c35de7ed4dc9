//! Which route takes a request, and that no other reader of its path takes it elsewhere.

use proptest::prelude::*;

use super::*;
use crate::limits::Limits;

fn route(host: Option<&str>, prefix: &str, methods: &[&str]) -> Route {
    Route {
        name: format!("{}{prefix}", host.unwrap_or_default()),
        host: host.map(str::to_owned),
        prefix: prefix.to_owned(),
        methods: methods.iter().map(|m| (*m).to_owned()).collect(),
        upstream: Upstream::Echo,
        rules: RouteRules::new(Vec::new()),
        forward: Forwarding::default(),
        keep_credentials: false,
        authority: ExternalAuthority::Wire,
        envelope: None,
        external_prefix: None,
        mode: Mode::Enforce,
        client_certificate: ClientCertificate::NotNeeded,
        decide_body: DecideBody::Refuse,
        sign_response: None,
    }
}

fn found(routes: &Routes, method: &str, host: &str, target: &str) -> String {
    let head = Head::from_http1(format!("{method} {target} HTTP/1.1\r\nHost: {host}").as_bytes(), &Limits::default()).unwrap();
    match routes.find(&head, None) {
        Found::Route(route) => route.name.clone(),
        Found::Nothing => "-".to_owned(),
        Found::Unclear => "?".to_owned(),
    }
}

#[test]
fn the_host_then_the_longest_prefix_decide() {
    let routes = Routes::new(vec![
        route(None, "/", &[]),
        route(None, "/V1", &[]),
        route(None, "/V1/deep/", &[]),
        route(Some("api.example.com"), "/V2", &[]),
        route(None, "/post", &["POST"]),
    ]);
    let get = |host: &str, target: &str| found(&routes, "GET", host, target);
    assert_eq!(get("h", "/V1"), "/V1");
    assert_eq!(get("h", "/V1/x?y"), "/V1");
    assert_eq!(get("h", "/V10"), "/");
    assert_eq!(get("h", "/V1/deep"), "/V1");
    assert_eq!(get("h", "/V1/deep/x"), "/V1/deep/");
    assert_eq!(get("API.example.com:8080", "/V2/x"), "api.example.com/V2");
    assert_eq!(get("h", "/V2/x"), "/");
    assert_eq!(get("h", "/post"), "/");
    assert_eq!(found(&routes, "POST", "h", "/post"), "/post");
}

#[test]
fn a_host_that_a_proxy_tells_of_counts_where_the_route_says_so() {
    let forwarded = Route { authority: ExternalAuthority::Forwarded, ..route(Some("api.example.com"), "/", &[]) };
    let routes = Routes::new(vec![forwarded, route(Some("inner"), "/", &[])]);
    let head = |host: &str| Head::from_http1(format!("GET / HTTP/1.1\r\nHost: {host}").as_bytes(), &Limits::default()).unwrap();
    let name = |host: &str, told: Option<&str>| match routes.find(&head(host), told) {
        Found::Route(route) => route.name.clone(),
        _ => "-".to_owned(),
    };
    assert_eq!(name("proxied", Some("API.example.com")), "api.example.com/");
    assert_eq!(name("proxied", Some("inner")), "-");
    assert_eq!(name("api.example.com", None), "api.example.com/");
    assert_eq!(name("inner", Some("other")), "inner/");
}

#[test]
fn the_spelling_of_a_host_leads_past_no_route() {
    let routes = Routes::new(vec![route(Some("api.example.com"), "/", &[]), route(Some("b:8080"), "/", &[]), route(None, "/", &[])]);
    let get = |host: &str| found(&routes, "GET", host, "/");
    for host in ["api.example.com.", "API.EXAMPLE.COM.", "api.example.com.:80", "api.example.com:", "api.example.com.."] {
        assert_eq!(get(host), "api.example.com/", "{host}");
    }
    for host in ["b.:8080", "b:08080"] {
        assert_eq!(get(host), "b:8080/", "{host}");
    }
    for host in ["b", "b:80", "example.com", "api.example.com.example.com", "[::1]:80"] {
        assert_eq!(get(host), "/", "{host}");
    }
}

#[test]
fn a_path_that_another_reader_takes_elsewhere_is_unclear() {
    let routes = Routes::new(vec![route(None, "/V1", &[]), route(None, "/V2", &[])]);
    for path in
        ["/V1/../V2/x", "/V1/%2e%2e/V2/x", "/V1/..%2fV2/x", "/V1/..%5CV2", "/V1/%252e%252e/V2/", "/V1/..;/V2/x", "/V1/..", "/x/../V2"]
    {
        assert_eq!(found(&routes, "GET", "h", path), "?", "{path}");
    }
    for path in ["/V1/a/../b", "/V1//a", "/V1/./", "/V1/a%2Fb", "/V1/100%"] {
        assert_eq!(found(&routes, "GET", "h", path), "/V1", "{path}");
    }
}

#[test]
fn what_leads_to_another_route_in_the_middle_of_its_readings_is_unclear() {
    let routes = Routes::new(vec![route(None, "/", &[]), route(None, "/public", &[]), route(None, "/admin", &[])]);
    for path in [
        // One reader resolves dots, the next one decodes or leaves out parameters besides: the last is back where the first began.
        "/public/../admin/users%2f..%2f..%2fpublic/x",
        "/public/../admin/users;/..;/..;/public/x",
        "/public/%2e%2e/admin/..%2f..%2fpublic/x",
        "/public/..%2fadmin/%252e%252e/%252e%252e/public/x",
        // No route but the one for everything has these segments.
        "/admin;x/users",
        "/;/admin/users",
        "/admin%3bx/users",
        "/admin%253bx/users",
        "/admin%3fx",
        "/x/.;/../admin/users",
        "/x;/..\\admin/users",
    ] {
        assert_eq!(found(&routes, "GET", "h", path), "?", "{path}");
    }
    for (path, name) in [
        ("/public/a;v=1/b", "/public"),
        ("/public/a%3bv=1;c/%2e%2e/b", "/public"),
        ("/a;v=1/b", "/"),
        ("/administrators;x", "/"),
        ("/.well-known/x", "/"),
        ("/public/100%25/%e4%b8%ad%20", "/public"),
    ] {
        assert_eq!(found(&routes, "GET", "h", path), name, "{path}");
    }
}

/// A server's way from the path on the wire to the one by which it decides, as servers are documented: it shares nothing with the code that is
/// tested.
#[derive(Debug, Clone, Copy)]
struct Reader {
    drops_parameters_first: bool,
    decodes: usize,
    keeps_separators: bool,
    knows_backslashes: bool,
    drops_parameters: bool,
    merges_slashes: bool,
    resolves_dots: bool,
}

impl Reader {
    fn every() -> impl Iterator<Item = Self> {
        (0..64_u8).flat_map(|bits| (0..3).map(move |decodes| (bits, decodes))).map(|(bits, decodes)| Self {
            drops_parameters_first: bits & 1 > 0,
            decodes,
            keeps_separators: bits & 2 > 0,
            knows_backslashes: bits & 4 > 0,
            drops_parameters: bits & 8 > 0,
            merges_slashes: bits & 16 > 0,
            resolves_dots: bits & 32 > 0,
        })
    }

    fn read(self, path: &str) -> String {
        let mut path = path.to_owned();
        if self.drops_parameters_first {
            path = drop_parameters(&path);
        }
        for _ in 0..self.decodes {
            path = unescape(&path, self.keeps_separators);
        }
        if self.knows_backslashes {
            path = path.replace('\\', "/");
        }
        if self.drops_parameters {
            path = drop_parameters(&path);
        }
        while self.merges_slashes && path.contains("//") {
            path = path.replace("//", "/");
        }
        if self.resolves_dots { remove_dot_segments(&path) } else { path }
    }
}

fn drop_parameters(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|c| {
            inside = *c != '/' && (inside || *c == ';');
            !inside
        })
        .collect()
}

fn unescape(path: &str, keeps_separators: bool) -> String {
    let mut pieces = path.split('%');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).map(char::from) {
            Some(c) if !(keeps_separators && "/\\".contains(c)) => {
                out.push(c);
                out.push_str(&piece[2..]);
            }
            _ => {
                out.push('%');
                out.push_str(piece);
            }
        }
    }
    out
}

/// RFC 3986, section 5.2.4, step by step.
fn remove_dot_segments(path: &str) -> String {
    let (mut input, mut output) = (path.to_owned(), String::new());
    while !input.is_empty() {
        if input.starts_with("/./") || input == "/." {
            input.replace_range(..input.len().min(3), "/");
        } else if input.starts_with("/../") || input == "/.." {
            input.replace_range(..input.len().min(4), "/");
            output.truncate(output.rfind('/').unwrap_or(0));
        } else {
            let end = input[1..].find('/').map_or(input.len(), |at| at + 1);
            output.extend(input.drain(..end));
        }
    }
    output
}

#[test]
fn the_readers_of_this_test_read_as_servers_do() {
    assert_eq!(remove_dot_segments("/a/b/c/./../../g"), "/a/g");
    assert_eq!(remove_dot_segments("/a//../b/.."), "/a/");
    assert_eq!(unescape("/a%2Fb%5c%2e%zz%", true), "/a%2Fb%5c.%zz%");
    assert_eq!(unescape("/%252e", false), "/%2e");
    assert_eq!(drop_parameters("/a;b=1/c;/d"), "/a/c/d");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Whatever the path: it is refused, or no reader takes it to another route.
    #[test]
    fn no_reader_takes_an_accepted_path_elsewhere(words in prop::collection::vec(prop::sample::select(WORDS), 1..12)) {
        const PREFIXES: [&str; 4] = ["/public/admin", "/public", "/admin", "/"];
        let routes = Routes::new(PREFIXES.map(|prefix| route(None, prefix, &[])).into());
        let path = format!("/{}", words.concat());
        let name = found(&routes, "GET", "h", &path);
        if name != "?" {
            for reader in Reader::every() {
                let read = reader.read(&path);
                let below = |prefix: &&&str| **prefix == "/" || read == **prefix || read.starts_with(&format!("{prefix}/"));
                let taken = *PREFIXES.iter().find(below).unwrap();
                prop_assert_eq!(taken, &name, "{} as {}, by {:?}", path, read, reader);
            }
        }
    }
}

const WORDS: &[&str] = &[
    "/", "/", "/", "admin", "admin", "public", "public", "..", "..", ".", ";", ";x", "x", "\\", "//", "%2f", "%2F", "%5c", "%2e", "%2e%2e",
    "%3b", "%252f", "%252e", "%253b", "%25", "%", "%61",
];
