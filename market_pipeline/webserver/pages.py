"""The pages that a browser gets instead of Dagster's."""

from html import escape

from market_pipeline.webserver.request import Refused

_SECURITY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
_HEAD = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">{more}<title>{title}</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 4rem auto; padding: 0 1rem; color: #1c2128 }}
  code {{ background: #eef1f4; padding: .1rem .3rem; border-radius: .2rem }}
  input, button {{ font: inherit; padding: .3rem .6rem }}
</style></head>
<body>
"""
_SIGN_IN = """<p>Open the URL that ends in <code>?token=…</code>. <code>market-pipeline up</code> prints it;
so does, at any time,</p>
<p><code>market-pipeline dagster-url</code></p>
<p>In containers: <code>docker-compose exec dagster-webserver market-pipeline dagster-url</code></p>
<p>Each start of the pipeline has a new token. Or paste the token here:</p>
<form method="get"><input type="password" name="token" aria-label="Token" autocomplete="off" autofocus>
<button>Sign in</button></form>
"""


def refusal_page(refused: Refused) -> tuple[str, str]:
    """Why a request is refused, and what to do; with the page's Content-Security-Policy."""
    title = "Sign in to Dagster" if refused.status == 401 else "Request refused"
    text = _HEAD.format(title=title, more="") + f"<h1>{title}</h1>\n<p>{escape(refused.reason)}</p>\n"
    return text + (_SIGN_IN if refused.status == 401 else "") + "</body></html>\n", _SECURITY


def reopening_page() -> tuple[str, str]:
    """Opens the same URL once more, this time from our own origin, so that the browser sends its cookie."""
    more = '<meta http-equiv="refresh" content="0">'
    text = _HEAD.format(title="Dagster", more=more)
    return text + "<p>Opening Dagster. If nothing happens, reload this page.</p>\n</body></html>\n", _SECURITY
