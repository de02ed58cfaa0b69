"""Kafka's own command-line tools, started from the server's jars: ``kafka-topics``, ``kafka-console-consumer``, …"""

import os
import sys
from collections.abc import Sequence

from market_pipeline.local.jars import JarError, classpath
from market_pipeline.local.java import NoJava, java_home
from market_pipeline.local.jvm import joined
from market_pipeline.private_process import keep_private
from market_pipeline.settings import Settings, SettingsError
from market_pipeline.supervision.log_lines import write_error

TOOLS = {
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
}
"""Each tool's name in Kafka's distribution and the class behind it."""

FLAGS = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true")


def tool_command(settings: Settings, name: str, arguments: Sequence[str]) -> list[str]:
    """The command behind the name.

    Raises:
        KeyError: there is no such tool.
        JarError, NoJava: a jar can't be had, or there is no Java 17.
    """
    main = TOOLS[name]
    java = java_home(settings) / "bin" / "java"
    return [str(java), *FLAGS, "-cp", joined(classpath("kafka-tools")), main, *arguments]


def main(arguments: Sequence[str]) -> int:
    """Replace this process by the tool; returns only when that can't be, with the status to exit with."""
    keep_private()
    if not arguments or arguments[0] not in TOOLS:
        write_error(f"usage: python -m market_pipeline.deploy.kafka_tools {'|'.join(TOOLS)} ARGUMENT…")
        return 2
    try:
        command = tool_command(Settings.load(), arguments[0], arguments[1:])
        os.execv(command[0], command)
    except (SettingsError, JarError, NoJava, OSError) as error:
        write_error(str(error))
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
