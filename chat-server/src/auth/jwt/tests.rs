use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chat_core::{ManualClock, port::Via};
use jsonwebtoken::{EncodingKey, crypto::sign};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::auth::{command::generate, keys::Source};

const SECRET: &[u8] = b"a secret of the tests, of 32 and more bytes";

/// The time at which the tests run, in seconds.
const NOW: u64 = 1_800_000_000;

fn clock() -> Arc<ManualClock> {
    let clock = ManualClock::default();
    clock.advance(Duration::from_secs(NOW));
    Arc::new(clock)
}

fn rules() -> Rules {
    Rules {
        audience: "chat".to_owned(),
        issuer: "https://login.example".to_owned(),
        max_lifetime: Duration::from_hours(24),
        names: Names::Any,
        ranks: true,
    }
}

fn set(file: &str, content: &[u8]) -> Keyring {
    read(file, content, Source::Set).unwrap()
}

fn key(algorithm: Algorithm, content: &[u8]) -> Keyring {
    read("key", content, |path| Source::Key(path, algorithm)).unwrap()
}

/// Reads keys from a file with this content.
fn read(
    name: &str,
    content: &[u8],
    source: impl FnOnce(std::path::PathBuf) -> Source,
) -> Result<Keyring, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    Keyring::open(source(path)).map_err(|error| error.to_string())
}

fn jwt_at(keys: Keyring, clock: Arc<ManualClock>) -> Jwt {
    Jwt {
        keys: Arc::new(keys),
        rules: rules(),
        clock,
    }
}

fn jwt() -> Jwt {
    jwt_at(key(Algorithm::Hs256, SECRET), clock())
}

/// The claims of a good token, with some of them replaced; `null` leaves one out.
fn claims(changes: &Value) -> String {
    let mut claims = json!({
        "iss": "https://login.example", "sub": "alice", "aud": "chat",
        "iat": NOW, "exp": NOW + 3_600, "jti": "t-1",
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let claims = claims.as_object_mut().unwrap();
    claims.retain(|_, value| *value != json!("LEFT OUT"));
    serde_json::to_string(claims).unwrap()
}

fn signed_with(header: &str, claims: &str, secret: &[u8]) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let message = format!("{header}.{claims}");
    let key = EncodingKey::from_secret(secret).unwrap();
    let signature = sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

fn signed(header: &str, claims: &str) -> String {
    signed_with(header, claims, SECRET)
}

/// A token with the usual header.
fn token(changes: &Value) -> String {
    signed(r#"{"alg":"HS256","typ":"JWT"}"#, &claims(changes))
}

/// The name of the rule that a token breaks.
fn broken(jwt: &Jwt, token: &str) -> String {
    let refusal = jwt.verify(token).map(|principal| principal.user);
    let refusal = refusal.map_or_else(|refusal| refusal.to_string(), |user| format!("{user}:"));
    refusal.split(':').next().unwrap_or_default().to_owned()
}

#[test]
fn a_good_token_says_who_it_is_and_until_when() {
    let alice = jwt().verify(&token(&json!({}))).unwrap();
    assert_eq!(alice.user.as_str(), "alice");
    assert_eq!(alice.token, Some(TokenId::new("t-1").unwrap()));
    let end = DateTime::from_timestamp(i64::try_from(NOW).unwrap() + 3_600, 0);
    assert_eq!(alice.expires_at, end);
    assert_eq!((alice.rank, alice.scopes), (Rank::User, Scopes::default()));
    let audiences = json!({ "aud": ["other", "chat"], "jti": "LEFT OUT", "iat": "LEFT OUT" });
    assert!(jwt().verify(&token(&audiences)).is_ok());
}

#[test]
fn headers_by_which_a_token_would_choose_its_rules_are_refused() {
    let good = claims(&json!({}));
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS384"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":"HS256","alg":"none"}"#,
        r#"{"alg":"HS256","typ":"logout+jwt"}"#,
        r#"{"alg":"HS256","jku":"https://evil.example/keys"}"#,
        r#"{"alg":"HS256","x5u":"https://evil.example/cert"}"#,
        r#"{"alg":"HS256","x5c":["AAAA"]}"#,
        r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}"#,
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","b64":true}"#,
        r#"{"alg":"HS256","zip":"DEF"}"#,
        r#"{"alg":"HS256","kid":"../../dev/null"}"#,
        r#"{"alg":"HS256","kid":""}"#,
        "[]",
        "",
    ] {
        let broken = broken(&jwt(), &signed(header, &good));
        assert!(
            ["header", "kid", "alg"].contains(&&*broken),
            "{header}: {broken}"
        );
    }
    assert!(
        jwt()
            .verify(&signed(r#"{"alg":"HS256","typ":"at+jwt"}"#, &good))
            .is_ok()
    );
    assert!(jwt().verify(&signed(r#"{"alg":"HS256"}"#, &good)).is_ok());
}

#[test]
fn times_that_are_none_or_too_far_are_refused() {
    let soon = |seconds: i64| json!(NOW.saturating_add_signed(seconds));
    for (changes, rule) in [
        (json!({ "exp": "LEFT OUT" }), "claim"),
        (json!({ "exp": null }), "claim"),
        (json!({ "exp": "1800003600" }), "claim"),
        (json!({ "exp": -1 }), "claim"),
        (json!({ "exp": 1e18 }), "claim"),
        (json!({ "exp": u64::MAX }), "claim"),
        (json!({ "exp": 1_u64 << 53 }), "claim"),
        (json!({ "exp": soon(-6) }), "exp"),
        (json!({ "exp": soon(-5) }), "exp"),
        (json!({ "nbf": soon(6) }), "nbf"),
        (json!({ "nbf": "1800000000" }), "claim"),
        (json!({ "iat": soon(6), "exp": soon(60) }), "iat"),
        (json!({ "iat": 1e18 }), "claim"),
        (json!({ "exp": soon(25 * 3_600) }), "exp"),
        (
            json!({ "iat": "LEFT OUT", "exp": soon(24 * 3_600 + 1) }),
            "exp",
        ),
    ] {
        assert_eq!(broken(&jwt(), &token(&changes)), rule, "{changes}");
    }
    let overflow = claims(&json!({})).replace(&(NOW + 3_600).to_string(), "1e400");
    assert_eq!(
        broken(&jwt(), &signed(r#"{"alg":"HS256"}"#, &overflow)),
        "claim"
    );
    for changes in [
        json!({ "exp": soon(-4), "iat": soon(-60) }),
        json!({ "nbf": soon(5) }),
        json!({ "iat": soon(5) }),
        json!({ "exp": soon(24 * 3_600) }),
    ] {
        assert_eq!(broken(&jwt(), &token(&changes)), "alice", "{changes}");
    }
}

#[test]
fn an_issuer_audience_or_subject_that_is_not_ours_is_refused() {
    for changes in [
        json!({ "aud": "LEFT OUT" }),
        json!({ "aud": "other" }),
        json!({ "aud": ["other"] }),
        json!({ "aud": [] }),
        json!({ "iss": "LEFT OUT" }),
        json!({ "iss": "https://login.example/" }),
        json!({ "iss": ["https://login.example", "https://evil.example"] }),
        json!({ "sub": "LEFT OUT" }),
        json!({ "sub": "" }),
        json!({ "sub": 7 }),
        json!({ "sub": "a,b" }),
        json!({ "sub": "a\u{200b}b" }),
        json!({ "sub": "zoe\u{308}" }),
        json!({ "sub": "x".repeat(65) }),
        json!({ "jti": "" }),
        json!({ "jti": "x".repeat(65) }),
        json!({ "chat_rank": "root" }),
    ] {
        assert_eq!(broken(&jwt(), &token(&changes)), "claim", "{changes}");
    }
    let twice = claims(&json!({})).replacen('{', r#"{"sub":"bob","#, 1);
    assert_eq!(
        broken(&jwt(), &signed(r#"{"alg":"HS256"}"#, &twice)),
        "claim"
    );
}

#[test]
fn what_is_no_signed_token_is_refused() {
    let good = token(&json!({}));
    for bad in [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        &format!("{good} "),
        &format!("{good}="),
    ] {
        assert!(jwt().verify(bad).is_err(), "{bad:?}");
    }
    assert_eq!(broken(&jwt(), &"x".repeat(5 << 10)), "form");
    let (message, _) = good.rsplit_once('.').unwrap();
    assert_eq!(broken(&jwt(), &format!("{message}.")), "signature");
    let other = signed_with(r#"{"alg":"HS256"}"#, &claims(&json!({})), &[b'x'; 40]);
    assert_eq!(broken(&jwt(), &other), "signature");
}

#[test]
fn ranks_and_scopes_are_believed_as_far_as_the_settings_say() {
    let admin = token(&json!({ "chat_rank": "admin", "scope": "openid chat:read profile" }));
    let principal = jwt().verify(&admin).unwrap();
    assert_eq!(principal.rank, Rank::Admin);
    let Scopes {
        read,
        send,
        manage,
        metrics,
    } = principal.scopes;
    assert_eq!((read, send, manage, metrics), (true, false, false, false));
    let mut without = jwt();
    without.rules.ranks = false;
    assert_eq!(without.verify(&admin).unwrap().rank, Rank::User);
    let foreign = token(&json!({ "scope": "openid profile" }));
    assert_eq!(jwt().verify(&foreign).unwrap().scopes, Scopes::default());
}

/// Signs and verifies a token with new keys of an algorithm, read from files.
fn sign_and_verify(algorithm: Algorithm) -> (Jwt, String) {
    let folder = tempfile::tempdir().unwrap();
    let files = generate(algorithm, folder.path()).unwrap();
    let files: Vec<_> = files.lines().collect();
    let open = |file: &str| Keyring::open(Source::Key(file.into(), algorithm)).unwrap();
    let (private, public) = (open(files[0]), open(files[files.len() - 1]));
    let keys = private.current().unwrap();
    let signing = &keys.find(None).unwrap().signing.as_ref().unwrap().0;
    let claims: Value = serde_json::from_str(&claims(&json!({}))).unwrap();
    let token = jsonwebtoken::encode(&Header::new(algorithm.into()), &claims, signing).unwrap();
    // The private key verifies as well.
    jwt_at(private, clock()).verify(&token).unwrap();
    (jwt_at(public, clock()), token)
}

#[test]
fn each_algorithm_signs_and_verifies_with_its_own_keys_only() {
    let made = [Algorithm::Hs256, Algorithm::EdDsa, Algorithm::Rs256].map(sign_and_verify);
    for (at, (jwt, _)) in made.iter().enumerate() {
        for (of, (_, token)) in made.iter().enumerate() {
            assert_eq!(jwt.verify(token).is_ok(), at == of, "{at} {of}");
        }
    }
}

#[test]
fn a_public_key_is_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let files = generate(Algorithm::Rs256, folder.path()).unwrap();
    let public = std::fs::read(files.lines().last().unwrap()).unwrap();
    let jwt = jwt_at(key(Algorithm::Rs256, &public), clock());
    let forged = signed_with(r#"{"alg":"HS256"}"#, &claims(&json!({})), &public);
    assert_eq!(broken(&jwt, &forged), "alg");
    let forged = signed_with(r#"{"alg":"RS256"}"#, &claims(&json!({})), &public);
    assert_eq!(broken(&jwt, &forged), "signature");
}

#[test]
fn a_key_of_a_set_is_found_by_its_kid_and_by_nothing_else() {
    let k = |fill: u8| URL_SAFE_NO_PAD.encode([fill; 32]);
    let keys = json!({ "keys": [
        { "kty": "oct", "kid": "one", "alg": "HS256", "k": k(1) },
        { "kty": "oct", "kid": "two", "alg": "HS256", "k": k(2) },
        { "kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB" },
    ]});
    let jwt = jwt_at(set("jwks.json", keys.to_string().as_bytes()), clock());
    let claims = claims(&json!({}));
    let by = |header: &str, secret: u8| broken(&jwt, &signed_with(header, &claims, &[secret; 32]));
    assert_eq!(by(r#"{"alg":"HS256","kid":"one"}"#, 1), "alice");
    assert_eq!(by(r#"{"alg":"HS256","kid":"two"}"#, 2), "alice");
    assert_eq!(by(r#"{"alg":"HS256","kid":"two"}"#, 1), "signature");
    assert_eq!(by(r#"{"alg":"HS256"}"#, 1), "kid");
    assert_eq!(by(r#"{"alg":"HS256","kid":"One"}"#, 1), "kid");
    assert_eq!(by(r#"{"alg":"HS256","kid":"../one"}"#, 1), "kid");
}

#[test]
fn weak_keys_are_refused_by_name() {
    let why = |content: &[u8], algorithm| {
        read("k", content, |path| Source::Key(path, algorithm)).unwrap_err()
    };
    assert!(why(&[b'x'; 31], Algorithm::Hs256).contains("at least 32 bytes"));
    assert!(why(b"nothing", Algorithm::Rs256).contains("no key of RS256"));
    let set = |key: Value| {
        let keys = json!({ "keys": [key] }).to_string();
        read("k", keys.as_bytes(), Source::Set).unwrap_err()
    };
    let short = URL_SAFE_NO_PAD.encode([255; 128]);
    let rsa =
        |n: &str, e: &str| json!({ "kty": "RSA", "kid": "a", "alg": "RS256", "n": n, "e": e });
    assert!(set(rsa(&short, "AQAB")).contains("this one has 1024"));
    let long = URL_SAFE_NO_PAD.encode([255; 256]);
    assert!(set(rsa(&long, "Aw")).contains("exponent"));
    let oct = |k: &[u8]| json!({ "kty": "oct", "kid": "a", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(k) });
    assert!(set(oct(&[1; 31])).contains("this one has 31"));
    let mut unnamed = oct(&[1; 32]);
    unnamed.as_object_mut().unwrap().remove("kid");
    assert!(set(unnamed).contains("no `kid`"));
    let mixed =
        json!({ "kty": "oct", "kid": "a", "alg": "RS256", "k": URL_SAFE_NO_PAD.encode([1; 32]) });
    assert!(set(mixed).contains("no key of RS256"));
    let twice = json!({ "keys": [oct(&[1; 32]), oct(&[2; 32])] }).to_string();
    assert!(
        read("k", twice.as_bytes(), Source::Set)
            .unwrap_err()
            .contains("two keys")
    );
    let many: Vec<_> = (0..65).map(|_| oct(&[1; 32])).collect();
    let many = json!({ "keys": many }).to_string();
    assert!(
        read("k", many.as_bytes(), Source::Set)
            .unwrap_err()
            .contains("65")
    );
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, SECRET).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = Keyring::open(Source::Key(path, Algorithm::Hs256)).unwrap_err();
    assert!(error.to_string().contains("chmod 600"), "{error}");
}

#[test]
fn a_secret_may_be_text_or_base64_and_end_with_a_line_break() {
    let secret = [7; 48];
    let text = base64::engine::general_purpose::STANDARD.encode(secret);
    let keys = key(Algorithm::Hs256, format!("{text}\r\n").as_bytes());
    let jwt = jwt_at(keys, clock());
    let claims = claims(&json!({}));
    for secret in [text.as_bytes(), &secret] {
        assert!(
            jwt.verify(&signed_with(r#"{"alg":"HS256"}"#, &claims, secret))
                .is_ok()
        );
    }
}

#[tokio::test]
async fn a_client_hears_of_an_expired_token_and_of_nothing_else() {
    let jwt = jwt();
    let ask = async |token: &str| {
        let presented = Credential {
            token: &token.into(),
            via: Via::Rest,
            from: None,
        };
        jwt.authenticate(&presented)
            .await
            .map(|principal| principal.user)
    };
    let expired = token(&json!({ "iat": NOW - 60, "exp": NOW - 10 }));
    assert_eq!(ask(&expired).await, Err(AuthError::Expired));
    assert_eq!(ask("a.b.c").await, Err(AuthError::Invalid));
}

#[test]
fn a_login_is_no_later_than_the_clock_and_has_the_leeway_only_after_its_end() {
    let at = |seconds| DateTime::from_timestamp(i64::try_from(seconds).unwrap(), 0).unwrap();
    let ahead = jwt().verify(&token(&json!({ "iat": NOW + 4 }))).unwrap();
    assert_eq!(ahead.issued_at, Some(at(NOW)));
    let usual = jwt().verify(&token(&json!({ "iat": NOW - 4 }))).unwrap();
    assert_eq!(usual.issued_at, Some(at(NOW - 4)));
    assert_eq!(usual.expires_at, Some(at(NOW + 3_600)));
    let late = json!({ "iat": NOW - 60, "exp": NOW - 4 });
    let late = jwt().verify(&token(&late)).unwrap();
    assert_eq!(late.expires_at, Some(at(NOW + 1)));
}

proptest! {
    #[test]
    fn a_token_is_good_from_its_beginning_to_its_end_whatever_the_clock_does(
        jumps in prop::collection::vec(-7_200_i64..7_200, 1..20)
    ) {
        let good = token(&json!({ "nbf": NOW, "exp": NOW + 3_600 }));
        let keys = jwt().keys;
        let mut now = i64::try_from(NOW).unwrap();
        for jump in jumps {
            now += jump;
            let clock = ManualClock::default();
            clock.advance(Duration::from_secs(u64::try_from(now).unwrap()));
            let jwt = Jwt { keys: Arc::clone(&keys), rules: rules(), clock: Arc::new(clock) };
            let since = now - i64::try_from(NOW).unwrap();
            prop_assert_eq!(jwt.verify(&good).is_ok(), (-LEEWAY..3_600 + LEEWAY).contains(&since));
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        prop_assert!(jwt().verify(&text).is_err());
    }
}
