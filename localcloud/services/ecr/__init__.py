"""ECR: repositories, and the registry behind them."""
