"""``python -m market_pipeline.cli``, the same as the console script."""

from market_pipeline.cli import main

main(prog_name="market-pipeline")
