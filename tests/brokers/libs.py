"""Kafka's own jars, fetched once by Maven and kept in the user's cache."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

VERSION: Final = "4.1.1"
JAVA: Final = 17
POM: Final = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>outdial</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{version}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>{version}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""


class Unavailable(Exception):
    """A broker cannot be had on this machine; the text says why, and what to do."""


def java() -> str:
    """The Java to run. Unavailable: there is none, or it is too old."""
    found = shutil.which("java")
    if found is None:
        raise Unavailable(f"no Java here: install Java {JAVA} or newer (openjdk-{JAVA}-jre-headless)")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False, timeout=60).stderr  # noqa: S603  found in PATH
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA:
        raise Unavailable(f"Kafka needs Java {JAVA} or newer, and {found} says: {said.strip() or 'nothing'}")
    return found


def cache() -> Path:
    """The folder the jars are kept under."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "outdial-tests"


def place(version: str = VERSION, kept: Path | None = None) -> Path:
    """The folder of the jars of this version, whether it is there yet or not."""
    return (kept or cache()) / f"kafka-{version}"


def jars(version: str = VERSION, kept: Path | None = None) -> Path:
    """The folder with the jars of this version, fetched if it is not there yet. Unavailable: they cannot be fetched."""
    there = place(version, kept)
    if there.is_dir():
        return there
    kept = there.parent
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable(f"no Kafka {version} in {kept}, and no Maven here to fetch it: install maven")
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / f"kafka-{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not there.is_dir():
            with tempfile.TemporaryDirectory(dir=kept, prefix="fetching-") as aside:
                _fetch(maven, version, Path(aside)).rename(there)
    return there


def _fetch(maven: str, version: str, aside: Path) -> Path:
    (aside / "pom.xml").write_text(POM.format(version=version), encoding="utf-8")
    fetched = subprocess.run(  # noqa: S603  found in PATH
        [maven, "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=libs"],
        cwd=aside,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    if fetched.returncode:
        said = "\n".join((fetched.stdout + fetched.stderr).strip().splitlines()[:5])
        raise Unavailable(f"Maven could not fetch Kafka {version}: {said}")
    return aside / "libs"
