"""Each line of the runbook that somebody had to do or to know, and what does it here. Only data."""

from market_pipeline.local.programs import EXECUTE_JOB
from market_pipeline.runbook.line import Line, Section

YESTERDAY = """--tags "{\\"dagster/partition\\": \\"$(date -u -d yesterday +%F)\\"}\""""
"""The day of a job that is of a day, as a shell has it."""


def _line(
    id: str,
    *seed: str,
    does: str,
    command: str | None = None,
    job: str | None = None,
    rule: str | None = None,
    is_example: bool = False,
) -> Line:
    return Line(id, seed, does, command, job, rule, is_example)


SECTIONS = (
    Section(
        "Escalation",
        (
            _line(
                "escalation",
                "| Critical (P1) | 15 min | On-call engineer |",
                "| High (P2) | 1 hour | Team lead |",
                "| Medium (P3) | 4 hours | Sprint owner |",
                "| Low (P4) | Next sprint | Backlog |",
                does="What nobody takes on in its time goes to the next contact; an ack ends that at once, and one "
                "that is forgotten is taken back.",
                command="market-pipeline incidents list",
                job="monthly_routine",
            ),
        ),
    ),
    Section(
        "1. Pipeline Down - Zero Trades",
        (
            _line(
                "zero-trades", "**Alert**: No trades received in the last 10 minutes.",
                does="Judged each half minute while a subscribed market is in session; tells whether we are deaf or "
                "the vendor is mute, or whether it is a halt. `trade-rate` tells when far fewer come than usual.",
                command="market-pipeline incidents show zero-trades", rule="zero-trades",
            ),
            _line(
                "zero-trades-symptoms",
                "- Grafana dashboard shows 0 trades", "- Kafka topic has no new messages",
                does="The lines `feed` and `kafka`: the last trade's age, and the rate over the last minute.",
                command="market-pipeline status --watch",
            ),
            _line(
                "producer-process", 'ps aux | grep "python -m src.producer"',
                does="Each process with its pid, state, restarts and last error; one that hangs is told and restarted.",
                command="market-pipeline status", rule="program-hung",
            ),
            _line(
                "vendor-reachable",
                'curl "https://finnhub.io/api/v1/quote?symbol=AAPL&token=$FINNHUB_API_KEY"',
                does="Asks the vendor with the key in a header, so that it is in no list of processes and in no log.",
                command="market-pipeline doctor", rule="key",
            ),
            _line(
                "look-into-topic",
                "docker-compose exec kafka kafka-console-consumer --bootstrap-server localhost:9092 --topic trades_raw "
                "--from-beginning --max-messages 5",
                does="The newest records of the topic, or the oldest with --from-beginning.",
                command="market-pipeline topics read trades_raw --max-messages 5",
            ),
            _line(
                "restart-producer", "python -m src.producer.main --symbols AAPL,MSFT,GOOGL",
                does="A new process, with other symbols if the job's config names them; the journal bridges the time.",
                command="market-pipeline restart producer", job="restart_producer",
            ),
            _line(
                "fill-gap",
                does="What was traded while nobody listened, from another listener's recordings, which "
                "MARKET_PIPELINE_SECOND_SOURCE names; a dry run without the config `really: true`; then `rebuild_day`.",
                command=f"{EXECUTE_JOB} fill_gap", job="fill_gap", rule="feed-gap",
            ),
        ),
    ),
    Section(
        "2. High Latency",
        (
            _line(
                "high-latency", "**Alert**: End-to-end latency exceeds threshold.",
                does="95 % of the newest trades took over 10 s, received to written, for a minute; by stage.",
                command="market-pipeline incidents show high-latency", rule="high-latency",
            ),
            _line(
                "spark-status", "docker-compose exec spark-master spark-submit --status",
                does="The line `stream`: phase, mode, lag, age of the newest queryable trade, last progress.",
                command="market-pipeline status", rule="stream-stalled",
            ),
            _line(
                "write-latency", "docker-compose exec cassandra nodetool tpstats",
                does="Cassandra's own word for what waits.",
                command="market-pipeline nodetool tpstats",
            ),
            _line(
                "consumer-lag",
                "docker-compose exec kafka kafka-consumer-groups --bootstrap-server localhost:9092 --describe "
                "--group spark-consumer",
                does="The stream's place in each partition, as Kafka's own tools show it.",
                command="market-pipeline groups describe spark-consumer", rule="consumer-lag",
            ),
            _line(
                "restart-stream",
                "docker-compose exec spark-master spark-submit --executor-memory 2G --packages "
                "org.apache.spark:spark-sql-kafka-0-10_2.12:3.5.0 /opt/spark/work-dir/src/consumer/main.py",
                does="A new process, with more memory if the job's config tells; it goes on from its checkpoints.",
                command="market-pipeline restart stream", job="restart_stream",
            ),
        ),
    ),
    Section(
        "3. Kafka Broker Down",
        (
            _line(
                "kafka-down", "**Alert**: Kafka health check failing.",
                does="No answer, or partitions without a leader, in two looks; what follows from it is not told.",
                command="market-pipeline incidents show kafka-down", rule="kafka-down",
            ),
            _line(
                "kafka-logs", "docker-compose logs --tail=100 kafka",
                does="The end of its log.", command="market-pipeline logs kafka -n 100",
            ),
            _line(
                "kafka-quorum",
                'docker-compose exec zookeeper zkCli.sh -server localhost:2181 <<< "ls /brokers/ids"',
                does="Kafka keeps its own quorum (KRaft), without ZooKeeper; `kafka-down` tells missing leaders.",
                command="market-pipeline topics list",
            ),
            _line(
                "restart-kafka", "docker-compose restart kafka schema-registry",
                does="Kafka, then what depends on it, each when the one before answers; the journal bridges the time.",
                command=f"{EXECUTE_JOB} restart_kafka", job="restart_kafka",
            ),
        ),
    ),
    Section(
        "4. Cassandra Out of Disk",
        (
            _line(
                "cassandra-disk", "**Alert**: Disk usage > 80%",
                does="P2 above 80 %, P1 above 90 %; snapshots are counted, and the day when it is full is told.",
                command="market-pipeline incidents show cassandra-disk", rule="cassandra-disk",
            ),
            _line(
                "disk-usage",
                "docker-compose exec cassandra nodetool status", "docker-compose exec cassandra nodetool info",
                does="The node's own word.", command="market-pipeline nodetool info", job="weekly_routine",
            ),
            _line(
                "table-sizes", "docker-compose exec cassandra nodetool cfstats market_data",
                does="Each table's size; the weekly report has them with tombstones and the compaction backlog.",
                command="market-pipeline nodetool tablestats market_data", job="weekly_routine",
            ),
            _line(
                "compact-and-cleanup",
                "docker-compose exec cassandra nodetool compact market_data",
                "docker-compose exec cassandra nodetool cleanup",
                does="Both, where the largest table fits into what is free; else refused, with what makes room.",
                command=f"{EXECUTE_JOB} compact_keyspace", job="compact_keyspace",
            ),
        ),
    ),
    Section(
        "Routine maintenance",
        (
            _line(
                "daily", "- [ ] Verify Grafana dashboard shows recent data",
                "- [ ] Check Slack for any overnight alerts", "- [ ] Review Kafka consumer lag",
                does="The daily report: these, whether yesterday is whole, gaps, dead letters, the disk's forecast.",
                command=f"{EXECUTE_JOB} daily_routine {YESTERDAY}", job="daily_routine",
            ),
            _line(
                "smoke-test", "- [ ] Run smoke test: `python scripts/smoke_test.py -v`",
                does="A marked trade over the real path, seen at every hop and removed.",
                command="market-pipeline smoke-test -v", job="weekly_routine",
            ),
            _line(
                "weekly", "- [ ] Check Cassandra disk usage", "- [ ] Review Spark job metrics",
                does="The weekly report: these, and tombstones, a compaction, the size of Dagster's storage.",
                command=f"{EXECUTE_JOB} weekly_routine", job="weekly_routine",
            ),
            _line(
                "monthly", "- [ ] Update Docker images", "- [ ] Rotate API keys if needed",
                "- [ ] Review and tune alert thresholds",
                does="The monthly report: versions against the registries, the key tried, what each rule fired on.",
                command=f"{EXECUTE_JOB} monthly_routine", job="monthly_routine",
            ),
        ),
    ),
    Section(
        "Useful commands",
        (
            _line(
                "logs", "docker-compose logs -f",
                does="All logs, in order of time.", command="market-pipeline logs -f",
            ),
            _line(
                "restart", "docker-compose restart <service-name>",
                does="Stops it politely, starts it again, and returns when the new process is seen to work.",
                command="market-pipeline restart stream", is_example=True,
            ),
            _line(
                "scale", "docker-compose up -d --scale spark-worker=3",
                does="In containers; on one machine Spark has a slot for every partition.",
                command="docker-compose up -d --scale spark-worker=3",
            ),
            _line(
                "topics-list", "docker-compose exec kafka kafka-topics --bootstrap-server localhost:9092 --list",
                does="With partitions and how many records are kept.", command="market-pipeline topics list",
            ),
            _line(
                "topics-create",
                "docker-compose exec kafka kafka-topics --bootstrap-server localhost:9092 --create --topic new_topic "
                "--partitions 6 --replication-factor 1",
                does="Creates it, and returns when every partition has a leader.",
                command="market-pipeline topics create new_topic --partitions 6 --replication-factor 1",
                is_example=True,
            ),
            _line(
                "topics-delete",
                "docker-compose exec kafka kafka-topics --bootstrap-server localhost:9092 --delete --topic old_topic",
                does="Deletes it with all its records; the pipeline's own are refused.",
                command="market-pipeline topics delete old_topic", is_example=True,
            ),
            _line(
                "groups-list",
                "docker-compose exec kafka kafka-consumer-groups --bootstrap-server localhost:9092 --list",
                does="Each group and its state.", command="market-pipeline groups list",
            ),
            _line(
                "cqlsh", "docker-compose exec cassandra cqlsh",
                does="Cassandra's own shell, in the pipeline's keyspace; what follows is cqlsh's own.",
                command="market-pipeline cqlsh",
            ),
            _line(
                "queries",
                'docker-compose exec cassandra cqlsh -e "SELECT * FROM market_data.trades_silver LIMIT 10;"',
                'docker-compose exec cassandra cqlsh -e "SELECT * FROM market_data.latest_prices;"',
                does="A table, or exact JSON with --json.",
                command='market-pipeline query "SELECT * FROM market_data.latest_prices"', is_example=True,
            ),
            _line(
                "node-status", "docker-compose exec cassandra nodetool status",
                does="The node's own word.", command="market-pipeline nodetool status",
            ),
        ),
    ),
    Section(
        "Performance tuning",
        (
            _line(
                "tuning",
                "| `num.partitions` | 6 | 12 | More parallelism |",
                "| `log.retention.hours` | 168 | 72 | Reduce storage |",
                "| `spark.executor.memory` | 1G | 2G | More memory |",
                "| `spark.sql.shuffle.partitions` | 200 | 12 | Match Kafka partitions |",
                "| `MAX_HEAP_SIZE` | 1G | 2G | Production sizing |",
                "| `gc_grace_seconds` | 864000 | 86400 | Faster tombstone cleanup |",
                does="What the servers have differently, what a change takes, and with --really does it.",
                command="market-pipeline tune apply --profile tuned",
            ),
        ),
    ),
    Section(
        "Beside the runbook",
        (
            _line(
                "take-it-on",
                does="An incident is taken on, silenced or mended by its buttons in Slack, on the terminal, or by the "
                "jobs ack_incident, silence_rule and resolve_incident.",
                command="market-pipeline incidents ack kafka-down", is_example=True, job="ack_incident",
            ),
            _line(
                "run-its-remedy",
                does="Dagster runs the remedy of an incident within seconds, once however often it is asked for.",
                command="market-pipeline incidents run kafka-down", job="restart_program", rule="program-hung",
                is_example=True,
            ),
            _line(
                "what-was-it",
                does="The report of an incident that is over: its course, the trades that it touched, its cause, what "
                "healed it. Dagster's asset incident_reports has them all.",
                command="market-pipeline incidents report kafka-down", is_example=True,
            ),
            _line(
                "drill",
                does="A second pipeline is broken in every way that is known: who noticed, who was told, how soon it "
                "was well, what was lost. The schedule drill_at_night can be switched on.",
                command="market-pipeline drill --only producer-killed", job="drill",
            ),
            _line(
                "last-worked",
                does="This page, with when each line last worked on your pipeline.",
                command="market-pipeline runbook",
            ),
        ),
    ),
)  # fmt: skip
"""The node's status stands twice in the runbook, and so it does here."""
