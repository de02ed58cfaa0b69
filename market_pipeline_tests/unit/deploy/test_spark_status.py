import pytest

from market_pipeline.deploy import spark_status

STATE = {
    "url": "spark://spark-master:7077",
    "status": "ALIVE",
    "aliveworkers": 1,
    "cores": 8,
    "coresused": 8,
    "memory": 1024,
    "memoryused": 768,
    "workers": [{"host": "172.18.0.9", "port": 41001, "state": "ALIVE", "cores": 8, "coresused": 8}],
    "activeapps": [
        {"name": "market-pipeline", "id": "app-20251110-0000", "state": "RUNNING", "duration": 61_500, "cores": 8}
    ],
}


def test_a_running_application_is_told_with_its_time() -> None:
    assert spark_status.lines(STATE) == [
        "master spark://spark-master:7077 is ALIVE: 1 workers, 8 of 8 cores and 768 of 1024 MB in use",
        "worker 172.18.0.9:41001 ALIVE, 8 of 8 cores",
        "application market-pipeline (app-20251110-0000) RUNNING for 61 s, 8 cores",
    ]


def test_an_idle_cluster_says_so() -> None:
    assert spark_status.lines(STATE | {"activeapps": []})[-1] == "no application is running"


def test_a_master_that_does_not_answer_is_one_line(
    refusing_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(spark_status, "MASTER_PAGE", f"http://127.0.0.1:{refusing_port}/json/")
    assert spark_status.main() == 1
    assert capsys.readouterr().err.startswith("error: the master does not answer")
