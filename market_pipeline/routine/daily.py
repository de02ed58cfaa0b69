"""Runbook, Daily Checks: recent data, overnight alerts, consumer lag, and what they really need beside them: whether
yesterday is whole, where the feed was not listened to, what was no trade, and when the disk is full."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial

from market_pipeline.alerts.history import DISK, LAG, History
from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.lookout import reason_of
from market_pipeline.alerts.message import lasted, moment
from market_pipeline.alerts.rules.cassandra_disk import FULL, UNREADABLE, full_by
from market_pipeline.batch.day_checks import newest_prices
from market_pipeline.broker.records import read_topic
from market_pipeline.charts import line_chart
from market_pipeline.quality.freshness import judge
from market_pipeline.reconcile import reconcile
from market_pipeline.routine.report import Box, Finding, Report, fill_in
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.feed_gaps import stored_gaps
from market_pipeline.supervision.disk import disk
from market_pipeline.utc_day import day_start

NIGHT = timedelta(hours=24)
LAG_WORTH_A_LOOK = 10_000
"""Records. The alert judges the trend; this is for a person who looks once a day."""
FULL_WITHIN_DAYS = 14
WORTH_A_LINE = 50_000
"""Bytes: a smaller table fills no disk."""


def boxes(settings: Settings, day: date, now: datetime) -> list[Box]:
    """The daily checklist for a UTC day that is over, looked at at ``now``."""
    looks: list[tuple[str, str, Callable[[Settings, date, datetime], Finding]]] = [
        ("recent-data", "Prices are recent where markets are open", recent_data),
        ("overnight-alerts", "Alerts of the last 24 hours", overnight_alerts),
        ("consumer-lag", "Consumer lag of the last 24 hours", consumer_lag),
        ("reconciled", "Received = produced = bronze = silver = bars", reconciled),
        ("feed-gaps", "When the feed was not listened to", feed_gaps),
        ("dead-letters", "What came and was no trade", dead_letters),
        ("disk-forecast", "The disk under Cassandra", disk_forecast),
    ]
    return [Box(name, title, partial(look, settings, day, now)) for name, title, look in looks]


def daily_report(settings: Settings, day: date, now: datetime, tell: Callable[[str], None] = lambda _: None) -> Report:
    """Every box of the daily checklist."""
    return fill_in(f"Daily checks of {day}", boxes(settings, day, now), now, tell)


def recent_data(settings: Settings, day: date, now: datetime) -> Finding:
    """Whether each market that is in session has a new price."""
    markets = judge(newest_prices(settings, now), now)
    stale = [market for market in markets if market.stale]
    rows = [{"market": market.market, "session": market.session, "newest price": market.newest} for market in markets]
    text = "; ".join(map(str, stale or markets)) or "nothing is subscribed"
    return Finding(not stale, text, rows)


def overnight_alerts(settings: Settings, day: date, now: datetime) -> Finding:
    """The incidents of the last 24 hours; one that is not over needs a person."""
    if not settings.paths.incidents.exists():
        return Finding(None, "nobody has judged yet: Dagster's sensor `alerts` does")
    found = Ledger(settings.paths.incidents).since((now - NIGHT).timestamp())
    told = "yes" if settings.slack_token is not None else "no: Slack is not set up"
    rows = [
        {
            "incident": each.id,
            "severity": each.severity,
            "state": each.state,
            "since": moment(each.since),
            "lasted": lasted(each.lasted_s(now.timestamp())),
            "told": each.withheld or told,
            "what": each.text,
        }
        for each in found
    ]
    still = sum(each.is_active for each in found)
    return Finding(not still, f"{len(found)} incidents, {still} of them not over", rows)


def consumer_lag(settings: Settings, day: date, now: datetime) -> Finding:
    """What the looks of the last 24 hours saw."""
    if not settings.paths.incidents.exists():
        return Finding(None, "nobody has looked yet: Dagster's sensor `alerts` does")
    seen = History(settings.paths.incidents).since(LAG, (now - NIGHT).timestamp())
    if not seen:
        return Finding(None, "no look within 24 hours could tell the lag")
    lags = [lag for _, lag in seen]
    times = [f"{datetime.fromtimestamp(at, UTC):%H:%M}" for at, _ in seen]
    chart = line_chart("lag, records", times, lags)
    text = f"{lags[-1]:,.0f} records now, {max(lags):,.0f} at most, in {len(lags):,} looks"
    return Finding(lags[-1] < LAG_WORTH_A_LOOK, text, chart=chart)


def reconciled(settings: Settings, day: date, now: datetime) -> Finding:
    """Every hop of the day against the one before it."""
    report = reconcile(settings, day)
    filled = report.filled
    rows = [
        {"hop": hop, "trades": count} | ({"filled": filled.get(hop, 0)} if filled else {})
        for hop, count in report.counts.items()
    ]
    if report.empty:
        return Finding(True, "there was no trade on that day")
    text = (
        f"{report.lost:,} lost, {report.doubled:,} doubled, {len(report.bars):,} bars wrong, "
        f"{len(report.prices):,} latest prices wrong"
    )
    return Finding(report.clean, text, rows)


def feed_gaps(settings: Settings, day: date, now: datetime) -> Finding:
    """The down-times of the feed that began on the day."""
    with connect(settings, timeout_s=60) as session:
        gaps = sorted(stored_gaps(session, settings, {day}), key=lambda gap: (gap.started_at, gap.ended_at, gap.symbol))
    by_span: dict[tuple[datetime, datetime, str, bool], list[str]] = {}
    for gap in gaps:
        by_span.setdefault((*gap[2:5], gap.filled_at is not None), []).append(gap.symbol)
    rows = [
        {
            "from": f"{start:%H:%M:%S}",
            "to": f"{end:%H:%M:%S}",
            "seconds": round((end - start).total_seconds(), 1),
            "reason": reason,
            "filled": "yes" if filled else "",
            "symbols": ", ".join(symbols),
        }
        for (start, end, reason, filled), symbols in by_span.items()
    ]
    longest = max((end - start for start, end, *_ in by_span), default=timedelta())
    filled = sum(is_filled for *_, is_filled in by_span)
    more = f", {filled} of them filled from a second source" if filled else ""
    return Finding(True, f"{len(rows)} gaps, the longest {longest.total_seconds():.0f} s{more}", rows)


def dead_letters(settings: Settings, day: date, now: datetime) -> Finding:
    """The day's dead letters, by reason."""
    begin, end = (int(day_start(each).timestamp() * 1000) for each in (day, day + timedelta(days=1)))
    letters = (
        reason_of(record.headers)
        for record in read_topic(settings, settings.dead_letter_topic)
        if begin <= record.timestamp < end
    )
    reasons = Counter(letters)
    rows = [{"reason": reason, "letters": count} for reason, count in reasons.most_common()]
    total = reasons.total()
    cure = ": `replay_dead_letters` sends again what is a trade after a fix" if total else ""
    return Finding(total == 0, f"{total:,} dead letters{cure}", rows)


def disk_forecast(settings: Settings, day: date, now: datetime) -> Finding:
    """How full the disk is, what fills it, and when it is full at the pace of the last two weeks."""
    found = disk(settings.cassandra_home)
    if found is None:
        return Finding(None, UNREADABLE)
    used = []
    if settings.paths.incidents.exists():
        used = History(settings.paths.incidents).since(DISK, (now - timedelta(days=14)).timestamp())
    full_at = full_by(used)
    soon = full_at is not None and full_at - now.timestamp() < FULL_WITHIN_DAYS * 86_400
    forecast = f"full by {datetime.fromtimestamp(full_at, UTC):%Y-%m-%d}" if full_at is not None else "no end in sight"
    rows = [
        {"table": name, "MB": round(size / 1e6, 1)}
        for name, size in sorted(found.tables.items(), key=lambda each: each[1], reverse=True)[:12]
        if size >= WORTH_A_LINE
    ]
    rows.append({"table": "(only in snapshots)", "MB": round(found.snapshots / 1e6, 1)})
    times = [f"{datetime.fromtimestamp(at, UTC):%m-%d}" for at, _ in used]
    chart = line_chart("disk used, %", times, [100 * part for _, part in used]) if len(used) > 1 else None
    text = f"{found.used:.0%} used, {found.free / 1e9:,.1f} GB free; {forecast}"
    return Finding(found.used <= FULL and not soon, text, rows, chart)
