"""Which requests reach Dagster's page. Pure: a request's head in, a decision out.

A web page that you visit can make your browser send requests to a server on your machine, cookies included. It cannot
choose the headers ``Host``, ``Origin`` and ``Sec-Fetch-*``, and cannot send JSON or ``Authorization`` to another origin
without that origin's leave. The rules rest on that; the token keeps out everybody who is not in your browser.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from urllib.parse import quote, unquote_plus

from market_pipeline.webserver.request import Authority, Origin, Refused, Request, authority, origin

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
GRAPHQL = "/graphql"
CLOSED = ("/notebook", "/dagit/notebook")
"""They read any notebook by its path from the code server. No asset of ours has one."""
FRAMES = frozenset({"iframe", "frame", "fencedframe", "embed", "object"})
TOKEN_PARAMETER = "token"
COOKIE = "market-pipeline-dagster"
_PATH = re.compile(r"/(?![/\\])[^\x00-\x1f\x7f\\]*")


@dataclass(frozen=True)
class Policy:
    """Who may use the page, and under which names.

    Attributes:
        token: the secret of this start.
        hosts: names besides loopback's under which the page is opened, with a port or, for any port, without.
        public: the origin where people open it through a proxy.
        identity_header: where a proxy puts the name of the user whom it signed in.
        proxies: the addresses whose ``identity_header`` is believed.
    """

    token: str = field(repr=False)
    hosts: frozenset[Authority] = frozenset()
    public: Origin | None = None
    identity_header: str | None = None
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()

    @property
    def session(self) -> str:
        """What the cookie holds: good for this token only, and no way back to it."""
        return hmac.new(self.token.encode(), b"session", hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Allow:
    """The request reaches Dagster."""

    user: str


@dataclass(frozen=True)
class SignIn:
    """The browser gets a cookie, and opens the same page without the token."""

    location: str
    cookie: str


@dataclass(frozen=True)
class Reopen:
    """A link on another site led here, so the browser withholds the cookie: the page opens itself once more."""


Decision = Allow | SignIn | Reopen | Refused


def decide(request: Request, policy: Policy) -> Decision:
    """What becomes of a request."""
    try:
        _check_path(request)
        host = _checked_host(request, policy)
        ours = _check_sender(request, host, policy)
        _check_form(request)
        return _admit(request, host, policy, sent_by_our_page=ours)
    except Refused as refusal:
        return refusal


def _check_path(request: Request) -> None:
    # the router of Dagster's web framework takes "/graphql\n" for "/graphql", and what begins with // in a Location
    # names another server
    if not _PATH.fullmatch(request.path) or ".." in request.path.split("/"):
        raise Refused(400, "The request's path is malformed.")


def _checked_host(request: Request, policy: Policy) -> Authority:
    """The Host header. A name that an attacker owns can be made to point here, but it stays his name.

    Any port goes with loopback: a browser puts there the one that it connected to, which is another one at the near end
    of an SSH tunnel.
    """
    given = request.value("host")
    host = authority(given) if given is not None else None
    if host is None:
        raise Refused(400, "The request's Host header is missing or malformed.")
    if (
        _is_public(host, policy)
        or host.host in LOOPBACK_NAMES
        or host in policy.hosts
        or Authority(host.host, None) in policy.hosts
    ):
        return host
    raise Refused(
        403,
        f"This page is not served under the name {host.host}. If it should be, set MARKET_PIPELINE_DAGSTER_URL to its "
        "URL, or name it in MARKET_PIPELINE_DAGSTER_HOSTS.",
    )


def _is_public(host: Authority, policy: Policy) -> bool:
    return policy.public is not None and host.at(policy.public.scheme) == policy.public.authority


def _check_sender(request: Request, host: Authority, policy: Policy) -> bool:
    """Refuse what a page of another origin sent; whether the browser says that our own page did."""
    if request.value("sec-fetch-dest") in FRAMES:
        raise Refused(403, "This page is not shown inside another page.")
    site = request.value("sec-fetch-site")
    if site not in (None, "same-origin", "none") and not request.opens_a_page:
        raise Refused(403, "The request comes from a page of another site.")
    given = request.value("origin")
    if given is None:
        return False
    if not _is_ours(origin(given), host, policy):
        raise Refused(403, "The request comes from a page of another origin.")
    return True


def _is_ours(sender: Origin | None, host: Authority, policy: Policy) -> bool:
    if sender is None:
        return False
    if sender == policy.public:  # its proxy may have changed Host
        return True
    return sender.authority == host.at(sender.scheme) and not _is_public(
        host, policy
    )  # its http:// is not its https://


def _check_form(request: Request) -> None:
    """Refuse what Dagster would take, and only foreign pages send: changes by GET, and bodies that are no JSON."""
    if request.websocket:
        return
    if request.path in CLOSED:
        raise Refused(404, "Notebooks are not served here.")
    if request.method == "POST":
        # Dagster searches the header for "application/json", so that text/plain;application/json would do
        kind = (request.value("content-type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refused(415, "A POST needs the header Content-Type: application/json.")
    elif not request.safe:
        raise Refused(405, f"The method {request.method[:20]} is not used here.")
    elif request.path == GRAPHQL and not (request.method == "GET" and "text/html" in (request.value("accept") or "")):
        # with text/html Dagster answers with its GraphQL playground and executes nothing
        raise Refused(405, "GraphQL is taken by POST.")


def _admit(request: Request, host: Authority, policy: Policy, *, sent_by_our_page: bool) -> Decision:
    bearer = _bearer(request)
    if bearer is not None and _equal(bearer, policy.token):
        return Allow("token")
    user = _signed_in(request, host, policy)
    if bearer is not None and user is None:  # a proxy that signed somebody in may pass a token of its own on
        raise Refused(401, "The token in the Authorization header is not the one of this start.")
    tokens = _query_tokens(request)
    if tokens and request.method == "GET" and not request.websocket:
        if user is None and not any(_equal(token, policy.token) for token in tokens):
            raise Refused(401, "The token in the URL is not the one of this start.")
        return SignIn(_without_token(request), _cookie(host, policy))
    if user is None:
        if request.opens_a_page and request.value("sec-fetch-site") in ("cross-site", "same-site"):
            return Reopen()
        raise Refused(401, "You are not signed in.")
    # a browser adds cookies, and a proxy its header, to whatever a page sends; it says then which page that is
    if not sent_by_our_page and (request.websocket or not request.safe):
        raise Refused(403, "The request does not say which page it comes from.")
    return Allow(user)


def _bearer(request: Request) -> str | None:
    scheme, _, credentials = (request.value("authorization") or "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else None


def _signed_in(request: Request, host: Authority, policy: Policy) -> str | None:
    """Whose cookie it is, or whom the proxy has signed in."""
    name = cookie_name(host)
    pairs = (part.strip().partition("=") for line in request.values("cookie") for part in line.split(";"))
    if any(_equal(value, policy.session) for key, _, value in pairs if key == name):
        return "cookie"
    if policy.identity_header is None or not _comes_from_proxy(request.peer, policy):
        return None
    return request.value(policy.identity_header) or None


def _comes_from_proxy(peer: str | None, policy: Policy) -> bool:
    try:
        address = ip_address(peer or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in policy.proxies)


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())


def _parameters(request: Request) -> list[tuple[str, str]]:
    """Each part of the query as it came, and its name."""
    parts = request.query.decode("latin-1").split("&")
    return [(part, unquote_plus(part.partition("=")[0])) for part in parts if part]


def _query_tokens(request: Request) -> list[str]:
    return [unquote_plus(part.partition("=")[2]) for part, name in _parameters(request) if name == TOKEN_PARAMETER]


def _without_token(request: Request) -> str:
    rest = "&".join(quote(part, safe="%=+;,:@/?!$'()*~-._") for part, name in _parameters(request) if name != "token")
    return quote(request.path, safe="/:@!$&'()*+,;=~") + (f"?{rest}" if rest else "")


def cookie_name(host: Authority) -> str:
    """Cookies don't tell ports apart, so the name does: two pipelines on one machine don't sign each other out."""
    return f"{COOKIE}-{host.port}" if host.port is not None else COOKIE


def _cookie(host: Authority, policy: Policy) -> str:
    secure = policy.public is not None and policy.public.scheme == "https" and _is_public(host, policy)
    attributes: Sequence[str] = ("Path=/", "HttpOnly", "SameSite=Strict", *(("Secure",) if secure else ()))
    return "; ".join((f"{cookie_name(host)}={policy.session}", *attributes))
