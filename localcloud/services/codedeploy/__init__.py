"""CodeDeploy: deployments of Lambda functions."""
