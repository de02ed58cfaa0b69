"""Remedies that do more than restart, as jobs: what sends again or deletes is a dry run unless it is told `really`."""

import dagster as dg

from market_pipeline.defs.failures import told_in_one_line
from market_pipeline.defs.outcomes import kept_with_incident
from market_pipeline.defs.remedies import POOL
from market_pipeline.defs.resources import PipelineResource
from market_pipeline.defs.schedules import MAX_RUNTIME

LONG = "maintenance"
"""The pool of what may take an hour: no restart has to wait for it."""
DRY = "a dry run: with the config `really: true` it is done"


@dg.op(pool=LONG, description="Compact the keyspace and clean it up; refused with the figures where the disk is short.")
def compact_keyspace_now(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
    from market_pipeline.remedies.compaction import compact

    with told_in_one_line(context), kept_with_incident(context, settings := pipeline.settings()) as keep:
        done = compact(settings)
        keep(done)
        context.log.info(str(done))
        rows = [
            dg.TableRecord({"table": name, "before_mb": size / 1e6, "after_mb": done.after.get(name, 0) / 1e6})
            for name, size in sorted(done.before.items())
        ]
        tables = {"tables": dg.MetadataValue.table(rows)} if rows else {}
        context.add_output_metadata({"freed_mb": done.freed / 1e6, "seconds": done.seconds, **tables})


@dg.job(tags={MAX_RUNTIME: "7200"}, description="Runbook: nodetool compact and cleanup, where the disk has room.")
def compact_keyspace() -> None:
    compact_keyspace_now()


class Replay(dg.Config):
    """Which dead letters to send again."""

    really: bool = False
    """Send; otherwise only count."""
    since: str | None = None
    """Leave out what came before, ISO 8601."""


@dg.op(pool=LONG, description="Send again those dead letters that are trades by today's rules.")
def replay_dead_letters_now(context: dg.OpExecutionContext, config: Replay, pipeline: PipelineResource) -> None:
    from market_pipeline.remedies.dead_letter_replay import epoch_ms, replay

    with told_in_one_line():
        found = replay(pipeline.settings(), really=config.really, since_ms=epoch_ms(config.since))
    context.log.info(f"{found.seen:,} dead letters, {found.trades:,} trades in them now, {found.sent:,} sent")
    if not config.really:
        context.log.info(DRY)
    still = dict(found.still.most_common())
    context.add_output_metadata({"letters": found.seen, "trades": found.trades, "sent": found.sent, "still": still})


@dg.job(tags={MAX_RUNTIME: "3600"}, description="After a fix: send again the dead letters that are trades now.")
def replay_dead_letters() -> None:
    replay_dead_letters_now()


class Fill(dg.Config):
    """Which gaps of the feed to fill."""

    really: bool = False
    """Send, and mark the gaps; otherwise only count."""
    day: str | None = None
    """Gaps that began on this UTC day; those of the last week where none is named."""


@dg.op(pool=LONG, description="Fill gaps of the feed with the trades that a second source recorded.")
def fill_gap_now(context: dg.OpExecutionContext, config: Fill, pipeline: PipelineResource) -> None:
    from market_pipeline.remedies.gap_fill import day_of, fill

    with told_in_one_line(context):
        found = fill(pipeline.settings(), day_of(config.day), really=config.really)
        for each in found.fills:
            context.log.info(str(each))
        whole = sum(each.whole for each in found.fills)
        context.log.info(
            f"{len(found.fills):,} gaps, {whole:,} of them whole: {found.missing:,} trades, {found.sent:,} sent"
        )
        days = ", ".join(map(str, found.rebuild))
        if not config.really:
            context.log.info(DRY)
        elif days:
            context.log.info(
                f"the stream's bars don't take trades this late: run rebuild_day for {days}, which judges them"
            )
        context.add_output_metadata(
            {"gaps": len(found.fills), "whole": whole, "trades": found.missing, "sent": found.sent, "rebuild": days}
        )


@dg.job(tags={MAX_RUNTIME: "3600"}, description="After a gap of the feed: its trades from a second source.")
def fill_gap() -> None:
    fill_gap_now()


class Really(dg.Config):
    """Whether to do it, or only to tell what it would do."""

    really: bool = False


@dg.op(pool=POOL, description="Let the stream read Kafka again from its oldest record.")
def reset_stream_now(context: dg.OpExecutionContext, config: Really, pipeline: PipelineResource) -> None:
    from market_pipeline.remedies.stream_reset import plan, reset

    settings = pipeline.settings()
    with told_in_one_line():
        again = plan(settings)
        context.log.info(f"{again.records:,} of Kafka's {again.kept:,} records are read again")
        context.log.info("new trades are queryable when the stream is through them; a high-latency meanwhile is that")
        context.add_output_metadata({"kept": again.kept, "records": again.records})
        if not config.really:
            context.log.info(DRY)
            return
        done = reset(settings, context.log.info)
    context.log.info(str(done.restarted))


@dg.job(tags={MAX_RUNTIME: "900"}, description="Put the stream's checkpoints aside: the same trades are the same rows.")
def reset_stream() -> None:
    reset_stream_now()


rebuild_day = dg.define_asset_job(
    "rebuild_day",
    selection=dg.AssetSelection.assets("trades_silver", "ohlcv_1m", "ohlcv_1d", "symbol_daily_stats"),
    tags={MAX_RUNTIME: "7200"},
    description="A day's silver and gold anew, from the bronze archive.",
)
