from market_pipeline.local.nodetool import todays_names


def test_the_runbooks_cfstats_is_tablestats() -> None:
    assert todays_names(["cfstats", "market_data"]) == ["tablestats", "market_data"]


def test_only_the_command_itself_is_renamed() -> None:
    assert todays_names(["tablestats", "cfstats"]) == ["tablestats", "cfstats"]
    assert todays_names([]) == []
