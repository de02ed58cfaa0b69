"""Which requests reach Dagster's page: each rule as a table, and a property: nothing without a credential."""

import string
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from market_pipeline.webserver.policy import Allow, Policy, Reopen, SignIn, cookie_name, decide
from market_pipeline.webserver.request import Authority, Origin, Refused, Request, authority, origin

TOKEN = "t0ken-of-this-start-" + "x" * 24
HOST = "127.0.0.1:29030"
POLICY = Policy(TOKEN)
COOKIE = f"market-pipeline-dagster-29030={POLICY.session}"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PAGE = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}
OURS = {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
PUBLIC = replace(POLICY, public=Origin("https", Authority("dagster.example", 443)))
PROXY = replace(PUBLIC, identity_header="X-User", proxies=(ip_network("10.0.0.0/8"),))


def request(
    method: str = "GET",
    path: str = "/",
    *,
    query: str = "",
    websocket: bool = False,
    peer: str | None = "127.0.0.1",
    **headers: str | None,
) -> Request:
    """A request with our Host header; of the others, ``_`` stands for ``-`` and None for an absent one."""
    given = {"host": HOST} | {name.replace("_", "-").lower(): value for name, value in headers.items()}
    encoded = tuple((name.encode(), value.encode()) for name, value in given.items() if value is not None)
    return Request(method, path, query.encode(), encoded, peer, websocket)


def decided(asked: Request, policy: Policy = POLICY) -> str | int:
    """The status of a refusal, else the name of the decision."""
    decision = decide(asked, policy)
    return decision.status if isinstance(decision, Refused) else type(decision).__name__


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("GET", "/", PAGE | {"Cookie": COOKIE}, "Allow"),
        ("GET", "/runs/1a2b", PAGE | {"Cookie": COOKIE}, "Allow"),
        ("GET", "/_next/a.js", {"Sec-Fetch-Site": "same-origin", "Cookie": COOKIE}, "Allow"),
        ("GET", "/graphql", PAGE | {"Cookie": COOKIE}, "Allow"),
        ("POST", "/graphql", OURS | {"Cookie": COOKIE}, "Allow"),
        ("POST", "/graphql", OURS | {"Cookie": f"a=b; {COOKIE}"}, "Allow"),
        ("POST", "/graphql", OURS | {"Cookie": COOKIE, "Content-Type": "Application/JSON; charset=utf-8"}, "Allow"),
        ("POST", "/graphql", BEARER | {"Content-Type": "application/json"}, "Allow"),
        ("POST", "/report_asset_materialization/a", BEARER | {"Content-Type": "application/json"}, "Allow"),
        ("GET", "/server_info", {"Authorization": f"bearer {TOKEN}"}, "Allow"),
        ("HEAD", "/", BEARER, "Allow"),
        ("GET", "/download_debug/1a2b", BEARER, "Allow"),
        # nobody signed in
        ("GET", "/", PAGE, 401),
        ("GET", "/server_info", {}, 401),
        ("POST", "/graphql", OURS, 401),
        ("POST", "/graphql", OURS | {"Authorization": "Bearer wrong"}, 401),
        ("POST", "/graphql", OURS | {"Authorization": f"Bearer {TOKEN[:-1]}"}, 401),
        ("GET", "/", PAGE | {"Authorization": f"Basic {TOKEN}"}, 401),
        ("GET", "/", PAGE | {"Cookie": f"market-pipeline-dagster-29030={TOKEN}"}, 401),
        ("GET", "/", PAGE | {"Cookie": COOKIE.replace("29030", "29130")}, 401),
        ("GET", "/", PAGE | {"Cookie": f"market-pipeline-dagster-29030={Policy('y' * 43).session}"}, 401),
        # changes by GET, and bodies that are no JSON
        ("GET", "/graphql", {"Cookie": COOKIE, "Accept": "image/avif,image/webp,*/*"}, 405),
        ("GET", "/graphql", {"Cookie": COOKIE}, 405),
        ("HEAD", "/graphql", PAGE | {"Cookie": COOKIE}, 405),
        ("GET", "/graphql", BEARER, 405),
        ("GET", "/graphql\n", BEARER, 400),
        ("POST", "/graphql", OURS | {"Cookie": COOKIE, "Content-Type": "text/plain"}, 415),
        ("POST", "/graphql", OURS | {"Cookie": COOKIE, "Content-Type": "text/plain;application/json"}, 415),
        ("POST", "/graphql", OURS | {"Cookie": COOKIE, "Content-Type": "application/x-www-form-urlencoded"}, 415),
        ("POST", "/graphql", OURS | {"Cookie": COOKIE, "Content-Type": "multipart/form-data; boundary=x"}, 415),
        ("POST", "/graphql", OURS | {"Cookie": COOKIE, "Content-Type": "application/graphql"}, 415),
        ("POST", "/report_asset_check/a", OURS | {"Cookie": COOKIE, "Content-Type": None}, 415),
        ("PUT", "/graphql", OURS | {"Cookie": COOKIE}, 405),
        ("OPTIONS", "/graphql", {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, 403),
        ("OPTIONS", "/graphql", {}, 405),
        ("GET", "/notebook", BEARER, 404),
        ("GET", "/dagit/notebook", BEARER, 404),
        # another page sent it
        ("POST", "/graphql", OURS | {"Cookie": COOKIE, "Origin": "http://evil.example"}, 403),
        ("POST", "/graphql", OURS | {"Cookie": COOKIE, "Origin": "null"}, 403),
        ("POST", "/graphql", OURS | {"Cookie": COOKIE, "Origin": "http://127.0.0.1:8888"}, 403),
        ("POST", "/graphql", OURS | {"Cookie": COOKIE, "Origin": "http://localhost:29030"}, 403),
        ("POST", "/graphql", OURS | {"Cookie": COOKIE, "Origin": None}, 403),
        ("POST", "/graphql", OURS | {"Cookie": COOKIE, "Sec-Fetch-Site": "cross-site"}, 403),
        ("POST", "/graphql", OURS | {"Cookie": COOKIE, "Sec-Fetch-Site": "same-site"}, 403),
        ("POST", "/graphql", OURS | BEARER | {"Origin": "http://evil.example"}, 403),
        ("GET", "/favicon.svg", {"Cookie": COOKIE, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}, 403),
        ("GET", "/", PAGE | {"Cookie": COOKIE, "Sec-Fetch-Dest": "iframe"}, 403),
        ("GET", "/", PAGE | {"Cookie": COOKIE, "Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", "/", PAGE | {"Cookie": COOKIE, "Sec-Fetch-Site": "cross-site"}, "Allow"),
        ("GET", "/runs/1a2b", PAGE | {"Sec-Fetch-Site": "cross-site"}, "Reopen"),
        ("POST", "/graphql", PAGE | {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}, 403),
        # names that aren't ours
        ("GET", "/", PAGE | {"Cookie": COOKIE, "Host": "evil.example:29030"}, 403),
        ("GET", "/", PAGE | {"Cookie": COOKIE, "Host": "127.0.0.1.evil.example:29030"}, 403),
        ("GET", "/", PAGE | {"Cookie": COOKIE, "Host": "dagster.example"}, 403),
        ("GET", "/", BEARER | {"Host": "evil.example"}, 403),
        ("GET", "/", BEARER | {"Host": None}, 400),
        ("GET", "/", BEARER | {"Host": "127.0.0.1:99999"}, 400),
        ("GET", "/", BEARER | {"Host": "127.0.0.1@evil.example"}, 400),
        ("GET", "/", BEARER | {"Host": "localhost:29030"}, "Allow"),
        ("GET", "/", BEARER | {"Host": "[::1]:29030"}, "Allow"),
        ("GET", "/", BEARER | {"Host": "LocalHost:8080"}, "Allow"),
        # paths that could be read in two ways
        ("GET", "//evil.example/", BEARER, 400),
        ("GET", "/\\evil.example/", BEARER, 400),
        ("GET", "http://evil.example/", BEARER, 400),
        ("GET", "/logs/../../x", BEARER, 400),
        ("GET", "*", BEARER, 400),
    ],
)  # fmt: skip
def test_who_gets_through(method: str, path: str, headers: dict[str, str | None], expected: str | int) -> None:
    assert decided(request(method, path, **headers)) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Cookie": COOKIE, "Origin": f"http://{HOST}"}, "Allow"),
        (BEARER, "Allow"),
        ({"Cookie": COOKIE}, 403),
        ({"Cookie": COOKIE, "Origin": "http://evil.example"}, 403),
        ({"Cookie": COOKIE, "Origin": "http://127.0.0.1:8888", "Sec-Fetch-Site": "same-site"}, 403),
        ({"Cookie": COOKIE, "Origin": f"http://{HOST}", "Host": "evil.example:29030"}, 403),
        ({"Origin": f"http://{HOST}"}, 401),
    ],
)
def test_a_websocket_needs_a_credential_and_our_origin(headers: dict[str, str | None], expected: str | int) -> None:
    assert decided(request(path="/graphql", websocket=True, **headers)) == expected


@pytest.mark.parametrize(
    "name", ["Host", "Origin", "Content-Type", "Authorization", "Sec-Fetch-Site", "Sec-Fetch-Dest"]
)
def test_a_header_that_stands_there_twice_is_refused(name: str) -> None:
    good = request("POST", "/graphql", **OURS, Authorization=f"Bearer {TOKEN}", Sec_Fetch_Dest="empty")
    assert decided(good) == "Allow"
    (value,) = good.values(name)
    assert decided(replace(good, headers=(*good.headers, (name.lower().encode(), value.encode())))) == 400


def test_of_two_cookies_with_our_name_one_may_be_a_strangers() -> None:
    """A page on another port can set a cookie of any name: it must not sign anybody out."""
    assert decided(request(**PAGE, Cookie=f"market-pipeline-dagster-29030=x; {COOKIE}")) == "Allow"


@pytest.mark.parametrize(
    ("path", "query", "location"),
    [
        ("/", f"token={TOKEN}", "/"),
        ("/runs/1a2b", f"a=%2F1&token={TOKEN}&b=2", "/runs/1a2b?a=%2F1&b=2"),
        ("/assets/a b", f"%74oken={TOKEN}&token=x", "/assets/a%20b"),
        ("/a?b", f"token={TOKEN}", "/a%3Fb"),
        ("/@evil.example", f"token={TOKEN}&x=\r\nSet-Cookie:y", "/@evil.example?x=%0D%0ASet-Cookie:y"),
    ],
)
def test_the_token_in_the_url_becomes_a_cookie_and_leaves_the_url(path: str, query: str, location: str) -> None:
    decision = decide(request(path=path, query=query, **PAGE), POLICY)
    assert decision == SignIn(location, f"{COOKIE}; Path=/; HttpOnly; SameSite=Strict")
    assert TOKEN not in str(decision)


@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        ("token=wrong", PAGE, 401),
        ("token=", PAGE, 401),
        ("token=an-earlier-one", PAGE | {"Cookie": COOKIE}, "SignIn"),
        (f"token={TOKEN}", PAGE | {"Sec-Fetch-Dest": "iframe"}, 403),
        (f"token={TOKEN}", PAGE | {"Host": "evil.example:29030"}, 403),
    ],
)
def test_a_token_in_the_url(query: str, headers: dict[str, str], expected: str | int) -> None:
    assert decided(request(query=query, **headers)) == expected


def test_a_token_in_the_url_of_a_post_or_a_websocket_does_not_count() -> None:
    query = f"token={TOKEN}"
    assert decided(request("POST", "/graphql", query=query, **OURS)) == 401
    assert decided(request(path="/graphql", query=query, websocket=True, Origin=f"http://{HOST}")) == 401


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Host": "dagster.example", "Origin": "https://dagster.example"}, "Allow"),
        ({"Host": "dagster.example:443", "Origin": "https://dagster.example"}, "Allow"),
        ({"Host": HOST, "Origin": "https://dagster.example"}, "Allow"),
        ({"Host": "dagster.example", "Origin": "http://dagster.example"}, 403),
        ({"Host": "dagster.example", "Origin": "https://dagster.example:8443"}, 403),
        ({"Host": "dagster.example:8443", "Origin": "https://dagster.example:8443"}, 403),
    ],
)
def test_the_public_url_names_a_host_and_an_origin(headers: dict[str, str], expected: str | int) -> None:
    asked = request("POST", "/graphql", **(OURS | headers | BEARER))
    assert decided(asked, PUBLIC) == expected


def test_the_cookie_of_a_page_behind_https_is_secure() -> None:
    decision = decide(request(query=f"token={TOKEN}", **(PAGE | {"Host": "dagster.example"})), PUBLIC)
    assert isinstance(decision, SignIn)
    assert decision.cookie.startswith("market-pipeline-dagster=")
    assert decision.cookie.endswith("; Secure")


@pytest.mark.parametrize(
    ("peer", "headers", "policy", "expected"),
    [
        ("10.1.2.3", {"X-User": "ann"}, PROXY, "Allow"),
        ("::ffff:10.1.2.3", {"X-User": "ann"}, PROXY, "Allow"),
        ("10.1.2.3", {}, PROXY, 401),
        ("10.1.2.3", {"X-User": " "}, PROXY, 401),
        ("127.0.0.1", {"X-User": "ann"}, PROXY, 401),
        ("192.168.0.1", {"X-User": "ann", "X-Forwarded-For": "10.1.2.3"}, PROXY, 401),
        (None, {"X-User": "ann"}, PROXY, 401),
        ("10.1.2.3", {"X-User": "ann", "Authorization": "Bearer of-the-proxy"}, PROXY, "Allow"),
        ("10.1.2.3", {"Authorization": "Bearer of-the-proxy"}, PROXY, 401),
        ("10.1.2.3", {"X-User": "ann"}, replace(PROXY, proxies=()), 401),
        ("10.1.2.3", {"X-User": "ann"}, replace(PROXY, identity_header=None), 401),
        ("10.1.2.3", {"X-User": "ann", "Origin": "https://evil.example"}, PROXY, 403),
        ("10.1.2.3", {"X-User": "ann", "Origin": None}, PROXY, 403),
    ],
)
def test_a_proxys_word_counts_from_the_configured_address(
    peer: str | None, headers: dict[str, str | None], policy: Policy, expected: str | int
) -> None:
    public = {"Host": "dagster.example", "Origin": "https://dagster.example"}
    assert decided(request("POST", "/graphql", peer=peer, **(OURS | public | headers)), policy) == expected


def test_the_user_is_the_one_that_the_proxy_names() -> None:
    asked = request(peer="10.0.0.1", Host="dagster.example", X_User="ann")
    assert decide(asked, PROXY) == Allow("ann")
    twice = replace(asked, headers=(*asked.headers, (b"x-user", b"eve")))
    assert decided(twice, PROXY) == 400


def test_further_names_are_configured() -> None:
    policy = replace(POLICY, hosts=frozenset({Authority("box", 29030), Authority("any.example", None)}))
    assert decided(request(Host="box:29030", **BEARER), policy) == "Allow"
    assert decided(request(Host="box:1", **BEARER), policy) == 403
    assert decided(request(Host="any.example:1", **BEARER), policy) == "Allow"


ATTACKER_KNOWS = st.sampled_from(
    [*PAGE.items(), *OURS.items(), ("Cookie", "market-pipeline-dagster-29030="), ("Cookie", "a=x"),
     ("Authorization", "Bearer "), ("Authorization", "Bearer x"), ("X-User", "ann"), ("X-Forwarded-For", "10.0.0.1"),
     ("Host", "dagster.example"), ("Origin", "https://dagster.example"), ("Forwarded", "for=10.0.0.1;host=x")]
)  # fmt: skip
HEADERS = st.lists(
    ATTACKER_KNOWS
    | st.tuples(
        st.sampled_from(["Host", "Cookie", "Authorization", "Origin", "Content-Type", "X-User", "Accept"])
        | st.text(string.ascii_letters + "-", max_size=12),
        st.text(st.characters(codec="latin-1"), max_size=40),
    ),
    max_size=8,
)


def without_credential(peer: str = "127.0.0.1", query: bytes = b"", **headers: str) -> Any:
    """A request that lacks its credential and nothing else; chance seldom makes one."""
    pairs = [(name.replace("_", "-"), value) for name, value in (PAGE | headers).items()]
    return example(
        method="GET", path="/", query=query, headers=pairs, with_host=True, peer=peer, websocket=False
    )  # fmt: skip


@without_credential()
@without_credential(Cookie="market-pipeline-dagster-29030=")
@without_credential(Cookie=f"market-pipeline-dagster-29030={'0' * 64}")
@without_credential(Authorization="Bearer ")
@without_credential(Authorization="Bearer x")
@without_credential(query=b"token=x")
@without_credential(X_User="ann")
@without_credential(X_User="ann", X_Forwarded_For="10.0.0.1", peer="192.168.0.1")
@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS", "get"]) | st.text(max_size=8),
    path=st.sampled_from(["/", "/graphql", "/server_info", "/logs/a"]) | st.text(max_size=30),
    query=st.sampled_from([b"", b"token=", b"token=x", b"query=mutation{a}"]) | st.binary(max_size=40),
    headers=HEADERS,
    with_host=st.booleans(),
    peer=st.sampled_from(["127.0.0.1", "::1", "192.168.0.1", None, "x"]),
    websocket=st.booleans(),
)
def test_nothing_gets_through_without_a_credential(
    method: str,
    path: str,
    query: bytes,
    headers: list[tuple[str, str]],
    with_host: bool,
    peer: str | None,
    websocket: bool,
) -> None:
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    encoded += [(b"host", HOST.encode())] if with_host else []
    decision = decide(Request(method, path, query, tuple(encoded), peer, websocket), PROXY)
    assert isinstance(decision, Refused | Reopen)


@given(st.text(max_size=30))
def test_a_host_or_an_origin_is_read_or_refused(text: str) -> None:
    for found in (authority(text), origin(text) and origin(text).authority):  # type: ignore[union-attr]
        assert found is None or (found.host == found.host.lower() and found.port != 0)


def test_the_cookie_has_the_port_in_its_name() -> None:
    assert cookie_name(Authority("127.0.0.1", 29030)) != cookie_name(Authority("127.0.0.1", 29130))


def test_the_token_is_not_in_what_the_policy_shows_of_itself() -> None:
    assert TOKEN not in repr(POLICY)
    assert TOKEN not in POLICY.session
