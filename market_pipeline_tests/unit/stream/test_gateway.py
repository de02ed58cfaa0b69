from pathlib import Path

import pytest

from market_pipeline.stream.gateway import GatewayError, start_jvm


def test_a_jvm_that_ends_at_once_is_told_in_one_line(tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    java.chmod(0o755)
    with pytest.raises(GatewayError, match="ended with status 3 before it was up"):
        start_jvm(tmp_path, [], [], {})
